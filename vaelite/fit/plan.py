"""The plan of a fit: what each epoch does. It has no state."""

from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from .. import training
from ..arrays.streams import Stream, generator
from ..data.dataset import Dataset
from ..plain import as_objective
from .settings import FitSettings
from .trial import try_terms

CHUNK_ROWS = 1000  # rows that go through the networks at a time: bounds the memory
STREAMS = {"val": Stream.EVALUATE, "eval": Stream.EVALUATE, "test": Stream.TEST}


@dataclass(frozen=True)
class Run:
    """The plan of a fit.

    Attributes
    ----------
    target : NegELBO or callable
        What is minimized, at its full KL weight; also what is evaluated. Any function
        of (params, x, eps) becomes a `PlainObjective`.
    seed : numpy.random.SeedSequence
    settings : FitSettings
    latent_dim : int
    data : Dataset
        The training rows.
    evaluated : dict of str to Dataset
        Evaluated after every epoch: "val" (held-out rows) or "eval" (the training
        rows), and "test". The stopping rule looks at the first.
    """

    target: Any
    seed: Any
    settings: FitSettings
    latent_dim: int
    data: Dataset
    evaluated: dict

    def __post_init__(self):
        object.__setattr__(self, "target", as_objective(self.target))

    @property
    def max_epochs(self):
        """The largest number of epochs."""
        return self.settings.max_epochs

    @property
    def log_every(self):
        """Iterations between two entries of the log."""
        return self.settings.log_every

    @property
    def n_features(self):
        """Columns of the data."""
        return self.data.n_features

    @property
    def n_conditions(self):
        """Columns of the condition."""
        return self.data.n_conditions

    @property
    def feature_names(self):
        """Names of the columns, or None."""
        return self.data.feature_names

    def is_warming_up(self, epoch):
        """Whether the KL part has not yet had its full weight in an epoch."""
        return epoch < self.settings.warmup_epochs

    def objective(self, epoch):
        """Return the epoch's objective: during warm-up its KL weight is smaller."""
        if not self.is_warming_up(epoch):
            return self.target
        weight = epoch / self.settings.warmup_epochs
        return replace(self.target, beta=self.target.beta * weight)

    def batches(self, epoch):
        """Return the epoch's shuffled batches with their noise."""
        noise = partial(generator, self.seed, Stream.NOISE, epoch)
        shuffle = generator(self.seed, Stream.SHUFFLE, epoch)
        batches = self._noisy(self.data, self.settings.batch_size, noise, shuffle)
        return islice(batches, self.settings.steps_per_epoch)

    def step(self, state, batch):
        """Take one training step in place, and return the loss before it."""
        self.settings.schedule(state)
        objective = self.objective(state.epoch).given(batch.condition)
        return training.step(objective, state.params, state.adam, batch.x, batch.eps)

    def evaluate(self, name, params, epoch):
        """Return loss, nll and kl of each row of ``evaluated[name]``, shape (3, n)."""
        return training.evaluate(self.target, params, self.evaluation_batches(name, epoch))

    def evaluation_batches(self, name, epoch):
        """Return the batches of ``evaluated[name]`` with noise, not shuffled."""
        is_fresh = name == "eval"  # the lecture's noise differs in each epoch
        rng = generator(self.seed, STREAMS[name], epoch if is_fresh else 0)
        rows = max(1, CHUNK_ROWS // self.settings.samples)
        return self._noisy(self.evaluated[name], rows, lambda b: rng)

    def trial_rows(self):
        """Return a number of rows that no other axis has, for `try_terms`."""
        return next(n for n in (3, 4, 5) if n not in (self.data.n_features, self.latent_dim))

    def try_terms(self, params):
        """Try the terms on the first rows."""
        rng = generator(self.seed, Stream.TRIAL)
        batch = next(self._noisy(self.data, self.trial_rows(), lambda b: rng))
        try_terms(self.target.given(batch.condition), params, batch.x, batch.eps)

    def _noisy(self, data, rows, noise, shuffle=None):
        samples = self.settings.samples
        return data.noisy(rows, self.latent_dim, noise, shuffle=shuffle, samples=samples)
