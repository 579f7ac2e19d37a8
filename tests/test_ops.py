"""The building blocks against NumPy, SciPy and finite differences, also for extreme values."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from helpers import check_all_grads
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softplus_and_its_slope_have_all_digits(dtype):
    """Also far from 0, where ``1 + exp(-|x|)`` and ``1 - exp(-y)`` lose them."""
    far = np.logspace(-8, np.log10(80), 10_000)
    x = np.concatenate([-far, [0], far]).astype(dtype)
    wide = x.astype(np.longdouble)
    exact = np.log1p(np.exp(-np.abs(wide))) + np.maximum(wide, 0)
    limit = {"rtol": 8 * np.finfo(dtype).eps, "atol": 0}
    np.testing.assert_allclose(ops.softplus(x), exact, **limit)
    y = exact.astype(dtype)
    slope = -np.expm1(-y.astype(np.longdouble))
    np.testing.assert_allclose(ops.SLOPES["softplus"](y), slope, **limit)


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
    check_all_grads(ops.affine, h, W, b)


def test_affine_of_many_samples(rng):
    h, W, b = rng.standard_normal((6, 5, 4)), rng.standard_normal((4, 3)), rng.standard_normal(3)
    assert ops.affine(h, W, b) == pytest.approx(h @ W + b)
    check_all_grads(ops.affine, h, W, b)


@pytest.mark.parametrize("name", ops.ACTIVATIONS)
@pytest.mark.parametrize("shape", [(5, 4), (6, 5, 4)], ids=str)
def test_a_layer_is_an_activation_of_an_affine_function(name, shape, rng):
    h, W, b = rng.standard_normal(shape), rng.standard_normal((4, 3)), rng.standard_normal(3)
    copies = h.copy(), W.copy(), b.copy()
    expected = ORACLES[ops.ACTIVATIONS[name]](h @ W + b)
    assert ops.layer(h, W, b, name) == pytest.approx(expected)
    check_all_grads(lambda h, W, b: ops.layer(h, W, b, name), h, W, b)
    for array, copy in zip((h, W, b), copies, strict=True):
        assert np.array_equal(array, copy)


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
    check_all_grads(ops.join, a, b)


def test_copies_and_reshape(rng):
    x = rng.standard_normal((4, 3))
    assert np.array_equal(ops.copies(x, 3), np.concatenate([x, x, x]))
    check_all_grads(lambda x: ops.copies(x, 3), x)
    check_all_grads(lambda x: ops.reshape(x, (2, -1)), x)


def test_cast(rng):
    x = rng.standard_normal(5).astype(np.float32)
    assert ops.cast(x, np.float64).dtype == np.float64
    grad = autograd.grad(lambda x: anp.sum(ops.cast(x, np.float64) ** 2))(x)
    assert grad.dtype == np.float32
    assert grad == pytest.approx(2 * x)
    check_all_grads(lambda x: ops.cast(x, np.float64), x.astype(np.float64))


def test_logmeanexp(rng):
    x = 5 * rng.standard_normal((6, 4))
    expected = special.logsumexp(x, axis=0) - np.log(6)
    assert ops.logmeanexp(x) == pytest.approx(expected, rel=1e-12)
    assert ops.logmeanexp(x + 1e4) == pytest.approx(expected + 1e4, rel=1e-12)
    check_all_grads(ops.logmeanexp, x)


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 4, 3)], ids=str)
def test_sum_of_squares(shape, rng):
    x = rng.standard_normal(shape)
    assert ops.sum_of_squares(x) == pytest.approx((x**2).sum(axis=-1), rel=1e-14)
    check_all_grads(ops.sum_of_squares, x)


def test_row_sums(rng):
    x = rng.standard_normal((2, 4, 3))
    assert ops.row_sums(x) == pytest.approx(x.sum(axis=-1), rel=1e-14)
    check_all_grads(ops.row_sums, x)


@pytest.mark.parametrize("D", [1, 16_384, 16_385, 196_608, 196_609])
def test_sums_over_many_pixels_keep_their_digits(D, rng):
    """float32 has 24 bits: one sum after the other would be 2e-5 off at the largest D."""
    x = rng.standard_normal((3, D), dtype=np.float32)
    for array in x, np.asfortranarray(x), np.broadcast_to(x[:1], (3, D)):
        expected = np.sum(array.astype(np.float64) ** 2, axis=-1)
        np.testing.assert_allclose(ops.sum_of_squares(array), expected, rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logistic_to_a_few_units_in_the_last_place(dtype):
    """Also where it is near 0: above the smallest normal number, and 0 far below it."""
    info = np.finfo(dtype)
    x = np.linspace(np.log(info.tiny) + 0.1, 100, 20_001).astype(dtype)
    expected = special.expit(x.astype(np.longdouble))
    assert np.max(abs(ops.logistic(x) - expected) / expected) < 4 * info.eps
    assert np.array_equal(ops.logistic(np.array([-1e4, -np.inf, np.inf], dtype)), [0, 0, 1])
    grad = autograd.grad(lambda x: anp.sum(ops.logistic(x)))(x)
    assert grad == pytest.approx(special.expit(x) * special.expit(-x), abs=float(4 * info.eps))


def test_join_of_several_samples(rng):
    a, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 5))
    assert np.array_equal(ops.join(a, b), np.concatenate([a, b], axis=-1))
    check_all_grads(ops.join, a, b)
