"""log p(x) of a fitted model by importance sampling, and the ELBO of many samples."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from ..arrays.streams import Stream, sampling_generator
from ..checks import check_count, check_number
from ..data.checks import check_array
from ..data.rows import RowReader
from ..fit.plan import CHUNK_ROWS
from ..fit.progress import track
from ..models.checks import check_posterior, check_q
from .estimate import Estimate
from .infer import infer
from .pareto import FEWEST, highest_k, k_hat, tail_length
from .proposal import Proposal, Scouts, log_weights, widened

ROUNDS = 4  # how often a row with a heavy tail gets one more q
LARGE_WEIGHT = 10  # times the mean weight: what a code of a missed mode would have


def log_evidence(
    vae, X, n_samples=1000, rng=0, q=None, prior_share=0.1, *, condition=None, progress=False
):
    """Estimate ``log p(x)`` of each row by importance sampling.

    It is the log of the mean of ``p(x|z) p(z) / r(z)`` over samples z from r. r is a
    mixture of q(z|x) with wider sigmas and, for a share of the samples, of the prior: a
    q may miss a part of the posterior, and the prior misses none. For rows whose
    weights have a heavy tail (Pareto k-hat), r gets two more parts, and the row is
    estimated anew; at most four times. One is at the code with the largest weight, the
    other is the q that `infer` finds from there.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
    n_samples : int
        K. Fewer than 25 have no interval.
    rng : int, SeedSequence, Generator or None
        By default the same noise in every call.
    q : pair of arrays, shape (n, latent_dim), optional
        Mu and logsigma of the q to begin with, such as those of `infer`, instead of the
        encoder's.
    prior_share : float
        Between 0 and 1. With 0, or with fewer than 25 samples, r is q itself, as in the
        textbook: the value is on average a lower bound, which rises to log p(x) with K.
        With one sample it is the ELBO of `VAE.score_samples`.
    condition : optional
        As for `VAE.encode`.
    progress : {False, True, "lines", "bar"}
        True prints how many rows are done; in a terminal with tqdm installed, a bar.

    Returns
    -------
    Estimate
        The log of a mean is too low by about half the variance of the mean. With a
        mixture, half the squared standard error is added to the value.

    Notes
    -----
    Memory does not depend on K or n. Time is that of decoding ``n * K`` codes, and of
    `infer` for rows with a heavy tail.

    References
    ----------
    .. [1] Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders,
       equation 8 and section 5.
    .. [2] Hesterberg (1995), Weighted Average Importance Sampling and Defensive Mixture
       Distributions.
    .. [3] Raftery & Bao (2010), Estimating and Projecting Trends in HIV/AIDS
       Generalized Epidemics Using Incremental Mixture Importance Sampling, section 3:
       the mixture that grows at the largest weight.
    .. [4] Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto Smoothed Importance
       Sampling.

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
    check_posterior(vae)
    rng = sampling_generator(rng, Stream.EVIDENCE)
    q = vae.encode(X, condition=condition) if q is None else check_q(vae, X, q)
    from_prior = int(n_samples * prior_share) if n_samples >= FEWEST else 0
    if from_prior < 2:
        found = _weigh(vae, X, condition, Proposal(n_samples, 0, (q,)), rng, progress)
        return Estimate(*found[:4], n_samples, highest_k(n_samples))
    proposal = Proposal(n_samples, from_prior, (widened(q),))
    found = _weigh(vae, X, condition, proposal, rng, progress)
    _add_modes(found, vae, X, condition, proposal, rng, progress)
    value = found.value + found.standard_error**2 / 2
    return Estimate(value, *found[1:4], n_samples, highest_k(n_samples))


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
        ``effective_samples`` is n_samples. ``pareto_k`` is that of the smallest of
        these numbers.
    """
    check_count("n_samples", n_samples)
    check_posterior(vae)
    rng = sampling_generator(rng, Stream.EVIDENCE)
    q = vae.encode(X, condition=condition) if q is None else check_q(vae, X, q)
    proposal, found = Proposal(n_samples, 0, (q,)), []
    for objective, x, part in _batches(vae, X, condition, proposal, progress):
        samples = log_weights(objective, vae.params, x, part, rng)
        f = np.concatenate([log_w for _, _, log_w in samples])
        with np.errstate(divide="ignore", invalid="ignore"):  # one sample has no error
            error = f.std(axis=0) / np.sqrt(np.float64(n_samples - 1))
        losses = np.sort(-f, axis=0)[-tail_length(n_samples) - 1 :]
        found.append((f.mean(axis=0), error, k_hat(losses)))
    value, error, k = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Estimate(value, error, np.full(len(value), float(n_samples)), k, n_samples, np.inf)


class _Found(NamedTuple):
    """What is known of each row: arrays whose first axis is that of the rows."""

    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: np.ndarray
    pareto_k: np.ndarray
    code: np.ndarray  # the best place to look for a mode that every q misses
    misses_mode: np.ndarray  # whether the weight of this code says that there is one


def _batches(vae, X, condition, proposal, progress):
    """Yield, for a few rows at a time, the objective, x, and the proposal."""
    rows = max(1, CHUNK_ROWS // proposal.n_samples)
    batches = vae.batches(X, rows, condition=condition)
    for batch in track(batches, np.shape(X)[0], progress):
        batch = batch.on_host()
        yield vae.loss().given(batch.condition), batch.x, proposal.of(batch.rows)


def _weigh(vae, X, condition, proposal, rng, progress):
    """Estimate log p(x) of all rows with samples from one proposal."""
    scouts, found = Scouts(vae, rng) if proposal.from_prior else None, []
    for objective, x, part in _batches(vae, X, condition, proposal, progress):
        sums = _Sums(len(x), vae.latent_dim, proposal.n_samples)
        for source, z, log_w in log_weights(objective, vae.params, x, part, rng):
            sums.add(source, z, log_w)
        code, misses_mode = sums.code, np.zeros(len(x), bool)
        if scouts:
            best, log_w = scouts.heaviest(objective, x, part)
            log_mean = sums.log_total - np.log(proposal.n_samples)
            misses_mode = log_w - log_mean > np.log(LARGE_WEIGHT)
            code = np.where(misses_mode[:, None], best, code)
        found.append((*sums.estimate(), code, misses_mode))
    return _Found(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _add_modes(found, vae, X, condition, proposal, rng, progress):
    """Estimate rows with heavy weights again, with more q at the heaviest code."""
    rows, reader = np.arange(len(found.value)), RowReader(check_array(X))
    for step in range(ROUNDS):
        heavy = (found.pareto_k > highest_k(proposal.n_samples)) | found.misses_mode
        heavy = heavy[rows]
        if not heavy.any() or (step and heavy.sum() > 1 + len(found.value) / 2):
            return  # more q do not help
        rows, proposal = rows[heavy], proposal.of(heavy)
        some, c = reader[rows], condition if np.ndim(condition) < 2 else condition[rows]
        start = found.code[rows].astype(proposal.qs[0][0].dtype), np.minimum(proposal.qs[0][1], 0)
        q = infer(vae, some, start, condition=c, rng=rng, progress=progress)
        proposal = proposal.plus(widened(q)).plus(widened((start[0], q[1])))
        again = _weigh(vae, some, c, proposal, rng, progress)
        for whole, part in zip(found, again, strict=True):
            whole[rows] = part


class _Sums:
    """What an estimate needs of all weights, in memory that grows only as sqrt(K)."""

    def __init__(self, n, latent_dim, n_samples):
        self.n_samples, self.sources = n_samples, {}
        self.largest = np.full((tail_length(n_samples) + 1, n), -np.inf)
        self.code, self.heaviest = np.zeros((n, latent_dim)), np.full(n, -np.inf)

    def add(self, source, z, log_w):
        """Add codes from one part of the mixture, and their weights, (k, n)."""
        number, total, squares = self.sources.get(source, (0, -np.inf, -np.inf))
        total = np.logaddexp(total, logsumexp(log_w, axis=0))
        squares = np.logaddexp(squares, logsumexp(2 * log_w, axis=0))
        self.sources[source] = number + len(log_w), total, squares
        largest, size = np.concatenate([self.largest, log_w]), len(self.largest)
        self.largest = np.partition(largest, len(largest) - size, axis=0)[-size:]
        best, rows = np.argmax(log_w, axis=0), np.arange(log_w.shape[1])
        is_heavier = log_w[best, rows] > self.heaviest
        self.heaviest = np.where(is_heavier, log_w[best, rows], self.heaviest)
        self.code = np.where(is_heavier[:, None], z[best, rows], self.code)

    @property
    def log_total(self):
        """The log of the sum of each row's weights."""
        return np.logaddexp.reduce([total for _, total, _ in self.sources.values()])

    def estimate(self):
        """log p(x), its standard error, effective samples, and k-hat of each row."""
        log_total = self.log_total
        squares = np.logaddexp.reduce([squares for _, _, squares in self.sources.values()])
        variance = 0
        with np.errstate(divide="ignore", invalid="ignore"):  # one sample has none
            for number, total, square in self.sources.values():
                spread = np.exp(square - 2 * log_total) - np.exp(2 * (total - log_total)) / number
                variance += np.maximum(spread, 0) / (1 - 1 / np.float64(number))
        largest = np.sort(self.largest, axis=0)
        return (
            log_total - np.log(self.n_samples),
            np.sqrt(variance),
            np.exp(2 * log_total - squares),
            k_hat(np.exp(largest - largest[-1])),
        )
