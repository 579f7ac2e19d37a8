"""The models of MNIST that ship with vaelite: their size, their scores, their bytes."""

import numpy as np
import pytest

import vaelite
from vaelite.data.datasets import MNIST_SAMPLE_FILE
from vaelite.models.pretrained import PRETRAINED, dequantized, path_of, quantized

ELBO = {"mnist-gaussian": 196.4, "mnist-bernoulli": -108.7}  # of the sample, in nats per image


@pytest.fixture(scope="module")
def sample():
    return vaelite.load_mnist_sample()


def test_all_files_together_are_below_1_mb():
    files = [MNIST_SAMPLE_FILE, *map(path_of, PRETRAINED)]
    assert sum(file.stat().st_size for file in files) < 1e6


@pytest.mark.parametrize("name", PRETRAINED)
def test_the_score_is_that_of_the_documentation(name, sample):
    vae = vaelite.load_pretrained(name)
    assert vae.score(sample[0], rng=0) == pytest.approx(ELBO[name], abs=1)
    assert {array.dtype for array in vae.params.values()} == {np.dtype(np.float32)}


@pytest.mark.slow
@pytest.mark.parametrize("name", PRETRAINED)
def test_bytes_cost_less_than_one_nat(name, mnist_home):
    """The history has the test loss before the weights were rounded."""
    vae = vaelite.load_pretrained(name)
    X, _ = vaelite.load_mnist(mnist_home, "test")
    assert vae.score(X, rng=0) == pytest.approx(-vae.history["test_loss"][-1], abs=1)


def test_the_codes_of_the_gaussian_model_separate_the_digits(sample):
    """A nearest-neighbor classifier of the two-dimensional codes, without the image itself."""
    X, y = sample
    codes, _ = vaelite.load_pretrained("mnist-gaussian").encode(X)
    distance = np.linalg.norm(codes[:, None] - codes, axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(y[distance.argmin(axis=1)] == y) > 0.5  # chance: 0.1


@pytest.mark.parametrize("name", PRETRAINED)
def test_reconstructions_are_nearer_than_the_mean_image(name, sample):
    x = sample[0] / 255
    error = ((vaelite.load_pretrained(name).reconstruct(sample[0]) - x) ** 2).sum(axis=1)
    assert np.median(error / ((x.mean(axis=0) - x) ** 2).sum(axis=1)) < 0.75


def test_the_record_says_what_trained_it():
    record = vaelite.load_pretrained("mnist-gaussian").solution.provenance
    assert record["data"]["X"].startswith("60000 x 784 uint8")
    assert record["settings"]["max_epochs"] == 20


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_saved_copy_is_the_same_model(name, sample, tmp_path):
    vae = vaelite.load_pretrained(name)
    vae.save(tmp_path / "model.npz")
    same = vaelite.load(tmp_path / "model.npz")
    assert np.array_equal(same.encode(sample[0])[0], vae.encode(sample[0])[0])


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'mnist-gaussian', 'mnist-bernoulli', got 'fashion'"):
        vaelite.load_pretrained("fashion")


def test_the_sample_is_the_start_of_the_test_images(mnist_home, sample):
    X, y = vaelite.load_mnist(mnist_home, "test")
    assert np.array_equal(sample[0], X[:1000])
    assert np.array_equal(sample[1], y[:1000])


def test_rounding_changes_no_weight_by_more_than_half_a_level(rng):
    arrays = {
        "W": rng.standard_normal((40, 7)),
        "b": rng.standard_normal(7),
        "zero.W": np.zeros((3, 2)),
    }
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    small = quantized(arrays)
    assert small["W"].dtype == np.int8
    assert small["W"].nbytes == arrays["W"].size
    back = dequantized(small)
    assert list(back) == list(arrays)
    assert np.array_equal(back["b"], arrays["b"])
    assert np.array_equal(back["zero.W"], arrays["zero.W"])
    half_a_level = np.abs(arrays["W"]).max(axis=0) / 254
    error = np.abs(back["W"] - arrays["W"]) / half_a_level
    assert 0.9 < error.max() < 1.0001
    assert np.array_equal(quantized(back)["W"], small["W"])  # a second time, nothing changes
