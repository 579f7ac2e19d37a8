"""The space of codes: encoded data by class, and a decoded grid."""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ndtri

from ..checks import check_count
from .grid import GAP, check_image_shape, check_labels, draw_grid, new_axes


def latent_means(vae, X, y=None, axes=(0, 1), *, condition=None, ax=None):
    """Draw the means of q(z|x) as points, with labels colored and named by class.

    Parameters
    ----------
    vae : VAE
        Fitted, with a latent_dim of 2 or more.
    X : array-like, shape (n, n_features)
    y : array-like, shape (n,), optional
        Class of each row.
    axes : pair of int
        The latents to draw, counted from 0.
    condition : optional
        As for `VAE.encode`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    y, (first, second) = None if y is None else check_labels(X, y), axes
    if max(axes) >= vae.latent_dim:
        raise ValueError(
            f"latent_dim is {vae.latent_dim}, so latents {first} and {second} cannot be drawn"
        )
    mu = vae.codes(X, condition=condition)
    ax = _draw_classes(mu[:, [first, second]], y, ax or new_axes((6, 6)))
    ax.set(
        xlabel=f"mean of z{first + 1}",
        ylabel=f"mean of z{second + 1}",
        title="Codes" if y is None else "Codes, by class",
    )
    return ax


def tsne_means(vae, X, y=None, rng=0, *, condition=None, ax=None):
    """Draw the means of q(z|x), for any latent_dim, in a plane that t-SNE computes.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
        A few thousand rows take a minute.
    y : array-like, shape (n,), optional
        Class of each row, for colors and labels.
    rng : int or None
        Seed of the layout.
    condition : optional
        As for `VAE.encode`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    References
    ----------
    van der Maaten & Hinton (2008), Visualizing Data using t-SNE.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError(
            "t-SNE needs scikit-learn: python -m pip install 'vaelite[tsne]'"
        ) from None
    y = None if y is None else check_labels(X, y)
    layout = TSNE(n_components=2, init="pca", random_state=rng).fit_transform(
        vae.codes(X, condition=condition)
    )
    ax = _draw_classes(layout, y, ax or new_axes((6, 6)))
    ax.set(
        xticks=[],
        yticks=[],
        xlabel="t-SNE 1",
        ylabel="t-SNE 2",
        title="t-SNE of the codes" if y is None else "t-SNE of the codes, by class",
    )
    return ax


def latent_grid(vae, n=15, image_shape=None, *, condition=None, ax=None):
    """Draw the mean images of a grid of codes, with equal prior probability per image.

    Parameters
    ----------
    vae : VAE
        With a latent_dim of 2.
    n : int
        Images per side.
    condition : optional
        As for `VAE.decode`.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    if vae.latent_dim != 2:
        raise ValueError(f"a grid of codes needs latent_dim=2, this model has {vae.latent_dim}")
    quantiles = ndtri((np.arange(check_count("n", n)) + 0.5) / n)
    z1, z2 = np.meshgrid(quantiles, quantiles[::-1])  # z2 grows upwards
    z = np.column_stack([z1.ravel(), z2.ravel()])
    images = vae.likelihood.expectation(*vae.decode(z, condition=condition))
    ax = draw_grid(images, n, image_shape, ax or new_axes((6, 6)))
    height, width = check_image_shape(images, image_shape)
    ticks = _symmetric_ticks(n)
    labels = [f"{quantiles[tick]:.1f}".replace("-", "\N{MINUS SIGN}") for tick in ticks]
    ax.set_axis_on()
    ax.set_xticks(GAP + ticks * (width + GAP) + (width - 1) / 2, labels)
    ax.set_yticks(GAP + (n - 1 - ticks) * (height + GAP) + (height - 1) / 2, labels)
    ax.set(
        xlabel="z1, quantiles of N(0, 1)",
        ylabel="z2, quantiles of N(0, 1)",
        title="Decoded grid of codes",
    )
    return ax


def _symmetric_ticks(n):
    """At most five places from 0 to n - 1; with k, also n - 1 - k is one of them."""
    first_half = np.linspace(0, n - 1, 5)[:2].round().astype(int)
    middle = [(n - 1) // 2] if n % 2 else []  # an even number has none
    return np.unique([*first_half, *middle, *(n - 1 - first_half)])


def _draw_classes(points, y, ax):
    """Points by class, its name at its median; without y, in one color and no names."""
    ax.set_aspect("equal", adjustable="datalim")
    if y is None:
        ax.scatter(*points.T, color="C0", **_dots(points))
        return ax
    classes = np.unique(y)
    colors = plt.get_cmap("tab10" if len(classes) <= 10 else "turbo", len(classes))
    for index, label in enumerate(classes):
        ax.scatter(*points[y == label].T, color=colors(index), label=str(label), **_dots(points))
    for index, label in enumerate(classes):  # on top of all points
        box = {
            "boxstyle": "circle,pad=0.2",
            "facecolor": "white",
            "edgecolor": colors(index),
            "linewidth": 2,
        }
        center = np.median(points[y == label], axis=0)
        ax.text(*center, str(label), ha="center", va="center", weight="bold", bbox=box)
    return ax


def _dots(points):
    """The style of points: smaller where there are many."""
    return {"s": float(np.clip(20_000 / len(points), 1.5, 12)), "alpha": 0.5, "linewidths": 0}
