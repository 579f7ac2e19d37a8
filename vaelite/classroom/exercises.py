"""Exercises: a verdict on a reader's code.

::

    check(mine, identities("neglogprior"))

prints "Right.", "Not right yet." with the reason, or "Not written yet.". It needs
hypothesis: ``python -m pip install 'vaelite[tutorials]'``.
"""

import dis
import traceback
from dataclasses import fields
from functools import wraps

from autograd.tracer import isbox

from ..checks import check_callable, check_choice, check_flag
from .theorems import THEOREMS, Terms, counterexample

OWN = {  # the theorem that says most about a term by itself; it is tried first
    "negloglikelihood": "densities_match_scipy",
    "neglogprior": "densities_match_scipy",
    "neglogposterior": "densities_match_scipy",
    "reparameterize": "samples_are_affine_in_the_noise",
    "kl_divergence": "kl_is_the_mean_of_two_samples",
    "negelbo": "loss_is_the_sum_of_its_terms",
}


class _NotWritten(Exception):
    """The answer is not written yet."""


class _Raised(Exception):
    """The answer raised an exception."""


def check(answer, test):
    """Test an answer and print the verdict.

    Parameters
    ----------
    answer : object
        A function, or a value. It is not written yet if it is ``None`` or ``...``, or a
        function that returns one of these or raises NotImplementedError.
    test : callable
        ``test(answer)`` raises AssertionError if the answer is wrong, or returns True
        or False; `identities` returns such a test. If it raises another exception,
        there is no verdict: the answer may be of another type, or the test has a
        mistake.

    Raises
    ------
    TypeError
        If the test returns something else.
    RuntimeError
        With ``python -O``, which removes the tests' ``assert``.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> from vaelite.classroom.exercises import check, identities
    >>> check(lambda z: ..., identities("neglogprior"))
    Not written yet.
    >>> def mine(z):
    ...     return np.sum(z * z + np.log(2 * np.pi), axis=1) / 2
    >>> check(mine, identities("neglogprior"))
    Right.
    """
    if not __debug__:
        raise RuntimeError("python -O removes assert, so every answer would be right; leave out -O")
    check_callable("test", test)
    try:
        holds = test(_watched(answer))
    except _NotWritten as verdict:
        print(f"Not written yet{verdict}.")
    except (AssertionError, _Raised) as error:
        print(f"Not right yet. {str(error).strip()}".strip())
    except Exception as error:
        print(
            f"No verdict. The test raised {type(error).__name__}: {str(error).strip()}. The answer "
            "may be of another type or shape than the test expects, or the test has a mistake."
        )
    else:
        is_right = holds is None or check_flag("what a test returns", holds)
        print("Right." if is_right else "Not right yet.")


def identities(name, max_examples=25):
    """Return a test for `check`: all `THEOREMS`, with your own term for vaelite's.

    Parameters
    ----------
    name : str
        The name of the term, one of the `Terms`: "negloglikelihood", "neglogprior",
        "neglogposterior", "reparameterize", "kl_divergence" or "negelbo".
    max_examples : int
        Random cases per theorem, the same every time.

    Returns
    -------
    callable
        ``test(term)`` raises AssertionError with the first theorem that fails and its
        smallest counterexample.
    """
    check_choice("name", name, [field.name for field in fields(Terms)])

    def test(term):
        # Raised at the end: hypothesis would try more cases, and hide the fault.
        faults = []

        def watched(*arguments):
            try:
                return term(*arguments)
            except (_NotWritten, _Raised) as fault:
                faults.append(fault)
                raise

        terms = Terms(**{name: watched})
        for theorem in sorted(THEOREMS, key=lambda theorem: theorem != OWN[name]):
            failure = counterexample(THEOREMS[theorem], terms, max_examples)
            if faults:
                raise faults[0]
            if failure is not None:
                raise AssertionError(f"{theorem} does not hold.\n{failure}")

    return test


def _watched(answer):
    """The answer; a function raises `_NotWritten` or `_Raised` if it has no result."""
    if answer is None or answer is ...:
        raise _NotWritten
    if not callable(answer):
        return answer

    @wraps(answer)
    def watched(*arguments, **keywords):
        try:
            result = answer(*arguments, **keywords)
        except NotImplementedError:
            raise _NotWritten from None
        except Exception as error:
            raise _Raised(_in_words(error, answer, arguments)) from error
        if result is ... or (result is None and _is_stub(answer)):
            raise _NotWritten
        if result is None:
            raise _NotWritten(", or a return is missing: it returned None")
        return result

    return watched


def _in_words(error, answer, arguments):
    """Describe an exception of the reader's code: its line, and a possible reason."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == file]
    place = f" in line {lines[-1]}" if lines else ""
    advice = " (while autograd differentiates it; is np autograd.numpy?)"
    advice = advice if any(map(isbox, arguments)) else ""
    return f"It raised {type(error).__name__}{place}: {error}{advice}"


def _is_stub(function):
    """Whether a function consists of a docstring and `...` only."""
    return hasattr(function, "__code__") and len(list(dis.get_instructions(function))) <= 3
