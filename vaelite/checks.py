"""Checks of single settings, with messages that say what to do; and `warn`.

Nothing here depends on data or models.
"""

import difflib
import inspect
import math
import numbers
import os
import reprlib
import sys
import warnings
from functools import wraps

import numpy as np

PACKAGE = os.path.dirname(__file__) + os.sep
SYNONYMS = {  # what other libraries call a setting or a choice
    "seed": "rng",
    "random_state": "rng",
    "random_seed": "rng",
    "lr": "learning_rate",
    "learning_rate_init": "learning_rate",
    "verbose": "progress",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "num_epochs": "max_epochs",
    "max_iter": "max_epochs",
    "n_components": "latent_dim",
    "z_dim": "latent_dim",
    "hidden_layer_sizes": "hidden_dim",
    "hidden_dims": "hidden_dim",
    "n_samples": "n",
    "size": "n",
    "device": "backend",
    "validation_split": "validation_fraction",
    "early_stopping": "stopping",
    "loss": "objective",
    "gpu": "cupy",
    "cuda": "cupy",
    "mse": "gaussian",
    "bce": "bernoulli",
}
NO_LABELS = (
    "fit takes no labels: leave y out. For a model of each class, pass "
    "condition=np.eye(n_classes)[y]"
)


def warn(message, category=UserWarning):
    """Warn, and name the line outside vaelite that caused it."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


class _Short(reprlib.Repr):
    """Short texts of values, without the numbers of arrays."""

    def repr1(self, x, level):
        if hasattr(x, "dtype") and getattr(x, "shape", ()) != ():
            return f"an array of {x.dtype} of shape {tuple(x.shape)}"
        return super().repr1(x, level)


def shown(value):
    """Return a value as a short text for an error message."""
    short = _Short()
    short.maxdict = short.maxlist = short.maxtuple = 3
    short.maxstring, short.maxother = 60, 120
    return short.repr(value)


def typed(value):
    """Return a value as `shown` does, and its type; an array's text names it."""
    text = shown(value)
    return text if text.startswith("an array") else f"{text} of type {type(value).__name__}"


def check_count(name, value, minimum=1):
    """Return a whole number of at least ``minimum`` as an int."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} should be an int, got {typed(value)}")
    if value < minimum:
        raise ValueError(f"{name} should be {minimum} or more, got {value}")
    return int(value)


def check_pairs(name, value):
    """Return an even number of samples, for pairs of eps and -eps, as an int."""
    if check_count(name, value) % 2:
        raise ValueError(f"{name} should be even, for pairs of eps and -eps, got {value}")
    return int(value)


def check_number(name, value, low, high=math.inf, low_included=False):
    """Return a real number between ``low`` and ``high`` as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} should be a number, got {typed(value)}")
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
        if isinstance(array, (list, tuple)):
            raise TypeError(f"{name} is a {type(array).__name__}; pass np.array({name}, float)")
        dtype = getattr(array, "dtype", None)  # Python's numbers have none
        if dtype is not None and dtype.kind != "f":
            raise TypeError(
                f"{name} has dtype {dtype}; pass floats, for example {name}.astype(np.float32)"
            )


def check_normal(name, x, mu, logsigma):
    """Refuse arguments of a normal density that would broadcast to nonsense."""
    check_floats(**{name: x, "mu": mu, "logsigma": logsigma})
    shape, of_mu, of_logsigma = np.shape(x), np.shape(mu), np.shape(logsigma)
    if shape == () or len(of_mu) != len(shape) or of_mu[-1:] != shape[-1:]:
        raise ValueError(
            f"{name} and mu should have one shape, (batch, features), got {shape} and {of_mu}"
        )
    if len(of_logsigma) not in (0, len(shape)) or of_logsigma[-1:] not in ((), (1,), shape[-1:]):
        raise ValueError(
            f"logsigma has shape {of_logsigma}; for {name} of shape {shape} it should be a "
            f"scalar, ({shape[0]}, 1) for one sigma per example, or {shape} for one per element"
        )
    if not shape[:-1] == of_mu[:-1] == of_logsigma[:-1]:
        _check_rows({name: shape, "mu": of_mu, "logsigma": of_logsigma})


def _check_rows(shapes):
    """Refuse other numbers of examples; a single one is compared with all."""
    rows = [shape[:-1] for shape in shapes.values() if shape]
    if any(len({*sizes} - {1}) > 1 for sizes in zip(*rows, strict=True)):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"the numbers of examples differ, got {found}; pass the same rows of all")


def check_choice(name, value, choices):
    """Return one of the names in ``choices``."""
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(map(repr, choices))
        raise ValueError(
            f"{name} should be one of {expected}, got {shown(value)}{_nearest(value, choices)}"
        )
    return value


def check_flag(name, value):
    """Return True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} should be True or False, got {shown(value)}")
    return bool(value)


def check_callable(name, value):
    """Return something that can be called."""
    if not callable(value):
        raise TypeError(f"{name} should be callable, got {typed(value)}")
    return value


def check_accepts(name, function, *arguments):
    """Refuse a function that cannot be called with these arguments, named here."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        call = f"{name}({', '.join(arguments)})"
        raise TypeError(f"{shown(function)} is called as {call}, which fails: {error}") from None
    except ValueError:  # some built-in functions have no signature
        pass


def check_keywords(function, keywords, known, elsewhere=(), where=""):
    """Refuse keywords that a function does not know, and say which name is meant.

    Parameters
    ----------
    function : str
        Its name.
    keywords : iterable of str
    known : iterable of str
        The names that the function knows.
    elsewhere : iterable of str
        Names that another function knows; messages call it ``where``.
    """
    for name in keywords:
        if name in known:
            continue
        advice = _nearest(name, [*known, *elsewhere])
        if name == "y":
            advice = f"; {NO_LABELS}"
        elif name in elsewhere:
            advice = f"; it is a setting of {where}"
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}{advice}")


def explain_keywords(function):
    """Decorate a function: it answers an unknown keyword as `check_keywords` does."""
    parameters = inspect.signature(function).parameters
    by_position = [name for name, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]

    @wraps(function)
    def explained(self, *args, **keywords):
        name = f"{type(self).__name__}.{function.__name__}".removesuffix(".__init__")
        if not parameters.keys() >= keywords.keys():
            of_fit = () if "." in name else inspect.signature(self.fit).parameters
            check_keywords(name, keywords, parameters, of_fit, "fit")
        if len(args) >= len(by_position):
            raise TypeError(
                f"{name}({', '.join(by_position[1:])}) got {len(args)} arguments without a name; "
                f"pass all others by name{f'. {NO_LABELS}' if name.endswith('fit') else ''}"
            )
        return function(self, *args, **keywords)

    return explained


def _nearest(value, choices):
    meant = SYNONYMS.get(value) if isinstance(value, str) else None
    close = [meant] if meant in choices else difflib.get_close_matches(str(value), choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_sizes(name, sizes):
    """Return one int, or a sequence of ints, as a tuple of ints of 1 or more."""
    given = sizes.tolist() if isinstance(sizes, np.ndarray) else sizes
    found = tuple(
        check_count(name, n) for n in (given if isinstance(given, (tuple, list)) else (given,))
    )
    return sizes if type(sizes) is tuple and sizes == found else found


def check_path(name, path):
    """Return the name of a file, as text or as a path."""
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"{name} should be a file name such as 'model.npz', got {typed(path)}")
    return path


def check_dtype(name, dtype):
    """Return float32 or float64 as a dtype."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"{name} should be float32 or float64, got {shown(dtype)}") from None
    if found not in (np.float32, np.float64):
        raise ValueError(f"{name} should be float32 or float64, got {found}")
    return found
