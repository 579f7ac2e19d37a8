"""One kind of fit for every model: settings, data, run, solution.

The solution is assigned in the last lines, so a fit that fails leaves the model as it
was. What ends training early, Ctrl-C or an error, never loses a whole epoch.
"""

import contextlib
from dataclasses import replace

import numpy as np

from ..arrays.dispatch import read_only
from ..arrays.streams import Stream, generator, seed_sequence
from ..checks import warn
from ..data.checks import check_test
from ..diagnostics.card import card
from ..diagnostics.doctor import checkup
from ..exceptions import ConvergenceWarning, FitWarning, keep_in
from ..fit.outcome import ROWS, judged, summary
from ..fit.plan import Run
from ..fit.progress import ModelCallback, reporters, show
from ..fit.settings import FitSettings
from ..fit.start import constant_loss, constant_outputs, shrink_codes, start_at
from ..plain import as_objective
from ..saving import files
from ..saving.checkpoint import Checkpoint
from ..saving.provenance import check_same, lines, rebuilt, recorded, seed_of
from ..state import Solution, TrainState
from ..training import train
from .base import LatentModel, run_encoder
from .checks import check_fitted

AGAIN = (
    "this {} has been trained for {} epochs; fit starts again from new weights "
    "(warm_start=True goes on with the old ones)"
)
INTERRUPTED = "training was interrupted after epoch {}; the model keeps the parameters of epoch {}"


class TrainedModel(LatentModel):
    """A latent-variable model that is trained: a base class.

    A derived class defines ``networks``, by name, ``objective``, what training
    minimizes, and a ``fit``, which calls ``_fit``.
    """

    settings_class = FitSettings
    _verdict = None, None  # a solution, and what the doctor has found in it

    def _fit(
        self,
        settings,
        X,
        X_test=None,
        condition=None,
        condition_test=None,
        again=None,
        plan=None,
    ):
        """Fit; ``again`` is the record of a fit to repeat, ``plan`` changes the run."""
        kept = Checkpoint(settings.checkpoint, settings.checkpoint_seconds)
        seed, rule = self._seed(settings, kept, again), settings.new_rule()
        check_test(X, X_test)
        given = {"X": self._training_data(settings, X, condition)}
        if X_test is None and condition_test is not None:
            raise ValueError("condition_test is for X_test, which was not passed")
        if X_test is not None:
            given["X_test"] = self._test_data(given["X"], X_test, condition_test)
        data, evaluated = self._datasets(settings, seed, rule, given)
        model = self._start(settings, seed, rule, data, evaluated)
        run, state = model._plan(settings.for_rows(len(data)), seed, rule, data, evaluated)
        run.try_terms(state.params)
        run = run if plan is None else plan(run)
        start = state.params if settings.warm_start else None
        computed = {"dtype": str(data.dtype), "backend": self.backend.name}
        record = recorded(files.described(model) | computed, settings, seed, given, start)
        if again is not None:
            check_same("this is not the fit to repeat", again, record)
        if settings.warm_start:
            run = self._go_on(run, state)
        elif self.solution and self.n_epochs and kept.found is None:
            warn(AGAIN.format(type(self).__name__, self.n_epochs))
        kept.begin(state, record, self.backend.to_device)
        if settings.progress and self.backend_name != "numpy":
            show(f"> backend = {self.backend.name}")
        callbacks = [ModelCallback(call, model._at) for call in settings.callbacks]
        self._train(model, run, kept, reporters(settings.progress) + callbacks)
        return self

    def _train(self, model, run, kept, callbacks):
        """Train, and assign the solution; nothing that ends it loses a whole epoch."""
        try:
            try:
                train(run, kept.state, callbacks, kept)
                kept.close()
                self._finish(model, run, kept)
                if run.settings.progress:
                    show(f"> {self.summary()}")
                if kept.state.rule.holds_out and kept.state.rule.reason():
                    self._warn_of_problems(run)
            except KeyboardInterrupt:
                if not kept.state.history["epoch"]:
                    raise
                self._finish(model, run, kept, "interrupted from the keyboard")
                kept.close()
                warn(INTERRUPTED.format(self.n_epochs, self.best_epoch))
        except Exception as error:
            if kept.state.history["epoch"]:
                reason = f"{type(error).__name__}: {error}"
                keep_in(error, model._with(_solution(model, run, kept, reason)))
            with contextlib.suppress(OSError):  # the first error is the one to report
                kept.close()
            raise

    def _finish(self, model, run, kept, reason=None):
        """Assign the solution of a run, and then the same with its scores."""
        self.solution = _solution(model, run, kept, reason)
        if self.is_amortized:
            self.solution = judged(self, run, getattr(kept.state.rule, "baseline", None))

    def _seed(self, settings, kept, again):
        """The seed: that of the fit to repeat or to go on with, or a new one."""
        if again is not None:
            return seed_of(again)
        if settings.rng is None and kept.found is not None:
            return kept.seed
        if settings.rng is None and settings.warm_start and self.solution and self.solution.record:
            return seed_of(self.solution.record)
        return seed_sequence(settings.rng)

    def _training_data(self, settings, X, condition):
        """X, checked; for a warm start, as the data of the earlier fit."""
        if not settings.warm_start:
            return self._checked(X, "X", fitting=True).given(condition)
        check_fitted(self)
        columns = {"n_features": self.n_features, "feature_names": self.feature_names}
        data = self._checked(X, "X", self.solution.dtype, fitting=True, **columns)
        return data.given(condition, self.n_conditions)

    def _test_data(self, data, X_test, condition_test):
        columns = {"n_features": data.n_features, "feature_names": data.feature_names}
        test = self._checked(X_test, "X_test", data.dtype, **columns)
        return test.given(condition_test, data.n_conditions, name="condition_test")

    def _datasets(self, settings, seed, rule, given):
        """The rows to train on, and those to evaluate after an epoch, by name."""
        data = given["X"].held()
        name, evaluated = "eval", data
        if rule.holds_out:
            rng = generator(seed, Stream.SPLIT)
            data, evaluated = data.split(settings.held_out_fraction, rng)
            name = "val"
        if settings.steps_per_epoch and self.is_amortized:
            rows = settings.steps_per_epoch * settings.for_rows(len(data)).batch_size
            evaluated = evaluated.spread(rows)
        if "X_test" not in given:
            return data, {name: evaluated}
        needed = {name: evaluated} if rule.needs_losses else {}
        return data, needed | {"test": given["X_test"].held()}

    def _start(self, settings, seed, rule, data, evaluated):
        """A copy of the model with the parameters that training starts with."""
        if settings.warm_start:
            model = self
        else:
            model = self._started(data.n_features, data.n_conditions, data.dtype, seed)
            model.solution.feature_names = data.feature_names
        rows = next(data.spread(ROWS).batches(ROWS)).on_host()
        constant = constant_outputs(model, rows.x)
        if "val" in evaluated and settings.objective is None:
            rule.baseline = model._baseline(constant, evaluated["val"])
        if settings.start == "data" and not settings.warm_start:
            model._start_near(rows, constant)
        return model

    def _go_on(self, run, state):
        """Let a run and its state go on from this model's epochs; the run."""
        state.epoch = self.n_epochs
        state.history = {"epoch": []} | {
            name: list(column) for name, column in self.history.items()
        }
        state.log = state.log | {name: list(column) for name, column in self.log.items()}
        state.iteration = max(state.log["iteration"], default=-1)
        state.elapsed = state.history.get("elapsed", [0.0])[-1]
        losses, *_ = [run.evaluate(name, state.params, state.epoch)[0] for name in run.evaluated]
        state.judge(losses)  # of the start: a worse epoch does not become the best
        state.best_epoch = self.best_epoch
        limit = run.settings.max_epochs + self.n_epochs
        return replace(run, settings=replace(run.settings, max_epochs=limit))

    def refit(self, X, X_test=None, *, condition=None, condition_test=None, **settings):
        """Repeat the fit of this model on the same data, and return the new model.

        With the same versions, processor and threads (see `receipt`), it has the same
        parameters bit for bit.

        Parameters
        ----------
        X, X_test, condition, condition_test
            What the model was fitted on.
        **settings
            What a record cannot hold: ``callbacks``, your own ``stopping`` rule; and
            ``progress``, ``checkpoint``.

        Raises
        ------
        ValueError
            If the data or the settings are others, or if the model has no record.

        Warns
        -----
        UserWarning
            If versions differ: rounding, and so the numbers, may differ.
        """
        record = self._record()
        if "shards" in record["settings"]:
            raise ValueError(
                "the rows of this fit were in shards: repeat it with vaelite.dask.fit and the "
                "settings that receipt() prints"
            )
        if record["start"] is not None:
            raise ValueError("the fit went on from another model (warm_start), which is not kept")
        settings = self.settings_class(**rebuilt(record["settings"], settings))
        model = self._with(None)
        model.dtype = self.solution.dtype
        return model._fit(settings, X, X_test, condition, condition_test, again=record)

    def receipt(self):
        """Print what repeats the fit: its result, settings, seed, data and versions.

        The data are listed with their shape, dtype and a digest of all their numbers.
        ``solution.record`` has the same as a dict.
        """
        record = self._record()
        print("\n".join([str(self), self.summary(), *lines(record)]))

    def _record(self):
        check_fitted(self)
        if not self.solution.record:
            raise ValueError("this model has no record of a fit: it is from an older file or build")
        return self.solution.record

    def _start_near(self, rows, constant):
        start_at(self.params, constant)
        if self.is_amortized:
            codes, *_ = run_encoder(self, self.params, self._heads(), rows.x, rows.condition)
            shrink_codes(self.params, codes)

    def _baseline(self, constant, held_out):
        """The mean loss of held-out rows without latents, in nats, or None."""
        losses = [constant_loss(self, constant, b.on_host().x) for b in held_out.batches(ROWS)]
        return None if losses[0] is None else float(np.concatenate(losses).mean(dtype=np.float64))

    def _warn_of_problems(self, run):
        """Warn of what the doctor finds."""
        if not self.converged:
            warn(f"not converged: {self.stop_reason}", ConvergenceWarning)
        diagnosis = checkup(self, run.data, run.evaluated["val"])
        self._verdict = self.solution, diagnosis
        for finding in diagnosis.problems:
            if finding.name != "not-converged":  # `train` warned of it
                warn(str(finding), FitWarning)

    @property
    def diagnosis(self):
        """What the doctor found at the end of `fit`, a `Diagnosis`, or None.

        A fit asks it if it has held rows out and stopped by itself. The diagnosis is
        not saved; `vaelite.doctor` makes another one at any time.
        """
        solution, found = self._verdict
        return found if solution is self.solution else None

    def _repr_html_(self):
        return card(self)

    def summary(self) -> str:
        """Return in one line how the fit ended: why, which epoch is kept, the scores.

        The ELBO is that of the parameters that were kept, on training rows (at most
        2,000, or as many as were held out) and on held-out rows, with all constants.
        ``history`` ends with the last epoch, which may be a later one.

        Returns
        -------
        str
        """
        check_fitted(self)
        return summary(self)

    def _plan(self, settings, seed, rule, data, evaluated):
        """The plan of a fit of this model, and the state that it starts with."""
        bare = self._with(replace(self.solution, params={}))  # a run may go to other processes
        target = self._minimized(bare.objective(**settings.of_objective()), settings)
        run = Run(target, seed, settings, self.latent_dim, data, evaluated)
        params = self.device_params()
        return run, TrainState(params, settings.new_optimizer(params), rule)

    def _minimized(self, elbo, settings):
        """The objective of a fit: the model's ELBO, or your own."""
        return elbo if settings.objective is None else as_objective(settings.objective, elbo)

    def _solved(self, solution):
        """The solution that this model keeps."""
        return solution

    def _at(self, state):
        """A copy of the model as trained so far, for callbacks; they may keep it."""
        to_host = self.backend.to_host
        params = {name: read_only(to_host(array).copy()) for name, array in state.params.items()}
        solution = Solution(
            params,
            self.n_features,
            self.n_conditions,
            "still training",
            False,
            state.epoch,
            state.best_epoch,
            {name: list(values) for name, values in state.history.items()},
            {name: list(values) for name, values in state.log.items()},
            feature_names=self.feature_names,
        )
        return self._with(self._solved(solution))


def _solution(model, run, kept, reason):
    """The solution after the last whole epoch of a run, with its record."""
    return replace(model._solved(kept.state.solution(run, reason)), record=kept.record)
