"""Training: a step, an epoch, the loop until converged. Each is usable by itself."""

import math
import time

import numpy as np

from .arrays.dispatch import is_time_to_look, number, to_host
from .checks import warn
from .exceptions import ConvergenceWarning, TrainingError
from .gradient import value_and_grad
from .plain import as_objective

OVERFLOW = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}  # checked afterwards


def step(objective, params, adam, x, eps):
    """Take one training step, in place: the gradient, then Adam.

    Nothing changes unless loss and gradient are finite. On a device this is checked
    every 50 steps only, because every check waits for the device.

    Parameters
    ----------
    objective : NegELBO or any function of (params, x, eps)
    params : dict of arrays
    adam : Adam
        Or anything with ``update(params, grads)``.
    x : array, shape (batch, n_features)
    eps : array, shape (batch, latent_dim)
        Standard normal noise.

    Returns
    -------
    float
        The loss before the step, in nats per example; on a device a 0-dimensional
        array.

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
        if is_time_to_look(loss, t) and not (
            is_finite(loss) and all(map(has_square, grads.values()))
        ):
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
        ``take_step(batch)`` takes one training step and returns the loss before it.
    batches : iterable of Batch, or of pairs (x, eps)
    after_step : callable, optional
        Called as ``after_step(loss)`` after every step.

    Returns
    -------
    float
        The mean loss per example, in nats; each batch's at the parameters of its time.

    Raises
    ------
    TrainingError
        As `step`, with the number of the batch, counted from 0.
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


def train(run, state, callbacks=()):
    """Loop over epochs until the stopping rule is satisfied.

    Parameters
    ----------
    run : Run
        The plan: each epoch's batches, what a step does, and what is evaluated.
    state : TrainState
        Where training starts; changed in place.
    callbacks : iterable of callable
        Called with a `State` after every epoch; training stops if one returns True. A
        method ``on_iteration`` is called every ``log_every`` iterations, and a method
        ``on_end`` once when training ends for any reason.

    Returns
    -------
    Solution

    Raises
    ------
    TrainingError
        If a loss or a gradient is not finite; the message names the epoch, the batch
        and the array.

    Warns
    -----
    ConvergenceWarning
        If ``max_epochs`` ends a run with held-out rows that was still improving.
    """
    keep_freed_memory()
    start = time.perf_counter() - state.elapsed
    try:
        while state.epoch < run.max_epochs and state.stop_reason is None:
            state.epoch += 1
            losses = _train_epoch(run, state, callbacks)
            state.record_epoch(time.perf_counter() - start)
            if not run.is_warming_up(state.epoch):
                state.judge(losses)
            stop = [callback(state.report(run)) for callback in callbacks]
            state.follow()
            asked = any(isinstance(answer, (bool, np.bool_)) and answer for answer in stop)
            reason = "a callback returned True" if asked else None
            state.stop_reason = state.rule.reason() or reason
    except KeyboardInterrupt:
        if not state.history["epoch"]:
            raise
        _interrupt(state)
    finally:
        _notify(callbacks, "on_end", state, run)
    if state.stop_reason is None and state.rule.holds_out:
        warn(
            f"not converged after max_epochs={run.max_epochs} (patience was not used up); raise "
            'max_epochs, or pass stopping="epochs" if this number of epochs is what you want',
            ConvergenceWarning,
        )
    return state.solution(run)


def _train_epoch(run, state, callbacks):
    """Train for an epoch and evaluate; return the losses that the rule looks at."""

    def after_step(loss):
        state.iteration += 1
        if state.iteration % run.log_every == 0:
            state.record_iteration(float(loss))
            _notify(callbacks, "on_iteration", state, run)

    try:
        batches = run.batches(state.epoch)
        state.train_loss = epoch(lambda batch: run.step(state, batch), batches, after_step)
        losses, *_ = [_evaluate(run, state, name) for name in run.evaluated]
    except TrainingError as error:
        raise TrainingError(f"training stopped in epoch {state.epoch}, {error}") from None
    return losses


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


def _interrupt(state):
    """End training after Ctrl-C as a stopping rule would."""
    state.stop_reason = "interrupted from the keyboard"
    best = f"the parameters of epoch {state.best_epoch}"
    kept = best if state.rule.holds_out else "what it has learned so far"
    warn(f"training was interrupted in epoch {state.epoch}; the model keeps {kept}")


def _notify(callbacks, event, state, run):
    for callback in callbacks:
        if hasattr(callback, event):
            getattr(callback, event)(state.report(run))


def _first_fault(objective, params, grads, x, eps):
    """Name the first array, in the order of the computation, that is not finite."""
    with np.errstate(all="ignore"):
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
    """Whether the sum of squares is finite, as Adam's second moments need."""
    return math.isfinite(np.vdot(array, array))


def keep_freed_memory():
    """Let the process keep the memory of freed temporaries.

    Training allocates and frees the same few megabytes in every step. glibc returns
    such blocks to the system at once, and every step pays for fresh pages, until it has
    seen one larger block freed.
    """
    np.empty(31 * 2**20, np.uint8)  # freed at once; its pages are never touched
