"""Training: a step, an epoch, the loop until converged. Each is usable by itself."""

import math
import time
from functools import partial

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
    with np.errstate(**OVERFLOW):
        loss, grads = value_and_grad(objective)(params, x, eps)
    if is_time_to_look(loss, getattr(adam, "t", 0)):
        check_finite(loss, grads, objective, params, x, eps)
    adam.update(params, grads)
    return number(loss)


def finite_gradient(objective, params, x, eps):
    """Return loss and gradient, or raise TrainingError if they are not finite."""
    with np.errstate(**OVERFLOW):
        loss, grads = value_and_grad(objective)(params, x, eps)
    check_finite(loss, grads, objective, params, x, eps)
    return loss, grads


def check_finite(loss, grads, objective, params, x, eps):
    """Raise TrainingError if a loss or the square of a gradient is not finite."""
    with np.errstate(**OVERFLOW):
        squares = [np.vdot(grad, grad) for grad in grads.values()]  # as Adam needs
        if is_finite(loss) and all(map(math.isfinite, squares)):
            return
        raise TrainingError(
            f"{_first_fault(objective, params, grads, x, eps)}; a smaller learning_rate "
            "or standardized data may help, and your own terms should not overflow"
        )


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


def train(plan, state, callbacks=(), kept=None):
    """Loop over epochs until the stopping rule is satisfied.

    An epoch trains on a copy of the state, which then replaces the state before. One
    with numbers that are not finite is tried again at a tenth of the rate.

    Parameters
    ----------
    plan : Plan
        Each epoch's batches, what a step does, and what is evaluated.
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
    kept.state = before = state
    start = time.perf_counter() - state.elapsed
    try:
        while before.epoch < plan.max_epochs and before.stop_reason is None:
            state = before.copy()
            try:
                state.epoch += 1
                state.follow()
                batches, after_step = plan.batches(state.epoch), _logger(plan, state, callbacks)
                state.train_loss = epoch(partial(plan.step, state), batches, after_step)
                losses, *_ = [_evaluate(plan, state, name) for name in plan.evaluated]
            except TrainingError as error:
                before = _slower(before, state, error)
                continue
            state.record_epoch(time.perf_counter() - start)
            if not plan.is_warming_up(state.epoch):
                state.judge(losses)
            kept.state = before = state
            answers = [callback(state.report(plan.max_epochs)) for callback in callbacks]
            if any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers):
                state.stop_reason = state.stop_reason or "a callback returned True"
            kept.write()
    finally:
        _notify(callbacks, "on_end", kept.state, plan)
    if kept.state.stop_reason is None and kept.state.rule.holds_out:
        warn(NOT_CONVERGED.format(plan.max_epochs), ConvergenceWarning)
    return kept.state.solution(plan)


def _logger(plan, state, callbacks):
    """A function to call with the loss of every step."""

    def after_step(loss):
        state.iteration += 1
        if state.iteration % plan.log_every == 0:
            state.record_iteration(float(loss))
            _notify(callbacks, "on_iteration", state, plan)

    return after_step


def _slower(before, state, error):
    """Return the state before a failed epoch, at a smaller rate; warn, or raise."""
    message = f"epoch {state.epoch}, {error}"
    if before.retries == RETRIES or state.iteration == before.iteration:  # no step taken
        raise TrainingError(f"training stopped in {message}") from None
    before = before.slower(SLOWER)
    again = f"trying it again with learning_rate={before.adam.learning_rate:g}"
    warn(f"{message}; {again}", FitWarning)
    return before


def _evaluate(plan, state, name):
    """Evaluate, record the means in the state, and return the loss of every row."""
    with np.errstate(**OVERFLOW):
        parts = plan.evaluate(name, state.params, state.epoch)
    if not is_finite(parts[0]):
        raise TrainingError(f"evaluation: the {name} loss is not finite")
    state.losses |= {
        f"{name}_{part}": float(values.mean(dtype=np.float64))
        for part, values in zip(("loss", "nll", "kl"), parts, strict=True)
    }
    return parts[0]


def _notify(callbacks, event, state, plan):
    for callback in callbacks:
        if hasattr(callback, event):
            getattr(callback, event)(state.report(plan.max_epochs))


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
