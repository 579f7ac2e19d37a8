"""From an array of any size to minibatches.

``uint8`` arrays are gray levels from 0 to 255. They stay as they are in memory or on
disk, and become floats in [0, 1] batch by batch.
"""

from typing import Any

import numpy as np

from ..arrays.dispatch import on_device, read_only
from ..arrays.streams import Stream, generator, seed_sequence
from ..checks import check_count, check_flag
from .checks import ROUNDING, check_array, check_grey_levels
from .rows import RowReader


def minibatches(
    X, batch_size, dtype: Any = np.float32, *, shuffle=False, rng=None, grey_levels=True
):
    """Go once through the rows of X in batches of floats.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Anything with a shape that an array of row numbers can index: an array, a
        memmap. One batch at a time is converted to floats.
    batch_size : int
        The last batch may be smaller.
    dtype : dtype
        Of the batches.
    shuffle : bool
        Take the rows in random order.
    rng : None, int, SeedSequence or Generator
        For the order. None takes fresh entropy.
    grey_levels : bool
        Divide uint8 by 255.

    Yields
    ------
    array, shape (batch, n_features)
        Read-only.
    """
    batch_size, order = check_count("batch_size", batch_size), None
    if check_flag("shuffle", shuffle):
        if not isinstance(rng, np.random.Generator):
            rng = generator(seed_sequence(rng), Stream.SHUFFLE)
        order = rng.permutation(X.shape[0])
    if grey_levels:
        check_grey_levels(X)
    reader, dtype = RowReader(X), np.dtype(dtype)
    for rows in row_batches(X.shape[0], batch_size, order):
        yield read_batch(reader, rows, dtype, grey_levels)


def row_batches(n, batch_size, order=None):
    """Yield the row numbers of each batch: slices, or parts of an order."""
    for start in range(0, max(n, 1), batch_size):  # no rows are one batch without rows
        rows = slice(start, min(start + batch_size, n))
        yield rows if order is None else order[rows]


def read_batch(reader, rows, dtype, grey_levels):
    """Return some rows as floats, read-only: they may be a view of the data."""
    return read_only(to_float(reader[rows], dtype, grey_levels))


def to_float(x, dtype, grey_levels=True):
    """Return numbers as floats; uint8 gray levels are divided by 255."""
    x = x if on_device(x) else np.asarray(x)
    if x.dtype == np.uint8 and grey_levels:
        return np.multiply(x, dtype.type(1 / 255), dtype=dtype)
    return x.astype(dtype, copy=False)


def quantize(X, levels):
    """Turn gray images into whole numbers from 0 to ``levels - 1``, for `Categorical`.

    Parameters
    ----------
    X : array
        Numbers in [0, 1], or uint8 gray levels.
    levels : int
        Each level is for an equal part of [0, 1]. A number on the edge of two parts is
        in the upper one, also where rounding moved it off the edge.

    Returns
    -------
    uint8 or int64 array, the shape of X

    Raises
    ------
    ValueError, TypeError
        As `fit`, except that X may have any shape.

    Examples
    --------
    >>> import vaelite
    >>> vaelite.quantize([[0.0, 0.24, 0.26, 0.5, 1.0]], 4)
    array([[0, 0, 1, 2, 3]], dtype=uint8)
    """
    levels = check_count("levels", levels, minimum=2)
    x = check_array(X, any_shape=True)[...]
    if x.dtype == np.uint8:
        check_grey_levels(np.atleast_2d(x))
        parts = x.astype(np.int64) * levels // 255
    else:
        if not (x.min() >= -ROUNDING and x.max() <= 1 + ROUNDING):
            raise ValueError(
                f"X should be numbers in [0, 1] or uint8, got values from {x.min():g} to "
                f"{x.max():g}"
            )
        rounding = np.finfo(np.float32 if x.dtype == np.float32 else np.float64).eps
        parts = x.astype(np.float64) * (levels * (1 + 4 * rounding))
    return np.clip(parts, 0, levels - 1).astype(np.uint8 if levels <= 256 else np.int64)
