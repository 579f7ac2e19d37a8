"""Training on rows in shards: each shard computes a part of every gradient.

The parameters and Adam are in one process. A step sends the parameters to the shards,
and adds their gradients *in the order of the shards*. Each shard has noise of its own
address. So the result depends on the number of shards, but not on where they are.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..arrays.streams import Stream, generator
from ..data.rows import row_numbers
from ..fit.plan import Plan
from ..training import finite_gradient
from .shards import ShardedRows

LOOKED_AT = 10_000  # evaluated rows that the scores and the doctor read at the end
ORDERS = 8  # of rows in an epoch, that a process keeps


class Synchronization(NamedTuple):
    """Steps of all shards, after which the parameters change once.

    Attributes
    ----------
    rows : range
        As many as there are rows in these steps, of all shards together.
    first, steps : int
        The first step, from 0 in each epoch, and how many.
    """

    rows: range
    first: int
    steps: int


class Part(NamedTuple):
    """What a shard contributes to a step: sums over its rows.

    Attributes
    ----------
    rows : int
    loss : float
    grads : dict of arrays
    """

    rows: int
    loss: float
    grads: dict


class Shard(Plan):
    """The plan of one shard: batches and evaluations, with a seed of its own."""

    def part(self, params, epoch, first, steps):
        """Return this shard's `Part` of a `Synchronization`, or None without rows."""
        size, total = self.batch_size, None
        rows = self.order(epoch)[first * size : (first + steps) * size]
        objective = self.objective(epoch)
        noise = lambda b: generator(self.seed, Stream.NOISE, epoch, first + b)
        for batch in self.noisy(self.data.take(rows), size, noise) if len(rows) else ():
            loss, grads = finite_gradient(objective, params, batch.x, batch.eps)
            n = len(batch.x)
            part = Part(n, n * float(loss), {name: n * grad for name, grad in grads.items()})
            total = part if total is None else added(total, part)
        return total

    def order(self, epoch):
        """Return the shuffled numbers of the rows to train on."""
        entropy = np.ravel(self.seed.entropy).tolist()
        return _order(tuple(entropy), self.seed.spawn_key, epoch, len(self.data))


@lru_cache(maxsize=ORDERS)
def _order(entropy, spawn_key, epoch, n):
    """The order of a shard's rows in an epoch, drawn once and not for each step."""
    seed = np.random.SeedSequence(entropy, spawn_key=spawn_key)
    return generator(seed, Stream.SHUFFLE, epoch).permutation(n)


def added(a, b):
    """Return the sum of two `Part`."""
    grads = {name: grad + b.grads[name] for name, grad in a.grads.items()}
    return Part(a.rows + b.rows, a.loss + b.loss, grads)


@dataclass(frozen=True)
class ShardPlan:
    """A shard without its rows: it is small, and waits where they are.

    Attributes
    ----------
    plan : Plan
        Of a shard, without rows.
    number : int
        Of the shard, from 0.
    marks : dict of arrays
        Which rows to train on, ``"data"``, and to evaluate, by name: eight per byte.
    """

    plan: Plan
    number: int
    marks: dict

    @cached_property
    def rows(self):
        """The numbers of the rows of each kind, by name."""
        return {name: np.flatnonzero(np.unpackbits(m)) for name, m in self.marks.items()}

    def on(self, X):
        """Return the `Shard` of the rows X."""
        plan, whole = self.plan, replace(self.plan.data, X=X)
        evaluated = {name: whole.take(numbers) for name, numbers in self.rows.items()}
        key = (*plan.seed.spawn_key, Stream.SHARD, self.number)
        seed = np.random.SeedSequence(plan.seed.entropy, spawn_key=key)
        parts = {"seed": seed, "data": evaluated.pop("data"), "evaluated": evaluated}
        return Shard(**vars(plan) | parts)


def part_of(X, plan, params, epoch, first, steps):
    """`Shard.part`, as a function to call where the rows X are."""
    return plan.on(X).part(params, epoch, first, steps)


def evaluation_of(X, plan, params, epoch, name):
    """`Plan.evaluate` of a shard, as a function to call where the rows X are."""
    return plan.on(X).evaluate(name, params, epoch)


@dataclass(frozen=True, kw_only=True)
class ShardedPlan(Plan):
    """A plan whose steps gather the gradients of all shards.

    Attributes
    ----------
    rows : ShardedRows
    plans : list
        Of each shard, where its rows are.
    sizes : tuple of int
        Training rows of each shard.
    accumulate : int
        Steps whose gradients are averaged before the parameters change.
    """

    rows: ShardedRows
    plans: Any
    sizes: tuple
    accumulate: int

    @classmethod
    def of(cls, plan, rows, accumulate):
        """Return the sharded plan of a plan on `ShardedRows`."""
        shards = len(rows.parts)
        plan = replace(plan, batch_size=-(-plan.batch_size // shards) * shards)
        datasets = {"data": plan.data, **{k: d for k, d in plan.evaluated.items() if k != "test"}}
        marks = {name: _marks(rows.bounds, data) for name, data in datasets.items()}
        bare = replace(plan.data, X=None, feature_names=None)
        lean = replace(plan, data=bare, evaluated={}, batch_size=plan.batch_size // shards)
        lean = replace(lean, learning_rate=None)  # the rate is used here, and may not travel
        of_shard = [{name: marks[name][s] for name in marks} for s in range(shards)]
        plans = rows.engine.keep(ShardPlan, [lean] * shards, list(range(shards)), of_shard)
        sizes = np.diff(np.searchsorted(row_numbers(plan.data.X), rows.bounds)).tolist()
        here = {
            k: data if k == "test" else data.spread(LOOKED_AT) for k, data in plan.evaluated.items()
        }
        of_shards = {"rows": rows, "plans": plans, "sizes": tuple(sizes), "accumulate": accumulate}
        return cls(**vars(plan) | {"evaluated": here} | of_shards)

    def batches(self, epoch):
        """Return the epoch's synchronizations: the shards have the batches."""
        size = self.batch_size // len(self.sizes)
        total = -(-max(self.sizes) // size)
        total = min(total, self.steps_per_epoch or total)
        for first in range(0, total, self.accumulate):
            steps = min(self.accumulate, total - first)
            start, stop = first * size, (first + steps) * size
            n = sum(min(rows, stop) - min(rows, start) for rows in self.sizes)
            yield Synchronization(range(n), first, steps)

    def step(self, state, batch):
        """Take one training step in place, and return the loss before it."""
        self.schedule(state)
        where = {"epoch": state.epoch, "first": batch.first, "steps": batch.steps}
        parts = self.rows.by_shard(part_of, self.plans, shared=(state.params,), **where)
        total, *others = [part for part in parts if part is not None]
        for part in others:
            total = added(total, part)
        state.adam.update(state.params, {k: g / total.rows for k, g in total.grads.items()})
        return total.loss / total.rows

    def evaluate(self, name, params, epoch):
        """Return loss, nll and kl of each row of ``evaluated[name]``, shape (3, n)."""
        if name == "test":
            return super().evaluate(name, params, epoch)
        where = {"epoch": epoch, "name": name}
        parts = self.rows.by_shard(evaluation_of, self.plans, shared=(params,), **where)
        return np.concatenate(parts, axis=1)


def _marks(bounds, data):
    """Which rows of each shard a data set has, a packed array for each shard."""
    has = np.zeros(bounds[-1], bool)
    has[row_numbers(data.X)] = True
    return [np.packbits(has[a:b]) for a, b in pairwise(bounds)]
