"""The best model without latents: where training starts, and what a fit has to beat."""

import numpy as np

from ..arrays.streams import Stream, generator
from ..models.checks import check_params
from ..networks.base import own_params
from ..state import Solution
from .trial import is_own, try_network, try_prior

WIDEST = 0.3  # standard deviation of a latent's codes at the start, where the prior's is 1


ROWS = 2000  # for the start and the scores, evenly spaced: a small part of the fit


def with_new_params(model, data, seed):
    """Return a copy of a model with new random parameters for a data set."""
    columns = {"n_features": data.n_features, "n_conditions": data.n_conditions}
    solution = Solution({}, **columns, feature_names=data.feature_names)
    started = model.with_solution(solution)
    started.likelihood = data.likelihood
    solution.params = new_params(started, data.dtype, seed)
    return started


def new_params(model, dtype, seed):
    """Return new parameters of all networks and of the prior, by name.

    Parameters
    ----------
    model : LatentModel
        Its solution knows the numbers of columns.
    dtype : dtype
    seed : numpy.random.SeedSequence
    """
    rng, params = generator(seed, Stream.INIT), {}
    for prefix, (network, n_inputs, heads) in model.networks().items():
        network.check_inputs(n_inputs, model.n_conditions)
        params |= _drawn(prefix, network, network.shapes(n_inputs, heads), rng, dtype)
        if is_own(network):
            try_network(network, n_inputs, heads, own_params(params, prefix), dtype)
    params |= _drawn("prior", model.prior, model.prior.shapes(model.latent_dim), rng, dtype)
    if is_own(model.prior):
        try_prior(model.prior, model.latent_dim, own_params(params, "prior"), dtype)
    return params


def _drawn(prefix, part, shapes, rng, dtype):
    """The first parameters of a part, in C order, to be trained in place."""
    params = check_params(prefix, part.init_params(rng, shapes, dtype), shapes)
    return {f"{prefix}.{name}": np.array(a, dtype, order="C") for name, a in params.items()}


def baseline_outputs(model, x):
    """Return the decoder's outputs of the best model without latents, or None.

    Parameters
    ----------
    model : LatentModel
    x : array, shape (n, n_features)
        Rows of floats to fit it to.

    Returns
    -------
    dict of str to array, shape (size,), or None
        None if the likelihood has no such outputs.
    """
    constant = getattr(model.likelihood, "constant", None)
    return None if constant is None else constant(x)


def baseline_loss(model, outputs, x):
    """Return ``-log p(x)`` of each row, in nats, if the decoder's outputs are constant.

    Parameters
    ----------
    model : LatentModel
    outputs : dict of str to array, or None
        From `baseline_outputs`.
    x : array, shape (n, n_features)

    Returns
    -------
    array, shape (n,), or None
        None without outputs, or if the model has its own likelihood term.
    """
    if outputs is None or "negloglikelihood" in model.own_terms:
        return None
    rows = (np.broadcast_to(row, (len(x), len(row))).astype(x.dtype) for row in outputs.values())
    parameters = model.likelihood.parameters(*rows)
    return model.likelihood.negloglikelihood(x, *parameters)


def mean_baseline_loss(model, outputs, data):
    """Return the mean of `baseline_loss` over a data set, in nats, or None."""
    losses = [baseline_loss(model, outputs, b.on_host().x) for b in data.batches(ROWS)]
    return None if losses[0] is None else float(np.concatenate(losses).mean(dtype=np.float64))


def start_near(model, outputs, rows):
    """Change a model's new parameters in place, to ones near the baseline.

    Parameters
    ----------
    model : LatentModel
    outputs : dict of str to array, or None
        From `baseline_outputs`.
    rows : Batch
        Rows on the host.
    """
    start_at(model.params, outputs)
    if model.is_amortized:
        codes, *_ = model.encoding()(model.params, rows.x, rows.condition)
        shrink_codes(model.params, codes)


def start_at(params, outputs):
    """Change new parameters in place, to ones near those of a model without latents.

    The decoder's biases become the outputs, where it has a bias for each. The weights
    of each logsigma become 0: at first, the q(z|x) of all rows have the prior's sigma.
    The weights of the means stay: without them, no gradient would reach the encoder.

    Parameters
    ----------
    params : dict of arrays
    outputs : dict of str to array, or None
        From `baseline_outputs`.
    """
    for name in "encoder.logsigma.W", "decoder.logsigma.W":
        if name in params:
            params[name][...] = 0
    biases = {f"decoder.{name}.b": row for name, row in (outputs or {}).items()}
    if all(name in params and params[name].shape == row.shape for name, row in biases.items()):
        for name, row in biases.items():
            params[name][...] = row


def shrink_codes(params, codes):
    """Change new parameters in place, so that the rows' codes are near each other.

    Codes that start as wide as the prior are pulled to 0 before the decoder has learned
    to use them, and a small model may stay there: a posterior collapse. Where the
    standard deviation of the encoder's mu over the rows is above `WIDEST`, its last
    weights and its bias are rescaled: then it is `WIDEST`, and the mean 0.

    Parameters
    ----------
    params : dict of arrays
        Unchanged if the encoder's mu is not the product with a matrix plus a bias.
    codes : array, shape (n, latent_dim)
        The encoder's mu of some rows, from these parameters.
    """
    W, b = (params.get(f"encoder.mu.{name}") for name in "Wb")
    if W is None or b is None or not W.shape[-1:] == b.shape == codes.shape[1:]:
        return
    mean, sd = codes.mean(axis=0, dtype=np.float64), codes.std(axis=0, dtype=np.float64)
    scale = WIDEST / np.maximum(sd, WIDEST)
    W *= scale
    b[...] = np.where(scale < 1, (b - mean) * scale, b)
