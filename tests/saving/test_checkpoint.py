"""A fit that is stopped at any time and called again ends as if it had not been stopped."""

import random
import signal
import subprocess
import sys
import time
import warnings

import helpers
import numpy as np
import pytest

import vaelite
from vaelite import training
from vaelite.saving import storage
from vaelite.stopping import Epochs

rng = np.random.default_rng(0)
X, C = rng.random((60, 4), dtype=np.float32), np.eye(3, dtype=np.float32)[np.arange(60) % 3]
QUICK = {"batch_size": 20, "max_epochs": 6, "rng": 0, "log_every": 2}
FITS = {
    "epochs": (vaelite.VAE, {"stopping": "epochs"}),
    "lecture": (vaelite.VAE, {"stopping": vaelite.Lecture(tol=0.001), "learning_rate": 0.2}),
    "heldout": (
        vaelite.VAE,
        {"stopping": vaelite.HeldOut(patience=1, drops=1), "learning_rate": 0.3},
    ),
    "conditional": (vaelite.VAE, {"condition": C, "X_test": X[:9], "condition_test": C[:9]}),
    "float64": (vaelite.VAE, {"X": X.astype(np.float64), "weight_decay": 0.1}),
    "objective": (vaelite.VAE, {"importance_samples": 2, "steps_per_epoch": 2}),
    "warm-up": (vaelite.VAE, {"warmup_epochs": 4, "beta": 2.0, "normalized": False}),
    "autoencoder": (vaelite.Autoencoder, {"start": "network"}),
    "mean field": (vaelite.MeanField, {}),
}


class Stop(Exception):
    pass


def stop_at(epoch):
    def stop(model, state):
        if state.epoch == epoch:
            raise Stop

    return stop


def fit(kind, model=None, **settings):
    kind, own = FITS[kind]
    settings = {"X": X, **QUICK, **own, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vaelite.FitWarning)
        return helpers.fit(model or kind(2, 4), settings.pop("X"), **settings)


def state_in(path):
    """All of the state in a checkpoint except for the times, and the arrays by name."""
    manifest, arrays = storage.load(path)
    plain = manifest["state"]["dict"]
    del plain["elapsed"]
    arrays.pop("state.history.elapsed", None)
    return plain, arrays


def assert_same(model, other):
    assert model.params.keys() == other.params.keys()
    for name, array in model.params.items():
        assert np.array_equal(array, other.params[name]), name
    histories = [{**m.history, "elapsed": 0} for m in (model, other)]
    assert histories[0] == histories[1]
    for name in "log", "stop_reason", "n_epochs", "best_epoch", "scores", "converged":
        assert getattr(model, name) == getattr(other, name), name


@pytest.mark.parametrize("kind", FITS)
def test_a_resumed_fit_ends_as_one_that_was_not_stopped(kind, tmp_path):
    whole = fit(kind, checkpoint=tmp_path / "whole.npz")
    with pytest.raises(Stop):
        fit(kind, checkpoint=tmp_path / "run.npz", callbacks=stop_at(3))
    assert state_in(tmp_path / "run.npz")[0]["epoch"] == 2
    resumed = fit(kind, checkpoint=tmp_path / "run.npz")
    assert_same(resumed, whole)
    assert_same(resumed, fit(kind))
    (plain, arrays), expected = state_in(tmp_path / "run.npz"), state_in(tmp_path / "whole.npz")
    assert plain == expected[0]
    assert arrays.keys() == expected[1].keys()
    for name, array in arrays.items():
        assert np.array_equal(array, expected[1][name], equal_nan=True), name


def test_the_heldout_fit_lowers_its_learning_rate_before_and_after_the_stop():
    rates = fit("heldout", max_epochs=9).history["learning_rate"]
    assert rates[0] > rates[-1]


def test_a_finished_fit_comes_back_at_once(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    whole = fit("epochs", checkpoint=path)
    monkeypatch.setattr(training, "step", None)
    assert_same(fit("epochs", checkpoint=path), whole)


def test_a_callbacks_wish_to_stop_is_kept(tmp_path, monkeypatch):
    path, ends = tmp_path / "run.npz", lambda model, state: state.epoch == 2
    whole = fit("epochs", checkpoint=path, callbacks=ends)
    assert (whole.n_epochs, whole.stop_reason) == (2, "a callback returned True")
    monkeypatch.setattr(training, "step", None)
    assert_same(fit("epochs", checkpoint=path, callbacks=ends), whole)


def test_more_epochs_may_be_asked_for(tmp_path):
    fit("epochs", checkpoint=tmp_path / "run.npz", max_epochs=4)
    assert_same(fit("epochs", checkpoint=tmp_path / "run.npz", max_epochs=6), fit("epochs"))
    with pytest.raises(ValueError, match="max_epochs was 6, is 5$"):
        fit("epochs", checkpoint=tmp_path / "run.npz", max_epochs=5)


def test_without_a_seed_the_first_one_is_used_again(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(Stop):
        fit("epochs", checkpoint=path, rng=None, callbacks=stop_at(3))
    resumed = fit("epochs", checkpoint=path, rng=None)
    (seed,) = [resumed.solution.provenance["seed"]["rng"]]
    assert_same(resumed, fit("epochs", rng=seed))


def test_an_interrupted_notebook_cell_goes_on_when_it_is_run_again(tmp_path):
    model, path = vaelite.VAE(2, 4), tmp_path / "run.npz"

    def press_ctrl_c(model, state):
        if state.epoch == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted after epoch 3"):
        fit("epochs", model, checkpoint=path, callbacks=press_ctrl_c)
    assert_same(fit("epochs", model, checkpoint=path), fit("epochs"))


OTHERS = {
    "learning_rate was 0.001, is 0.01": {"learning_rate": 0.01},
    "rng was 0, is 1": {"rng": 1},
    "stopping was epochs, is Lecture.tol=1.": {"stopping": vaelite.Lecture()},
    "X was 60 x 4 float32, .*, is 60 x 4 float32, .*": {"X": np.flip(X)},
    "X was 60 x 4 float32, .*, is 50 x 4 float32, .*": {"X": X[:50]},
    "condition was None, is 60 x 3 float32, .*; n_conditions was 0, is 3|n_conditions was 0, is 3; "
    "condition was None, is 60 x 3": {"condition": C},
    "dtype was float32, is float64": {"X": X.astype(np.float64)},
    "hidden_dim was .4., is .5.": {"model": vaelite.VAE(2, 5)},
    "neglogprior was None, is neglogprior": {
        "model": vaelite.VAE(2, 4, neglogprior=vaelite.neglogprior)
    },
}


@pytest.mark.parametrize("message", OTHERS)
def test_another_fit_is_refused_with_the_differences(message, tmp_path):
    path = tmp_path / "run.npz"
    fit("epochs", checkpoint=path)
    before, other = path.read_bytes(), vaelite.VAE(2, 4)
    other = OTHERS[message].get("model", other)
    with pytest.raises(ValueError, match="is the checkpoint of another fit: .*" + message):
        fit("epochs", checkpoint=path, **{"model": other, **OTHERS[message]})
    assert path.read_bytes() == before
    assert other.solution is None


def test_a_file_that_is_no_checkpoint_is_not_overwritten(tmp_path):
    model, path = fit("epochs"), tmp_path / "model.npz"
    model.save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is not a checkpoint, and would be overwritten"):
        fit("epochs", checkpoint=path)
    assert path.read_bytes() == before
    path.write_text("a list of things to buy")
    with pytest.raises(vaelite.ModelFileError):
        fit("epochs", checkpoint=path)
    assert path.read_text() == "a list of things to buy"
    with pytest.raises(TypeError, match="checkpoint should be a file name .*, got True"):
        fit("epochs", checkpoint=True)


def test_a_checkpoint_is_no_model(tmp_path):
    fit("epochs", checkpoint=tmp_path / "run.npz")
    with pytest.raises(vaelite.ModelFileError, match=r"checkpoint, not a model: .*fit\(X, ..., ch"):
        vaelite.load(tmp_path / "run.npz")


@pytest.mark.parametrize("cut", [10, 0.5, 0.99])
def test_a_damaged_checkpoint_is_refused(cut, tmp_path):
    path = tmp_path / "run.npz"
    fit("epochs", checkpoint=path)
    content = path.read_bytes()
    path.write_bytes(content[: cut if cut > 1 else int(cut * len(content))])
    with pytest.raises(vaelite.ModelFileError):
        fit("epochs", checkpoint=path)


class TwoLosses(Epochs):
    """Your own rule; what it remembers is kept."""

    def __init__(self):
        self.seen, self.names = [], ("a", "b")

    def __repr__(self):
        return "TwoLosses()"

    def update(self, losses):
        self.seen.append(float(np.mean(losses)))
        return True

    def reason(self):
        return "two losses" if len(self.seen) == 4 else None


def test_your_own_rule_is_kept(tmp_path):
    with pytest.raises(Stop):
        fit("epochs", stopping=TwoLosses(), checkpoint=tmp_path / "run.npz", callbacks=stop_at(3))
    model = fit("epochs", stopping=TwoLosses(), checkpoint=tmp_path / "run.npz")
    assert (model.n_epochs, model.stop_reason) == (4, "two losses")


def test_what_cannot_be_written_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "step", None)
    rule = TwoLosses()
    rule.seen = [object()]
    with pytest.raises(TypeError, match=r"state\.rule\.seen\.0 is a object, which a file cannot"):
        fit("epochs", stopping=rule, checkpoint=tmp_path / "run.npz")
    with pytest.raises(FileNotFoundError, match="no folder"):
        fit("epochs", checkpoint=tmp_path / "missing" / "run.npz")


def test_the_time_between_two_writings(tmp_path, monkeypatch):
    written, save = [], storage.save
    monkeypatch.setattr(storage, "save", lambda *args: written.append(args) or save(*args))
    fit("epochs", checkpoint=tmp_path / "run.npz", checkpoint_seconds=1000)
    epochs = [manifest["state"]["dict"]["epoch"] for _, manifest, _ in written]
    assert epochs == [0, 6]
    whole = fit("epochs", checkpoint=tmp_path / "all.npz")
    assert len(written) == 2 + 7
    assert_same(fit("epochs", checkpoint=tmp_path / "run.npz"), whole)


def test_other_versions_warn(tmp_path, monkeypatch):
    with pytest.raises(Stop):
        fit("epochs", checkpoint=tmp_path / "run.npz", callbacks=stop_at(3))
    monkeypatch.setattr(vaelite.versions, "processor", lambda: "another one")
    with pytest.warns(UserWarning, match="may differ from the first fit: processor was .*, is an"):
        fit("epochs", checkpoint=tmp_path / "run.npz")


def test_a_fit_on_a_device_goes_on(device, tmp_path):
    model = vaelite.VAE(2, 4, backend="cupy")
    whole = fit("heldout", vaelite.VAE(2, 4, backend="cupy"))
    with pytest.raises(Stop):
        fit("heldout", model, checkpoint=tmp_path / "run.npz", callbacks=stop_at(3))
    assert_same(fit("heldout", model, checkpoint=tmp_path / "run.npz"), whole)


def test_a_write_that_fails_leaves_the_file_and_the_model(tmp_path, monkeypatch):
    path, replace = tmp_path / "run.npz", storage.os.replace
    calls = []

    def fail(*args):
        calls.append(args)
        if len(calls) > 3:
            raise OSError(28, "No space left on device")
        replace(*args)

    monkeypatch.setattr(storage.os, "replace", fail)
    with pytest.raises(OSError, match="No space") as raised:
        fit("epochs", checkpoint=path)
    assert raised.value.model.n_epochs == 3
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    assert state_in(path)[0]["epoch"] == 2
    assert_same(fit("epochs", checkpoint=path), fit("epochs"))


FIT_UNTIL_KILLED = """
import sys, warnings
sys.path[:0] = sys.argv[1], f"{sys.argv[1]}/.."
warnings.simplefilter("ignore")
from test_checkpoint import fit
print("ready", flush=True)
fit(sys.argv[2], checkpoint=sys.argv[3], max_epochs=100, callbacks=lambda m, s: None)
"""


@pytest.mark.parametrize(
    "kills",
    [pytest.param(12, marks=pytest.mark.slow), pytest.param(50, marks=pytest.mark.exhaustive)],
)
def test_kills_at_random_times(kills, tmp_path):
    """Each process is killed without warning, and the fit then goes on in this process."""
    folder, times, done = __file__.rpartition("/")[0], random.Random(0), []
    kinds = ["heldout", "epochs", "mean field", "lecture"]
    whole = {kind: fit(kind, max_epochs=100) for kind in kinds}
    for i in range(kills):
        kind, path = kinds[i % 4], tmp_path / f"{i}.npz"
        command = [sys.executable, "-c", FIT_UNTIL_KILLED, folder, kind, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(times.uniform(0, 1.5))
            process.send_signal(signal.SIGKILL)
        done.append(state_in(path)[0]["epoch"] if path.exists() else None)
        assert_same(fit(kind, checkpoint=path, max_epochs=100), whole[kind])
    partly = [epoch for epoch in done if epoch is not None and epoch < 100]
    print(f"{kills} kills, with files of the epochs {done}: all resumed fits equal the whole ones")
    assert len(partly) >= kills / 5
