"""Dense networks: shapes, initial weights, and the forward pass by hand."""

import numpy as np
import pytest

import vaelite
from vaelite import ops
from vaelite.networks import Dense, Head

HEADS = {"mu": Head(6), "logsigma": Head(1)}


def test_the_lectures_parameters():
    assert vaelite.VAE(2, 512).build(784).shapes() == {
        "encoder.0.W": (784, 512),
        "encoder.0.b": (512,),
        "encoder.mu.W": (512, 2),
        "encoder.mu.b": (2,),
        "encoder.logsigma.W": (512, 2),
        "encoder.logsigma.b": (2,),
        "decoder.0.W": (2, 512),
        "decoder.0.b": (512,),
        "decoder.mu.W": (512, 784),
        "decoder.mu.b": (784,),
        "decoder.logsigma.W": (512, 1),
        "decoder.logsigma.b": (1,),
    }


def test_the_decoder_has_the_hidden_layers_in_reverse():
    shapes = vaelite.VAE(2, [5, 4]).build(6).shapes()
    assert [shapes[f"encoder.{i}.W"] for i in (0, 1)] == [(6, 5), (5, 4)]
    assert [shapes[f"decoder.{i}.W"] for i in (0, 1)] == [(2, 4), (4, 5)]


def test_a_head_that_does_not_depend_on_the_input_is_a_bias_alone():
    shapes = Dense(5).shapes(2, {"mu": Head(6), "logsigma": Head(1, varies=False)})
    assert "logsigma.W" not in shapes
    assert shapes["logsigma.b"] == (1,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_glorot_weights_and_zero_biases(dtype, rng):
    network = Dense(200)
    params = network.init_params(rng, network.shapes(300, HEADS), dtype)
    W, limit = params["0.W"], (6 / 500) ** 0.5
    assert W.dtype == dtype
    assert limit * 0.99 < abs(W).max() <= limit * (1 + 1e-6)
    assert W.std() == pytest.approx(limit / 3**0.5, rel=0.02)  # a uniform distribution's
    assert not any(array.any() for name, array in params.items() if name.endswith(".b"))


def test_torchs_weights_and_biases(rng):
    network = Dense(200, init="torch")
    params = network.init_params(rng, network.shapes(300, HEADS), np.float64)
    for name, fan_in in (("0.W", 300), ("0.b", 300), ("mu.W", 200), ("mu.b", 200)):
        assert 0.9 * fan_in**-0.5 < abs(params[name]).max() <= fan_in**-0.5 or "mu.b" in name
        assert params[name].any(), name


@pytest.mark.parametrize("name", ops.ACTIVATIONS)
def test_forward_passes_by_hand(name, rng):
    activation, network = ops.ACTIVATIONS[name], Dense([5, 4], name)
    p = {key: rng.standard_normal(shape) for key, shape in network.shapes(6, HEADS).items()}
    x = rng.standard_normal((3, 6))
    h = activation(activation(x @ p["0.W"] + p["0.b"]) @ p["1.W"] + p["1.b"])
    mu, logsigma = network(p, x, HEADS)
    assert mu == pytest.approx(h @ p["mu.W"] + p["mu.b"])
    assert logsigma == pytest.approx(h @ p["logsigma.W"] + p["logsigma.b"])


def test_hidden_dim_is_short_for_dense_networks(digits, quick):
    settings = {name: value for name, value in quick.items() if name != "hidden_dim"}
    sizes = {"activation": "tanh", "init": "torch"}
    short = vaelite.fit(digits[0][:300], hidden_dim=(8, 4), **sizes, **settings)
    networks = {"encoder": Dense((8, 4), **sizes), "decoder": Dense((4, 8), **sizes)}
    long = vaelite.fit(digits[0][:300], **networks, **settings)
    assert repr(short) == repr(long)
    for name, array in short.params.items():
        assert np.array_equal(array, long.params[name]), name


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (Dense, TypeError, "should be an object, got the class Dense"),
        (512, TypeError, r"should be an object like Dense\(512\), got 512 without shapes"),
    ],
)
def test_values_that_are_not_networks_are_refused(network, error, message):
    with pytest.raises(error, match=f"encoder {message}"):
        vaelite.VAE(encoder=network)


@pytest.mark.parametrize("settings", [{"hidden_dim": 8}, {"activation": "tanh"}, {"init": "torch"}])
def test_settings_of_dense_networks_that_would_not_be_used(settings):
    with pytest.raises(
        ValueError, match="encoder and decoder were both passed; leave these settings out"
    ):
        vaelite.VAE(encoder=Dense(8), decoder=Dense(8), **settings).build(3)
    vaelite.VAE(encoder=Dense(8), **settings).build(3)


@pytest.mark.parametrize("network", [vaelite.Network()])
def test_a_missing_method_of_a_network_is_named(network, digits):
    with pytest.raises(NotImplementedError, match="needs a method shapes"):
        vaelite.VAE(encoder=network).build(64)
