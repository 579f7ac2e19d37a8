"""Tutorial 05: mean-field and amortized inference."""

import numpy as np

from vaelite import VAE, Gaussian, ProbabilisticPCA


def has_the_largest_elbo(best_logsigma):
    """The best logsigma of independent latents, ``best_logsigma(W, sigma)``."""
    rng = np.random.default_rng(0)
    for D, K in ((5, 3), (3, 2), (2, 6)):
        W, sigma = rng.normal(size=(K, D)), rng.uniform(0.3, 3)
        model, x, mu = ProbabilisticPCA(W, np.zeros(D), sigma), np.zeros((1, D)), np.zeros((1, K))
        found = np.array(best_logsigma(W, sigma))
        assert found.shape == (K,), (
            f"for W of shape {(K, D)}, expected shape {(K,)}, got {found.shape}"
        )
        for k, step in ((k, step) for k in range(K) for step in (-1e-2, 1e-2)):
            changed = found + step * (np.arange(K) == k)
            assert model.elbo(x, mu, changed[None]) < model.elbo(x, mu, found[None]), (
                f"for W of shape {(K, D)} and sigma {sigma:.2f}, changing logsigma of latent {k} "
                f"by {step:+} makes the ELBO larger"
            )


def climbs_the_elbo(mean_field):
    """Gradient ascent, ``mean_field(model, X, learning_rate, n_steps)``."""
    rng = np.random.default_rng(1)
    for n, D, K in ((2, 5, 3), (4, 3, 2)):
        model = ProbabilisticPCA(0.5 * rng.normal(size=(K, D)), rng.normal(size=D), 1.0)
        X, rate = rng.normal(size=(n, D)), 1 / np.linalg.eigvalsh(model.precision).max()
        _ends_at_the_best(mean_field(model, X, rate, 200), model, X)
        assert not np.any(mean_field(model, X, rate, 0)), (
            "before the first step mu and logsigma should be 0"
        )
        once, half = (np.array(mean_field(model, X, r, 1)) for r in (rate, rate / 2))
        assert np.allclose(once, 2 * half, atol=1e-9), (
            "the first step should be proportional to the learning rate: is it a gradient step?"
        )
        together = np.array(mean_field(model, X, rate, 2))
        alone = [np.array(mean_field(model, X[i : i + 1], rate, 2)) for i in range(n)]
        assert np.allclose(together, np.concatenate(alone, axis=1), atol=1e-9), (
            "the steps of a row depend on other rows: a mean over rows in place of a sum?"
        )


def _ends_at_the_best(answer, model, X):
    for name, found, best in zip(
        ("mu", "logsigma"), answer, model.diagonal_posterior(X), strict=True
    ):
        assert np.shape(found) == best.shape, (
            f"{name} should have shape {best.shape}, got {np.shape(found)}"
        )
        error = np.abs(found - best).max()
        assert error < 1e-5, f"{name} after 200 steps is off by up to {error:.2g}"


def completes_by_inference(complete):
    """The mean of x where it is not observed, ``complete(vae, X, observed)``.

    The decoder is linear, so the posterior given some pixels is known: no other way to
    guess the pixels finds it.
    """
    rng = np.random.default_rng(2)
    D, K, n, sigma = 12, 2, 6, 0.5
    # Rows of W that are orthogonal on the observed pixels: q can be the posterior.
    seen = np.linalg.svd(rng.normal(size=(K, D // 2)), full_matrices=False)[2] * [[1.5], [0.8]]
    W, mean = np.concatenate([seen, rng.normal(size=(K, D // 2))], axis=1), rng.normal(size=D)
    linear = Gaussian(mean="identity", sigma=sigma)
    vae = VAE(latent_dim=K, hidden_dim=(), likelihood=linear, dtype="float64").build(D, rng=0)
    vae.params = {**vae.params, "decoder.mu.W": W, "decoder.mu.b": mean}
    observed = np.arange(D) < D // 2
    X = rng.normal(size=(n, K)) @ W + mean + sigma * rng.normal(size=(n, D))
    found = np.asarray(complete(vae, X, observed))
    assert found.shape == X.shape, f"shape {found.shape}, expected {X.shape}"
    assert np.array_equal(found[:, observed], X[:, observed]), "observed pixels should not change"
    other = np.where(observed, X, 5.0)
    assert np.allclose(found, complete(vae, other, observed), atol=0.1), (
        "the answer depends on what X holds where it is not observed"
    )
    _is_the_posterior_mean(found, X, observed, ProbabilisticPCA(W, mean, sigma))


def _is_the_posterior_mean(found, X, observed, model):
    seen = ProbabilisticPCA(model.W[:, observed], model.mean[observed], model.sigma)
    codes, _ = seen.posterior(X[:, observed])
    error = np.abs(found - (codes @ model.W + model.mean))[:, ~observed].max()
    assert error < 0.1, (
        f"for a linear decoder, whose posterior is known, pixels are off by up to {error:.2f}: "
        "is this E[x|z] of this model, at the mean of q given the observed pixels?"
    )
