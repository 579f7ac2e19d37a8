"""A warm start, the receipt of a fit, and its repetition."""

import warnings

import helpers
import numpy as np
import pytest

import vaelite
from vaelite.fit import fit as fit_module
from vaelite.fit import plan

rng = np.random.default_rng(0)
X, C = rng.random((60, 4), dtype=np.float32), np.eye(3, dtype=np.float32)[np.arange(60) % 3]
QUICK = {"batch_size": 20, "max_epochs": 3, "rng": 0, "stopping": "epochs"}


def fit(model=None, data=X, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vaelite.FitWarning)
        return helpers.fit(model or vaelite.VAE(2, 4), data, **{**QUICK, **settings})


def assert_same_params(model, other):
    assert model.params.keys() == other.params.keys()
    for name, array in model.params.items():
        assert np.array_equal(array, other.params[name]), name


@pytest.mark.parametrize("loaded", [False, True])
def test_a_warm_start_goes_on_and_appends(loaded, tmp_path):
    model = fit(log_every=2)
    first = {name: list(column) for name, column in model.history.items()}
    if loaded:
        model.save(tmp_path / "model.npz")
        model = vaelite.load(tmp_path / "model.npz")
    before = model.score(X)
    fit(model, warm_start=True, max_epochs=20, learning_rate=0.01, log_every=2)
    assert model.history["epoch"] == list(range(1, 24))
    assert (model.n_epochs, model.best_epoch) == (23, 23)
    assert model.stop_reason == "max_epochs: ran all 23"
    for name, column in first.items():
        assert model.history[name][:3] == column, name
    assert model.score(X) > before
    assert np.all(np.diff(model.history["elapsed"]) > 0)
    assert np.all(np.diff(model.log["iteration"]) > 0)
    assert len({len(column) for column in model.log.values()}) == 1


def test_a_warm_start_has_other_noise_than_the_first_epochs(monkeypatch):
    seen, model = [], fit(max_epochs=1)
    generator = plan.generator

    def spy(seed, *address):
        seen.append(address)
        return generator(seed, *address)

    monkeypatch.setattr(plan, "generator", spy)
    fit(model, warm_start=True, max_epochs=1)
    noise = vaelite.arrays.streams.Stream.NOISE
    assert [address[1] for address in seen if address[0] is noise] == [2, 2, 2]


def test_a_warm_start_of_another_rule_leaves_gaps_of_nan():
    model = fit()
    fit(model, warm_start=True, stopping="heldout", max_epochs=2)
    assert np.isnan(model.history["val_loss"]).tolist() == [True] * 3 + [False] * 2
    assert np.isnan(model.history["eval_loss"]).tolist() == [False] * 3 + [True] * 2
    assert len({len(column) for column in model.history.values()}) == 1


def test_a_warm_start_keeps_a_better_start():
    model = fit(stopping="heldout", max_epochs=12, learning_rate=0.01)
    params, best = model.params, model.best_epoch
    fit(model, warm_start=True, stopping="heldout", max_epochs=3, learning_rate=1.0)
    assert model.best_epoch == best
    for name, array in model.params.items():
        assert np.array_equal(array, params[name]), name


def test_a_warm_start_holds_out_the_same_rows(monkeypatch, tmp_path):
    model, rows = fit(stopping="heldout", rng=None), []
    model.save(tmp_path / "model.npz")
    split = vaelite.data.dataset.Dataset.split

    def spy(data, fraction, rng):
        train, held_out = split(data, fraction, rng)
        rows.append(held_out.X.rows.tolist())
        return train, held_out

    monkeypatch.setattr(vaelite.data.dataset.Dataset, "split", spy)
    fit(vaelite.load(tmp_path / "model.npz"), warm_start=True, stopping="heldout", rng=None)
    with pytest.warns(vaelite.ConvergenceWarning):
        model.refit(X)
    assert rows[0] == rows[1]


def test_a_warm_start_needs_a_model_and_data_like_the_first():
    with pytest.raises(vaelite.NotFittedError):
        fit(warm_start=True)
    model = fit()
    solution = model.solution
    with pytest.raises(ValueError, match="X has 3 features, but VAE is expecting 4"):
        fit(model, X[:, :3], warm_start=True)
    with pytest.raises(ValueError, match="fitted without a condition"):
        fit(model, warm_start=True, condition=C)
    with pytest.raises(TypeError, match="warm_start should be True or False, got 1"):
        fit(model, warm_start=1)
    with pytest.raises(vaelite.NotFittedError):
        vaelite.MeanField(2, 4, warm_start=True).fit(X)
    assert model.solution is solution


def mean_field(model=None, data=X, **settings):
    return fit(model or vaelite.MeanField(2, 4), data, **{"learning_rate": 0.01, **settings})


def test_a_warm_start_of_mean_field_goes_on_with_the_tables(monkeypatch):
    """Its first epoch begins where the first fit ended, with a new Adam for decoder and rows."""
    model, started = mean_field(max_epochs=30), []
    q, params, losses = (model.mu, model.logsigma), model.params, model.history["eval_loss"]
    train = fit_module.train

    def spy(run, state, *others):
        started.append(state)
        return train(run, state, *others)

    monkeypatch.setattr(fit_module, "train", spy)
    mean_field(model, warm_start=True, max_epochs=1, learning_rate=1e-9, local_learning_rate=1e-3)
    (state,) = started
    assert model.history["epoch"] == list(range(1, 32))
    assert model.history["eval_loss"][:30] == losses[:30]
    for name, array in zip(("q.mu", "q.logsigma"), q, strict=True):
        assert np.array_equal(state.params[name], array)
        assert not state.local.m[name].any()
        moved = abs(getattr(model, name[2:]) - array)  # the first step of Adam has this size
        assert moved == pytest.approx(1e-3, rel=0.01)
    for name, array in params.items():
        assert np.array_equal(state.params[name], array), name


@pytest.mark.parametrize("other", ["loaded", "rows"])
def test_a_warm_start_of_mean_field_without_tables_infers_them(other, tmp_path):
    """With the tables of new rows, from the prior, the loss of one epoch would be 191."""
    normal = np.random.default_rng(1).normal
    data = 1 / (1 + np.exp(-2 * normal(size=(60, 2)) @ normal(size=(2, 8)))).astype(np.float32)
    model = mean_field(vaelite.MeanField(2, 8), data, max_epochs=150)
    assert model.history["eval_loss"][0] > 0 > -5 > model.history["eval_loss"][-1]
    if other == "loaded":
        model.save(tmp_path / "model.npz")
        model = vaelite.load(tmp_path / "model.npz")
        assert model.mu is None
    else:
        data = data[::-1]  # as many, but other rows
    mean_field(model, data, warm_start=True, max_epochs=1, local_learning_rate=1e-6)
    assert model.mu.shape == (60, 2)
    assert model.history["eval_loss"][-1] < -5


def test_a_warm_start_of_mean_field_and_a_checkpoint(tmp_path):
    def again(**settings):
        return mean_field(mean_field(), warm_start=True, max_epochs=4, **settings)

    def stop(model, state):
        if state.epoch == 6:
            raise KeyError

    with pytest.raises(KeyError):
        again(checkpoint=tmp_path / "run.npz", callbacks=stop)
    resumed, whole = again(checkpoint=tmp_path / "run.npz"), again()
    assert_same_params(resumed, whole)
    assert np.array_equal(resumed.mu, whole.mu)
    other = mean_field()
    other.mu[0, 0] += 1
    with pytest.raises(ValueError, match="of another fit: .*start was .*, is"):
        mean_field(other, warm_start=True, max_epochs=4, checkpoint=tmp_path / "run.npz")


def test_a_warm_start_of_a_built_model_begins_with_its_parameters():
    model = vaelite.VAE(2, 4).build(4, rng=5)
    before = {name: array.copy() for name, array in model.params.items()}
    fit(model, warm_start=True, learning_rate=1e-9)
    for name, array in model.params.items():
        assert array == pytest.approx(before[name], abs=1e-6), name
    assert model.history["epoch"] == [1, 2, 3]


def test_a_warm_start_and_a_checkpoint(tmp_path):
    fit().save(tmp_path / "model.npz")

    def again(**settings):
        model = vaelite.load(tmp_path / "model.npz")
        return fit(model, warm_start=True, max_epochs=4, **settings)

    def stop(model, state):
        if state.epoch == 6:
            raise KeyError

    with pytest.raises(KeyError):
        again(checkpoint=tmp_path / "run.npz", callbacks=stop)
    assert_same_params(again(checkpoint=tmp_path / "run.npz"), again())
    other = fit(rng=3)
    with pytest.raises(ValueError, match="of another fit: .*start was .*, is"):
        fit(other, warm_start=True, max_epochs=4, checkpoint=tmp_path / "run.npz")


KINDS = {
    "vae": (vaelite.VAE, {"stopping": vaelite.HeldOut(patience=3)}),
    "conditional": (vaelite.VAE, {"condition": C, "X_test": X[:9], "condition_test": C[:9]}),
    "sequence": (vaelite.VAE, {"rng": np.random.SeedSequence(3, spawn_key=(1, 2))}),
    "float64": (lambda *sizes: vaelite.VAE(*sizes, dtype="float64"), {"rng": None}),
    "autoencoder": (vaelite.Autoencoder, {"weight_decay": 0.5}),
    "mean field": (vaelite.MeanField, {"local_learning_rate": 0.1}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_refit_repeats_the_fit_of_a_loaded_model(kind, tmp_path):
    create, settings = KINDS[kind]
    model = fit(create(2, 4), **settings)
    model.save(tmp_path / "model.npz")
    loaded, names = vaelite.load(tmp_path / "model.npz"), ("X_test", "condition", "condition_test")
    assert loaded.solution.provenance == model.solution.provenance
    data = {name: settings[name] for name in names if name in settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vaelite.FitWarning)
        again = loaded.refit(X, **data)
    assert again is not loaded
    assert type(again) is type(model)
    assert_same_params(again, model)
    losses = [{**m.history, "elapsed": 0} for m in (model, again)]
    assert losses[0] == losses[1]
    assert again.solution.provenance == model.solution.provenance


def test_refit_refuses_other_data_and_models_without_a_record(monkeypatch):
    model = fit()
    monkeypatch.setattr(vaelite.training, "step", None)
    with pytest.raises(ValueError, match="not the fit to repeat: X was 60 x 4 .*, is 59 x 4"):
        model.refit(X[1:])
    with pytest.raises(ValueError, match="not the fit to repeat: .*condition was None, is 60 x 3"):
        model.refit(X, condition=C)
    with pytest.raises(ValueError, match="was not trained by fit"):
        vaelite.VAE(2, 4).build(4).refit(X)
    with pytest.raises(vaelite.NotFittedError):
        vaelite.VAE(2, 4).refit(X)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="resumed another model"):
        fit(model, warm_start=True).refit(X)


class Never(vaelite.Epochs):
    def __repr__(self):
        return "Never()"


class Nameless(vaelite.Epochs):
    __repr__ = object.__repr__


def test_a_record_has_no_addresses():
    rule = fit(stopping=Nameless()).solution.provenance["settings"]["stopping"]
    assert rule == {"own": "Nameless()"}


def test_refit_needs_your_own_rule_again(tmp_path):
    model = fit(stopping=Never())
    assert_same_params(model.refit(X), model)  # it still has the rule
    model.save(tmp_path / "model.npz")
    loaded = vaelite.load(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"your own stopping, Never\(\): pass stopping="):
        loaded.refit(X)
    assert_same_params(loaded.refit(X, stopping=Never()), model)


def test_the_receipt_has_all_that_repeats_the_fit(capsys, tmp_path):
    fit(learning_rate=0.002, condition=C).save(tmp_path / "model.npz")
    vaelite.load(tmp_path / "model.npz").receipt()
    printed = capsys.readouterr().out
    words = [line.split() for line in printed.splitlines()]
    assert ["learning_rate", "0.002"] in words
    assert ["rng", "0"] in words
    assert ["numpy", np.__version__] in words
    assert any(line[:5] == ["X", "60", "x", "4", "float32,"] for line in words)
    assert any(line[:1] == ["condition"] for line in words)
    for name in "kernels", "threads", "Python", "stopping":
        assert any(line[:1] == [name] for line in words), name
    assert "not converged after 3 epochs (max_epochs: ran all 3)" in printed


def test_digests_are_of_the_numbers_in_any_layout_and_on_disk(tmp_path):
    digest = vaelite.saving.provenance.digest
    big = np.arange(6_000_000, dtype=np.float32).reshape(-1, 3)  # more than one chunk
    np.save(tmp_path / "big.npy", big)
    assert digest(big) == digest(np.asfortranarray(big))
    assert digest(big) == digest(np.load(tmp_path / "big.npy", mmap_mode="r"))
    for place in (0, 0), (-1, -1):
        changed = big.copy()
        changed[place] += 1
        assert digest(changed) != digest(big)
    assert digest(big) != digest(big.reshape(3, -1).copy())
    assert digest(big[:5]) != digest(big[:5].astype(np.float64))
