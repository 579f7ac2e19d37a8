"""Axes, and images in a grid. Importing this module imports matplotlib."""

import math

import numpy as np

from ..checks import check_count, shown

try:
    import matplotlib.pyplot as plt
except ImportError as error:
    raise ImportError("vaelite.plots needs matplotlib: python -m pip install matplotlib") from error

GAP = 1  # pixels between the images of a grid


def draw_images(images, image_shape=None, ax=None):
    """Draw images, given as rows, in a square grid; 0 is white and 1 is black.

    Parameters
    ----------
    images : array, shape (n, n_features)
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    images = np.asarray(images)
    return draw_grid(images, math.ceil(math.sqrt(len(images))), image_shape, ax)


def new_axes(figsize=(6.4, 4)):
    """Return the axes of a new figure, with a size in inches."""
    return plt.figure(figsize=figsize, layout="constrained").add_subplot()


def check_image_shape(images, image_shape):
    """Return the (rows, columns) of images, square by default."""
    D = images.shape[1]
    if image_shape is None:
        image_shape = (math.isqrt(D), math.isqrt(D))
    if np.shape(image_shape) != (2,):
        raise ValueError(f"image_shape should be (rows, columns), got {shown(image_shape)}")
    image_shape = tuple(check_count("image_shape", size) for size in image_shape)
    if math.prod(image_shape) != D:
        raise ValueError(
            f"images of {D} numbers are not {image_shape[0]}x{image_shape[1]}; pass "
            "image_shape=(rows, columns); for data that are not images, there is "
            "plots.latent_means"
        )
    return image_shape


def draw_grid(images, columns, image_shape=None, ax=None):
    """Draw images, given as rows, in a grid; 0 is white and 1 is black.

    Parameters
    ----------
    images : array, shape (n, n_features)
        Drawn from left to right, and from top to bottom.
    columns : int
        Images per row of the grid.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    images = np.asarray(images)
    check_count("columns", columns)
    height, width = check_image_shape(images, image_shape)
    rows = -(-len(images) // columns)
    canvas = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP), np.nan)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        canvas[top : top + height, left : left + width] = image.reshape(height, width)
    ax = ax or new_axes((min(10, 1 + 0.9 * columns), min(10, 0.6 + 0.9 * rows)))
    ax.imshow(
        canvas,
        cmap=_ink(),
        vmin=min(0, np.nanmin(images)),
        vmax=max(1, np.nanmax(images)),
        interpolation="nearest",
    )
    ax.set_axis_off()
    return ax


def _ink():
    """White to black, with another color for the gaps."""
    return plt.get_cmap("gray_r").with_extremes(bad="#c8d4e8")


def check_labels(X, y):
    """Return one label per row of X, as an array."""
    y = np.asarray(y)
    if y.shape != (len(X),):
        raise ValueError(f"y should have one label per row, shape ({len(X)},), got {y.shape}")
    return y
