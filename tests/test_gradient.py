"""value_and_grad against autograd's own grad on the same function, and against finite differences."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from helpers import finite_differences

import vaelite
from vaelite.gradient import dependencies, value_and_grad

VAES = {
    "lecture": {},
    "deep tanh": {"hidden_dim": (5, 4), "activation": "tanh"},
    "softplus, one sigma for all": {
        "activation": "softplus",
        "likelihood": vaelite.Gaussian(sigma="shared"),
    },
    "one sigma a pixel, identity": {
        "likelihood": vaelite.Gaussian(mean="identity", sigma="pixel", floor=None)
    },
    "fixed sigma, no hidden layer": {"hidden_dim": (), "likelihood": vaelite.Gaussian(sigma=0.3)},
}


def problem(settings, dtype, rng):
    """A model's objective with parameters (biases away from 0), data and noise."""
    vae = vaelite.VAE(**{"latent_dim": 2, "hidden_dim": 6, **settings}).build(5, dtype, rng=0)
    params = {
        name: (p + 0.1 * rng.standard_normal(p.shape)).astype(dtype)
        for name, p in vae.params.items()
    }
    return (
        vae.objective(),
        params,
        rng.random((4, 5)).astype(dtype),
        rng.standard_normal((4, 2)).astype(dtype),
    )


@pytest.mark.parametrize("settings", VAES.values(), ids=VAES)
def test_equals_autograd_of_the_same_function(settings, rng):
    objective, params, x, eps = problem(settings, np.float64, rng)
    value, grads = value_and_grad(objective)(params, x, eps)
    expected = autograd.grad(objective)(params, x, eps)
    assert value == pytest.approx(objective(params, x, eps))
    assert grads.keys() == params.keys()
    for name, grad in grads.items():
        assert grad == pytest.approx(expected[name], rel=1e-12, abs=1e-14), name


@pytest.mark.parametrize("settings", VAES.values(), ids=VAES)
def test_equals_finite_differences(settings, rng):
    objective, params, x, eps = problem(settings, np.float64, rng)
    _, grads = value_and_grad(objective)(params, x, eps)
    for name, grad in grads.items():
        expected = finite_differences(
            lambda array, name=name: objective({**params, name: array}, x, eps), params[name]
        )
        assert grad == pytest.approx(expected, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("settings", VAES.values(), ids=VAES)
def test_float32_all_the_way(settings, rng, monkeypatch):
    objective, params, x, eps = problem(settings, np.float32, rng)
    seen = []
    original = vaelite.gradient.add_outgrads
    monkeypatch.setattr(
        vaelite.gradient, "add_outgrads", lambda old, g: seen.append(g.dtype) or original(old, g)
    )
    value, grads = value_and_grad(objective)(params, x, eps)
    assert value.dtype == np.float32
    assert {grad.dtype for grad in grads.values()} == {np.dtype(np.float32)}
    assert set(seen) == {np.dtype(np.float32)}  # not only at the end: nothing on the way is float64


def test_an_array_without_influence_has_a_gradient_of_zeros():
    params = {"used": np.ones((2, 3)), "unused": np.ones(4, np.float32)}
    _, grads = value_and_grad(lambda params: anp.sum(params["used"] ** 2))(params)
    assert np.array_equal(grads["unused"], np.zeros(4))
    assert grads["unused"].dtype == np.float32
    assert dependencies(lambda params: anp.sum(params["used"] ** 2), params) == {"used"}


def test_an_array_that_is_used_twice():
    _, grads = value_and_grad(lambda p: anp.sum(p["w"] * p["w"] * p["w"]))(
        {"w": np.array([2.0, -1.0])}
    )
    assert grads["w"] == pytest.approx([12, 3])


def test_gradients_of_gradients():
    def square_of_gradient(params):
        _, grads = value_and_grad(lambda p: anp.sum(p["w"] ** 3))(params)
        return anp.sum(grads["w"])

    w = {"w": np.array([2.0, -1.0])}
    assert autograd.grad(square_of_gradient)(w)["w"] == pytest.approx(6 * w["w"])


@pytest.mark.parametrize("objective", [lambda p: 3.0, lambda p: np.sum(np.ones(3))])
def test_leaving_autograd_is_named(objective):
    with pytest.raises(TypeError, match=r"autograd\.numpy"):
        value_and_grad(objective)({"w": np.ones(3)})


def test_the_objective_must_be_a_scalar():
    with pytest.raises(ValueError, match=r"scalar.*\(3,\)"):
        value_and_grad(lambda p: p["w"] * 2)({"w": np.ones(3)})
