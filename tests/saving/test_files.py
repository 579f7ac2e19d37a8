"""Models as files: the manifest name by name, settings, and custom parts."""

import json
import zipfile

import autograd.numpy as anp
import numpy as np
import pytest

import vaelite

SETTINGS = {"max_epochs": 2, "stopping": "epochs", "rng": 0}


def manifest_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def test_the_manifest(digits, tmp_path):
    vae = vaelite.fit(digits[0], hidden_dim=(8, 4), **SETTINGS)
    vae.save(tmp_path / "vae.npz")
    manifest = manifest_of(tmp_path / "vae.npz")
    solution = manifest.pop("solution")
    arrays = manifest.pop("arrays")
    settings = manifest.pop("settings")
    assert manifest.pop("provenance") == vae.solution.provenance
    assert settings == vae.solution.provenance["settings"]
    assert settings["hidden_dim"] == [8, 4]
    floor = vae.likelihood.floor
    gaussian = {"mean": "logistic", "sigma": "image", "floor": floor}
    assert settings["likelihood"] == {"Gaussian": gaussian}
    expected = {"format": 4, "kind": "VAE", "n_features": 64, "n_conditions": 0}
    assert manifest == expected | {"feature_names": None}
    assert set(solution) == {"converged", "stop_reason", "n_epochs", "best_epoch", "scores"}
    columns = {f"history.{name}" for name in vae.history} | {f"log.{name}" for name in vae.log}
    assert set(arrays) == {*vae.params, *columns}
    with np.load(tmp_path / "vae.npz") as file:
        assert file["history.eval_loss"].tolist() == vae.history["eval_loss"]


def test_a_loaded_model_has_the_settings_of_the_saved_one(digits, tmp_path):
    settings = {
        **{"latent_dim": 3, "likelihood": "bernoulli", "prior": vaelite.Mixture(2), "beta": 2.0},
        **{"stopping": vaelite.HeldOut(patience=1), "dtype": "float64", "max_epochs": 1},
        **{"encoder": vaelite.Dense((7,), "tanh"), "learning_rate": lambda step: 1e-3},
    }
    with pytest.warns(vaelite.ConvergenceWarning):
        vae = vaelite.fit(digits[0][:100], **settings, rng=0)
    vae.save(tmp_path / "vae.npz")
    loaded = vaelite.load(tmp_path / "vae.npz")
    ours, theirs = (model.get_params(deep=False) for model in (vae, loaded))
    left_out = {"rng", "learning_rate", "backend", "stopping"}  # code, or known otherwise
    for name in ours.keys() - left_out:
        assert ours[name] == theirs[name], name
    assert repr(theirs["stopping"]) == repr(ours["stopping"])
    assert theirs["learning_rate"] == 1e-3


def test_a_file_of_another_format_says_what_to_do(digits, tmp_path):
    vaelite.VAE(2, 4).build(3).save(tmp_path / "vae.npz")
    with zipfile.ZipFile(tmp_path / "vae.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    for number in 3, 5, True, "4":
        members["manifest.json"] = json.dumps(manifest | {"format": number}).encode()
        with zipfile.ZipFile(tmp_path / "vae.npz", "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        with pytest.raises(vaelite.ModelFileError, match=r"reads format 4, but .* has format"):
            vaelite.load(tmp_path / "vae.npz")


class Skip(vaelite.Network):
    """A custom network: one hidden layer and a direct connection."""

    def __init__(self, width):
        self.width = width

    def shapes(self, n_inputs, heads):
        return {"in.W": (n_inputs, self.width), **self.head_shapes(n_inputs + self.width, heads)}

    def __call__(self, params, h, heads):
        hidden = anp.tanh(anp.matmul(h, params["in.W"]))
        return self.outputs(params, anp.concatenate([h, hidden], axis=1), heads)


def test_custom_networks_are_saved_and_loaded_like_a_likelihood(digits, tmp_path):
    X, path = digits[0][:300], tmp_path / "own.npz"
    vae = vaelite.fit(X, encoder=Skip(6), decoder=Skip(5), **SETTINGS)
    assert vae.params["encoder.in.W"].shape == (64, 6)
    assert vae.params["decoder.in.W"].shape == (2, 5)
    vae.save(path)
    loaded = vaelite.load(path, encoder=Skip(6), decoder=Skip(5))
    assert np.array_equal(loaded.score_samples(X), vae.score_samples(X))
    message = r"needs your own encoder, decoder: load\(path, encoder=\.\.\.\)"
    with pytest.raises(vaelite.ModelFileError, match=message):
        vaelite.load(path)
    with pytest.raises(vaelite.ModelFileError, match="the arrays decoder.in.W, .* do not fit"):
        vaelite.load(path, encoder=Skip(6), decoder=Skip(4))
    vaelite.fit(X, **SETTINGS).save(path)
    with pytest.raises(vaelite.ModelFileError, match="was not fitted with your own encoder"):
        vaelite.load(path, encoder=Skip(6))


@pytest.mark.parametrize(
    ("own", "error", "message"),
    [
        ({"encoder": Skip}, TypeError, "encoder should be an object, got the class Skip"),
        ({"encoder": None}, TypeError, "encoder should be an object like Dense"),
        ({"backend": "gpu"}, ValueError, "backend should be one of"),
    ],
)
def test_a_wrong_argument_is_not_the_files_fault(own, error, message, tmp_path):
    vaelite.VAE(2, 4).build(3).save(tmp_path / "vae.npz")
    with pytest.raises(error, match=message):
        vaelite.load(tmp_path / "vae.npz", **own)


class Mine(vaelite.VAE):
    """A class of model that `vaelite.load` could not know."""


def test_your_own_class_of_model_is_not_saved(tmp_path):
    with pytest.raises(
        TypeError, match="Mine is your own class of model, which a file cannot hold"
    ):
        Mine(2, 4).build(3).save(tmp_path / "mine.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "settings",
    [
        {"encoder": vaelite.Convolutional((8, 8), (2, 4)), "decoder": vaelite.Dense(7)},
        {"decoder": vaelite.TransposedConvolutional((8, 8), (4, 2), hidden_dim=(5,))},
        {"likelihood": vaelite.Gaussian(mean="identity", sigma="shared", floor=None)},
        {"likelihood": vaelite.Bernoulli()},
    ],
)
def test_vaelites_parts_are_saved_and_loaded(settings, digits, tmp_path):
    X = digits[0][:200]
    vae = vaelite.fit(X, **settings, **SETTINGS)
    vae.save(tmp_path / "vae.npz")
    loaded = vaelite.load(tmp_path / "vae.npz")
    assert repr(loaded) == repr(vae)
    assert np.array_equal(loaded.score_samples(X), vae.score_samples(X))


def test_a_conditional_model_comes_back(digits, tmp_path):
    X, C = digits[0][:200], np.eye(10)[digits[1][:200]]
    vae = vaelite.fit(X, condition=C, **SETTINGS)
    vae.save(tmp_path / "vae.npz")
    loaded = vaelite.load(tmp_path / "vae.npz")
    assert loaded.n_conditions == 10
    assert np.array_equal(loaded.score_samples(X, condition=C), vae.score_samples(X, condition=C))
