"""Exercises: a verdict on what a reader has written.

::

    check(mine, identities("neglogprior"))    # Right., or Not right yet. and why, or Not written yet.

Needs hypothesis: ``python -m pip install 'vaelite[tutorials]'``.
"""

import dis
import traceback
from dataclasses import fields
from functools import wraps

from autograd.tracer import isbox

from .theorems import THEOREMS, Terms, counterexample
from ..checks import check_choice

OWN = {  # the theorem that is most about a term by itself; it is tried first
    "negloglikelihood": "densities_match_scipy", "neglogprior": "densities_match_scipy",
    "neglogposterior": "densities_match_scipy", "reparameterize": "samples_are_affine_in_the_noise",
    "kl_divergence": "kl_is_the_mean_of_two_samples", "negelbo": "loss_is_the_sum_of_its_terms",
}  # fmt: skip


class _NotWritten(Exception):
    """What an answer raises that is not written yet."""


class _Raised(Exception):
    """What an answer raises that itself raises an exception."""


def check(answer, test):
    """Put an answer to the test and print the verdict: right, not right and why, or not written yet.

    Parameters
    ----------
    answer : object
        A function, or a value. ``None``, ``...``, and a function that returns these or raises NotImplementedError, are
        not written yet.
    test : callable
        ``test(answer)`` raises an exception where the answer is wrong, as assertions do; `identities` makes one.

    Examples
    --------
    >>> import autograd.numpy as np
    >>> from vaelite.classroom.exercises import check, identities
    >>> check(lambda z: ..., identities("neglogprior"))
    Not written yet.
    >>> check(lambda z: np.sum(z * z + np.log(2 * np.pi), axis=1) / 2, identities("neglogprior"))
    Right.
    """
    try:
        test(_watched(answer))
    except _NotWritten as verdict:
        print(f"Not written yet{verdict}.")
    except (AssertionError, _Raised) as error:
        print(f"Not right yet. {str(error).strip()}")
    except Exception as error:
        print(f"Not right yet. {type(error).__name__}: {str(error).strip()}")
    else:
        print("Right.")


def identities(name, max_examples=25):
    """A test for `check`: a term of one's own in place of vaelite's, in all theorems of `vaelite.classroom.theorems`.

    Parameters
    ----------
    name : {"negloglikelihood", "neglogprior", "neglogposterior", "reparameterize", "kl_divergence", "negelbo"}
        Which of the `Terms` it is.
    max_examples : int
        Random cases a theorem, the same every time.

    Returns
    -------
    callable
        Given a term, it raises AssertionError with the first theorem that fails and its smallest counterexample.
    """
    check_choice("name", name, [field.name for field in fields(Terms)])

    def test(term):
        faults = []

        def watched(
            *arguments,
        ):  # hypothesis would go on with other cases, and the theorem's words hide the fault
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
    """The answer; if it is a function, one that raises `_NotWritten` or `_Raised` where that has nothing to say."""
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
    """An exception of the reader's code: its line, and what may have led to it."""
    file = getattr(getattr(answer, "__code__", None), "co_filename", None)
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == file
    ]
    place = f" in line {lines[-1]}" if lines else ""
    advice = (
        " (while autograd differentiates it; is np autograd.numpy?)"
        if any(map(isbox, arguments))
        else ""
    )
    return f"It raised {type(error).__name__}{place}: {error}{advice}"


def _is_stub(function):
    """Whether a function has no more to it than a docstring and `...`."""
    return hasattr(function, "__code__") and len(list(dis.get_instructions(function))) <= 3
