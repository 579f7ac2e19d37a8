"""The negative ELBO: its parts and its sum, on a model small enough to integrate."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from helpers import finite_differences
from scipy import integrate, stats

import vaelite
from vaelite import ImportanceWeighted, NegELBO
from vaelite.objectives import in_dtype


def test_it_is_the_sum_of_its_terms_averaged_over_rows(rng):
    objective = vaelite.VAE(2, 6).build(5, np.float64, rng=0)
    params, objective = objective.params, objective.loss()
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    mu, logsigma = objective.encode(params, x)
    z = mu + np.exp(logsigma) * eps
    mu_x, logsigma_x = objective.decode(params, z)
    nll = -stats.norm(mu_x, np.exp(logsigma_x)).logpdf(x).sum(axis=1)
    nlp = -stats.norm.logpdf(z).sum(axis=1)
    nlq = -stats.norm(mu, np.exp(logsigma)).logpdf(z).sum(axis=1)
    for found, expected in zip(objective.terms(params, x, eps), (nll, nlp, nlq), strict=True):
        assert found == pytest.approx(expected)
    assert objective(params, x, eps) == pytest.approx(np.mean(nll + nlp - nlq))


def test_with_the_exact_posterior_it_is_minus_log_evidence_for_every_noise(rng):
    x, eps = 3 * rng.standard_normal((6, 1)), 3 * rng.standard_normal((6, 1))
    assert linear_objective().parts({}, x, eps)[0] == pytest.approx(-evidence(x), rel=1e-12)


def test_without_constants_it_differs_by_those_of_the_pixels_only(rng):
    vae = vaelite.VAE(2, 6).build(5, np.float64, rng=0)
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    with_constants = vae.loss()(vae.params, x, eps)
    without = vae.loss(normalized=False)(vae.params, x, eps)
    assert with_constants - without == pytest.approx(5 / 2 * math.log(2 * math.pi))


LINEAR = {"w": 1.7, "b": 0.4, "s": 0.6}


def linear_objective(kind=NegELBO, spread=1.0, **settings):
    """x = w z + b + s * noise, with one latent.

    The encoder has the exact posterior's mean, and its sigma times ``spread``.
    """
    w, b, s = LINEAR.values()
    precision = 1 + (w / s) ** 2
    logsigma = math.log(spread) - 0.5 * math.log(precision)

    def encode(params, x):
        return w / s**2 * (x - b) / precision, np.full((len(x), 1), logsigma)

    return kind(encode=encode, decode=lambda params, z: (w * z + b, math.log(s)), **settings)


def evidence(x):
    w, b, s = LINEAR.values()
    return stats.norm(b, math.hypot(w, s)).logpdf(x[:, 0])


def test_the_analytic_kl_is_the_mean_over_eps_of_plus_and_minus_one(rng):
    mu, logsigma = rng.standard_normal((5, 3)), rng.uniform(-2, 2, (5, 3))
    kls = []
    for sign in (1.0, -1.0):
        z = vaelite.reparameterize(mu, logsigma, np.full((5, 3), sign))
        kls.append(vaelite.neglogprior(z) - vaelite.neglogposterior(z, mu, logsigma))
    expected = np.mean(kls, axis=0)
    assert vaelite.kl_divergence(mu, logsigma) == pytest.approx(expected, rel=1e-12)
    assert (vaelite.kl_divergence(mu, logsigma) > 0).all()
    assert vaelite.kl_divergence(np.zeros((1, 3)), np.zeros((1, 3))) == 0


def test_the_analytic_kls_derivatives(rng):
    def total(mu, logsigma):
        return anp.sum(vaelite.kl_divergence(mu, logsigma) ** 2)

    mu, logsigma = rng.standard_normal((5, 3)), rng.uniform(-1, 1, (5, 3))
    check_grads(total, modes=["rev"], order=2)(mu, logsigma)


def test_analytic_and_sampled_kl_agree_on_average(rng):
    x, eps = rng.standard_normal((3, 1)), rng.standard_normal((20_000, 1))
    sampled = linear_objective(spread=0.5)
    analytic = linear_objective(spread=0.5, analytic_kl=True)
    for row in x:
        batch = np.tile(row, (20_000, 1))
        kls = [objective.parts({}, batch, eps)[2] for objective in (sampled, analytic)]
        assert kls[0].mean() == pytest.approx(kls[1][0], abs=4 * kls[0].std() / 20_000**0.5)
        assert kls[1].std() < 1e-12


@pytest.mark.parametrize("analytic_kl", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0, 4.0])
def test_beta_weighs_the_kl_and_nothing_else(beta, analytic_kl, rng):
    x, eps = rng.standard_normal((6, 1)), rng.standard_normal((6, 1))
    _, nll, kl = linear_objective(analytic_kl=analytic_kl).parts({}, x, eps)
    loss, *parts = linear_objective(beta=beta, analytic_kl=analytic_kl).parts({}, x, eps)
    assert parts == [pytest.approx(nll), pytest.approx(kl)]
    assert loss == pytest.approx(nll + beta * kl)


def test_the_analytic_kl_is_that_of_the_encoders_q(rng):
    """KL(N(m, s^2), N(0, 1)) by quadrature, for rows with means far from 0."""
    x = 5 * rng.standard_normal((4, 1))
    objective = linear_objective(spread=0.5, analytic_kl=True)
    mu, logsigma = objective.encode({}, x)
    assert np.abs(mu).max() > 1
    expected = []
    for m, s in zip(mu[:, 0], np.exp(logsigma[:, 0]), strict=True):
        q = stats.norm(m, s)
        integrand = lambda z, q=q: q.pdf(z) * (q.logpdf(z) - stats.norm.logpdf(z))
        expected.append(integrate.quad(integrand, m - 9 * s, m + 9 * s)[0])
    for eps in (np.zeros((4, 1)), rng.standard_normal((4, 1))):
        loss, nll, found = objective.parts({}, x, eps)
        assert found == pytest.approx(np.array(expected))
        assert loss == pytest.approx(nll + found)


def test_a_fit_uses_the_kl_that_it_is_called_with(digits, quick):
    vae = vaelite.fit(digits[0], **quick, kl="analytic")
    kl = vaelite.kl_divergence(*vae.encode(digits[0])).mean()
    assert vae.history["eval_kl"][-1] == pytest.approx(kl, rel=1e-5)
    sampled = vaelite.fit(digits[0], **quick)
    kl = vaelite.kl_divergence(*sampled.encode(digits[0])).mean()
    assert sampled.history["eval_kl"][-1] != pytest.approx(kl, rel=1e-5)


def test_a_models_objective_has_the_settings_that_it_is_called_with(rng):
    vae = vaelite.VAE(2, 6).build(5, np.float64, rng=0)
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    for beta in (0.3, 3.0):
        loss, nll, kl = vae.loss(beta=beta).parts(vae.params, x, eps)
        assert loss == pytest.approx(nll + beta * kl)
        _, _, found = vae.loss(beta=beta, kl="analytic").parts(vae.params, x, eps)
        assert found == pytest.approx(vaelite.kl_divergence(*vae.encode(x)))


def test_importance_weighting_of_one_sample_is_the_elbo(rng):
    x, eps = rng.standard_normal((6, 1)), rng.standard_normal((6, 1))
    elbo, bound = linear_objective(spread=2.0), linear_objective(ImportanceWeighted, spread=2.0)
    for found, expected in zip(bound.parts({}, x, eps[None]), elbo.parts({}, x, eps), strict=True):
        assert found == pytest.approx(expected)


def test_importance_weighted_bounds_fall_with_the_samples_to_the_evidence(rng):
    x = rng.standard_normal((400, 1))
    losses = []
    for K in (1, 5, 50, 2000):
        eps = rng.standard_normal((K, 400, 1))
        losses.append(linear_objective(ImportanceWeighted, spread=2.0).parts({}, x, eps)[0].mean())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(-evidence(x).mean(), abs=0.01)
    assert losses[0] > -evidence(x).mean() + 0.1


def test_importance_weighting_equals_its_definition(rng):
    objective = linear_objective(ImportanceWeighted, spread=2.0)
    x, eps = rng.standard_normal((6, 1)), rng.standard_normal((7, 6, 1))
    nll, nlp, nlq = objective.terms({}, x, eps)
    assert nll.shape == (7, 6)
    bound = np.log(np.exp(nlq - nll - nlp).mean(axis=0))
    loss, *parts = objective.parts({}, x, eps)
    assert loss == pytest.approx(-bound)
    assert parts == [pytest.approx(nll.mean(axis=0)), pytest.approx((nlp - nlq).mean(axis=0))]


def test_each_sample_of_importance_weighting_has_the_noise_of_its_place(rng):
    objective = linear_objective(ImportanceWeighted, spread=2.0)
    x, eps = rng.standard_normal((6, 1)), rng.standard_normal((7, 6, 1))
    together = objective.terms({}, x, eps)
    for k in range(7):
        alone = linear_objective(spread=2.0).terms({}, x, eps[k])
        for several, one in zip(together, alone, strict=True):
            assert several[k] == pytest.approx(one)


def test_a_term_of_your_own_returns_the_dtype_of_its_data():
    z = np.ones((3, 2), np.float32)
    term = in_dtype(lambda z: anp.sum(z * np.ones(2), axis=-1))  # np.ones is float64
    assert term(z).dtype == np.float32
    assert term(z.astype(np.float64)).dtype == np.float64
    assert in_dtype(lambda z: "no number")(z) == "no number"  # refused elsewhere


@pytest.mark.parametrize("settings", [{"kl": "analytic"}, {"beta": 0.3}, {"importance_samples": 3}])
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", vaelite.Categorical(4)], ids=str)
def test_gradients_of_every_objective_match_finite_differences(settings, likelihood, rng):
    vae = vaelite.VAE(2, 5, likelihood=likelihood, activation="tanh").build(3, np.float64, rng=0)
    lead = (3,) if "importance_samples" in settings else ()
    x, eps = rng.integers(2, size=(4, 3)).astype(float), rng.standard_normal((*lead, 4, 2))
    objective = vae.loss(**settings)
    _, grads = vaelite.value_and_grad(objective)(vae.params, x, eps)
    for name, array in vae.params.items():
        loss = lambda a, name=name: objective({**vae.params, name: a}, x, eps)
        expected = finite_differences(loss, array)
        assert grads[name] == pytest.approx(expected, rel=1e-5, abs=1e-6), name


OBJECTIVES = [{"kl": "analytic"}, {"beta": 0.3, "warmup_epochs": 3}, {"importance_samples": 3}]


@pytest.mark.parametrize("settings", OBJECTIVES)
@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", vaelite.Categorical(17)], ids=str)
def test_every_objective_trains_in_float32(settings, likelihood, digits, quick, monkeypatch):
    levels = isinstance(likelihood, vaelite.Categorical)
    X = np.rint(digits[0] * 16).astype(np.uint8) if levels else digits[0]
    seen, original = set(), vaelite.gradient.add_outgrads

    def spy(old, g):
        seen.add(g.dtype)
        return original(old, g)

    monkeypatch.setattr(vaelite.gradient, "add_outgrads", spy)
    vae = vaelite.fit(X[:400], X[400:500], **quick, likelihood=likelihood, **settings)
    assert seen == {np.dtype(np.float32)}
    assert vae.history["test_loss"][-1] < vae.history["test_loss"][0]
    beta = settings.get("beta", 1)
    total = np.add(vae.history["test_nll"], np.multiply(beta, vae.history["test_kl"]))
    if "importance_samples" in settings:
        assert (total > vae.history["test_loss"]).all()
    else:
        assert total == pytest.approx(vae.history["test_loss"], rel=1e-5)


def test_warm_up_raises_the_weight_evenly(digits, quick, monkeypatch):
    betas = []
    original = vaelite.training.step

    def spy(objective, *args):
        betas.append(objective.beta)
        return original(objective, *args)

    monkeypatch.setattr(vaelite.training, "step", spy)
    settings = {**quick, "max_epochs": 6, "steps_per_epoch": 2}
    vaelite.fit(digits[0], **settings, beta=2, warmup_epochs=4)
    assert betas == [beta for beta in (0.5, 1, 1.5, 2, 2, 2) for _ in range(2)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kl": "exact"}, "'sample', 'analytic'"),
        ({"beta": -1}, "beta should be 0 or more"),
        ({"warmup_epochs": -1}, "warmup_epochs should be 0 or more"),
        ({"importance_samples": 0}, "importance_samples should be 1 or more"),
        ({"importance_samples": 2, "kl": "analytic"}, "no KL part"),
        ({"importance_samples": 2, "beta": 0.5}, "no KL part"),
        ({"importance_samples": 2, "warmup_epochs": 3}, "has no KL weight"),
        ({"kl": "analytic", "neglogprior": vaelite.neglogprior}, "would not use the neglogprior"),
    ],
)
def test_settings_that_do_not_fit_together(settings, message, digits, quick):
    with pytest.raises(ValueError, match=message):
        vaelite.fit(digits[0], **quick, **settings)
