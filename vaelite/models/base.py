"""What every latent-variable model has: a decoder, a likelihood, and one kind of fit.

A model is a specification, which ``__init__`` sets, and a solution, which ``fit``
assigns in its last line: a fit that fails leaves the model as it was.
"""

import contextlib
import copy
from dataclasses import replace
from functools import partial

import numpy as np

from .. import terms
from ..arrays.backend import BACKENDS, get_backend
from ..arrays.dispatch import read_only
from ..arrays.streams import Stream, generator, sampling_generator, seed_sequence
from ..checks import (
    check_callable,
    check_choice,
    check_count,
    check_dtype,
    check_flag,
    check_path,
    explain_keywords,
    warn,
)
from ..data.checks import check_array, check_test, check_width, summarize
from ..data.dataset import Dataset
from ..exceptions import ConvergenceWarning, FitWarning, keep_in
from ..fitting.checkpoint import Checkpoint
from ..fitting.keywords import Array, Seed
from ..fitting.progress import ModelCallback, reporters, show
from ..fitting.record import check_same, lines, rebuilt, recorded, seed_of
from ..fitting.run import CHUNK_ROWS, Run
from ..fitting.settings import FitSettings
from ..fitting.trial import try_network, try_prior
from ..likelihoods import LIKELIHOODS
from ..networks.base import Head, own_params
from ..objectives import in_dtype
from ..ops import join
from ..plain import as_objective
from ..priors import StandardNormal
from ..state import Solution, TrainState
from ..training import train
from . import files
from .checks import check_fitted, check_likelihood, check_network, check_params, check_prior
from .constant import constant_loss, constant_outputs, shrink_codes, start_at
from .doctor import checkup
from .outcome import ROWS, judged, summary

AGAIN = (
    "this {} has been trained for {} epochs; fit starts again from new weights "
    "(warm_start=True goes on with the old ones)"
)
INTERRUPTED = "training was interrupted after epoch {}; the model keeps the parameters of epoch {}"


def _of_solution(name, doc):
    """A property that a fitted model takes from its solution."""

    def get(self):
        check_fitted(self)
        return getattr(self.solution, name)

    return property(get, doc=doc)


class LatentModel:
    """A model of p(x, z) = p(x|z) p(z) whose decoder is a network: a base class.

    A derived class defines ``networks``, by name, and ``objective``, what training
    minimizes.
    """

    has_posterior = True  # q(z|x) is a distribution, not a point
    is_amortized = True  # an encoder computes the code of any row
    settings_class = FitSettings

    solution = None
    n_features = _of_solution("n_features", "Columns of the data.")
    n_conditions = _of_solution("n_conditions", "Columns of the condition; 0 without one.")
    history = _of_solution("history", "What training reported by epoch; see `Solution`.")
    log = _of_solution("log", "What training reported by iteration; see `Solution`.")
    converged = _of_solution("converged", "Whether the stopping rule was satisfied.")
    stop_reason = _of_solution("stop_reason", "Why training stopped.")
    n_epochs = _of_solution("n_epochs", "Epochs run.")
    best_epoch = _of_solution("best_epoch", "The epoch that the parameters are from.")
    scores = _of_solution("scores", "The ELBO of training and held-out rows; see `Solution`.")
    feature_names = _of_solution("feature_names", "Names of the columns; None for an array.")

    def __init__(self, latent_dim, decoder, likelihood, own_terms, dtype, backend, prior=None):
        self.latent_dim = check_count("latent_dim", latent_dim)
        self.decoder = check_network("decoder", decoder)
        if isinstance(likelihood, str):
            likelihood = LIKELIHOODS[check_choice("likelihood", likelihood, LIKELIHOODS)]()
        self.likelihood = check_likelihood(likelihood)
        self.dtype = None if dtype is None else check_dtype(dtype)
        self.backend_name = check_choice("backend", backend, BACKENDS)
        self.backend = get_backend(backend)
        given = {name: term for name, term in own_terms.items() if term is not None}
        self.own_terms = {name: check_callable(name, term) for name, term in given.items()}
        if prior is not None and "neglogprior" in given:
            raise ValueError(
                "prior and neglogprior were both passed; a prior has its own: pass one"
            )
        self.prior = StandardNormal() if prior is None else check_prior("prior", prior)

    @property
    def changed_terms(self):
        """The names of the terms that are not vaelite's default ones, a set."""
        is_standard = type(self.prior) is StandardNormal
        return set(self.own_terms) | (set() if is_standard else {"neglogprior"})

    def __repr__(self):
        networks = [name for name in ("encoder", "decoder") if hasattr(self, name)]
        prior = () if type(self.prior) is StandardNormal else ("prior",)
        settings = ("latent_dim", *networks, "likelihood", *prior)
        shown = (f"{name}={getattr(self, name)!r}" for name in settings)
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def params(self):
        """The networks' weights and biases by name, such as ``"encoder.mu.W"``."""
        check_fitted(self)
        return self.solution.params

    @params.setter
    def params(self, params):
        check_fitted(self)
        params = check_params("the model", params, self.shapes(), self.solution.dtype)
        self.solution = replace(self.solution, params=params)

    # Every fit: settings, data, run, solution.

    def _fit(self, settings, X, X_test=None, condition=None, condition_test=None, again=None):
        """Fit; ``again`` is the record of a fit to repeat."""
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
        start = self.params if settings.warm_start else None
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
        for finding in checkup(self, run.data, run.evaluated["val"]).problems:
            if finding.name != "not-converged":  # `train` warned of it
                warn(str(finding), FitWarning)

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
        target = self._minimized(self.objective(**settings.of_objective()), settings)
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

    def _with(self, solution):
        """A copy of the model with another solution."""
        model = copy.copy(self)
        model.solution = solution
        return model

    def _started(self, n_features, n_conditions, dtype, seed):
        """A copy of the model with new random weights."""
        start = self._with(Solution({}, n_features, n_conditions))
        rng = generator(seed, Stream.INIT)
        for prefix, (network, n_inputs, heads) in start.networks().items():
            network.check_inputs(n_inputs, n_conditions)
            start._draw(prefix, network, network.shapes(n_inputs, heads), rng, dtype)
            try_network(network, n_inputs, heads, own_params(start.params, prefix), dtype)
        start._draw("prior", self.prior, self.prior.shapes(self.latent_dim), rng, dtype)
        try_prior(self.prior, self.latent_dim, own_params(start.params, "prior"), dtype)
        return start

    def _draw(self, prefix, part, shapes, rng, dtype):
        """Add the first parameters of a network or a prior."""
        params = check_params(prefix, part.init_params(rng, shapes, dtype), shapes)
        for name, array in params.items():  # copies in C order, to be trained in place
            self.params[f"{prefix}.{name}"] = np.array(array, dtype, order="C")

    def build(self, n_features, dtype=None, rng=None, n_conditions=0):
        """Give the model new random weights, as `fit` does when it starts.

        Parameters
        ----------
        n_features : int
        dtype : {float32, float64}, optional
            By default the model's dtype, or float32.
        rng : None, int, SeedSequence or Generator
        n_conditions : int
            Columns of the condition, for a conditional model.

        Returns
        -------
        This model.
        """
        n_features = check_count("n_features", n_features)
        n_conditions = check_count("n_conditions", n_conditions, minimum=0)
        dtype = check_dtype(dtype or self.dtype or np.float32)
        start = self._started(n_features, n_conditions, dtype, seed_sequence(rng))
        self.solution = start.solution
        return self

    def networks(self):
        """Return each network by name, with its number of inputs and its heads."""
        n_inputs = self.latent_dim + self.n_conditions
        return {"decoder": (self.decoder, n_inputs, self._outputs())}

    def _outputs(self):
        """The decoder's heads; a likelihood may return them as plain tuples."""
        heads = self.likelihood.heads(self.n_features)
        return {name: Head(*head) for name, head in heads.items()}

    def shapes(self):
        """Return the shape of every parameter by name."""
        return {
            f"{prefix}.{name}": tuple(shape)
            for prefix, (network, n_inputs, heads) in self.networks().items()
            for name, shape in network.shapes(n_inputs, heads).items()
        } | {
            f"prior.{name}": tuple(shape)
            for name, shape in self.prior.shapes(self.latent_dim).items()
        }

    def _decode(self, params, z, condition=None):
        z = z if condition is None else join(z, condition)
        outputs = self.decoder(own_params(params, "decoder"), z, self._outputs())
        return self.likelihood.parameters(*outputs)

    def _prior(self, params):
        names = self.prior.shapes(self.latent_dim)  # in the prior's own order
        return self.prior.parameters({name: params[f"prior.{name}"] for name in names})

    def _terms(self, normalized):
        """The terms of this model, and the parameters of its prior."""
        check_flag("normalized", normalized)
        ours = {
            "negloglikelihood": self.likelihood.negloglikelihood,
            "neglogprior": self.prior.neglogprior,
            "neglogposterior": terms.neglogposterior,
        }
        if not normalized:
            owners = {"negloglikelihood": self.likelihood, "neglogprior": self.prior}
            keep = [name for name, owner in owners.items() if not owner.has_constants]
            drop = {name: term for name, term in ours.items() if name not in keep}
            ours |= {name: partial(term, normalized=False) for name, term in drop.items()}
        own = {name: in_dtype(term) for name, term in self.own_terms.items()}
        return {**ours, **own, "prior": self._prior}

    def decode(self, z, *, condition=None) -> tuple[Array, ...]:
        """Return the parameters of p(x|z).

        Parameters
        ----------
        z : array-like, shape (n, latent_dim)
        condition : array-like, shape (n, n_conditions) or (n_conditions,), optional
            For a model that was fitted with one; a single row is used for all.

        Returns
        -------
        tuple of arrays
            With the Gaussian likelihood mu, (n, n_features), and logsigma, (n, 1) or
            (n, n_features).
        """
        check_fitted(self)
        z, dtype = check_array(z, "z"), self.solution.dtype
        check_width("z", z, self.latent_dim, type(self).__name__)
        summarize(z, dtype, "z", grey_levels=False)
        return self._decode_codes(z, condition)

    def _decode_codes(self, z, condition):
        codes = Dataset(z, self.solution.dtype, False, self.backend)
        batches = codes.given(condition, self.n_conditions).batches(CHUNK_ROWS)
        return self._by_chunks(lambda params, c: self._decode(params, c.x, c.condition), batches)

    @explain_keywords
    def sample(self, n: int, rng: Seed = None, *, mean=False, condition=None) -> Array:
        """Generate data: z ~ p(z), the prior, then x ~ p(x|z).

        Parameters
        ----------
        n : int
        rng : None, int, SeedSequence or Generator
            None draws other samples each time.
        mean : bool
            True returns E[x|z] instead of a draw from p(x|z): images without pixel
            noise.
        condition : array-like, shape (n, n_conditions) or (n_conditions,), optional
            For a model that was fitted with one; a single row is used for all.

        Returns
        -------
        array, shape (n, n_features)

        Warns
        -----
        UserWarning
            If the model was fitted with a bare ``neglogprior``, which has no samples:
            then z ~ N(0, I). Pass a `Prior` as ``prior`` instead.
        """
        check_fitted(self)
        rng, n = sampling_generator(rng, Stream.SAMPLE), check_count("n", n, minimum=0)
        if self.own_terms.get("neglogprior", terms.neglogprior) is not terms.neglogprior:
            warn(
                "codes come from N(0, I), not from your neglogprior, which has no samples; fit "
                "with prior=, an object with neglogprior and sample (vaelite.Prior)"
            )
        dtype = self.solution.dtype
        z = self.prior.sample(rng, (n, self.latent_dim), dtype, *self._prior(self.params))
        z = z.astype(dtype, copy=False)
        outputs = self._decode_codes(z, condition)
        likelihood = self.likelihood
        is_mean = check_flag("mean", mean)
        return likelihood.expectation(*outputs) if is_mean else likelihood.sample(rng, *outputs)

    def save(self, path) -> None:
        """Write the model to one .npz file, without pickle; `vaelite.load` reads it.

        An older file is replaced only when the new one is complete. Your own terms,
        likelihoods and networks are code and are not saved: pass them to `vaelite.load`
        again.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            If the file cannot be written.
        """
        check_fitted(self)
        check_path("path", path)
        files.save(self, path)

    def batches(self, X, rows=CHUNK_ROWS, *, condition=None):
        """Yield the rows of X in their order, in batches of floats without noise.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rows : int
            Per batch.
        condition : optional
            As for `decode`.

        Yields
        ------
        Batch
            With ``x`` and ``condition``.
        """
        return self._data(X, condition).batches(rows)

    def noisy_batches(self, X, rng, *, condition=None):
        """Yield the rows of X in their order with noise, in batches of bounded size.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : numpy.random.Generator
        condition : optional
            As for `decode`.

        Yields
        ------
        Batch
            With ``x``, ``eps`` and ``condition``.
        """
        return self._data(X, condition).noisy(CHUNK_ROWS, self.latent_dim, lambda b: rng)

    def _data(self, X, condition):
        """Data for a fitted model: checked, with a condition if the model has one."""
        check_fitted(self)
        columns = {"n_features": self.n_features, "feature_names": self.feature_names}
        data = self._checked(X, "X", self.solution.dtype, **columns)
        return data.given(condition, self.n_conditions)

    def _checked(self, X, name, dtype=None, **settings):
        dtype, owner = dtype or self.dtype, type(self).__name__
        settings |= {"name": name, "owner": owner}
        return Dataset.checked(X, self.likelihood, self.backend, dtype, **settings)

    def _by_chunks(self, function, batches):
        """``function(params, batch)``, a tuple of arrays, for all rows."""
        params, to_host = self.device_params(), self.backend.to_host
        chunks = [tuple(map(to_host, function(params, batch))) for batch in batches]
        return tuple(np.concatenate(parts) for parts in zip(*chunks, strict=True))

    def device_params(self):
        """Return the parameters where the backend computes."""
        return {name: self.backend.to_device(array) for name, array in self.params.items()}


def _solution(model, run, kept, reason):
    """The solution after the last whole epoch of a run, with its record."""
    return replace(model._solved(kept.state.solution(run, reason)), record=kept.record)


def encoder_width(model):
    """Columns of the encoder's input: the likelihood's for a row, and the condition."""
    row = model.likelihood.encoder_input(np.zeros((1, model.n_features), np.float32))
    return row.shape[1] + model.n_conditions


def run_encoder(model, params, heads, x, condition=None):
    """The outputs of a model's encoder, a tuple with one array per head."""
    x = model.likelihood.encoder_input(x)
    x = x if condition is None else join(x, condition)
    return model.encoder(own_params(params, "encoder"), x, heads)
