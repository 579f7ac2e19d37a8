"""Probabilistic PCA: log p(x), the posterior and the best encoder are known exactly.

It is the VAE with a linear decoder and one sigma for all. What holds for every VAE can
be checked here to the last digit: ``log p(x) = ELBO + KL(q, posterior)``, gradients of
the ELBO, and the optimum of training.
"""

from dataclasses import dataclass

import autograd.numpy as np
import scipy.linalg

from ..checks import check_count
from ..data.batches import to_float
from ..data.checks import check_array, check_width, summarize
from ..likelihoods import Gaussian
from ..networks import Dense
from ..terms import HALF_LOG_2PI, kl_divergence
from .checks import check_fitted


@dataclass(frozen=True, eq=False)
class ProbabilisticPCA:
    """``x = z W + mean + sigma * noise`` with z and the noise standard normal.

    Parameters
    ----------
    W : array, shape (latent_dim, n_features)
    mean : array, shape (n_features,)
    sigma : float
        Standard deviation of the noise, above 0.

    References
    ----------
    .. [1] Tipping & Bishop (1999), Probabilistic Principal Component Analysis.
    .. [2] Lucas, Tucker, Grosse & Norouzi (2019), Don't Blame the ELBO! A Linear VAE
       Perspective on Posterior Collapse.

    Examples
    --------
    The best encoder with independent latents has an ELBO below log p(x), by a constant:

    >>> import numpy as np, vaelite
    >>> W = np.array([[2.0, 0.0], [1.0, 1.0]])
    >>> ppca = vaelite.ProbabilisticPCA(W, mean=np.zeros(2), sigma=1.0)
    >>> X = np.array([[1.0, 2.0], [0.0, -1.0]])
    >>> ppca.score_samples(X) - ppca.elbo(X, *ppca.diagonal_posterior(X))
    array([0.15507746, 0.15507746])
    >>> ppca.gap()
    0.155077...
    """

    W: np.ndarray
    mean: np.ndarray
    sigma: float

    def __post_init__(self):
        for name in ("W", "mean"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        shapes = np.shape(self.W), np.shape(self.mean), np.shape(self.sigma)
        if len(shapes[0]) != 2 or shapes[1] != shapes[0][1:] or shapes[2] != ():
            raise ValueError(
                "W should be (latent_dim, n_features), mean (n_features,) and sigma a number, "
                f"got shapes {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        if not self.sigma > 0:
            raise ValueError(f"sigma should be above 0, got {self.sigma}")

    @classmethod
    def fit(cls, X, latent_dim):
        """Fit the model with the largest likelihood of the rows of X, in closed form.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            Numbers, or uint8 gray levels (255 is read as 1).
        latent_dim : int
            Below n_features.

        Returns
        -------
        ProbabilisticPCA
            From the eigenvectors of the covariance: the rows of W are orthogonal, the
            longest first; ``sigma**2`` is the mean variance in all other directions.

        References
        ----------
        Tipping & Bishop (1999), equations 7 and 8.
        """
        X = _floats(X)
        if not check_count("latent_dim", latent_dim) < X.shape[1]:
            raise ValueError(
                f"latent_dim should be below the number of features, {X.shape[1]}, got {latent_dim}"
            )
        mean = X.mean(axis=0)
        variances, directions = scipy.linalg.eigh(np.cov(X.T, bias=True).reshape(X.shape[1], -1))
        noise = variances[:-latent_dim].mean()
        kept, axes = variances[: -latent_dim - 1 : -1], directions[:, : -latent_dim - 1 : -1].T
        if not noise > 1e-12 * kept[0]:
            raise ValueError(
                f"{latent_dim} latents leave no noise, because these {len(X)} rows vary in no "
                "other direction; use fewer latents or more rows"
            )
        scales = np.sqrt(np.maximum(kept - noise, 0))  # a mean of equal numbers may be rounded up
        return cls(scales[:, None] * axes, mean, float(np.sqrt(noise)))

    @classmethod
    def of(cls, vae):
        """Return the model that the decoder of a fitted linear VAE defines.

        Parameters
        ----------
        vae : VAE
            With ``hidden_dim=()`` and
            ``likelihood=Gaussian(mean="identity", sigma=...)``, where sigma is "shared"
            or a number.

        Returns
        -------
        ProbabilisticPCA

        Raises
        ------
        ValueError
            If the VAE is not linear, has more than one sigma, or has your own terms.
        """
        check_fitted(vae)
        likelihood = vae.likelihood
        if vae.changed_terms:
            raise ValueError(
                f"{vae} has its own {', '.join(sorted(vae.changed_terms))}, so it is not a "
                "probabilistic PCA"
            )
        decoder = vae.part("decoder")
        is_affine = isinstance(decoder, Dense) and not decoder.hidden_dim
        is_normal = isinstance(likelihood, Gaussian) and likelihood.mean == "identity"
        if not (is_affine and is_normal) or vae.n_conditions:
            raise ValueError(
                f"{vae} is not linear; fit one with hidden_dim=() and "
                'Gaussian(mean="identity", sigma="shared")'
            )
        if likelihood.sigma in ("image", "pixel"):
            raise ValueError(
                f'{vae} has no single sigma; fit one with Gaussian(mean="identity", sigma="shared")'
            )
        _, logsigma = vae.decode(np.zeros((1, vae.latent_dim)))
        W, mean = (vae.params[f"decoder.mu.{name}"].astype(np.float64) for name in "Wb")
        return cls(W, mean, float(np.exp(logsigma[0, 0])))

    @property
    def covariance(self):
        """The covariance of x, ``W^T W + sigma^2 I``, (n_features, n_features)."""
        return self.W.T @ self.W + self.sigma**2 * np.eye(self.W.shape[1])

    @property
    def precision(self):
        """The inverse of the posterior's covariance, (latent_dim, latent_dim)."""
        return np.eye(len(self.W)) + self.W @ self.W.T / self.sigma**2

    def score_samples(self, X):
        """``log p(x)`` of each row, (n,), in nats, from p(x) = N(mean, covariance)."""
        root = scipy.linalg.cholesky(self.covariance, lower=True)
        u = scipy.linalg.solve_triangular(root, (self._floats(X) - self.mean).T, lower=True)
        return -np.sum(u * u, axis=0) / 2 - np.sum(np.log(np.diag(root))) - len(root) * HALF_LOG_2PI

    def score(self, X):
        """Return the mean of `score_samples`, in nats per example."""
        return float(self.score_samples(X).mean())

    def posterior(self, X):
        """Return the exact posterior p(z|x), a normal distribution.

        Parameters
        ----------
        X : array, shape (n, n_features)

        Returns
        -------
        mean : array, shape (n, latent_dim)
        covariance : array, shape (latent_dim, latent_dim)
            The same for every row.

        References
        ----------
        Tipping & Bishop (1999), section 3.2.
        """
        covariance = np.linalg.inv(self.precision)
        return (self._floats(X) - self.mean) @ self.W.T @ covariance / self.sigma**2, covariance

    def diagonal_posterior(self, X):
        """Return the parameters of the best q(z|x) with independent latents.

        Parameters
        ----------
        X : array, shape (n, n_features)

        Returns
        -------
        mu, logsigma : arrays, shape (n, latent_dim)
            The posterior's mean, and minus half the log of its *precision's* diagonal.
            If latents are correlated in the posterior, these sigmas are too small. If
            the rows of W are orthogonal, this q is the posterior.
        """
        mu, _ = self.posterior(X)
        return mu, np.broadcast_to(-np.log(np.diag(self.precision)) / 2, mu.shape)

    def gap(self):
        """``log p(x) - ELBO`` at `diagonal_posterior`, in nats, the same for all x.

        No q with independent latents has a smaller one.
        """
        return float(
            (np.sum(np.log(np.diag(self.precision))) - np.linalg.slogdet(self.precision)[1]) / 2
        )

    def elbo(self, X, mu, logsigma):
        """The ELBO of any q(z|x) with independent latents, without sampling.

        autograd can differentiate it.

        Parameters
        ----------
        X : array, shape (n, n_features)
        mu, logsigma : array, shape (n, latent_dim)
            The parameters of q.

        Returns
        -------
        array, shape (n,)
            In nats: the expected log likelihood, minus the KL divergence of q from the
            prior.
        """
        residual = self._floats(X) - self.mean - np.matmul(mu, self.W)
        spread = np.matmul(np.exp(2 * logsigma), np.sum(self.W * self.W, axis=1))
        squares = (np.sum(residual * residual, axis=-1) + spread) / self.sigma**2
        constant = self.W.shape[1] * (np.log(self.sigma) + HALF_LOG_2PI)
        return -squares / 2 - constant - kl_divergence(mu, logsigma)

    def decode(self, z):
        """Return the parameters of p(x|z), ``(mu, logsigma)``, as `VAE.decode` does."""
        return np.matmul(z, self.W) + self.mean, float(np.log(self.sigma))

    def _floats(self, X):
        X = _floats(X)
        check_width("X", X, self.W.shape[1], type(self).__name__)
        return X


def _floats(X):
    """Rows as float64; uint8 become gray levels in [0, 1], as in a VAE."""
    X, dtype = check_array(X), np.dtype(np.float64)
    summarize(X, dtype)
    return to_float(X, dtype)
