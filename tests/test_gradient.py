"""value_and_grad against autograd's grad of the same function, and against finite differences."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from helpers import finite_differences

import vaelite
from vaelite.gradient import dependencies, value_and_grad

SHARED = vaelite.Gaussian(sigma="shared")
PIXEL = vaelite.Gaussian(mean="identity", sigma="pixel", floor=None)
FIXED = vaelite.Gaussian(sigma=0.3)
VAES = {
    "lecture": {},
    "deep tanh": {"hidden_dim": (5, 4), "activation": "tanh"},
    "softplus, one sigma for all": {"activation": "softplus", "likelihood": SHARED},
    "one sigma per pixel, identity": {"likelihood": PIXEL},
    "fixed sigma, no hidden layer": {"hidden_dim": (), "likelihood": FIXED},
}


def problem(settings, dtype, rng):
    """A model's objective, parameters (with biases that are not 0), data and noise."""
    vae = vaelite.VAE(**{"latent_dim": 2, "hidden_dim": 6, **settings}).build(5, dtype, rng=0)
    params = {}
    for name, array in vae.params.items():
        params[name] = (array + 0.1 * rng.standard_normal(array.shape)).astype(dtype)
    x, eps = rng.random((4, 5)), rng.standard_normal((4, 2))
    return vae.loss(), params, x.astype(dtype), eps.astype(dtype)


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
        loss = lambda array, name=name: objective({**params, name: array}, x, eps)
        expected = finite_differences(loss, params[name])
        assert grad == pytest.approx(expected, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("settings", VAES.values(), ids=VAES)
def test_float32_all_the_way(settings, rng, monkeypatch):
    objective, params, x, eps = problem(settings, np.float32, rng)
    seen, original = set(), vaelite.gradient.add_outgrads

    def spy(old, g):
        seen.add(g.dtype)
        return original(old, g)

    monkeypatch.setattr(vaelite.gradient, "add_outgrads", spy)
    value, grads = value_and_grad(objective)(params, x, eps)
    assert value.dtype == np.float32
    assert {grad.dtype for grad in grads.values()} == {np.dtype(np.float32)}
    assert seen == {np.dtype(np.float32)}  # no intermediate gradient is float64


def test_an_array_without_influence_has_a_gradient_of_zeros():
    params = {"used": np.ones((2, 3)), "unused": np.ones(4, np.float32)}
    _, grads = value_and_grad(lambda params: anp.sum(params["used"] ** 2))(params)
    assert np.array_equal(grads["unused"], np.zeros(4))
    assert grads["unused"].dtype == np.float32
    assert dependencies(lambda params: anp.sum(params["used"] ** 2), params) == {"used"}


def test_each_gradient_has_its_arrays_dtype():
    params = {"single": np.ones(3, np.float32), "double": np.ones(3)}
    _, grads = value_and_grad(lambda p: anp.sum(p["single"] * p["double"]))(params)
    assert {name: grad.dtype.itemsize for name, grad in grads.items()} == {"single": 4, "double": 8}


def test_an_array_that_is_used_twice():
    params = {"w": np.array([2.0, -1.0])}
    _, grads = value_and_grad(lambda p: anp.sum(p["w"] * p["w"] * p["w"]))(params)
    assert grads["w"] == pytest.approx([12, 3])


def test_gradients_of_gradients():
    def square_of_gradient(params):
        _, grads = value_and_grad(lambda p: anp.sum(p["w"] ** 3))(params)
        return anp.sum(grads["w"])

    w = {"w": np.array([2.0, -1.0])}
    assert autograd.grad(square_of_gradient)(w)["w"] == pytest.approx(6 * w["w"])


@pytest.mark.parametrize("objective", [lambda p: 3.0, lambda p: np.sum(np.ones(3))])
def test_an_objective_without_autograd_is_refused(objective):
    with pytest.raises(TypeError, match=r"autograd\.numpy"):
        value_and_grad(objective)({"w": np.ones(3)})


def test_the_objective_must_be_a_scalar():
    with pytest.raises(ValueError, match=r"scalar.*\(3,\)"):
        value_and_grad(lambda p: p["w"] * 2)({"w": np.ones(3)})
