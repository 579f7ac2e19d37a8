"""The textbook's page, and the library held to it: the same losses and weights, to rounding."""

import autograd.numpy as np
import pytest
from autograd import value_and_grad
from scipy import stats

import vaelite
from vaelite import textbook, training


def test_its_terms_are_scipys_densities(rng):
    x, mu, z, mu_z, logsigma_z = (rng.standard_normal((4, k)) for k in (6, 6, 3, 3, 3))
    logsigma = rng.standard_normal((4, 1))
    expected = -stats.norm(mu, np.exp(logsigma)).logpdf(x).sum(axis=1)
    assert textbook.negloglikelihood(x, mu, logsigma) == pytest.approx(expected)
    assert textbook.neglogprior(z) == pytest.approx(-stats.norm.logpdf(z).sum(axis=1))
    expected = -stats.norm(mu_z, np.exp(logsigma_z)).logpdf(z).sum(axis=1)
    assert textbook.neglogposterior(z, mu_z, logsigma_z) == pytest.approx(expected)


def test_the_library_computes_what_the_page_computes(digits):
    """100 steps on the digits in float64: losses and all weights."""
    X, rng = digits[0].astype(np.float64), np.random.default_rng(0)
    vae = vaelite.VAE(2, 16, dtype="float64").build(64, rng=0)
    shapes = {name: a.shape for name, a in textbook.init(rng, 64, 16, 2).items()}
    assert shapes == {name: a.shape for name, a in vae.params.items()}
    ours, loss, adam = vae.params, vae.loss(), vaelite.Adam()
    params = {name: array.copy() for name, array in ours.items()}
    m, v = ({name: 0 * array for name, array in params.items()} for _ in "mv")
    for t in range(1, 101):
        x, eps = X[rng.integers(len(X), size=32)], rng.standard_normal((32, 2))
        expected, grads = value_and_grad(textbook.negelbo)(params, x, eps)
        textbook.adam(params, grads, m, v, t)
        assert training.step(loss, ours, adam, x, eps) == pytest.approx(expected, rel=1e-12)
    for name, array in params.items():
        assert ours[name] == pytest.approx(array, rel=1e-9, abs=1e-12), name
        assert adam.m[name] == pytest.approx(m[name], rel=1e-7, abs=1e-12), name
        assert adam.v[name] == pytest.approx(v[name], rel=1e-7, abs=1e-12), name


def test_it_learns_and_stops_early(digits):
    said = []
    best, losses = textbook.fit(digits[0][:300].astype(float), 32, patience=2, report=said.append)
    assert losses[-1] > min(losses) == losses[-3]
    assert min(losses) < losses[0] - 10
    assert len(said) == len(losses)
    assert best["decoder.mu.W"].shape == (32, 64)
