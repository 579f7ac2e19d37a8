"""Figures of inference: how well q(z|x) fits the posterior, what that costs, and how noisy its gradient is."""

from itertools import cycle

import numpy as np
from matplotlib.patches import Ellipse

from ..data.batches import to_float
from ..inference.gradient_estimators import ESTIMATORS, measure
from ..inference.quadrature import Quadrature
from ..models.checks import check_posterior, check_q
from ..models.inference import check_observed, infer
from .grid import draw_grid, new_axes

LINES, COLORS = ("-", "--", ":", "-."), ("C0", "C1", "C2", "C3", "C4")


def posterior(vae, x, q=None, n_nodes=401, ax=None):
    """The exact posterior p(z|x) of one example in shades of grey, and the encoder's q(z|x) over it.

    Parameters
    ----------
    vae : VAE
        With a latent_dim of 2.
    x : array-like, shape (n_features,)
    q : dict of str to pair of arrays, optional
        Further q to draw by name: mu and logsigma, each (1, 2), such as `infer` gives.
    n_nodes : int
        Of the `Quadrature`, a latent.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        An ellipse holds 95 per cent of its q.
    """
    check_posterior(vae)
    if vae.latent_dim != 2:
        raise ValueError(
            f"a posterior can be drawn for latent_dim=2, this model has {vae.latent_dim}"
        )
    if q is not None and not isinstance(q, dict):
        raise TypeError(
            f"q should be a dict of pairs by name, such as {{'best q': (mu, logsigma)}}, got {q!r}"
        )
    x, grid, ax = np.asarray(x).reshape(1, -1), Quadrature(vae, n_nodes), ax or new_axes((5.5, 5))
    density = grid.posterior(x)[0]
    ax.contourf(
        grid.axis,
        grid.axis,
        density.T,
        levels=density.max() * np.linspace(0.02, 1, 10),
        cmap="Greys",
    )
    diameter = 2 * np.sqrt(
        -2 * np.log(0.05)
    )  # in standard deviations, of the circle that holds 95 per cent
    own = "encoder's q(z|x)" if vae.is_amortized else "inferred q(z|x)"
    given = {own: vae.encode(x)} | {name: check_q(vae, x, pair) for name, pair in (q or {}).items()}
    spans = [_span(grid.axis, density.sum(axis=1 - k)) for k in (0, 1)]
    for (name, (mu, logsigma)), style, color in zip(given.items(), cycle(LINES), cycle(COLORS)):
        width = diameter * np.exp(logsigma[0])
        ax.add_patch(
            Ellipse(
                mu[0],
                *width,
                fill=False,
                color=color,
                linestyle=style,
                linewidth=2,
                label=f"{name}, 95 %",
            )
        )
        ax.plot(*mu[0], "+", color=color)
        spans = [
            (min(a, m - w / 2), max(b, m + w / 2))
            for (a, b), m, w in zip(spans, mu[0], width, strict=True)
        ]
    for (low, high), limit in zip(spans, (ax.set_xlim, ax.set_ylim), strict=True):
        limit(low - 0.15 * (high - low), high + 0.15 * (high - low))
    ax.legend(frameon=False)
    ax.set(xlabel="z1", ylabel="z2", title="The exact posterior p(z|x), shaded, and q")
    return ax


def _span(axis, mass):
    """Where all but a thousandth of the mass lies."""
    share = np.cumsum(mass) / mass.sum()
    return axis[np.searchsorted(share, 0.0005)], axis[np.searchsorted(share, 0.9995)]


def inference_gaps(gaps, ax=None):
    """The ELBO, and the gaps between it and log p(x), means over the examples.

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
    levels = {
        "ELBO of the encoder's q": gaps.elbo, "ELBO of the best q": gaps.refined_elbo, "log p(x)": gaps.log_evidence
    }  # fmt: skip
    values = [level.value.mean() for level in levels.values()]
    ax.plot(values, range(3), "o", color="black", markersize=8)
    ax.set_yticks(range(3), levels)
    for row, name in ((0, "amortization gap"), (1, "approximation gap")):
        ax.plot(
            values[row : row + 2],
            [row + 0.5] * 2,
            linewidth=8,
            solid_capstyle="butt",
            color=("C0", "C1")[row],
        )
        ax.text(
            values[row + 1],
            row + 0.5,
            f"  {name}: {values[row + 1] - values[row]:.3f} nats",
            va="center",
        )
    for value, row in zip(values, range(3), strict=True):
        ax.plot([value, value], [row - 0.5, row + 0.5], ":", color="0.6", zorder=0)
    span = max(values) - min(values)
    ax.set_xlim(min(values) - 0.1 * span, max(values) + 0.9 * span)
    ax.set(
        xlabel="nats an example",
        title=f"What the ELBO falls short of, mean over {len(gaps.elbo.value)} examples",
    )
    return ax


def estimator_variances(
    nll, mu, logsigma, n_samples=(2, 4, 8, 16, 32, 64), repetitions=1000, rng=0, ax=None
):
    """The variance of each gradient estimator against its number of samples, on logarithmic axes.

    Parameters
    ----------
    nll, mu, logsigma
        As for `estimators.measure`.
    n_samples : sequence of int
    repetitions : int
    rng : None, int, SeedSequence or Generator
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
        The total variance over all elements of mu and logsigma.
    """
    ax = ax or new_axes()
    for (name, estimator), marker in zip(ESTIMATORS.items(), "osD^v", strict=True):
        numbers = [K for K in n_samples if K > 1 or name != "score_with_baseline"]
        found = [
            measure(estimator, nll, mu, logsigma, n_samples=K, repetitions=repetitions, rng=rng)
            for K in numbers
        ]
        ax.loglog(
            numbers, [f.variance.sum() for f in found], marker=marker, label=name.replace("_", " ")
        )
    ax.set_xticks(n_samples, map(str, n_samples))
    ax.minorticks_off()
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    ax.set(
        xlabel="samples of z an estimate",
        ylabel="variance (nats²)",
        title="Estimators of the ELBO's gradient",
    )
    return ax


def completions(vae, X, observed, q=None, image_shape=None, rng=0, ax=None):
    """Images, what is left of them, and what the model completes them to: E[x|z] at the mean of the inferred q.

    Parameters
    ----------
    vae : VAE
    X : array-like, shape (n, n_features)
    observed : array of bool, shape (n_features,)
        Which pixels inference may look at.
    q : pair of arrays, shape (n, latent_dim), optional
        From `infer` with these ``observed``, which is called otherwise.
    image_shape : (rows, columns), optional
        Of an image; square by default.
    rng : optional
        As for `infer`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_posterior(vae)
    observed = check_observed(vae, observed)
    mu, _ = infer(vae, X, observed=observed, rng=rng) if q is None else check_q(vae, X, q)
    whole = to_float(X, np.dtype(np.float64), vae.likelihood.grey_levels)
    found = vae.likelihood.expectation(*vae.decode(mu))
    images = np.concatenate(
        [whole, np.where(observed, whole, np.nan), np.where(observed, whole, found)]
    )
    ax = draw_grid(images, len(whole), image_shape, ax)
    ax.set_title("Images, the observed part, and its completion")
    return ax
