"""Models as files: format 3 name by name, files of formats 1 and 2, and custom parts."""

import json
import zipfile
from pathlib import Path

import autograd.numpy as anp
import numpy as np
import pytest

import vaelite

FORMAT_1 = Path(__file__).with_name("format1")
SETTINGS = {"max_epochs": 2, "stopping": "epochs", "rng": 0}


def manifest_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def test_the_manifest_of_format_3(digits, tmp_path):
    vae = vaelite.fit(digits[0], hidden_dim=(8, 4), **SETTINGS)
    vae.save(tmp_path / "vae.npz")
    manifest = manifest_of(tmp_path / "vae.npz")
    solution = manifest.pop("solution")
    arrays = manifest.pop("arrays")
    assert manifest.pop("record") == vae.solution.record
    assert manifest == {
        "format": 3,
        "kind": "VAE",
        "latent_dim": 2,
        "networks": {
            "encoder": ["Dense", {"hidden_dim": [8, 4], "activation": "relu", "init": "glorot"}],
            "decoder": ["Dense", {"hidden_dim": [4, 8], "activation": "relu", "init": "glorot"}],
        },
        "likelihood": [
            "gaussian",
            {"mean": "logistic", "sigma": "image", "floor": vae.likelihood.floor},
        ],
        "prior": ["standard_normal", {}],
        "own_terms": [],
        "n_features": 64,
        "n_conditions": 0,
        "feature_names": None,
    }
    assert set(solution) == {"converged", "stop_reason", "n_epochs", "best_epoch", "scores"}
    columns = {f"history.{name}" for name in vae.history} | {f"log.{name}" for name in vae.log}
    assert set(arrays) == {*vae.params, *columns}
    with np.load(tmp_path / "vae.npz") as file:
        assert file["history.eval_loss"].tolist() == vae.history["eval_loss"]


SCORES = {
    "bernoulli": -44.068687,
    "categorical": -177.130549,
    "linear": -68.165516,
    "torch": -46.570729,
}


@pytest.mark.parametrize("name", SCORES)
def test_a_file_of_format_1_is_the_model_that_was_saved(name):
    """The release before format 2 saved each file, after a fit of the first 600 digits."""
    X = vaelite.load_digits()[0][:600]
    vae = vaelite.load(FORMAT_1 / f"{name}.npz")
    X = np.rint(X * 16) if name == "categorical" else X
    assert vae.score(X) == pytest.approx(SCORES[name], abs=1e-3)
    losses = ["train_loss", "eval_loss", "eval_nll", "eval_kl"]
    assert list(vae.history) == ["epoch", *losses, "elapsed"]
    assert "param_norm" in vae.log
    assert vae.params.keys() == vae.shapes().keys()
    if name == "torch":
        assert vae.encoder == vaelite.Dense((16, 8), "softplus", "torch")
        assert vae.decoder == vaelite.Dense((8, 16), "softplus", "torch")


def test_held_out_losses_in_a_file_of_format_1_get_their_new_name():
    vae = vaelite.load(FORMAT_1 / "heldout.npz")
    best = vae.history["val_loss"][vae.best_epoch - 1]
    assert best == pytest.approx(-1.4, abs=3)
    assert not any(name.startswith("eval") for name in vae.history)
    vaelite.plots.learning_curve(vae)


def test_other_models_of_format_1():
    X = vaelite.load_digits()[0][:5]
    ae = vaelite.load(FORMAT_1 / "autoencoder.npz")
    assert type(ae) is vaelite.Autoencoder
    assert ae.encode(X).shape == (5, 2)
    model = vaelite.load(FORMAT_1 / "meanfield.npz")
    assert type(model) is vaelite.MeanField
    assert model.mu is None
    assert model.sample(3, rng=0).shape == (3, 64)
    with pytest.raises(vaelite.ModelFileError, match="needs your own neglogprior"):
        vaelite.load(FORMAT_1 / "own_prior.npz")
    own = vaelite.load(FORMAT_1 / "own_prior.npz", neglogprior=vaelite.neglogprior)
    assert own.sample(3, rng=0).shape == (3, 64)


def test_a_file_of_format_2_is_the_model_that_was_saved():
    vae = vaelite.load(Path(__file__).with_name("format2") / "vae.npz")
    assert vae.score(vaelite.load_digits()[0][:600]) == pytest.approx(-6.853285, abs=1e-4)
    assert vae.history["val_loss"] == pytest.approx([6.823121, 6.715448, 6.628016], abs=1e-6)
    assert vae.log["iteration"] == [0]
    with pytest.raises(ValueError, match="no record of a fit"):
        vae.receipt()


def test_a_model_of_format_1_is_saved_in_format_3(tmp_path):
    old = vaelite.load(FORMAT_1 / "torch.npz")
    old.save(tmp_path / "again.npz")
    assert manifest_of(tmp_path / "again.npz")["format"] == 3
    again = vaelite.load(tmp_path / "again.npz")
    assert again.history == old.history
    assert np.array_equal(again.sample(3, rng=0), old.sample(3, rng=0))


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
    message = r"needs your own decoder, encoder: load\(path, decoder=\.\.\.\)"
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
def test_a_wrong_argument_is_not_the_files_fault(own, error, message):
    with pytest.raises(error, match=message):
        vaelite.load(FORMAT_1 / "torch.npz", **own)


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
