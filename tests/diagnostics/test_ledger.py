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


def test_every_term_is_what_its_name_says(vae, digits):
    X = digits[0][:300]
    found = vaelite.ledger(vae, X, rng=np.random.default_rng(5)).terms
    eps = np.random.default_rng(5).standard_normal((300, 2), dtype=np.float32)
    mu, logsigma = vae.encode(X)
    z = mu + np.exp(logsigma) * eps
    mu_x, logsigma_x = vae.decode(z)
    expected = {
        "1/2 sum ((x - mu) / sigma)^2": (((X - mu_x) / np.exp(logsigma_x)) ** 2).sum(axis=1) / 2,
        "sum log(sigma)": 64 * logsigma_x[:, 0],
        "1/2 sum z^2": (z**2).sum(axis=1) / 2,
        "- 1/2 sum eps^2 - sum log(sigma of q)": -(eps**2).sum(axis=1) / 2 - logsigma.sum(axis=1),
    }
    for name, values in expected.items():
        assert found[name] == pytest.approx(values.mean(), rel=1e-4), name


def test_the_default_weight_is_that_of_pytorch_vae(vae, digits):
    others = vaelite.ledger(vae, digits[0]).others
    kl = vaelite.kl_divergence(*vae.encode(digits[0])).mean()
    found = others["PyTorch-VAE (squared error per pixel + 0.00025 KL)"]
    zero = vaelite.ledger(vae, digits[0], kl_weight=0).others
    squared_error = zero["PyTorch-VAE (squared error per pixel + 0 KL)"]
    assert found - squared_error == pytest.approx(0.00025 * kl, rel=1e-3)


def test_keras_clips_probabilities_at_its_epsilon(digits):
    X = digits[0][:100].astype(np.float64)
    vae = vaelite.VAE(2, 4).build(64, np.float64, rng=0)
    vae.params["decoder.mu.W"][:] = 0
    vae.params["decoder.mu.b"][:] = 50  # E[x|z] is 1 for all pixels
    found = vaelite.ledger(vae, X).others["Keras (binary cross-entropy), nats per pixel"]
    assert found == pytest.approx((1 - X).mean() * -math.log(1e-7), rel=1e-4)


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


def test_every_row_has_the_same_weight_in_batches_of_any_size(vae, digits):
    X = np.concatenate([digits[0][:1000], np.ones((1, 64), np.float32)])  # a batch of one row
    eps = np.random.default_rng(5).standard_normal((1001, 2), dtype=np.float32)
    mu, logsigma = vae.encode(X)
    mean = vae.likelihood.expectation(*vae.decode(mu + np.exp(logsigma) * eps)).astype(np.float64)
    found = vaelite.ledger(vae, X, np.random.default_rng(5), kl_weight=0).others
    squares = found["PyTorch-VAE (squared error per pixel + 0 KL)"]
    assert squares == pytest.approx(mean_squared_error(X, mean), rel=1e-4)
    bce = -(X * np.log(mean) + (1 - X) * np.log1p(-mean)).mean()
    assert found["Keras (binary cross-entropy), nats per pixel"] == pytest.approx(bce, rel=1e-4)


@pytest.mark.parametrize(("low", "high"), [(-1, 2), (-1, 0.5), (0.5, 2)])
def test_losses_that_are_not_defined_are_left_out(low, high, quick, digits):
    X = low + (high - low) * digits[0]
    vae = vaelite.fit(X, **quick, likelihood=vaelite.Gaussian(mean="identity"))
    assert not any("Keras" in name for name in vaelite.ledger(vae, X).others)


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
