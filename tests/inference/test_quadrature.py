"""Quadrature against closed forms: also where the posterior is narrow, or has two modes."""

import numpy as np
import pytest
from scipy import stats

import vaelite
from vaelite.inference import quadrature

IDENTITY = {"mean": "identity", "floor": None}


def slow(value):
    return pytest.param(value, marks=pytest.mark.slow)


def linear(W):
    """A VAE with the mean z W and sigma 1, and the equal probabilistic PCA."""
    likelihood = vaelite.Gaussian(sigma=1.0, **IDENTITY)
    vae = vaelite.VAE(len(W), (), likelihood=likelihood).build(W.shape[1], np.float64, rng=0)
    vae.params["decoder.mu.W"][:] = W
    vae.params["decoder.mu.b"][:] = 0
    return vae, vaelite.ProbabilisticPCA(W, np.zeros(W.shape[1]), 1.0)


def absolute(latent_dim, sigma):
    """A decoder with the mean |z|: relu(z) + relu(-z), one feature per latent."""
    likelihood = vaelite.Gaussian(sigma=sigma, **IDENTITY)
    vae = vaelite.VAE(latent_dim, 2 * latent_dim, likelihood=likelihood)
    vae.build(latent_dim, np.float64, rng=0)
    eye = np.eye(latent_dim)
    vae.params["decoder.0.W"][:] = np.hstack([eye, -eye])
    vae.params["decoder.0.b"][:] = 0
    vae.params["decoder.mu.W"][:] = np.vstack([eye, eye])
    vae.params["decoder.mu.b"][:] = 0
    return vae


def log_evidence_of_absolute(X, sigma):
    """``2 N(x; 0, 1 + sigma^2) P(z > 0 | x)`` for each feature, for a linear posterior."""
    mean, sd = X / (1 + sigma**2), sigma / np.sqrt(1 + sigma**2)
    log_p = stats.norm(0, np.sqrt(1 + sigma**2)).logpdf(X) + stats.norm.logcdf(mean / sd)
    return (np.log(2) + log_p).sum(axis=1)


@pytest.mark.parametrize("sd", [1e-4, slow(1e-3), 0.01, slow(0.1), 1])
@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_error_holds_for_narrow_posteriors_wherever_their_mode_is(latent_dim, sd, rng):
    W = rng.standard_normal((latent_dim, 5))
    vae, model = linear(W / np.linalg.norm(W, axis=1, keepdims=True) / sd)
    z = rng.uniform(-2, 2, (12, latent_dim))
    z[0], z[1] = 0, vaelite.Quadrature(vae).axis[100:102].mean()  # at a node, and midway
    X = z @ vae.params["decoder.mu.W"] + rng.standard_normal((12, 5))
    value, error = vaelite.Quadrature(vae, extent=10 if sd == 1 else 6).log_evidence(X)
    assert (np.abs(value - model.score_samples(X)) <= error + 1e-9).all()
    assert (error < 2e-4).all()


@pytest.mark.parametrize("sigma", [1e-3, slow(0.05), 0.5])
@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_error_holds_with_two_modes_and_a_kink(latent_dim, sigma, rng):
    vae = absolute(latent_dim, sigma)
    X = np.concatenate([rng.uniform(0, 2, (6, latent_dim)), rng.normal(0, sigma, (3, latent_dim))])
    value, error = vaelite.Quadrature(vae).log_evidence(X)
    assert (np.abs(value - log_evidence_of_absolute(X, sigma)) <= error + 1e-9).all()
    assert (error < 2e-4).all()


def test_with_too_few_cells_the_error_still_holds(monkeypatch, rng):
    monkeypatch.setattr(quadrature, "MOST_CELLS", 0)
    vae, model = linear(np.eye(2, 4) / 1e-3)
    X = rng.uniform(-2, 2, (8, 2)) @ vae.params["decoder.mu.W"]
    with pytest.warns(UserWarning, match="too many cells for 8 of 8 rows.* raise n_nodes"):
        value, error = vaelite.Quadrature(vae).log_evidence(X)
    assert (np.abs(value - model.score_samples(X)) <= error).all()
    assert (error >= 1).all()  # no cell was compared with its halves: all may be wrong


def test_cells_that_were_not_compared_may_be_all_wrong(monkeypatch):
    monkeypatch.setattr(quadrature, "GOAL", 2.0)  # the first rule is enough
    vae, _ = linear(np.eye(2, 4))
    with pytest.warns(UserWarning, match="raise n_nodes"):
        error = vaelite.Quadrature(vae, extent=10).log_evidence(np.zeros((1, 4)))[1]
    assert error == pytest.approx(1)


def test_a_first_rule_of_many_cells_is_refined_as_well(monkeypatch):
    monkeypatch.setattr(quadrature, "MOST_CELLS", 2000)  # the first rule has 61 * 61
    vae, model = linear(np.eye(2, 4) / 1e-2)
    X = np.array([[0.123, -0.456]]) @ vae.params["decoder.mu.W"]
    value, error = vaelite.Quadrature(vae, n_nodes=301).log_evidence(X)
    assert np.abs(value - model.score_samples(X)) <= error < 1e-3


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("latent", [0, 1])
def test_a_posterior_at_any_edge_warns(latent, side):
    vae, model = linear(np.eye(2, 4) / 0.1)
    z = np.zeros((1, 2))
    z[0, latent] = side * 1.9
    X = z @ vae.params["decoder.mu.W"]
    with pytest.warns(UserWarning, match="1 of 1 rows reaches the edge: raise extent above 2"):
        value, error = vaelite.Quadrature(vae, extent=2).log_evidence(X)
    assert np.abs(value - model.score_samples(X)) <= error
    vaelite.Quadrature(vae, extent=2.6).log_evidence(X)  # no warning
    assert vaelite.Quadrature(vae, extent=0.5).axis[[0, -1]].tolist() == [-0.5, 0.5]


def test_a_model_in_float32_is_computed_in_float64(vae, digits):
    wide = vaelite.VAE(2, 32).build(64, np.float64, rng=0)
    wide.params = {name: array.astype(np.float64) for name, array in vae.params.items()}
    X = np.float32(digits[0][:1])
    found, expected = (vaelite.Quadrature(model).log_evidence(X)[0] for model in (vae, wide))
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_posterior_on_the_grid_is_the_normal_one(rng):
    vae, model = linear(rng.standard_normal((2, 4)) / 0.5)
    X = rng.standard_normal((5, 2)) @ vae.params["decoder.mu.W"] + rng.standard_normal((5, 4))
    grid = vaelite.Quadrature(vae, n_nodes=401)
    density, cell = grid.posterior(X), (grid.axis[1] - grid.axis[0]) ** 2
    assert density.sum(axis=(1, 2)) * cell == pytest.approx(np.ones(5))
    first = np.einsum("nij,i->n", density, grid.axis) * cell
    second = np.einsum("nij,j->n", density, grid.axis) * cell
    mean, covariance = model.posterior(X)
    assert np.column_stack([first, second]) == pytest.approx(mean, abs=1e-6)
    both = np.einsum("nij,i,j->n", density, grid.axis, grid.axis) * cell
    assert both - first * second == pytest.approx(np.full(5, covariance[0, 1]), abs=1e-6)


def test_the_posterior_warns_of_a_coarse_grid():
    vae, _ = linear(np.eye(1, 3) / 0.01)
    grid = vaelite.Quadrature(vae, n_nodes=200)
    X = np.array([[grid.axis[120:122].mean() * 100, 0, 0]])
    with pytest.warns(UserWarning, match="too coarse for 1 of 1 rows .* raise n_nodes"):
        grid.posterior(X)
    assert vaelite.Quadrature(vae, n_nodes=3000).posterior(X).shape == (1, 3000)


def test_models_that_it_cannot_integrate_are_refused(vae):
    with pytest.raises(ValueError, match="for 1 or 2 latents, the model has 3"):
        vaelite.Quadrature(vaelite.VAE(3).build(4))
    with pytest.raises(ValueError, match="n_nodes should be 5 or more"):
        vaelite.Quadrature(vae, n_nodes=4)
