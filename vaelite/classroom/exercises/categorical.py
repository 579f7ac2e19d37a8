"""Tutorial 08: categorical likelihood and bits per dimension."""

import numpy as np
from numpy.testing import assert_allclose
from scipy import special, stats

from vaelite import Categorical


def are_bits_per_pixel(bits_per_dim):
    """Bits per feature of each image, ``bits_per_dim(nats, n_features)``."""
    for n, D, L in ((2, 5, 16), (3, 7, 17), (4, 6, 2)):
        x = np.random.default_rng(0).integers(L, size=(n, D))
        nats = Categorical(L).negloglikelihood(x, np.zeros((n, D, L)))
        found = bits_per_dim(nats, D)
        assert np.shape(found) == (n,), f"{n} images should have {n} numbers, got {found}"
        message = f"a uniform network needs exactly log2({L}) bits per pixel for {L} levels"
        assert_allclose(found, np.log2(L), rtol=1e-12, err_msg=message)
        several = bits_per_dim(nats * np.arange(n), D)
        message = "k times the nats should be k times the bits"
        assert_allclose(several, np.log2(L) * np.arange(n), err_msg=message)


def is_the_probability_of_a_bin(log_probability):
    """log P of a level under a Gaussian, ``log_probability(level, mu, logsigma)``."""
    rng = np.random.default_rng(0)
    mu, logsigma = rng.uniform(size=(3, 5)), rng.uniform(-5, 1, size=(3, 1))
    total = sum(
        np.exp(log_probability(np.full((3, 5), level), mu, logsigma)) for level in range(17)
    )
    message = "the 17 probabilities do not sum to 1; are the outer bins open?"
    assert_allclose(total, 1, err_msg=message)
    inside = np.linspace(-0.5, 0.5, 4001) / 16
    weight = np.full(4001, inside[1] - inside[0])
    weight[[0, -1]] /= 2
    for level, mu, logsigma in ((4, 0.3, -2), (9, 0.5, -3), (12, 0.2, -4), (2, 0.9, -4.5)):
        density = stats.norm(mu, np.exp(logsigma)).logpdf(level / 16 + inside)
        found = log_probability(np.array([level]), np.array([mu]), np.array([float(logsigma)]))
        message = f"level {level}, mu {mu}, logsigma {logsigma}: not the integral over its bin"
        expected = special.logsumexp(density, b=weight)
        assert_allclose(found, [expected], rtol=1e-4, err_msg=message)


def is_scipys_binomial(binomial):
    """-log p(x|z) of counts out of 16, ``binomial(x, logits)``."""
    rng = np.random.default_rng(0)
    for n, D in ((2, 5), (4, 3)):
        x, logits = rng.integers(17, size=(n, D)), rng.normal(0, 3, size=(n, D))
        found = np.asarray(binomial(x, logits))
        assert found.shape == (n,), f"{n} images should have {n} numbers, got shape {found.shape}"
        expected = -stats.binom(16, special.expit(logits)).logpmf(x).sum(axis=1)
        assert_allclose(found, expected, err_msg="the result differs from scipy.stats")
    certain = binomial(np.array([[0, 16]]), np.array([[-800.0, 800]]))
    assert_allclose(certain, [0], atol=1e-9, err_msg="logits of +-800")
