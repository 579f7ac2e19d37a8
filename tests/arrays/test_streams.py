"""Streams of random numbers, each with an address."""

import numpy as np
import pytest

import vaelite
from vaelite import gradient_estimators as estimators
from vaelite.arrays import streams
from vaelite.arrays.streams import Stream, generator, sampling_generator, seed_sequence
from vaelite.data import batches


def draw(*address, seed=0):
    return generator(seed_sequence(seed), *address).standard_normal(8)


def test_the_same_address_gives_the_same_numbers():
    assert np.array_equal(draw(Stream.NOISE, 3, 7), draw(Stream.NOISE, 3, 7))


def test_other_addresses_and_seeds_give_other_numbers():
    draws = [
        draw(Stream.NOISE, 3, 7),
        draw(Stream.NOISE, 7, 3),
        draw(Stream.NOISE, 3),
        draw(Stream.EVALUATE, 3, 7),
        draw(Stream.NOISE, 3, 7, seed=1),
    ]
    assert len({tuple(numbers) for numbers in draws}) == len(draws)


def test_rng_arguments():
    sequence, rng = np.random.SeedSequence(5), np.random.default_rng(5)
    assert seed_sequence(sequence).entropy == 5
    assert seed_sequence(np.int64(5)).entropy == 5
    assert seed_sequence(None).entropy != seed_sequence(None).entropy
    # two fits with one Generator differ
    assert seed_sequence(rng).entropy != seed_sequence(rng).entropy
    assert sampling_generator(rng, Stream.SCORE) is rng


def test_children_of_a_seed_sequence_are_independent():
    children = np.random.SeedSequence(5).spawn(2)
    first, second = (generator(child, Stream.NOISE).random(4) for child in children)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("rng", ["a", -1, 1.5, True, [1]])
def test_an_invalid_rng_is_refused(rng):
    with pytest.raises(ValueError, match="rng should be"):
        seed_sequence(rng)


def test_evaluation_noise_does_not_depend_on_the_chunks():
    whole = draw_float32(1000)
    rng = generator(seed_sequence(0), Stream.EVALUATE)
    chunks = [rng.standard_normal((n, 3), dtype=np.float32) for n in (7, 13, 980)]
    assert np.array_equal(np.concatenate(chunks), whole)


def draw_float32(n):
    return generator(seed_sequence(0), Stream.EVALUATE).standard_normal((n, 3), dtype=np.float32)


def test_addresses_never_change():
    """If a value changed, every seed would give other numbers."""
    names = ["INIT", "SPLIT", "SHUFFLE", "NOISE", "EVALUATE", "TRIAL", "TEST", "SCORE", "SAMPLE"]
    names += ["RECONSTRUCT", "EVIDENCE", "INFER", "MEASURE", "KL_SPLIT", "GAPS", "SHARD"]
    assert {stream.name: stream.value for stream in Stream} == {n: i for i, n in enumerate(names)}


def test_an_ints_streams_never_change():
    """NumPy's own: the address is the spawn key of the int's SeedSequence."""
    numpys = np.random.default_rng(np.random.SeedSequence(3, spawn_key=(Stream.NOISE, 2, 1)))
    assert generator(seed_sequence(3), Stream.NOISE, 2, 1).random() == numpys.random()


def keys(sequence):
    """The addresses of some streams of a user's SeedSequence, and of those it spawned."""
    for stream in Stream:
        for address in (), (1,), (2, 3):
            seed = generator(seed_sequence(sequence), stream, *address).bit_generator.seed_seq
            yield seed.entropy, seed.spawn_key


def test_no_stream_is_that_of_a_spawned_sequence():
    """Also not of the generators that a user makes from the sequences."""
    root = np.random.SeedSequence(0)
    children = root.spawn(15)
    family = [root, *children, *children[2].spawn(15)]
    found = [key for sequence in family for key in keys(sequence)]
    found += [(sequence.entropy, sequence.spawn_key) for sequence in family]
    assert len(set(found)) == len(found)
    ints = {(0, (stream, *a)) for stream in Stream for a in ((), (1,), (2, 3))}
    assert ints.isdisjoint(keys(root))
    assert all(ints.isdisjoint(keys(child)) for child in children)


USES = {
    "SCORE": [
        lambda vae, X, rng: vae.score(X, rng=rng),
        lambda vae, X, rng: vae.score_samples(X, rng),
        lambda vae, X, rng: vae.bits_per_dim(X, rng),
        lambda vae, X, rng: vaelite.ledger(vae, X, rng=rng),
        lambda vae, X, rng: vaelite.elbo_parts(vae, X, rng),
    ],
    "SAMPLE": [
        lambda vae, X, rng: vae.sample(2, rng),
        lambda vae, X, rng: vaelite.plots.samples(vae, 4, rng),
    ],
    "RECONSTRUCT": [
        lambda vae, X, rng: vae.reconstruct(X, sample=True, rng=rng),
        lambda vae, X, rng: vaelite.plots.reconstructions(vae, X, 4, sample=True, rng=rng),
    ],
    "EVIDENCE": [
        lambda vae, X, rng: vaelite.elbo(vae, X, 2, rng),
        lambda vae, X, rng: vaelite.log_evidence(vae, X, 2, rng),
    ],
    "INFER": [
        lambda vae, X, rng: vaelite.infer(vae, X, n_steps=1, rng=rng),
        lambda vae, X, rng: vaelite.plots.completions(vae, X, np.arange(64) < 32, rng=rng),
    ],
    "KL_SPLIT": [lambda vae, X, rng: vaelite.kl_split(vae, X, rng)],
    "MEASURE": [lambda vae, X, rng: measured(rng)],
    "SHUFFLE": [lambda vae, X, rng: next(vaelite.minibatches(X, 2, shuffle=True, rng=rng))],
}


def measured(rng):
    q = np.zeros((1, 2)), np.zeros((1, 2))
    nll = vaelite.neglogprior
    return estimators.measure(estimators.pathwise, nll, *q, repetitions=2, rng=rng)


@pytest.mark.parametrize("name", USES)
def test_each_use_has_its_own_address(vae, digits, name, monkeypatch):
    addresses, original = [], streams.generator

    def spy(seed, *address):
        addresses.append(address)
        return original(seed, *address)

    for module in streams, batches:
        monkeypatch.setattr(module, "generator", spy)
    for use in USES[name]:
        use(vae, digits[0][:4], 0)
    assert addresses == [(Stream[name],)] * len(USES[name])


@pytest.mark.parametrize("name", USES)
def test_a_generator_is_used_as_it_is(vae, digits, name):
    for use in USES[name]:
        rng, unused = np.random.default_rng(5), np.random.default_rng(5)
        use(vae, digits[0][:4], rng)
        assert rng.bit_generator.state != unused.bit_generator.state


def test_the_noise_of_samples_is_not_that_of_scores(vae):
    """Where it was, rows that a model drew scored too well with their own codes."""
    own = vae.sample(500, rng=0)
    own = np.clip(own, 0, 1)
    others = [vae.score(own, rng=seed) for seed in range(1, 9)]
    spread = np.std(others, ddof=1)
    assert abs(vae.score(own) - np.mean(others)) < 4 * spread


def test_inference_gaps_do_not_score_with_the_samples_they_inferred_from(vae, digits, monkeypatch):
    addresses, original = [], streams.generator

    def spy(seed, *address):
        addresses.append((seed.entropy, address[0].name))
        return original(seed, *address)

    monkeypatch.setattr(streams, "generator", spy)
    vaelite.inference_gaps(vae, digits[0][:4], 10, n_steps=1)
    seed = addresses[1][0]
    assert addresses[0] == (0, "GAPS")
    assert addresses[1:] == [(seed, "INFER"), *[(seed, "EVIDENCE")] * 3]
