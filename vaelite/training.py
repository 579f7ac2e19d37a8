"""Training: a step, an epoch, the loop until converged. Each is usable by itself."""

import math
import time

import numpy as np

from .arrays.backend import keep_freed_memory
from .arrays.dispatch import is_time_to_look, number, to_host
from .checks import warn
from .exceptions import ConvergenceWarning, FitWarning, TrainingError
from .gradient import value_and_grad
from .plain import as_objective
from .state import Kept

OVERFLOW = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}  # checked afterwards
NOT_CONVERGED = (
    "not converged after max_epochs={} (patience was not used up); raise max_epochs, or pass "
    'stopping="epochs" if this number of epochs is what you want'
)
RETRIES, SLOWER = 3, 0.1  # of epochs with numbers that are not finite: how many, how much slower


def step(objective, params, adam, x, eps):
    """Take one training step, in place: the gradient, then Adam.

    Nothing changes unless loss and gradient are finite. On a device this is checked
    every 50 steps only: every check waits for the device.

    Parameters
    ----------
    objective : NegELBO or any function of (params, x, eps)
    params : dict of arrays
    adam : Adam or any object with ``update(params, grads)``
    x : array, shape (batch, n_features)
    eps : array, shape (batch, latent_dim)
        Standard normal noise.

    Returns
    -------
    float, or on a device a 0-dimensional array
        The loss before the step, in nats per example.

    Raises
    ------
    TrainingError
        If the loss or a gradient is not finite; the message names the first such array.
    """
    loss, grads = finite_gradient(objective, params, x, eps, getattr(adam, "t", 0))
    adam.update(params, grads)
    return number(loss)


def finite_gradient(objective, params, x, eps, t=0):
    """Return loss and gradient, or raise TrainingError where step t checks them."""
    with np.errstate(**OVERFLOW):
        loss, grads = value_and_grad(objective)(params, x, eps)
        checked = is_time_to_look(loss, t)
        if checked and not (is_finite(loss) and all(map(has_square, grads.values()))):
            raise TrainingError(
                f"{_first_fault(objective, params, grads, x, eps)}; a smaller learning_rate "
                "or standardized data may help, and your own terms should not overflow"
            )
    return loss, grads


def epoch(take_step, batches, after_step=None):
    """Go once through the data.

    Parameters
    ----------
    take_step : callable
        ``take_step(batch)`` trains, and returns the loss before.
    batches : iterable of Batch, or of pairs (x, eps)
    after_step : callable, optional
        Called as ``after_step(loss)`` after every step.

    Returns
    -------
    float
        The mean loss per example, each batch's at the time of its step.

    Raises
    ------
    TrainingError
        As `step`, with the number of the batch, from 0.
    """
    total, rows = 0.0, 0
    for b, batch in enumerate(batches):
        try:
            loss = take_step(batch)
        except TrainingError as error:
            raise TrainingError(f"batch {b}: {error}") from None
        total, rows = total + loss * len(batch[0]), rows + len(batch[0])
        if after_step is not None:
            after_step(loss)
    return float(total / rows)


def evaluate(objective, params, batches):
    """Compute an objective's parts for every row of a data set.

    Parameters
    ----------
    objective : NegELBO or any function of (params, x, eps)
    params : dict of arrays
    batches : iterable of Batch, or of pairs (x, eps)

    Returns
    -------
    array, shape (3, n)
        The loss of each row, and its reconstruction and KL parts, in nats.
    """
    found, objective = [], as_objective(objective)
    for batch in batches:
        given = objective.given(getattr(batch, "condition", None))
        found.append(np.stack(given.parts(params, *batch[:2])))
    return to_host(np.concatenate(found, axis=1))


def train(run, state, callbacks=(), kept=None):
    """Loop over epochs until the stopping rule is satisfied.

    An epoch with numbers that are not finite is tried again at a tenth of the rate.

    Parameters
    ----------
    run : Run
        The plan: each epoch's batches, what a step does, and what is evaluated.
    state : TrainState
        Where training starts; it stays as it is.
    callbacks : iterable of callable
        Called with a `State` after every epoch; training stops if one returns True. A
        method ``on_iteration`` is called every ``log_every`` iterations, and ``on_end``
        once when training ends for any reason.
    kept : Kept, optional
        Has the state after the last whole epoch, also after an error.

    Returns
    -------
    Solution

    Raises
    ------
    TrainingError
        If a loss or a gradient is not finite in an epoch's first step, or also after
        three retries; the message names the epoch, the batch and the array.

    Warns
    -----
    FitWarning
        If an epoch is tried again.
    ConvergenceWarning
        If ``max_epochs`` ends a run with held-out rows that was still improving.
    """
    keep_freed_memory()
    kept = kept or Kept()
    kept.state, start = state, time.perf_counter() - state.elapsed
    try:
        while kept.state.epoch < run.max_epochs and kept.state.stop_reason is None:
            kept.state = _next_epoch(run, kept.state, callbacks, start)
            answers = [callback(kept.state.report(run)) for callback in callbacks]
            if any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers):
                kept.state.stop_reason = kept.state.stop_reason or "a callback returned True"
            kept.write()
    finally:
        _notify(callbacks, "on_end", kept.state, run)
    if kept.state.stop_reason is None and kept.state.rule.holds_out:
        warn(NOT_CONVERGED.format(run.max_epochs), ConvergenceWarning)
    return kept.state.solution(run)


def _next_epoch(run, before, callbacks, start):
    """Return the state after one more epoch; the state before stays as it is."""
    while True:
        state = before.copy()
        try:
            losses = _train_epoch(run, state, callbacks)
        except TrainingError as error:
            if before.retries == RETRIES or state.iteration == before.iteration:  # no step taken
                raise TrainingError(f"training stopped in {error}") from None
            before = before.slower(SLOWER)
            again = f"trying it again with learning_rate={before.adam.learning_rate:g}"
            warn(f"{error}; {again}", FitWarning)
        else:
            state.record_epoch(time.perf_counter() - start)
            if not run.is_warming_up(state.epoch):
                state.judge(losses)
            return state


def _train_epoch(run, state, callbacks):
    """Train for an epoch and evaluate; return the losses that the rule looks at."""

    def after_step(loss):
        state.iteration += 1
        if state.iteration % run.log_every == 0:
            state.record_iteration(float(loss))
            _notify(callbacks, "on_iteration", state, run)

    state.epoch += 1
    state.follow()
    try:
        batches = run.batches(state.epoch)
        state.train_loss = epoch(lambda batch: run.step(state, batch), batches, after_step)
        losses, *_ = [_evaluate(run, state, name) for name in run.evaluated]
        return losses
    except TrainingError as error:
        raise TrainingError(f"epoch {state.epoch}, {error}") from None


def _evaluate(run, state, name):
    """Evaluate, record the means in the state, and return the loss of every row."""
    with np.errstate(**OVERFLOW):
        parts = run.evaluate(name, state.params, state.epoch)
    if not is_finite(parts[0]):
        raise TrainingError(f"evaluation: the {name} loss is not finite")
    state.losses |= {
        f"{name}_{part}": float(values.mean(dtype=np.float64))
        for part, values in zip(("loss", "nll", "kl"), parts, strict=True)
    }
    return parts[0]


def _notify(callbacks, event, state, run):
    for callback in callbacks:
        if hasattr(callback, event):
            getattr(callback, event)(state.report(run))


def _first_fault(objective, params, grads, x, eps):
    """Name the first array, in the order of the computation, that is not finite."""
    with np.errstate(**OVERFLOW):
        found = as_objective(objective).intermediates(params, x, eps)
    gradients = {f"the gradient of {name}": g for name, g in grads.items()}
    for name, array in {"the batch x": x, **params, **found, **gradients}.items():
        if not is_finite(array):
            return f"{name} is not finite"
    too_large = next((name for name, g in gradients.items() if not has_square(g)), None)
    return f"{too_large} is too large to be squared" if too_large else "the loss is not finite"


def is_finite(array):
    """Whether all elements are finite; one pass unless the sum of squares overflows."""
    return has_square(array) or bool(np.isfinite(array).all())


def has_square(array):
    """Whether the sum of squares is finite, as Adam needs."""
    return math.isfinite(np.vdot(array, array))
