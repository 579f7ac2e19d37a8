"""The autoencoder, compared with the VAE."""

import inspect

import numpy as np
import pytest

import vaelite


@pytest.fixture(scope="module")
def autoencoder(digits, quick):
    return vaelite.fit_autoencoder(digits[0], **quick)


def test_it_reconstructs_and_has_no_noise(autoencoder, digits):
    X = digits[0]
    z = autoencoder.encode(X)
    assert z.shape == (1797, 2)
    assert np.array_equal(z, autoencoder.codes(X))
    assert autoencoder.reconstruct(X) == pytest.approx(autoencoder.decode(z)[0])
    assert not any(name.startswith("encoder.logsigma") for name in autoencoder.params)


def test_its_loss_is_the_reconstruction_alone(autoencoder, digits):
    X = digits[0]
    nll = vaelite.negloglikelihood(X, *autoencoder.decode(autoencoder.encode(X)))
    # float32 sums of 64 terms of about 1, which cancel where the loss is near 0
    assert autoencoder.reconstruction_loss(X) == pytest.approx(nll, rel=1e-5, abs=1e-4)
    assert not hasattr(autoencoder, "score_samples")  # it has no ELBO
    assert autoencoder.history["eval_kl"] == [0.0] * 4
    assert autoencoder.history["eval_loss"] == autoencoder.history["eval_nll"]


def test_it_reconstructs_better_than_a_vae_and_its_codes_do_not_follow_the_prior(digits, quick):
    X, settings = digits[0], {**quick, "max_epochs": 12}
    ae, vae = vaelite.fit_autoencoder(X, **settings), vaelite.fit(X, **settings)
    errors = [np.mean((X - model.reconstruct(X)) ** 2) for model in (ae, vae)]
    assert errors[0] < errors[1]
    # the VAE's codes have the prior's scale, about 1
    spread = [model.codes(X).std() for model in (ae, vae)]
    assert abs(np.log(spread[0])) > abs(np.log(spread[1]))


def test_it_is_deterministic_and_saved_as_an_autoencoder(autoencoder, digits, quick, tmp_path):
    again = vaelite.fit_autoencoder(digits[0], **quick)
    for name, array in autoencoder.params.items():
        assert np.array_equal(array, again.params[name]), name
    again.save(tmp_path / "ae.npz")
    loaded = vaelite.load(tmp_path / "ae.npz")
    assert type(loaded) is vaelite.Autoencoder
    assert np.array_equal(loaded.encode(digits[0]), autoencoder.encode(digits[0]))


@pytest.mark.parametrize("name", ["kl", "beta", "importance_samples", "warmup_epochs"])
def test_it_has_no_settings_of_a_kl(name, digits, quick):
    assert name not in inspect.signature(vaelite.fit_autoencoder).parameters
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        vaelite.fit_autoencoder(digits[0], **quick, **{name: 1})
