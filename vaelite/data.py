"""From an array to minibatches, whatever its size.

``uint8`` arrays are grey levels from 0 to 255; they stay as they are in memory or on disk and become floats in [0, 1]
batch by batch.
"""

import numpy as np

from .backend import on_device, read_only
from .disk import Reading
from .validation import check_count, check_number


def minibatches(X, batch_size, dtype=np.float32, rng=None, grey_levels=True):
    """Go once through the rows of X in batches, converted to floats one batch at a time.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Anything with a shape that can be indexed by an array of row numbers: an array, a memmap, ...
    batch_size : int
        The last batch may be smaller.
    dtype : dtype
        Of the batches.
    rng : numpy.random.Generator or None
        Shuffles the rows; None takes them in their order.
    grey_levels : bool
        Divide uint8 by 255.

    Yields
    ------
    array, shape (batch, n_features)
        Read-only.
    """
    n, reading, dtype = X.shape[0], Reading(X), np.dtype(dtype)
    order = None if rng is None else rng.permutation(n)
    for start in range(0, max(n, 1), batch_size):  # no rows give one batch of no rows
        rows = slice(start, min(start + batch_size, n))
        batch = to_float(reading[rows if order is None else order[rows]], dtype, grey_levels)
        yield read_only(batch)  # it may be a part of X itself


def to_float(x, dtype, grey_levels=True):
    """Numbers as floats; uint8 as grey levels, 255 becoming 1, if they are that."""
    x = x if on_device(x) else np.asarray(x)
    if x.dtype == np.uint8 and grey_levels:
        return np.multiply(x, dtype.type(1 / 255), dtype=dtype)
    return x.astype(dtype, copy=False)


def quantize(X, levels):
    """Grey images as whole numbers from 0 to ``levels - 1``, each for an equal part of [0, 1]; for `Categorical`.

    Parameters
    ----------
    X : array
        Numbers in [0, 1], or uint8 grey levels.
    levels : int

    Returns
    -------
    uint8 or int64 array, the shape of X

    Examples
    --------
    >>> import vaelite
    >>> vaelite.quantize([[0.0, 0.24, 0.26, 0.5, 1.0]], 4)
    array([[0, 0, 1, 2, 3]], dtype=uint8)
    """
    levels = check_count("levels", levels, minimum=2)
    x = to_float(X, np.dtype(np.float64))
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"X should be numbers in [0, 1] or uint8, got values from {x.min():g} to {x.max():g}")
    return np.minimum(x * levels, levels - 1).astype(np.uint8 if levels <= 256 else np.int64)


def hold_out(X, fraction, rng):
    """Split the rows of X at random, without copying them.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
    fraction : float
        The part to hold out, between 0 and 1.
    rng : numpy.random.Generator

    Returns
    -------
    train, held_out : Rows

    Raises
    ------
    ValueError
        If fewer than 2 rows would be held out, or none would be left.
    """
    n = X.shape[0]
    held_out = round(n * check_number("validation_fraction", fraction, 0, 1))
    if held_out < 2 or held_out >= n:
        raise ValueError(
            f"{n} rows are too few to hold out a fraction of {fraction:g} (at least 2 rows, and 1 to train on); pass "
            'more rows, another validation_fraction, or stopping="epochs", which holds out none'
        )
    order = rng.permutation(n)
    return Rows(X, np.sort(order[held_out:])), Rows(X, np.sort(order[:held_out]))


class Rows:
    """Some rows of an array-like, without copying them."""

    def __init__(self, X, rows):
        self.reading, self.rows = Reading(X), rows
        self.shape = (len(rows), *X.shape[1:])

    def __getitem__(self, index):
        return self.reading[self.rows[index]]
