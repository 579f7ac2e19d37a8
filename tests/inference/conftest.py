"""A linear model, whose log p(x) and posterior are known, for several tests."""

import numpy as np
import pytest

import vaelite


@pytest.fixture(scope="session")
def linear():
    """A linear VAE in float64, the equal probabilistic PCA, and the data.

    The encoder is far from the posterior. Tests must not change the model.
    """
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 4))
    X += 0.5 * rng.standard_normal((60, 4))
    likelihood = vaelite.Gaussian(mean="identity", sigma="shared", floor=None)
    settings = {"hidden_dim": (), "likelihood": likelihood, "kl": "analytic"}
    training = {"max_epochs": 300, "learning_rate": 0.01, "stopping": "epochs", "rng": 0}
    vae = vaelite.fit(X, latent_dim=2, **settings, **training)
    vae.params["encoder.logsigma.W"][:] = 0  # linear in x, some rows' sigma would be thousands
    return vae, vaelite.ProbabilisticPCA.of(vae), X
