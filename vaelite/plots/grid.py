"""What figures are drawn with: axes, and images in a grid. Importing this module imports matplotlib."""

import math

import numpy as np

from ..checks import check_count

try:
    import matplotlib.pyplot as plt
except ImportError as error:
    raise ImportError("vaelite.plots needs matplotlib: python -m pip install matplotlib") from error

GAP = 1  # pixels between the images of a grid


def draw_images(images, image_shape=None, ax=None):
    """Images as rows, drawn in a grid; 0 is paper, 1 is ink.

    Parameters
    ----------
    images : array, shape (n, n_features)
    image_shape : (rows, columns), optional
        Of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    images = np.asarray(images)
    return draw_grid(images, math.ceil(math.sqrt(len(images))), image_shape, ax)


def new_axes(figsize=(6.4, 4)):
    """Axes of a new figure, of a size in inches."""
    return plt.figure(figsize=figsize, layout="constrained").add_subplot()


def check_image_shape(images, image_shape):
    """The (rows, columns) of images, square by default."""
    D = images.shape[1]
    if image_shape is None:
        image_shape = (math.isqrt(D), math.isqrt(D))
    if np.shape(image_shape) != (2,):
        raise ValueError(f"image_shape should be (rows, columns), got {image_shape!r}")
    image_shape = tuple(check_count("image_shape", size) for size in image_shape)
    if math.prod(image_shape) != D:
        raise ValueError(
            f"images of {D} numbers are not {image_shape[0]}x{image_shape[1]}; pass image_shape=(rows, columns)"
        )
    return image_shape


def draw_grid(images, columns, image_shape=None, ax=None):
    """Images as rows, drawn in a grid of so many columns; 0 is paper, 1 is ink.

    Parameters
    ----------
    images : array, shape (n, n_features)
        From left to right, and from top to bottom.
    columns : int
    image_shape : (rows, columns), optional
        Of an image; square by default.
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
    return plt.get_cmap("gray_r").with_extremes(
        bad="#c8d4e8"
    )  # gaps have another colour than paper and ink


def check_labels(X, y):
    y = np.asarray(y)
    if y.shape != (len(X),):
        raise ValueError(f"y should have one label a row, shape ({len(X)},), got {y.shape}")
    return y
