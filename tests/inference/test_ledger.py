"""The ledger: its terms add up, and the losses of other libraries are computed as they do it."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_squared_error

import vaelite
from vaelite.arrays.streams import Stream, sampling_generator


def test_the_terms_add_up_to_the_loss(vae, digits):
    found = vaelite.ledger(vae, digits[0])
    assert sum(found.terms.values()) == pytest.approx(-vae.score(digits[0]), abs=1e-3)
    assert found.loss["nats per pixel"] == pytest.approx(found.loss["nats per image"] / 64)
    assert found.loss["bits per dimension"] == pytest.approx(vae.bits_per_dim(digits[0]), abs=1e-5)
    log_2pi = math.log(2 * math.pi)
    assert found.terms["D/2 log(2 pi)"] == pytest.approx(32 * log_2pi)
    assert found.terms["K/2 log(2 pi)"] == pytest.approx(log_2pi)
    assert found.terms["- K/2 log(2 pi)"] == -found.terms["K/2 log(2 pi)"]


def test_the_lectures_loss_and_pyros(digits, quick):
    lecture = vaelite.fit(digits[0], **quick, normalized=False)
    others = vaelite.ledger(lecture, digits[0]).others
    lectures = others["the lecture (no log(2 pi)), nats per image"]
    assert lectures == pytest.approx(lecture.history["eval_loss"][-1], abs=0.3)
    pyros = others["Pyro (minus the ELBO), nats per image"]
    assert pyros == pytest.approx(-lecture.score(digits[0]), abs=1e-3)


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_keras_and_pytorch_vae(likelihood, digits, quick):
    X = digits[0][:200]
    vae = vaelite.fit(X, **quick, likelihood=likelihood)
    found = vaelite.ledger(vae, X, kl_weight=0.5)
    rng = sampling_generator(0, Stream.SCORE)
    mu, logsigma = vae.encode(X)
    z = mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=np.float32)
    mean = vae.likelihood.expectation(*vae.decode(z)).astype(np.float64)
    # A gray level x is a pair of weights: x for the label 1, and 1 - x for the label 0.
    both = np.concatenate([X, 1 - X]).ravel()
    labels = np.repeat([1, 0], X.size)
    bce = log_loss(labels, np.tile(mean.ravel(), 2), sample_weight=both)
    keras = found.others["Keras (binary cross-entropy), nats per pixel"]
    assert keras == pytest.approx(bce, rel=1e-4)
    kl = vaelite.kl_divergence(mu, logsigma).mean()
    expected = mean_squared_error(X, mean) + 0.5 * kl
    pytorch = found.others["PyTorch-VAE (squared error per pixel + 0.5 KL)"]
    assert pytorch == pytest.approx(expected, rel=1e-4)


def test_losses_that_are_not_defined_are_left_out(quick, digits):
    vae = vaelite.fit(digits[0] * 3 - 1, **quick, likelihood=vaelite.Gaussian(mean="identity"))
    assert not any("Keras" in name for name in vaelite.ledger(vae, digits[0] * 3 - 1).others)


def test_other_likelihoods_and_custom_terms(digits, quick):
    levels = np.rint(digits[0] * 16)
    vae = vaelite.fit(levels, **quick, likelihood=vaelite.Categorical(17))
    total = sum(vaelite.ledger(vae, levels).terms.values())
    assert total == pytest.approx(-vae.score(levels), abs=1e-3)

    def nll(x, mu, logsigma):
        return anp.sum((x - mu) ** 2 + logsigma * logsigma, axis=1)

    custom = vaelite.fit(digits[0], **quick, negloglikelihood=nll)
    assert "-log p(x|z)" in vaelite.ledger(custom, digits[0]).terms


def test_an_autoencoders_ledger_has_no_latent_terms(digits, quick):
    terms = vaelite.ledger(vaelite.fit_autoencoder(digits[0], **quick), digits[0]).terms
    assert list(terms) == ["1/2 sum ((x - mu) / sigma)^2", "sum log(sigma)", "D/2 log(2 pi)"]


def test_it_prints_every_figure(vae, digits):
    found = vaelite.ledger(vae, digits[0])
    text = str(found)
    for rows in (found.terms, found.loss, found.others):
        for name, value in rows.items():
            assert any(name in line and f"{value:.4f}" in line for line in text.splitlines()), name
