"""What autograd needs to know about arrays on a device.

Some of autograd's derivatives create arrays of zeros on the host, or pass arguments to
NumPy's functions that CuPy does not accept. The derivatives below do neither.
"""

import math

import autograd.numpy as anp
import numpy as np
from autograd.core import SparseObject, primitive_vjps
from autograd.extend import VSpace, defvjp, defvjp_argnum, primitive
from autograd.numpy import numpy_vjps, numpy_wrapper
from autograd.numpy.numpy_boxes import ArrayBox

from .dispatch import module_of, on_device


def teach_autograd(module):
    """Let autograd differentiate functions of a module's arrays."""
    VSpace.register(module.ndarray, lambda value: DeviceSpace(value, module))
    ArrayBox.register(module.ndarray)
    numpy_vjps.repeat_to_match_shape = _repeat_to_match_shape
    numpy_vjps.untake = _untake
    numpy_wrapper.concatenate_args = _concatenate
    _on_device(getattr(anp, "_original_where", anp.where), None, _d_where(0), _d_where(1))
    _on_device(anp.reshape, _d_shape)
    _on_device(anp.ravel, _d_shape)
    _on_device(anp.dot, _d_dot_a, _d_dot_b)
    _on_device(anp.power, _d_power_x, _d_power_y)


class DeviceSpace(VSpace):
    """The vector space of arrays of one shape and dtype on a device."""

    def __init__(self, value, module):
        self.shape, self.dtype, self.module = value.shape, value.dtype, module

    size = property(lambda self: math.prod(self.shape))
    ndim = property(lambda self: len(self.shape))

    def zeros(self):
        return self.module.zeros(self.shape, self.dtype)

    def ones(self):
        return self.module.ones(self.shape, self.dtype)


def _on_device(function, *vjpmakers):
    """Replace the derivatives of a function of autograd for arrays on a device."""
    elsewhere = primitive_vjps[function]
    defvjp(function, *vjpmakers)
    here = primitive_vjps[function]
    primitive_vjps[function] = lambda argnums, ans, *arguments: (
        here if on_device(ans) else elsewhere
    )(argnums, ans, *arguments)


def _repeat_to_match_shape(g, shape, dtype, axis, keepdims):
    """The array g, repeated along the axes that were summed over, and how often."""
    if shape == ():
        return g, 1
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {i % len(shape) for i in axes}
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    return anp.broadcast_to(anp.reshape(g, kept), shape), math.prod(shape[i] for i in axes)


@primitive
def _untake(x, index, space):
    """The derivative of a part of an array: zeros, with x added to that part."""

    def add(array):
        parts = index if isinstance(index, tuple) else (index,)
        if any(hasattr(part, "shape") or isinstance(part, list) for part in parts):
            module_of(array).add.at(array, index, x)  # the index may contain a row twice
        else:
            array[index] += x
        return array

    return SparseObject(space, add)


defvjp(_untake, lambda ans, x, index, space: lambda g: g[index])


@primitive
def _concatenate(axis, *arrays):
    return np.concatenate(arrays, axis)


def _d_concatenate(argnum, ans, args, kwargs):
    axis, arrays = args[0], args[1:]
    start = sum(array.shape[axis] for array in arrays[: argnum - 1])
    index = [slice(None)] * ans.ndim
    index[axis] = slice(start, start + arrays[argnum - 1].shape[axis])
    return lambda g: g[tuple(index)]


defvjp_argnum(_concatenate, _d_concatenate)


def _d_where(which):
    def vjpmaker(ans, condition, *choices):
        def vjp(g):
            zeros = anp.zeros_like(g)
            return anp.where(condition, *((g, zeros) if which == 0 else (zeros, g)))

        return numpy_vjps.unbroadcast_f(choices[which], vjp)

    return vjpmaker


def _d_shape(ans, x, *args, **kwargs):
    return lambda g: anp.reshape(g, anp.shape(x))


def _d_power_x(ans, x, y):
    def vjp(g):
        exponent = anp.where(y, y - 1, 1.0) if on_device(y) else y - 1 if y else 1.0
        return g * y * x**exponent

    return numpy_vjps.unbroadcast_f(x, vjp)


def _d_power_y(ans, x, y):
    return numpy_vjps.unbroadcast_f(y, lambda g: g * anp.log(numpy_vjps.replace_zero(x, 1.0)) * ans)


def _d_dot_a(ans, a, b):
    if anp.ndim(b) == 2:
        return lambda g: anp.matmul(g, b.T)
    return lambda g: anp.reshape(g, (*anp.shape(g), 1)) * b


def _d_dot_b(ans, a, b):
    if anp.ndim(a) == 2:
        return lambda g: anp.matmul(a.T, g)
    if anp.ndim(b) == 2:
        return lambda g: anp.reshape(a, (-1, 1)) * g
    return lambda g: g * a
