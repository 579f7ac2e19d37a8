"""Try the terms before training, so that a slip in one is named and explained."""

import numpy as np

from .gradient import NoDependence, dependencies
from .ops import sum_of_squares
from .validation import warn

ADVICE = (
    "in a term of your own use autograd's NumPy (import autograd.numpy as np) and no float(), .item(), assignment into "
    "arrays, or random numbers whose mean is a parameter"
)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # training finds what they lead to, and says where
def rehearse(objective, params, x, eps):
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
        If a term does not give one number an example, or `reparameterize` no code an example.
    TypeError
        If a term cannot be called as it should be, or not be differentiated by autograd.

    Warns
    -----
    UserWarning
        If the loss does not depend on some parameters, or the codes not on mu or logsigma, which would never be
        trained.
    """
    mu, logsigma = objective.encode(params, x)
    noise = eps.reshape(-1, *eps.shape[-2:])[0]
    if np.isfinite(logsigma).all():  # an autoencoder's code has no noise, and its loss no prior and posterior
        z = _call("reparameterize", objective.reparameterize, "mu, logsigma, eps", noise.shape, mu, logsigma, noise)
        _check_path(objective.reparameterize, mu, logsigma, noise)
        _call("neglogprior", objective.neglogprior, "z", (len(x),), z)
        _call("neglogposterior", objective.neglogposterior, "z, mu, logsigma", (len(x),), z, mu, logsigma)
    else:
        z = mu
    _call("negloglikelihood", objective.negloglikelihood, "x, *outputs", (len(x),), x, *objective.decode(params, z))
    try:
        used = dependencies(objective, params, x, eps)
    except Exception as error:
        raise TypeError(
            f"the terms work on arrays, but not inside autograd ({type(error).__name__}: {error}); {ADVICE}"
        ) from error
    if unused := [name for name in params if name not in used]:
        warn(
            f"the loss does not depend on {', '.join(unused)}: they will never be trained. Does every term use all "
            "its arguments, and is everything computed with autograd.numpy?"
        )


def _check_path(reparameterize, mu, logsigma, eps):
    """Warn if no derivative reaches mu or logsigma through the codes."""
    used = _through(lambda q: reparameterize(q["mu"], q["logsigma"], eps), {"mu": mu, "logsigma": logsigma})
    if missing := [name for name in ("mu", "logsigma") if name not in used]:
        warn(
            f"no derivative passes through reparameterize to {' and '.join(missing)}: the encoder would not learn "
            f"from the likelihood what to do with {'them' if len(missing) > 1 else 'it'}. Compute z = mu + "
            "exp(logsigma) * eps with autograd.numpy"
        )


def _through(function, params):
    """The names of the params that a function's answer depends on."""
    try:
        return dependencies(lambda params: sum_of_squares(function(params)), params)
    except NoDependence:
        return ()
    except Exception:  # the loss as a whole is tried later, and what stops it explained
        return params


def _call(name, term, arguments, shape, *values):
    """A term's answer, if it can be called as it should be and has the right shape."""
    try:
        answer = term(*values)
    except TypeError as error:
        shapes = ", ".join(str(np.shape(value)) for value in values)
        raise TypeError(f"{name}({arguments}) failed on arrays of shapes {shapes}: {error}") from error
    if answer is None:
        raise ValueError(f"{name} returned None; does it end in a return?")
    if np.shape(answer) != shape or np.iscomplexobj(answer):
        kind = "one code an example" if len(shape) == 2 else "one number an example"
        advice = "" if len(shape) == 2 else "; sum over the last axis only: np.sum(..., axis=-1)"
        what = "complex numbers" if np.iscomplexobj(answer) else f"shape {np.shape(answer)}"
        raise ValueError(
            f"{name} should return {kind}, shape {shape} for a batch of {len(values[0])}, got {what}{advice}"
        )
    return answer
