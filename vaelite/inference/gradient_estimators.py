"""Estimators of the ELBO's gradient in the parameters of q(z|x).

All have the same arguments, ``estimator(nll, mu, logsigma, eps)``. They return the
gradient of the *negative* ELBO of each row in that row's mu and logsigma, from K
samples ``z = mu + sigma * eps``. With ``f(z) = -log p(x, z) + log q(z)`` it is the mean
over the samples of:

===================== ================================================================
score_function        ``f(z) * d log q(z)``, the log-derivative trick
score_with_baseline   ``(f(z_k) - b_k) * d log q(z_k)``, b_k the mean f of the others
pathwise              ``d f(mu + sigma * eps)``, the reparameterization
analytic_kl           ``d nll(mu + sigma * eps) + d KL``, the KL in closed form
sticking_the_landing  as pathwise, with the parameters of log q held fixed
===================== ================================================================

All are unbiased. They differ in their variance; `measure` computes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import autograd.numpy as np
from scipy.special import roots_hermitenorm

from ..arrays.streams import Stream, sampling_generator
from ..checks import check_count
from ..gradient import value_and_grad
from ..terms import kl_divergence, neglogposterior, neglogprior, reparameterize

CHUNK = 10_000  # samples that go through the decoder at a time


def estimator(function):
    """Decorate an estimator: check its arguments, and the shape of nll's result."""

    @wraps(function)
    def checked(nll, mu, logsigma, eps):
        mu, logsigma = _check_q(mu, logsigma)
        eps = np.asarray(eps, dtype=mu.dtype)
        if eps.ndim != 3 or eps.shape[1:] != mu.shape:
            raise ValueError(
                f"eps should be (n_samples, {mu.shape[0]}, {mu.shape[1]}), got shape {eps.shape}"
            )
        return function(_checked(nll), mu, logsigma, eps)

    return checked


def _check_q(mu, logsigma):
    """Mu and logsigma as floats of one dtype."""
    dtype = np.result_type(np.float32, *(np.asarray(array).dtype for array in (mu, logsigma)))
    mu, logsigma = (np.asarray(array, dtype=dtype) for array in (mu, logsigma))
    if mu.ndim != 2 or mu.shape != logsigma.shape:
        raise ValueError(
            f"mu and logsigma should be (n, latent_dim), got shapes {mu.shape} and {logsigma.shape}"
        )
    return mu, logsigma


def _checked(nll):
    def of_samples(z):
        result = nll(z)
        if np.shape(result) != z.shape[:-1]:
            raise ValueError(
                f"nll should return one number per sample and row, shape {z.shape[:-1]} for z of "
                f"shape {z.shape}, got shape {np.shape(result)}"
            )
        return result

    return of_samples


@estimator
def score_function(nll, mu, logsigma, eps):
    """The log-derivative trick: the mean of ``f(z) * d log q(z)``, z held fixed.

    Parameters
    ----------
    nll : callable
        ``nll(z)``, -log p(x|z) of each sample of each row: (K, n, latent_dim) to (K,
        n).
    mu, logsigma : array, shape (n, latent_dim)
    eps : array, shape (K, n, latent_dim)
        Standard normal noise.

    Returns
    -------
    d_mu, d_logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    Williams (1992), Simple statistical gradient-following algorithms; Paisley, Blei &
    Jordan (2012), Variational Bayesian Inference with Stochastic Search, equation 4.
    The lecture prints it with the opposite sign.
    """
    z, f = _learning_signal(nll, mu, logsigma, eps)
    return _gradient(
        lambda mu, logsigma: -f * neglogposterior(z, *_for_each_sample(mu, logsigma)), mu, logsigma
    )


@estimator
def score_with_baseline(nll, mu, logsigma, eps):
    """`score_function` minus a baseline: the mean of f over the other samples.

    It needs K = 2 samples or more. ``d log q`` has mean 0. So a baseline that does not
    depend on the sample changes the variance only.

    Parameters
    ----------
    nll, mu, logsigma, eps
        As for `score_function`.

    Returns
    -------
    d_mu, d_logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    Mnih & Rezende (2016), Variational inference for Monte Carlo objectives, section
    2.2; Kool, van Hoof & Welling (2019), Buy 4 REINFORCE Samples, Get a Baseline for
    Free!
    """
    K = len(eps)
    if K < 2:
        raise ValueError("the baseline is a mean over other samples, so it needs 2 samples or more")
    z, f = _learning_signal(nll, mu, logsigma, eps)
    others = (f.sum(axis=0) - f) / (K - 1)
    signal = f - others
    return _gradient(
        lambda mu, logsigma: -signal * neglogposterior(z, *_for_each_sample(mu, logsigma)),
        mu,
        logsigma,
    )


@estimator
def pathwise(nll, mu, logsigma, eps):
    """The reparameterization: the derivative through ``z = mu + sigma * eps``.

    Parameters
    ----------
    nll, mu, logsigma, eps
        As for `score_function`; nll is written with autograd's NumPy.

    Returns
    -------
    d_mu, d_logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, section 2.4.
    """

    def f(mu, logsigma):
        z = reparameterize(mu, logsigma, eps)
        return nll(z) + neglogprior(z) - neglogposterior(z, *_for_each_sample(mu, logsigma))

    return _gradient(f, mu, logsigma)


@estimator
def analytic_kl(nll, mu, logsigma, eps):
    """`pathwise` for the reconstruction, with the KL part in closed form.

    Parameters
    ----------
    nll, mu, logsigma, eps
        As for `pathwise`.

    Returns
    -------
    d_mu, d_logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    Kingma & Welling (2014), equation 7.
    """

    def f(mu, logsigma):
        return nll(reparameterize(mu, logsigma, eps)) + kl_divergence(mu, logsigma)

    return _gradient(f, mu, logsigma)


@estimator
def sticking_the_landing(nll, mu, logsigma, eps):
    """`pathwise` without the derivative of log q in its parameters, which has mean 0.

    At the exact posterior the gradient of every sample is 0.

    Parameters
    ----------
    nll, mu, logsigma, eps
        As for `pathwise`.

    Returns
    -------
    d_mu, d_logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    Roeder, Wu & Duvenaud (2017), Sticking the Landing, equation 8.
    """
    held = _for_each_sample(mu, logsigma)

    def f(mu, logsigma):
        z = reparameterize(mu, logsigma, eps)
        return nll(z) + neglogprior(z) - neglogposterior(z, *held)

    return _gradient(f, mu, logsigma)


ESTIMATORS = {
    estimator.__name__: estimator
    for estimator in (
        score_function,
        score_with_baseline,
        pathwise,
        analytic_kl,
        sticking_the_landing,
    )
}


def exact_gradient(nll, mu, logsigma, n_nodes=64):
    """The exact gradient, by Gauss-Hermite quadrature over eps, for 1 or 2 latents.

    Parameters
    ----------
    nll, mu, logsigma
        As for `pathwise`.
    n_nodes : int
        Nodes per latent. The result is exact if nll is a polynomial in z of a degree up
        to ``2 * n_nodes - 2``. For a network of ReLUs, raise it until the result no
        longer changes.

    Returns
    -------
    d_mu, d_logsigma : arrays, shape (n, latent_dim)
    """
    mu, logsigma = _check_q(mu, logsigma)
    n, latent_dim = mu.shape
    if latent_dim > 2:
        raise ValueError(f"quadrature is for 1 or 2 latents, got {latent_dim}")
    nodes, weights = (
        np.stack(np.meshgrid(*[line] * latent_dim), axis=-1)
        .reshape(-1, latent_dim)
        .astype(mu.dtype)
        for line in roots_hermitenorm(check_count("n_nodes", n_nodes))
    )
    eps = np.broadcast_to(nodes[:, None], (len(nodes), n, latent_dim))
    weights = np.prod(weights, axis=1, keepdims=True)
    weights *= len(nodes) / weights.sum()  # analytic_kl takes the mean over samples
    nll = _checked(nll)
    return analytic_kl(lambda z: weights * nll(z), mu, logsigma, eps)


@dataclass(frozen=True)
class GradientStatistics:
    """The result of `measure`.

    All arrays are (2, n, latent_dim): of the gradient in mu, and of that in logsigma.

    Attributes
    ----------
    mean : array
        Mean over all repetitions.
    variance : array
        Variance of one estimate from K samples.
    standard_error : array
        Standard error of the mean.
    exact : array or None
        The exact gradient, if it was passed.
    """

    mean: np.ndarray
    variance: np.ndarray
    standard_error: np.ndarray
    exact: np.ndarray | None = None

    @property
    def bias(self):
        """The mean minus the exact gradient."""
        if self.exact is None:
            raise ValueError(
                "the bias needs the exact gradient: call measure(..., exact=exact_gradient(...))"
            )
        return self.mean - self.exact


def measure(
    estimator: Callable, nll, mu, logsigma, exact=None, *, n_samples=1, repetitions=1000, rng=0
):
    """Measure mean and variance of an estimator, from many independent estimates.

    Parameters
    ----------
    estimator : callable
        One of `ESTIMATORS`, or your own with the same arguments.
    nll, mu, logsigma
        As for `score_function`.
    exact : pair of arrays, optional
        The exact gradient, from `exact_gradient` or a model's closed form.
    n_samples : int
        K, samples per estimate.
    repetitions : int
        How many estimates; 2 or more.
    rng : None, int, SeedSequence or Generator

    Returns
    -------
    GradientStatistics

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> from vaelite import gradient_estimators as estimators
    >>> ppca = vaelite.ProbabilisticPCA(np.array([[2.0, 1.0]]), np.zeros(2), sigma=0.5)
    >>> def nll(z):
    ...     x = np.broadcast_to([1.0, -1.0], (*z.shape[:-1], 2))
    ...     return vaelite.negloglikelihood(x, *ppca.decode(z))
    >>> q = np.zeros((1, 1)), np.full((1, 1), -1.0)
    >>> score = estimators.measure(estimators.score_function, nll, *q)
    >>> pathwise = estimators.measure(estimators.pathwise, nll, *q)
    >>> bool(pathwise.variance[0, 0, 0] < score.variance[0, 0, 0] / 3)
    True
    """
    check_count("n_samples", n_samples)
    check_count("repetitions", repetitions, minimum=2)
    mu, logsigma = _check_q(mu, logsigma)
    rng, nll = sampling_generator(rng, Stream.MEASURE), _checked(nll)
    at_once = max(1, CHUNK // (n_samples * len(mu)))
    found = [
        _independent(estimator, nll, mu, logsigma, min(at_once, repetitions - done), n_samples, rng)
        for done in range(0, repetitions, at_once)
    ]
    estimates = np.concatenate(found, axis=1)
    variance = estimates.var(axis=1, ddof=1)
    exact = None if exact is None else np.stack(exact)
    return GradientStatistics(
        estimates.mean(axis=1), variance, np.sqrt(variance / repetitions), exact
    )


def _independent(estimator, nll, mu, logsigma, repetitions, n_samples, rng):
    """Many estimates, (2, repetitions, n, latent_dim), as one with more rows."""
    n, latent_dim = mu.shape
    eps = rng.standard_normal((n_samples, repetitions * n, latent_dim), dtype=mu.dtype)

    def of_rows(z):
        values = nll(np.reshape(z, (n_samples * repetitions, n, latent_dim)))
        return np.reshape(values, (n_samples, repetitions * n))

    rows = [np.tile(array, (repetitions, 1)) for array in (mu, logsigma)]
    return np.stack(estimator(of_rows, *rows, eps)).reshape(2, repetitions, n, latent_dim)


def _learning_signal(nll, mu, logsigma, eps):
    """The samples, and ``f = -log p(x, z) + log q(z)`` at each, (K, n)."""
    z = reparameterize(mu, logsigma, eps)
    return z, nll(z) + neglogprior(z) - neglogposterior(z, *_for_each_sample(mu, logsigma))


def _for_each_sample(*arrays):
    return [array[None] for array in arrays]


def _gradient(f, mu, logsigma):
    """The gradient of the mean over samples of f, (K, n), for each row."""

    def total(params):
        values = f(params["mu"], params["logsigma"])
        return np.sum(values) / len(values)

    # Rows do not share parameters, so one call computes the gradients of all rows.
    _, grads = value_and_grad(total)({"mu": mu, "logsigma": logsigma})
    return grads["mu"], grads["logsigma"]
