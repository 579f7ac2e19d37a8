"""Random arguments for a term: every kind of values, in every shape.

All numbers are exact in float32, so that an answer in float32 sees the same case.
"""

import itertools
from dataclasses import dataclass, field

import numpy as np

SIZES = range(2, 8)


@dataclass(frozen=True)
class Kind:
    """A kind of case.

    Attributes
    ----------
    draw : dict of str to callable
        For each argument ``draw(rng, shape)``.
    sizes : dict of str to int
        Sizes that are not random, by the name of the axis.
    """

    draw: dict
    sizes: dict = field(default_factory=dict)


def cases(rng, kinds, shapes):
    """Draw a case of each kind in each combination of shapes.

    Parameters
    ----------
    rng : Generator
    kinds : sequence of Kind
    shapes : dict of str to list of tuples
        For each argument its possible shapes, of names of axes and numbers. The sizes
        of the axes are random, distinct, and above 1, unless the kind states them.

    Returns
    -------
    list of dict
        The arguments by name, in the order of ``shapes``.
    """
    combinations = [
        dict(zip(shapes, combination, strict=True))
        for combination in itertools.product(*shapes.values())
    ]
    return [
        _case(rng, kind, combination)
        for kind, combination in itertools.product(kinds, combinations)
    ]


def _case(rng, kind, shapes):
    axes = sorted({axis for shape in shapes.values() for axis in shape if isinstance(axis, str)})
    free = [axis for axis in axes if axis not in kind.sizes]
    sizes = dict(zip(free, rng.permutation(SIZES).tolist(), strict=False)) | kind.sizes
    return {
        name: kind.draw[name](rng, tuple(sizes.get(axis, axis) for axis in shape))
        for name, shape in shapes.items()
    }


def eighths(values):
    """Multiples of 1/8, easy to read and exact in float32."""
    return np.round(8 * values) / 8 + 0.0  # no -0


def normal(scale, center=0.0):
    """Normal numbers."""
    return lambda rng, shape: eighths(rng.normal(center, scale, shape))


def uniform(low, high):
    """Numbers between ``low`` and ``high``."""
    return lambda rng, shape: eighths(rng.uniform(low, high, shape))


def ends(low, high):
    """As `uniform`, where each row has both ends, or one if it has one element."""

    def draw(rng, shape):
        if not shape:
            return float(rng.choice([low, high]))
        values = eighths(rng.uniform(low, high, shape))
        one, other = np.resize([low, high], len(values)), np.resize([high, low], len(values))
        values[:, -1], values[:, 0] = one, other
        return values

    return draw


def nonzero(scale):
    """As `normal`, and never 0."""
    return lambda rng, shape: normal(scale)(rng, shape) + 1 / 16


def columns_apart(scale):
    """Normal numbers in columns (the last axis) whose levels differ by ``scale``."""

    def draw(rng, shape):
        levels = scale * rng.permutation(shape[-1])
        return eighths(rng.normal(size=shape)) + levels

    return draw


def pixels_apart(scale):
    """Logits, (n, D, L), of pixels whose levels are 0 and ``scale`` in turn."""

    def draw(rng, shape):
        levels = np.resize([0.0, scale], shape[1])
        return eighths(rng.normal(size=shape)) + levels[:, None]

    return draw


def binary(rng, shape):
    """Zeros and ones."""
    return rng.integers(0, 2, shape).astype(float)


def gray(rng, shape):
    """Gray levels: multiples of 1/8 from 0 to 1, and none of the ends."""
    return rng.integers(1, 8, shape) / 8


def whole(rng, shape):
    """Levels 0 and 1, which every categorical distribution has."""
    return rng.integers(0, 2, shape).astype(float)


def constant(value):
    """The same value in every case; an array if there is a shape."""
    return lambda rng, shape: np.full(shape, value) if shape else value


def choice(*values):
    """One of the values, as a Python number."""
    return lambda rng, shape: values[rng.integers(len(values))]
