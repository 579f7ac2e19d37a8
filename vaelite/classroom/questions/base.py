"""What a question consists of, and the mistakes that many questions share.

A `Misconception` explains an answer if its formula returns what the answer returned, in
every case that was tried. A `Limit` explains an answer that is right for some rows
only. No sentence says what would be right.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Misconception:
    """A mistake as a formula.

    Attributes
    ----------
    name : str
        A few words, for the table of a class.
    says : str
        The sentence for the student.
    formula : callable
        Of the term's arguments; what an answer with this mistake returns.
    """

    name: str
    says: str
    formula: Callable

    def then(self, other):
        """Return this mistake, followed by another one in its result."""
        return Misconception(
            f"{self.name}; {other.name}",
            f"{self.says} And: {other.says}",
            lambda *arguments: other.formula(self.formula(*arguments)),
        )

    def after(self, function):
        """Return this mistake in the result of a function."""
        formula = lambda *arguments: self.formula(function(*arguments))
        return Misconception(self.name, self.says, formula)


@dataclass(frozen=True)
class Limit:
    """A mistake that begins where a number is large.

    Attributes
    ----------
    name, says : str
        As for `Misconception`.
    measure : callable
        Of the term's arguments; one number per row.
    is_finite : bool
        Whether the wrong results are finite.
    """

    name: str
    says: str
    measure: Callable
    is_finite: bool = True


def combined(elements, reductions, right):
    """Every mistake in the elements, every one in their sum, and every pair.

    Parameters
    ----------
    elements : list of Misconception
        Their formulas return (n, D).
    reductions : list of Misconception
        Their formulas take (n, D).
    right : callable
        The elements without a mistake.
    """
    total = Misconception("", "", lambda elements: elements.sum(axis=1))
    alone = [Misconception(wrong.name, wrong.says, wrong.then(total).formula) for wrong in elements]
    pairs = [wrong.then(reduction) for wrong in elements for reduction in reductions]
    return [*alone, *(reduction.after(right) for reduction in reductions), *pairs]


@dataclass(frozen=True)
class Question:
    """A term that a student writes.

    Attributes
    ----------
    expected : callable
        What is right, of the arguments.
    shapes : dict of str to list of tuples
        The possible shapes of each argument, as for `cases`. "n" is the axis of rows.
    result : tuple
        The shape of the result.
    kinds : list of Kind
    misconceptions : list of Misconception
    limits : list of Limit
    differentiable : tuple of str
        Arguments in which a derivative is compared.
    detached : list of Misconception
        Formulas with right values and wrong derivatives.
    ask : callable
        ``ask(answer, *arguments)`` calls the answer; by default once.
    """

    expected: Callable
    shapes: dict
    result: tuple
    kinds: list
    misconceptions: list
    limits: list = ()
    differentiable: tuple = ()
    detached: list = ()
    ask: Callable = lambda answer, *arguments: answer(*arguments)


# Sentences that several questions share

CONSTANT = (
    "It is off by the same number for every row, log(2 pi)/2 per element. The gradients are right, "
    "the nats are not."
)
LOG_VARIANCE = (
    "It would match if logsigma were the log of a variance. It is the log of a standard deviation."
)
BATCH_MEAN = "It returned one number, the mean over the rows: every row should have its own."
BATCH_SUM = "It returned one number, the sum over the rows: every row should have its own."
BITS = "Every number is 1.44 times too large: these are bits, not nats."
SIGN = "Every number has the wrong sign."


# Mistakes in what is done with the elements, (n, D)

REDUCTIONS = [
    Misconception(
        "mean over features",
        "It takes the mean over the elements of a row. So the term is too weak by their number, "
        "as if the weight of all other terms were that many times larger.",
        lambda e: e.mean(axis=1),
    ),
    Misconception("mean over the batch", BATCH_MEAN, lambda e: e.sum(axis=1).mean()),
    Misconception(
        "mean over everything",
        "It returned one number, the mean over rows and elements: every row should have its own.",
        lambda e: e.mean(),
    ),
    Misconception("sum over the batch", BATCH_SUM, lambda e: e.sum()),
    Misconception(
        "not summed over features",
        "It returned a number for each element of a row: every row should have one.",
        lambda e: e,
    ),
    Misconception(
        "summed over rows",
        "It returned one number per column: it added up the rows, which is the wrong axis.",
        lambda e: e.sum(axis=0),
    ),
    Misconception(
        "an axis of one is left",
        "It returned the shape (n, 1). Added to the shape (n,) of another term, that becomes "
        "(n, n).",
        lambda e: e.sum(axis=1, keepdims=True),
    ),
    Misconception("sign", SIGN, lambda e: -e.sum(axis=1)),
    Misconception("bits", BITS, lambda e: e.sum(axis=1) / math.log(2)),
    Misconception(
        "divided by the number of rows",
        "Each row's number is divided by the number of rows: a row should not depend on how many "
        "others there are.",
        lambda e: e.sum(axis=1) / len(e),
    ),
    Misconception(
        "a density, not its log",
        "It returned the density itself. The term is minus its logarithm.",
        lambda e: np.exp(-e.sum(axis=1)),
    ),
]
OF_ROWS = [  # the same for a loss that is already one number per row
    mistake.after(lambda loss: loss[:, None])
    for mistake in REDUCTIONS
    if mistake.name
    in ("mean over the batch", "sum over the batch", "an axis of one is left", "sign", "bits")
]


CLIPPED = "It is right for moderate logsigma only: is logsigma clipped, or bounded in another way?"


def clips(position):
    """Limits of logsigma, which is the argument at a position."""

    def of_rows(arguments):
        logsigma = arguments[position]
        return logsigma if np.ndim(logsigma) else np.full((len(arguments[0]), 1), logsigma)

    return [
        Limit(
            "logsigma clipped",
            CLIPPED,
            lambda *arguments, size=size: np.max(size(of_rows(arguments)), axis=-1),
        )
        for size in (np.abs, np.positive, np.negative)
    ]


# The shapes of q(z|x), and of its noise

Q = {"mu": [("n", "K")], "logsigma": [("n", "K")]}
EPS = {"eps": [("n", "K")]}
