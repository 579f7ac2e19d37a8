"""uint8 data are read in one way by all that read data: as gray levels from 0 to 255."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from helpers import check_each

import vaelite
from vaelite import ProbabilisticPCA, plots

FAST = {"hidden_dim": 4, "batch_size": 10, "max_epochs": 1, "stopping": "epochs", "rng": 0}
HALF = np.arange(64) < 32
READERS = {
    "fit": lambda m, X: vaelite.fit(X, **FAST),
    "fit_autoencoder": lambda m, X: vaelite.fit_autoencoder(X, **FAST),
    "MeanField.fit": lambda m, X: vaelite.MeanField(hidden_dim=4, batch_size=9, max_epochs=1).fit(
        X
    ),
    "X_test": lambda m, X: vaelite.fit(m.X, X, **FAST),
    "encode": lambda m, X: m.vae.encode(X),
    "codes": lambda m, X: m.vae.codes(X),
    "reconstruct": lambda m, X: m.vae.reconstruct(X),
    "score": lambda m, X: m.vae.score(X),
    "score_samples": lambda m, X: m.vae.score_samples(X),
    "bits_per_dim": lambda m, X: m.vae.bits_per_dim(X),
    "batches": lambda m, X: list(m.vae.batches(X)),
    "noisy_batches": lambda m, X: list(m.vae.noisy_batches(X, np.random.default_rng(0))),
    "elbo": lambda m, X: vaelite.elbo(m.vae, X, 2),
    "log_evidence": lambda m, X: vaelite.log_evidence(m.vae, X, 2),
    "infer": lambda m, X: vaelite.infer(m.vae, X, n_steps=1),
    "inference_gaps": lambda m, X: vaelite.inference_gaps(m.vae, X, 2, n_steps=1),
    "Quadrature": lambda m, X: vaelite.Quadrature(m.vae, 21).log_evidence(X[:1]),
    "elbo_parts": lambda m, X: vaelite.elbo_parts(m.vae, X),
    "kl_split": lambda m, X: vaelite.kl_split(m.vae, X),
    "active_units": lambda m, X: vaelite.active_units(m.vae, X),
    "ledger": lambda m, X: vaelite.ledger(m.vae, X),
    "ProbabilisticPCA.fit": lambda m, X: ProbabilisticPCA.fit(X, 1),
    "ProbabilisticPCA.score": lambda m, X: m.ppca.score(X),
    "ProbabilisticPCA.posterior": lambda m, X: m.ppca.posterior(X),
    "ProbabilisticPCA.elbo": lambda m, X: m.ppca.elbo(X, *np.zeros((2, len(X), 1))),
    "quantize": lambda m, X: vaelite.quantize(X, 4),
    "minibatches": lambda m, X: list(vaelite.minibatches(X, 4)),
    "plots.reconstructions": lambda m, X: plots.reconstructions(m.vae, X, 4),
    "plots.latent_means": lambda m, X: plots.latent_means(m.vae, X, np.zeros(len(X))),
    "plots.completions": lambda m, X: plots.completions(m.vae, X, HALF),
}


class Models:
    """A fitted VAE and a probabilistic PCA, and the data that they were fitted on."""

    X = np.random.default_rng(0).random((40, 64), dtype=np.float32)
    vae = vaelite.fit(X, **FAST)
    ppca = ProbabilisticPCA.fit(X, 1)


def images(low, high):
    """Gray images of random pixels from low to high; both occur."""
    X = np.random.default_rng(1).integers(low, high, (20, 64), np.uint8, endpoint=True)
    X[0, :2] = X[-1, -2:] = low, high
    return X


def read_by_each(low, high, expected):
    """All readers read the same images, each within a context."""

    def read(reader):
        with expected():
            reader(Models, images(low, high))

    check_each({name: [reader] for name, reader in READERS.items()}, read)


def test_zeros_and_ones_are_refused():
    message = r"uint8, which is read as gray levels .* value is 1; if"
    read_by_each(0, 1, lambda: pytest.raises(ValueError, match=message))


@pytest.mark.parametrize("high", [2, 16])
def test_small_numbers_warn(high):
    message = f"gray levels from 0 to 255, .* value is {high};"
    read_by_each(0, high, lambda: pytest.warns(UserWarning, match=message))


@contextmanager
def silence():
    """Every warning is an error, but that one epoch is not enough."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", vaelite.ConvergenceWarning)
        yield


@pytest.mark.parametrize("high", [17, 255])
def test_gray_levels_do_not_warn(high):
    read_by_each(0, high, silence)


def test_black_images_are_images():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Models.vae.encode(np.zeros((3, 64), np.uint8))[0].shape == (3, 2)


def test_levels_and_conditions_are_numbers():
    """They are not divided by 255."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        levels = vaelite.Categorical(2)
        vaelite.fit(images(0, 1), likelihood=levels, **FAST).score(images(0, 1))
        C = images(0, 1)[:, :1]
        vae = vaelite.fit(images(0, 255), condition=C, **FAST)
        vae.score(images(0, 255), condition=C)
    (batch,) = vaelite.minibatches(images(0, 1), 20, grey_levels=False)
    assert batch.max() == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantize_treats_gray_levels_and_their_floats_alike(dtype):
    """Each gray level g is in part floor(L g / 255), exactly, also where this is whole."""
    grey = np.arange(256, dtype=np.uint8)
    for levels in range(2, 257):
        expected = [min(levels * g // 255, levels - 1) for g in range(256)]
        assert vaelite.quantize(grey, levels).tolist() == expected
        for floats in grey / dtype(255), grey * dtype(1 / 255), dtype(grey) / 255:
            assert floats.dtype == dtype
            assert vaelite.quantize(floats, levels).tolist() == expected


def test_quantize_keeps_the_digits_of_its_data():
    """A number below an edge by more than its rounding is in the lower part."""
    for levels, edge in (4, 0.5), (256, 0.75), (17, 3 / 17):
        part = round(edge * levels)
        for below, dtype in (1e-12, np.float64), (1e-5, np.float32):
            x = np.array([edge - below, edge, edge + below], dtype)
            assert vaelite.quantize(x, levels).tolist() == [part - 1, part, part]


def test_quantize_of_images_and_of_other_data():
    X = np.array([[0, 255], [45, 90]], np.uint8)
    assert vaelite.quantize(X.reshape(1, 2, 2), 17).tolist() == [[[0, 16], [3, 6]]]
    assert vaelite.quantize(np.float16([0.0, 0.499, 0.5, 1.0]), 256).tolist() == [0, 127, 128, 255]
    for bad, error in (
        (np.ma.masked_array([0.5], [True]), ValueError),
        (np.array([0.5 + 0j]), ValueError),
        (np.array([np.nan]), ValueError),
        (np.array(["a"]), ValueError),
    ):
        with pytest.raises(error):
            vaelite.quantize(bad, 4)
