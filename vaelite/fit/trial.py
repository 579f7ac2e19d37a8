"""Try the terms before training, so that a mistake in one is named and explained."""

import copy

import numpy as np

from ..arrays.dispatch import to_host
from ..checks import warn
from ..gradient import NoDependence, dependencies, value_and_grad
from ..ops import sum_of_squares
from ..plain import PlainObjective

ADVICE = (
    "in your own term use autograd's NumPy (import autograd.numpy as np) and no float(), .item(), "
    "assignment into arrays, or random numbers whose mean is a parameter"
)


def is_own(part):
    """Whether a part is of a class of your own, not of vaelite's."""
    return not type(part).__module__.startswith("vaelite.")


def has_own_parts(model):
    """Whether a model has terms, an objective or other parts of your own to try."""
    parts = [model.part(name) for name in ("encoder", "decoder", "likelihood", "prior")]
    own_objective = getattr(model, "objective", None) is not None
    return bool(model.own_terms) or own_objective or any(map(is_own, parts))


def try_network(network, n_inputs, heads, params, dtype):
    """Compute a network's outputs once, for a few rows.

    Parameters
    ----------
    network : Network
    n_inputs : int
    heads : dict of str to Head
    params : dict of arrays
        The network's own.
    dtype : dtype
        Of the input.

    Raises
    ------
    ValueError
        If the outputs are not one array of the right shape per head.
    """
    rows = 3
    outputs = network(params, np.full((rows, n_inputs), 0.5, dtype), heads)
    kind = type(network).__name__
    if not isinstance(outputs, tuple | list) or len(outputs) != len(heads):
        found = len(outputs) if isinstance(outputs, tuple | list) else type(outputs).__name__
        raise ValueError(
            f"{kind} should return {len(heads)} outputs ({', '.join(heads)}), got {found}"
        )
    for (name, head), array in zip(heads.items(), outputs, strict=True):
        if np.shape(array) != (rows, head.size) or not hasattr(array, "dtype"):
            raise ValueError(
                f"the output {name} of {kind} should be an array of shape {(rows, head.size)} for "
                f"{rows} rows, got {type(array).__name__} of shape {np.shape(array)}"
            )


def try_prior(prior, latent_dim, params, dtype):
    """Draw a few codes once, and score them.

    Parameters
    ----------
    prior : Prior
    latent_dim : int
    params : dict of arrays
        The prior's own.
    dtype : dtype

    Raises
    ------
    ValueError, TypeError
        If the codes are not of the right shape, or have no density.
    """
    kind, shape, p = type(prior).__name__, (7, latent_dim), prior.parameters(params)
    z = prior.sample(np.random.default_rng(0), shape, dtype, *p)
    if np.shape(z) != shape or not hasattr(z, "dtype"):
        raise ValueError(
            f"sample of {kind} should return an array of codes of shape {shape}, got "
            f"{type(z).__name__} of shape {np.shape(z)}"
        )
    _call(f"{kind}.neglogprior", prior.neglogprior, "z, *parameters", shape[:1], z, *p)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # training reports these
def try_terms(objective, params, x, eps):
    """Evaluate and differentiate the terms once, on a few rows.

    Parameters
    ----------
    objective : NegELBO
    params : dict of arrays
    x : array, shape (batch, n_features)
    eps : array, shape (batch, latent_dim) or (samples, batch, latent_dim)

    Raises
    ------
    ValueError
        If a term does not return one number per example, or `reparameterize` one code.
    TypeError
        If a term cannot be called with its arguments, or autograd cannot differentiate
        it.

    Warns
    -----
    UserWarning
        If the loss does not depend on some parameters, or the codes not on mu or
        logsigma. These would never be trained.
    """
    if isinstance(objective, PlainObjective):
        _try_plain(objective, params, x, eps)
    else:
        _try_elbo(objective, params, x, eps)
    try:
        used = dependencies(objective, params, x, eps)
        _check_numbers(*value_and_grad(objective)(params, x, eps))
    except Exception as error:
        raise TypeError(
            f"the terms work on arrays, but not inside autograd ({type(error).__name__}: {error}); "
            f"{ADVICE}"
        ) from error
    if unused := [name for name in params if name not in used]:
        warn(
            f"the loss does not depend on {', '.join(unused)}: they will never be trained. Does "
            "every term use all its arguments, and is everything computed with autograd.numpy?"
        )


def _check_numbers(loss, grads):
    """Refuse what NumPy makes of autograd's arrays: arrays of objects."""
    for array in (loss, *grads.values()):
        if np.asarray(to_host(array)).dtype.kind != "f":
            raise TypeError("a function of plain NumPy returned an array of objects")


def _try_elbo(objective, params, x, eps):
    """Try each term by itself."""
    z = objective.encode(params, x)
    if objective.has_posterior:
        z = _try_posterior(objective, params, *z, eps.reshape(-1, *eps.shape[-2:])[0])
    outputs = objective.decode(params, z)
    _call("negloglikelihood", objective.negloglikelihood, "x, *outputs", (len(x),), x, *outputs)


def _try_plain(objective, params, x, eps):
    """Try your own objective, and the ELBO that is reported with it."""
    if objective.elbo is not None:
        _try_elbo(objective.elbo, params, x, eps)
    try:
        objective.losses(params, x, eps)
    except TypeError as error:
        raise TypeError(
            f"objective(params, x, eps) failed on x of shape {x.shape} and eps of shape "
            f"{eps.shape}: {error}"
        ) from error


def try_optimizer(optimizer, params):
    """Take one step with a copy of an optimizer, on copies of the parameters.

    Raises
    ------
    TypeError
        If ``update`` does not change the arrays in place.
    """
    optimizer, kind = copy.deepcopy(optimizer), type(optimizer).__name__
    trial = {name: array.copy() for name, array in params.items()}
    arrays, gradients = dict(trial), {name: array * 0 + 1 for name, array in params.items()}
    optimizer.update(trial, gradients)
    same = all(trial.get(name) is array for name, array in arrays.items())
    if not same or not any((arrays[name] != params[name]).any() for name in params):
        raise TypeError(
            f"{kind}.update(params, grads) should change the arrays of params in place, such as "
            "params[name] -= 0.01 * grads[name], but they are "
            f"{'the same as before' if same else 'others now'}"
        )


def _try_posterior(objective, params, mu, logsigma, eps):
    """Try the sample and the two terms that score it; the codes."""
    sample, n = objective.reparameterize, len(mu)
    z = _call("reparameterize", sample, "mu, logsigma, eps", eps.shape, mu, logsigma, eps)
    _check_path(sample, mu, logsigma, eps)
    p = objective.prior(params)
    arguments = "z, *parameters" if p else "z"
    _call("neglogprior", objective.neglogprior, arguments, (n,), z, *p)
    _call("neglogposterior", objective.neglogposterior, "z, mu, logsigma", (n,), z, mu, logsigma)
    return z


def _check_path(reparameterize, mu, logsigma, eps):
    """Warn if no derivative reaches mu or logsigma through the codes."""
    q = {"mu": mu, "logsigma": logsigma}
    used = _used(lambda q: reparameterize(q["mu"], q["logsigma"], eps), q)
    if missing := [name for name in q if name not in used]:
        them = "them" if len(missing) > 1 else "it"
        warn(
            f"no derivative passes through reparameterize to {' and '.join(missing)}: the encoder "
            f"would not learn {them} from the likelihood. Compute z = mu + exp(logsigma) * eps "
            "with autograd.numpy"
        )


def _used(function, params):
    """The names of the params that a function's result depends on."""
    try:
        return dependencies(lambda params: sum_of_squares(function(params)), params)
    except NoDependence:
        return ()
    except Exception:  # the loss as a whole is tried later, and its error is explained
        return params


def _call(name, term, arguments, shape, *values):
    """A term's result, if it accepts its arguments and returns the right shape."""
    try:
        result = term(*values)
    except TypeError as error:
        shapes = ", ".join(str(np.shape(value)) for value in values)
        raise TypeError(
            f"{name}({arguments}) failed on arrays of shapes {shapes}: {error}"
        ) from error
    if result is None:
        raise ValueError(f"{name} returned None; does it end in a return?")
    if np.shape(result) != shape or np.iscomplexobj(result):
        is_code = len(shape) == 2
        kind = "one code per example" if is_code else "one number per example"
        advice = "" if is_code else "; sum over the last axis only: np.sum(..., axis=-1)"
        found = "complex numbers" if np.iscomplexobj(result) else f"shape {np.shape(result)}"
        raise ValueError(
            f"{name} should return {kind}, shape {shape} for a batch of {len(values[0])}, got "
            f"{found}{advice}"
        )
    return result
