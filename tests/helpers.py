"""Oracles and strategies for tests: finite differences, and hypothesis arguments for the terms."""

import numpy as np
from hypothesis import strategies as st

import vaelite


def finite_differences(function, array, step=1e-6):
    """The gradient of a scalar function of a float64 array, by central differences."""
    grad = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        shift = np.zeros_like(array)
        shift[index] = step
        grad[index] = (function(array + shift) - function(array - shift)) / (2 * step)
    return grad


@st.composite
def gaussian_arguments(draw, shapes=("scalar", "column", "full")):
    """(x, mu, logsigma) in float64 with random sizes, sigma from e^-3 to e^3 in any of its shapes."""
    batch, D = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = {"scalar": (), "column": (batch, 1), "full": (batch, D)}[draw(st.sampled_from(shapes))]
    x, mu = 3 * rng.standard_normal((2, batch, D))
    return x, mu, rng.uniform(-3, 3, shape)


def spy_on_decoder(monkeypatch, latent_dim=2):
    """The codes that decoders get from now on, a list of arrays."""
    seen, call = [], vaelite.Dense.__call__

    def spy(network, params, h, heads):
        if h.shape[-1] == latent_dim:
            seen.append(h)
        return call(network, params, h, heads)

    monkeypatch.setattr(vaelite.Dense, "__call__", spy)
    return seen
