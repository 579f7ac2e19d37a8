"""Your own optimizer and a checkpoint: a resumed fit has the same bits, or is refused."""

import warnings

import numpy as np
import pytest

import vaelite
from vaelite import training

X = np.random.default_rng(0).random((60, 4), dtype=np.float32)
QUICK = {"batch_size": 20, "max_epochs": 6, "rng": 0}


def fit(**settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vaelite.VAE(2, 4, **{**QUICK, "stopping": "epochs", **settings}).fit(X)


def stop(model, state):
    if state.epoch == 3:
        raise KeyError


class Momentum:
    """Nested dicts of arrays, and arrays in another order in memory."""

    def __init__(self, learning_rate=0.01):
        self.learning_rate, self.velocity, self.decay = learning_rate, {}, (0.9,)

    def update(self, params, grads):
        for name, array in params.items():
            before = self.velocity.get(name, 0 * array.T).T
            velocity = self.decay[-1] * before + grads[name]
            norm = 1 + np.sqrt(np.sum(velocity * velocity))  # its rounding depends on the order
            self.velocity[name] = np.array(velocity, order="F").T
            array -= self.learning_rate / norm * velocity

    def state_dict(self):
        return dict(vars(self))

    def load_state_dict(self, state):
        vars(self).update(state)


class Noisy:
    """An Adam inside, and random numbers."""

    def __init__(self):
        self.inner, self.rng = vaelite.Adam(0.01), np.random.default_rng(3)

    def update(self, params, grads):
        noise = {name: 0.01 * self.rng.standard_normal(g.shape) for name, g in grads.items()}
        self.inner.update(params, {n: (g + noise[n]).astype(g.dtype) for n, g in grads.items()})

    def state_dict(self):
        return {"inner": self.inner.state_dict(), "rng": self.rng.bit_generator.state}

    def load_state_dict(self, state):
        self.inner.load_state_dict(state["inner"])
        self.rng.bit_generator.state = state["rng"]


class Sign:
    """Without any state."""

    def update(self, params, grads):
        for name in params:
            params[name] -= 1e-3 * np.sign(grads[name])


GOOD = {kind.__name__: kind for kind in (vaelite.Adam, Momentum, Noisy)}


@pytest.mark.parametrize(
    "stopping",
    [
        "epochs",
        pytest.param(vaelite.HeldOut(patience=1, drops=1, tol=1.0), marks=pytest.mark.slow),
    ],
    ids=["epochs", "heldout"],
)
@pytest.mark.parametrize("kind", GOOD)
def test_a_resumed_fit_has_the_same_bits(kind, stopping, tmp_path):
    own = {"optimizer": GOOD[kind](), "stopping": stopping}
    whole, path = fit(**own), tmp_path / "run.npz"
    with pytest.raises(KeyError):
        fit(**own, checkpoint=path, callbacks=stop)
    resumed = fit(**own, checkpoint=path)
    for name, array in whole.params.items():
        assert np.array_equal(array, resumed.params[name]), name
    for name in whole.history.keys() - {"elapsed"}:
        assert np.array_equal(whole.history[name], resumed.history[name], equal_nan=True), name
    assert whole.n_epochs == resumed.n_epochs > 3


class Forgetful(Momentum):
    """It returns no state: a resumed fit begins with another velocity."""

    def state_dict(self):
        return {}


def test_the_state_of_the_optimizer_is_needed(tmp_path):
    """The test above would notice an optimizer that begins again."""
    path = tmp_path / "run.npz"
    with pytest.raises(KeyError):
        fit(optimizer=Forgetful(), checkpoint=path, callbacks=stop)
    resumed, whole = fit(optimizer=Forgetful(), checkpoint=path), fit(optimizer=Forgetful())
    assert not np.array_equal(resumed.params["decoder.mu.W"], whole.params["decoder.mu.W"])


class HalfWay(Sign):
    def state_dict(self):
        return {}


class WithGenerator(Momentum):
    def state_dict(self):
        return {"rng": np.random.default_rng(3)}


class Numbered(Momentum):
    def state_dict(self):
        return {"seen": {0: 1.0}}


BAD = {
    Sign: "a checkpoint cannot keep Sign: it has no state_dict; give it state_dict(), which",
    HalfWay: "a checkpoint cannot keep HalfWay: it has no load_state_dict; give it",
    WithGenerator: "state.adam.rng is a Generator, which a file cannot hold",
    Numbered: "state.adam.seen has the key 0; a file holds texts as keys only",
}


def test_what_a_checkpoint_cannot_keep_is_refused_before_training(tmp_path, monkeypatch):
    for kind, message in BAD.items():
        monkeypatch.setattr(training, "step", None)
        with pytest.raises(TypeError) as raised:
            fit(optimizer=kind(), checkpoint=tmp_path / "run.npz")
        monkeypatch.undo()
        assert message in str(raised.value), kind
        assert "\n" not in str(raised.value)
        assert not list(tmp_path.iterdir())
        assert fit(optimizer=kind(), max_epochs=1).n_epochs == 1  # without a checkpoint it trains


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (Momentum(0.01), Momentum(0.02), r"optimizer was .*learning_rate=0\.01.*, is .*=0\.02"),
        (
            vaelite.Adam(0.01),
            vaelite.Adam(0.02),
            r"optimizer was Adam\(learning_rate=0\.01, .*=0\.02",
        ),
        (vaelite.Adam(0.01), Momentum(0.01), r"optimizer was .*Adam\(.*, is .*Momentum\("),
    ],
)
def test_another_optimizer_is_another_fit(one, other, message, tmp_path):
    fit(optimizer=one, checkpoint=tmp_path / "run.npz", max_epochs=1)
    with pytest.raises(ValueError, match="the checkpoint of another fit: " + message):
        fit(optimizer=other, checkpoint=tmp_path / "run.npz", max_epochs=1)
