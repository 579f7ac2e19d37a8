"""Probabilistic PCA against scikit-learn and scipy.stats; a linear VAE against it."""

import numpy as np
import pytest
from scipy import stats
from sklearn.decomposition import PCA

import vaelite
from vaelite import ProbabilisticPCA


@pytest.fixture
def model(rng):
    return ProbabilisticPCA(rng.standard_normal((2, 5)), rng.standard_normal(5), 0.7)


def of_sklearn(X, latent_dim):
    """scikit-learn's model, which uses the unbiased covariance, and ours with its parameters."""
    pca = PCA(latent_dim, svd_solver="full").fit(X)  # exact; older defaults were random
    W = np.sqrt(pca.explained_variance_ - pca.noise_variance_)[:, None] * pca.components_
    return pca, ProbabilisticPCA(W, pca.mean_, pca.noise_variance_**0.5)


@pytest.mark.parametrize("latent_dim", [1, 5, 20])
def test_log_evidence_is_scikit_learns(latent_dim, digits):
    X = digits[0].astype(np.float64)
    pca, model = of_sklearn(X, latent_dim)
    assert model.score_samples(X) == pytest.approx(pca.score_samples(X), rel=1e-8)
    assert model.score(X) == pytest.approx(pca.score(X), rel=1e-8)


def test_log_evidence_is_that_of_the_normal_distribution(model, rng):
    X = rng.standard_normal((7, 5))
    normal = stats.multivariate_normal(model.mean, model.W.T @ model.W + 0.49 * np.eye(5))
    assert model.score_samples(X) == pytest.approx(normal.logpdf(X))


def test_the_maximum_likelihood_fit_is_scikit_learns(digits):
    X = digits[0].astype(np.float64)
    ours, (_, theirs) = ProbabilisticPCA.fit(X, 4), of_sklearn(X, 4)
    unbiased = len(X) / (len(X) - 1)
    assert ours.sigma**2 * unbiased == pytest.approx(theirs.sigma**2)
    assert ours.W.T @ ours.W * unbiased == pytest.approx(theirs.W.T @ theirs.W, abs=1e-9)
    assert ours.W @ ours.W.T == pytest.approx(np.diag(np.diag(ours.W @ ours.W.T)), abs=1e-9)


def test_no_model_near_the_maximum_likelihood_fit_is_better(rng):
    X = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 4))
    X += 0.3 * rng.standard_normal((50, 4))
    best = ProbabilisticPCA.fit(X, 2)
    for _ in range(50):
        W = best.W + 0.01 * rng.standard_normal((2, 4))
        mean = best.mean + 0.01 * rng.standard_normal(4)
        sigma = best.sigma * np.exp(0.01 * rng.standard_normal())
        assert ProbabilisticPCA(W, mean, sigma).score(X) < best.score(X)


def test_the_posterior_by_bayes_rule(model, rng):
    """p(z|x) p(x) = p(x|z) p(z) at any z."""
    X, z = rng.standard_normal((6, 5)), rng.standard_normal((6, 2))
    mean, covariance = model.posterior(X)
    posterior = stats.multivariate_normal(cov=covariance).logpdf(z - mean)
    joint = -vaelite.negloglikelihood(X, *model.decode(z)) - vaelite.neglogprior(z)
    assert posterior + model.score_samples(X) == pytest.approx(joint)


def test_no_diagonal_q_is_better_than_the_diagonal_posterior(model, rng):
    X = rng.standard_normal((6, 5))
    mu, logsigma = model.diagonal_posterior(X)
    best = model.elbo(X, mu, logsigma)
    assert model.score_samples(X) - best == pytest.approx(np.full(6, model.gap()))
    assert model.gap() > 0.01
    for _ in range(20):
        shift = 0.1 * rng.standard_normal((2, 6, 2))
        assert (model.elbo(X, mu + shift[0], logsigma + shift[1]) < best).all()


def test_the_elbo_is_the_mean_of_the_sampled_one(model, rng):
    x, mu = rng.standard_normal((1, 5)), rng.standard_normal((1, 2))
    logsigma = rng.uniform(-1, 0, (1, 2))
    eps = rng.standard_normal((20_000, 2))
    z = mu + np.exp(logsigma) * eps
    nll = vaelite.negloglikelihood(np.broadcast_to(x, (len(z), 5)), *model.decode(z))
    mus, logsigmas = (np.broadcast_to(a, z.shape) for a in (mu, logsigma))
    samples = -nll - vaelite.neglogprior(z) + vaelite.neglogposterior(z, mus, logsigmas)
    error = samples.std() / 20_000**0.5
    assert samples.mean() == pytest.approx(model.elbo(x, mu, logsigma)[0], abs=4 * error)


LINEAR = {
    "hidden_dim": (),
    "likelihood": vaelite.Gaussian(mean="identity", sigma="shared", floor=None),
    "kl": "analytic",
    "stopping": "epochs",
    "rng": 0,
}


@pytest.mark.slow
def test_a_linear_vae_trained_from_random_weights_reaches_the_maximum_likelihood(digits):
    X = digits[0].astype(np.float64)
    vae = vaelite.fit(X, **LINEAR, batch_size=len(X), learning_rate=3e-3, max_epochs=2000)
    assert vae.params["encoder.mu.W"].dtype == np.float64
    best, found = ProbabilisticPCA.fit(X, 2), ProbabilisticPCA.of(vae)
    assert 0 <= best.score(X) - found.score(X) < 0.01
    # so does its ELBO, with the trained encoder
    assert best.score(X) - np.mean(found.elbo(X, *vae.encode(X))) < 0.03


def test_of_a_vae_has_the_vaes_decoder(digits, quick, rng):
    settings = {**LINEAR, "likelihood": vaelite.Gaussian("identity", 0.5)}
    vae = vaelite.fit(digits[0], **settings, max_epochs=1)
    model, z = ProbabilisticPCA.of(vae), rng.standard_normal((3, 2))
    for found, expected in zip(model.decode(z), vae.decode(z), strict=True):
        assert np.broadcast_to(found, expected.shape) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert model.sigma == pytest.approx(0.5)


def test_of_a_vae_has_its_floor(digits, quick):
    likelihood = vaelite.Gaussian("identity", "shared", floor=-0.5)
    vae = vaelite.fit(digits[0], **{**LINEAR, "likelihood": likelihood}, max_epochs=2)
    raw = float(vae.params["decoder.logsigma.b"][0])
    assert ProbabilisticPCA.of(vae).sigma == pytest.approx(np.exp(-0.5) + np.exp(raw), rel=1e-6)
    _, logsigma = vae.decode(np.zeros((1, 2)))
    assert ProbabilisticPCA.of(vae).sigma == pytest.approx(np.exp(logsigma[0, 0]), rel=1e-6)


def test_models_that_are_not_probabilistic_pca_are_refused(vae, digits, model):
    with pytest.raises(ValueError, match="is not linear"):
        ProbabilisticPCA.of(vae)
    with pytest.raises(ValueError, match="no single sigma"):
        ProbabilisticPCA.of(vaelite.VAE(2, (), likelihood=vaelite.Gaussian("identity")).build(3))
    with pytest.raises(vaelite.NotFittedError):
        ProbabilisticPCA.of(vaelite.VAE())
    with pytest.raises(ValueError, match="below the number of features"):
        ProbabilisticPCA.fit(digits[0], 64)
    with pytest.raises(ValueError, match="leave no noise"):
        ProbabilisticPCA.fit(np.outer(np.arange(5.0), np.ones(3)), 1)
    with pytest.raises(ValueError, match=r"got shapes \(2,\)"):
        ProbabilisticPCA(np.zeros(2), np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="sigma should be above 0"):
        ProbabilisticPCA(model.W, model.mean, 0.0)


@pytest.mark.parametrize("latent_dim", [1, 2, 3])
def test_isotropic_data(latent_dim, rng):
    """The mean of equal variances may be rounded up, above those that are kept."""
    for scale in rng.uniform(0.1, 3, 50):
        X = scale * np.concatenate([np.eye(6), -np.eye(6)])
        model, sigma = ProbabilisticPCA.fit(X, latent_dim), scale / np.sqrt(6)
        assert model.W == pytest.approx(np.zeros((latent_dim, 6)), abs=1e-7 * scale)
        assert model.sigma == pytest.approx(sigma)
        assert model.score(X) == pytest.approx(stats.norm(0, sigma).logpdf(X).sum(1).mean())


def test_data_are_read_as_a_vae_reads_them(digits):
    grey = (digits[0] * 255).astype(np.uint8)
    ours, same = ProbabilisticPCA.fit(grey, 2), ProbabilisticPCA.fit(grey / 255, 2)
    assert ours.score(grey) == pytest.approx(same.score(grey / 255))
    with pytest.raises(ValueError, match="NaN"):
        ours.score(np.full((2, 64), np.nan))
    with pytest.raises(ValueError, match="X has 1 features, but ProbabilisticPCA is expecting 64"):
        ours.posterior(grey[:, :1])


def test_a_vae_with_custom_terms_is_not_probabilistic_pca(digits, quick):
    custom = {"neglogprior": lambda z: vaelite.neglogprior(z)}
    vae = vaelite.fit(digits[0], **{**LINEAR, "kl": "sample"}, max_epochs=1, **custom)
    with pytest.raises(ValueError, match="its own neglogprior"):
        ProbabilisticPCA.of(vae)
