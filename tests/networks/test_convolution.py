"""The convolution against loops, SciPy and finite differences; its adjoint against itself."""

from functools import partial
from itertools import product

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate2d

from vaelite.arrays import dispatch
from vaelite.networks.convolution import convolve, convolve_transposed, patch_products


def before(pixels, kernel, stride):
    """The number of zeros before the first pixel, by the rule in the module's docstring."""
    places = -(-pixels // stride)
    return max((places - 1) * stride + kernel - pixels, 0) // 2


def by_loops(x, W, stride):
    """The convolution, one product at a time."""
    (n, height, width, _), (k, m, _, c_out) = x.shape, W.shape
    out = np.zeros((n, -(-height // stride), -(-width // stride), c_out))
    for image, i, j, c, a, b in product(*map(range, (*out.shape, k, m))):
        row = stride * i + a - before(height, k, stride)
        column = stride * j + b - before(width, m, stride)
        if 0 <= row < height and 0 <= column < width:
            out[image, i, j, c] += x[image, row, column] @ W[a, b, :, c]
    return out


@st.composite
def arguments(draw):
    """(x, W, y, stride) with random sizes, even and odd; y has the shape of convolve(x, W)."""
    size = st.integers(1, 7)
    height, width, k, m = (draw(size) for _ in range(4))
    n, c_in, c_out, stride = (draw(st.integers(1, 3)) for _ in range(4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, W = rng.standard_normal((n, height, width, c_in)), rng.standard_normal((k, m, c_in, c_out))
    y = rng.standard_normal((n, -(-height // stride), -(-width // stride), c_out))
    return x, W, y, stride


@given(arguments())
def test_every_number_equals_the_loops(arguments):
    x, W, y, stride = arguments
    out = convolve(x, W, stride)
    assert out.shape == y.shape
    assert out == pytest.approx(by_loops(x, W, stride))


@given(arguments())
def test_the_transposed_convolution_is_the_adjoint(arguments):
    x, W, y, stride = arguments
    image = convolve_transposed(y, W, stride, x.shape)
    assert image.shape == x.shape
    assert np.sum(x * image) == pytest.approx(np.sum(convolve(x, W, stride) * y), abs=1e-9)


@given(arguments())
def test_the_products_of_patches_are_the_adjoint_in_the_kernel(arguments):
    x, W, y, stride = arguments
    products = patch_products(x, y, stride, W.shape[:2])
    assert products.shape == W.shape
    assert np.sum(W * products) == pytest.approx(np.sum(convolve(x, W, stride) * y), abs=1e-9)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (5, 2)])
def test_scipys_correlation_of_the_padded_image(size, stride, rng):
    image, kernel = rng.standard_normal((9, 8)), rng.standard_normal(size)
    top, left = (before(p, k, stride) for p, k in zip(image.shape, size, strict=True))
    padded = np.pad(image, ((top, size[0]), (left, size[1])))
    places = tuple(slice(-(-pixels // stride)) for pixels in image.shape)
    expected = correlate2d(padded, kernel, mode="valid")[::stride, ::stride][places]
    found = convolve(image[None, ..., None], kernel[..., None, None], stride)[0, ..., 0]
    assert found == pytest.approx(expected)


def test_the_padding_of_even_images_with_kernel_4_and_stride_2_is_1_on_each_side(rng):
    x, W = rng.standard_normal((1, 6, 6, 1)), rng.standard_normal((4, 4, 1, 1))
    padded = np.pad(x[0, ..., 0], 1)
    expected = correlate2d(padded, W[..., 0, 0], mode="valid")[::2, ::2]
    assert convolve(x, W, 2)[0, ..., 0] == pytest.approx(expected)


def test_a_kernel_of_one_pixel_is_a_dense_layer_for_each_pixel(rng):
    x, W = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((1, 1, 5, 6))
    assert convolve(x, W, 1) == pytest.approx(x @ W[0, 0])


def test_a_moved_image_has_a_moved_map(rng):
    x, W = np.zeros((1, 12, 12, 2)), rng.standard_normal((4, 4, 2, 3))
    x[:, 3:7, 3:7] = rng.standard_normal((1, 4, 4, 2))
    moved = convolve(np.roll(x, (2, 4), axis=(1, 2)), W, 2)
    assert moved == pytest.approx(np.roll(convolve(x, W, 2), (1, 2), axis=(1, 2)))


CASES = [
    ((5, 4), (3, 4), 2),
    ((4, 4), (4, 4), 2),
    ((3, 5), (2, 3), 1),
    ((5, 3), (1, 2), 3),
    ((2, 2), (5, 5), 2),
]


@pytest.mark.parametrize(("pixels", "size", "stride"), CASES)
def test_derivatives_to_second_order(pixels, size, stride, rng):
    x, W = rng.standard_normal((2, *pixels, 2)), rng.standard_normal((*size, 2, 3))
    y = rng.standard_normal(convolve(x, W, stride).shape)
    check = partial(check_grads, modes=["rev"], order=2)
    check(lambda x, W: convolve(x, W, stride))(x, W)
    check(lambda y, W: convolve_transposed(y, W, stride, x.shape))(y, W)
    check(lambda x, y: patch_products(x, y, stride, size))(x, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_stay_and_arguments_are_never_changed(dtype, rng):
    x, W = rng.standard_normal((2, 5, 6, 2)), rng.standard_normal((3, 3, 2, 4))
    x, W = x.astype(dtype), W.astype(dtype)
    copies = x.copy(), W.copy()

    def there_and_back(x, W):
        y = convolve(x, W, 2)
        return anp.sum(convolve_transposed(y, W, 2, x.shape) ** 2)

    assert convolve(x, W, 2).dtype == dtype
    assert convolve_transposed(convolve(x, W, 2), W, 2, x.shape).dtype == dtype
    for argument in (0, 1):
        assert autograd.grad(there_and_back, argument)(x, W).dtype == dtype
    assert np.array_equal(x, copies[0])
    assert np.array_equal(W, copies[1])


def test_any_order_in_memory(rng):
    x, W = rng.standard_normal((2, 6, 5, 4)), rng.standard_normal((3, 3, 4, 2))
    y, expected = convolve(x, W, 2), convolve(x, W, 2)
    for order in ((3, 1, 2, 0), (1, 2, 0, 3)):
        back = np.argsort(order)
        scattered = np.ascontiguousarray(x.transpose(order)).transpose(back)
        assert not scattered.flags.c_contiguous
        assert convolve(scattered, W, 2) == pytest.approx(expected)
    expected = convolve_transposed(y, W, 2, x.shape)
    y, W = np.asfortranarray(y), np.asfortranarray(W)
    assert convolve_transposed(y, W, 2, x.shape) == pytest.approx(expected)


def test_a_map_that_does_not_fit_the_image_is_refused(rng):
    y, W = rng.standard_normal((2, 3, 3, 4)), rng.standard_normal((4, 4, 1, 4))
    with pytest.raises(ValueError, match=r"y should have the shape \(2, 4, 4, 4\)"):
        convolve_transposed(y, W, 2, (2, 8, 8, 1))


@pytest.mark.parametrize(("pixels", "size", "stride"), CASES)
def test_on_a_device(pixels, size, stride, device, rng):
    x, W = rng.standard_normal((2, *pixels, 2)), rng.standard_normal((*size, 2, 3))
    y = rng.standard_normal(convolve(x, W, stride).shape)
    functions = (
        (lambda x, W: convolve(x, W, stride), (x, W)),
        (lambda y, W: convolve_transposed(y, W, stride, x.shape), (y, W)),
        (lambda x, y: patch_products(x, y, stride, size), (x, y)),
    )
    for function, arrays in functions:
        there = tuple(map(device.asarray, arrays))
        found, expected = function(*there), function(*arrays)
        assert dispatch.on_device(found)
        assert device.asnumpy(found) == pytest.approx(expected)
        weights = rng.standard_normal(expected.shape)
        ours = gradients(function, arrays, weights)
        theirs = gradients(function, there, device.asarray(weights))
        for here, moved in zip(ours, theirs, strict=True):
            assert dispatch.on_device(moved)
            assert device.asnumpy(moved) == pytest.approx(here)


def gradients(function, arrays, weights):
    """The gradients of a weighted sum of the function's numbers, in each of its two arrays."""
    return [autograd.grad(lambda *a: anp.sum(function(*a) * weights), i)(*arrays) for i in (0, 1)]
