"""The state of a run: what it starts with, what it records and reports, and its solution."""

from types import SimpleNamespace

import numpy as np
import pytest

import vaelite
from vaelite.state import Solution, State, TrainState
from vaelite.stopping import Epochs, HeldOut

COLUMNS = SimpleNamespace(n_features=2, n_conditions=3, feature_names=None)
PLAN = SimpleNamespace(max_epochs=9, data=COLUMNS)


def new_state(rule=None):
    params = {"a": np.array([3.0, 4.0]), "b": np.array([[0.0]])}
    return TrainState(params, vaelite.Adam(), rule or Epochs())


def epochs(state, losses):
    """Record an epoch for each loss (of all rows); the parameters are the epoch's number."""
    for state.epoch, loss in enumerate(losses, start=1):
        state.params["b"][:] = state.epoch
        state.train_loss, state.losses = loss + 1, {"val_loss": loss}
        state.record_epoch(elapsed=10.0 * state.epoch)
        state.judge(np.full(5, loss))
        state.follow()


def test_before_the_first_step_nothing_has_happened():
    for state in (new_state().report(9), State({}, 9)):
        assert (state.epoch, state.iteration, state.best_epoch, state.elapsed) == (0, -1, 0, 0)
        assert state.max_epochs == 9
        assert np.isnan([state.train_loss, state.param_norm, state.val_loss, state.test_kl]).all()
    solution = Solution({}, 2)
    assert (solution.n_epochs, solution.best_epoch, solution.n_conditions) == (0, 0, 0)
    assert solution.converged is False
    assert vaelite.VAE().build(4).n_epochs == 0


def test_held_out_rows_bring_back_the_best_epoch():
    state = new_state(HeldOut(tol=0.1, patience=2, drops=0))
    epochs(state, [5, 3, 4, 6])
    assert state.report(9).best_epoch == 2
    solution = state.solution(PLAN)
    assert (solution.best_epoch, solution.n_epochs, solution.converged) == (2, 4, True)
    assert solution.params["b"] == 2
    state.params["a"][:] = 0  # what is kept is a copy
    assert solution.params["a"].tolist() == [3, 4]


def test_without_held_out_rows_the_last_epoch_stays():
    state = new_state()
    epochs(state, [5, 3, 4, 6])
    solution = state.solution(PLAN)
    assert (solution.best_epoch, solution.n_epochs, solution.converged) == (4, 4, False)
    assert solution.params["b"] == 4
    assert solution.stop_reason == "max_epochs: ran all 9"
    assert (solution.n_features, solution.n_conditions) == (2, 3)


def test_only_a_satisfied_rule_is_convergence():
    state = new_state()
    epochs(state, [5])
    state.stop_reason = "a callback returned True"
    assert state.solution(PLAN).converged is False
    assert state.solution(PLAN).stop_reason == "a callback returned True"


def test_the_history_has_a_row_for_each_epoch():
    state = new_state()
    epochs(state, [5, 3])
    expected = {"epoch": [1, 2], "train_loss": [6, 4], "val_loss": [5, 3], "elapsed": [10, 20]}
    expected["learning_rate"] = [state.adam.learning_rate] * 2
    assert state.history == expected


def test_the_log_has_a_row_for_each_record():
    state = new_state()
    for state.iteration in (0, 4):
        state.record_iteration(float(state.iteration + 7))
    assert state.log["iteration"] == [0, 4]
    assert state.log["train_loss"] == [7, 11]
    assert state.log["param_norm"] == [5, 5]  # of (3, 4), and of 0


def test_a_report_has_the_latest_numbers_and_cannot_change_training():
    state = new_state()
    epochs(state, [5, 3])
    state.iteration = 17
    report = state.report(9)
    assert (report.epoch, report.iteration, report.train_loss, report.val_loss) == (2, 17, 4, 3)
    assert report.elapsed == 20
    with pytest.raises(ValueError, match="read-only"):
        report.params["a"][0] = 1
    with pytest.raises(TypeError):
        report.params["a"] = np.zeros(2)
