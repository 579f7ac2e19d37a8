"""Stopping rules on made-up sequences of losses."""

import numpy as np
import pytest

from vaelite import Epochs, HeldOut, Lecture


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


def test_held_out_waits_for_its_patience_and_keeps_the_best():
    assert run(HeldOut(tol=0.1, patience=3), rows(5, 4, 3, 3, 3.2, 2.95)) == (6, [1, 2, 3])


def test_held_out_adds_up_small_gains_since_the_best_epoch():
    assert run(HeldOut(tol=0.1, patience=3), rows(5, 4.94, 4.88, 4.82, 4.76)) == (None, [1, 3, 5])


def test_held_out_sees_a_small_gain_among_rows_that_differ_much():
    # The rows' standard deviation is 50: without pairs, the error of 5 would hide a gain of 0.5.
    assert run(HeldOut(tol=0.1), rows(5, 4.5)) == (None, [1, 2])


def test_held_out_does_not_count_noise_as_a_gain():
    before = np.zeros(200)
    after = np.tile([9.0, -11.0], 100)  # mean -1, standard error 0.71
    assert run(HeldOut(tol=0.1), [before, after])[1] == [1]
    assert run(HeldOut(tol=0.1), [before, after - 0.5])[1] == [1, 2]


def test_a_loss_that_is_not_finite_is_not_an_improvement():
    assert run(HeldOut(), rows(5, np.nan))[1] == [1]


def test_the_lectures_rule():
    losses = [5, 4, 4.9, 5.9, 6.8, 7.9]  # the first rise above 1 is the last, 1.1
    assert run(Lecture(tol=1), losses) == (6, [1, 2, 3, 4, 5, 6])


def test_the_lectures_rule_never_stops_a_slow_drift():
    assert run(Lecture(tol=1), np.arange(0, 900, 0.9))[0] is None


def test_the_lectures_rule_ignores_nan():
    assert run(Lecture(tol=1), [5, np.nan, 7])[0] is None


def test_epochs_never_stops():
    assert run(Epochs(), [5, 50, 500]) == (None, [1, 2, 3])


@pytest.mark.parametrize("rule", [HeldOut(), Lecture(), Epochs()])
def test_the_reason_is_none_before_the_first_epoch(rule):
    assert rule.reason() is None
