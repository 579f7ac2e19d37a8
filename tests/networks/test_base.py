"""What every network has: first weights from their number of inputs and outputs, and heads."""

import numpy as np
import pytest

from vaelite.networks.base import Head, Network, own_params

DENSE = {"0.W": (400, 100), "0.b": (100,)}
WINDOW = {"0.W": (5, 4, 30, 20), "0.b": (20,)}  # 5 x 4 pixels of 30 channels to 20 channels


def started(init, shapes):
    network = Network()
    network.init = init
    return network.init_params(np.random.default_rng(0), shapes, np.float64)


@pytest.mark.parametrize(
    ("init", "shapes", "limit"),
    [
        ("glorot", DENSE, (6 / 500) ** 0.5),
        ("glorot", WINDOW, (6 / (5 * 4 * 30 + 5 * 4 * 20)) ** 0.5),
        ("torch", DENSE, 400**-0.5),
        ("torch", WINDOW, (5 * 4 * 30) ** -0.5),
    ],
)
def test_weights_are_uniform_within_a_limit_that_depends_on_their_shape(init, shapes, limit):
    W = started(init, shapes)["0.W"]
    assert limit * 0.99 < W.max() <= limit  # of 12,000 numbers or more
    assert -limit <= W.min() < limit * -0.99
    assert W.mean() == pytest.approx(0, abs=4 * limit / 3**0.5 / W.size**0.5)
    assert W.std() == pytest.approx(limit / 3**0.5, rel=0.03)


def test_glorots_biases_start_at_0():
    for shapes in (DENSE, WINDOW):
        assert not started("glorot", shapes)["0.b"].any()


def test_torchs_biases_have_the_limit_of_their_weights():
    for shapes, fan_in in ((DENSE, 400), (WINDOW, 600)):
        b = started("torch", shapes)["0.b"]
        assert 0.7 * fan_in**-0.5 < abs(b).max() <= fan_in**-0.5
        assert b.min() < 0 < b.max()


def test_a_bias_without_weights_starts_at_0():
    for init in ("glorot", "torch"):
        assert not started(init, {"logsigma.b": (50,)})["logsigma.b"].any()


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 3)])
def test_outputs_by_hand(shape, rng):
    h, W, b = rng.standard_normal(shape), rng.standard_normal((3, 2)), rng.standard_normal(2)
    assert Network().outputs({"mu.W": W, "mu.b": b}, h, ["mu"])[0] == pytest.approx(h @ W + b)
    constant = Network().outputs({"mu.b": b}, h, ["mu"])[0]
    assert constant.shape == (*shape[:-1], 2)
    assert (constant == b).all()
    both = Network().outputs({"a.W": W, "a.b": b, "c.b": b[:1]}, h, {"c": Head(1), "a": Head(2)})
    assert [array.shape[-1] for array in both] == [1, 2]  # in the order of the heads


def test_a_head_that_does_not_vary_is_one_number_for_all_rows(rng):
    constant = Network().outputs(
        {"logsigma.b": np.array([-1.0])}, rng.standard_normal((4, 3)), ["logsigma"]
    )[0]
    assert constant.shape == (4, 1)


def test_a_network_sees_its_own_parameters_only():
    params = {"encoder.mu.b": 1, "encoder.0.W": 2, "decoder.mu.b": 3, "encoder2.b": 4}
    assert own_params(params, "encoder") == {"mu.b": 1, "0.W": 2}
