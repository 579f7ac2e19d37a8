"""A model without an encoder: a decoder, and mu and logsigma for each training row."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any, Self, Unpack, overload

import numpy as np

from .. import training
from ..adam import Adam
from ..arrays.dispatch import number
from ..checks import explain_keywords
from ..fit.plan import Run
from ..fit.settings import MeanFieldSettings, with_settings
from ..fit.types import (
    Activation,
    BackendName,
    DType,
    Init,
    Integer,
    LikelihoodName,
    MeanFieldDict,
    MeanFieldKeywords,
    Sizes,
)
from ..inference.infer import Q, infer
from ..likelihoods import Likelihood
from ..networks import Network
from ..networks.dense import dense_unless_given
from ..objectives import NegELBO, objective_class
from ..priors import Prior
from ..saving.provenance import digest
from ..state import Solution, TrainState
from .variational import VariationalModel

START = {"n_steps": 100, "n_samples": 2}  # for `infer`, where a warm start has other rows


class MeanField(VariationalModel):
    """A latent-variable model without an encoder.

    It has a decoder, and a mu and a logsigma for each row it was fitted on, as in the
    lecture before its "Amortized Optimization". Use it to compare with `VAE`, whose
    methods it has. What an encoder would compute at once, ``encode``, ``reconstruct``
    and ``score_samples`` find by `infer`, for any row and for the ELBO with beta = 1.
    They take as long as some hundred passes through a decoder, and their noise depends
    on which rows are passed together.

    Parameters
    ----------
    latent_dim, hidden_dim, activation, init, decoder, likelihood, prior, dtype
        As for `VAE`.
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable, optional
        Your own terms, as for `VAE`.
    backend : {"numpy"}

    Attributes
    ----------
    mu, logsigma : arrays, shape (n, latent_dim)
        Of q(z|x) for the rows of the fit, as training left them; ``history`` is about
        these. After short training ``encode`` finds better ones. They are not saved:
        a warm start of a loaded model, or on other rows, begins with those of `infer`.

    References
    ----------
    Hoffman, Blei, Wang & Paisley (2013), Stochastic Variational Inference.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> model = vaelite.MeanField(hidden_dim=64).fit(X, max_epochs=3, rng=0)
    >>> model.mu.shape, model.sample(2, rng=0).shape
    ((1797, 2), (2, 64))
    """

    is_amortized = False
    settings_class = MeanFieldSettings

    @explain_keywords
    def __init__(
        self,
        latent_dim: Integer = 2,
        hidden_dim: Sizes = (512, 256),
        *,
        activation: Activation = "relu",
        init: Init = "glorot",
        decoder: Network | None = None,
        likelihood: LikelihoodName | Likelihood = "gaussian",
        prior: Prior | None = None,
        negloglikelihood: Callable | None = None,
        neglogprior: Callable | None = None,
        neglogposterior: Callable | None = None,
        reparameterize: Callable | None = None,
        dtype: DType = None,
        backend: BackendName = "numpy",
    ):
        own_terms = {
            "negloglikelihood": negloglikelihood,
            "neglogprior": neglogprior,
            "neglogposterior": neglogposterior,
            "reparameterize": reparameterize,
        }
        _, decoder = dense_unless_given(hidden_dim, activation, init, None, decoder)
        super().__init__(latent_dim, decoder, likelihood, own_terms, dtype, backend, prior)
        if self.backend.name != "numpy":
            raise ValueError(f'MeanField computes in NumPy only, got backend="{backend}"')

    @overload
    def fit(self, X, **settings: Unpack[MeanFieldKeywords]) -> Self: ...

    @overload  # for an unpacked dict; see `keywords`
    def fit(self, X, *, _unpacked, **settings: Unpack[MeanFieldDict]) -> Self: ...

    @explain_keywords
    @with_settings(MeanFieldSettings)
    def fit(self, X, *, condition=None, **settings) -> Self:
        """Train the decoder on the rows of X, together with their mu and logsigma.

        A step changes the mu and the logsigma of its own batch only, with a separate
        Adam.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        condition : array-like, shape (n, n_conditions), optional
            What is known of each row; the decoder sees it.
        {settings}

        Returns
        -------
        MeanField
            This one.
        """
        settings = MeanFieldSettings.checked(self, settings)
        objective_class(settings.kl, settings.beta, 1, self.changed_terms)
        return self._fit(settings, X, condition=condition)

    def objective(self, *, normalized=True, kl="sample", beta=1.0):
        """Return the negative ELBO, as `VAE.objective`, with `infer` as the encoder."""
        objective_class(kl, beta, 1, self.changed_terms)
        terms, is_analytic = self._terms(normalized), kl == "analytic"
        beta = float(beta)
        return NegELBO(self._encode, self._decode, **terms, beta=beta, analytic_kl=is_analytic)

    def _encode(self, params, x, condition=None):
        return infer(self, x, condition=condition)

    def _plan(self, settings, seed, rule, data, evaluated):
        """A run that also trains each row's mu and logsigma, from the prior on."""
        target = self.objective(**settings.of_objective())
        target = replace(target, encode=lambda params, x, c=None: tuple(params[k] for k in Q))
        target = self._minimized(target, settings)
        run = LocalRun(target, seed, settings, self.latent_dim, data, evaluated)
        tables = self._tables(data, settings.warm_start)
        adam = settings.new_optimizer(self.params)
        state = LocalState({**self.params, **tables}, adam, rule)
        state.local = Adam(settings.local_learning_rate)
        state.local.m, state.local.v = ({k: 0 * tables[k] for k in Q} for _ in "mv")
        state.began = self.n_epochs if settings.warm_start else 0
        return run, state

    def _tables(self, data, goes_on):
        """Mu and logsigma of each row to start with: the prior's, or this model's."""
        if not goes_on or not self.n_epochs:
            return {name: np.zeros((len(data), self.latent_dim), data.dtype) for name in Q}
        q = self.mu, self.logsigma
        if self.mu is None or digest(data.X) != self._record()["data"]["X"]:
            q = infer(self, data.X, condition=data.condition, **START)
        return {name: array.copy() for name, array in zip(Q, q, strict=True)}

    def _solved(self, solution):
        mu, logsigma = (solution.params[name] for name in Q)
        params = {name: array for name, array in solution.params.items() if name not in Q}
        settings = {field.name: getattr(solution, field.name) for field in fields(Solution)}
        return MeanFieldSolution(**{**settings, "params": params}, mu=mu, logsigma=logsigma)

    @property
    def mu(self):
        """mu of q(z|x) for the rows of the fit, (n, latent_dim); None after `load`."""
        return getattr(self.solution, "mu", None)

    @property
    def logsigma(self):
        """logsigma of q(z|x) for the rows of the fit; None after `load`."""
        return getattr(self.solution, "logsigma", None)


@dataclass
class MeanFieldSolution(Solution):
    """A solution with the mu and the logsigma of each training row.

    Attributes
    ----------
    mu, logsigma : arrays, shape (n, latent_dim)
    """

    mu: Any = None
    logsigma: Any = None


@dataclass
class LocalState(TrainState):
    """The state of a run with a mu and a logsigma for each row: tables in ``params``.

    Attributes
    ----------
    local : Adam
        Of the tables; each row takes one step per epoch.
    began : int
        Epochs before the first of its steps, with a warm start.
    """

    local: Any = None
    began: int = 0

    def copy(self):
        """Return a copy to train on; nothing that training changes is shared."""
        return replace(super().copy(), local=deepcopy(self.local))

    def slower(self, factor):
        """Return a copy with smaller learning rates, to try an epoch again."""
        state = super().slower(factor)
        state.local.learning_rate *= factor
        return state


class LocalRun(Run):
    """A run that trains the decoder, and of the tables only the rows of the batch."""

    def step(self, state, batch):
        """Take one training step in place, and return the loss before it."""
        self.settings.schedule(state)
        decoder, rows = _split(state.params, batch.rows)
        objective = self.objective(state.epoch).given(batch.condition)
        params, t = {**decoder, **rows}, getattr(state.adam, "t", 0)
        loss, grads = training.finite_gradient(objective, params, batch.x, batch.eps, t)
        state.adam.update(decoder, grads)
        self._update_rows(state, rows, grads, batch.rows)
        return number(loss)

    def _update_rows(self, state, rows, grads, index):
        """One step of Adam for some rows of the tables: gather, update, scatter."""
        adam = Adam(state.local.learning_rate)
        adam.t = state.epoch - 1 - state.began
        adam.m, adam.v = ({k: m[k][index] for k in Q} for m in (state.local.m, state.local.v))
        adam.update(rows, grads)
        tables = state.params, state.local.m, state.local.v
        for table, updated in zip(tables, (rows, adam.m, adam.v), strict=True):
            for name in Q:
                table[name][index] = updated[name]

    def evaluate(self, name, params, epoch):
        """Return loss, nll and kl of each row of ``evaluated[name]``, shape (3, n)."""
        parts = [self._evaluate(batch, params) for batch in self.evaluation_batches(name, epoch)]
        return np.concatenate(parts, axis=1)

    def _evaluate(self, batch, params):
        decoder, rows = _split(params, batch.rows)
        return training.evaluate(self.target, {**decoder, **rows}, [batch])

    def try_terms(self, params):
        """Try the terms on a few rows."""
        decoder, rows = _split(params, slice(0, self.trial_rows()))
        super().try_terms({**decoder, **rows})


def _split(params, rows):
    """The decoder's parameters, and copies of some rows of the tables."""
    decoder = {name: array for name, array in params.items() if name not in Q}
    return decoder, {name: np.array(params[name][rows]) for name in Q}
