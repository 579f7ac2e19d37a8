"""What every latent-variable model has: a decoder, a likelihood, a prior, parameters.

A model is a specification, which ``__init__`` sets, and a solution, which ``fit`` or
``build`` assigns.
"""

import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .. import terms
from ..arrays.backend import BACKENDS, get_backend
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
from ..data.checks import check_array, check_width, summarize
from ..data.dataset import Dataset
from ..fit.plan import CHUNK_ROWS
from ..fit.trial import try_network, try_prior
from ..fit.types import Array, Seed
from ..likelihoods import LIKELIHOODS
from ..networks.base import Head, own_params
from ..objectives import in_dtype
from ..ops import join
from ..priors import StandardNormal
from ..saving import files
from ..state import Solution
from .checks import check_fitted, check_likelihood, check_network, check_params, check_prior

OTHER_NAMES = {  # what other libraries call a method
    "transform": "codes(X), or vaelite.sklearn.VAETransformer in a pipeline",
    "fit_transform": "fit(X).codes(X), or vaelite.sklearn.VAETransformer in a pipeline",
    "inverse_transform": "decode(z)",
    "predict": "reconstruct(X)",
    "forward": "reconstruct(X)",
    "generate": "sample(n)",
    "train": "fit(X)",
    "evaluate": "score(X)",
    "load": "vaelite.load(path)",
    "loss": 'history, such as history["train_loss"]',
    "state_dict": "params",
    "parameters": "params",
}


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

    if not TYPE_CHECKING:  # for a type checker a name that does not exist is an error

        def __getattr__(self, name):
            """Say what a name of other libraries is called here."""
            if name not in OTHER_NAMES:
                return self.__getattribute__(name)  # raises the error of before
            kind, meant = type(self).__name__, OTHER_NAMES[name]
            raise AttributeError(f"{kind} has no attribute {name!r}; did you mean {meant}?")

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
        if isinstance(z, tuple) and [np.ndim(part) for part in z] == [2, 2]:
            raise TypeError(
                "z is a pair, perhaps (mu, logsigma) from encode; pass the codes: z[0], or codes(X)"
            )
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


def encoder_width(model):
    """Columns of the encoder's input: the likelihood's for a row, and the condition."""
    row = model.likelihood.encoder_input(np.zeros((1, model.n_features), np.float32))
    return row.shape[1] + model.n_conditions


def run_encoder(model, params, heads, x, condition=None):
    """The outputs of a model's encoder, a tuple with one array per head."""
    x = model.likelihood.encoder_input(x)
    x = x if condition is None else join(x, condition)
    return model.encoder(own_params(params, "encoder"), x, heads)
