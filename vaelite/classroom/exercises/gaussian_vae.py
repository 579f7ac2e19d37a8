"""Tutorial 06: the lecture's Gaussian VAE."""

import numpy as np
from numpy.testing import assert_allclose

from vaelite import VAE, negloglikelihood, neglogposterior, neglogprior


def is_the_encoder(encode):
    """mu and logsigma of q(z|x), ``encode(params, x)``, one hidden layer with relu."""
    rng = np.random.default_rng(3)
    model = VAE(latent_dim=3, hidden_dim=7).build(5, np.float64, rng=1)
    for scale in (1, 8):  # the second: logsigma of some codes is far from 0
        model.params = {
            name: array + scale * rng.normal(size=array.shape)
            for name, array in model.params.items()
        }
        images = rng.uniform(size=(4, 5))
        found = encode(model.params, images)
        for name, part, expected in zip(
            ("mu", "logsigma"), found, model.encode(images), strict=True
        ):
            assert np.shape(part) == expected.shape, (
                f"{name} of 4 images and 3 latents has the shape {np.shape(part)}, expected (4, 3)"
            )
            message = f"{name}, from {expected.min():.1f} to {expected.max():.1f}, differs"
            assert_allclose(part, expected, rtol=1e-9, err_msg=message)


def restores_the_constants(restore):
    """The loss with its constants, ``restore(loss, D, K)``."""
    rng = np.random.default_rng(4)

    def loss(x, z, mu, normalized):
        settings = {"normalized": normalized}
        nll = negloglikelihood(x, 0 * x, np.full((1, 1), 0.3), **settings)
        nlq = neglogposterior(z, mu, np.full_like(mu, -0.5), **settings)
        return (nll + neglogprior(z, **settings) - nlq)[0]

    for D, K in ((3, 2), (5, 4)):
        draws = rng.normal(size=(1, D)), rng.normal(size=(1, K)), rng.normal(size=(1, K))
        without, expected = (loss(*draws, normalized=flag) for flag in (False, True))
        found = restore(without, D, K)
        assert np.allclose(found, expected, rtol=1e-9), (
            f"D = {D}, K = {K}: {without:.4f} without constants is {expected:.4f} with those of "
            f"all three terms, got {found:.4f}"
        )


def is_minus_an_elbo(implied_sigma):
    """The sigma of a squared error plus w KL, ``implied_sigma(w, D)``."""
    rng = np.random.default_rng(9)
    for w, D in ((0.00025, 64), (0.1, 5)):
        x, mu, kl = rng.random((6, D)), rng.random((6, D)), rng.random(6) * 9
        blog = np.mean((x - mu) ** 2, axis=1) + w * kl
        elbo = -negloglikelihood(x, mu, np.log(implied_sigma(w, D))) - kl
        assert np.ptp(blog / w + elbo) < 1e-6 * np.ptp(blog / w), (
            f"w = {w}, D = {D}: loss / w + ELBO should be the same constant for all images"
        )
