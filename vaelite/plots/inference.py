"""Figures of inference: q(z|x) and the exact posterior, gaps, noise of gradients."""

from itertools import cycle

import numpy as np
from matplotlib.patches import Ellipse

from ..checks import shown
from ..data.batches import to_float
from ..inference.gradient_estimators import ESTIMATORS, measure
from ..inference.infer import check_observed, infer
from ..inference.quadrature import Quadrature
from ..models.checks import check_posterior, check_q
from .grid import draw_grid, new_axes

LINES, COLORS = ("-", "--", ":", "-."), ("C0", "C1", "C2", "C3", "C4")
CIRCLE = 2 * np.sqrt(-2 * np.log(0.05))  # diameter of a circle with 95 % of N(0, I)


def posterior(vae, x, q=None, n_nodes=401, ax=None):
    """Draw the exact posterior p(z|x) of one example, and the encoder's q(z|x) over it.

    Parameters
    ----------
    vae : VAE
        With a latent_dim of 2.
    x : array-like, shape (n_features,)
    q : dict of str to pair of arrays, optional
        More q to draw, by name: mu and logsigma, each (1, 2), for example from `infer`.
    n_nodes : int
        Nodes per latent of the `Quadrature`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        The posterior in shades of gray. Each ellipse contains 95 percent of its q.
    """
    check_posterior(vae)
    if vae.latent_dim != 2:
        raise ValueError(
            f"the figure of a posterior needs latent_dim=2, this model has {vae.latent_dim}"
        )
    if q is not None and not isinstance(q, dict):
        raise TypeError(
            f"q should be a dict of pairs, such as {{'best q': (mu, logsigma)}}, got {shown(q)}"
        )
    x, grid, ax = np.asarray(x).reshape(1, -1), Quadrature(vae, n_nodes), ax or new_axes((5.5, 5))
    own = "encoder's q(z|x)" if vae.is_amortized else "inferred q(z|x)"
    given = {own: vae.encode(x)} | {name: check_q(vae, x, pair) for name, pair in (q or {}).items()}
    spans = _draw_density(ax, grid.axis, grid.posterior(x)[0])
    for (name, pair), style, color in zip(given.items(), cycle(LINES), cycle(COLORS)):
        mu, logsigma = (array[0] for array in pair)
        _draw_ellipse(ax, mu, logsigma, color=color, linestyle=style, label=f"{name}, 95 %")
        radius = CIRCLE / 2 * np.exp(logsigma)
        spans = np.minimum(spans[0], mu - radius), np.maximum(spans[1], mu + radius)
    middle, half = (spans[0] + spans[1]) / 2, 0.65 * np.max(spans[1] - spans[0])
    left, bottom, right, top = *(middle - half), *(middle + half)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="z1", ylabel="z2")
    ax.locator_params(steps=[1, 2, 5, 10])  # not -1.75, -1.5: too long for a small figure
    ax.legend(frameon=False)
    ax.set_title("Exact posterior p(z|x), shaded, and q")
    return ax


def _draw_density(ax, axis, density):
    """Draw a density on a grid; return the corners of a box with nearly all of it."""
    levels = density.max() * np.linspace(0.02, 1, 10)
    ax.contourf(axis, axis, density.T, levels=levels, cmap="Greys")
    low, high = zip(*(_span(axis, density.sum(axis=1 - k)) for k in (0, 1)), strict=True)
    return np.array(low), np.array(high)


def _draw_ellipse(ax, mu, logsigma, *, color, linestyle, label):
    """Draw the ellipse around mu that contains 95 percent of N(mu, sigma^2)."""
    size, line = CIRCLE * np.exp(logsigma), {"linestyle": linestyle, "linewidth": 2}
    ax.add_patch(Ellipse(mu, *size, fill=False, color=color, label=label, **line))
    ax.plot(*mu, "+", color=color)


def _span(axis, mass):
    """The part of the axis with 99.9 percent of the mass."""
    share = np.cumsum(mass) / mass.sum()
    return axis[np.searchsorted(share, 0.0005)], axis[np.searchsorted(share, 0.9995)]


def inference_gaps(gaps, ax=None):
    """Draw the ELBO and its gaps to log p(x), means over the examples.

    Parameters
    ----------
    gaps : Gaps
        From `vaelite.inference_gaps`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = ax or new_axes((6.4, 3))
    levels = gaps.elbo, gaps.refined_elbo, gaps.log_evidence
    values = [level.value.mean() for level in levels]
    ax.plot(values, range(3), "o", color="black", markersize=8)
    ax.set_yticks(range(3), ("ELBO of the encoder's q", "ELBO of the best q", "log p(x)"))
    bar = {"linewidth": 8, "solid_capstyle": "butt"}
    for row, name in enumerate(("amortization gap", "approximation gap")):
        low, high = values[row : row + 2]
        ax.plot([low, high], [row + 0.5] * 2, color=f"C{row}", **bar)
        ax.text(high, row + 0.5, f"  {name}: {high - low:.3f} nats", va="center")
    for row, value in enumerate(values):
        ax.plot([value, value], [row - 0.5, row + 0.5], ":", color="0.6", zorder=0)
    span = max(values) - min(values)
    ax.set_xlim(min(values) - 0.1 * span, max(values) + 1.3 * span)  # room for the texts
    n = len(gaps.elbo.value)
    ax.set(xlabel="nats per example", title=f"Gaps of the ELBO, mean over {n} examples")
    return ax


def estimator_variances(
    nll, mu, logsigma, n_samples=(2, 4, 8, 16, 32, 64), repetitions=1000, rng=0, ax=None
):
    """Draw the variance of each gradient estimator by its number of samples.

    Parameters
    ----------
    nll, mu, logsigma
        As for `gradient_estimators.measure`.
    n_samples : sequence of int
    repetitions : int
    rng : None, int, SeedSequence or Generator
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        The sum of the variances over all elements of mu and logsigma; both axes are
        logarithmic.
    """
    ax = ax or new_axes()
    for (name, estimator), marker in zip(ESTIMATORS.items(), "osD^v", strict=True):
        numbers = [K for K in n_samples if K > 1 or name != "score_with_baseline"]
        found = [
            measure(estimator, nll, mu, logsigma, n_samples=K, repetitions=repetitions, rng=rng)
            for K in numbers
        ]
        total = [statistics.variance.sum() for statistics in found]
        ax.loglog(numbers, total, marker=marker, label=name.replace("_", " "))
    ax.set_xticks(n_samples, map(str, n_samples))
    ax.minorticks_off()
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(
        xlabel="samples of z per estimate",
        ylabel="variance (nats²)",
        title="Estimators of the ELBO's gradient",
    )
    return ax


def completions(vae, X, observed, q=None, image_shape=None, rng=0, *, condition=None, ax=None):
    """Draw images, their observed parts, and the model's completions.

    A completion is E[x|z] at the mean of the q that is inferred from the observed part.

    Parameters
    ----------
    vae : VAE
    X : array-like, shape (n, n_features)
    observed : array of bool, shape (n_features,)
        The pixels that inference uses.
    q : pair of arrays, shape (n, latent_dim), optional
        From `infer` with these ``observed``. Without it, the function calls `infer`.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    rng : optional
        As for `infer`.
    condition : optional
        As for `VAE.encode`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_posterior(vae)
    observed = check_observed(vae, observed)
    if q is None:
        mu, _ = infer(vae, X, observed=observed, rng=rng, condition=condition)
    else:
        mu, _ = check_q(vae, X, q)
    whole = to_float(X, np.dtype(np.float64), vae.likelihood.grey_levels)
    found = vae.likelihood.expectation(*vae.decode(mu, condition=condition))
    images = np.concatenate(
        [whole, np.where(observed, whole, np.nan), np.where(observed, whole, found)]
    )
    ax = draw_grid(images, len(whole), image_shape, ax)
    ax.set_title("Images, their observed parts, and the completions")
    return ax
