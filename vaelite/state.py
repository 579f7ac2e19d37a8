"""What training changes, what it reports, and what it returns.

`TrainState` is all that a run needs to continue; `State` is what callbacks receive;
`Solution` is the result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from types import MappingProxyType
from typing import Any

import numpy as np

from .arrays.dispatch import read_only, to_host


@dataclass
class Solution:
    """What training found, and why it stopped.

    Attributes
    ----------
    params : dict of arrays
        The best epoch's with held-out rows, otherwise the last epoch's.
    n_features, n_conditions : int
        Columns of the data, and of the condition.
    stop_reason : str
    converged : bool
        True only if the stopping rule was satisfied.
    n_epochs, best_epoch : int
        Epochs run, and the one that ``params`` are from.
    history : dict of lists
        By epoch: "epoch", "train_loss" (mean over its batches), "learning_rate",
        "elapsed" in seconds, and evaluated losses with their parts, in nats per
        example. "val_loss",
        "val_nll" (reconstruction) and "val_kl" are of the held-out rows; "eval_loss",
        ... of the training rows, after the epoch; "test_loss", ... of the test rows.
    log : dict of lists
        Every ``log_every`` iterations: "iteration" from 0, "train_loss" of that batch,
        and "param_norm", the sum of the arrays' Euclidean norms.
    scores : dict of float
        The mean ELBO of the parameters, in nats per example with all constants, by
        name: "training" (at most 2,000 rows, or as many as were held out) and
        "held-out".
    """

    params: dict
    n_features: int
    n_conditions: int = 0
    stop_reason: str = "not trained by fit"
    converged: bool = False
    n_epochs: int = 0
    best_epoch: int = 0
    history: dict = field(default_factory=dict)
    log: dict = field(default_factory=dict)
    scores: dict = field(default_factory=dict)

    @property
    def dtype(self):
        """The dtype of the parameters."""
        return next(iter(self.params.values())).dtype


@dataclass(frozen=True)
class State:
    """What a callback receives: a report of training as it stands.

    Attributes
    ----------
    params : mapping of str to array
        The current parameters, read-only; copy what you want to keep.
    max_epochs, epoch, iteration : int
        Epochs count from 1, iterations from 0.
    train_loss : float
        In ``on_iteration`` the batch's loss; after an epoch the mean over its batches.
    param_norm : float
        The sum of the arrays' Euclidean norms.
    elapsed : float
        Seconds since the start.
    best_epoch : int
        The epoch whose parameters would be kept if training ended now.
    val_loss, val_nll, val_kl, eval_loss, eval_nll, eval_kl : float
        The latest evaluations, as in `Solution`; NaN where there are none.
    test_loss, test_nll, test_kl : float
        The same for the test rows.
    history, log : dict of lists
        What has been recorded so far, as in `Solution`.
    """

    params: Mapping
    max_epochs: int
    epoch: int = 0
    iteration: int = -1
    train_loss: float = nan
    param_norm: float = nan
    elapsed: float = 0.0
    best_epoch: int = 0
    val_loss: float = nan
    val_nll: float = nan
    val_kl: float = nan
    eval_loss: float = nan
    eval_nll: float = nan
    eval_kl: float = nan
    test_loss: float = nan
    test_nll: float = nan
    test_kl: float = nan
    history: dict = field(default_factory=dict)
    log: dict = field(default_factory=dict)


@dataclass
class TrainState:
    """Everything that changes during a run, and nothing else.

    Attributes
    ----------
    params : dict of arrays
        Where the backend computes; changed in place.
    adam : Adam
        Or another optimizer.
    rule : HeldOut, Lecture or Epochs
    best : dict of arrays or None
        A copy of the best epoch's parameters, for rules that hold rows out.
    losses : dict of float
        The latest evaluated losses by name.
    best_epoch, epoch, iteration, train_loss, param_norm, elapsed, history, log
        As in `State`.
    stop_reason : str or None
        None while training goes on.
    learning_rate_scale : float
        The rule's, as Adam's learning rate has it now.
    """

    params: dict
    adam: Any
    rule: Any
    best: dict | None = None
    best_epoch: int = 0
    epoch: int = 0
    iteration: int = -1
    train_loss: float = nan
    param_norm: float = nan
    elapsed: float = 0.0
    stop_reason: str | None = None
    learning_rate_scale: float = 1.0
    losses: dict = field(default_factory=dict)
    history: dict = field(default_factory=lambda: {"epoch": []})
    log: dict = field(default_factory=lambda: {"iteration": [], "train_loss": [], "param_norm": []})

    def record_iteration(self, loss):
        """Add a row to ``log``."""
        self.train_loss, self.param_norm = loss, param_norm(self.params)
        for name in self.log:
            self.log[name].append(getattr(self, name))

    def record_epoch(self, elapsed):
        """Add a row to ``history``."""
        self.elapsed = elapsed
        row = {"epoch": self.epoch, "train_loss": self.train_loss, **self.losses}
        row |= {"learning_rate": getattr(self.adam, "learning_rate", nan), "elapsed": elapsed}
        for name, value in row.items():
            self.history.setdefault(name, []).append(value)

    def judge(self, losses):
        """Give an epoch's losses to the rule; keep the parameters of the best."""
        if self.rule.update(losses):
            self.best_epoch = self.epoch
            if self.rule.holds_out:
                self.best = {name: array.copy() for name, array in self.params.items()}

    def follow(self):
        """Where the rule lowers the learning rate, go on from the best epoch."""
        scale = getattr(self.rule, "learning_rate_scale", 1.0)
        if scale != self.learning_rate_scale:
            self.adam.learning_rate *= scale / self.learning_rate_scale
            self.learning_rate_scale = scale
            for name, array in (self.best or {}).items():
                self.params[name][...] = array

    def report(self, run):
        """Return the `State` for callbacks."""
        params = {name: read_only(array) for name, array in self.params.items()}
        return State(
            MappingProxyType(params),
            run.max_epochs,
            self.epoch,
            self.iteration,
            self.train_loss,
            self.param_norm,
            self.elapsed,
            self.best_epoch,
            **self.losses,
            history=self.history,
            log=self.log,
        )

    def solution(self, run):
        """Return the `Solution`, with its arrays on the host."""
        params = self.params if self.best is None else self.best
        return Solution(
            {name: to_host(array) for name, array in params.items()},
            n_features=run.n_features,
            n_conditions=run.n_conditions,
            stop_reason=self.stop_reason or f"max_epochs: ran all {run.max_epochs}",
            converged=bool(self.rule.reason()),
            n_epochs=len(self.history["epoch"]),
            best_epoch=self.best_epoch or len(self.history["epoch"]),  # 0: in a warm-up
            history=self.history,
            log=self.log,
        )


def param_norm(params):
    """The sum of the arrays' Euclidean norms."""
    with np.errstate(over="ignore"):  # a diverging fit ends with one error, not with warnings
        return float(sum(np.linalg.norm(array) for array in params.values()))
