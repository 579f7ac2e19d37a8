"""The autoencoder beside the VAE."""

import numpy as np
import pytest

import vaelite


@pytest.fixture(scope="module")
def autoencoder(digits, quick):
    return vaelite.fit_autoencoder(digits[0], **quick)


def test_it_reconstructs_and_has_no_noise(autoencoder, digits):
    X = digits[0]
    z, logsigma = autoencoder.encode(X)
    assert np.isneginf(logsigma).all()
    assert np.array_equal(autoencoder.reconstruct(X), autoencoder.reconstruct(X, rng=1))
    assert autoencoder.reconstruct(X) == pytest.approx(autoencoder.decode(z)[0])
    assert not any(name.startswith("encoder.logsigma") for name in autoencoder.params)


def test_its_loss_is_the_reconstruction_alone(autoencoder, digits):
    X = digits[0]
    nll = vaelite.negloglikelihood(X, *autoencoder.decode(autoencoder.encode(X)[0]))
    # float32 sums of 64 terms of about 1, which cancel where the loss is near 0
    assert autoencoder.score_samples(X) == pytest.approx(-nll, rel=1e-5, abs=1e-4)
    assert autoencoder.history["eval_kl"] == [0.0] * 4
    assert autoencoder.history["eval_loss"] == autoencoder.history["eval_nll"]


def test_it_reconstructs_better_than_a_vae_and_its_codes_do_not_follow_the_prior(digits, quick):
    X, settings = digits[0], {**quick, "max_epochs": 40}
    ae, vae = vaelite.fit_autoencoder(X, **settings), vaelite.fit(X, **settings)
    errors = [np.mean((X - model.reconstruct(X)) ** 2) for model in (ae, vae)]
    assert errors[0] < errors[1]
    spread = [model.encode(X)[0].std() for model in (ae, vae)]
    assert abs(np.log(spread[0])) > abs(np.log(spread[1]))  # the VAE's codes have the prior's scale, about 1


def test_it_is_deterministic_and_saved_as_what_it_is(autoencoder, digits, quick, tmp_path):
    again = vaelite.fit_autoencoder(digits[0], **quick)
    assert all(np.array_equal(array, again.params[name]) for name, array in autoencoder.params.items())
    again.save(tmp_path / "ae.npz")
    loaded = vaelite.load(tmp_path / "ae.npz")
    assert type(loaded) is vaelite.Autoencoder
    assert loaded.score(digits[0]) == autoencoder.score(digits[0])


@pytest.mark.parametrize("settings", [{"kl": "analytic"}, {"beta": 2}, {"importance_samples": 4}])
def test_it_has_no_kl(settings, digits, quick):
    with pytest.raises(ValueError, match="an autoencoder has no KL part"):
        vaelite.fit_autoencoder(digits[0], **quick, **settings)


def test_it_has_no_warm_up(digits, quick):
    with pytest.raises(ValueError, match="without a KL weight"):
        vaelite.fit_autoencoder(digits[0], **quick, warmup_epochs=3)
