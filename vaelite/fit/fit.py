"""A fit, from rows to the trained model: one function, to be read from the top."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from ..arrays.threads import largest_product, threads_for
from ..checks import warn
from ..data.checks import check_test
from ..exceptions import ConvergenceWarning, keep_in
from ..models.checks import check_fitted
from ..plain import as_objective
from ..saving import provenance
from ..saving.checkpoint import Checkpoint
from ..state import TrainState
from ..training import train
from .outcome import judged, summary
from .plan import Plan, resumed, split
from .progress import ModelCallback, reporters, show
from .settings import batch_size_for, check_together, new_optimizer, stop_instead
from .start import ROWS, baseline_outputs, mean_baseline_loss, start_near, with_new_params
from .trial import has_own_parts, try_terms

AFTER_FIT: list[Callable] = []  # called as f(model, train, held_out): the doctor is one
OBJECTIVE = "normalized", "kl", "beta", "importance_samples"  # settings of the loss
AGAIN = (
    "this {} has been trained for {} epochs; fit starts again from new weights "
    "(warm_start=True resumes from the old ones)"
)
INTERRUPTED = "training was interrupted after epoch {}; the model keeps the parameters of epoch {}"


def fit(model, X, X_test=None, condition=None, condition_test=None, *, how=None, again=None):
    """Train a model on the rows of X, and assign its solution.

    Parameters
    ----------
    model : LatentModel
    X, X_test, condition, condition_test
        As for `VAE.fit`.
    how : callable, optional
        ``how(plan, state)`` returns the plan and the state of another way to train:
        with a mu and a logsigma for each row, or with rows in several processes.
    again : dict, optional
        The provenance of the fit to repeat.

    Returns
    -------
    LatentModel
        This model. A fit that fails leaves it as it was; nothing that ends training
        early, Ctrl-C or an error, loses a whole epoch.
    """
    # Settings: they agree with each other. The seed is new, or that of an earlier fit.
    rule = check_together(model)
    stop_instead(model, rule)
    if model.warm_start:
        check_fitted(model)
    before = model.solution if model.warm_start else None
    kept = Checkpoint(model.checkpoint, model.checkpoint_seconds)
    seed = provenance.seed_for(model, kept, again)

    # Data: every row is checked, and some are held out for early stopping.
    check_test(X, X_test)
    given = {"X": model.data(X, condition, like=before, fitting=True)}
    if X_test is not None:
        given["X_test"] = model.data(X_test, condition_test, name="X_test", like=given["X"])
    elif condition_test is not None:
        raise ValueError("condition_test is for X_test, which was not passed")
    data, evaluated = split(model, given, rule, seed)

    # Start: this model, or new parameters near those of the best model without latents.
    started = model if before else with_new_params(model, data, seed)
    rows = next(data.spread(ROWS).batches(ROWS)).on_host()
    baseline, own_objective = baseline_outputs(started, rows.x), getattr(model, "objective", None)
    if "val" in evaluated and own_objective is None:
        rule.baseline = mean_baseline_loss(started, baseline, evaluated["val"])
    if model.start == "data" and not before:
        start_near(started, baseline, rows)

    # Plan: what is minimized, and what each epoch does. Your own parts are tried once.
    bare = started.with_solution(replace(started.solution, params={}))  # goes to other processes
    settings = {name: getattr(model, name) for name in OBJECTIVE if hasattr(model, name)}
    loss, rate = bare.loss(**settings), model.learning_rate
    plan = Plan(
        loss if own_objective is None else as_objective(own_objective, loss),
        seed,
        data,
        evaluated,
        latent_dim=model.latent_dim,
        batch_size=batch_size_for(model, len(data)),
        samples=settings.get("importance_samples", 1),
        max_epochs=model.max_epochs,
        warmup_epochs=getattr(model, "warmup_epochs", 0),
        log_every=model.log_every,
        steps_per_epoch=model.steps_per_epoch,
        learning_rate=rate if callable(rate) else None,
    )
    params = started.device_params()
    state = TrainState(params, new_optimizer(model, params), rule)
    how = how or model.how
    plan, state = (plan, state) if how is None else how(plan, state)
    if has_own_parts(model):
        try_terms(*plan.trial(state.params))

    # Small products have one thread: two would wait for each other on a busy machine.
    with threads_for(largest_product(state.params, plan.batch_size)):
        # Provenance: what repeats this fit. A repeated or resumed one must be the same.
        how_settings = getattr(how, "settings", {})
        start = state.params if before else None
        origin = provenance.of_fit(started, seed, given, start, how_settings)
        if again is not None:
            provenance.check_same("this is not the fit to repeat", again, origin)
        if before:
            plan, state = resumed(plan, state, model)
        elif model.solution and model.n_epochs and kept.found is None:
            warn(AGAIN.format(type(model).__name__, model.n_epochs))
        kept.begin(state, origin, model.backend.to_device)

        # Loop: epochs until the rule stops it; then the solution is assigned.
        if model.progress and model.backend.name != "numpy":
            show(f"> backend = {model.backend.name}")
        callbacks = [ModelCallback(call, started, plan) for call in model.callbacks]
        try:
            try:
                train(plan, kept.state, reporters(model.progress) + callbacks, kept)
                kept.close()
                finish(model, plan, kept)
                if model.progress:
                    show(f"> {summary(model)}")
                if rule.holds_out and kept.state.rule.reason():
                    look_at(model, plan)
            except KeyboardInterrupt:
                if not kept.state.history["epoch"]:
                    raise
                finish(model, plan, kept, "interrupted from the keyboard")
                kept.close()
                warn(INTERRUPTED.format(model.n_epochs, model.best_epoch))
        except Exception as error:
            if kept.state.history["epoch"]:
                reason = f"{type(error).__name__}: {error}"
                solution = replace(kept.state.solution(plan, reason), provenance=origin)
                keep_in(error, started.with_solution(solution))
            with contextlib.suppress(OSError):  # the first error is the one to report
                kept.close()
            raise
    return model


def finish(model, plan, kept, reason=None):
    """Assign the solution of a fit, and then the same with its scores."""
    solution = replace(kept.state.solution(plan, reason), provenance=kept.provenance)
    vars(model).update(likelihood=plan.data.likelihood, solution=solution)
    if model.is_amortized:
        model.solution = judged(model, plan, getattr(kept.state.rule, "baseline", None))


def look_at(model, plan):
    """Warn of a fit that has learned nothing, and call those that examine a fit."""
    if not model.converged:
        warn(f"not converged: {model.stop_reason}", ConvergenceWarning)
    for examine in AFTER_FIT:
        examine(model, plan.data, plan.evaluated["val"])


def refit(model, X, X_test=None, condition=None, condition_test=None, own=None):
    """Return a new model, from the same fit of the same rows; see `VAE.refit`."""
    origin = provenance.of_model(model)
    if "shards" in origin["settings"]:
        raise ValueError(
            "the rows of this fit were in shards: repeat it with vaelite.dask.fit and the "
            "settings that receipt() prints"
        )
    if origin["start"] is not None:
        raise ValueError("the fit resumed another model (warm_start), which is not kept")
    settings = origin["settings"]
    names = [name for name, value in settings.items() if provenance.is_own(value)]
    for name in names:
        if name not in own and getattr(model, name) is getattr(type(model), name):
            raise ValueError(f"the fit had your own {name}, {settings[name]['own']}: pass {name}=")
    again = model.with_solution(None)
    plain = {name: provenance.rebuilt(settings[name]) for name in settings if name not in names}
    again.set_params(**plain | {"warm_start": False, "checkpoint": None, "callbacks": ()} | own)
    return fit(again, X, X_test, condition, condition_test, again=origin)
