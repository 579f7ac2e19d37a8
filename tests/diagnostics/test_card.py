"""The card that a notebook shows of a model."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import vaelite
from vaelite.diagnostics import card as notebook

VOID = {"br"}


class Page(HTMLParser):
    """The text of some HTML; an error if tags are not closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.names, self.attributes, self.text = [], [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.attributes.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        self.text += " "

    def handle_startendtag(self, tag, attributes):
        self.names.append(tag)
        self.attributes.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.text += " "

    def handle_data(self, data):
        self.text += data


class Hostile(vaelite.Network):
    def __repr__(self):
        return "<script>alert('&')</script>"

    def shapes(self, n_inputs, heads):
        return self.head_shapes(n_inputs, heads)

    def __call__(self, params, h, heads):
        return self.outputs(params, h, heads)


def page(model):
    return Page(model._repr_html_())


def polyline(found, color):
    """The points of a curve, (n, 2)."""
    (points,) = [
        a["points"] for tag, a in found.attributes if tag == "polyline" and a["stroke"] == color
    ]
    return np.array([point.split(",") for point in points.split()], float)


def test_the_card_of_a_fitted_model(vae):
    found = page(vae)
    assert re.search(r"VAE\s+\(not converged\)", found.text)
    for name in "encoder", "decoder":
        size = sum(a.size for key, a in vae.params.items() if key.startswith(name))
        assert f"{size:,} parameters" in found.text
    total = sum(a.size for a in vae.params.values())
    for said in (
        repr(vae.part("encoder")),
        repr(vae.likelihood),
        "64 inputs, outputs mu (2), logsigma (2)",
        f"{total:,}",
        "negative ELBO",
        "4; the model is epoch 4's",
        vae.stop_reason,
        f"{vae.scores['training']:.2f} (training rows), nats per example",
    ):
        assert said in found.text, said
    assert "doctor" not in found.text  # the fit did not ask it


def test_the_curve_is_the_history(vae):
    losses = np.array(vae.history["eval_loss"])
    x, y = polyline(page(vae), "#3b8bd9").T
    assert len(x) == len(losses)
    np.testing.assert_allclose(np.diff(x), np.diff(x).mean(), atol=0.11)  # rounded to 0.1
    slope = (y[-1] - y[0]) / (losses[-1] - losses[0])
    assert slope < 0  # the y axis of a page points down
    np.testing.assert_allclose(y, y[0] + slope * (losses - losses[0]), atol=0.11)


def test_long_and_short_curves(vae):
    for epochs, expected in (2, 2), (300, 300), (5000, notebook.POINTS):
        history = {"epoch": [*range(1, epochs + 1)], "eval_loss": [*np.linspace(9, 1, epochs)]}
        model = vae.with_solution(
            vaelite.Solution(vae.params, 64, history=history, n_epochs=epochs)
        )
        points = polyline(page(model), "#3b8bd9")
        assert len(points) == expected
        assert points[0, 0] < points[-1, 0]
    history = {"epoch": [1], "eval_loss": [3.0], "train_loss": [float("nan")]}
    model = vae.with_solution(vaelite.Solution(vae.params, 64, history=history, n_epochs=1))
    assert page(model).names.count("circle") == 1


def test_the_verdict_of_the_doctor_and_the_epoch_that_was_kept(digits):
    vae = vaelite.VAE(hidden_dim=16)
    assert vae.diagnosis is None
    with pytest.warns(vaelite.FitWarning, match="few"):
        vae.set_params(learning_rate=0.01, patience=2, rng=0).fit(digits[0][:90])
    assert "few-rows" in vae.diagnosis.names
    found = page(vae)
    for finding in vae.diagnosis:
        assert str(finding) in found.text
    assert found.names.count("circle") == 1
    vae.params = vae.params  # the diagnosis was of the parameters before
    assert vae.diagnosis is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "negative ELBO"),
        (
            {"beta": 0.5, "kl": "analytic"},
            "negative ELBO, beta = 0.5, KL in closed form",
        ),
        ({"warmup_epochs": 1}, "negative ELBO, weight of the KL part from 0 in 1 epoch"),
        ({"importance_samples": 3}, "importance-weighted bound, 3 samples"),
        ({"objective": vaelite.NegELBO}, "your own, NegELBO"),
    ],
)
def test_the_objective_in_words(digits, quick, settings, expected):
    vae = vaelite.fit(digits[0][:50], **(quick | {"max_epochs": 1} | settings))
    assert notebook.objective(vae) == expected


def test_nothing_of_a_users_text_becomes_html(digits):
    for model in vaelite.VAE(encoder=Hostile()), vaelite.VAE(encoder=Hostile()).build(3):
        found = page(model)
        assert "<script>alert('&')</script>" in found.text
        assert "script" not in found.names


def test_models_before_training():
    found = page(vaelite.VAE(latent_dim=1, neglogprior=lambda z: (z**2).sum(axis=1)))
    assert re.search(r"VAE\s+\(not fitted: call fit\)", found.text)
    assert "1 latent " in found.text
    assert "neglogprior" in found.text
    assert "svg" not in found.names
    found = page(vaelite.VAE(hidden_dim=3, prior=vaelite.Mixture(2)).build(5))
    assert "(not trained by fit)" in found.text
    assert "Mixture(n_components=2), 10 parameters" in found.text
    assert "svg" not in found.names


def test_models_without_an_encoder_or_a_posterior(digits, quick):
    small = quick | {"max_epochs": 1}
    found = page(vaelite.fit_autoencoder(digits[0][:50], **small))
    assert "-log p(x|z) at the code" in found.text
    assert re.search(r"log p\(x\|z\)\s+-?\d+\.\d\d \(training rows\)", found.text)
    assert "prior" not in found.text
    found = page(vaelite.MeanField(hidden_dim=8, max_epochs=2, rng=0).fit(digits[0][:50]))
    assert "encoder" not in found.text
    assert found.names.count("polyline") == 2


def test_a_loaded_model_has_the_same_card(vae, tmp_path):
    vae.save(tmp_path / "vae.npz")
    assert vaelite.load(tmp_path / "vae.npz")._repr_html_() == vae._repr_html_()


def test_the_card_needs_no_style_sheet_and_no_fixed_color_of_text(vae):
    html = vae._repr_html_()
    found = Page(html)
    assert not {"script", "style", "link", "img"} & set(found.names)
    assert not re.search(r"background|(?<!-)color:(?!#(888888|3b8bd9|e07b00))|id=|href", html)
