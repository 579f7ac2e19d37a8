"""The negative ELBO: its parts and its sum, on a model small enough to integrate."""

import math

import numpy as np
import pytest
from scipy import stats

import vaelite
from vaelite import NegELBO

GAUSSIAN = {"likelihood": vaelite.Gaussian(mean="identity", sigma="image")}


def test_it_is_the_sum_of_its_terms_averaged_over_rows(rng):
    objective = vaelite.VAE(2, 6).build(5, np.float64, rng=0)
    params, objective = objective.params, objective.objective()
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    mu, logsigma = objective.encode(params, x)
    z = mu + np.exp(logsigma) * eps
    mu_x, logsigma_x = objective.decode(params, z)
    nll = -stats.norm(mu_x, np.exp(logsigma_x)).logpdf(x).sum(axis=1)
    nlp, nlq = -stats.norm.logpdf(z).sum(axis=1), -stats.norm(mu, np.exp(logsigma)).logpdf(z).sum(axis=1)
    for found, expected in zip(objective.terms(params, x, eps), (nll, nlp, nlq), strict=True):
        assert found == pytest.approx(expected)
    assert objective(params, x, eps) == pytest.approx(np.mean(nll + nlp - nlq))


def test_with_the_exact_posterior_it_is_minus_log_evidence_for_every_noise(rng):
    # x = w z + b + s * noise: p(x) = N(b, w^2 + s^2) and p(z|x) are known.
    w, b, s = 1.7, 0.4, 0.6
    precision = 1 + (w / s) ** 2
    objective = NegELBO(
        encode=lambda params, x: (w / s**2 * (x - b) / precision, np.full((len(x), 1), -0.5 * math.log(precision))),
        decode=lambda params, z: (w * z + b, math.log(s)),
    )
    x, eps = 3 * rng.standard_normal((6, 1)), 3 * rng.standard_normal((6, 1))
    nll, nlp, nlq = objective.terms({}, x, eps)
    assert nll + nlp - nlq == pytest.approx(-stats.norm(b, math.hypot(w, s)).logpdf(x[:, 0]), rel=1e-12)


def test_without_constants_it_differs_by_those_of_the_pixels_only(rng):
    vae = vaelite.VAE(2, 6).build(5, np.float64, rng=0)
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    difference = vae.objective()(vae.params, x, eps) - vae.objective(normalized=False)(vae.params, x, eps)
    assert difference == pytest.approx(5 / 2 * math.log(2 * math.pi))
