"""How a fit starts and ends: without latents, and with the scores of what is kept."""

import numpy as np

from .. import training
from ..fitting.run import CHUNK_ROWS

ROWS = 2000  # of the training rows at most, evenly spaced: this costs a small part of the fit


def constant_outputs(model, data):
    """Return the decoder's outputs of the best model without latents, or None.

    Parameters
    ----------
    model : LatentModel
    data : Dataset
        The training rows.

    Returns
    -------
    dict of str to array, shape (size,), or None
        None if the likelihood has no such outputs, or the model has its own term.
    """
    if "negloglikelihood" in model.own_terms or not hasattr(model.likelihood, "constant"):
        return None
    (batch,) = data.spread(ROWS).batches(ROWS)
    return model.likelihood.constant(batch.on_host().x)


def start_at(model, outputs):
    """Start a new model at one without latents: all codes have the same p(x|z).

    Parameters
    ----------
    model : LatentModel
        With new parameters, which change in place: the weights of each logsigma become
        0, and the decoder's biases the outputs.
    outputs : dict of str to array, or None
        From `constant_outputs`. Only where the decoder has a bias for each of them.
    """
    params = model.solution.params
    for name in "encoder.logsigma.W", "decoder.logsigma.W":
        if name in params:
            params[name][...] = 0
    biases = {f"decoder.{name}.b": row for name, row in (outputs or {}).items()}
    if all(name in params and params[name].shape == row.shape for name, row in biases.items()):
        for name, row in biases.items():
            params[name][...] = row


def score_without_latents(model, outputs, data):
    """Return the mean log p(x) of the rows of data, in nats, without latents."""
    heads = model.likelihood.heads(model.n_features)
    total = 0.0
    for batch in data.batches(CHUNK_ROWS):
        x = batch.on_host().x
        rows = (np.broadcast_to(outputs[name], (len(x), len(outputs[name]))) for name in heads)
        parameters = model.likelihood.parameters(*(row.astype(x.dtype) for row in rows))
        total -= float(np.sum(model.likelihood.negloglikelihood(x, *parameters), dtype=np.float64))
    return total / len(data)


def scores(model, datasets, noise):
    """Return the mean ELBO of some data sets, as `VAE.score`, in nats per example.

    Parameters
    ----------
    model : LatentModel
    datasets : dict of str to Dataset
    noise : callable
        ``noise(name)`` is the Generator of a data set's noise.

    Returns
    -------
    dict of str to float
        For an `Autoencoder`, log p(x|z) at the code.
    """
    objective, params, found = model.objective(), model.device_params(), {}
    for name, data in datasets.items():
        rng = noise(name)
        batches = data.noisy(CHUNK_ROWS, model.latent_dim, lambda b, rng=rng: rng)
        losses = training.evaluate(objective, params, batches)[0]
        found[name] = -float(losses.mean(dtype=np.float64))
    return found


def summary(model):
    """Return in one line why a fit stopped, what it kept, and the scores."""
    solution = model.solution
    state = "converged" if solution.converged else "not converged"
    line = f"{state} after {solution.n_epochs} epochs ({solution.stop_reason}); "
    line += f"the model is epoch {solution.best_epoch}'s"
    what = "ELBO" if model.has_posterior else "log p(x|z)"
    shown = [f"{solution.scores[name]:.2f} ({name} rows)" for name in solution.scores]
    if shown:
        line += f": {what} {', '.join(shown)}"
    if {"training", "held-out"} <= solution.scores.keys():
        line += f", gap {solution.scores['training'] - solution.scores['held-out']:.2f}"
    return line + (" nats per example" if shown else "")
