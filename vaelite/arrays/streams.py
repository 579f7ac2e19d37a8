"""Random numbers that are derived, not consumed.

Every use of randomness has an address: the noise of batch 7 in epoch 3 is the stream
``(Stream.NOISE, 3, 7)`` of the fit's seed, independent of what was drawn before.
Printing, plotting or evaluating can therefore never change training, and any batch of
any epoch can be drawn again by itself.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are for. Values never change: every seed depends on them."""

    INIT = 0
    SPLIT = 1
    SHUFFLE = 2
    NOISE = 3
    EVALUATE = 4
    TRIAL = 5
    TEST = 6
    SAMPLE = 7


def seed_sequence(rng=None):
    """Return the `numpy.random.SeedSequence` that an ``rng`` argument stands for.

    Parameters
    ----------
    rng : None, int, numpy.random.SeedSequence or numpy.random.Generator
        None takes fresh entropy from the operating system. An int of 0 or more always
        returns the same sequence. From a Generator two integers are drawn.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence(rng.integers(2**63, size=2).tolist())
    is_int = isinstance(rng, (int, np.integer)) and not isinstance(rng, bool)
    if rng is None or (is_int and rng >= 0):
        return np.random.SeedSequence(None if rng is None else int(rng))
    raise ValueError(
        f"rng should be None, an int of 0 or more, a SeedSequence or a Generator, got {rng!r}"
    )


def generator(seed, *address):
    """Return the Generator at an address, such as ``Stream.NOISE, epoch, batch``."""
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *address))
    return np.random.Generator(np.random.PCG64(child))


def sampling_generator(rng=None):
    """Return a Generator to draw samples with: the given one, or one from a seed."""
    if isinstance(rng, np.random.Generator):
        return rng
    return generator(seed_sequence(rng), Stream.SAMPLE)
