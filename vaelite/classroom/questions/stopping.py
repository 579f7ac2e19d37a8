"""The stopping rule: the first epoch after which it stops."""

import itertools
import math
import numbers

import numpy as np

from vaelite import HeldOut

from ..answers import Fault
from ..cases import Kind, constant
from .base import Misconception, Question


def first_stop(should_stop):
    """A rule, ``should_stop(losses, tol, patience)``, as its first epoch, or -1."""

    def first(losses, tol, patience):
        stops = (t for t in range(1, len(losses) + 1) if should_stop(losses[:t], tol, patience))
        return float(next(stops, -1))

    return first


def _age(losses, tol, moves=lambda loss, best, tol: loss < best - tol):
    """Epochs since the last loss that was below the best by more than tol."""
    best, age = math.inf, 0
    for loss in losses:
        best, age = (loss, 0) if moves(loss, best, tol) else (best, age + 1)
    return age


def _finite(rule):
    return first_stop(
        lambda losses, *settings: not math.isfinite(losses[-1]) or rule(losses, *settings)
    )


def _small_steps(losses, tol, patience):
    best, age = math.inf, 0
    for loss in losses:
        age = 0 if loss < best - tol else age + 1
        best = min(best, loss)
    return age >= patience


def _previous(losses, tol, patience):
    falls = [a - b > tol for a, b in itertools.pairwise(losses)]
    return len(losses) > patience and not any(falls[-patience:])


PREVIOUS = "It compares a loss with that of the epoch before, not with the best so far."
MISCONCEPTIONS = [
    Misconception("never stops", "It never stops.", first_stop(lambda *arguments: False)),
    Misconception("always stops", "It stops after the first epoch.", first_stop(lambda *a: True)),
    Misconception(
        "not finite ignored",
        "It goes on after a loss that is not finite.",
        first_stop(lambda losses, tol, patience: _age(losses, tol) >= patience),
    ),
    Misconception(
        "infinity ignored",
        "It stops at a loss that is not a number, but not at an infinite one.",
        first_stop(
            lambda losses, tol, patience: math.isnan(losses[-1]) or _age(losses, tol) >= patience
        ),
    ),
    Misconception("compares with the previous epoch", PREVIOUS, _finite(_previous)),
    Misconception(
        "compares with the previous epoch",
        PREVIOUS,
        _finite(lambda losses, tol, patience: len(losses) > 1 and losses[-2] - losses[-1] <= tol),
    ),
    Misconception(
        "tol ignored",
        "Every lower loss counts as an improvement: tol has no effect.",
        _finite(lambda losses, tol, patience: _age(losses, 0) >= patience),
    ),
    Misconception(
        "patience ignored",
        "It does not wait: patience has no effect.",
        _finite(lambda losses, tol, patience: _age(losses, tol) >= 1),
    ),
    Misconception(
        "one epoch too late",
        "It stops one epoch too late.",
        _finite(lambda losses, tol, patience: _age(losses, tol) > patience),
    ),
    Misconception(
        "one epoch too early",
        "It stops one epoch too early.",
        _finite(lambda losses, tol, patience: _age(losses, tol) >= patience - 1),
    ),
    Misconception(
        "small improvements move the best",
        "A loss that is lower by less than tol becomes the new best. So many small improvements "
        "count for nothing, although their sum is large.",
        _finite(_small_steps),
    ),
    Misconception(
        "waits for a rise",
        "It stops when the loss rises by more than tol. A loss that no longer falls, or rises "
        "slowly, never stops it.",
        _finite(
            lambda losses, tol, patience: losses[-1] > min(losses[:-1], default=math.inf) + tol
        ),
    ),
    Misconception(
        "larger is better",
        "It waits for the largest loss: a lower loss is the better one.",
        _finite(lambda losses, tol, patience: _age([-loss for loss in losses], tol) >= patience),
    ),
    *(
        Misconception(
            "tol and patience hard-coded",
            "It does not use the tol and the patience that it is called with.",
            _finite(
                lambda losses, _, __, tol=tol, patience=patience: _age(losses, tol) >= patience
            ),
        )
        for tol in (0.5, 0.1, 1.0, 1e-3, 0.01)
        for patience in (3, 5, 10, 20)
    ),
]


def _stops(losses, tol, patience):
    rule = HeldOut(tol, patience, drops=0)
    for loss in losses:
        rule.update(np.array([loss]))
    return not math.isfinite(losses[-1]) or rule.reason() is not None


def _as_rule(answer, losses, tol, patience):
    """Ask for a decision after every epoch until the answer stops."""
    return first_stop(lambda *arguments: _decision(answer(*arguments)))(losses, tol, patience)


def _decision(result):
    if not isinstance(result, numbers.Number | np.bool_) and getattr(result, "shape", 0) != ():
        kind = type(result).__name__
        raise Fault("no decision", f"It should return True or False, and returned a {kind}.")
    return bool(result)


def _losses(step, epochs=24, ending=()):
    """Losses that change by ``step(rng, t)`` in epoch t, as a list."""

    def draw(rng, shape):
        start = float(rng.integers(-20, 20))
        return (start + np.cumsum([step(rng, t) for t in range(epochs)])).tolist() + list(ending)

    return draw


def _rule(losses, tol, patience):
    return Kind({"losses": losses, "tol": constant(tol), "patience": constant(patience)})


def _random_step(rng, t):
    return rng.integers(-8, 8) / 8


def _two_small_steps(rng, t):
    """Together they are an improvement, one alone is not."""
    return {1: -0.375, 2: -0.25}.get(t, 0.0)


def _small_step(rng, t):
    return rng.integers(-4, 3) / 16


STOPPING = Question(
    first_stop(_stops),
    {"losses": [()], "tol": [()], "patience": [()]},
    (),
    [
        _rule(_losses(lambda rng, t: -2.0), 0.5, 3),
        _rule(_losses(lambda rng, t: 0.125), 0.5, 4),
        _rule(_losses(lambda rng, t: 0.0), 0.25, 3),
        _rule(_losses(lambda rng, t: -0.25), 0.5, 4),
        _rule(_losses(lambda rng, t: -0.125), 4.0, 5),
        _rule(_losses(lambda rng, t: -1.0 if t % 4 == 0 else 0.0), 0.5, 4),
        _rule(_losses(lambda rng, t: -1.0 if t % 4 == 0 else 0.25), 0.125, 5),
        _rule(_losses(lambda rng, t: 3.0 if t % 2 else -3.25), 0.5, 4),
        _rule(_losses(lambda rng, t: -1.0, 6, [math.nan, 0.0]), 0.5, 3),
        _rule(_losses(lambda rng, t: -1.0, 6, [math.inf, 0.0]), 0.5, 3),
        _rule(_losses(lambda rng, t: -1.0, 6, [-math.inf, 0.0]), 0.5, 3),
        *(
            _rule(_losses(_random_step), tol, patience)
            for tol in (0.0, 0.75)
            for patience in (2, 6)
        ),
        _rule(_losses(_two_small_steps), 0.5, 4),
        *(_rule(_losses(_small_step, 40), 0.5, patience) for patience in (3, 4, 5, 7, 9)),
    ],
    MISCONCEPTIONS,
    ask=_as_rule,
)
