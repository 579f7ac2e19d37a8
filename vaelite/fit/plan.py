"""The plan of a fit: what each epoch does. It has no state."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from .. import training
from ..arrays.streams import Stream, generator
from ..checks import check_number
from ..data.dataset import Dataset
from ..plain import as_objective
from .settings import batch_size_for

CHUNK_ROWS = 1000  # rows that go through the networks at a time: bounds the memory
STREAMS = {"val": Stream.EVALUATE, "eval": Stream.EVALUATE, "test": Stream.TEST}


@dataclass(frozen=True)
class Plan:
    """The plan of a fit.

    Attributes
    ----------
    target : NegELBO or callable
        What is minimized, at its full KL weight; also what is evaluated. Any function
        of (params, x, eps) becomes an objective.
    seed : numpy.random.SeedSequence
    data : Dataset
        The training rows.
    evaluated : dict of str to Dataset
        Evaluated after every epoch: "val" (held-out rows) or "eval" (the training
        rows), and "test". The stopping rule looks at the first.
    latent_dim, batch_size : int
    samples : int
        Of z per example.
    max_epochs, warmup_epochs, log_every : int
    steps_per_epoch : int or None
    learning_rate : callable or None
        A function of the number of steps taken, if the rate is one.
    """

    target: Any
    seed: Any
    data: Dataset
    evaluated: dict
    latent_dim: int
    batch_size: int
    samples: int = 1
    max_epochs: int = 1
    warmup_epochs: int = 0
    log_every: int = 100
    steps_per_epoch: int | None = None
    learning_rate: Callable | None = None

    def __post_init__(self):
        object.__setattr__(self, "target", as_objective(self.target))

    def is_warming_up(self, epoch):
        """Whether the KL part has not yet had its full weight in an epoch."""
        return epoch < self.warmup_epochs

    def objective(self, epoch):
        """Return the epoch's objective: during warm-up its KL weight is smaller."""
        if not self.is_warming_up(epoch):
            return self.target
        return replace(self.target, beta=self.target.beta * epoch / self.warmup_epochs)

    def batches(self, epoch):
        """Return the epoch's shuffled batches with their noise."""
        noise = partial(generator, self.seed, Stream.NOISE, epoch)
        order = generator(self.seed, Stream.SHUFFLE, epoch).permutation(len(self.data))
        return islice(self.noisy(self.data, self.batch_size, noise, order), self.steps_per_epoch)

    def schedule(self, state):
        """Set the learning rate of the next step, if it is a function of the step."""
        if self.learning_rate is not None:
            name, step = "learning_rate", state.iteration + 1
            rate = check_number(f"{name}({step})", self.learning_rate(step), 0)
            state.adam.learning_rate = rate * state.learning_rate_scale

    def step(self, state, batch):
        """Take one training step in place, and return the loss before it."""
        self.schedule(state)
        objective = self.objective(state.epoch).given(batch.condition)
        return training.step(objective, state.params, state.adam, batch.x, batch.eps)

    def evaluate(self, name, params, epoch):
        """Return loss, nll and kl of each row of ``evaluated[name]``, shape (3, n)."""
        return training.evaluate(self.target, params, self.evaluation_batches(name, epoch))

    def evaluation_batches(self, name, epoch):
        """Return the batches of ``evaluated[name]`` with noise, not shuffled."""
        is_fresh = name == "eval"  # the lecture's noise differs in each epoch
        rng = generator(self.seed, STREAMS[name], epoch if is_fresh else 0)
        return self.noisy(self.evaluated[name], max(1, CHUNK_ROWS // self.samples), lambda b: rng)

    def trial(self, params):
        """Return objective, parameters, x and eps of a few rows, to try your own parts.

        No other axis has this number of rows.
        """
        n = next(n for n in (3, 4, 5) if n not in (self.data.n_features, self.latent_dim))
        rng = generator(self.seed, Stream.TRIAL)
        batch = next(self.noisy(self.data, n, lambda b: rng))
        params = self.params_of(params, batch.rows)
        return self.target.given(batch.condition), params, batch.x, batch.eps

    def params_of(self, params, rows):
        """Return the parameters of some rows: of all rows the same."""
        return params

    def noisy(self, data, rows, noise, order=None):
        """Return the batches of a data set with noise for each sample of z."""
        return data.noisy(rows, self.latent_dim, noise, order=order, samples=self.samples)


def split(model, given, rule, seed):
    """Return the rows to train on, and those to evaluate after an epoch, by name.

    Parameters
    ----------
    model : LatentModel
        For its settings.
    given : dict of str to Dataset
        "X", and perhaps "X_test".
    rule : HeldOut, Lecture or Epochs
    seed : numpy.random.SeedSequence

    Returns
    -------
    train : Dataset
    evaluated : dict of str to Dataset
    """
    train = given["X"].held()
    name, evaluated = "eval", train
    if rule.holds_out:
        fraction = 0.1 if model.validation_fraction is None else model.validation_fraction
        train, evaluated = train.split(fraction, generator(seed, Stream.SPLIT))
        name = "val"
    if model.steps_per_epoch and model.is_amortized:
        evaluated = evaluated.spread(model.steps_per_epoch * batch_size_for(model, len(train)))
    if "X_test" not in given:
        return train, {name: evaluated}
    needed = {name: evaluated} if rule.needs_losses else {}
    return train, needed | {"test": given["X_test"].held()}


def resumed(plan, state, model):
    """Return the plan and the state that continue a model's own fit: a warm start."""
    old, log = model.solution, {name: list(column) for name, column in model.log.items()}
    state = replace(
        state,
        epoch=old.n_epochs,
        history={"epoch": []} | {name: list(column) for name, column in old.history.items()},
        log=state.log | log,
        iteration=max(log.get("iteration", ()), default=-1),
        elapsed=old.history.get("elapsed", [0.0])[-1],
        began=old.n_epochs,
    )
    losses, *_ = [plan.evaluate(name, state.params, state.epoch)[0] for name in plan.evaluated]
    state.judge(losses)  # of the start: a worse epoch does not become the best
    state.best_epoch = old.best_epoch
    return replace(plan, max_epochs=plan.max_epochs + old.n_epochs), state
