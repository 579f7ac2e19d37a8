"""Differentiable building blocks: each a formula with its derivative next to it.

autograd could differentiate these formulas by itself, operation by operation. As one
primitive, each costs one entry on autograd's tape. The derivative below each formula is
the vector-Jacobian product: it turns the gradient ``g`` with respect to the result into
the gradient with respect to each argument. The derivatives consist of differentiable
pieces themselves, so gradients of gradients work.

autograd passes plain arrays to a formula, and perhaps its own boxes to a derivative.
Operators, methods and NumPy's functions of single elements (ufuncs) accept both.
"""

import math

import numpy as np
from autograd.extend import defvjp, defvjp_argnums
from autograd.numpy import metadata
from autograd.numpy.numpy_vjps import unbroadcast as sum_over_copies

from .arrays.dispatch import module_of, special
from .gradient import constant, differentiable

BLOCK = 16_384  # elements in a dot product: longer ones lose digits in float32


def unbroadcast(gradient, array):
    """The gradient of an array that was broadcast: the sum over its copies."""
    same = gradient.shape == getattr(array, "shape", ())
    return gradient if same else sum_over_copies(gradient, metadata(array))


@differentiable
def affine(h, W, b):
    """``h @ W + b``: (..., d), (d, k) and (k,) to (..., k)."""
    out = np.matmul(h, W)
    out += b
    return out


@differentiable
def column_sums(x):
    """The sum of the rows of a matrix, as a product: faster than a sum."""
    return np.dot(np.ones_like(x, shape=len(x)), x)


defvjp(column_sums, lambda ans, x: lambda g: g + full(x, x.shape, 0.0))


def affine_gradients(argnums, g, h, W):
    """The gradients of `affine` in h (0), W (1) and b (2), from that of its result."""
    found, rows, g_rows = [], h, g
    if h.ndim > 2:
        rows, g_rows = (reshape(array, (-1, array.shape[-1])) for array in (h, g))
    for i in argnums:
        if i == 0:  # for one column the outer product is five times as fast
            found.append(g * W.T if W.shape[1] == 1 else g @ W.T)
        else:
            found.append(rows.T @ g_rows if i == 1 else column_sums(g_rows))
    return found


def _affine_vjps(argnums, ans, args, kwargs):
    return lambda g: affine_gradients(argnums, g, *args[:2])


defvjp_argnums(affine, _affine_vjps)


@differentiable
def relu(x, out=None):
    """``max(x, 0)``, element by element; into the array ``out`` if there is one."""
    zeros = np.zeros_like(x, shape=x.shape[-1:])  # a row: faster than a single zero
    return np.maximum(x, zeros, out=out)


@differentiable
def tanh(x, out=None):
    """The hyperbolic tangent, element by element."""
    return np.tanh(x, out=out)


@differentiable
def softplus(x, out=None):
    """``log(1 + exp(x))``, element by element, without overflow for any ``x``.

    In half of log1p's time: ``u = 1 + e`` is rounded, but what it has lost is known, so
    ``log(1 + e) = log(u) + (e - (u - 1)) / u``, to the last digits.
    """
    e = np.exp(-np.abs(x))
    u = 1 + e
    e -= u - 1
    e /= u
    e += np.log(u)
    return np.add(e, relu(x), out=out)


ACTIVATIONS = {"relu": relu, "tanh": tanh, "softplus": softplus}
SLOPES = {  # from the activation's value
    "relu": lambda y: y > 0,
    "tanh": lambda y: 1 - y * y,
    # logistic(x), which is 1 - exp(-y); tanh is faster than expm1
    "softplus": lambda y: 2 * (t := np.tanh(y / 2)) / (1 + t),
}
defvjp(relu, lambda ans, x: lambda g: g * SLOPES["relu"](ans))
defvjp(tanh, lambda ans, x: lambda g: g * SLOPES["tanh"](ans))
defvjp(softplus, lambda ans, x: lambda g: g * SLOPES["softplus"](ans))


@differentiable
def layer(h, W, b, activation):
    """``activation(h @ W + b)``; activation is a name in ``ACTIVATIONS``."""
    out = np.matmul(h, W)
    out += b
    return ACTIVATIONS[activation](out, out=out)


def _layer_vjps(argnums, ans, args, kwargs):
    h, W, _, activation = args

    return lambda g: affine_gradients(argnums, g * SLOPES[activation](ans), h, W)


defvjp_argnums(layer, _layer_vjps)


@differentiable
def logistic(x):
    """``1 / (1 + exp(-x))``, element by element, exact to its last digits."""
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is 0, as it should be
        e = np.exp(-x)
        e += 1
        return 1 / e


defvjp(logistic, lambda ans, x: lambda g: g * (ans * (1 - ans)))


@differentiable
def soft_floor(x, floor):
    """``log(exp(x) + exp(floor))``: smooth, and above both x and the number floor."""
    return np.logaddexp(x, floor)


defvjp(soft_floor, lambda ans, x, floor: lambda g: g * np.exp(x - ans))


@differentiable
def sum_of_squares(x):
    """The sum of squares over the last axis, without an array of squares.

    Each block of a row is one dot product: it adds in parallel, and so loses fewer
    digits than one sum after the other.
    """
    total = 0
    for i in range(0, x.shape[-1], BLOCK):
        part = x[..., i : i + BLOCK]
        total = total + np.matmul(part[..., None, :], part[..., :, None])[..., 0, 0]
    return total


defvjp(sum_of_squares, lambda ans, x: lambda g: 2 * g[..., None] * x)


@differentiable
def row_sums(x):
    """The sum over the last axis.

    NumPy adds contiguous numbers in pairs of pairs, which keeps float32's digits, and
    others one after the other.
    """
    return module_of(x).ascontiguousarray(x).sum(axis=-1)


defvjp(row_sums, lambda ans, x: lambda g: spread(g, x.shape))


@differentiable
def spread(x, shape):
    """Each element of x along a new last axis, without a copy: (n,) to (n, d)."""
    return np.broadcast_to(x[..., None], shape)


defvjp(spread, lambda ans, x, shape: lambda g: row_sums(g))


@differentiable
def copies(x, n):
    """n copies of x, one below the other: (batch, d) to (n * batch, d)."""
    return np.concatenate([x] * n)


defvjp(copies, lambda ans, x, n: lambda g: reshape(g, (n, *x.shape)).sum(axis=0))


@differentiable
def join(a, b):
    """The columns of a, then those of b: (n, d) and (n, k) to (n, d + k)."""
    return np.concatenate([a, b], axis=-1)


defvjp(
    join,
    lambda ans, a, b: lambda g: g[..., : a.shape[-1]],
    lambda ans, a, b: lambda g: g[..., a.shape[-1] :],
)


@differentiable
def reshape(x, shape):
    """The elements of x in another shape."""
    return np.reshape(x, shape)


defvjp(reshape, lambda ans, x, shape: lambda g: reshape(g, x.shape))


@constant
def full(x, shape, value):
    """An array of one value, in the dtype of x and where x is stored."""
    return np.full_like(x, value, shape=shape)


@differentiable
def mean(x):
    """The mean of all elements, a scalar in the dtype of ``x``."""
    return x.sum() / x.size


defvjp(mean, lambda ans, x: lambda g: g / x.size + full(x, x.shape, 0.0))


@differentiable
def logmeanexp(x):
    """``log(mean(exp(x)))`` over the first axis, without overflow: (K, n) to (n,)."""
    return special(x).logsumexp(x, axis=0) - math.log(len(x))


defvjp(logmeanexp, lambda ans, x: lambda g: g * np.exp(x - ans) / len(x))


@differentiable
def cast(x, dtype):
    """x in another dtype; its gradient has the dtype of x."""
    return x.astype(dtype, copy=False)


defvjp(cast, lambda ans, x, dtype: lambda g: cast(g, x.dtype))
