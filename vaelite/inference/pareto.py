"""How heavy the tail of some numbers is: Pareto k-hat, from the largest of them.

Above a high threshold, most distributions look like a generalized Pareto distribution.
Its shape k [1]_, which `fit_pareto` finds [2]_, says which moments exist: above 1/2 the
variance is infinite, above 1 the mean is. So a standard error is worth nothing if k is
large. For importance weights, the estimate itself is too low then: the samples that
would dominate it are missing.

References
----------
.. [1] Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto Smoothed Importance
   Sampling, JMLR 25(72), section 3.
.. [2] Zhang & Stephens (2009), A New and Efficient Estimation Method for the
   Generalized Pareto Distribution, Technometrics 51(3), equations 7 and 8.
"""

import numpy as np
from scipy.special import softmax

FEWEST = 25  # samples: a tail of 5
PRIOR_K, PRIOR_WEIGHT = 0.5, 10  # k is drawn to 1/2, as by 10 more numbers [1]


def tail_length(n_samples):
    """How many of the largest numbers are the tail: ``min(S / 5, 3 sqrt(S))``."""
    return int(min(n_samples / 5, 3 * np.sqrt(n_samples)))


def highest_k(n_samples):
    """The k-hat up to which S samples can be trusted, at most 0.7."""
    return min(1 - 1 / np.log10(max(n_samples, FEWEST)), 0.7)


def k_hat(largest):
    """Estimate the shape of a generalized Pareto distribution from the largest numbers.

    Parameters
    ----------
    largest : array, shape (M + 1, n)
        For each column a threshold and the M numbers of the tail, in ascending order.

    Returns
    -------
    array, shape (n,)
        Minus infinity for a tail of equal numbers; NaN for fewer than 5 numbers.
    """
    if len(largest) <= tail_length(FEWEST):
        return np.full(largest.shape[1], np.nan)
    excess = largest[1:] - largest[0]
    has_spread = excess[_quartile(len(excess))] > 0
    k = np.full(largest.shape[1], -np.inf)
    k[has_spread] = fit_pareto(excess[:, has_spread])[0]
    return k


def fit_pareto(excess):
    """Fit generalized Pareto distributions: Zhang and Stephens' method.

    It is an empirical Bayes estimate: a mean over a grid of theta = -k / sigma, with
    weights from the profile likelihood. k has the prior of Vehtari et al.

    Parameters
    ----------
    excess : array, shape (M, n)
        For each column, M numbers of 0 or more in ascending order.

    Returns
    -------
    k, sigma : arrays, shape (n,)
        Shape and scale of the distribution function
        ``1 - (1 + k x / sigma)^(-1 / k)``.
    """
    M, size = len(excess), 30 + int(np.sqrt(len(excess)))
    steps = 1 - np.sqrt(size / (np.arange(size) + 0.5))
    grid = 1 / excess[-1] + steps[:, None] / (3 * excess[_quartile(M)])
    k = np.stack([np.log1p(-theta * excess).mean(axis=0) for theta in grid])
    weights = softmax(M * (np.log(-grid / k) - k - 1), axis=0)
    theta = np.sum(weights * grid, axis=0)
    k = np.log1p(-theta * excess).mean(axis=0)
    return (M * k + PRIOR_WEIGHT * PRIOR_K) / (M + PRIOR_WEIGHT), -k / theta


def _quartile(M):
    """The place of the first quartile among M numbers in ascending order."""
    return int(M / 4 + 0.5) - 1
