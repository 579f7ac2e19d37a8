"""What explains a wrong answer best, from what it returned in all cases.

Each explanation is tried in turn; the first that fits everything is the diagnosis.
"""

from dataclasses import dataclass

import autograd.numpy as anp
import numpy as np
from autograd.tracer import getval

from vaelite import value_and_grad

from .answers import Fault, as_numbers
from .questions.base import Misconception

RELATIVE = 1e-5  # of a value and of 1: far below every mistake, above rounding in float32
FLOAT32 = 30  # times the library's own error in float32 and the rounding of its arguments
EPS = float(np.finfo(np.float32).eps)
EXACT = 1e-6  # as RELATIVE, to see which rows are affected at all
NEARLY = 0.1  # relative error, where the digits of a number next to 1 are lost
SOME = 0.3  # of the cases: a limit leaves as many right
UNTRACEABLE = (
    "To train with it, autograd has to follow it: that needs autograd.numpy, and no assignment "
    "into arrays, float(), math or scipy."
)


@dataclass(frozen=True)
class Outcome:
    """A case, what the answer returned, and what is right.

    Attributes
    ----------
    arguments : dict
    found : array or None
        None if there is a fault.
    fault : Fault or None
    expected, tolerance : array
    """

    arguments: dict
    found: np.ndarray | None
    fault: Fault | None
    expected: np.ndarray
    tolerance: np.ndarray

    @property
    def right(self):
        """Whether the answer is right in this case."""
        return self.is_near(self.expected)

    @property
    def elements_right(self):
        """Where the result is right, if it has the right shape."""
        return np.abs(self.found - self.expected) <= self.tolerance

    def is_near(self, value):
        """Whether the answer returned a value, up to rounding; NaN is near NaN."""
        value = np.asarray(value)
        if self.found is None or self.found.shape != value.shape:
            return False
        tolerance = RELATIVE * (1 + np.abs(value))
        if value.shape == self.tolerance.shape:
            tolerance = np.maximum(tolerance, self.tolerance)
        with np.errstate(invalid="ignore"):
            near = np.abs(self.found - value) <= tolerance
        same = (self.found == value) | (np.isnan(self.found) & np.isnan(value))
        return bool(np.all(near | same))


def outcomes(question, answer, cases):
    """Ask for every case, then compute what is right.

    The right values exist only after the last call of the answer, so that an answer
    that looks at its caller finds none.
    """
    found = [_reply(question, answer, case) for case in cases]
    return [
        Outcome(case, *reply, *_expected(question, case))
        for case, reply in zip(cases, found, strict=True)
    ]


def _reply(question, answer, case):
    try:
        return as_numbers(question.ask(answer, *case.values())), None
    except Fault as fault:
        return None, fault


def _expected(question, case):
    """What is right, and how far an answer in float32 may be from it."""
    expected = np.asarray(question.expected(*case.values()), dtype=np.float64)
    rounded = question.expected(*map(_in_float32, case.values()))
    sizes = [np.max(np.abs(value)) for value in case.values() if _is_float(value)]
    error = np.abs(np.asarray(rounded, dtype=np.float64) - expected) + EPS * max(sizes, default=0)
    return expected, RELATIVE * (1 + np.abs(expected)) + FLOAT32 * error


def _is_float(argument):
    return isinstance(argument, np.ndarray) and argument.dtype.kind == "f"


def _in_float32(argument):
    return argument.astype(np.float32) if _is_float(argument) else argument


def diagnose(question, answer, tried):
    """Return the `Misconception` or `Limit` that explains the outcomes best."""
    explanations = (
        _drawn_at_random,
        _formula,
        _hard_coded,
        _limit,
        _overflow,
        _rows,
        _wrong_shape,
    )
    for explanation in explanations:
        found = explanation(question, answer, tried)
        if found is not None:
            return found
    return _said("another result", "The result differs from what it should be.")


def _said(name, says):
    return Misconception(name, says, None)


def _drawn_at_random(question, answer, tried):
    """The same arguments, another result."""
    outcome = next(outcome for outcome in tried if not outcome.right)
    again, _ = _reply(question, answer, outcome.arguments)
    if again is not None and not np.array_equal(again, outcome.found, equal_nan=True):
        return _said(
            "own noise",
            "Two calls with the same arguments return different numbers: it draws random numbers "
            "of its own, and should use those that it gets.",
        )
    return None


def _explained(formula, tried):
    """In which cases a formula returns what the answer returned."""
    with np.errstate(all="ignore"):
        return np.array([_returns(formula, outcome) for outcome in tried])


def _returns(formula, outcome):
    try:
        return outcome.is_near(formula(*outcome.arguments.values()))
    except (ValueError, TypeError, IndexError):  # a formula of other shapes than these
        return False


def _formula(question, answer, tried):
    """A known mistake that returns the same in every case."""
    return next(
        (
            mistake
            for mistake in question.misconceptions
            if _explained(mistake.formula, tried[:1]).all()
            and _explained(mistake.formula, tried).all()
        ),
        None,
    )


def _hard_coded(question, answer, tried):
    """One number for everything."""
    values = np.concatenate([np.ravel(outcome.found) for outcome in tried])
    if len(values) <= len(tried) or not np.all(values == values[0]):
        return None
    return _said("hard-coded", "It returns the same number for all arguments.")


def _overflow(question, answer, tried):
    """Not finite where it is wrong, or nearly right there, where that begins."""
    if not _comparable(tried):
        return None
    found, expected, right = (
        np.concatenate([np.ravel(getattr(outcome, name)) for outcome in tried])
        for name in ("found", "expected", "elements_right")
    )
    imprecise = np.abs(found - expected) < NEARLY * np.abs(expected)
    is_finite = np.isfinite(found)
    if right.any() and not is_finite.all() and (right | imprecise | ~is_finite).all():
        return _said(
            "overflow",
            "It returns inf or nan for some arguments, where exp overflows or the logarithm of 0 "
            "is taken: stay with logarithms, as logaddexp does.",
        )
    return None


def _comparable(tried):
    """Whether all results have the right shape."""
    return all(outcome.found.shape == outcome.expected.shape for outcome in tried)


def _limit(question, answer, tried):
    """A number per row that is larger for every wrong row than for all right ones."""
    if not (_comparable(tried) and "n" in question.result):
        return None
    rows = [_rows_right(question, outcome) for outcome in tried]
    if not SOME <= np.mean([row.all() for row in rows]) < 1:
        return None
    right = np.concatenate(rows)
    is_finite = all(np.isfinite(outcome.found).all() for outcome in tried)
    for limit in question.limits:
        measure = np.concatenate(
            [np.ravel(limit.measure(*outcome.arguments.values())) for outcome in tried]
        )
        if limit.is_finite <= is_finite and measure[~right].min() > measure[right].max():
            return limit
    return None


def _rows_right(question, outcome):
    axis = question.result.index("n")
    others = tuple(i for i in range(outcome.expected.ndim) if i != axis)
    exact = np.isclose(outcome.found, outcome.expected, rtol=EXACT, atol=EXACT)
    return exact.all(axis=others)


def _rows(question, answer, tried):
    """A row's result that changes with the other rows, or with their number."""
    outcome = next(outcome for outcome in tried if not outcome.right)
    if "n" not in question.result or outcome.found.shape != outcome.expected.shape:
        return None
    n, row = outcome.expected.shape[question.result.index("n")], _wrong_row(question, outcome)
    alone = take_rows(question, outcome.arguments, [row])
    others = take_rows(question, outcome.arguments, [row] * n)
    cases = (outcome.arguments, row), (others, row), (alone, 0)
    found = [_result_of_row(question, answer, case, row) for case, row in cases]
    if any(result is None for result in found):
        return None
    same_number, one_row = (np.allclose(found[0], result, rtol=1e-3) for result in found[1:])
    if not same_number:
        return _said(
            "rows leak",
            f"Other rows change the result of row {row}: each row should depend on itself only.",
        )
    if not one_row:
        return _said(
            "depends on the number of rows",
            "A row alone has another result than the same row among others. Does it draw random "
            "numbers, or divide by the number of rows?",
        )
    return None


def _wrong_row(question, outcome):
    """The first row with a wrong result."""
    return int(np.argmin(_rows_right(question, outcome)))


def _result_of_row(question, answer, case, row):
    found, _ = _reply(question, answer, case)
    axis = question.result.index("n")
    whole = found is not None and found.ndim > axis and found.shape[axis] > row
    return np.take(found, row, axis) if whole else None


def take_rows(question, arguments, rows):
    """The arguments of some rows only."""
    taken = {}
    for name, value in arguments.items():
        shape = next((s for s in question.shapes[name] if len(s) == np.ndim(value)), ())
        is_array = isinstance(value, np.ndarray) and "n" in shape
        taken[name] = np.take(value, rows, axis=shape.index("n")) if is_array else value
    return taken


def _wrong_shape(question, answer, tried):
    """Another shape than it should have."""
    bad = [outcome for outcome in tried if outcome.found.shape != outcome.expected.shape]
    if not bad:
        return None
    found, expected = bad[0].found.shape, bad[0].expected.shape
    if len(expected) == 1 and found == expected * 2:
        return _said(
            "(n, n) by broadcasting",
            f"The result has the shape {found}, expected {expected}. Somewhere the shapes (n, 1) "
            "and (n,) met, and became (n, n).",
        )
    return _said("wrong shape", f"The result has the shape {found}, expected {expected}.")


# Derivatives


def derivative_fault(question, answer, tried):
    """Compare the derivative of a right answer with the library's.

    Returns
    -------
    mistake : Misconception or None
        Where a derivative is wrong.
    note : str
        Why autograd cannot differentiate the answer, or an empty text.
    """
    for outcome in tried:
        mistake, note = _derivative_fault(question, answer, outcome)
        if mistake or note:
            return mistake, note
    return None, ""


def _derivative_fault(question, answer, outcome):
    shape = outcome.expected.shape
    weights = np.arange(1.0, np.prod(shape) + 1).reshape(shape)

    def gradients(function):
        with np.errstate(all="ignore"):
            return _gradients(question, function, outcome.arguments, weights)

    right = gradients(question.expected)
    try:
        found = gradients(answer.run)
    except Exception as error:
        if "depends on none of its parameters" not in str(error):
            return None, UNTRACEABLE  # what plain NumPy, SciPy or Python says of a traced array
        found = {name: 0 * gradient for name, gradient in right.items()}
    if _are_close(found, right):
        return None, ""
    detached = (m for m in question.detached if _are_close(found, gradients(m.formula)))
    return next(detached, None) or _first_difference(found, right), ""


def _gradients(question, function, arguments, weights):
    def loss(params):
        result = anp.array(question.ask(function, *(arguments | dict(params)).values()))
        if getval(result).dtype == object:
            raise TypeError("setting an array element with a sequence")
        return anp.sum(weights * result)

    roots = {name: np.asarray(arguments[name]) for name in question.differentiable}
    return value_and_grad(loss)(roots)[1]


def _are_close(found, right):
    return all(np.allclose(found[name], right[name], rtol=1e-3, atol=1e-3) for name in right)


def _first_difference(found, right):
    wrong = [name for name in right if not _are_close(found, {name: right[name]})]
    zero = [name for name in wrong if not np.any(found[name])]
    if not zero:
        return _said(
            "another derivative",
            f"The values are right, but the derivative with respect to {wrong[0]} is not.",
        )
    if zero == ["logsigma"]:
        return _said(
            "sigma off the tape",
            "The values are right, but the derivative with respect to logsigma is 0: sigma was "
            "computed outside autograd, and the encoder would never learn it.",
        )
    return _said(
        f"{zero[0]} off the tape" if len(zero) < len(right) else "off the tape",
        f"The values are right, but the derivative with respect to {' and '.join(zero)} is 0: "
        "the result was computed outside autograd.",
    )
