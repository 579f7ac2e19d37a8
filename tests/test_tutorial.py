"""The Pyro tutorial's run on MNIST, end to end. Slow: minutes."""

import numpy as np
import pytest

import vaelite


def tutorial(mnist_home, epochs):
    """The tutorial's model after some of its 100 epochs."""
    X, X_test = (vaelite.load_mnist(mnist_home, split)[0] for split in ("train", "test"))
    model = {"likelihood": "bernoulli", "latent_dim": 50, "hidden_dim": 400}
    networks = {"activation": "softplus", "init": "torch", "start": "network"}
    settings = {"batch_size": 256, "learning_rate": 1e-3, "stopping": "epochs", "rng": 5}
    return vaelite.fit(X, X_test, **model, **networks, **settings, max_epochs=epochs)


@pytest.fixture(scope="module")
def fitted(mnist_home):
    return tutorial(mnist_home, epochs=5)


@pytest.fixture(scope="module")
def fitted_to_the_end(mnist_home):
    return tutorial(mnist_home, epochs=100)


@pytest.mark.slow
def test_the_tutorials_first_losses(fitted):
    test = fitted.history["test_loss"]
    assert test[0] == pytest.approx(155.9, abs=1.5)
    assert test[4] == pytest.approx(116.5, abs=1)


@pytest.mark.exhaustive
def test_the_tutorials_last_losses(fitted_to_the_end):
    train, test = (fitted_to_the_end.history[name] for name in ("train_loss", "test_loss"))
    assert np.mean(train[95:]) == pytest.approx(101.0, abs=0.5)
    assert np.mean(test[95:]) == pytest.approx(101.3, abs=0.5)


def drawn_reconstructions(vae, mnist_home):
    """100 test images, and two reconstructions of each, from drawn codes."""
    X = vaelite.load_mnist(mnist_home, "test")[0][:100]
    return X, [vae.reconstruct(X, sample=True, rng=seed) for seed in (1, 2)]


@pytest.mark.slow
def test_reconstructions_vary_with_the_drawn_code(fitted, mnist_home):
    X, (first, second) = drawn_reconstructions(fitted, mnist_home)
    assert not np.allclose(first, second, atol=0.05)
    for drawn in (first, second):  # they are more similar to their own images than to others
        similar = np.corrcoef(X, drawn)[:100, 100:]
        assert np.mean(np.diag(similar)) > np.mean(similar) + 0.3


@pytest.mark.exhaustive
def test_reconstructions_of_the_whole_run_are_similar_to_their_images(
    fitted_to_the_end, mnist_home
):
    X, both = drawn_reconstructions(fitted_to_the_end, mnist_home)
    for drawn in both:
        assert np.mean(np.diag(np.corrcoef(X, drawn)[:100, 100:])) > 0.9
