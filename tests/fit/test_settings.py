"""Settings: each is declared once; every other mention of one agrees with the declaration."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest

import vaelite
from vaelite.__main__ import parse
from vaelite.fit.settings import Setting

KINDS = vaelite.VAE, vaelite.Autoencoder, vaelite.MeanField
SETTINGS = {
    name: setting
    for kind in vaelite.VAE.__mro__
    for name, setting in vars(kind).items()
    if isinstance(setting, Setting)
}


def described(kind):
    """The settings that the docstring of a class describes, by name."""
    section = inspect.getdoc(kind).partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    lines = re.findall(r"^([\w, ]+) : .*\n((?:    .*\n?)+)", section, re.MULTILINE)
    return {name: text for names, text in lines for name in names.split(", ")}


def test_every_setting_is_described_and_in_every_signature():
    assert described(vaelite.VAE).keys() == SETTINGS.keys()
    signature = inspect.signature(vaelite.VAE).parameters
    assert signature.keys() == SETTINGS.keys()
    of_fit = inspect.signature(vaelite.fit).parameters
    data = {"X", "X_test", "condition", "condition_test"}
    assert set(of_fit) - data == SETTINGS.keys()
    for name, setting in SETTINGS.items():
        assert signature[name].default is of_fit[name].default is setting.default, name
        assert signature[name].annotation is inspect.Parameter.empty, "help() stays readable"
    for kind, function in (
        (vaelite.Autoencoder, vaelite.fit_autoencoder),
        (vaelite.VAE, vaelite.fit),
    ):
        ours = inspect.signature(kind).parameters
        assert set(inspect.signature(function).parameters) - data == set(ours)


def test_defaults_in_docstrings_are_those_of_the_settings():
    rule = vaelite.VAE().rule()
    texts = described(vaelite.VAE)
    assert f"{rule.patience} by default" in texts["patience"]
    assert f"by default {rule.tol:g} with" in texts["tol"]
    assert f"by default {vaelite.Lecture().tol:g} with" in texts["tol"].replace("and", "by default")
    mean_field = described(vaelite.MeanField)["max_epochs"]
    assert f"{vaelite.MeanField().max_epochs} by default" in mean_field


def test_the_commands_options_have_the_defaults_of_the_settings():
    args = vars(parse([]))
    shared = {name for name in args if name in SETTINGS}
    assert {"latent_dim", "hidden_dim", "learning_rate", "beta", "checkpoint"} <= shared
    for name in shared:
        assert args[name] == SETTINGS[name].default, name


def test_what_is_kept_is_kept_again():
    """A setting that was checked is the same object when it is checked again: clone needs it."""
    given = {
        **{"latent_dim": np.int64(3), "hidden_dim": [4, 5], "learning_rate": np.float32(0.1)},
        **{"likelihood": "bernoulli", "dtype": "float64", "callbacks": print, "stopping": "epochs"},
        **{"backend": "auto", "validation_fraction": None, "prior": vaelite.Mixture(3)},
    }
    model = vaelite.VAE(**given)
    again = vaelite.VAE(**model.get_params(deep=False))
    for name, value in model.get_params(deep=False).items():
        assert getattr(again, name) is value, name
    assert model.hidden_dim == (4, 5)
    assert type(model.latent_dim) is int
    assert model.likelihood == vaelite.Bernoulli()


@pytest.mark.parametrize("kind", KINDS)
def test_settings_are_read_and_set_by_name(kind):
    model = kind(hidden_dim=8)
    deep = model.get_params()
    assert deep["likelihood__sigma"] == "image"
    assert deep["decoder__hidden_dim"] == (8,)
    assert model.set_params(likelihood__sigma=0.2, decoder__activation="tanh") is model
    assert model.likelihood == vaelite.Gaussian(sigma=0.2)
    assert model.part("decoder") == vaelite.Dense((8,), "tanh")
    model.latent_dim = 5
    assert model.get_params()["latent_dim"] == 5
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        model.set_params(learnin_rate=1)
    with pytest.raises(TypeError, match="did you mean 'learning_rate'"):
        kind(learnin_rate=1)
    with pytest.raises(ValueError, match="latent_dim should be 1 or more"):
        model.latent_dim = 0
    with pytest.raises(AttributeError, match="history is a result of fit"):
        model.history = {}
    for same in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert repr(same) == repr(model)


def test_labels_are_ignored_and_said_to_be_once(digits, quick, monkeypatch):
    monkeypatch.setattr("vaelite.data.checks._warned", [])
    X, y = digits[0][:100], digits[1][:100]
    with pytest.warns(UserWarning, match=r"y is ignored.*condition=np\.eye") as said:
        first, again = (vaelite.VAE(**quick).fit(X, y) for _ in range(2))
    assert len(said) == 1
    alone = vaelite.VAE(**quick).fit(X)
    assert first.history["train_loss"] == alone.history["train_loss"] == again.history["train_loss"]
    monkeypatch.setattr("vaelite.data.checks._warned", [])
    vaelite.VAE(**quick).fit(X, y, condition=np.eye(10)[y])  # a warning would be an error
    vaelite.VAE(**quick).fit(X, np.linspace(0, 1, 100))  # a target, and no labels


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stopping": "epochs", "tol": 0.1}, 'tol=0.1 has no meaning with stopping="epochs"'),
        ({"stopping": "lecture", "patience": 3}, "patience=3 has no meaning"),
        ({"stopping": "epochs", "validation_fraction": 0.2}, "which holds no rows out"),
        (
            {"stopping": vaelite.HeldOut(), "tol": 0.2},
            "pass tol=0.2 to the rule itself, which is HeldOut",
        ),
        ({"importance_samples": 2, "warmup_epochs": 3}, "warmup_epochs=3 has no meaning"),
        ({"optimizer": vaelite.Adam(), "weight_decay": 0.1}, "weight_decay=0.1 is Adam's"),
        ({"objective": max, "beta": 2.0}, "beta=2.0 has no meaning with your own objective"),
        ({"prior": vaelite.Mixture(2), "neglogprior": abs}, "prior and neglogprior were both"),
        ({"warmup_epochs": 9, "max_epochs": 3}, "warmup_epochs=9 is above max_epochs=3"),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    model = vaelite.VAE(**settings)
    for begin in (lambda: model.fit(np.zeros((9, 3))), lambda: model.build(3)):
        with pytest.raises(ValueError, match=message):
            begin()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stopping": vaelite.HeldOut}, r"got a class; pass HeldOut\(\)"),
        ({"normalized": 1}, "normalized should be True or False"),
    ],
)
def test_settings_of_the_wrong_type(settings, message):
    with pytest.raises(TypeError, match=message):
        vaelite.VAE(**settings)


def test_one_rule_can_serve_several_fits(digits, quick):
    rule = vaelite.HeldOut(tol=0.3, patience=4)
    settings = {**quick, "stopping": rule, "learning_rate": 0.01, "max_epochs": 100}
    first, second = (vaelite.fit(digits[0][:400], **settings) for _ in range(2))
    assert first.converged
    assert "for 2 epochs" in first.stop_reason
    assert "0.3 nats" in first.stop_reason
    assert first.n_epochs == second.n_epochs
    named = {"stopping": "heldout", "tol": 0.3, "patience": 4}
    assert vaelite.fit(digits[0][:400], **{**settings, **named}).n_epochs == first.n_epochs
    assert (rule.best, rule.failures, rule.dropped) == (float("inf"), 0, 0)


class OwnRule:
    """Stops after two epochs; it has what `vaelite.HeldOut` has, but holds no rows out."""

    holds_out = needs_losses = False
    seen = 0

    def update(self, losses):
        self.seen += 1
        return True

    def reason(self):
        return "two are enough" if self.seen == 2 else None


def test_a_rule_of_your_own(digits, quick):
    vae = vaelite.fit(digits[0][:200], **{**quick, "stopping": OwnRule()})
    assert (vae.n_epochs, vae.converged, vae.stop_reason) == (2, True, "two are enough")
    with pytest.raises(TypeError, match="a stopping rule needs needs_losses, as HeldOut has"):
        vaelite.fit(
            digits[0], stopping=type("R", (), {"update": print, "reason": 0, "holds_out": 0})()
        )


def test_held_out_losses_have_their_own_name(digits, quick):
    X = digits[0][:300]
    with pytest.warns(vaelite.ConvergenceWarning):
        held_out = vaelite.fit(X, **{**quick, "stopping": "heldout"})
    assert {"val_loss", "val_nll", "val_kl"} <= held_out.history.keys()
    assert not any(name.startswith("eval") for name in held_out.history)
    training_rows = vaelite.fit(X, **quick)
    assert "eval_loss" in training_rows.history
    assert not any(name.startswith("val") for name in training_rows.history)
    tested = vaelite.fit(X, X[:50], **quick)
    assert "test_loss" in tested.history
    assert "eval_loss" not in tested.history


def test_nothing_is_printed_by_default(digits, quick, capsys):
    vaelite.fit(digits[0][:200], **quick)
    assert capsys.readouterr() == ("", "")
    vaelite.fit(digits[0][:200], **quick, progress=True)
    assert "** epoch: 4, eval_loss:" in capsys.readouterr().out
