"""The convolution of images, the transposed convolution, and their derivatives.

Images are ``(n, height, width, channels)``. With a stride s, `convolve` looks at a
patch of the image around every s-th pixel, in both directions. It returns a map with
``ceil(height / s)`` rows and ``ceil(width / s)`` columns of places.

All three functions come from one number, which is linear in each of three arrays: the
images ``x``, the kernel ``W`` and a map ``y``::

    sum over n, places p and channels c of  (patch of x[n] at p) @ W[:, c] * y[n, p, c]

`convolve` is its derivative in ``y``, `convolve_transposed` its derivative in ``x`` and
`patch_products` its derivative in ``W``. Each of them is linear in its two arrays, so
its derivatives are the other two functions.

Padding: patches of k rows need ``(ceil(height / s) - 1) * s + k`` rows of pixels. If
the image has fewer rows, zeros are added: half of the missing rows (rounded down) above
the image, the others below it. The same holds for columns. TensorFlow and Keras call
this "same". With k = 4, s = 2 and an even height it is one row on each side,
``padding=1`` in PyTorch.
"""

import numpy as np
from autograd.extend import defvjp

from ..arrays.dispatch import module_of
from ..ops import differentiable


@differentiable
def convolve(x, W, stride):
    """Multiply each patch of the images with a kernel.

    The kernel is not flipped, as in other deep learning libraries. Signal processing
    calls this a cross-correlation.

    Parameters
    ----------
    x : array, shape (n, height, width, c_in)
    W : array, shape (k, m, c_in, c_out)
        The kernel, k rows and m columns.
    stride : int

    Returns
    -------
    array, shape (n, ceil(height / stride), ceil(width / stride), c_out)

    Examples
    --------
    >>> import numpy as np
    >>> from vaelite.networks.convolution import convolve
    >>> x = np.arange(5.0).reshape(1, 1, 5, 1)
    >>> convolve(x, np.ones((1, 3, 1, 1)), 1).ravel()  # with a zero on each side
    array([1., 3., 6., 9., 7.])
    >>> convolve(x, np.ones((1, 3, 1, 1)), 2).ravel()
    array([1., 6., 7.])
    """
    out = np.matmul(_patches_of(x, W.shape[:2], stride), np.reshape(W, (-1, W.shape[-1])))
    return np.reshape(out, (len(x), *_places(x.shape, stride), W.shape[-1]))


@differentiable
def convolve_transposed(y, W, stride, shape):
    """Add each number of a map, times the kernel, to its patch: convolve's adjoint.

    Parameters
    ----------
    y : array, shape (n, ceil(height / stride), ceil(width / stride), c_out)
    W : array, shape (k, m, c_in, c_out)
        The kernel, as for `convolve`.
    stride : int
    shape : tuple of int
        Shape of the images to return, (n, height, width, c_in).

    Returns
    -------
    array, shape (n, height, width, c_in)
        For every x, ``sum(x * convolve_transposed(y, W, ...))`` is
        ``sum(convolve(x, W, ...) * y)``.

    Raises
    ------
    ValueError
        If y and shape do not fit together.

    Examples
    --------
    >>> import numpy as np
    >>> from vaelite.networks.convolution import convolve_transposed
    >>> y = np.array([1.0, 0, 10]).reshape(1, 1, 3, 1)
    >>> convolve_transposed(y, np.ones((1, 3, 1, 1)), 2, (1, 1, 5, 1)).ravel()
    array([ 1.,  1.,  0., 10., 10.])
    """
    # The padded image consists of blocks of stride x stride pixels. Block i gets its
    # numbers from the places i, i - 1, ..., i - taps + 1. So all blocks are a
    # convolution of y with stride 1.
    (n, height, width, c_in), (rows, columns) = shape, _places(shape, stride)
    if y.shape[:3] != (n, rows, columns):
        expected = n, rows, columns, W.shape[-1]
        raise ValueError(f"y should have the shape {expected}, got {y.shape}")
    taps = tuple(-(-size // stride) for size in W.shape[:2])
    before = tuple(size - 1 for size in taps)
    padded = rows + 2 * before[0], columns + 2 * before[1]
    rows, columns = rows + before[0], columns + before[1]
    blocks = np.matmul(_patches(y, taps, 1, before, padded), _kernel_of_blocks(W, taps, stride))
    blocks = np.reshape(blocks, (n, rows, columns, stride, stride, c_in))
    image = np.reshape(np.swapaxes(blocks, 2, 3), (n, rows * stride, columns * stride, c_in))
    (top, left), _ = _padding(shape, W.shape[:2], stride)
    return image[:, top : top + height, left : left + width]


@differentiable
def patch_products(x, y, stride, size):
    """Sum the products of each patch and the map at its place: the derivative in ``W``.

    Parameters
    ----------
    x : array, shape (n, height, width, c_in)
    y : array, shape (n, ceil(height / stride), ceil(width / stride), c_out)
    stride : int
    size : tuple of int
        Rows and columns of a patch, (k, m).

    Returns
    -------
    array, shape (k, m, c_in, c_out)
    """
    flat = np.reshape(y, (-1, y.shape[-1]))
    products = np.matmul(_patches_of(x, size, stride).T, flat)
    return np.reshape(products, (*size, x.shape[-1], y.shape[-1]))


defvjp(
    convolve,
    lambda ans, x, W, stride: lambda g: convolve_transposed(g, W, stride, x.shape),
    lambda ans, x, W, stride: lambda g: patch_products(x, g, stride, W.shape[:2]),
)
defvjp(
    convolve_transposed,
    lambda ans, y, W, stride, shape: lambda g: convolve(g, W, stride),
    lambda ans, y, W, stride, shape: lambda g: patch_products(g, y, stride, W.shape[:2]),
)
defvjp(
    patch_products,
    lambda ans, x, y, stride, size: lambda g: convolve_transposed(y, g, stride, x.shape),
    lambda ans, x, y, stride, size: lambda g: convolve(x, g, stride),
)


def _places(shape, stride):
    """Rows and columns of the places that patches have in an image of this shape."""
    return tuple(-(-pixels // stride) for pixels in shape[1:3])


def _padding(shape, size, stride):
    """Zeros above and left of an image, and its rows and columns with all zeros."""
    pixels, places = shape[1:3], _places(shape, stride)
    needed = [(p - 1) * stride + k for p, k in zip(places, size, strict=True)]
    padded = tuple(map(max, pixels, needed))
    return tuple((q - p) // 2 for p, q in zip(pixels, padded, strict=True)), padded


def _patches_of(x, size, stride):
    """The patches for `convolve`, one per row: (n * places, k * m * channels)."""
    return _patches(x, size, stride, *_padding(x.shape, size, stride))


def _patches(x, size, stride, before, padded):
    """Patches of the images in a frame of zeros, one per row: a view, copied once."""
    (n, height, width, channels), (top, left), module = x.shape, before, module_of(x)
    frame = module.zeros((n, *padded, channels), x.dtype)
    frame[:, top : top + height, left : left + width] = x
    views = module.lib.stride_tricks.sliding_window_view(frame, size, axis=(1, 2))
    patches = np.transpose(views[:, ::stride, ::stride], (0, 1, 2, 4, 5, 3))  # channels last again
    return np.reshape(patches, (-1, size[0] * size[1] * channels))


def _kernel_of_blocks(W, taps, stride):
    """The kernel for blocks of pixels: (taps * c_out, stride * stride * c_in)."""
    (rows, columns), (k, m, c_in, c_out) = taps, W.shape
    whole = module_of(W).zeros((rows * stride, columns * stride, c_in, c_out), W.dtype)
    whole[:k, :m] = W
    whole = np.reshape(whole, (rows, stride, columns, stride, c_in, c_out))
    flipped = np.transpose(whole[::-1, :, ::-1], (0, 2, 5, 1, 3, 4))
    return np.reshape(flipped, (rows * columns * c_out, -1))
