"""The settings of a fit, checked once, in one table."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..adam import Adam
from ..arrays.streams import seed_sequence
from ..checks import (
    check_accepts,
    check_callable,
    check_choice,
    check_count,
    check_flag,
    check_keywords,
    check_number,
    check_path,
    shown,
    typed,
    warn,
)
from ..objectives import objective_class
from ..stopping import stopping_rule
from .progress import reporters
from .trial import try_optimizer

STARTS = "data", "network"
STEPS = 300  # per epoch, which the default batch size aims at, from 32 to 128 rows


def default_batch_size(n):
    """Return the batch size for n rows."""
    return min(max(n // STEPS, 32), 128)


def check_callbacks(name, callbacks):
    """Return one callback, or several, as a tuple."""
    callbacks = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"callbacks should be a callable or a list of them, got {shown(callbacks)}")
    for callback in callbacks:
        check_accepts("callback", check_callable("a callback", callback), "model", "state")
    return tuple(callbacks)


def _optional(check):
    return lambda name, value: None if value is None else check(name, value)


positive = partial(check_number, low=0)


def check_learning_rate(name, value):
    """Return a learning rate: a number above 0, or a function of the step."""
    if not callable(value):
        return positive(name, value)
    check_accepts(name, value, "step")
    positive(f"{name}(0)", value(0))
    return value


def check_optimizer(name, value):
    """Return an object with a method ``update(params, grads)``."""
    if isinstance(value, type):
        raise TypeError(f"{name} should be an object, got the class {value.__name__}")
    if not callable(getattr(value, "update", None)) or isinstance(value, dict):
        raise TypeError(
            f"{name} should be an object with a method update(params, grads), such as "
            f"Adam(1e-3), got {typed(value)}"
        )
    check_accepts(f"{name}.update", value.update, "params", "grads")
    return value


CONSTRAINTS = {
    "batch_size": _optional(check_count),
    "start": partial(check_choice, choices=STARTS),
    "learning_rate": check_learning_rate,
    "optimizer": _optional(check_optimizer),
    "max_epochs": check_count,
    "validation_fraction": _optional(partial(check_number, low=0, high=1)),
    "steps_per_epoch": _optional(check_count),
    "log_every": check_count,
    "normalized": check_flag,
    "callbacks": check_callbacks,
    "checkpoint": _optional(check_path),
    "checkpoint_seconds": partial(check_number, low=0, low_included=True),
    "warm_start": check_flag,
    "warmup_epochs": partial(check_count, minimum=0),
    "local_learning_rate": positive,
    "weight_decay": partial(check_number, low=0, low_included=True),
}


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How to fit a model.

    Parameters
    ----------
    batch_size : int, optional
        Rows per training step; by default 1/300 of the rows, but from 32 to 128.
    start : {"data", "network"}
        Where training starts. "data": the decoder's biases are the mean and the
        standard deviation of the data, the sigma of each q(z|x) is 1, and its mu
        varies by a standard deviation of at most 0.3. "network": at the networks' own
        first parameters, as in the sources.
    learning_rate : float or callable
        Adam's, at the start; or a function of the number of steps taken, from 0.
    optimizer : object with a method ``update(params, grads)``, optional
        In place of Adam; it changes the arrays of ``params`` in place. A copy is used.
        If it has a ``learning_rate``, "heldout" lowers it.
    weight_decay : float
        Adam's: how fast the weights fall towards 0, against overfitting.
    max_epochs : int
        The largest number of passes over the data.
    stopping : {"heldout", "lecture", "epochs"}, HeldOut, Lecture or Epochs
        "heldout" holds out a part of the rows and stops when their loss no longer
        improves by more than ``tol``, also at lower learning rates (`HeldOut`).
        "lecture" is the lecture's rule (`Lecture`). "epochs" runs all ``max_epochs``,
        and evaluates the test rows if there are any.
    tol : float, optional
        Nats per example; by default 0.1 with "heldout" and 1 with "lecture".
    patience : int, optional
        Epochs that "heldout" waits for an improvement before it lowers the learning
        rate, and at last before it stops; 20 by default.
    validation_fraction : float, optional
        Part of the rows that "heldout" holds out; 0.1 by default.
    steps_per_epoch : int, optional
        End an epoch after this many batches, for very large data. After an epoch, no
        more rows are evaluated than it was trained on.
    normalized : bool
        False drops the log(2 pi) constants of vaelite's terms from all losses that are
        reported, as the lecture does.
    rng : None, int, SeedSequence or Generator
        A seed, for the same fit again. None takes fresh entropy.
    progress : {False, True, "lines", "bar"}
        True prints lines; in a terminal with tqdm installed, and in a notebook with
        tqdm and ipywidgets, it also shows a bar.
    log_every : int
        Iterations between two entries of ``log``, and between two printed lines.
    callbacks : callable or list of callable
        Called as ``callback(model, state)`` after every epoch, with the model as
        trained so far, which it may keep, and a `State`. Training stops if one returns
        True. Methods ``on_iteration(model, state)`` and ``on_end(model, state)`` are
        called as well.
    checkpoint : path, optional
        A file that keeps the state of training after every epoch. The same call goes on
        from it, and ends as if it had not been stopped. ``max_epochs`` may be raised.
    checkpoint_seconds : float
        The shortest time between two writings of the checkpoint.
    warm_start : bool
        Go on training this model: its parameters, epochs and history, with a new
        optimizer and stopping rule, for up to ``max_epochs`` more epochs. Without
        ``rng``, with the seed of its last fit: the same rows stay held out.
    """

    batch_size: int | None = None
    start: str = "data"
    learning_rate: Any = 1e-3
    optimizer: Any = None
    weight_decay: float = 0.0
    max_epochs: int = 1000
    stopping: Any = "heldout"
    tol: float | None = None
    patience: int | None = None
    validation_fraction: float | None = None
    steps_per_epoch: int | None = None
    normalized: bool = True
    rng: Any = None
    progress: bool | str = False
    log_every: int = 100
    callbacks: Any = ()
    checkpoint: Any = None
    checkpoint_seconds: float = 0.0
    warm_start: bool = False

    excluded = ()  # settings that a derived class does not have
    samples = 1  # of z per example; a derived class may have a setting for it
    warmup_epochs = 0  # likewise
    objective = None  # likewise

    def __post_init__(self):
        for setting in fields(self):
            if setting.name in CONSTRAINTS:
                value = CONSTRAINTS[setting.name](setting.name, getattr(self, setting.name))
                object.__setattr__(self, setting.name, value)
        self._check_fraction()
        self._check_unused()
        reporters(self.progress)
        if not isinstance(self.rng, np.random.Generator):
            seed_sequence(self.rng)

    def _check_fraction(self):
        if not self.rule().holds_out and self.validation_fraction is not None:
            raise ValueError(
                f"validation_fraction={self.validation_fraction:g} has no meaning with "
                f"stopping={shown(self.stopping)}, which holds no rows out"
            )

    def _check_unused(self):
        """Refuse Adam's settings for another optimizer."""
        for name in ("learning_rate", "weight_decay"):
            if self.optimizer is not None and getattr(self, name) != getattr(FitSettings, name):
                raise ValueError(
                    f"{name} is Adam's, but optimizer={shown(self.optimizer)} was passed: set it "
                    "there"
                )

    def new_optimizer(self, params):
        """Return the optimizer of one fit; your own is tried on copies of params."""
        if self.optimizer is not None:
            try_optimizer(self.optimizer, params)
            return copy.deepcopy(self.optimizer)
        rate = self.learning_rate
        return Adam(rate(0) if callable(rate) else rate, weight_decay=self.weight_decay)

    def schedule(self, state):
        """Set the learning rate of the next step, if it is a function of the step."""
        if callable(self.learning_rate):
            name, step = "learning_rate", state.iteration + 1
            rate = positive(f"{name}({step})", self.learning_rate(step))
            state.adam.learning_rate = rate * state.learning_rate_scale

    def new_rule(self):
        """Return the stopping rule of one fit."""
        rule = self.rule()
        if self.optimizer is None or hasattr(self.optimizer, "learning_rate"):
            return rule
        if getattr(rule, "drops", 0):
            warn(
                "the optimizer has no learning_rate, which the stopping rule would lower: training "
                "will stop there instead"
            )
            rule.drops = 0
        return rule

    @property
    def held_out_fraction(self):
        """The part of the rows that a rule with held-out rows gets."""
        return 0.1 if self.validation_fraction is None else self.validation_fraction

    @classmethod
    def names(cls):
        """Return the settings that a call may have."""
        return [setting.name for setting in fields(cls) if setting.name not in cls.excluded]

    @classmethod
    def checked(cls, model, keywords):
        """Return the settings of a model's fit; refuse unknown ones."""
        kind = type(model)
        of_model = inspect.signature(kind).parameters
        name, where = f"{kind.__name__}.fit", f"{kind.__name__}(...)"
        check_keywords(name, keywords, cls.names(), of_model, where)
        return cls(**keywords)

    def rule(self):
        """Return a new stopping rule."""
        return stopping_rule(self.stopping, self.tol, self.patience)

    def for_rows(self, n):
        """Return settings with a batch size of at most n; warn if it was set higher."""
        batch_size = self.batch_size or default_batch_size(n)
        if self.batch_size is not None and batch_size > n:
            warn(f"batch_size={batch_size} is above the {n} rows to train on; using {n}")
        return replace(self, batch_size=min(batch_size, n))

    def of_objective(self):
        """Return the settings that the model's ``objective`` takes."""
        return {"normalized": self.normalized}


@dataclass(frozen=True, kw_only=True)
class ELBOSettings(FitSettings):
    """How to fit a model by its evidence lower bound.

    Parameters
    ----------
    kl : {"sample", "analytic"}
        Estimate the KL part at the sample, as the lecture does, or take its closed
        form.
    beta : float
        Weight of the KL part.
    warmup_epochs : int
        Epochs over which the weight grows evenly from 0 to beta. Evaluated losses have
        the full weight.
    importance_samples : int
        K samples of z per example for the importance-weighted bound; 1 is the ELBO.
    objective : callable, optional
        What to minimize in place of the negative ELBO: a function of (params, x, eps)
        that returns a scalar or one number per example; or a class derived from
        `NegELBO`.
    """

    kl: str = "sample"
    beta: float = 1.0
    warmup_epochs: int = 0
    importance_samples: int = 1
    objective: Any = None

    def __post_init__(self):
        super().__post_init__()
        if self.warmup_epochs > self.max_epochs:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} is above max_epochs={self.max_epochs}: the KL "
                "part would never have its full weight; lower it, or raise max_epochs"
            )
        objective_class(self.kl, self.beta, self.importance_samples, ())
        self._check_objective()
        if self.importance_samples > 1 and self.warmup_epochs:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs} has no meaning for the importance-weighted "
                "bound, which has no KL weight; leave it at 0"
            )

    def _check_objective(self):
        """Refuse settings that your own objective would not use."""
        if self.objective is None:
            return
        is_elbo = isinstance(check_callable("objective", self.objective), type)
        unused = ("importance_samples", *(() if is_elbo else ("kl", "beta", "warmup_epochs")))
        for name in unused:
            if getattr(self, name) != getattr(ELBOSettings, name):
                raise ValueError(
                    f"{name}={getattr(self, name)} has no meaning with your own objective: leave "
                    "it out, and compute in the objective what you need"
                )

    @property
    def samples(self):
        """Samples of z per example."""
        return self.importance_samples

    def of_objective(self):
        """Return the settings that the model's ``objective`` takes."""
        names = "normalized", "kl", "beta", "importance_samples"
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class MeanFieldSettings(ELBOSettings):
    """How to fit a `MeanField` model.

    Parameters
    ----------
    stopping : {"epochs", "lecture"}, Epochs or Lecture
        Held-out rows would have no mu and no logsigma.
    local_learning_rate : float
        Of each row's mu and logsigma, which take one step per epoch.
    """

    max_epochs: int = 100
    stopping: Any = "epochs"
    local_learning_rate: float = 0.3

    excluded = "patience", "validation_fraction", "steps_per_epoch", "importance_samples"

    def of_objective(self):
        """Return the settings that the model's ``objective`` takes."""
        return {"normalized": self.normalized, "kl": self.kl, "beta": self.beta}

    def rule(self):
        """Return a new stopping rule, one that holds no rows out."""
        rule = super().rule()
        if rule.holds_out:
            raise ValueError(
                f"stopping should be one of 'epochs', 'lecture', got {shown(self.stopping)}: "
                "held-out rows would have no mu and no logsigma"
            )
        return rule


@dataclass(frozen=True, kw_only=True)
class ShardedSettings(ELBOSettings):
    """How to fit a VAE to rows that lie in several places.

    Parameters
    ----------
    shards : int
        Parts of equal size that the rows are divided into. The result depends on their
        number, and not on where they are.
    batch_size : int, optional
        Rows of all shards together that go through the networks in one step, a multiple
        of ``shards``; by default as for `VAE.fit`, rounded up.
    accumulate : int
        Steps whose gradients are averaged before the parameters change. So a change
        follows from ``batch_size * accumulate`` rows.
    """

    shards: int = 1
    accumulate: int = 1

    excluded = ("warm_start",)

    def __post_init__(self):
        super().__post_init__()
        for name in "shards", "accumulate":
            check_count(name, getattr(self, name))
        if (self.batch_size or 0) % self.shards:
            more = -(-self.batch_size // self.shards) * self.shards
            raise ValueError(
                f"batch_size={self.batch_size} is not a multiple of shards={self.shards}, which "
                f"have equal parts of a batch; pass batch_size={more}"
            )

    def for_rows(self, n):
        """Return settings with a batch size, a multiple of the number of shards."""
        batch_size = self.batch_size or default_batch_size(n)
        return replace(self, batch_size=-(-batch_size // self.shards) * self.shards)

    def of_a_shard(self):
        """Return what each shard needs of the settings, with its own batch size."""
        names = "max_epochs", "warmup_epochs", "importance_samples"
        rows = self.batch_size // self.shards
        return ELBOSettings(batch_size=rows, **{name: getattr(self, name) for name in names})


Fit = TypeVar("Fit", bound=Callable)


def with_settings(settings) -> Callable[[Fit], Fit]:
    """Decorate a ``fit`` method: help() shows the settings in place of ``**keywords``.

    Parameters
    ----------
    settings : type
        `FitSettings` or a class derived from it. Where the method's docstring has the
        line ``{settings}``, it gets their descriptions.
    """

    def decorate(fit):
        signature = inspect.signature(fit)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        defaults = {setting.name: setting.default for setting in fields(settings)}
        new = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name])
            for name in settings.names()
        ]
        fit.__signature__ = signature.replace(parameters=own + new)
        fit.__doc__ = inspect.getdoc(fit).replace("{settings}", _described(settings))
        return fit

    return decorate


def _described(settings):
    """The descriptions of all settings, from the docstrings of their classes."""
    found = {}
    for cls in reversed(settings.__mro__):
        _, _, section = (inspect.getdoc(cls) or "").partition("Parameters\n----------\n")
        names = ""
        for line in section.splitlines() if issubclass(cls, FitSettings) else ():
            if not line.startswith(" "):
                names = line.partition(" : ")[0]
                found[names] = []
            found[names].append(line)
    return "\n".join("\n".join(found[name]) for name in settings.names())
