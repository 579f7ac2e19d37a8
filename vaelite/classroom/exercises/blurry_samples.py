"""Tutorial 09: why samples are blurry."""

import numpy as np

from vaelite import Bernoulli, ProbabilisticPCA, negloglikelihood, neglogprior


def sees_an_edge(sharpness):
    """The mean power of neighbors' differences, ``sharpness(images, power, shape)``."""
    rng = np.random.default_rng(0)
    for n, height, width, power in ((3, 4, 5, 1), (2, 7, 3, 1), (3, 4, 5, 2), (2, 7, 3, 2)):
        shape, images = (height, width), rng.random((n, height * width))
        of = lambda images, shape=shape, p=power: np.asarray(sharpness(images, p, shape))
        found = of(images)
        assert found.shape == (n,), f"{n} images should have {n} numbers, got shape {found.shape}"
        assert np.allclose(of(0 * images + 1), 0), "a constant image should have sharpness 0"
        assert np.allclose(of(3 * images), 3**power * found), (
            f"three times the contrast should have {3**power} times the sharpness, power {power}"
        )
        assert np.allclose(of(images + 1), found), "adding a constant should change nothing"
        transposed = images.reshape(n, height, width).transpose(0, 2, 1).reshape(n, -1)
        assert np.allclose(of(transposed, (width, height)), found), (
            "transposing the image should change nothing"
        )
        chessboard = np.indices(shape).sum(axis=0).reshape(1, -1) % 2.0
        assert np.allclose(of(chessboard), 1), "neighbors on a chessboard differ by 1"
        pairs = (height - 1) * width + height * (width - 1)
        edge = np.tile(np.arange(width) > 0, (height, 1)).reshape(1, -1) * 1.0
        assert np.allclose(of(edge), height / pairs), (
            f"one edge: {height} of {pairs} pairs differ, by 1"
        )
        ramp = np.tile(np.linspace(0, 1, width), (height, 1)).reshape(1, -1)
        steps = height * (width - 1) / (width - 1) ** power
        assert np.allclose(of(ramp), steps / pairs), (
            f"a ramp: {height * (width - 1)} of {pairs} pairs differ, by 1/{width - 1}"
        )


def is_cheapest(best_output):
    """The decoder's best image for a code, ``best_output(images, weights)``."""
    rng = np.random.default_rng(0)
    for n, D in ((3, 5), (7, 2)):
        images, weights = rng.random((n, D)), rng.dirichlet(np.ones(n))
        m = np.asarray(best_output(images, weights))
        assert np.shape(m) == (D,), f"expected one image of {D} pixels, got shape {np.shape(m)}"
        for name, cost in _costs(images, weights).items():
            for step in np.concatenate([np.eye(D), -np.eye(D)]) * 1e-3:
                assert cost(m) < cost(m + step), f"{name}: {m + step} costs less than {m}"


def _costs(images, weights):
    """The mean loss of an image m for images that share a code, by likelihood."""

    def gaussian(sigma):
        return lambda m: weights @ negloglikelihood(images, m[None] + 0 * images, np.log(sigma))

    def bernoulli(m):
        return weights @ Bernoulli().negloglikelihood(images, np.log(m / (1 - m))[None])

    costs = {f"Gaussian, sigma={sigma}": gaussian(sigma) for sigma in (0.2, 1.0, 3.0)}
    return costs | {"Bernoulli": bernoulli}


def is_minus_log_evidence(neg_log_mixture):
    """-log p(x) by a sum over codes, ``neg_log_mixture(nll, log_weights)``."""
    rng, z = np.random.default_rng(0), np.linspace(-9, 9, 601)[:, None]
    log_weights = -neglogprior(z) + np.log(z[1, 0] - z[0, 0])
    for n, D in ((3, 4), (2, 5)):
        model = ProbabilisticPCA(rng.normal(size=(1, D)), rng.normal(size=D), 0.7)
        x, mu = rng.normal(size=(n, D)), z @ model.W + model.mean
        nll = np.stack(
            [negloglikelihood(np.broadcast_to(row, mu.shape), mu, np.log(0.7)) for row in x], axis=1
        )
        for shift in (0, 5000, -5000, 5000 * np.arange(n)):  # the last: rows far apart
            found = neg_log_mixture(nll + shift, log_weights)
            expected = shift - model.score_samples(x)
            assert np.allclose(found, expected, atol=1e-6), (
                f"nll + {shift}: got {found}, expected {expected}"
            )
