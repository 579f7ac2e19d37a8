"""Networks: shapes, initial weights, and the forward pass written out by hand."""

import numpy as np
import pytest

from vaelite import networks, ops

HEADS = {"mu": (6, True), "logsigma": (1, True)}


def test_the_lectures_parameters():
    assert networks.shapes(784, 2, [512], {"mu": (784, True), "logsigma": (1, True)}) == {
        "encoder.0.W": (784, 512), "encoder.0.b": (512,), "encoder.mu.W": (512, 2), "encoder.mu.b": (2,),
        "encoder.logsigma.W": (512, 2), "encoder.logsigma.b": (2,), "decoder.0.W": (2, 512), "decoder.0.b": (512,),
        "decoder.mu.W": (512, 784), "decoder.mu.b": (784,), "decoder.logsigma.W": (512, 1), "decoder.logsigma.b": (1,),
    }  # fmt: skip


def test_the_decoder_has_the_hidden_layers_in_reverse():
    shapes = networks.shapes(6, 2, [5, 4], HEADS)
    assert [shapes[f"encoder.{i}.W"] for i in (0, 1)] == [(6, 5), (5, 4)]
    assert [shapes[f"decoder.{i}.W"] for i in (0, 1)] == [(2, 4), (4, 5)]


def test_a_head_that_does_not_depend_on_z_is_a_bias_alone():
    shapes = networks.shapes(6, 2, [5], {"mu": (6, True), "logsigma": (1, False)})
    assert "decoder.logsigma.W" not in shapes
    assert shapes["decoder.logsigma.b"] == (1,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_glorot_weights_and_zero_biases(dtype, rng):
    params = networks.init_params(rng, networks.shapes(300, 2, [200], HEADS), dtype)
    W, limit = params["encoder.0.W"], (6 / 500) ** 0.5
    assert W.dtype == dtype
    assert limit * 0.99 < abs(W).max() <= limit * (1 + 1e-6)
    assert W.std() == pytest.approx(limit / 3**0.5, rel=0.02)  # a uniform distribution's
    assert not any(array.any() for name, array in params.items() if name.endswith(".b"))


@pytest.mark.parametrize("name", ops.ACTIVATIONS)
def test_forward_passes_by_hand(name, rng):
    activation = ops.ACTIVATIONS[name]
    shapes = networks.shapes(6, 2, [5, 4], HEADS)
    p = {key: rng.standard_normal(shape) for key, shape in shapes.items()}
    x, z = rng.standard_normal((3, 6)), rng.standard_normal((3, 2))
    h = activation(activation(x @ p["encoder.0.W"] + p["encoder.0.b"]) @ p["encoder.1.W"] + p["encoder.1.b"])
    mu, logsigma = networks.encode(p, x, activation)
    assert mu == pytest.approx(h @ p["encoder.mu.W"] + p["encoder.mu.b"])
    assert logsigma == pytest.approx(h @ p["encoder.logsigma.W"] + p["encoder.logsigma.b"])
    h = activation(activation(z @ p["decoder.0.W"] + p["decoder.0.b"]) @ p["decoder.1.W"] + p["decoder.1.b"])
    mu, logsigma = networks.decode(p, z, activation, HEADS)
    assert mu == pytest.approx(h @ p["decoder.mu.W"] + p["decoder.mu.b"])
    assert logsigma == pytest.approx(h @ p["decoder.logsigma.W"] + p["decoder.logsigma.b"])
