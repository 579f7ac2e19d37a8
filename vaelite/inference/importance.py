"""log p(x) of a fitted model by importance sampling, and the ELBO of many samples."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..arrays.streams import Stream, sampling_generator
from ..checks import check_count, check_number
from ..fitting.progress import track
from ..fitting.run import CHUNK_ROWS
from ..models.checks import check_posterior, check_q
from ..ops import copies
from ..terms import neglogprior


@dataclass(frozen=True)
class Estimate:
    """An estimate for each row.

    Attributes
    ----------
    value, standard_error : arrays, shape (n,), in nats
    effective_samples : array, shape (n,)
        How many independent samples from the posterior the weighted ones are worth.
        If these are few, the value tends to be too low and its standard error too
        small.
    """

    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: np.ndarray

    def __str__(self):
        n, error = len(self.value), np.sqrt(np.sum(self.standard_error**2)) / len(self.value)
        return f"{self.value.mean():.3f} +- {error:.3f} nats per example (mean over {n})"


def log_evidence(
    vae, X, n_samples=1000, rng=0, q=None, prior_share=0.1, *, condition=None, progress=False
):
    """Estimate ``log p(x)`` of each row by importance sampling.

    It is the log of the mean of ``p(x|z) p(z) / r(z)`` over samples z from r. r is a
    mixture of q(z|x) and, for a share of the samples, of the prior: a q may miss a part
    of the posterior, and the prior misses none. ``prior_share=0`` is the textbook's r =
    q; with one sample that is the ELBO of `VAE.score_samples`. For K samples the value
    is, on average, a lower bound that rises to log p(x) with K.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
    n_samples : int
        K.
    rng : int, SeedSequence, Generator or None
        By default the same noise in every call.
    q : pair of arrays, shape (n, latent_dim), optional
        Mu and logsigma of the q to draw from, such as those of `infer`, instead of the
        encoder's.
    prior_share : float
        Between 0 and 1; with few samples, none are from the prior.
    condition : optional
        As for `VAE.encode`.
    progress : {False, True, "lines", "bar"}
        True prints how many rows are done; in a terminal with tqdm installed, a bar.

    Returns
    -------
    Estimate

    Notes
    -----
    Memory does not depend on K or n. Time is that of decoding ``n * K`` codes.

    References
    ----------
    .. [1] Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders,
       equation 8 and section 5.
    .. [2] Hesterberg (1995), Weighted Average Importance Sampling and Defensive Mixture
       Distributions.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=5, stopping="epochs", rng=0)
    >>> found = vaelite.log_evidence(vae, X[:100], n_samples=100)
    >>> bool(found.value.mean() > vae.score(X[:100]))
    True
    """
    check_count("n_samples", n_samples)
    check_number("prior_share", prior_share, 0, 1, low_included=True)
    from_prior = int(n_samples * prior_share)
    batches = _log_weights(vae, X, n_samples, rng, q, from_prior, condition, progress)
    rows = [_weigh(log_weights) for log_weights in batches]
    total, squares = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    effective = np.exp(2 * total - squares)
    with np.errstate(divide="ignore", invalid="ignore"):  # one sample has no standard error
        error = np.sqrt(np.maximum(n_samples / effective - 1, 0) / np.float64(n_samples - 1))
    return Estimate(total - np.log(n_samples), error, effective)


def elbo(vae, X, n_samples=100, rng=0, q=None, *, condition=None, progress=False):
    """Estimate the ELBO of each row, as the mean over many samples of z.

    Parameters
    ----------
    vae, X, n_samples, rng, q, condition, progress
        As for `log_evidence`.

    Returns
    -------
    Estimate
        Of the expected ``log p(x, z) - log q(z|x)``. Every sample counts once, so that
        ``effective_samples`` is n_samples.
    """
    check_count("n_samples", n_samples)
    batches = _log_weights(vae, X, n_samples, rng, q, 0, condition, progress)
    rows = [np.concatenate(list(log_weights)) for log_weights in batches]
    mean = np.concatenate([weights.mean(axis=0) for weights in rows])
    deviation = np.concatenate([weights.std(axis=0) for weights in rows])
    with np.errstate(divide="ignore", invalid="ignore"):  # one sample has no standard error
        error = deviation / np.sqrt(np.float64(n_samples - 1))
    return Estimate(mean, error, np.full(len(mean), float(n_samples)))


def _log_weights(vae, X, n_samples, rng, q, from_prior, condition, progress):
    """Yield, for a few rows at a time, the log weights of all samples, (k, rows)."""
    check_posterior(vae)
    rng = sampling_generator(rng, Stream.EVIDENCE)
    q = vae.encode(X, condition=condition) if q is None else check_q(vae, X, q)
    batches = vae.batches(X, max(1, CHUNK_ROWS // n_samples), condition=condition)
    for batch in track(batches, len(q[0]), progress):
        batch = batch.on_host()
        objective = vae.objective().given(batch.condition)
        rows = batch.x, *(array[batch.rows] for array in q)
        yield _weights_of_rows(objective, vae.params, rows, n_samples, from_prior, rng)


def _weights_of_rows(objective, params, rows, n_samples, from_prior, rng):
    x, mu, logsigma = rows
    at_once = CHUNK_ROWS // len(x) if len(x) else n_samples
    sources = [(from_prior, _from_prior), (n_samples - from_prior, objective.reparameterize)]
    with np.errstate(divide="ignore"):  # a share of 0
        log_prior_share, log_q_share = (np.log(of / n_samples) for of, _ in sources)
    for samples, draw in sources:
        for done in range(0, samples, at_once):
            k = min(at_once, samples - done)
            xs, *q = (copies(array, k) for array in (x, mu, logsigma))
            z = draw(*q, rng.standard_normal((k * len(x), mu.shape[1]), dtype=x.dtype))
            nll = objective.negloglikelihood(xs, *objective.decode(params, z))
            log_q, log_normal = -objective.neglogposterior(z, *q), -neglogprior(z)
            log_r = np.logaddexp(log_q_share + log_q, log_prior_share + log_normal)
            yield np.float64(-nll - objective.neglogprior(z) - log_r).reshape(k, len(x))


def _from_prior(mu, logsigma, eps):
    return eps


def _weigh(log_weights):
    """The logs of two sums over all samples: of the weights, and of their squares."""
    total = squares = -np.inf
    for part in log_weights:
        total = np.logaddexp(total, logsumexp(part, axis=0))
        squares = np.logaddexp(squares, logsumexp(2 * part, axis=0))
    return total, squares
