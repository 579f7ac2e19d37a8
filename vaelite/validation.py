"""Refuse what cannot work, before it is computed, with a message that says what to do."""

import difflib
import math
import numbers
import os
import sys
import warnings

import numpy as np

from .disk import Reading, Untyped
from .exceptions import NotFittedError

PACKAGE = os.path.dirname(__file__)
BATCH_SIZE = 128  # by default
CHUNK_BYTES = 2**24  # of data looked at together


def warn(message, category=UserWarning):
    """Warn, naming the line outside vaelite that led here."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == PACKAGE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def check_fitted(model):
    """Raise NotFittedError for a model without parameters."""
    if model.params is None:
        raise NotFittedError(f"this {type(model).__name__} is not fitted yet; call fit(X) first, or vaelite.fit(X)")


def check_count(name, value, minimum=1):
    """A whole number of at least ``minimum``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} should be an int, got {value!r} of type {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name} should be {minimum} or more, got {value}")
    return int(value)


def check_number(name, value, low, high=math.inf, low_included=False):
    """A real number between ``low`` and ``high``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} should be a number, got {value!r} of type {type(value).__name__}")
    if not (low < value < high or (low_included and value == low)):
        bound = f"{low:g} or more" if low_included else f"above {low:g}"
        bound += f" and below {high:g}" if high < math.inf else " and finite"
        raise ValueError(f"{name} should be {bound}, got {value}")
    return float(value)


def check_choice(name, value, choices):
    """One of the names in ``choices``."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{name} should be one of {', '.join(map(repr, choices))}, got {value!r}{_nearest(value, choices)}"
        )
    return value


def check_callable(name, value):
    """Something that can be called."""
    if not callable(value):
        raise TypeError(f"{name} should be callable, got {value!r} of type {type(value).__name__}")
    return value


def check_likelihood(value):
    """An object with the methods of a likelihood."""
    if isinstance(value, type):
        raise TypeError(f"likelihood should be an object, got the class {value.__name__}; pass {value.__name__}()")
    methods = ("heads", "parameters", "negloglikelihood", "expectation", "sample", "check")
    if missing := [name for name in methods if not callable(getattr(value, name, None))]:
        raise TypeError(
            f"likelihood should be a name or an object like Gaussian(), got {value!r} without {missing[0]}()"
        )
    return value


def check_keywords(function, keywords, known):
    """Keywords that a function knows; the message for another suggests the nearest."""
    for name in keywords:
        if name not in known:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{_nearest(name, known)}")


def _nearest(value, choices):
    close = difflib.get_close_matches(str(value), choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_hidden_dim(hidden_dim):
    """Sizes of the hidden layers as a tuple: from one int, or a sequence of them."""
    sizes = hidden_dim if isinstance(hidden_dim, (tuple, list)) else (hidden_dim,)
    return tuple(check_count("hidden_dim", size) for size in sizes)


def check_dtype(dtype):
    """float32 or float64."""
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype should be float32 or float64, got {dtype!r}") from None
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype should be float32 or float64, got {dtype}")
    return dtype


def check_array(X, name="X"):
    """A 2-D array-like of real numbers with at least one row and one column; not a copy of it."""
    if hasattr(X, "toarray"):
        raise TypeError(f"{name} is a sparse matrix; vaelite works on dense arrays: pass {name}.toarray()")
    if hasattr(X, "get") and hasattr(X, "device") and not hasattr(X, "iloc"):
        raise TypeError(f"{name} is a {type(X).__module__} array on a device; pass {name}.get()")
    if type(X).__module__.partition(".")[0] == "torch":
        raise TypeError(f"{name} is a PyTorch tensor; pass {name}.numpy(), or {name}.detach().cpu().numpy()")
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array, and masked values cannot be left out; fill them: {name}.filled(0)")
    if hasattr(X, "shape") and hasattr(X, "__getitem__") and not hasattr(X, "dtype") and not hasattr(X, "iloc"):
        X = Untyped(X)
    if not (hasattr(X, "shape") and hasattr(X, "dtype") and hasattr(X, "__getitem__")) or hasattr(X, "iloc"):
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise ValueError(f"{name} cannot be made an array; do all its rows have one length? ({error})") from None
    _check_kind(X, name)
    _check_shape(X.shape, name)
    return X


def _check_kind(X, name):
    if X.dtype == object:
        raise TypeError(f"{name} has dtype object; pass numbers: np.asarray({name}, dtype=np.float32)")
    if X.dtype.kind not in "fiub":
        what = "complex numbers" if X.dtype.kind == "c" else f"dtype {X.dtype}"
        raise ValueError(f"{name} has {what}; vaelite works on real numbers: floats, integers or booleans")


def _check_shape(shape, name):
    if len(shape) == 0:
        raise ValueError(f"Expected 2D array, got scalar array instead: {name} should be (examples, features)")
    if len(shape) == 1:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: reshape {name} with {name}.reshape(-1, 1) if it is one feature "
            f"of many examples, or {name}.reshape(1, -1) if it is one example"
        )
    if len(shape) > 2:
        raise ValueError(
            f"Expected 2D array, got {len(shape)}D array of shape {shape} instead: flatten each example first, "
            f"{name}.reshape(len({name}), -1)"
        )
    if 0 in shape:
        what = "sample(s)" if shape[0] == 0 else "feature(s)"
        raise ValueError(f"Found array with 0 {what} (shape={shape}) while a minimum of 1 is required")


def check_batch_size(batch_size, rows):
    """A batch size of at most the number of rows, with a warning where one other than the default is too large."""
    if check_count("batch_size", batch_size) > rows and batch_size != BATCH_SIZE:
        warn(f"batch_size={batch_size} is above the {rows} rows to train on; using {rows}")
    return min(batch_size, rows)


def check_width(name, X, expected, owner):
    """As many columns as the networks were built for."""
    if X.shape[1] != expected:
        raise ValueError(f"{name} has {X.shape[1]} features, but {owner} is expecting {expected} features as input")


def check_values(X, dtype, name="X", grey_levels=True):
    """Look at all values, in chunks: they should be finite in ``dtype``.

    uint8 that are grey levels are read as numbers in [0, 1], and need no look but at the first chunk.

    Returns
    -------
    low, high : arrays, shape (n_features,)
        The smallest and the largest value of each column.
    whole : bool
        Whether all are whole numbers.
    """
    if X.dtype == np.uint8 and grey_levels:
        _, chunk = next(_chunks(X))
        return chunk.min(axis=0) / 255, chunk.max(axis=0) / 255, False
    low, high = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
    limit, whole = np.finfo(dtype).max, True
    for start, chunk in _chunks(X):
        bad = ~(np.abs(chunk) <= limit) if chunk.dtype.kind == "f" else np.zeros(1, bool)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            value = chunk[row, column]
            what = f"infinity or a value too large for dtype('{dtype}')" if not np.isnan(value) else "NaN"
            raise ValueError(f"Input {name} contains {what}: {value} in row {start + row}, column {column}")
        low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        whole = whole and (chunk.dtype.kind != "f" or bool(np.all(chunk == np.rint(chunk))))
    return low, high, whole


def check_grey_levels(X, name="X"):
    """Ask back where uint8 data that would be read as grey levels up to 255 seem to have another scale."""
    if X.dtype != np.uint8:
        return
    high = 0
    for _, chunk in _chunks(X):
        high = max(high, int(chunk.max()))
        if high > 16:
            return
    read_as = f"{name} has dtype uint8, which is read as grey levels from 0 to 255, but its largest value is {high}"
    if high == 1:
        raise ValueError(f"{read_as}; if these are numbers in [0, 1] already, pass {name}.astype(np.float32)")
    if high > 1:
        warn(f"{read_as}; for another scale pass floats, e.g. {name} / np.float32({high})")


def _chunks(X):
    """Pairs (first row, rows) of a bounded size."""
    rows = max(1, CHUNK_BYTES // (X.shape[1] * X.dtype.itemsize))
    reading = Reading(X)
    for start in range(0, X.shape[0], rows):
        yield start, reading[start : start + rows]


def check_posterior(vae):
    """A fitted model that has a q(z|x)."""
    check_fitted(vae)
    if not vae.has_posterior:
        raise ValueError(f"{type(vae).__name__} has no q(z|x): its code is a single point; this is for vaelite.fit")


def check_q(vae, X, q):
    """Mu and logsigma of a q for each row of X, in the model's dtype."""
    check_posterior(vae)
    expected, dtype = (np.shape(X)[0], vae.latent_dim), next(iter(vae.params.values())).dtype
    if not isinstance(q, tuple | list) or len(q) != 2 or any(np.shape(array) != expected for array in q):
        shapes = [np.shape(array) for array in q] if isinstance(q, tuple | list) else type(q).__name__
        raise ValueError(f"q should be a pair (mu, logsigma) of arrays of shape {expected}, got {shapes}")
    mu, logsigma = (np.asarray(array, dtype=dtype) for array in q)
    if not (np.isfinite(mu).all() and np.isfinite(logsigma).all()):
        raise ValueError("q has a mu or a logsigma that is not finite")
    return mu, logsigma
