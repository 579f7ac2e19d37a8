"""The Gaussian likelihood: what decoder outputs become, samples, and the data it refuses."""

import math

import numpy as np
import pytest
from scipy import stats

from vaelite import Gaussian
from vaelite.likelihoods import QUANTIZATION


def test_the_floor_is_the_standard_deviation_of_rounding():
    assert QUANTIZATION == pytest.approx(math.log(stats.uniform(0, 1 / 255).std()))


def test_means():
    raw = np.array([[-800.0, 0.0, 800.0]])
    assert Gaussian(sigma=1.0).parameters(raw)[0] == pytest.approx(np.array([[0, 0.5, 1]]))
    assert Gaussian(mean="identity", sigma=1.0).parameters(raw)[0] is raw


@pytest.mark.parametrize(
    ("sigma", "head"), [("image", (1, True)), ("shared", (1, False)), ("pixel", (3, True)), (0.5, None)]
)
def test_sigma_heads(sigma, head):
    assert Gaussian(sigma=sigma).heads(3) == {"mu": (3, True)} | ({"logsigma": head} if head else {})


def test_a_fixed_sigma():
    mu, logsigma = Gaussian(sigma=0.5).parameters(np.zeros((4, 3), np.float32))
    assert logsigma == pytest.approx(np.full((4, 1), math.log(0.5)))
    assert logsigma.dtype == np.float32


def test_the_floor_is_smooth_and_harmless_above():
    raw = np.array([[-1e4], [QUANTIZATION], [0.0], [5.0]])
    _, logsigma = Gaussian().parameters(np.zeros((4, 3)), raw)
    assert logsigma.ravel() == pytest.approx([QUANTIZATION, QUANTIZATION + math.log(2), 0, 5], abs=2e-3)
    assert Gaussian(floor=None).parameters(np.zeros((4, 3)), raw)[1] is raw


def test_samples_have_the_right_moments(rng):
    mu, logsigma = np.full((50_000, 2), [0.3, 5.0]), np.full((50_000, 1), math.log(0.2))
    x = Gaussian().sample(rng, mu, logsigma)
    assert stats.kstest(x[:, 0], stats.norm(0.3, 0.2).cdf).pvalue > 0.01
    assert np.corrcoef(x.T)[0, 1] == pytest.approx(0, abs=0.02)


def test_data_outside_the_means_range_are_refused():
    with pytest.raises(ValueError, match="divide by 255"):
        Gaussian().check(np.array([0.0]), np.array([255.0]))
    with pytest.raises(ValueError, match="identity"):
        Gaussian().check(np.array([-1.0]), np.array([1.0]))
    Gaussian(mean="identity").check(np.array([-1.0]), np.array([300.0]))


def test_constant_features_warn_where_each_has_its_sigma():
    low, high = np.array([0.0, 0.5]), np.array([1.0, 0.5])
    with pytest.warns(UserWarning, match="1 of 2 features are constant.*column 1"):
        Gaussian(sigma="pixel").check(low, high)
    Gaussian(sigma="image").check(low, high)


@pytest.mark.parametrize("settings", [{"mean": "sigmoid"}, {"sigma": "row"}, {"sigma": 0}, {"sigma": -1.0},
                                      {"sigma": math.nan}, {"sigma": True}, {"floor": math.inf}])  # fmt: skip
def test_settings_that_are_refused(settings):
    with pytest.raises(ValueError, match="should be"):
        Gaussian(**settings)
