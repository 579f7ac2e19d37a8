"""The r(z) that importance sampling draws codes from: the prior and some q, mixed."""

from dataclasses import dataclass, replace

import numpy as np

from ..fit.plan import CHUNK_ROWS
from ..ops import copies
from ..terms import neglogprior

CODES = 1000  # of `Scouts`


@dataclass(frozen=True)
class Proposal:
    """A mixture with a fixed number of samples from each part, for each row.

    Attributes
    ----------
    n_samples : int
    from_prior : int
        How many of them are from the prior; the others are from the q, in equal parts.
    qs : tuple of pairs of arrays, shape (n, latent_dim)
        Mu and logsigma of each q.

    References
    ----------
    Hesterberg (1995), Weighted Average Importance Sampling and Defensive Mixture
    Distributions.
    """

    n_samples: int
    from_prior: int
    qs: tuple

    def of(self, rows):
        """The proposal of some rows."""
        return replace(self, qs=tuple((mu[rows], logsigma[rows]) for mu, logsigma in self.qs))

    def plus(self, q):
        """This mixture with one more q."""
        return replace(self, qs=(*self.qs, q))

    def parts(self, objective):
        """Each part's number of samples, mu, logsigma, and function to draw codes."""
        standard = tuple(np.zeros_like(array) for array in self.qs[0])
        parts = [(self.from_prior, *standard, _of_the_prior)]
        for j, q in enumerate(self.qs):
            number = (self.n_samples - self.from_prior + j) // len(self.qs)
            parts.append((number, *q, objective.reparameterize))
        return [part for part in parts if part[0]]

    def log_density(self, objective, z):
        """``log r(z)`` of k codes per row: z is (k * n, latent_dim), (n,) by (n,)."""
        k = len(z) // len(self.qs[0][0])
        logs = []
        for number, mu, logsigma, draw in self.parts(objective):
            if draw is _of_the_prior:
                log_part = -neglogprior(z)
            else:
                log_part = -objective.neglogposterior(z, copies(mu, k), copies(logsigma, k))
            logs.append(np.log(number / self.n_samples) + np.asarray(log_part, np.float64))
        return np.logaddexp.reduce(logs)


def widened(q):
    """A q with larger sigmas, so that its tails are not below the posterior's.

    The best q of its family is too narrow if the posterior's latents are correlated.
    For K latents sigma is ``1 + 1 / sqrt(2 K)`` times as large. Where the q was right,
    this costs at most a factor of e in effective samples, whatever K.
    """
    mu, logsigma = q
    wider = np.log1p(1 / np.sqrt(2 * mu.shape[1]))
    return mu, logsigma + logsigma.dtype.type(wider)


def _of_the_prior(mu, logsigma, eps):
    return eps


def log_weights(objective, params, x, proposal, rng):
    """Draw codes for each row, and compute their weights ``p(x|z) p(z) / r(z)``.

    Parameters
    ----------
    objective : NegELBO
    params : dict of arrays
    x : array, shape (n, n_features)
    proposal : Proposal
        Of these rows.
    rng : numpy.random.Generator

    Yields
    ------
    part : int
        Which part of the mixture the codes are from.
    z : array, shape (k, n, latent_dim)
        At most about CHUNK_ROWS codes at a time.
    log_weights : array of float64, shape (k, n)
    """
    at_once = CHUNK_ROWS // len(x) if len(x) else proposal.n_samples
    for part, (number, mu, logsigma, draw) in enumerate(proposal.parts(objective)):
        for done in range(0, number, at_once):
            k = min(at_once, number - done)
            eps = rng.standard_normal((k * len(x), mu.shape[1]), dtype=x.dtype)
            z = draw(copies(mu, k), copies(logsigma, k), eps)
            nll = objective.negloglikelihood(copies(x, k), *objective.decode(params, z))
            nlp = objective.neglogprior(z, *objective.prior(params))
            log_w = np.asarray(-nll - nlp, np.float64) - proposal.log_density(objective, z)
            yield part, z.reshape(k, len(x), -1), log_w.reshape(k, len(x))


class Scouts:
    """Codes from the prior, the same for all rows: they find modes that every q misses.

    One decoding is enough for all rows, but a condition would need one for each. So a
    conditional model has none.
    """

    def __init__(self, vae, rng):
        codes = 0 if vae.n_conditions else CODES
        self.z = rng.standard_normal((codes, vae.latent_dim), dtype=vae.solution.dtype)
        objective, self.outputs = vae.loss(), None
        if codes:
            self.outputs = objective.decode(vae.params, self.z)
            self.nlp = objective.neglogprior(self.z, *objective.prior(vae.params))

    def heaviest(self, objective, x, proposal):
        """For each row, the code whose weight would be largest, and its log weight."""
        best, weights = np.zeros((len(x), self.z.shape[1])), np.full(len(x), -np.inf)
        if self.outputs is None:
            return best, weights
        for i, row in enumerate(x):
            rows = np.broadcast_to(row, (len(self.z), len(row)))
            nll = objective.negloglikelihood(rows, *self.outputs)
            log_r = proposal.of([i]).log_density(objective, self.z)
            log_w = -nll - self.nlp - log_r
            j = np.argmax(log_w)
            best[i], weights[i] = self.z[j], log_w[j]
        return best, weights
