"""What training changes, what it reports, and what it returns.

`TrainState` is all that a run needs to continue; `Kept` has the one of the last whole
epoch; `State` is what callbacks receive; `Solution` is the result.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any

import numpy as np

from .arrays.dispatch import ReadOnly, read_only, to_host

Q = "q.mu", "q.logsigma"  # names of `MeanField`'s tables among the parameters


@dataclass
class Solution:
    """What training found.

    Attributes
    ----------
    params : dict of arrays
        The best epoch's with held-out rows, otherwise the last epoch's.
    n_features, n_conditions : int
        Columns of the data, and of the condition.
    stop_reason, converged : str, bool
        Why training ended; True only if the stopping rule was satisfied.
    n_epochs, best_epoch : int
        Epochs run; and the one of ``params``.
    history : dict of lists
        By epoch: "epoch", "train_loss" (mean over its batches), "learning_rate",
        "elapsed" in seconds, and evaluated losses with their parts, in nats per
        example. "val_loss", "val_nll" (reconstruction) and "val_kl" are of the held-out
        rows; "eval_loss", ... of the training rows; "test_loss", ... of the test rows.
    log : dict of lists
        Every ``log_every`` iterations: "iteration" from 0, "train_loss" of that batch,
        and "param_norm", the sum of the arrays' Euclidean norms.
    scores : dict of float
        The mean ELBO of the parameters, in nats per example with all constants:
        "training" (at most 2,000 rows, or as many as were held out) and "held-out".
    provenance : dict
        Settings, seed, digests of the data and versions, which ``receipt`` prints.
    feature_names : tuple of str or None
        The names of the columns, if the data were a table with names.
    q : pair of arrays, shape (n, latent_dim), or None
        Mu and logsigma of each training row, which `MeanField` has trained.
    diagnosis : Diagnosis or None
        What the doctor found at the end of the fit.
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
    provenance: dict = field(default_factory=dict)
    feature_names: tuple | None = None
    q: tuple | None = None
    diagnosis: Any = None

    @property
    def dtype(self):
        """The dtype of the parameters."""
        return next(iter(self.params.values())).dtype


@dataclass(frozen=True)
class State:
    """What a callback receives.

    Attributes
    ----------
    params : mapping of str to array
        The current parameters, read-only; copy what you want to keep.
    max_epochs, epoch, iteration : int
        Epochs count from 1, iterations from 0.
    train_loss : float
        In ``on_iteration`` the batch's loss; after an epoch the mean over its batches.
    param_norm, elapsed : float
        The sum of the arrays' Euclidean norms; seconds since the start.
    best_epoch : int
        The epoch that would be kept if training ended now.
    val_loss, val_nll, val_kl, eval_loss, ..., test_loss, ... : float
        The latest evaluations, as in `Solution`; NaN where there are none.
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

    def solution(self, plan):
        """Return the `Solution` so far, in arrays and lists of its own."""
        params = {name: read_only(to_host(a).copy()) for name, a in self.params.items()}
        q = tuple(params.pop(name) for name in Q if name in params)
        history = {name: list(column) for name, column in self.history.items()}
        return Solution(
            params,
            plan.data.n_features,
            plan.data.n_conditions,
            "still training",
            n_epochs=self.epoch,
            best_epoch=self.best_epoch,
            history=history,
            log={name: list(column) for name, column in self.log.items()},
            feature_names=plan.data.feature_names,
            q=q or None,
        )


@dataclass
class TrainState:
    """Everything that changes during a run.

    Attributes
    ----------
    params : dict of arrays
        Where the backend computes; an epoch changes them in place.
    adam : Adam
        Or another optimizer.
    rule : HeldOut, Lecture or Epochs
    best : dict of arrays or None
        The best epoch's parameters, for rules that hold rows out.
    losses : dict of float
        The latest evaluated losses by name.
    best_epoch, epoch, iteration, train_loss, param_norm, elapsed, history, log
        As in `State`.
    stop_reason : str or None
        None while training goes on.
    learning_rate_scale : float
        The rule's, as Adam's learning rate has it now.
    retries : int
        Epochs that were tried again.
    local : Adam or None
        Of `MeanField`'s tables; each row takes one step per epoch.
    began : int
        Epochs before the first of this fit, with a warm start.
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
    retries: int = 0
    local: Any = None
    began: int = 0
    losses: dict = field(default_factory=dict)
    history: dict = field(default_factory=lambda: {"epoch": []})
    log: dict = field(default_factory=lambda: {"iteration": [], "train_loss": [], "param_norm": []})

    def copy(self):
        """Return a copy to train on; nothing that training changes is shared."""
        return replace(
            self,
            params={name: array.copy() for name, array in self.params.items()},
            adam=deepcopy(self.adam),
            rule=deepcopy(self.rule),
            local=deepcopy(self.local),
            losses=dict(self.losses),
            history={name: list(column) for name, column in self.history.items()},
            log={name: list(column) for name, column in self.log.items()},
        )

    def slower(self, factor):
        """Return a copy with a smaller learning rate, to try an epoch again."""
        state = replace(self.copy(), retries=self.retries + 1)
        for optimizer in (state.adam, state.local) if state.local else (state.adam,):
            optimizer.learning_rate *= factor
        return state

    def record_iteration(self, loss):
        """Add a row to ``log``."""
        self.train_loss, self.param_norm = loss, param_norm(self.params)
        for name in self.log:
            self.log[name].append(getattr(self, name))

    def record_epoch(self, elapsed):
        """Add a row to ``history``; a warm start may have other columns: NaN."""
        self.elapsed, before = elapsed, len(self.history["epoch"])
        row = {"epoch": self.epoch, "train_loss": self.train_loss, **self.losses}
        row |= {"learning_rate": getattr(self.adam, "learning_rate", nan), "elapsed": elapsed}
        for name in {**self.history, **row}:
            self.history.setdefault(name, [nan] * before).append(row.get(name, nan))

    def judge(self, losses):
        """Give an epoch's losses to the rule; keep the parameters of the best."""
        if self.rule.update(losses):
            self.best_epoch = self.epoch
            if self.rule.holds_out:
                self.best = {name: array.copy() for name, array in self.params.items()}
        self.stop_reason = self.rule.reason()

    def follow(self):
        """Where the rule lowers the learning rate, go on from the best epoch."""
        scale = getattr(self.rule, "learning_rate_scale", 1.0)
        if scale != self.learning_rate_scale:
            self.adam.learning_rate *= scale / self.learning_rate_scale
            self.learning_rate_scale = scale
            for name, array in (self.best or {}).items():
                self.params[name][...] = array

    def report(self, max_epochs):
        """Return the `State` for callbacks."""
        return State(
            ReadOnly({name: read_only(array) for name, array in self.params.items()}),
            max_epochs,
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

    def solution(self, plan, reason=None):
        """Return the `Solution`; ``reason`` is why training ended early, if it did."""
        params = self.params if self.best is None else self.best
        params = {name: to_host(array) for name, array in params.items()}
        q = tuple(params.pop(name) for name in Q if name in params)
        return Solution(
            params,
            n_features=plan.data.n_features,
            n_conditions=plan.data.n_conditions,
            stop_reason=self.stop_reason or reason or f"max_epochs: ran all {plan.max_epochs}",
            converged=bool(self.rule.reason()),
            n_epochs=len(self.history["epoch"]),
            best_epoch=self.best_epoch or len(self.history["epoch"]),  # 0: in a warm-up
            history=self.history,
            log=self.log,
            feature_names=plan.data.feature_names,
            q=q or None,
        )


class Kept:
    """What is kept whatever interrupts training: the `TrainState` after a whole epoch.

    An epoch trains on a copy, which then replaces ``state`` in one assignment.
    """

    state = None

    def write(self):
        """Called after an epoch and its callbacks; a `Checkpoint` writes a file."""


def param_norm(params):
    """The sum of the arrays' Euclidean norms."""
    with np.errstate(over="ignore"):  # a diverging fit ends with one error, not with warnings
        return float(sum([np.linalg.norm(array) for array in params.values()]))
