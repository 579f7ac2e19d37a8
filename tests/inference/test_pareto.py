"""Pareto k-hat against ArviZ, and against distributions whose shape is known."""

import numpy as np
import pytest
from arviz_stats.base import array_stats
from scipy import stats

from vaelite.inference import pareto


@pytest.mark.parametrize("n_samples", [25, 100, 225, 1000, 5000])
def test_k_hat_is_that_of_arviz(n_samples, rng):
    log_weights = rng.standard_normal((n_samples, 6)) * [0.1, 0.5, 1, 2, 4, 8]
    expected = [array_stats.psislw(-column)[1] for column in log_weights.T]
    largest = np.sort(log_weights, axis=0)[-pareto.tail_length(n_samples) - 1 :]
    found = pareto.k_hat(np.exp(largest - largest[-1]))
    assert found == pytest.approx(np.array(expected), abs=1e-8)


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
