"""log p(x): importance weighting and quadrature against closed forms, and against each other."""

import numpy as np
import pytest
from helpers import spy_on_decoder

import vaelite
from vaelite.inference import importance

LONG = {"max_epochs": 1500, "learning_rate": 3e-3, "kl": "analytic", "stopping": "epochs", "rng": 0}


@pytest.fixture(scope="module")
def linear():
    """A linear VAE in float64, the equal probabilistic PCA, and the data.

    The encoder is far from the posterior.
    """
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 4))
    X += 0.5 * rng.standard_normal((60, 4))
    likelihood = vaelite.Gaussian(mean="identity", sigma="shared", floor=None)
    vae = vaelite.VAE(2, (), likelihood=likelihood).fit(X, **LONG)
    return vae, vaelite.ProbabilisticPCA.of(vae), X


def test_quadrature_is_exact_for_a_linear_decoder(linear):
    vae, model, X = linear
    value, error = vaelite.Quadrature(vae, n_nodes=201, extent=12).log_evidence(X)
    assert value == pytest.approx(model.score_samples(X), abs=1e-9)
    assert (error < 1e-6).all()


def test_the_posterior_on_the_grid_is_the_normal_one(linear):
    vae, model, X = linear
    grid = vaelite.Quadrature(vae, n_nodes=201, extent=12)
    density, cell = grid.posterior(X[:5]), (grid.axis[1] - grid.axis[0]) ** 2
    assert density.sum(axis=(1, 2)) * cell == pytest.approx(np.ones(5))
    first = np.einsum("nij,i->n", density, grid.axis) * cell
    second = np.einsum("nij,j->n", density, grid.axis) * cell
    mean, covariance = model.posterior(X[:5])
    assert np.column_stack([first, second]) == pytest.approx(mean)
    both = np.einsum("nij,i,j->n", density, grid.axis, grid.axis) * cell
    assert both - first * second == pytest.approx(np.full(5, covariance[0, 1]))


def test_quadrature_with_one_latent(linear):
    X = linear[2]
    likelihood = vaelite.Gaussian(mean="identity", sigma="shared", floor=None)
    vae = vaelite.VAE(1, (), likelihood=likelihood).fit(X, **LONG)
    value, _ = vaelite.Quadrature(vae, extent=12).log_evidence(X)
    assert value == pytest.approx(vaelite.ProbabilisticPCA.of(vae).score_samples(X), abs=1e-9)
    assert vaelite.Quadrature(vae).posterior(X[:3]).shape == (3, 201)


def test_importance_weighting_finds_the_closed_form_within_its_standard_error(linear):
    vae, model, X = linear
    mu, logsigma = model.diagonal_posterior(X)
    found = vaelite.log_evidence(vae, X, n_samples=5000, q=(mu + 0.2, logsigma + 0.2))
    z = (found.value - model.score_samples(X)) / found.standard_error
    assert np.abs(z).max() < 4
    assert 0.5 < z.std() < 1.5  # the standard errors are neither too small nor too large
    assert (found.effective_samples <= 5000).all()


@pytest.fixture(scope="module")
def trained(digits):
    return vaelite.fit(digits[0], hidden_dim=128, max_epochs=100, stopping="epochs", rng=0)


def test_importance_weighting_and_quadrature_agree_on_the_digits(trained, digits):
    X = digits[0][:100]
    exact, error = vaelite.Quadrature(trained, n_nodes=401).log_evidence(X)
    assert (error < 0.01).all()
    found = vaelite.log_evidence(trained, X, 5000, q=vaelite.infer(trained, X))
    difference = found.value - exact
    assert np.mean(np.abs(difference) < 3 * found.standard_error) >= 0.98
    standard_error = np.sqrt(np.sum(found.standard_error**2)) / 100  # of the mean
    assert abs(np.mean(difference)) < 3 * standard_error < 0.01
    trusted = found.effective_samples > 200  # a q may miss one of two modes
    assert trusted.mean() >= 0.98
    assert np.abs(difference[trusted]).max() < 0.1


def test_few_samples_are_effective_if_the_encoder_misses_the_posterior(trained, digits):
    X = digits[0][:200]
    exact, _ = vaelite.Quadrature(trained, n_nodes=401).log_evidence(X)
    found = vaelite.log_evidence(trained, X, 5000)
    trusted, errors = found.effective_samples > 200, np.abs(found.value - exact)
    assert np.mean(errors[trusted] < 3 * found.standard_error[trusted]) > 0.98
    assert errors[~trusted].max() > errors[trusted].max()


def test_samples_from_the_prior_help_a_q_that_misses_a_part_of_the_posterior(linear):
    vae, model, X = linear
    X = X[np.linalg.norm(model.posterior(X)[0], axis=1) < 1.5]
    mu, covariance = model.posterior(X)
    wrong = mu + 4 * np.sqrt(np.diag(covariance)), np.full_like(mu, -2.0)
    exact = model.score_samples(X)
    saved = vaelite.log_evidence(vae, X, 20_000, q=wrong).value - exact
    lost = vaelite.log_evidence(vae, X, 20_000, q=wrong, prior_share=0).value - exact
    assert np.abs(saved).max() < 0.5
    assert lost.mean() < -1


def test_one_sample_is_the_models_score(vae, digits):
    """With the same noise, from equal Generators; an int has another stream for each."""
    noise, same = np.random.default_rng(5), np.random.default_rng(5)
    found = vaelite.log_evidence(vae, digits[0], 1, noise)
    assert found.value == pytest.approx(vae.score_samples(digits[0], same), rel=1e-5)
    assert np.isnan(found.standard_error).all()


def test_more_samples_raise_the_bound(vae, digits):
    means = [vaelite.log_evidence(vae, digits[0][:300], K).value.mean() for K in (1, 10, 100, 1000)]
    assert means == sorted(means)


def test_the_elbo_of_many_samples(linear):
    vae, model, X = linear
    found, exact = vaelite.elbo(vae, X, n_samples=5000), model.elbo(X, *vae.encode(X))
    assert np.abs((found.value - exact) / found.standard_error).max() < 4
    best = model.diagonal_posterior(X)
    better = vaelite.elbo(vae, X, n_samples=5000, q=best)
    exact = model.score_samples(X) - model.gap()
    assert np.abs((better.value - exact) / better.standard_error).max() < 4


@pytest.mark.parametrize("n_samples", [3, 50, 2500])
def test_memory_is_bounded(n_samples, vae, digits, monkeypatch):
    codes = spy_on_decoder(monkeypatch)
    vaelite.log_evidence(vae, digits[0][:1100] if n_samples < 100 else digits[0][:2], n_samples)
    rows = [len(z) for z in codes]
    assert max(rows) <= importance.CHUNK_ROWS
    assert sum(rows) == n_samples * (1100 if n_samples < 100 else 2)


def test_custom_terms_and_other_likelihoods(digits, quick):
    def wide_prior(z):
        return vaelite.neglogprior(z / 2) + z.shape[-1] * np.log(2)

    vae = vaelite.fit(digits[0], **quick, likelihood="bernoulli", neglogprior=wide_prior)
    X = digits[0][:30]
    exact, _ = vaelite.Quadrature(vae, n_nodes=401, extent=20).log_evidence(X)
    found = vaelite.log_evidence(vae, X, 5000)
    assert np.abs((found.value - exact) / found.standard_error).max() < 4
    levels = np.rint(digits[0] * 16).astype(np.uint8)
    vae = vaelite.fit(levels, **quick, likelihood=vaelite.Categorical(17))
    exact, _ = vaelite.Quadrature(vae, n_nodes=201, extent=12).log_evidence(levels[:3])
    found = vaelite.log_evidence(vae, levels[:3], 5000)
    assert np.abs((found.value - exact) / found.standard_error).max() < 4


def test_a_grid_that_does_not_fit_the_posterior_warns(trained, digits):
    X = digits[0][:20]
    with pytest.warns(UserWarning, match="too coarse for .* rows .* raise n_nodes"):
        vaelite.Quadrature(trained, n_nodes=41).log_evidence(X)
    edge = "reaches the edge of the grid: raise extent above 0.5"
    with pytest.warns(UserWarning, match=edge), pytest.warns(UserWarning, match="too coarse"):
        vaelite.Quadrature(trained, n_nodes=101, extent=0.5).log_evidence(X)


def test_it_prints_its_results(vae, digits):
    text = str(vaelite.log_evidence(vae, digits[0][:10], 50))
    assert "nats per example (mean over 10)" in text


def test_invalid_arguments_are_refused(vae, digits, quick):
    with pytest.raises(ValueError, match="for 1 or 2 latents, the model has 3"):
        vaelite.Quadrature(vaelite.VAE(3).build(4))
    with pytest.raises(ValueError, match="n_nodes should be odd"):
        vaelite.Quadrature(vae, n_nodes=200)
    with pytest.raises(ValueError, match="q should be a pair"):
        vaelite.log_evidence(vae, digits[0], q=np.zeros((1797, 2)))
    with pytest.raises(ValueError, match=r"of shape \(1797, 2\), got \[\(5, 2\)"):
        vaelite.log_evidence(vae, digits[0], q=(np.zeros((5, 2)), np.zeros((5, 2))))
    with pytest.raises(ValueError, match="prior_share should be"):
        vaelite.log_evidence(vae, digits[0], prior_share=1)
    with pytest.raises(ValueError, match="features"):
        vaelite.log_evidence(vae, digits[0][:, :5])
    with pytest.raises(vaelite.NotFittedError):
        vaelite.log_evidence(vaelite.VAE(), digits[0])


NEED_A_POSTERIOR = [
    vaelite.log_evidence,
    vaelite.elbo,
    vaelite.infer,
    vaelite.elbo_parts,
    vaelite.kl_split,
    vaelite.inference_gaps,
    lambda vae, X: vaelite.Quadrature(vae),
    lambda vae, X: vaelite.plots.posterior(vae, X[0]),
    lambda vae, X: vaelite.plots.completions(vae, X, np.ones(64, bool)),
]


def test_models_without_a_posterior_or_not_fitted_are_refused(digits, quick):
    X, ae = digits[0][:5], vaelite.fit_autoencoder(digits[0], **quick)
    for function in NEED_A_POSTERIOR:
        with pytest.raises(ValueError, match=r"Autoencoder has no q\(z\|x\)"):
            function(ae, X)
        with pytest.raises(vaelite.NotFittedError):
            function(vaelite.VAE(), X)


def test_a_q_that_is_not_finite_is_refused(vae, digits):
    with pytest.raises(ValueError, match="not finite"):
        vaelite.log_evidence(vae, digits[0][:2], q=(np.full((2, 2), np.nan), np.zeros((2, 2))))


def test_the_posterior_warns_of_a_coarse_grid(trained, digits):
    with pytest.warns(UserWarning, match="too coarse"):
        vaelite.Quadrature(trained, n_nodes=41).posterior(digits[0][:20])
