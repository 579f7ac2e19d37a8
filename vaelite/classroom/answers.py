"""Calling a student's code: what it returns, raises, prints and changes.

An answer that has no result has a `Fault`, which says what happened in words.
"""

import contextlib
import copy
import dis
import inspect
import io
import linecache
import traceback
import warnings
from functools import wraps

import numpy as np

from .verdict import NOT_WRITTEN

LONGEST = 500  # characters of what an answer prints
TRANSLATIONS = (  # what autograd and NumPy say, and what it means
    (
        "ArrayBox which has no callable",
        "np is plain NumPy here, which autograd cannot follow: import autograd.numpy as np",
    ),
    (
        "ArrayBox' object does not support item assignment",
        "autograd cannot follow an assignment into an array: compute the array as a whole",
    ),
    (
        "setting an array element with a sequence",
        "autograd cannot follow an assignment into an array, or a function of plain NumPy: "
        "import autograd.numpy as np, and compute the array as a whole",
    ),
    (
        "not 'ArrayBox'",
        "autograd cannot follow float() or the module math: use autograd.numpy",
    ),
    (
        "Grad only applies to real scalar-output functions",
        "only a scalar has a gradient: is a mean or a sum missing?",
    ),
    (
        "not supported for the input types",
        "NumPy or SciPy got what is not an array of numbers: if autograd traces it, use "
        "autograd.numpy",
    ),
    ("operands could not be broadcast", "two arrays have shapes that do not fit together"),
)


class Fault(Exception):
    """An answer has no result.

    Attributes
    ----------
    mistake, says : str
        As `Verdict.mistake` and `Verdict.diagnosis`.
    """

    def __init__(self, mistake, says):
        super().__init__(says)
        self.mistake, self.says = mistake, says


class Answer:
    """A student's function, watched.

    Parameters
    ----------
    function : callable
        Called with copies of the arguments.
    names : sequence of str, optional
        What the exercise calls the arguments; by default as the function does.

    Attributes
    ----------
    printed : str
        What the first call printed.
    """

    def __init__(self, function, names=None):
        if function is None or function is ...:
            raise Fault(NOT_WRITTEN, "")
        if not callable(function):
            kind = type(function).__name__
            raise Fault("no function", f"Pass the function itself; this is of type {kind}.")
        self.function, self.printed = function, None
        self.names = _parameters(function) if names is None else names

    def __call__(self, *arguments, **keywords):
        """Return the answer's result, or raise a `Fault`."""
        given = [_copy(argument) for argument in arguments]
        result = self.run(*given, **keywords)
        for name, before, after in zip(self.names, arguments, given, strict=False):
            if not _is_same(before, after):
                raise Fault(
                    "argument changed",
                    f"It changes its argument {name} in place, so that the caller's array is "
                    "another one afterwards.",
                )
        return result

    def run(self, *arguments, **keywords):
        """Call the function on these very arguments, in silence."""
        out = io.StringIO()
        try:
            with (
                np.errstate(all="ignore"),
                warnings.catch_warnings(),
                contextlib.redirect_stdout(out),
            ):
                warnings.simplefilter("ignore")
                result = self.function(*arguments, **keywords)
        except NotImplementedError:
            raise Fault(NOT_WRITTEN, "") from None
        except Fault:
            raise
        except (Exception, SystemExit) as error:
            raise Fault("error", in_words(error, self.function)) from error
        finally:
            if self.printed is None:
                self.printed = _shortened(out.getvalue())
        if result is None or result is ...:
            raise Fault(NOT_WRITTEN, _why_nothing(result, self.function))
        return result


def as_numbers(result):
    """A result as an array of plain float64; lists and tuples of arrays are stacked."""
    try:
        return np.array(result, dtype=np.float64)
    except (TypeError, ValueError):
        kind = type(result).__name__
        raise Fault(
            "no numbers", f"It returned a {kind} that is not an array of numbers of one shape."
        ) from None


def watched(answer):
    """An answer for an exercise's own test, and the `Answer` that watches it, if any.

    Functions and networks raise a `Fault` where they have no result. An instance stays
    one of its class; only its ``__call__`` is watched.
    """
    if answer is None or answer is ...:
        raise Fault(NOT_WRITTEN, "")
    if not callable(answer) or isinstance(answer, type):
        return answer, None
    if not inspect.isfunction(type(answer).__call__):  # no instance of a class of the student
        function = Answer(answer)
        return wraps(answer)(lambda *args, **keywords: function(*args, **keywords)), function
    method, same, kind = Answer(answer.__call__), copy.copy(answer), type(answer)
    call = {"__call__": lambda self, *args, **keywords: method(*args, **keywords)}
    same.__class__ = type(kind.__name__, (kind,), call)
    return same, method


def in_words(error, function):
    """Describe an exception: the line of the answer's code, and its meaning."""
    file = getattr(_code(function), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == file]
    place = ""
    if numbers:
        line = linecache.getline(file, numbers[-1]).strip()
        place = f" in line {numbers[-1]}" + (f", `{line}`" if line else "")
    meaning = meaning_of(error)
    return f"It raised {type(error).__name__}{place}: {error}" + (
        f" ({meaning})." if meaning else "."
    )


def meaning_of(error):
    """What a message of autograd or NumPy means, or an empty text."""
    return next((meaning for text, meaning in TRANSLATIONS if text in str(error)), "")


def _why_nothing(result, function):
    """Why there is no result: nothing at all for a stub."""
    return "" if result is ... or _is_stub(function) else ("It returned None: is a return missing?")


def _parameters(function):
    """The names of a function's parameters; none if it does not say."""
    try:
        return tuple(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return ()


def _code(function):
    """The code of a function or method, also behind functools.partial and wraps."""
    while not hasattr(function, "__code__") and hasattr(function, "func"):
        function = function.func
    return getattr(function, "__code__", None)


def _is_stub(function):
    """Whether a function consists of a docstring and `...` only."""
    code = _code(function)
    return code is not None and len(list(dis.get_instructions(code))) <= 3


def _is_same(before, after):
    """Whether an array or a list still has the same numbers; NaN is NaN."""
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_is_same, before, after))
    if isinstance(before, (np.ndarray, float)):
        return np.shape(before) == np.shape(after) and bool(
            np.all((before == after) | ((before != before) & (after != after)))
        )
    return True


def _copy(argument):
    return copy.copy(argument) if isinstance(argument, (np.ndarray, list, dict)) else argument


def _shortened(text):
    text = text.strip()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
