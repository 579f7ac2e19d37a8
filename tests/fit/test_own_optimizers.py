"""Your own optimizer and a checkpoint: a resumed fit has the same bits, or is refused."""

import collections
import re
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
        return vaelite.VAE(2, 4).fit(X, **{**QUICK, "stopping": "epochs", **settings})


def stop(model, state):
    if state.epoch == 3:
        raise KeyError


class Momentum:
    """Nested dicts of arrays, a tuple, and arrays in another order in memory."""

    def __init__(self, learning_rate=0.01):
        self.learning_rate, self.velocity, self.decay = learning_rate, {}, (0.9,)

    def update(self, params, grads):
        for name, array in params.items():
            before = self.velocity.get(name, 0 * array.T).T
            velocity = self.decay[-1] * before + grads[name]
            norm = 1 + np.sqrt(np.sum(velocity * velocity))  # its rounding depends on the order
            self.velocity[name] = np.array(velocity, order="F").T
            array -= self.learning_rate / norm * velocity


class Slots:
    __slots__ = ("steps", "sums")

    def __init__(self):
        self.steps, self.sums = 0, None

    def update(self, params, grads):
        self.steps += 1
        self.sums = self.sums or [np.zeros_like(array) for array in params.values()]
        for total, (name, array) in zip(self.sums, params.items(), strict=True):
            total += grads[name] ** 2
            array -= 0.1 / self.steps * grads[name] / (np.sqrt(total) + 1e-8)


class SlotsAndMore(Slots):
    """Slots, and a dict of attributes."""

    def update(self, params, grads):
        self.last = float(sum(abs(g).sum() for g in grads.values()))
        super().update(params, grads)


class Noisy:
    """An Adam inside, and random numbers: kept by the protocol."""

    def __init__(self):
        self.inner, self.rng = vaelite.Adam(0.01), np.random.default_rng(3)

    def update(self, params, grads):
        noise = {name: 0.01 * self.rng.standard_normal(g.shape) for name, g in grads.items()}
        self.inner.update(params, {n: (g + noise[n]).astype(g.dtype) for n, g in grads.items()})

    def __getstate__(self):
        return {"inner": self.inner.__getstate__(), "rng": self.rng.bit_generator.state}

    def __setstate__(self, state):
        self.__init__()
        vars(self.inner).update(state["inner"])
        self.rng.bit_generator.state = state["rng"]


class Sign:
    """Without any attribute."""

    def update(self, params, grads):
        for name in params:
            params[name] -= 1e-3 * np.sign(grads[name])


GOOD = {kind.__name__: kind for kind in (vaelite.Adam, Momentum, Slots, SlotsAndMore, Noisy, Sign)}


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


def test_the_state_of_the_optimizer_is_needed(tmp_path, monkeypatch):
    """The test above would notice an optimizer that begins again."""
    with pytest.raises(KeyError):
        fit(optimizer=Momentum(), checkpoint=tmp_path / "run.npz", callbacks=stop)
    monkeypatch.setattr(vaelite.saving.checkpoint, "_set_state", lambda part, state: None)
    monkeypatch.setattr(vaelite.saving.checkpoint, "check_resumable", lambda *args: None)
    resumed, whole = (
        fit(optimizer=Momentum(), checkpoint=tmp_path / "run.npz"),
        fit(optimizer=Momentum()),
    )
    assert not np.array_equal(resumed.params["decoder.mu.W"], whole.params["decoder.mu.W"])


class WithGenerator:
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def update(self, params, grads):
        for name, array in params.items():
            array -= self.rng.random(dtype=array.dtype) * grads[name]


class Defaults(Momentum):
    def __init__(self):
        super().__init__()
        self.velocity = collections.defaultdict(float)


class Numbered(Sign):
    def __init__(self):
        self.seen = {0: 1.0}


class Wrapped(Sign):
    def __init__(self):
        self.inner = vaelite.Adam()

    def update(self, params, grads):
        self.inner.update(params, grads)


class Shared(Sign):
    """Two names of one dict: a file would have two dicts."""

    def __init__(self):
        self.one = self.other = {"steps": 0}

    def update(self, params, grads):
        self.one["steps"] += 1
        for name in params:
            params[name] -= 0.01 * self.other["steps"] * grads[name]


STEPS = []


class Elsewhere(Sign):
    """It remembers its steps outside of itself."""

    def update(self, params, grads):
        STEPS.append(None)
        for name in params:
            params[name] -= 0.01 / (1 + len(STEPS)) * grads[name]


BAD = {
    WithGenerator: r"optimizer\.rng is a Generator, which a file cannot hold",
    Defaults: r"optimizer\.velocity is a defaultdict, which a file cannot hold",
    Numbered: r"optimizer\.seen has the key 0; a file holds texts as keys only",
    Wrapped: r"optimizer\.inner is a Adam, which a file cannot hold",
    Shared: r"with its attributes alone it takes other steps, first of encoder\.0\.W",
    Elsewhere: r"with its attributes alone it takes other steps, first of encoder\.0\.W",
}


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.__name__)
def test_what_a_checkpoint_cannot_keep_is_refused_before_training(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "step", None)
    with pytest.raises(TypeError) as raised:
        fit(optimizer=kind(), checkpoint=tmp_path / "run.npz")
    said = str(raised.value)
    assert re.search(f"a checkpoint cannot keep {kind.__name__}: .*{BAD[kind]}", said), said
    assert re.search(r"give it __getstate__\(\), which returns such a dict, and __setstate__", said)
    assert "\n" not in said
    assert not list(tmp_path.iterdir())


def test_without_a_checkpoint_they_all_train():
    for kind in BAD:
        assert fit(optimizer=kind(), max_epochs=1).n_epochs == 1


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
