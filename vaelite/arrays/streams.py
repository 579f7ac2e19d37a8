"""Random numbers that are derived, not consumed.

Every use of randomness has an address: the noise of batch 7 in epoch 3 is the stream
``(Stream.NOISE, 3, 7)`` of the fit's seed, independent of what was drawn before.
Printing, plotting or evaluating can therefore never change training, and any batch of
any epoch can be drawn again by itself.
"""

from enum import IntEnum

import numpy as np

from ..checks import shown

SPAWNED = 2**32 - 1  # in a SeedSequence's key, before the address: no Stream or epoch


class Stream(IntEnum):
    """What random numbers are for. Values never change: every seed depends on them.

    ``elbo`` and ``log_evidence`` share EVIDENCE, and the ELBO of `VAE.score`, its parts
    and its ledger share SCORE: the same samples, so that their differences have less
    noise.
    """

    INIT = 0
    SPLIT = 1
    SHUFFLE = 2
    NOISE = 3
    EVALUATE = 4
    TRIAL = 5
    TEST = 6
    SCORE = 7
    SAMPLE = 8
    RECONSTRUCT = 9
    EVIDENCE = 10
    INFER = 11
    MEASURE = 12
    KL_SPLIT = 13
    GAPS = 14
    SHARD = 15  # below it, each shard has the addresses of a run


def seed_sequence(rng=None):
    """Return the `numpy.random.SeedSequence` that an ``rng`` argument stands for.

    Parameters
    ----------
    rng : None, int, numpy.random.SeedSequence or numpy.random.Generator
        None takes fresh entropy from the operating system. An int of 0 or more always
        returns the same sequence. From a Generator two integers are drawn. A
        SeedSequence stands for a child of its own that ``spawn`` never returns: so none
        of vaelite's streams is also one of yours. (An int has no such protection: next
        to ``rng=0``, do not draw from children of ``SeedSequence(0)`` yourself.)

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(rng, np.random.SeedSequence):
        return np.random.SeedSequence(rng.entropy, spawn_key=(*rng.spawn_key, SPAWNED))
    if isinstance(rng, np.random.Generator):
        return np.random.SeedSequence(rng.integers(2**63, size=2).tolist())
    is_int = isinstance(rng, (int, np.integer)) and not isinstance(rng, bool)
    if rng is None or (is_int and rng >= 0):
        return np.random.SeedSequence(None if rng is None else int(rng))
    advice = "; if these are labels, leave y out" if np.ndim(rng) else ""
    raise ValueError(
        "rng should be None, an int of 0 or more, a SeedSequence or a Generator, got "
        f"{shown(rng)}{advice}"
    )


def generator(seed, *address):
    """Return the Generator at an address, such as ``Stream.NOISE, epoch, batch``."""
    child = np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *address))
    return np.random.Generator(np.random.PCG64(child))


def sampling_generator(rng, stream):
    """Return a Generator to draw with: the given one, or that of a seed at a stream."""
    if isinstance(rng, np.random.Generator):
        return rng
    return generator(seed_sequence(rng), stream)
