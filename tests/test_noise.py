"""Noise is independent where a formula says so: between rows, pixels, batches, calls and uses."""

import numpy as np
import pytest

import vaelite
from vaelite import gradient_estimators as estimators
from vaelite.arrays.streams import Stream
from vaelite.data.dataset import Dataset
from vaelite.fit import outcome, start
from vaelite.fit import plan as plans

LIMIT = 5  # standard errors


def assert_independent(*arrays):
    """Normal numbers whose correlations, of all pairs and with shifts, are those of chance."""
    flat = [np.ravel(array) for array in arrays]
    for i, a in enumerate(flat):
        for b in flat[: i + 1]:
            n = min(len(a), len(b))
            shift = 0 if b is not a else n // 2
            x, y = a[shift:n], b[: n - shift]
            assert abs(np.corrcoef(x, y)[0, 1]) < LIMIT / np.sqrt(len(x))


def residuals(vae, n, rng):
    """The pixel noise of samples, standard normal, and their codes."""
    again = np.random.Generator(np.random.PCG64())
    again.bit_generator.state = rng.bit_generator.state
    z = again.standard_normal((n, vae.latent_dim), dtype=np.float32)
    x, (mu, logsigma) = vae.sample(n, rng), vae.decode(z)
    return (x - mu) / np.exp(logsigma), z


def test_samples_have_new_pixel_noise_in_each_call(vae, rng):
    (first, z1), (second, z2) = (residuals(vae, 300, rng) for _ in range(2))
    assert first.std() == pytest.approx(1, abs=0.03)
    assert_independent(first, second)
    assert_independent(z1, z2, first[:, :2], second[:, :2])


def test_samples_of_seeds_have_independent_noise(vae):
    """An int is a seed of its own: neither the codes nor the pixels repeat."""
    a, b = (vae.sample(300, seed) - vae.sample(300, seed, mean=True) for seed in (0, 1))
    means = [vae.sample(300, seed, mean=True) for seed in (0, 1)]
    assert not np.array_equal(*means)
    assert_independent(a, b)


def test_a_reconstruction_at_a_sample_of_q(vae, digits):
    X, rng, again = digits[0][:50], np.random.default_rng(5), np.random.default_rng(5)
    mu, logsigma = vae.encode(X)
    z = mu + np.exp(logsigma) * again.standard_normal(mu.shape, dtype=np.float32)
    expected, _ = vae.decode(z)
    found = vae.reconstruct(X, sample=True, rng=rng)
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.abs(found - vae.reconstruct(X)).max() > 0.01


def test_noise_does_not_restart_after_a_chunk_of_rows(vae, digits, rng):
    batches = list(vae.noisy_batches(digits[0], np.random.default_rng(5)))
    assert len(batches) > 1
    eps = np.concatenate([batch.eps for batch in batches])
    whole = np.random.default_rng(5).standard_normal(eps.shape, dtype=np.float32)
    assert np.array_equal(eps, whole)
    assert len(np.unique(eps[:, 0])) > 0.99 * len(eps)


@pytest.mark.parametrize("name", ["val", "eval", "test"])
@pytest.mark.filterwarnings("ignore::vaelite.ConvergenceWarning")
def test_noise_of_evaluations_does_not_restart(digits, quick, name, monkeypatch):
    seen, original = [], plans.Plan.evaluation_batches

    def spy(run, which, epoch):
        for batch in original(run, which, epoch):
            seen.append((which, epoch, batch.eps))
            yield batch

    monkeypatch.setattr(plans.Plan, "evaluation_batches", spy)
    monkeypatch.setattr(plans, "CHUNK_ROWS", 60)
    stopping = {"stopping": "heldout"} if name == "val" else {}
    with_test = {"X_test": digits[0][:200]} if name == "test" else {}
    settings = {**quick, **stopping, "max_epochs": 1}
    vaelite.fit(digits[0], **with_test, **settings)
    chunks = [eps for which, _, eps in seen if which == name]
    assert len(chunks) > 2
    eps = np.concatenate(chunks)
    assert len(np.unique(eps)) > 0.99 * eps.size


@pytest.mark.filterwarnings("ignore::vaelite.ConvergenceWarning")
def test_each_address_of_a_fit_is_used_once(digits, quick, monkeypatch):
    """Except those of held-out and test rows, whose noise is the same in every epoch."""
    addresses = []
    for module in start, plans, outcome:
        original = module.generator

        def spy(seed, *address, original=original):
            addresses.append((*seed.spawn_key, *map(int, address)))
            return original(seed, *address)

        monkeypatch.setattr(module, "generator", spy)
    settings = {**quick, "stopping": "heldout", "max_epochs": 3}
    epochs = vaelite.fit(digits[0], digits[0][:50], **settings).n_epochs
    repeated = {(Stream.EVALUATE, 0), (Stream.TEST, 0)}
    others = [address for address in addresses if address not in repeated]
    assert len(others) == len(set(others))
    steps = -(-(1797 - 180) // 32)
    assert addresses.count((Stream.TEST, 0)) == epochs
    assert addresses.count((Stream.EVALUATE, 0)) == epochs + 2  # and for the two final scores
    expected = {(Stream.INIT,), (Stream.SPLIT,)}
    expected |= {(Stream.SHUFFLE, epoch) for epoch in range(1, epochs + 1)}
    expected |= {(Stream.NOISE, e, b) for e in range(1, epochs + 1) for b in range(steps)}
    assert set(others) == expected


@pytest.mark.filterwarnings("ignore::vaelite.ConvergenceWarning")
def test_held_out_rows_are_random_and_depend_on_the_seed(digits, quick, monkeypatch):
    splits, original = [], Dataset.split

    def spy(data, *arguments):
        parts = original(data, *arguments)
        splits.append([part.X.rows for part in parts])
        return parts

    monkeypatch.setattr(Dataset, "split", spy)
    settings = {**quick, "stopping": "heldout", "max_epochs": 1}
    for seed in 0, 0, 1:
        vaelite.fit(digits[0], **{**settings, "rng": seed})
    for train, held_out in splits:
        assert len(held_out) == 180
        assert sorted([*train, *held_out]) == list(range(1797))
        assert held_out.mean() == pytest.approx(898, abs=LIMIT * 519 / np.sqrt(180))
        gaps = np.diff(held_out)  # geometric: mean and deviation are about 10
        assert gaps.std() == pytest.approx(9.5, rel=0.4)
    held = [set(held_out.tolist()) for _, held_out in splits]
    assert held[0] == held[1]
    assert len(held[0] & held[2]) < 45  # 18 are expected


@pytest.mark.parametrize("chunk", [10**6, 40])
def test_each_estimate_of_a_gradient_has_its_own_noise(chunk, monkeypatch):
    monkeypatch.setattr(estimators, "CHUNK", chunk)
    seen = []

    def spy(nll, mu, logsigma, eps):
        seen.append(eps)
        return estimators.pathwise(nll, mu, logsigma, eps)

    q = np.zeros((3, 2)), np.zeros((3, 2))
    estimators.measure(spy, vaelite.neglogprior, *q, n_samples=4, repetitions=25, rng=0)
    eps = np.concatenate([array.ravel() for array in seen])
    assert len(np.unique(eps)) == eps.size == 4 * 25 * 3 * 2


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (vaelite.Dense((200, 100), init="torch"), vaelite.Dense((150, 300), init="torch")),
        (
            vaelite.Convolutional((8, 8), (16, 24), init="torch"),
            vaelite.TransposedConvolutional((8, 8), (24, 16), init="torch"),
        ),
    ],
    ids=["dense", "convolutional"],
)
def test_torchs_weights_and_biases_are_within_one_over_the_root_of_fan_in(encoder, decoder):
    vae = vaelite.VAE(40, encoder=encoder, decoder=decoder).build(64, rng=0)
    for name, array in vae.params.items():
        weights = vae.params[f"{name.rpartition('.')[0]}.W"]
        limit = 1 / np.sqrt(np.prod(weights.shape[:-1]))
        assert array.any(), name
        assert abs(array).max() <= limit * (1 + 1e-6), name
        if array.size > 15:
            assert abs(array).max() > 0.8 * limit, name
            assert array.std() == pytest.approx(limit / np.sqrt(3), rel=0.5), name
