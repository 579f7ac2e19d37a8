"""A stand-in for CuPy, with arrays on a "device" that refuse silent copies to the host.

Use it as ``import device as cupy``. The arrays implement NumPy's protocols. Like CuPy's, they
refuse, with CuPy's errors: conversion by NumPy, mixing with NumPy's arrays, and NumPy functions
that CuPy does not have. Only `asnumpy` and `asarray` copy between host and device. `transfers`
counts these copies. `waits` has one entry for each time that the host waits for a number.
"""

import numpy as np

# The functions of NumPy that CuPy implements and that the package or its users may call
# (docs.cupy.dev, "Comparison Table")
NAMES = """
    argmax argmin broadcast_to clip concatenate copyto cumsum dot einsum expand_dims full_like
    iscomplexobj max mean min moveaxis ndim ones_like prod ravel repeat reshape result_type
    shape size squeeze stack std sum swapaxes take_along_axis tensordot tile transpose var vdot
    where zeros_like
"""
FUNCTIONS = {np.linalg.norm, *(getattr(np, name) for name in NAMES.split())}
NO_UFUNCS = {np.vecdot, np.matvec, np.vecmat} if hasattr(np, "matvec") else {np.vecdot}
COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal}
transfers = {"to host": 0, "to device": 0}
waits = []


class ndarray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the stand-in device."""

    __array_priority__ = 100

    def __init__(self, host):
        self._host = host

    # Refusals

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def _wait(self, convert):
        waits.append(self)
        return convert(self._host)

    def __float__(self):
        return self._wait(float)

    def __int__(self):
        return self._wait(int)

    def __bool__(self):
        return self._wait(bool)

    def item(self):
        return self._wait(lambda host: host.item())

    def tolist(self):
        return self._wait(lambda host: host.tolist())

    # NumPy's protocols

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if ufunc in NO_UFUNCS or method not in ("__call__",):
            return NotImplemented
        if not all(
            isinstance(x, (ndarray, np.ndarray, np.generic, bool, int, float)) for x in inputs
        ):
            return NotImplemented  # autograd's boxes have their own rules
        if ufunc in COMPARISONS:
            inputs = [x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs]
        if out is not None:
            kwargs["out"] = tuple(_unwrap(o) for o in out)
        return _wrap(ufunc(*map(_unwrap, inputs), **kwargs), out)

    def __array_function__(self, function, types, args, kwargs):
        if function not in FUNCTIONS:
            return NotImplemented
        if kwargs.get("order", "C") is None:
            raise TypeError("order should be a string")
        return _wrap(function(*_deep(args), **_deep(kwargs)))

    # Attributes and indexing

    dtype = property(lambda self: self._host.dtype)
    flags = property(lambda self: self._host.flags)
    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    T = property(lambda self: ndarray(self._host.T))

    def __len__(self):
        return len(self._host)

    def __getitem__(self, index):
        return ndarray(np.asarray(self._host[_deep(index)]))

    def __setitem__(self, index, value):
        self._host[_deep(index)] = _unwrap(value)

    def get(self):
        transfers["to host"] += 1
        return self._host.copy()

    def __repr__(self):
        return f"device.ndarray({self._host!r})"


def _method(name):
    def method(self, *args, **kwargs):
        return _wrap(getattr(self._host, name)(*_deep(args), **_deep(kwargs)))

    return method


METHODS = [
    "astype",
    "reshape",
    "dot",
    "sum",
    "mean",
    "min",
    "max",
    "all",
    "any",
    "copy",
    "ravel",
    "view",
]
for _name in METHODS:
    setattr(ndarray, _name, _method(_name))


def _unwrap(value):
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _deep(value):
    if isinstance(value, (tuple, list)):
        return type(value)(_deep(part) for part in value)
    if isinstance(value, dict):
        return {key: _deep(part) for key, part in value.items()}
    return _unwrap(value)


def _wrap(result, out=None):
    if out is not None:
        return out[0]
    if isinstance(result, (np.ndarray, np.generic)):
        return ndarray(np.asarray(result))
    return result


def asarray(array):
    """From the host to the device."""
    if isinstance(array, ndarray):
        return array
    transfers["to device"] += 1
    return ndarray(np.array(array))


def asnumpy(array):
    """From the device to the host."""
    return array.get() if isinstance(array, ndarray) else np.asarray(array)


def zeros(shape, dtype=float):
    return ndarray(np.zeros(shape, dtype))


def ascontiguousarray(array):
    return ndarray(np.ascontiguousarray(array._host))


def broadcast_to(array, shape):
    return ndarray(np.broadcast_to(array._host, shape))


def ones(shape, dtype=float):
    return ndarray(np.ones(shape, dtype))


def ElementwiseKernel(inputs, outputs, operation, name):
    """vaelite's only kernel, written in NumPy; only a GPU can compile ``operation``."""
    assert name == "vaelite_update"

    def adam(g, beta1, rest1, beta2, rest2, step, epsilon, p, m, v):
        g, p, m, v = (array._host for array in (g, p, m, v))
        m[:] = beta1 * m + rest1 * g
        v[:] = beta2 * v + rest2 * (g * g)
        p -= (m / (np.sqrt(v) + epsilon) * step).astype(p.dtype)

    return adam


class add:
    """CuPy's ``add.at``."""

    @staticmethod
    def at(array, index, values):
        np.add.at(array._host, _deep(index), _unwrap(values))


class lib:
    """``cupy.lib``."""

    class stride_tricks:
        @staticmethod
        def sliding_window_view(array, window_shape, axis=None):
            windows = np.lib.stride_tricks.sliding_window_view(array._host, window_shape, axis)
            return ndarray(windows)


class special:
    """``cupyx.scipy.special``."""

    @staticmethod
    def logsumexp(array, axis=None):
        from scipy.special import logsumexp

        return _wrap(logsumexp(array._host, axis=axis))


class get_default_memory_pool:
    """The pool of freed memory."""

    @staticmethod
    def free_bytes():
        return 0


class cuda:
    """The part of ``cupy.cuda`` that vaelite uses."""

    class runtime:
        free = 2**30

        @staticmethod
        def getDeviceCount():
            return 1

        @classmethod
        def memGetInfo(cls):
            return cls.free, 2**31
