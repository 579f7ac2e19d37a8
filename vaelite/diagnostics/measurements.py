"""What the doctor measures: each row's loss, code and sigma, and two simpler models."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays.dispatch import to_host
from ..arrays.streams import Stream, sampling_generator
from ..data.rows import RowReader, RowSubset
from ..fit.start import baseline_loss, baseline_outputs
from ..likelihoods import Gaussian
from ..models.ppca import ProbabilisticPCA

VALUES = 2e7  # of X that are examined at most
LINEAR_FEATURES = 1_000  # with more columns, a linear model would take long
AT_FLOOR = 0.1  # nats above the floor


@dataclass(frozen=True)
class Examined:
    """Evenly spaced rows of a data set, and the model's numbers for each.

    Attributes
    ----------
    n : int
        Rows of the data set.
    numbers : array of int
        Which of them are examined, m rows.
    x : array, shape (m, n_features)
    loss : array, shape (m,)
        Minus the ELBO with beta = 1, or an autoencoder's loss, in nats.
    mu, logsigma : array, shape (m, latent_dim)
        Of q(z|x); an autoencoder has no logsigma.
    at_floor : array of bool, shape (m, 1) or (m, n_features), or None
        Where a Gaussian's learned sigma is at its floor.
    """

    n: int
    numbers: np.ndarray
    x: np.ndarray
    loss: np.ndarray
    mu: np.ndarray
    logsigma: np.ndarray | None
    at_floor: np.ndarray | None


def examine(model, X, condition=None, limit=None, q=None):
    """Measure evenly spaced rows.

    Parameters
    ----------
    model : VAE, MeanField or Autoencoder
    X, condition : array-like
        Checked, on the host or on a device.
    limit : int, optional
        Rows to examine at most; None is all.
    q : pair of arrays, shape (n, latent_dim), optional
        Mu and logsigma of all rows, if they are known.

    Returns
    -------
    Examined
    """
    n = X.shape[0]
    limit = min(n, limit or n, max(1, int(VALUES // X.shape[1])))
    rows = np.linspace(0, n - 1, limit).astype(int)
    numbers = X.rows[rows] if isinstance(X, RowSubset) else rows
    X, condition = (
        None if array is None else to_host(RowReader(array)[rows]) for array in (X, condition)
    )
    with np.errstate(all="ignore"):  # a row may have a loss that is not finite
        if q is None or q[0] is None:
            q = model.encode(X, condition=condition)
        else:
            q = tuple(array[rows] for array in q)
        mu, logsigma = q if model.has_posterior else (q, None)
        batches, rng = model.batches(X, condition=condition), sampling_generator(0, Stream.SCORE)
        parts = [_examine_batch(model, batch.on_host(), mu, logsigma, rng) for batch in batches]
    x, loss, at_floor = zip(*parts, strict=True)
    at_floor = None if at_floor[0] is None else np.concatenate(at_floor)
    mu, logsigma = (None if a is None else a.astype(np.float64) for a in (mu, logsigma))
    loss = np.concatenate(loss).astype(np.float64)
    loss[np.isnan(loss)] = np.inf  # an overflow
    return Examined(n, numbers, np.concatenate(x), loss, mu, logsigma, at_floor)


def _examine_batch(model, batch, mu, logsigma, rng):
    """x, loss and at_floor of a batch on the host, with one sample of z per row."""
    x, _, rows, condition = batch
    objective, z, kl = model.loss().given(condition), mu[rows], 0
    if logsigma is not None:
        eps = rng.standard_normal(z.shape, dtype=z.dtype)
        z = objective.reparameterize(mu[rows], logsigma[rows], eps)
        nlp = objective.neglogprior(z, *objective.prior(model.params))
        kl = nlp - objective.neglogposterior(z, mu[rows], logsigma[rows])
    outputs = objective.decode(model.params, z)
    loss = objective.negloglikelihood(x, *outputs) + kl
    at_floor = outputs[1] < model.likelihood.floor + AT_FLOOR if _has_floor(model) else None
    return x, loss, at_floor


def _has_floor(model):
    likelihood = model.likelihood
    is_learned = type(likelihood) is Gaussian and isinstance(likelihood.sigma, str)
    return is_learned and likelihood.floor is not None


@dataclass
class Exam:
    """A model, the rows it was trained on, and rows that it was not trained on.

    Attributes
    ----------
    model : VAE, MeanField or Autoencoder
    train : Examined
    held_out : Examined or None
    """

    model: Any
    train: Examined
    held_out: Examined | None = None

    @property
    def judged(self):
        """The rows on which the model is compared with others."""
        return self.train if self.held_out is None else self.held_out

    @property
    def has_normal_codes(self):
        """Whether q(z|x) and the prior are vaelite's normal distributions."""
        return self.model.has_posterior and not self.model.changed_terms - {"negloglikelihood"}

    @cached_property
    def information(self):
        """The two parts of each latent's mean KL, in nats, arrays of (latent_dim,).

        With the mean m and the variance v of a latent's codes over all rows, the mean
        KL of q(z|x) from the prior is that of q(z|x) from N(m, v), plus that of N(m, v)
        from the prior. The first is an upper bound of what a code says about its row,
        the mutual information. The second is how far all codes are from the prior.

        References
        ----------
        Hoffman & Johnson (2016), ELBO surgery, equation 8, with N(m, v) for q(z).
        """
        mean, variance = self.codes
        about_rows = np.log(variance) / 2 - self.train.logsigma.mean(axis=0)
        return about_rows, (mean**2 + variance - 1 - np.log(variance)) / 2

    @cached_property
    def codes(self):
        """Mean and variance of each latent's codes over all rows, (latent_dim,)."""
        mu, logsigma = self.train.mu, self.train.logsigma
        return mu.mean(axis=0), mu.var(axis=0) + np.exp(2 * logsigma).mean(axis=0)

    @cached_property
    def over_constant(self):
        """The mean gain over a constant, and its standard error; or why not."""
        outputs = baseline_outputs(self.model, self.train.x)
        loss = baseline_loss(self.model, outputs, self.judged.x)
        if loss is None:
            return "needs a likelihood whose best constant is known"
        return self._gain(loss, sum(map(len, outputs.values())))

    @cached_property
    def over_linear(self):
        """The mean gain over a linear model, and its standard error; or why not."""
        model, x = self.model, self.train.x
        is_gaussian = type(model.likelihood) is Gaussian and model.has_posterior
        if not is_gaussian or model.changed_terms:
            return "needs the ELBO with a Gaussian likelihood"
        D, K = x.shape[1], model.latent_dim
        if not K < D <= LINEAR_FEATURES:
            return f"needs {K + 1} to {LINEAR_FEATURES} columns"
        try:
            loss = -ProbabilisticPCA.fit(x, K).score_samples(self.judged.x)
        except ValueError:  # LinAlgError is one, too
            return "needs rows that vary in more directions"
        return self._gain(loss, D * (K + 1) + 1)

    def _gain(self, loss, n_params):
        """The mean of a loss minus the model's, and the standard error.

        Without held-out rows the other model was fitted to the rows it is judged on,
        which makes its loss about ``n_params / (2 n)`` nats too good: twice that is
        added.
        """
        difference = loss - self.judged.loss
        optimism = n_params / len(loss) if self.held_out is None else 0
        return difference.mean() + optimism, standard_error(difference)


def standard_error(values):
    """Return the standard error of the mean of independent values."""
    return values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.inf
