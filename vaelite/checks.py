"""Checks of single settings, with messages that say what to do; and `warn`.

Nothing here depends on data or models.
"""

import difflib
import math
import numbers
import os
import sys
import warnings

import numpy as np

PACKAGE = os.path.dirname(__file__) + os.sep


def warn(message, category=UserWarning):
    """Warn, and name the line outside vaelite that caused it."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def check_count(name, value, minimum=1):
    """Return a whole number of at least ``minimum`` as an int."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} should be an int, got {value!r} of type {type(value).__name__}")
    if value < minimum:
        raise ValueError(f"{name} should be {minimum} or more, got {value}")
    return int(value)


def check_number(name, value, low, high=math.inf, low_included=False):
    """Return a real number between ``low`` and ``high`` as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} should be a number, got {value!r} of type {type(value).__name__}")
    if not (low < value < high or (low_included and value == low)):
        bound = f"{low:g} or more" if low_included else f"above {low:g}"
        bound += f" and below {high:g}" if high < math.inf else " and finite"
        raise ValueError(f"{name} should be {bound}, got {value}")
    return float(value)


def check_floats(**arrays):
    """Refuse arrays that formulas misread: integers wrap around, masks are lost."""
    for name, array in arrays.items():
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"{name} is a masked array; fill it: {name}.filled(0)")
        dtype = getattr(array, "dtype", None)  # Python's numbers have none
        if dtype is not None and dtype.kind != "f":
            raise TypeError(
                f"{name} has dtype {dtype}; pass floats, for example {name}.astype(np.float32)"
            )


def check_normal(name, x, mu, logsigma):
    """Refuse arguments of a normal density that would broadcast to nonsense."""
    check_floats(**{name: x, "mu": mu, "logsigma": logsigma})
    shape, D = np.shape(x), np.shape(x)[-1:]
    if shape == () or np.ndim(mu) != len(shape) or np.shape(mu)[-1:] != D:
        raise ValueError(
            f"{name} and mu should have one shape, (batch, features), got {shape} and "
            f"{np.shape(mu)}"
        )
    if np.ndim(logsigma) not in (0, len(shape)) or np.shape(logsigma)[-1:] not in ((), (1,), D):
        raise ValueError(
            f"logsigma has shape {np.shape(logsigma)}; for {name} of shape {shape} it should be a "
            f"scalar, ({shape[0]}, 1) for one sigma per example, or {shape} for one per element"
        )


def check_choice(name, value, choices):
    """Return one of the names in ``choices``."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(map(repr, choices))
        raise ValueError(
            f"{name} should be one of {expected}, got {value!r}{_nearest(value, choices)}"
        )
    return value


def check_flag(name, value):
    """Return True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} should be True or False, got {value!r}")
    return bool(value)


def check_callable(name, value):
    """Return something that can be called."""
    if not callable(value):
        raise TypeError(f"{name} should be callable, got {value!r} of type {type(value).__name__}")
    return value


def check_keywords(function, keywords, known):
    """Refuse keywords that a function does not know, and suggest the nearest one."""
    for name in keywords:
        if name not in known:
            raise TypeError(
                f"{function}() got an unexpected keyword argument {name!r}{_nearest(name, known)}"
            )


def _nearest(value, choices):
    close = difflib.get_close_matches(str(value), choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_sizes(name, sizes):
    """Return one int, or a sequence of ints, as a tuple of ints of 1 or more."""
    sizes = sizes if isinstance(sizes, (tuple, list)) else (sizes,)
    return tuple(check_count(name, size) for size in sizes)


def check_dtype(dtype):
    """Return float32 or float64 as a dtype."""
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype should be float32 or float64, got {dtype!r}") from None
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype should be float32 or float64, got {dtype}")
    return dtype
