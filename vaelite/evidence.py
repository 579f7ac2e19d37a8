"""log p(x) of a fitted model: by importance weighting for any, and by quadrature, near exact, for 1 or 2 latents."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from .data import minibatches
from .ops import copies
from .progress import track
from .run import CHUNK_ROWS
from .streams import sampling_generator
from .terms import neglogprior
from .validation import check_count, check_number, check_posterior, check_q, warn

TRUSTED = 0.01  # nats that the grids of a quadrature may differ by without a warning
AT_THE_EDGE = 1e-6  # posterior mass at a grid's edge without a warning


@dataclass(frozen=True)
class Estimate:
    """An estimate for each row.

    Attributes
    ----------
    value, standard_error : arrays, shape (n,), in nats
    effective_samples : array, shape (n,)
        How many independent samples from the posterior the weighted ones are worth. Where these are few, the value is
        rather too low and its standard error rather too small.
    """

    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: np.ndarray

    def __str__(self):
        n, error = len(self.value), np.sqrt(np.sum(self.standard_error**2)) / len(self.value)
        return f"{self.value.mean():.3f} +- {error:.3f} nats an example (mean over {n})"


def log_evidence(vae, X, n_samples=1000, rng=0, q=None, prior_share=0.1, progress=False):
    """``log p(x)`` of each row, by importance weighting: the log of the mean of ``p(x|z) p(z) / r(z)`` over z from r.

    r is a mixture of q(z|x) and, for a share of the samples, of the prior: a q may miss a part of the posterior, and
    the prior misses none. ``prior_share=0`` is the textbook's r = q, for one sample the ELBO of
    `VAE.score_samples`. For K samples the value is a bound, on average, that rises to log p(x) with K.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
    n_samples : int
        K.
    rng : int, SeedSequence, Generator or None
        By default the same noise at every call.
    q : pair of arrays, shape (n, latent_dim), optional
        Mu and logsigma of the q to draw from, such as `infer` gives, in place of the encoder's.
    prior_share : float
        Between 0 and 1; of few samples, none are from the prior.
    progress : {False, True, "lines", "bar"}
        True prints how many rows are done, or in a terminal where tqdm is installed keeps a bar.

    Returns
    -------
    Estimate

    Notes
    -----
    Memory does not depend on K or n. Time is that of decoding ``n * K`` codes.

    References
    ----------
    .. [1] Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, equation 8 and section 5.
    .. [2] Hesterberg (1995), Weighted Average Importance Sampling and Defensive Mixture Distributions.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=5, stopping="epochs", rng=0, progress=False)
    >>> bool(vaelite.log_evidence(vae, X[:100], n_samples=100).value.mean() > vae.score(X[:100]))
    True
    """
    check_count("n_samples", n_samples)
    check_number("prior_share", prior_share, 0, 1, low_included=True)
    from_prior = int(n_samples * prior_share)
    rows = [_weigh(log_weights) for log_weights in _log_weights(vae, X, n_samples, rng, q, from_prior, progress)]
    total, squares = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    effective = np.exp(2 * total - squares)
    with np.errstate(divide="ignore", invalid="ignore"):  # one sample has no standard error: NaN
        error = np.sqrt(np.maximum(n_samples / effective - 1, 0) / np.float64(n_samples - 1))
    return Estimate(total - np.log(n_samples), error, effective)


def elbo(vae, X, n_samples=100, rng=0, q=None, progress=False):
    """The ELBO of each row, as the mean over many samples of z.

    Parameters
    ----------
    vae, X, n_samples, rng, q, progress
        As for `log_evidence`.

    Returns
    -------
    Estimate
        Of the expected ``log p(x, z) - log q(z|x)``; every sample counts once, so that ``effective_samples`` is
        n_samples.
    """
    check_count("n_samples", n_samples)
    rows = [np.concatenate(list(log_weights)) for log_weights in _log_weights(vae, X, n_samples, rng, q, 0, progress)]
    mean = np.concatenate([weights.mean(axis=0) for weights in rows])
    deviation = np.concatenate([weights.std(axis=0) for weights in rows])
    with np.errstate(divide="ignore", invalid="ignore"):  # one sample has no standard error: NaN
        return Estimate(mean, deviation / np.sqrt(np.float64(n_samples - 1)), np.full(len(mean), float(n_samples)))


def _log_weights(vae, X, n_samples, rng, q, from_prior, progress):
    """For a few rows after the other, the log importance weights of all samples, (k, rows) at a time."""
    check_posterior(vae)
    rng, q = sampling_generator(rng), vae.encode(X) if q is None else check_q(vae, X, q)
    rows, done = max(1, CHUNK_ROWS // n_samples), 0
    for x in track(vae.batches(X, rows), len(q[0]), progress):
        yield _weights_of_rows(vae, x, *(array[done : done + len(x)] for array in q), n_samples, from_prior, rng)
        done += len(x)


def _weights_of_rows(vae, x, mu, logsigma, n_samples, from_prior, rng):
    objective, at_once = vae.objective(), CHUNK_ROWS // len(x) if len(x) else n_samples
    sources = [(from_prior, lambda eps, mu, logsigma: eps), (n_samples - from_prior, _sample_of(objective))]
    with np.errstate(divide="ignore"):  # a share of 0
        log_shares = [np.log(of / n_samples) for of, _ in reversed(sources)]
    for samples, draw in sources:
        for done in range(0, samples, at_once):
            k = min(at_once, samples - done)
            xs, *q = (copies(array, k) for array in (x, mu, logsigma))
            z = draw(rng.standard_normal((k * len(x), vae.latent_dim), dtype=x.dtype), *q)
            nll = objective.negloglikelihood(xs, *objective.decode(vae.params, z))
            log_q, log_normal = -objective.neglogposterior(z, *q), -neglogprior(z)
            log_r = np.logaddexp(log_shares[0] + log_q, log_shares[1] + log_normal)
            yield np.float64(-nll - objective.neglogprior(z) - log_r).reshape(k, len(x))


def _sample_of(objective):
    return lambda eps, mu, logsigma: objective.reparameterize(mu, logsigma, eps)


def _weigh(log_weights):
    """The logs of the sum of the weights and of the sum of their squares, over all samples."""
    total = squares = -np.inf
    for part in log_weights:
        total = np.logaddexp(total, logsumexp(part, axis=0))
        squares = np.logaddexp(squares, logsumexp(2 * part, axis=0))
    return total, squares


class Quadrature:
    """log p(x) and p(z|x) of a model with 1 or 2 latents, by summing p(x|z) p(z) over a grid of codes.

    Parameters
    ----------
    vae : VAE
        Fitted, with 1 or 2 latents; its decoder may be anything.
    n_nodes : int
        Nodes a latent; an odd number, 5 or more. Their distance should not be above the posterior's narrowest spread.
    extent : float
        The grid goes from ``-extent`` to ``extent``.

    Attributes
    ----------
    axis : array, shape (n_nodes,)
        The nodes along each latent.

    Notes
    -----
    The trapezoid rule converges faster than any power of the distance for smooth densities that vanish at the
    edges [1]_; the kinks of a relu network leave an error of the second order.

    References
    ----------
    .. [1] Trefethen & Weideman (2014), The Exponentially Convergent Trapezoidal Rule, section 5.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=32, max_epochs=5, stopping="epochs", rng=0, progress=False)
    >>> value, error = vaelite.Quadrature(vae, n_nodes=101).log_evidence(X[:3])
    >>> bool((error < 0.01).all())
    True
    """

    def __init__(self, vae, n_nodes=201, extent=6.0):
        check_posterior(vae)
        if vae.latent_dim > 2:
            raise ValueError(f"quadrature is for 1 or 2 latents, the model has {vae.latent_dim}: use log_evidence")
        if check_count("n_nodes", n_nodes, minimum=5) % 2 == 0:
            raise ValueError(f"n_nodes should be odd, so that every second node makes a grid as well, got {n_nodes}")
        self.vae, self.n_nodes = vae, n_nodes
        self.extent = check_number("extent", extent, 0)
        self.axis = np.linspace(-extent, extent, n_nodes)

    def log_evidence(self, X, progress=False):
        """``log p(x)`` of each row.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        progress : {False, True, "lines", "bar"}
            As for the function `log_evidence`.

        Returns
        -------
        value : array, shape (n,), in nats
        error : array, shape (n,), in nats
            How far every second node alone is from that: the coarser grid's error, and where it is small a generous
            bound of this one's.

        Warns
        -----
        UserWarning
            If for some row the error is above 0.01, or the posterior reaches the grid's edge.
        """
        found = [self._sums(log_joint) for log_joint in self._log_joint(X, progress)]
        value, error, edge = (np.concatenate(parts) for parts in zip(*found, strict=True))
        self._warn(error, edge)
        return value, error

    def _warn(self, error, edge):
        if (error > TRUSTED).any():
            warn(
                f"the grid of {self.n_nodes} nodes a latent is too coarse for {np.sum(error > TRUSTED)} of "
                f"{len(error)} rows (some by {error.max():.2g} nats or more): raise n_nodes"
            )
        if (edge > AT_THE_EDGE).any():
            warn(
                f"the posterior of {np.sum(edge > AT_THE_EDGE)} of {len(edge)} rows reaches the edge of the grid: "
                f"raise extent above {self.extent:g}"
            )

    def posterior(self, X):
        """The exact posterior p(z|x) on the grid.

        Parameters
        ----------
        X : array-like, shape (n, n_features)

        Returns
        -------
        array, shape (n, n_nodes) or (n, n_nodes, n_nodes)
            Densities, which sum to 1 times the cell's size; the second axis is the first latent.
        """
        log_joint = np.concatenate(list(self._log_joint(X)))
        value, error, edge = self._sums(log_joint)
        self._warn(error, edge)
        return np.exp(log_joint - value[:, None]).reshape(-1, *[self.n_nodes] * self.vae.latent_dim)

    def _sums(self, log_joint):
        """log p(x) of each row, how far every second node alone is from it, and the posterior's mass at the edge."""
        latent_dim = self.vae.latent_dim
        nodes = np.indices([self.n_nodes] * latent_dim).reshape(latent_dim, -1)
        second, edge = (nodes % 2 == 0).all(axis=0), ((nodes == 0) | (nodes == self.n_nodes - 1)).any(axis=0)
        total, log_cell = logsumexp(log_joint, axis=1), latent_dim * np.log(self.axis[1] - self.axis[0])
        coarse = logsumexp(log_joint[:, second], axis=1) + latent_dim * np.log(2)
        return total + log_cell, abs(total - coarse), np.exp(logsumexp(log_joint[:, edge], axis=1) - total)

    def _log_joint(self, X, progress=False):
        """``log p(x|z) + log p(z)`` at every node, (rows, nodes), for a few rows after the other."""
        objective, params = self.vae.objective(), self.vae.params
        grid = np.meshgrid(*[self.axis] * self.vae.latent_dim, indexing="ij")
        nodes = np.stack(grid, axis=-1).reshape(-1, self.vae.latent_dim)
        dtype = next(iter(params.values())).dtype
        batches = self.vae.batches(X, max(1, 10_000 * CHUNK_ROWS // len(nodes)))
        for rows in track(batches, np.shape(X)[0], progress):
            log_joint = np.empty((len(rows), len(nodes)))
            done = 0
            for z in minibatches(nodes, CHUNK_ROWS, dtype):
                outputs, nlp = objective.decode(params, z), objective.neglogprior(z)
                for row, x in enumerate(rows):
                    nll = objective.negloglikelihood(np.broadcast_to(x, (len(z), len(x))), *outputs)
                    log_joint[row, done : done + len(z)] = -nll - nlp
                done += len(z)
            yield log_joint
