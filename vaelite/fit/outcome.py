"""How a fit ended: the scores of the model that is kept, in numbers and in a line."""

from dataclasses import replace
from functools import partial

import numpy as np

from .. import training
from ..arrays.streams import Stream, generator
from .plan import CHUNK_ROWS
from .start import ROWS

LEARNED = 0.1  # nats per example by which a fit has to be better than a model without latents


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
    loss, params, found = model.loss(), model.device_params(), {}
    for name, data in datasets.items():
        rng = noise()
        batches = data.noisy(CHUNK_ROWS, model.latent_dim, lambda b, rng=rng: rng)
        losses = training.evaluate(loss, params, batches)[0]
        found[name] = -float(losses.mean(dtype=np.float64))
    return found


def judged(model, plan, baseline):
    """Return a model's solution with its scores; not converged if nothing was learned.

    Parameters
    ----------
    model : LatentModel
        As a fit has left it.
    plan : Plan
    baseline : float or None
        The held-out loss of the best model without latents, if it is known.

    Returns
    -------
    Solution
    """
    held_out = plan.evaluated.get("val")
    datasets = {"training": plan.data.spread(max(ROWS, len(held_out or ())))}
    datasets |= {} if held_out is None else {"held-out": held_out}
    found = scores(model, datasets, partial(generator, plan.seed, Stream.EVALUATE, 0))
    solution = replace(model.solution, scores=found)
    if not solution.converged or held_out is None or baseline is None:
        return solution
    if found["held-out"] >= LEARNED - baseline:
        return solution
    reason = (
        f"{solution.stop_reason}, but it is no better than a model without latents, whose "
        f"log p(x) is {-baseline:.2f} nats per example: nothing was learned"
    )
    return replace(solution, converged=False, stop_reason=reason)


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
