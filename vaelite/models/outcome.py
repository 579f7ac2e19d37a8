"""How a fit ended: the scores of the model that is kept, in numbers and in a line."""

import numpy as np

from .. import training
from ..fitting.run import CHUNK_ROWS


def scores(model, datasets, noise):
    """Return the mean ELBO of some data sets, as `VAE.score`, in nats per example.

    Parameters
    ----------
    model : LatentModel
    datasets : dict of str to Dataset
    noise : callable
        ``noise()`` is the Generator of a data set's noise.

    Returns
    -------
    dict of str to float
        For an `Autoencoder`, log p(x|z) at the code.
    """
    objective, params, found = model.objective(), model.device_params(), {}
    for name, data in datasets.items():
        rng = noise()
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
