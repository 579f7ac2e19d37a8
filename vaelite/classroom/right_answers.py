"""Going on with a student's code where it is right, or else with the library's."""

from functools import partial, wraps
from inspect import isfunction

import autograd.numpy as anp

from vaelite.checks import check_callable, check_flag

from .checker import check

YOURS, LIBRARY = "{}: yours goes on from here.", "{}: the library's goes on from here, {}."
NOT_RIGHT = "until yours is right"
NOT_FOLLOWED = "because autograd cannot follow yours"


def mine_if_right(answer, test, otherwise, *, differentiable=True):
    """Return a student's answer if it is right, and the library's if not; print which.

    So what a student wrote trains the model that the next cells plot, and a notebook
    runs to its end whatever is written. The test is made again, without its message.

    Parameters
    ----------
    answer : object
        As for `check`: a function, a network or a value.
    test : callable
        A method of `check`, such as ``check.neglogprior``, a `functools.partial` of
        one, or an exercise's own test, as for ``check(answer, test)``.
    otherwise : object
        What goes on if the answer is not right: the library's.
    differentiable : bool
        Whether autograd must follow it. Then a right answer in plain NumPy or SciPy
        does not go on: it could train nothing.

    Returns
    -------
    object
        ``answer`` or ``otherwise``. If a function of the student returns lists, it
        returns arrays here.

    Examples
    --------
    >>> import vaelite
    >>> from vaelite.classroom import check, mine_if_right
    >>> def neglogprior(z):
    ...     return ...
    >>> mine = mine_if_right(neglogprior, check.neglogprior, vaelite.neglogprior)
    neglogprior: the library's goes on from here, until yours is right.
    >>> mine is vaelite.neglogprior
    True
    """
    check_flag("differentiable", differentiable)
    name = getattr(answer, "__name__", "your answer")
    verdict = _verdict(answer, check_callable("test", test))
    if not verdict.ok:
        print(LIBRARY.format(name, NOT_RIGHT))
        return otherwise
    if differentiable and verdict.notes:  # a right function that has a note has no derivative
        print(LIBRARY.format(name, NOT_FOLLOWED))
        return otherwise
    print(YOURS.format(name))
    return _with_arrays(answer) if isfunction(answer) else answer


def _verdict(answer, test):
    method = test.func if isinstance(test, partial) else test
    if getattr(method, "__self__", None) is check:
        return test(answer)
    return check(answer, test)


def _with_arrays(function):
    """The function, with an array in place of a list."""

    @wraps(function)
    def with_arrays(*arguments, **keywords):
        result = function(*arguments, **keywords)
        return anp.array(result) if isinstance(result, list) else result

    return with_arrays
