"""Tutorial 10: other networks, other arrays."""

import numpy as np
from scipy.signal import correlate

from vaelite import VAE, Dense, Head


def agrees_with_scipy(convolve_one):
    """The convolution of one image, ``convolve_one(image, kernel, stride)``."""
    rng = np.random.default_rng(0)
    for shape, size, stride in (((5, 7), (2, 3), 1), ((8, 4), (3, 2), 2), ((7, 10), (1, 4), 3)):
        image, kernel = rng.normal(size=shape), rng.normal(size=size)
        expected = correlate(image, kernel, mode="valid")[::stride, ::stride]
        found = convolve_one(image, kernel, stride)
        case = f"image {shape}, kernel {size}, stride {stride}"
        assert np.shape(found) == expected.shape, (
            f"{case}: shape {np.shape(found)}, expected {expected.shape}"
        )
        assert np.allclose(found, expected), f"{case}: got {found}, expected {expected}"


def is_closest(hidden_units):
    """Hidden units for a number of parameters, ``hidden_units(n_parameters, D, K)``."""
    for n_parameters, D, K in ((1000, 5, 2), (6066, 64, 8), (50_000, 100, 3)):
        found = hidden_units(n_parameters, D, K)
        away = [
            abs(sum(array.size for array in VAE(K, H).build(D).params.values()) - n_parameters)
            for H in (found - 1, found, found + 1)
        ]
        case = f"{n_parameters} parameters, {D} pixels, {K} latent variables"
        assert min(away) == away[1], f"{case}: with {found} hidden units {away[1]} away"


def is_kronecker_product(network):
    """A layer that mixes rows and columns of 5 x 6 pixels, with m = 4."""
    rng, heads = np.random.default_rng(0), {"mu": Head(3), "logsigma": Head(2)}
    shapes = {"rows.W": (5, 4), "columns.W": (6, 4), "hidden.b": (16,)}
    shapes |= {"mu.W": (16, 3), "mu.b": (3,), "logsigma.W": (16, 2), "logsigma.b": (2,)}
    params = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    images, same = rng.normal(size=(7, 30)), dict(params)
    found = network(params, images, heads)
    same["0.W"] = np.kron(same.pop("rows.W"), same.pop("columns.W"))
    same["0.b"] = same.pop("hidden.b")
    for output, expected in zip(found, Dense(16)(same, images, heads), strict=True):
        assert np.shape(output) == expected.shape, (
            f"an output has the shape {np.shape(output)}, expected {expected.shape}"
        )
        assert np.allclose(output, expected), "the outputs differ from the dense layer's"
    listed = network.shapes(30, heads)
    assert listed == shapes, f"shapes returns {listed}, expected {shapes}"
