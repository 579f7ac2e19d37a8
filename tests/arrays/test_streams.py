"""Streams of random numbers, each with an address."""

import numpy as np
import pytest

from vaelite.arrays.streams import Stream, generator, sampling_generator, seed_sequence


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
    assert seed_sequence(sequence) is sequence
    assert seed_sequence(np.int64(5)).entropy == 5
    assert seed_sequence(None).entropy != seed_sequence(None).entropy
    # two fits with one Generator differ
    assert seed_sequence(rng).entropy != seed_sequence(rng).entropy
    assert sampling_generator(rng) is rng


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
    names = "INIT", "SPLIT", "SHUFFLE", "NOISE", "EVALUATE", "TRIAL", "TEST", "SAMPLE"
    assert [Stream[name] for name in names] == list(range(8))
