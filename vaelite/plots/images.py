"""Images: reconstructions, their averages by class, and samples."""

import numpy as np

from ..checks import check_count
from ..data.batches import to_float
from .grid import check_labels, draw_grid, draw_images


def average_reconstructions(vae, X, y, image_shape=None, *, condition=None, ax=None):
    """Draw the mean reconstruction of each class, side by side.

    Parameters
    ----------
    vae : VAE
    X : array-like, shape (n, n_features)
    y : array-like, shape (n,)
        Class of each row.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    condition : optional
        As for `VAE.encode`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    y = check_labels(X, y)
    reconstructions, classes = vae.reconstruct(X, condition=condition), np.unique(y)
    images = np.stack([reconstructions[y == label].mean(axis=0) for label in classes])
    ax = draw_grid(images, min(5, len(classes)), image_shape, ax)
    ax.set_title(f"Average reconstruction of {', '.join(map(str, classes))}")
    return ax


def reconstructions(
    vae, X, n=10, image_shape=None, *, sample=False, rng=None, condition=None, ax=None
):
    """Draw the first n images, each above its reconstruction.

    Parameters
    ----------
    vae : VAE
    X : array-like, shape (rows, n_features)
    n : int
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    sample, rng, condition : optional
        As for `VAE.reconstruct`; the condition has n rows.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    X = X[: check_count("n", n)]
    how = {"sample": sample, "rng": rng} if sample or rng is not None else {}
    found = vae.reconstruct(X, condition=condition, **how)
    originals = to_float(X, np.dtype(np.float32), vae.likelihood.grey_levels)
    images = np.concatenate([originals, found])
    ax = draw_grid(images, len(X), image_shape, ax)
    ax.set_title("Images, with their reconstructions below")
    return ax


def samples(vae, n=64, rng=None, image_shape=None, *, condition=None, ax=None):
    """Draw the mean images of n codes from the prior.

    Parameters
    ----------
    vae : VAE
    n : int
    rng : None, int, SeedSequence or Generator
    condition : optional
        As for `VAE.sample`.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    images = vae.sample(check_count("n", n), rng, mean=True, condition=condition)
    ax = draw_images(images, image_shape, ax)
    given = "z" if condition is None else "z, c"
    ax.set_title(f"Samples: E[x|{given}] for z from the prior")
    return ax
