"""Stopping rules on made-up sequences of losses."""

import numpy as np
import pytest
import scipy.stats

from vaelite import Epochs, HeldOut, Lecture
from vaelite.stopping import stopping_rule, trimmed_mean


def run(rule, losses):
    """The number of epochs before a rule stops (None: never), and the epochs that became best."""
    best = []
    for epoch, loss in enumerate(losses, start=1):
        if rule.update(np.atleast_1d(loss)):
            best.append(epoch)
        if rule.reason():
            return epoch, best
    return None, best


def rows(*means, n=200):
    """An array of losses per row, for each mean. Rows differ much, and epochs by their means."""
    base = 50 * np.random.default_rng(0).standard_normal(n)
    return [base + mean for mean in means]


def held_out(**settings):
    """The default rule, without reductions of the learning rate."""
    return HeldOut(**{"tol": 0.1, "patience": 3, "drops": 0} | settings)


def test_held_out_waits_for_its_patience_and_keeps_the_lowest_mean():
    assert run(held_out(), rows(5, 4, 3, 2.98, 3.2, 3.1)) == (6, [1, 2, 3, 4])


def test_the_lowest_mean_is_kept_even_if_it_is_no_improvement():
    stopped, best = run(held_out(patience=5), rows(5, 4, 3.99, 3.98, 4.5, 3.97, 4))
    assert (stopped, best) == (7, [1, 2, 3, 4, 6])


def test_held_out_adds_up_small_gains_since_the_last_improvement():
    assert run(held_out(), rows(5, 4.94, 4.88, 4.82, 4.76, 4.7))[0] is None
    assert run(held_out(), rows(5, 4.99, 4.98, 4.97))[0] == 4


def test_held_out_sees_a_small_gain_among_rows_that_differ_much():
    # The rows' standard deviation is 50: without the same rows, a gain of 0.5 would be lost.
    assert run(held_out(), rows(5, 4.5, 4, 3.5, 3))[0] is None


def test_a_loss_that_falls_by_orders_of_magnitude_has_not_converged():
    scale = np.random.default_rng(0).uniform(0, 1, 200)
    assert run(held_out(), [10.0**-epoch * 1e9 * scale for epoch in range(10)])[0] is None


def test_outlying_rows_cannot_hide_that_the_others_improve():
    losses = rows(*np.arange(10, 0, -1.0))
    for epoch, outliers in enumerate(losses):
        outliers[:10] = 1000 * (epoch + 1)  # ten of 200 rows become worse and worse
    stopped, best = run(held_out(), losses)
    assert stopped is None
    assert best == [1]  # but the mean over all rows says which epoch is the best


def test_outlying_rows_that_improve_are_an_improvement():
    losses = rows(*np.full(10, 5.0))
    for epoch, outliers in enumerate(losses):
        outliers[:10] = -1000 * epoch
    assert run(held_out(), losses) == (None, list(range(1, 11)))


def test_where_patience_ends_the_learning_rate_falls_before_training_stops():
    rule, scales = held_out(patience=3, drops=2, factor=0.1), []
    for losses in rows(5, 5, 5, 5, 5, 5, 5, 5):
        assert rule.reason() is None
        rule.update(losses)
        scales.append(rule.learning_rate_scale)
    assert scales == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01])
    assert "2 reductions" in rule.reason()


@pytest.mark.parametrize("patience", [1, 2, 3, 4, 30])
def test_after_a_reduction_it_waits_half_as_long(patience):
    rule = held_out(patience=patience, drops=1)
    half = -(-patience // 2)
    assert run(rule, rows(*[5] * 100))[0] == 1 + patience + half
    assert f"for {half} epochs" in rule.reason()


def test_an_improvement_at_a_lower_learning_rate_renews_the_patience():
    rule = held_out(patience=4, drops=1, factor=0.1)
    assert run(rule, rows(5, 5, 5, 5, 5, 4, 4, 4)) == (8, [1, 6])
    assert rule.learning_rate_scale == 0.1


def test_it_waits_longer_for_a_model_that_has_learned_nothing():
    losses = rows(*[5] * 40)
    for learned, epochs in ((1.1, 1 + 4 + 2), (0.9, 1 + 20 + 2), (-1, 1 + 20 + 2)):
        rule = held_out(patience=4, drops=1)
        rule.baseline = losses[0].mean() + learned
        assert run(rule, losses)[0] == epochs
        assert "for 2 epochs" in rule.reason()
    assert run(held_out(patience=4, drops=1), losses)[0] == 7  # without a baseline


def test_a_loss_that_is_not_finite_is_not_an_improvement():
    assert run(HeldOut(), rows(5, np.nan))[1] == [1]


def test_the_trimmed_mean_leaves_out_a_tenth_at_either_end():
    losses = np.random.default_rng(0).permutation(np.arange(50.0) ** 2)
    assert trimmed_mean(losses) == pytest.approx(scipy.stats.trim_mean(losses, 0.1))


def test_the_lectures_rule():
    losses = [5, 4, 4.9, 5.9, 6.8, 7.9]  # the first rise above 1 is the last, 1.1
    assert run(Lecture(), losses) == (6, [1, 2, 3, 4, 5, 6])
    assert run(Lecture(tol=1.2), losses)[0] is None
    assert run(Lecture(tol=0.8), losses)[0] == 3


def test_the_lectures_rule_never_stops_a_slow_drift():
    assert run(Lecture(tol=1), np.arange(0, 900, 0.9))[0] is None


def test_the_lectures_rule_ignores_nan():
    assert run(Lecture(tol=1), [5, np.nan, 7])[0] is None


def test_epochs_never_stops():
    assert run(Epochs(), [5, 50, 500]) == (None, [1, 2, 3])


@pytest.mark.parametrize("rule", [HeldOut(), Lecture(), Epochs()])
def test_the_reason_is_none_before_the_first_epoch(rule):
    assert rule.reason() is None


def test_a_rule_that_is_passed_is_copied():
    rule = held_out()
    assert stopping_rule(rule) is not rule


def test_the_reason_counts_the_reductions():
    rule = held_out(patience=1, drops=1)
    run(rule, rows(5, 5, 5, 5, 5))
    assert "after 1 reduction of the learning rate" in rule.reason()
