"""Pareto k-hat against ArviZ, and against distributions whose shape is known."""

import math

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from vaelite.inference import pareto


def tail_of(log_weights):
    """The threshold and the tail of the weights, (M + 1, n)."""
    largest = np.sort(log_weights, axis=0)[-pareto.tail_length(len(log_weights)) - 1 :]
    return np.exp(largest - largest[-1])


@pytest.mark.parametrize("n_samples", [30, 100, 225, 1000, 5000])
def test_k_hat_is_that_of_arviz(n_samples, rng):
    log_weights = rng.standard_normal((n_samples, 6)) * [0.1, 0.5, 1, 2, 4, 8]
    expected = [array_stats.psislw(-column)[1] for column in log_weights.T]
    assert pareto.k_hat(tail_of(log_weights)) == pytest.approx(np.array(expected), abs=1e-8)


def k_by_hand(excess):
    """Zhang and Stephens' k, number by number, drawn to 1/2 as by 10 more numbers."""
    x, n = sorted(excess), len(excess)
    m = 30 + math.isqrt(n)
    quartile = x[math.floor(n / 4 + 1 / 2) - 1]
    theta = [1 / x[-1] + (1 - math.sqrt(m / (j - 1 / 2))) / (3 * quartile) for j in range(1, m + 1)]
    k = lambda t: sum(math.log(1 - t * number) for number in x) / n
    profile = [n * (math.log(-t / k(t)) - k(t) - 1) for t in theta]
    weights = [1 / sum(math.exp(other - one) for other in profile) for one in profile]
    mean = sum(w * t for w, t in zip(weights, theta, strict=True))
    return (n * k(mean) + 10 * 1 / 2) / (n + 10)


@pytest.mark.parametrize("n_samples", [25, 29, 60])
def test_k_hat_is_that_of_the_formula(n_samples, rng):
    """Also for a tail of 5 numbers, which ArviZ no longer accepts."""
    log_weights = rng.standard_normal((n_samples, 4)) * [0.5, 1, 2, 4]
    largest = tail_of(log_weights)
    expected = [k_by_hand((column[1:] - column[0]).tolist()) for column in largest.T]
    assert pareto.k_hat(largest) == pytest.approx(np.array(expected), abs=1e-8)


@pytest.mark.parametrize("k", [-0.5, 0.2, 0.7, 1.2])
def test_the_fit_finds_the_shape_and_the_scale(k):
    numbers = stats.genpareto(k, scale=3).rvs((4000, 5), random_state=0)
    found, sigma = pareto.fit_pareto(np.sort(numbers, axis=0))
    assert found == pytest.approx(np.full(5, k), abs=0.1)
    assert sigma == pytest.approx(np.full(5, 3), rel=0.1)


def test_equal_weights_have_a_light_tail_and_few_have_none():
    assert pareto.k_hat(np.ones((20, 3))).tolist() == [-np.inf] * 3
    assert np.isnan(pareto.k_hat(np.ones((5, 3)))).all()


def test_fewer_samples_need_lighter_tails():
    assert pareto.highest_k(100) == pytest.approx(0.5)
    assert pareto.highest_k(10_000) == 0.7
