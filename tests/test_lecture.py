"""The lecture's run on MNIST, end to end. Slow: minutes."""

import numpy as np
import pytest

import vaelite

pytestmark = pytest.mark.slow


def lecture(X, learning_rate, **settings):
    """The lecture's 20 epochs, evaluated on the training images, without constants."""
    settings |= {"learning_rate": learning_rate, "max_epochs": 20, "stopping": "epochs"}
    settings |= {"batch_size": 128, "start": "network", "normalized": False}
    return vaelite.fit(X, hidden_dim=512, latent_dim=2, **settings)


@pytest.fixture(scope="module")
def mnist(mnist_home):
    return vaelite.load_mnist(mnist_home)


@pytest.fixture(scope="module")
def fitted(mnist):
    return lecture(mnist[0], 1e-4, rng=0)


def test_the_lectures_loss(fitted):
    losses = fitted.history["eval_loss"]
    assert losses[0] == pytest.approx(-627, abs=25)  # the lecture prints -626.77
    assert losses[-1] <= -825  # the lecture prints -831.01
    assert fitted.log["param_norm"][0] == pytest.approx(57.34, abs=0.2)


def test_the_score_has_the_constant_that_the_loss_drops(fitted, mnist):
    loss = fitted.history["eval_loss"][-1] + 392 * np.log(2 * np.pi)
    assert fitted.score(mnist[0]) == pytest.approx(-loss, abs=0.5)


def test_the_lectures_observations_about_the_latent_plane(fitted, mnist):
    X, y = mnist
    mu, _ = fitted.encode(X)
    centre = np.array([np.median(mu[y == digit], axis=0) for digit in range(10)])
    spread = np.array([np.median(np.abs(mu[y == digit] - centre[digit])) for digit in range(10)])
    distance = np.linalg.norm(centre[:, None] - centre, axis=-1)
    from_the_middle = np.linalg.norm(centre - np.median(mu, axis=0), axis=1)
    assert set(np.argsort(from_the_middle)[-3:]) >= {0, 1}  # zeros and ones are far out
    for group in ([4, 7, 9], [3, 5, 8]):
        inside = distance[np.ix_(group, group)].max()
        assert inside < np.median(distance[np.triu_indices(10, 1)]), (group, distance, spread)


@pytest.fixture(scope="module")
def fitted_longer(mnist):
    return lecture(mnist[0], 1e-3, rng=4)


def test_the_larger_learning_rate(fitted_longer):
    assert fitted_longer.history["eval_loss"][-1] <= -885


def test_the_average_reconstructions_are_readable(fitted_longer, mnist):
    X, y = mnist
    reconstructions = fitted_longer.reconstruct(X)
    averages = np.stack([reconstructions[y == digit].mean(axis=0) for digit in range(10)])
    images = np.stack([X[y == digit].mean(axis=0) for digit in range(10)]) / 255
    correlations = np.corrcoef(averages, images)[:10, 10:]
    most_similar = correlations.argmax(axis=1)
    assert list(most_similar) == list(range(10))  # each is most similar to its own digit


def test_two_runs_on_mnist_give_the_same_bits(mnist):
    settings = {"max_epochs": 1, "stopping": "epochs", "rng": 0}
    first, second = (vaelite.fit(mnist[0], **settings) for _ in range(2))
    for name, array in first.params.items():
        assert np.array_equal(array, second.params[name]), name
