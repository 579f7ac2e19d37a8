"""What a fit keeps when something goes wrong: numbers, callbacks, warnings, a closed pipe."""

import copy
import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import vaelite
from vaelite import training
from vaelite.state import TrainState

X = np.random.default_rng(0).random((60, 4), dtype=np.float32)
QUICK = {"batch_size": 20, "max_epochs": 5, "rng": 0, "stopping": "epochs"}


def fit(**settings):
    return vaelite.VAE(2, 4, **{**QUICK, **settings}).fit(X)


def spoil(monkeypatch, steps):
    """Make a gradient NaN in some of all steps, counted from 0; the states before them."""
    original, seen = training.value_and_grad, []

    def spoiled(objective):
        def gradient(params, x, eps):
            value, grads = original(objective)(params, x, eps)
            if len(seen) in steps:
                grads["decoder.mu.W"][0, 0] = np.nan
            seen.append({name: array.copy() for name, array in params.items()})
            return value, grads

        return gradient

    monkeypatch.setattr(training, "value_and_grad", spoiled)
    return seen


def everything(params, adam):
    arrays = {"params": params, "m": adam.m, "v": adam.v}
    found = {
        (k, name): array.tobytes() for k, table in arrays.items() for name, array in table.items()
    }
    return found | {"t": adam.t, "learning_rate": adam.learning_rate}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_number_in_any_gradient_at_any_step_changes_nothing(bad, monkeypatch):
    """One element of one gradient is patched, and the loss stays finite."""
    vae, tried = vaelite.VAE(2, 4).build(4, rng=0), 0
    original, objective, adam = training.value_and_grad, vae.loss(), vaelite.Adam()
    eps = np.random.default_rng(1).standard_normal((4, 60, 2), dtype=np.float32)
    for step in range(4):
        for name in vae.params:

            def spoiled(objective, name=name):
                def gradient(*args):
                    value, grads = original(objective)(*args)
                    grads[name].flat[-1] = bad
                    assert np.isfinite(value)
                    return value, grads

                return gradient

            before, tried = everything(vae.params, adam), tried + 1
            monkeypatch.setattr(training, "value_and_grad", spoiled)
            with pytest.raises(
                vaelite.TrainingError, match=f"^the gradient of {name} is not finite"
            ):
                training.step(objective, vae.params, adam, X, eps[step])
            assert everything(vae.params, adam) == before
        monkeypatch.setattr(training, "value_and_grad", original)
        training.step(objective, vae.params, adam, X, eps[step])
    assert tried == 4 * len(vae.params) >= 40

    other = vaelite.VAE(2, 4).build(4, rng=0)
    adam = vaelite.Adam()
    for step in range(4):
        training.step(other.loss(), other.params, adam, X, eps[step])
    for name, array in other.params.items():
        assert np.array_equal(array, vae.params[name]), name


def test_an_epoch_is_tried_again_from_the_last_good_state(monkeypatch):
    seen = spoil(monkeypatch, {7})  # the second step of epoch 3
    message = r"epoch 3, batch 1: the gradient of decoder.mu.W is not finite; .*trying it again"
    with pytest.warns(vaelite.FitWarning, match=message):
        vae = fit()
    assert vae.n_epochs == 5
    assert vae.history["learning_rate"] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-4])
    for name, array in seen[8].items():  # the first step of epoch 3, again
        assert np.array_equal(array, seen[6][name]), name
    assert all(len(column) == 5 for column in vae.history.values())


def test_retries_are_bounded_and_the_error_names_the_place(monkeypatch):
    spoil(monkeypatch, range(7, 1000, 2))
    message = r"training stopped in epoch 3, batch \d: the gradient of decoder.mu.W is not finite"
    with (
        pytest.warns(vaelite.FitWarning) as warned,
        pytest.raises(vaelite.TrainingError, match=message) as raised,
    ):
        fit()
    assert len(warned) <= 3
    model = raised.value.model
    assert (model.n_epochs, model.history["epoch"]) == (2, [1, 2])
    assert model.stop_reason.startswith("TrainingError: training stopped in epoch 3")
    monkeypatch.undo()
    for name, array in fit(max_epochs=2).params.items():
        assert np.array_equal(array, model.params[name]), name
    assert model.sample(3, rng=0).shape == (3, 4)
    assert "attribute `model`" in raised.value.__notes__[0]


def test_where_no_step_was_taken_no_learning_rate_helps(monkeypatch):
    spoil(monkeypatch, {0})
    with pytest.raises(vaelite.TrainingError, match="epoch 1, batch 0") as raised:
        fit()
    assert not hasattr(raised.value, "model")


def test_retries_are_part_of_what_a_checkpoint_keeps(monkeypatch, tmp_path):
    def stop(model, state):
        if state.epoch == 4:
            raise KeyError

    spoil(monkeypatch, {7})
    with pytest.warns(vaelite.FitWarning):
        whole = fit()
    spoil(monkeypatch, {7})
    with pytest.warns(vaelite.FitWarning), pytest.raises(KeyError):
        fit(checkpoint=tmp_path / "run.npz", callbacks=stop)
    monkeypatch.undo()
    resumed = fit(checkpoint=tmp_path / "run.npz")
    for name, array in resumed.params.items():
        assert np.array_equal(array, whole.params[name]), name


def test_the_tables_of_a_mean_field_model_get_a_smaller_learning_rate_too():
    state = TrainState({}, vaelite.Adam(1.0), None)
    state.local = vaelite.Adam(2.0)
    slower = state.slower(0.1)
    assert (slower.adam.learning_rate, slower.local.learning_rate, slower.retries) == (0.1, 0.2, 1)
    assert (state.adam.learning_rate, state.local.learning_rate, state.retries) == (1.0, 2.0, 0)


def test_an_error_in_a_callback_carries_the_model():
    def stop(model, state):
        if state.epoch == 3:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as raised:
        fit(callbacks=stop)
    expected = fit(max_epochs=3)
    assert raised.value.model.n_epochs == 3
    for name, array in raised.value.model.params.items():
        assert np.array_equal(array, expected.params[name]), name


def test_a_warning_as_an_error_carries_the_model():
    model = vaelite.VAE(2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(vaelite.ConvergenceWarning) as raised:
            model.set_params(**{**QUICK, "stopping": "heldout"}).fit(X)
    assert raised.value.model.n_epochs == 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = fit(stopping="heldout")
    for name, array in raised.value.model.params.items():
        assert np.array_equal(array, expected.params[name]), name


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda state: pickle.loads(pickle.dumps(state))])
def test_a_callback_may_copy_its_state(clone):
    states = []
    fit(callbacks=lambda model, state: states.append(clone(state)))
    assert [state.epoch for state in states] == [1, 2, 3, 4, 5]
    assert [len(state.history["epoch"]) for state in states] == [1, 2, 3, 4, 5]
    changes = [
        states[i].params["decoder.mu.W"] - states[i + 1].params["decoder.mu.W"] for i in (0, 3)
    ]
    assert all(np.abs(change).max() > 0 for change in changes)


def test_a_copied_state_shares_nothing_that_training_changes():
    params = {"w": np.ones(2)}
    state = TrainState(params, vaelite.Adam(), vaelite.HeldOut())
    state.adam.update(params, {"w": np.ones(2)})
    state.record_epoch(1.0)
    other = state.copy()
    other.adam.update(other.params, {"w": np.ones(2)})
    other.epoch, other.losses["val_loss"] = 1, 2.0
    other.record_epoch(2.0)
    other.record_iteration(1.0)
    other.judge(np.ones(3))
    assert (state.adam.t, state.epoch, state.losses) == (1, 0, {})
    assert state.adam.m["w"].tolist() == pytest.approx([0.1, 0.1])
    assert state.rule.best == np.inf
    assert state.history["epoch"] == [0]
    assert state.log["iteration"] == []
    assert state.params["w"].tolist() == params["w"].tolist() != other.params["w"].tolist()


PIPED = """
import numpy as np, vaelite
X = np.random.default_rng(0).random((60, 4), dtype=np.float32)
settings = {"stopping": "epochs", "progress": "lines", "log_every": 1}
vae = vaelite.fit(X, hidden_dim=4, batch_size=20, max_epochs=300, rng=0, **settings)
vae.save("model.npz")
"""


def test_a_closed_pipe_does_not_end_a_fit(tmp_path):
    command = f"{sys.executable} -c '{PIPED}' | head -2"
    paths = os.pathsep.join(sys.path)
    subprocess.run(
        command, shell=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, check=True
    )
    assert vaelite.load(tmp_path / "model.npz").n_epochs == 300
