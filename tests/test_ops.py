"""The building blocks against NumPy, SciPy and finite differences, also for extreme values."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from vaelite import ops

ORACLES = {
    ops.relu: lambda x: np.maximum(x, 0),
    ops.tanh: np.tanh,
    ops.softplus: lambda x: np.logaddexp(0, x),
    ops.logistic: special.expit,
}
ELEMENTWISE = pytest.mark.parametrize("op", ORACLES, ids=lambda op: op.__name__)


@ELEMENTWISE
@given(x=st.floats(-800, 800))
def test_values(op, x):
    assert op(np.array([x]))[0] == pytest.approx(ORACLES[op](x), rel=1e-12, abs=1e-15)


@ELEMENTWISE
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_at_the_extremes_and_dtypes_stay(op, dtype):
    x = np.array([-800, -89, -30, 0, 30, 89, 800], dtype)
    grad = autograd.grad(lambda x: anp.sum(op(x)))(x)
    assert op(x).dtype == grad.dtype == dtype
    assert np.isfinite(op(x)).all()
    assert np.isfinite(grad).all()


@ELEMENTWISE
def test_derivatives_to_second_order(op, rng):
    check_grads(op, modes=["rev"], order=2)(rng.standard_normal((4, 3)) + 0.01)


@ELEMENTWISE
def test_arguments_are_never_changed(op, rng):
    x = rng.standard_normal((4, 3))
    copy = x.copy()
    autograd.grad(lambda x: anp.sum(op(x)))(x)
    assert np.array_equal(x, copy)


def test_affine(rng):
    h, W, b = rng.standard_normal((5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
    assert ops.affine(h, W, b) == pytest.approx(h @ W + b)
    check_grads(ops.affine, modes=["rev"], order=2)(h, W, b)


def test_affine_of_many_samples(rng):
    h, W, b = rng.standard_normal((6, 5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
    assert ops.affine(h, W, b) == pytest.approx(h @ W + b)
    check_grads(ops.affine, modes=["rev"])(h, W, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean(dtype, rng):
    x = rng.standard_normal(7).astype(dtype)
    grad = autograd.grad(ops.mean)(x)
    assert ops.mean(x) == pytest.approx(x.mean())
    assert grad == pytest.approx(np.full(7, 1 / 7))
    assert ops.mean(x).dtype == grad.dtype == dtype


def test_second_derivatives_of_a_mean(rng):
    check_grads(lambda x: ops.mean(x * x * x), modes=["rev"], order=2)(rng.standard_normal(5))


def test_join(rng):
    a, b = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    assert np.array_equal(ops.join(a, b), np.hstack([a, b]))
    check_grads(lambda a, b: ops.join(a, b) ** 2, modes=["rev"], order=2)(a, b)
