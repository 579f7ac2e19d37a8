"""Random numbers that are derived, not consumed.

Every use of randomness has an address: the noise of batch 7 in epoch 3 is the stream
``(NOISE, 3, 7)`` of the fit's seed, whatever was drawn before. Printing, plotting or evaluating
can therefore never change training, and any batch of any epoch can be drawn again by itself.
"""

import numpy as np

INIT, SPLIT, SHUFFLE, NOISE, EVALUATE, CHECK, TEST, SAMPLE = range(8)


def seed_sequence(rng=None):
    """The `numpy.random.SeedSequence` that an ``rng`` argument stands for.

    Parameters
    ----------
    rng : None, int, numpy.random.SeedSequence or numpy.random.Generator
        None takes fresh entropy from the operating system; an int of 0 or more always gives the
        same sequence; from a Generator two integers are drawn.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(rng, np.random.SeedSequence):
        return rng
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence(rng.integers(2**63, size=2).tolist())
    if rng is None or (isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0):
        return np.random.SeedSequence(None if rng is None else int(rng))
    raise ValueError(f"rng should be None, an int of 0 or more, a SeedSequence or a Generator, got {rng!r}")


def generator(seed, *address):
    """The Generator at an address, e.g. ``generator(seed, NOISE, epoch, batch)``."""
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *address))
    return np.random.Generator(np.random.PCG64(child))


def sampling_generator(rng=None):
    """A Generator to draw samples from: the caller's own, or a new one for any other ``rng``."""
    return rng if isinstance(rng, np.random.Generator) else generator(seed_sequence(rng), SAMPLE)
