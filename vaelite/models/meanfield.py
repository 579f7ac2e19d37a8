"""A model without an encoder: a decoder, and mu and logsigma for each training row."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np

from .. import training
from ..adam import Adam
from ..checks import check_count, shown
from ..data.checks import check_labels
from ..fit.fit import fit
from ..fit.plan import Plan
from ..fit.settings import Setting, check_stopping, is_default, plain_signature, positive
from ..fit.types import Array, Integer, Real, StoppingRule
from ..inference.infer import infer
from ..objectives import NegELBO, objective_class
from ..saving.provenance import digest
from ..state import Q
from ..stopping import stopping_rule
from ..vae import VAE

START = {"n_steps": 100, "n_samples": 2}  # for `infer`, where a warm start has other rows
NOT_OURS = {
    "encoder": "a mu and a logsigma for each row, and no encoder",
    "importance_samples": "one sample of z per row",
    "steps_per_epoch": "one step for each row in each epoch",
}


@plain_signature
@dataclass(eq=False, repr=False, kw_only=True)
class MeanField(VAE):
    """A latent-variable model without an encoder.

    It has a decoder, and a mu and a logsigma for each row it was fitted on, as in the
    lecture before its "Amortized Optimization". Use it to compare with `VAE`, whose
    methods it has. What an encoder would compute at once, ``encode``, ``reconstruct``
    and ``score_samples`` find by `infer`, for any row and for the ELBO with beta = 1.
    They take as long as some hundred passes through a decoder, and their noise depends
    on which rows are passed together.

    Parameters
    ----------
    max_epochs : int
        100 by default.
    stopping : {"epochs", "lecture"}, Epochs or Lecture
        Held-out rows would have no mu and no logsigma.
    local_learning_rate : float
        Of each row's mu and logsigma, which take one step per epoch.
    latent_dim, hidden_dim, ...
        As for `VAE`, without ``encoder``, ``importance_samples`` and
        ``steps_per_epoch``; the backend is "numpy".

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
    >>> model = vaelite.MeanField(hidden_dim=64, max_epochs=3, rng=0).fit(X)
    >>> model.mu.shape, model.sample(2, rng=0).shape
    ((1797, 2), (2, 64))
    """

    max_epochs: Setting[Integer, int] = Setting(100, check_count)
    stopping: Setting[Literal["epochs", "lecture"] | StoppingRule, Any] = Setting(
        "epochs", check_stopping
    )
    local_learning_rate: Setting[Real, float] = Setting(0.3, positive)

    is_amortized = False

    def rule(self):
        """Return a new stopping rule; refuse one that holds rows out."""
        for name, what in NOT_OURS.items():
            if not is_default(self, name):
                raise ValueError(f"{name}={shown(getattr(self, name))}: MeanField has {what}")
        if self.backend.name != "numpy":
            raise ValueError(f'MeanField computes in NumPy only, got backend="{self.backend.name}"')
        rule = stopping_rule(self.stopping, self.tol, self.patience)
        if rule.holds_out:
            raise ValueError(
                f"stopping should be one of 'epochs', 'lecture', got {shown(self.stopping)}: "
                "held-out rows would have no mu and no logsigma"
            )
        return rule

    def fit(self, X, y=None, *, condition=None) -> Self:
        """Train the decoder on the rows of X, together with their mu and logsigma.

        A step changes the mu and the logsigma of its own batch only, with a separate
        Adam.

        Parameters
        ----------
        X, y
            As for `VAE.fit`.
        condition : array-like, shape (n, n_conditions), optional
            What is known of each row; the decoder sees it.

        Returns
        -------
        MeanField
            This one.
        """
        check_labels(y, X, condition)
        return fit(self, X, condition=condition)

    def loss(self, *, normalized=True, kl="sample", beta=1.0, importance_samples=1) -> NegELBO:
        """Return the negative ELBO, as `VAE.loss`, with `infer` as the encoder."""
        objective_class(kl, beta, importance_samples, self.changed_terms)
        terms, is_analytic = self.terms(normalized), kl == "analytic"
        return NegELBO(
            self.encoding(), self.decoding(), **terms, beta=float(beta), analytic_kl=is_analytic
        )

    def encoding(self):
        """Return a function of (params, x, condition): mu and logsigma, by `infer`."""
        return lambda params, x, condition=None: infer(self, x, condition=condition)

    def how(self, plan, state):
        """Return the plan and the state that also train each row's mu and logsigma."""
        elbo = getattr(plan.target, "elbo", None)
        encode = lambda params, x, condition=None: tuple(params[name] for name in Q)
        if elbo is None:
            target = replace(plan.target, encode=encode)
        else:
            target = replace(plan.target, elbo=replace(elbo, encode=encode))
        settings = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
        tables = self._tables(plan.data)
        local = Adam(self.local_learning_rate)
        local.m, local.v = ({name: 0 * tables[name] for name in Q} for _ in "mv")
        state = replace(state, params={**state.params, **tables}, local=local)
        return RowPlan(**settings | {"target": target}), state

    def _tables(self, data):
        """Mu and logsigma of each row to start with: the prior's, or this model's."""
        if not (self.warm_start and self.n_epochs):
            return {name: np.zeros((len(data), self.latent_dim), data.dtype) for name in Q}
        q = self.solution.q
        if q is None or digest(data.X) != self.solution.provenance["data"]["X"]:
            q = infer(self, data.X, condition=data.condition, **START)
        return {name: array.copy() for name, array in zip(Q, q, strict=True)}

    @property
    def mu(self) -> Array | None:
        """mu of q(z|x) for the rows of the fit, (n, latent_dim); None after `load`."""
        return None if self.solution is None or not self.solution.q else self.solution.q[0]

    @property
    def logsigma(self) -> Array | None:
        """logsigma of q(z|x) for the rows of the fit; None after `load`."""
        return None if self.solution is None or not self.solution.q else self.solution.q[1]


class RowPlan(Plan):
    """A plan that trains the decoder, and of the tables only the rows of the batch."""

    def params_of(self, params, rows):
        """Return the decoder's parameters, and copies of some rows of the tables."""
        return {k: np.array(a[rows]) if k in Q else a for k, a in params.items()}

    def step(self, state, batch):
        """Take one training step in place, and return the loss before it."""
        self.schedule(state)
        objective = self.objective(state.epoch).given(batch.condition)
        params = self.params_of(state.params, batch.rows)
        loss, grads = training.finite_gradient(objective, params, batch.x, batch.eps)
        rows = {name: params.pop(name) for name in Q}
        state.adam.update(params, grads)
        self._update_rows(state, rows, grads, batch.rows)
        return float(loss)

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
        batches = self.evaluation_batches(name, epoch)
        parts = [
            training.evaluate(self.target, self.params_of(params, batch.rows), [batch])
            for batch in batches
        ]
        return np.concatenate(parts, axis=1)
