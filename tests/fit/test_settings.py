"""The settings of a fit: one table, checked once, shown by help()."""

import inspect

import pytest

import vaelite
from vaelite.fit.settings import CONSTRAINTS, ELBOSettings, FitSettings, MeanFieldSettings

KINDS = (
    (vaelite.VAE, ELBOSettings),
    (vaelite.Autoencoder, FitSettings),
    (vaelite.MeanField, MeanFieldSettings),
)


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_help_shows_every_setting_with_its_default_and_description(kind, settings):
    parameters, doc = inspect.signature(kind.fit).parameters, kind.fit.__doc__
    for name in settings.names():
        assert parameters[name].default == getattr(settings(), name)
        assert f"\n{name} : " in doc, name
    assert "settings" not in parameters
    assert "{settings}" not in doc
    for name in settings.excluded:
        assert name not in parameters
        assert f"\n{name} : " not in doc


def test_every_constraint_belongs_to_a_setting():
    assert set(CONSTRAINTS) <= {*ELBOSettings.names(), *MeanFieldSettings.names()}


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_a_setting_that_a_model_does_not_have(kind, settings, digits):
    message = "unexpected keyword argument 'learnin_rate'; did you mean 'learning_rate'"
    with pytest.raises(TypeError, match=message):
        kind().fit(digits[0], learnin_rate=1)
    for name in settings.excluded:
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
            kind().fit(digits[0], **{name: 2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stopping": "epochs", "tol": 0.1}, 'tol=0.1 has no meaning with stopping="epochs"'),
        ({"stopping": "lecture", "patience": 3}, "patience=3 has no meaning"),
        (
            {"stopping": vaelite.HeldOut(), "tol": 0.2},
            "pass tol=0.2 to the rule itself, which is HeldOut",
        ),
        ({"importance_samples": 2, "warmup_epochs": 3}, "warmup_epochs=3 has no meaning"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message):
        ELBOSettings(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stopping": vaelite.HeldOut}, r"got a class; pass HeldOut\(\)"),
        ({"normalized": 1}, "normalized should be True or False"),
    ],
)
def test_settings_of_the_wrong_type(settings, message):
    with pytest.raises(TypeError, match=message):
        ELBOSettings(**settings)


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
