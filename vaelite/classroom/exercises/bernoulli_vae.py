"""Tutorial 07: the Bernoulli VAE."""

import numpy as np
from numpy.testing import assert_allclose
from scipy import special

from vaelite import Bernoulli


def is_the_least_loss(floor):
    """The smallest Bernoulli loss of each image, ``floor(x)``."""
    x = np.concatenate([np.random.default_rng(8).random((4, 3)), [[0.0, 1.0, 0.5]]])
    found = np.asarray(floor(x))
    assert found.shape == (5,), f"5 images should have 5 numbers, got shape {found.shape}"
    assert np.isfinite(found).all(), f"0 log 0 should be 0; the row (0, 1, 0.5) has {found[-1]}"
    logits = special.logit(np.clip(x, 1e-12, 1 - 1e-12))
    least = Bernoulli().negloglikelihood(x, logits)
    assert_allclose(found, least, atol=1e-9, err_msg="a prediction p = x has another loss")


def integrates_to_1(log_normalizer):
    """A of the density exp(a x - A) on [0, 1], ``log_normalizer(a)``, elementwise."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x, weights = (nodes + 1) / 2, weights / 2
    for a in (-40.0, -2.0, 0.5, 9.0):
        integral = weights @ np.exp(a * x - log_normalizer(np.array([a])))
        assert np.isclose(integral, 1), f"logit {a}: the density's integral is {integral:.4f}"
    big = log_normalizer(np.array([800.0, -800.0]))
    assert np.isfinite(big).all(), f"logits of 800 and -800: got {big}, which is not finite"
    assert np.allclose(big, [800 - np.log(800), -np.log(800)]), f"logits of +-800: got {big}"
