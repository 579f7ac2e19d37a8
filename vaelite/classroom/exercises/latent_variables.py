"""Tutorial 02: latent variables and KL."""

import numpy as np
from scipy import stats

from vaelite import kl_divergence


def agrees_with_the_integral(kl_between):
    """KL of two normals, ``kl_between(mu1, logsigma1, mu2, logsigma2)``."""
    mu1, logsigma1, mu2, logsigma2 = np.random.default_rng(3).uniform(-0.5, 0.5, (4, 5, 3))
    found = np.asarray(kl_between(mu1, logsigma1, mu2, logsigma2))
    assert found.shape == (5,), f"shape {found.shape}, expected (5,): one number per row"
    z = np.linspace(-20, 20, 4001)[:, None, None]
    log_q = stats.norm(mu1, np.exp(logsigma1)).logpdf(z)
    log_p = stats.norm(mu2, np.exp(logsigma2)).logpdf(z)
    integral = (np.exp(log_q) * (log_q - log_p)).sum(axis=(0, 2)) * 0.01
    assert np.allclose(found, integral, rtol=1e-6), (
        f"the integral of N1 (log N1 - log N2) is {integral[0]:.4f} in row 0, got {found[0]:.4f}"
    )
    to_prior = np.asarray(kl_between(mu1, logsigma1, 0 * mu1, 0 * mu1))
    assert np.allclose(to_prior, kl_divergence(mu1, logsigma1)), (
        "with mu2 = 0 and sigma2 = 1, it is not the KL divergence from the prior"
    )
