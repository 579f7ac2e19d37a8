"""NumPy, or CuPy on a GPU: the same source lines on either.

NumPy's functions answer for CuPy's arrays by themselves, through its array protocols; so the formulas need no
second version. What remains is here: moving arrays, and teaching autograd a second type of array. CuPy is imported
only when it is asked for.
"""

import importlib
import math
from functools import cache, wraps

import autograd.numpy as anp
import numpy as np
import scipy.special
from autograd.core import SparseObject, primitive_vjps
from autograd.extend import VSpace, defvjp, defvjp_argnum, primitive
from autograd.numpy import numpy_vjps, numpy_wrapper
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.tracer import getval

BACKENDS = "numpy", "cupy", "auto"
CHECK_EVERY = 50  # steps: to look at a number on a device is to wait for all that was asked of it
SHARE = 0.5  # of the device's free memory that data may take

_devices = {}  # array type on a device to its module, and that module's scipy.special


class Backend:
    """Where arrays live and are computed with: in the computer's own memory, by NumPy."""

    name = "numpy"

    def to_device(self, array):
        """A NumPy array where this backend computes."""
        return array

    def to_host(self, array):
        """An array of this backend as a NumPy array."""
        return array

    def hold(self, X):
        """A data set where it is read fastest: as it is, or on the device if it fits there."""
        return X


class Device(Backend):
    """A GPU, by CuPy."""

    name = "cupy"

    def __init__(self, module, special):
        self.module = module
        if module.ndarray not in _devices:
            _teach_autograd(module)
        _devices[module.ndarray] = module, special

    def __reduce__(self):
        return backend, (self.name,)  # modules cannot be pickled

    def to_device(self, array):
        return self.module.asarray(array)  # through CuPy's own pool of pinned memory, without waiting

    def to_host(self, array):
        return self.module.asnumpy(array)

    def hold(self, X):
        free = self.module.cuda.runtime.memGetInfo()[0] + self.module.get_default_memory_pool().free_bytes()
        fits = math.prod(X.shape) * X.dtype.itemsize < SHARE * free
        known = X.dtype.isnative and X.dtype.char in "?bhilqBHILQefd"  # others become floats batch by batch
        return self.to_device(np.asarray(X[:])) if fits and known else X


def backend(name):
    """The backend that a ``backend`` argument stands for.

    Parameters
    ----------
    name : {"numpy", "cupy", "auto"}
        "auto" is CuPy where it is installed and finds a GPU, otherwise NumPy.

    Returns
    -------
    Backend

    Raises
    ------
    ImportError
        For "cupy" where CuPy is not installed; the message says how to install it.
    RuntimeError
        For "cupy" where there is no GPU.
    """
    if name == "numpy":
        return Backend()
    if name == "auto":
        try:
            return backend("cupy")
        except (ImportError, RuntimeError):
            return Backend()
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError:  # one that is installed and cannot be loaded says itself why
        raise ImportError(
            'backend="cupy" needs CuPy and an NVIDIA GPU: python -m pip install "vaelite[gpu-cuda12]" or '
            '"vaelite[gpu-cuda13]", by the CUDA version that nvidia-smi prints'
        ) from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's own error is no class that can be named without importing it
        raise RuntimeError(f'backend="cupy" finds no GPU: {error}') from error
    if count == 0:
        raise RuntimeError('backend="cupy" finds no GPU')
    try:
        float(cupy.ones(2).sum() + 1)  # a kernel: a driver alone is not enough
    except Exception as error:
        raise RuntimeError(
            f'backend="cupy" finds a GPU, but cannot compile for it ({error}); CuPy needs the CUDA toolkit, too'
        ) from error
    return Device(cupy, importlib.import_module("cupyx.scipy.special"))


def on_device(array):
    """Whether an array lives on a device."""
    return type(getval(array)) in _devices


def module_of(array):
    """CuPy for an array on a device, otherwise NumPy."""
    return _devices[type(getval(array))][0] if on_device(array) else np


def special(array):
    """scipy.special, or its counterpart for an array on a device."""
    return _devices[type(array)][1] if on_device(array) else scipy.special


def to_host(array):
    """Any array as a NumPy array."""
    return array.get() if on_device(array) else array


def number(array):
    """An array of no axes as a float; on a device as float64, without waiting for it."""
    return array.astype(np.float64) if on_device(array) else float(array)


def read_only(array):
    """A view that cannot be written to; CuPy has none, and gives the array itself."""
    if on_device(array):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def is_time_to_look(array, step):
    """Whether to look at numbers on the host: always in NumPy, every 50th step on a device."""
    return not on_device(array) or step % CHECK_EVERY == 0


def elementwise(inputs, outputs, operation):
    """A decorator: on a device one kernel, compiled by CuPy, takes the place of a function that works in place.

    Parameters
    ----------
    inputs, outputs, operation : str
        As for ``cupy.ElementwiseKernel``; the function's parameters are the inputs, then the outputs.
    """

    def decorate(function):
        @cache
        def kernel(module):
            return module.ElementwiseKernel(inputs, outputs, operation, f"vaelite{function.__name__}")

        @wraps(function)
        def on_either(*arguments):
            return (kernel(module_of(arguments[0])) if on_device(arguments[0]) else function)(*arguments)

        return on_either

    return decorate


# What autograd needs to know of arrays on a device. Its own derivatives make arrays of zeros on the host, or pass
# NumPy's functions arguments that CuPy does not take; those below do neither.


def _teach_autograd(module):
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
    """Give a function of autograd other derivatives for arrays on a device."""
    elsewhere = primitive_vjps[function]
    defvjp(function, *vjpmakers)
    here = primitive_vjps[function]
    primitive_vjps[function] = lambda argnums, ans, *arguments: (here if on_device(ans) else elsewhere)(
        argnums, ans, *arguments
    )


def _repeat_to_match_shape(g, shape, dtype, axis, keepdims):
    """The array g repeated along the axes that were summed over, and how often."""
    if shape == ():
        return g, 1
    axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = {i % len(shape) for i in axes}
    kept = [1 if i in axes else n for i, n in enumerate(shape)]
    return anp.broadcast_to(anp.reshape(g, kept), shape), math.prod(shape[i] for i in axes)


@primitive
def _untake(x, index, space):
    """The derivative of taking a part of an array: zeros, and x added to that part."""

    def add(array):
        parts = index if isinstance(index, tuple) else (index,)
        if any(hasattr(part, "shape") or isinstance(part, list) for part in parts):  # rows may be taken twice
            module_of(array).add.at(array, index, x)
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
