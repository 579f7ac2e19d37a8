"""Tutorial 03: the ELBO, three ways."""

import numpy as np
from scipy import stats

from vaelite import ProbabilisticPCA


def _log_weights(model, x, mu, logsigma, eps):
    """The log of p(x, z) / q(z) by scipy, for one z per row."""
    z = mu + np.exp(logsigma) * eps
    mean, logsigma_x = model.decode(z)
    log_p = stats.norm(mean, np.exp(logsigma_x)).logpdf(x).sum(axis=1)
    log_ratio = stats.norm.logpdf(z) - stats.norm(mu, np.exp(logsigma)).logpdf(z)
    return log_p + log_ratio.sum(axis=1)


def averages_to_the_elbo(one_sample_elbo):
    """An estimate of the ELBO, ``one_sample_elbo(model, x, mu, logsigma, eps)``."""
    rng = np.random.default_rng(7)
    n, D, K = 5, 4, 3
    model = ProbabilisticPCA(rng.normal(size=(K, D)), rng.normal(size=D), sigma=0.7)
    x, mu = rng.normal(size=(n, D)), rng.normal(size=(n, K))
    logsigma, eps = rng.uniform(-1, 1, (n, K)), rng.normal(size=(n, K))
    found = np.asarray(one_sample_elbo(model, x, mu, logsigma, eps))
    assert found.shape == (n,), f"shape {found.shape}, expected ({n},): one number per row"
    axes = np.sqrt(K) * np.concatenate([np.eye(K), -np.eye(K)])  # their mean is the exact mean
    each = [one_sample_elbo(model, x, mu, logsigma, np.tile(e, (n, 1))) for e in axes]
    assert not np.allclose(each[0], each[1]), "a different eps should give a different estimate"
    exact, mean = model.elbo(x, mu, logsigma), np.mean(each, axis=0)
    assert not np.allclose(mean, -exact), "this is the loss, minus the ELBO"
    other_sign = exact - 2 * np.sum(logsigma + 0.5 * np.log(2 * np.pi * np.e), axis=1)
    assert not np.allclose(mean, other_sign), "log q(z) has the wrong sign"
    assert np.allclose(mean, exact), (
        f"averaged over all eps it is {mean[0]:.4f} in row 0, but the ELBO is {exact[0]:.4f}"
    )
    expected = _log_weights(model, x, mu, logsigma, eps)
    assert np.allclose(found, expected), (
        f"the average is right, but a single draw is {found[0]:.4f}, expected {expected[0]:.4f}"
    )


def has_no_noise(exact_q):
    """The posterior, ``exact_q(model, x)``, if the rows of W are orthogonal."""
    rng = np.random.default_rng(11)
    lengths = np.array([[2.0], [0.7], [0.1]])
    W = np.linalg.svd(rng.normal(size=(3, 5)), full_matrices=False)[2] * lengths
    model = ProbabilisticPCA(W, rng.normal(size=5), sigma=0.4)
    x = rng.normal(size=(4, 5))
    answer = exact_q(model, x)
    assert len(answer) == 2, f"return two arrays, mu and logsigma; these are {len(answer)}"
    mu, logsigma = map(np.asarray, answer)
    assert mu.shape == logsigma.shape == (4, 3), (
        f"shapes {mu.shape} and {logsigma.shape}, expected (4, 3) for 4 rows and 3 latents"
    )
    mean, covariance = model.posterior(x)
    exact = mean, np.tile(np.log(np.diag(covariance)) / 2, (4, 1))
    for name, found, expected in zip(("mu", "logsigma"), (mu, logsigma), exact, strict=True):
        right = np.isclose(found, expected, rtol=1e-6, atol=1e-9).all(axis=1)
        row = right.argmin()
        assert right.all(), (
            f"{name} of row {row} is {found[row].round(4)}, expected {expected[row].round(4)}"
        )
    evidence = model.score_samples(x)
    for _ in range(6):
        draws = _log_weights(model, x, mu, logsigma, rng.normal(size=(4, 3)))
        wrong = np.flatnonzero(~np.isclose(draws, evidence, rtol=1e-9))
        assert not len(wrong), (
            f"a draw for row {wrong[0]} is {draws[wrong[0]]:.4f}, where log p(x) is "
            f"{evidence[wrong[0]]:.4f}"
        )
