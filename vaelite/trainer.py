"""Training: one step, one epoch, and the loop until converged. Each is usable by itself."""

import math
import time
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from .backend import is_time_to_look, number, read_only, to_host
from .exceptions import ConvergenceWarning, TrainingError
from .gradient import value_and_grad
from .objectives import TERMS
from .progress import PARTS, Recorder, State
from .validation import warn


@dataclass
class Solution:
    """What training found, and why it stopped.

    Attributes
    ----------
    params : dict of arrays
        The best epoch's with held-out rows, otherwise the last epoch's.
    stop_reason : str
    converged : bool
        True only if the stopping rule was satisfied.
    n_epochs, best_epoch : int
        Epochs run, and the one that ``params`` are from.
    history : dict of lists
        By epoch: "epoch", "train_loss" (mean over its batches), "eval_loss" and its parts
        "eval_nll" (reconstruction) and "eval_kl", with test data "test_loss", "test_nll" and "test_kl" as well,
        all in nats an example; "elapsed" in seconds.
    log : dict of lists
        Every ``log_every`` iterations: "iteration" from 0, "train_loss" of that batch, "ps_norm".
    """

    params: dict
    stop_reason: str
    converged: bool
    n_epochs: int
    best_epoch: int
    history: dict
    log: dict


def step(objective, params, adam, x, eps):
    """One step of training, in place: gradient, then Adam. Nothing changes unless all of it is finite.

    On a device that is looked at every 50 steps only, for each look is a wait.

    Parameters
    ----------
    objective : NegELBO
    params : dict of arrays
    adam : Adam
    x : array, shape (batch, n_features)
    eps : array, shape (batch, latent_dim)
        Standard normal noise.

    Returns
    -------
    float
        The loss before the step, in nats an example; on a device an array of no axes, not waited for.

    Raises
    ------
    TrainingError
        If the loss or a gradient is not finite; the message names the array where it began.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what they lead to is caught here
        loss, grads = value_and_grad(objective)(params, x, eps)
        sound = not is_time_to_look(loss, adam.t) or (_all_finite(loss) and all(map(_has_square, grads.values())))
    if not sound:
        raise TrainingError(
            f"{_first_fault(objective, params, grads, x, eps)}; a smaller learning_rate or "
            "standardised data may help, and terms of your own should not overflow"
        )
    adam.update(params, grads)
    return number(loss)


def epoch(objective, params, adam, batches, after_step=None):
    """One pass over the data, in place.

    Parameters
    ----------
    objective, params, adam
        As for `step`.
    batches : iterable of (x, eps)
        Data and standard normal noise, as for `step`.
    after_step : callable, optional
        Called as ``after_step(loss)`` after every step.

    Returns
    -------
    float
        The mean loss an example, each batch's at the parameters of its time, in nats.

    Raises
    ------
    TrainingError
        As `step`, with the number of the batch, counted from 0.
    """
    total, rows = 0.0, 0
    for batch, (x, eps) in enumerate(batches):
        try:
            loss = step(objective, params, adam, x, eps)
        except TrainingError as error:
            raise TrainingError(f"batch {batch}: {error}") from None
        total, rows = total + loss * len(x), rows + len(x)
        if after_step is not None:
            after_step(loss)
    return float(total / rows)


def evaluate(objective, params, batches):
    """An objective's parts for every row of a data set.

    Parameters
    ----------
    objective : NegELBO
    params : dict of arrays
    batches : iterable of (x, eps)
        Data and standard normal noise, as for `step`.

    Returns
    -------
    array, shape (3, n)
        The loss of each row, and its reconstruction and KL parts, in nats.
    """
    return to_host(np.concatenate([np.stack(objective.parts(params, x, eps)) for x, eps in batches], axis=1))


def train(objective, params, adam, rule, batches, evaluations, *, max_epochs, log_every=100, callbacks=()):
    """Loop over epochs until a stopping rule is satisfied.

    Parameters
    ----------
    objective : callable
        ``objective(epoch)`` is the epoch's `NegELBO`.
    params : dict of arrays
        Changed in place.
    adam : Adam
    rule : HeldOut, Lecture or Epochs
        From `vaelite.convergence`.
    batches : callable
        ``batches(epoch)`` is the epoch's iterable of (x, eps).
    evaluations : dict of callables
        ``evaluations["eval"](params, epoch)`` is what `evaluate` returns for the rows that the stopping rule
        looks at; others, such as "test", are recorded beside it.
    max_epochs, log_every : int
    callbacks : iterable of callable
        See `vaelite.progress`.

    Returns
    -------
    Solution

    Raises
    ------
    TrainingError
        If a loss or a gradient is not finite; the message names the epoch, the batch and the array.

    Warns
    -----
    ConvergenceWarning
        If ``max_epochs`` ends a run that should have ended by itself.
    """
    keep_freed_memory()
    start, recorder = time.perf_counter(), Recorder(evaluations)
    callbacks = [recorder, *callbacks]
    views = MappingProxyType({name: read_only(array) for name, array in params.items()})
    state = State(views, max_epochs, history=recorder.history, log=recorder.log)
    best, reason = params, None

    def after_step(loss):
        state.iteration += 1
        if state.iteration % log_every == 0:
            state.train_loss, state.ps_norm = float(loss), _ps_norm(params)
            _tell(callbacks, "on_iteration", state)

    try:
        while state.epoch < max_epochs and reason is None:
            state.epoch += 1
            losses = _train_epoch(state, objective, params, adam, batches, evaluations, after_step)
            state.elapsed = time.perf_counter() - start
            if rule.improved(losses):
                state.best_epoch = state.epoch
                best = {name: array.copy() for name, array in params.items()} if rule.holds_out else params
            asked_to_stop = [callback(replace(state)) for callback in callbacks]
            stop = any(isinstance(answer, (bool, np.bool_)) and answer for answer in asked_to_stop)
            reason = rule.reason() or ("a callback returned True" if stop else None)
    except KeyboardInterrupt:
        if not recorder.history["epoch"]:
            raise
        reason = "interrupted from the keyboard"
        kept = f"has the parameters of epoch {state.best_epoch}" if rule.holds_out else "is as trained so far"
        warn(f"training was interrupted in epoch {state.epoch}; the model {kept}")
    finally:
        _tell(callbacks, "on_end", state)
    if reason is None and rule.holds_out:
        warn(
            f"not converged after max_epochs={max_epochs} (patience was not used up); raise max_epochs, or "
            'pass stopping="epochs" if this number of epochs is what you want',
            ConvergenceWarning,
        )
    reason, converged = reason or f"max_epochs: ran all {max_epochs}", rule.reason() is not None
    n_epochs = len(recorder.history["epoch"])
    return Solution(best, reason, converged, n_epochs, state.best_epoch, recorder.history, recorder.log)


def _train_epoch(state, objective, params, adam, batches, evaluations, after_step):
    """Train for an epoch and evaluate; the first evaluation's losses, those that the stopping rule looks at."""
    try:
        state.train_loss = epoch(objective(state.epoch), params, adam, batches(state.epoch), after_step)
        losses, *_ = [_evaluate(state, name, evaluation) for name, evaluation in evaluations.items()]
    except TrainingError as error:
        raise TrainingError(f"training stopped in epoch {state.epoch}, {error}") from None
    return losses


def _evaluate(state, name, evaluation):
    """Evaluate, note the means in the state, and return the loss of every row."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parts = evaluation(state.params, state.epoch)
    if not _all_finite(parts[0]):
        raise TrainingError(f"evaluation: the {name} loss is not finite")
    for part, values in zip(PARTS, parts, strict=True):
        setattr(state, f"{name}_{part}", float(values.mean(dtype=np.float64)))
    return parts[0]


def _first_fault(objective, params, grads, x, eps):
    """The first array, in the order of the computation, that holds a NaN, an infinity or too much for Adam."""
    with np.errstate(all="ignore"):
        encoded = dict(zip(("mu of q(z|x)", "logsigma of q(z|x)"), objective.encode(params, x), strict=True))
        answers = dict(zip(TERMS, objective.terms(params, x, eps), strict=True))
    gradients = {f"the gradient of {name}": g for name, g in grads.items()}
    suspects = {"the batch x": x, **params, **encoded, **answers, **gradients}
    for name, array in suspects.items():
        if not _all_finite(array):
            return f"{name} is not finite"
    too_large = next((name for name, g in gradients.items() if not _has_square(g)), None)
    return f"{too_large} is too large to be squared" if too_large else "the loss is not finite"


def _tell(callbacks, event, state):
    for callback in callbacks:
        getattr(callback, event, lambda state: None)(replace(state))


def _all_finite(array):
    """Whether all elements are finite; the sum of squares answers in one pass, unless it overflows."""
    return _has_square(array) or bool(np.isfinite(array).all())


def _has_square(array):
    """Whether the sum of squares is finite, as Adam's second moments have to be."""
    flat = np.ravel(array)
    with np.errstate(over="ignore"):
        return math.isfinite(np.dot(flat, flat))


def _ps_norm(params):
    """The sum of the arrays' Euclidean norms."""
    return float(sum(np.linalg.norm(array) for array in params.values()))


def keep_freed_memory():
    """Let the process keep the memory of freed temporaries.

    Training allocates and frees the same few megabytes in every step. glibc hands such blocks back to
    the system at once, and every step pays for fresh pages, until it has seen one larger block freed.
    """
    np.empty(31 * 2**20, np.uint8)  # freed at once; its pages are never touched
