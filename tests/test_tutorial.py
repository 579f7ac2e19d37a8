"""The Pyro tutorial's run on MNIST, end to end. Slow: minutes."""

import numpy as np
import pytest

import vaelite

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fitted(mnist_home):
    X, X_test = (vaelite.load_mnist(mnist_home, split)[0] for split in ("train", "test"))
    model = {"likelihood": "bernoulli", "latent_dim": 50, "hidden_dim": 400}
    networks = {"activation": "softplus", "init": "torch", "start": "network"}
    settings = {"batch_size": 256, "learning_rate": 1e-3, "max_epochs": 100, "stopping": "epochs"}
    return vaelite.fit(X, X_test, **model, **networks, **settings, rng=5)


def test_the_tutorials_losses(fitted):
    train, test = fitted.history["train_loss"], fitted.history["test_loss"]
    assert test[0] == pytest.approx(155.9, abs=1.5)
    assert test[4] == pytest.approx(116.5, abs=1)
    assert np.mean(train[95:]) == pytest.approx(101.0, abs=0.5)
    assert np.mean(test[95:]) == pytest.approx(101.3, abs=0.5)


def test_reconstructions_vary_with_the_drawn_code(fitted, mnist_home):
    X = vaelite.load_mnist(mnist_home, "test")[0][:100]
    first, second = (fitted.reconstruct(X, sample=True, rng=seed) for seed in (1, 2))
    assert not np.allclose(first, second, atol=0.05)
    for drawn in (first, second):
        correlations = [np.corrcoef(x, y)[0, 1] for x, y in zip(X, drawn, strict=True)]
        assert np.mean(correlations) > 0.9
