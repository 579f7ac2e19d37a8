"""The variational autoencoder, whole: its settings, its networks, and what it can do.

`LatentModel` is p(x, z) = p(x|z) p(z) with a decoder; `VAE` adds q(z|x), the encoder.
"""

import copy
import inspect
import math
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from . import terms
from .arrays.backend import Backend
from .arrays.streams import Stream, sampling_generator, seed_sequence
from .checks import (
    check_callable,
    check_count,
    check_dtype,
    check_flag,
    check_keywords,
    check_number,
    check_pairs,
    check_path,
    check_sizes,
    explain_keywords,
    warn,
)
from .data.checks import check_array, check_labels, check_width, summarize
from .data.dataset import Dataset
from .fit.fit import fit, refit
from .fit.outcome import summary
from .fit.plan import CHUNK_ROWS
from .fit.settings import (
    STARTS,
    Result,
    Setting,
    check_backend,
    check_callbacks,
    check_learning_rate,
    check_optimizer,
    check_progress,
    check_rng,
    check_stopping,
    check_together,
    choice,
    get_params,
    not_negative,
    optional,
    plain_signature,
    set_params,
)
from .fit.start import new_params
from .fit.types import (
    Activation,
    Array,
    BackendName,
    DType,
    Function,
    Init,
    Integer,
    LikelihoodName,
    Optimizer,
    Real,
    Rule,
    Seed,
    Sizes,
)
from .likelihoods import Likelihood
from .models.checks import check_fitted, check_likelihood, check_network, check_params, check_prior
from .networks.base import INITS, Head, Network, own_params
from .networks.dense import dense
from .objectives import KL, OWN_TERMS, NegELBO, in_dtype, objective_class
from .ops import ACTIVATIONS, join
from .priors import Prior, StandardNormal
from .saving import files, provenance
from .state import Solution
from .stopping import stopping_rule

OTHER_NAMES = {  # what other libraries call a method
    "predict": "reconstruct(X)",
    "forward": "reconstruct(X)",
    "generate": "sample(n)",
    "train": "fit(X)",
    "evaluate": "score(X)",
    "load": "vaelite.load(path)",
    "state_dict": "params",
    "parameters": "params",
}


@plain_signature
@dataclass(eq=False, repr=False)
class LatentModel:
    """A model of p(x, z) = p(x|z) p(z) whose decoder is a network: a base class.

    It has the settings that every model has; `VAE` describes them. A derived class
    defines ``encode`` and ``loss``, what training minimizes.
    """

    latent_dim: Setting[Integer, int] = Setting(2, check_count)
    hidden_dim: Setting[Sizes, tuple[int, ...]] = Setting((512, 256), check_sizes)
    _: KW_ONLY
    activation: Setting[Activation, str] = Setting("relu", choice(*ACTIVATIONS))
    init: Setting[Init, str] = Setting("glorot", choice(*INITS))
    encoder: Setting[Network | None, Network | None] = Setting(None, optional(check_network))
    decoder: Setting[Network | None, Network | None] = Setting(None, optional(check_network))
    likelihood: Setting[LikelihoodName | Likelihood, Likelihood] = Setting(
        "gaussian", check_likelihood
    )
    negloglikelihood: Setting[Function | None, Function | None] = Setting(
        None, optional(check_callable)
    )
    dtype: Setting[DType | None, np.dtype | None] = Setting(None, optional(check_dtype))
    backend: Setting[BackendName | Backend, Backend] = Setting("numpy", check_backend)

    batch_size: Setting[Integer | None, int | None] = Setting(None, optional(check_count))
    start: Setting[Literal["data", "network"], str] = Setting("data", choice(*STARTS))
    learning_rate: Setting[Real | Function, Any] = Setting(1e-3, check_learning_rate)
    weight_decay: Setting[Real, float] = Setting(0.0, not_negative)
    optimizer: Setting[Optimizer | None, Any] = Setting(None, optional(check_optimizer))
    max_epochs: Setting[Integer, int] = Setting(1000, check_count)
    stopping: Setting[Rule, Any] = Setting("heldout", check_stopping)
    tol: Setting[Real | None, float | None] = Setting(None, optional(not_negative))
    patience: Setting[Integer | None, int | None] = Setting(None, optional(check_count))
    validation_fraction: Setting[Real | None, float | None] = Setting(
        None, optional(partial(check_number, low=0, high=1))
    )
    steps_per_epoch: Setting[Integer | None, int | None] = Setting(None, optional(check_count))
    warm_start: Setting[bool, bool] = Setting(False, check_flag)
    rng: Setting[Seed, Any] = Setting(None, check_rng)

    progress: Setting[bool | Literal["lines", "bar"], bool | str] = Setting(False, check_progress)
    log_every: Setting[Integer, int] = Setting(100, check_count)
    normalized: Setting[bool, bool] = Setting(True, check_flag)
    callbacks: Setting[Any, tuple] = Setting((), check_callbacks)
    checkpoint: Setting[Any, Any] = Setting(None, optional(check_path))
    checkpoint_seconds: Setting[Real, float] = Setting(0.0, not_negative)

    has_posterior = True  # q(z|x) is a distribution, not a point
    is_amortized = True  # an encoder computes the code of any row
    how = None  # another way to train, for `fit.fit.fit`
    prior = StandardNormal()  # `VAE` has a setting in its place

    solution = None
    n_features = Result[int]("Columns of the data.")
    n_conditions = Result[int]("Columns of the condition; 0 without one.")
    feature_names = Result[tuple[str, ...] | None]("Names of the columns; None for an array.")
    history = Result[dict[str, list[float]]]("What training reported by epoch; see `Solution`.")
    log = Result[dict[str, list[float]]]("What training reported by iteration; see `Solution`.")
    converged = Result[bool]("Whether the stopping rule was satisfied.")
    stop_reason = Result[str]("Why training stopped.")
    n_epochs = Result[int]("Epochs run.")
    best_epoch = Result[int]("The epoch that the parameters are from.")
    scores = Result[dict[str, float]]("The ELBO of training and held-out rows; see `Solution`.")
    if not TYPE_CHECKING:  # a type checker knows the signature of __init__

        def __new__(cls, *args, **settings):
            """Answer an unknown setting with the name that was perhaps meant."""
            check_keywords(cls.__name__, settings, cls.__dataclass_fields__)
            if len(args) > 2:
                raise TypeError(
                    f"{cls.__name__}(latent_dim, hidden_dim) got {len(args)} arguments without a "
                    "name; pass all others by name"
                )
            return super().__new__(cls)

        def __getattr__(self, name):
            """Say what a name of other libraries is called here."""
            if name not in OTHER_NAMES:
                return self.__getattribute__(name)  # raises the error of before
            kind, meant = type(self).__name__, OTHER_NAMES[name]
            raise AttributeError(f"{kind} has no attribute {name!r}; did you mean {meant}?")

    def __setattr__(self, name, value):
        """Check a setting, and keep it."""
        setting = inspect.getattr_static(type(self), name, None)
        if isinstance(setting, Setting):
            is_default = value is setting.default
            value = setting.kept_default if is_default else setting.check(name, value)
        super().__setattr__(name, value)

    def __repr__(self):
        names = "latent_dim", *(("encoder",) if self.is_amortized else ()), "decoder", "likelihood"
        names += () if type(self.prior) is StandardNormal else ("prior",)
        shown = (f"{name}={self.part(name)!r}" for name in names)
        return f"{type(self).__name__}({', '.join(shown)})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all settings by name, as scikit-learn's estimators do.

        Parameters
        ----------
        deep : bool
            Also return the settings of parts, such as ``likelihood__sigma``.
        """
        return get_params(self, deep)

    def set_params(self, **settings) -> Self:
        """Set settings by name; ``likelihood__sigma=0.1`` is a setting of a part."""
        set_params(self, settings)
        return self

    def part(self, name):
        """Return a setting by name; encoder and decoder as the network that is used."""
        given = getattr(self, name)
        if given is not None or name not in ("encoder", "decoder"):
            return given
        sizes = self.hidden_dim if name == "encoder" else self.hidden_dim[::-1]
        return dense(sizes, self.activation, self.init)

    def rule(self):
        """Return a new stopping rule of these settings."""
        return stopping_rule(self.stopping, self.tol, self.patience)

    @property
    def own_terms(self) -> dict[str, Function]:
        """Your own terms by name."""
        return {k: term for k in OWN_TERMS if (term := getattr(self, k, None)) is not None}

    @property
    def changed_terms(self) -> set[str]:
        """The names of the terms that are not vaelite's default ones."""
        is_standard = type(self.prior) is StandardNormal
        return set(self.own_terms) | (set() if is_standard else {"neglogprior"})

    # The networks and their parameters.

    def networks(self):
        """Return each network by name, with its number of inputs and its heads."""
        n_features, n_conditions = self.solution.n_features, self.solution.n_conditions
        outputs = self.likelihood.heads(n_features).items()
        heads = {name: Head(*head) for name, head in outputs}  # yours may return plain tuples
        found = {"decoder": (self.part("decoder"), self.latent_dim + n_conditions, heads)}
        if self.is_amortized:
            row = self.likelihood.encoder_input(np.zeros((1, n_features), np.float32))
            names = ("mu", "logsigma") if self.has_posterior else ("mu",)
            heads = dict.fromkeys(names, Head(self.latent_dim))
            encoder = self.part("encoder"), row.shape[1] + n_conditions, heads
            found = {"encoder": encoder} | found
        return found

    def shapes(self):
        """Return the shape of every parameter by name."""
        parts = {
            prefix: network.shapes(n_inputs, heads)
            for prefix, (network, n_inputs, heads) in self.networks().items()
        } | {"prior": self.prior.shapes(self.latent_dim)}
        return {
            f"{prefix}.{name}": tuple(shape)
            for prefix, shapes in parts.items()
            for name, shape in shapes.items()
        }

    def build(self, n_features, dtype=None, rng: Seed = None, n_conditions=0) -> Self:
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
        check_together(self)
        n_features = check_count("n_features", n_features)
        n_conditions = check_count("n_conditions", n_conditions, minimum=0)
        dtype = check_dtype("dtype", dtype or self.dtype or np.float32)
        bare = self.with_solution(Solution({}, n_features, n_conditions))
        params = new_params(bare, dtype, seed_sequence(rng))
        self.solution = replace(bare.solution, params=params)
        return self

    @property
    def params(self) -> dict[str, Array]:
        """The weights and biases of all networks by name, such as "encoder.mu.W"."""
        check_fitted(self)
        return self.solution.params

    @params.setter
    def params(self, params):
        check_fitted(self)
        params = check_params("the model", params, self.shapes(), self.solution.dtype)
        self.solution = replace(self.solution, params=params, diagnosis=None)

    def device_params(self):
        """Return the parameters where the backend computes."""
        if self.backend.name == "numpy":
            return dict(self.params)
        return {name: self.backend.to_device(array) for name, array in self.params.items()}

    def with_solution(self, solution) -> Self:
        """Return a copy of the model with another solution."""
        model = copy.copy(self)
        model.solution = solution
        return model

    def encoding(self):
        """Return a function of (params, x, condition): the encoder's outputs, a tuple.

        They are mu and, of a model with a q(z|x), logsigma.
        """
        network, _, heads = self.networks()["encoder"]
        return partial(_encode, network, heads, self.likelihood)

    def decoding(self):
        """Return a function of (params, z, condition): the parameters of p(x|z)."""
        network, _, heads = self.networks()["decoder"]
        return partial(_decode, network, heads, self.likelihood)

    def prior_parameters(self):
        """Return a function of params: the parameters of p(z), a tuple."""
        return partial(_prior_parameters, self.prior, self.latent_dim)

    def terms(self, normalized=True):
        """Return the terms of this model by name, and the parameters of its prior."""
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
        return {**ours, **own, "prior": self.prior_parameters()}

    # Rows of data, in batches of bounded size.

    def data(self, X, condition=None, *, name="X", like=None, fitting=False) -> Dataset:
        """Return rows as a checked data set.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        condition : array-like, optional
        name : str
            What error messages call X.
        like : Solution or Dataset, optional
            Whose columns, dtype and condition the rows should have.
        fitting : bool
            Whether to warn of data that can be fitted, but not well.
        """
        dtype, n_conditions, columns = self.dtype, None, {}
        if like is not None:
            dtype, n_conditions = like.dtype, like.n_conditions
            columns = {"n_features": like.n_features, "feature_names": like.feature_names}
        settings = {**columns, "name": name, "owner": type(self).__name__, "fitting": fitting}
        data = Dataset.checked(X, self.likelihood, self.backend, dtype, **settings)
        return data.given(condition, n_conditions, name=name.replace("X", "condition"))

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
        check_fitted(self)
        return self.data(X, condition, like=self.solution).batches(rows)

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
        check_fitted(self)
        data = self.data(X, condition, like=self.solution)
        return data.noisy(CHUNK_ROWS, self.latent_dim, lambda b: rng)

    def by_chunks(self, function, batches):
        """Return ``function(params, batch)``, a tuple of arrays, for all rows."""
        params, to_host = self.device_params(), self.backend.to_host
        chunks = [tuple(map(to_host, function(params, batch))) for batch in batches]
        return tuple(np.concatenate(parts) for parts in zip(*chunks, strict=True))

    # What the decoder can do.

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
        if isinstance(z, tuple) and [np.ndim(part) for part in z] == [2, 2]:
            raise TypeError(
                "z is a pair, perhaps (mu, logsigma) from encode; pass the codes: z[0], or codes(X)"
            )
        z, dtype = check_array(z, "z"), self.solution.dtype
        check_width("z", z, self.latent_dim, type(self).__name__)
        summarize(z, dtype, "z", grey_levels=False)
        return self._decode(z, condition)

    def _decode(self, z, condition):
        codes = Dataset(z, self.solution.dtype, False, self.backend)
        batches = codes.given(condition, self.n_conditions).batches(CHUNK_ROWS)
        decode = self.decoding()
        return self.by_chunks(
            lambda params, batch: decode(params, batch.x, batch.condition), batches
        )

    def inverse_transform(self, z, *, condition=None) -> Array:
        """Return E[x|z] for each code, shape (n, n_features)."""
        return self.likelihood.expectation(*self.decode(z, condition=condition))

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
        dtype, p = self.solution.dtype, self.prior_parameters()(self.params)
        z = self.prior.sample(rng, (n, self.latent_dim), dtype, *p).astype(dtype, copy=False)
        outputs, likelihood = self._decode(z, condition), self.likelihood
        is_mean = check_flag("mean", mean)
        return likelihood.expectation(*outputs) if is_mean else likelihood.sample(rng, *outputs)

    # The fit, and what is left of it.

    def fit(self, X, y=None, *, X_test=None, condition=None, condition_test=None) -> Self:
        """Train on the rows of X, from new random weights.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            Floats, or uint8 gray levels (255 is read as 1), in memory or on disk
            (`numpy.memmap`).
        y : ignored
            Here because scikit-learn's pipelines pass labels.
        X_test : array-like, shape (m, n_features), optional
            Rows whose loss is recorded after every epoch; they do not influence
            training.
        condition, condition_test : array-like, shape (n, n_conditions), optional
            What is known of each row of X and of X_test, such as its class as zeros and
            a one. Encoder and decoder see it: the model is p(x|z, c) and q(z|x, c).

        Returns
        -------
        This model.

        Raises
        ------
        ValueError, TypeError
            For data or settings that cannot work; the message says what to do.
        TrainingError
            If a loss or a gradient is not finite, also after three retries with a
            smaller learning rate; the message names the epoch, the batch and the array.

        Warns
        -----
        ConvergenceWarning
            If ``max_epochs`` ends a run with held-out rows that was still improving.
        UserWarning
            Once, if y looks like labels that were meant as a condition.

        Notes
        -----
        Ctrl-C ends training after the first epoch as early stopping would, with a
        warning: the model is that of a whole epoch. A fit that fails leaves the model
        as it was; the error's attribute ``model`` is the model as trained so far.
        """
        check_labels(y, X, condition)
        return fit(self, X, X_test, condition, condition_test)

    def refit(self, X, *, X_test=None, condition=None, condition_test=None, **own) -> Self:
        """Repeat the fit of this model on the same data, and return the new model.

        With the same versions, processor and threads (see `receipt`), it has the same
        parameters bit for bit.

        Parameters
        ----------
        X, X_test, condition, condition_test
            What the model was fitted on.
        **own
            Settings that a file cannot hold: ``callbacks``, your own ``stopping`` rule;
            and ``progress``, ``checkpoint``.

        Raises
        ------
        ValueError
            If the data or the settings are others, or if the model was not fitted.

        Warns
        -----
        UserWarning
            If versions differ: rounding, and so the numbers, may differ.
        """
        return refit(self, X, X_test, condition, condition_test, own)

    def summary(self) -> str:
        """Return in one line how the fit ended: why, which epoch is kept, the scores.

        The ELBO is that of the parameters that were kept, on training rows (at most
        2,000, or as many as were held out) and on held-out rows, with all constants.
        ``history`` ends with the last epoch, which may be a later one.
        """
        check_fitted(self)
        return summary(self)

    @property
    def diagnosis(self) -> Any:
        """What the doctor found after early stopping, a `Diagnosis`, or None.

        It is not saved; `vaelite.doctor` makes another one at any time.
        """
        return None if self.solution is None else self.solution.diagnosis

    def receipt(self) -> None:
        """Print what repeats the fit: its result, settings, seed, data and versions.

        The data are listed with their shape, dtype and a digest of all their numbers.
        ``solution.provenance`` has the same as a dict.
        """
        print("\n".join([str(self), self.summary(), *provenance.lines(self)]))

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

    def __sklearn_is_fitted__(self):
        return self.solution is not None

    def __sklearn_tags__(self):
        """Tell scikit-learn, which asks for it, that this is a transformer."""
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(None, TargetTags(False), TransformerTags(), input_tags=InputTags())


def _prior_parameters(prior, latent_dim, params):
    names = prior.shapes(latent_dim)  # in the prior's own order
    return prior.parameters({name: params[f"prior.{name}"] for name in names})


def _encode(network, heads, likelihood, params, x, condition=None):
    x = likelihood.encoder_input(x)
    x = x if condition is None else join(x, condition)
    return network(own_params(params, "encoder"), x, heads)


def _decode(network, heads, likelihood, params, z, condition=None):
    z = z if condition is None else join(z, condition)
    return likelihood.parameters(*network(own_params(params, "decoder"), z, heads))


@plain_signature
@dataclass(eq=False, repr=False, kw_only=True)
class VAE(LatentModel):
    """A variational autoencoder.

    All settings are passed here, by name; ``fit`` takes data. They can be read, and set
    before another fit, as attributes.

    Parameters
    ----------
    latent_dim : int
        Size of the code z.
    hidden_dim : int or sequence of int
        Sizes of the hidden layers of a `Dense` encoder; a `Dense` decoder has them in
        reverse.
    activation : {"relu", "tanh", "softplus"}
        Of the hidden layers.
    init : {"glorot", "torch"}
        How their weights start; see `Network.init_params`.
    encoder, decoder : Network, optional
        In place of `Dense` networks, such as `Convolutional`, or your own, derived from
        `Network`.
    likelihood : str or Likelihood
        What the decoder's outputs say about x. "gaussian", "bernoulli",
        "continuous_bernoulli" and "categorical" are `Gaussian()`, `Bernoulli()`,
        `ContinuousBernoulli()` and `Categorical()`; your own is derived from
        `Likelihood`. For real numbers that are not in [0, 1], "gaussian" is
        ``Gaussian(mean="identity", sigma="shared")``, as in probabilistic PCA.
    prior : Prior, optional
        p(z), such as `Mixture`, or your own, derived from `Prior`; by default N(0, I).
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable, optional
        Your own terms in place of `vaelite.terms`, with the same arguments and one
        number per example. Write them with autograd's NumPy:
        ``import autograd.numpy as np``.
    dtype : {None, "float32", "float64"}
        Of all computation. None takes the data's, and float32 for integers.
    backend : {"numpy", "cupy", "auto"}
        Where to train, encode, decode, sample and score: NumPy; a GPU, by CuPy; or a
        GPU if there is one. All results are NumPy arrays.
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
    batch_size : int, optional
        Rows per training step; by default 1/300 of the rows, but from 32 to 128.
    start : {"data", "network"}
        Where training starts. "data": the decoder's biases are the mean and the
        standard deviation of the data, the sigma of each q(z|x) is 1, and its mu
        varies by a standard deviation of at most 0.3. "network": at the networks' own
        first parameters, as in the sources.
    learning_rate : float or callable
        Adam's, at the start; or a function of the number of steps taken, from 0.
    weight_decay : float
        Adam's: how fast the weights fall towards 0, against overfitting.
    optimizer : object with a method ``update(params, grads)``, optional
        In place of Adam; it changes the arrays of ``params`` in place. A copy is used.
        If it has a ``learning_rate``, early stopping lowers it.
    max_epochs : int
        The largest number of passes over the data.
    stopping : {"heldout", "lecture", "epochs"}, HeldOut, Lecture or Epochs
        "heldout" is early stopping: it holds out a part of the rows and stops when
        their loss no longer improves by more than ``tol``, also at lower learning rates
        (`HeldOut`). "lecture" is the lecture's rule (`Lecture`). "epochs" runs all
        ``max_epochs``, and evaluates the test rows if there are any.
    tol : float, optional
        Nats per example; by default 0.1 with "heldout" and 1 with "lecture".
    patience : int, optional
        Epochs that "heldout" waits for an improvement before it lowers the learning
        rate, and at last before it stops; 30 by default.
    validation_fraction : float, optional
        Part of the rows that "heldout" holds out; 0.1 by default.
    steps_per_epoch : int, optional
        End an epoch after this many batches, for very large data. After an epoch, no
        more rows are evaluated than it was trained on.
    warm_start : bool
        Let ``fit`` train this model further: its parameters, epochs and history, with a
        new optimizer and stopping rule, for up to ``max_epochs`` more epochs. Without
        ``rng``, with the seed of its last fit: the same rows stay held out.
    rng : None, int, SeedSequence or Generator
        A seed, for the same fit again. None takes fresh entropy.
    progress : {False, True, "lines", "bar"}
        True prints lines; in a terminal with tqdm installed, and in a notebook with
        tqdm and ipywidgets, it also shows a bar.
    log_every : int
        Iterations between two entries of ``log``, and between two printed lines.
    normalized : bool
        False drops the log(2 pi) constants of vaelite's terms from all losses that are
        reported, as the lecture does.
    callbacks : callable or list of callable
        Called as ``callback(model, state)`` after every epoch, with the model as
        trained so far, which it may keep, and a `State`. Training stops if one returns
        True. Methods ``on_iteration(model, state)`` and ``on_end(model, state)`` are
        called as well.
    checkpoint : path, optional
        A file that keeps the state of training after every epoch. The same fit resumes
        from it, and ends as if it had not been stopped. ``max_epochs`` may be raised.
    checkpoint_seconds : float
        The shortest time between two writings of the checkpoint.

    Attributes
    ----------
    params : dict of arrays
        The networks' weights and biases by name, such as ``params["encoder.mu.W"]``.
    history, log, scores, converged, stop_reason, n_epochs, best_epoch, n_features,
    n_conditions
        What training found, as in `Solution`.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.VAE(hidden_dim=64, max_epochs=3, stopping="epochs", rng=0)
    >>> mu, logsigma = vae.fit(X).encode(X)
    >>> mu.shape, vae.sample(16, rng=1).shape
    ((1797, 2), (16, 64))
    """

    prior: Setting[Prior | None, Prior] = Setting(None, check_prior)  # type: ignore[assignment]
    neglogprior: Setting[Function | None, Function | None] = Setting(None, optional(check_callable))
    neglogposterior: Setting[Function | None, Function | None] = Setting(
        None, optional(check_callable)
    )
    reparameterize: Setting[Function | None, Function | None] = Setting(
        None, optional(check_callable)
    )
    kl: Setting[Literal["sample", "analytic"], str] = Setting("sample", choice(*KL))
    beta: Setting[Real, float] = Setting(1.0, not_negative)
    warmup_epochs: Setting[Integer, int] = Setting(0, partial(check_count, minimum=0))
    importance_samples: Setting[Integer, int] = Setting(1, check_count)
    objective: Setting[Function | None, Any] = Setting(None, optional(check_callable))

    def loss(self, *, normalized=True, kl="sample", beta=1.0, importance_samples=1) -> NegELBO:
        """Return the negative ELBO or a variant of it: a function of (params, x, eps).

        Parameters
        ----------
        normalized : bool
            False drops the log(2 pi) constants of vaelite's terms.
        kl, beta, importance_samples
            As for `VAE`.

        Returns
        -------
        NegELBO or ImportanceWeighted
            With your own terms, if you passed any.
        """
        check_fitted(self)
        kind = objective_class(kl, beta, importance_samples, self.changed_terms)
        terms, is_analytic = self.terms(normalized), kl == "analytic"
        encode, decode = self.encoding(), self.decoding()
        return kind(encode, decode, **terms, beta=float(beta), analytic_kl=is_analytic)

    def encode(self, X, *, condition=None) -> tuple[Array, Array]:
        """Return the parameters of q(z|x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        condition : array-like, shape (n, n_conditions) or (n_conditions,), optional
            For a model that was fitted with one; a single row is used for all.

        Returns
        -------
        mu, logsigma : arrays, shape (n, latent_dim)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has other columns than the data of the fit.
        """
        batches, loss = self.batches(X, condition=condition), self.loss()

        def q(params, batch):
            return loss.given(batch.condition).encode(params, batch.x)

        mu, logsigma = self.by_chunks(q, batches)
        return mu, logsigma

    def codes(self, X, *, condition=None) -> Array:
        """Return the mean of q(z|x) for each row, shape (n, latent_dim)."""
        return self.encode(X, condition=condition)[0]

    def transform(self, X, *, condition=None) -> Array:
        """Return the codes of X: the name that scikit-learn's pipelines call."""
        return self.codes(X, condition=condition)

    def fit_transform(self, X, y=None, *, condition=None) -> Array:
        """Fit, and return the codes of X."""
        return self.fit(X, y, condition=condition).codes(X, condition=condition)

    def reconstruct(self, X, *, sample=False, rng: Seed = None, condition=None) -> Array:
        """Encode and decode: E[x|z] at the mean code, or at a code drawn from q(z|x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        sample : bool
            Draw the code from q(z|x).
        rng : None, int, SeedSequence or Generator
            For the draw.
        condition : optional
            As for `encode`.

        Returns
        -------
        array, shape (n, n_features)
        """
        if not check_flag("sample", sample) and rng is not None:
            raise ValueError("rng is for a code drawn from q(z|x): pass sample=True as well")
        z, logsigma = self.encode(X, condition=condition)
        if sample:
            noise = sampling_generator(rng, Stream.RECONSTRUCT)
            eps = noise.standard_normal(z.shape, dtype=z.dtype)
            z = self.loss().reparameterize(z, logsigma, eps)
        return self.inverse_transform(z, condition=condition)

    def score_samples(
        self, X, rng: Seed = 0, *, n_samples: int | None = None, condition=None
    ) -> Array:
        """Return the ELBO of each row: on average, a lower bound of log p(x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : int, SeedSequence, Generator or None
            For the codes; by default the same noise in every call, so that scores can
            be compared.
        n_samples : int, optional
            None draws one code per row, with other noise for each row. An even number
            takes the mean over that many codes, with the same noise for every row, in
            pairs of eps and -eps. Then the score of a row does not depend on its
            position or on the other rows, and it has less noise.
        condition : optional
            As for `encode`.

        Returns
        -------
        array, shape (n,)
            In nats, with all constants.

        Notes
        -----
        With ``n_samples`` the errors of the rows are not independent. They are smaller,
        also in the mean over the rows, but the spread over rows does not show their
        size. `vaelite.elbo` returns a mean with its standard error.
        """
        loss, to_device = self.loss(), self.backend.to_device
        draws = self._draws(sampling_generator(rng, Stream.SCORE), n_samples)

        def elbo(params, batch):
            given = loss.given(batch.condition)
            q = given.encode(params, batch.x)
            of_q = replace(given, encode=lambda params, x: q)
            losses = [of_q.parts(params, batch.x, to_device(e))[0] for e in draws(len(batch.x))]
            return (-sum(losses) / len(losses),)

        return self.by_chunks(elbo, self.batches(X, condition=condition))[0]

    def _draws(self, noise, n_samples):
        """A function of a number of rows: their noise, (samples, rows, latent_dim)."""
        dtype, K = self.solution.dtype, self.latent_dim
        if n_samples is None:
            return lambda rows: noise.standard_normal((1, rows, K), dtype=dtype)
        half = noise.standard_normal((check_pairs("n_samples", n_samples) // 2, 1, K), dtype=dtype)
        eps = np.concatenate([half, -half])
        return lambda rows: np.repeat(eps, rows, axis=1)

    def score(
        self, X, y=None, *, rng: Seed = 0, n_samples: int | None = None, condition=None
    ) -> float:
        """Return the mean of `score_samples`, in nats per example; y is ignored."""
        scores = self.score_samples(X, rng, n_samples=n_samples, condition=condition)
        return float(scores.mean(dtype=np.float64))

    def bits_per_dim(self, X, rng: Seed = 0, *, condition=None) -> float:
        """Return minus `score` in bits per feature: ``-score / (n_features * log(2))``.

        For `Categorical` these are bits of compression; a decoder that has learned
        nothing needs ``log2(levels)``. For `Gaussian`, p(x|z) is a density: the value
        depends on the unit of the data and may be negative.
        """
        score = self.score(X, rng=rng, condition=condition)
        return -score / (self.n_features * math.log(2))
