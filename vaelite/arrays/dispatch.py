"""Where an array is stored, and what computes with it there.

NumPy's functions work on CuPy's arrays through NumPy's array protocols, so a formula
needs no second version. The few functions here handle what the protocols do not cover.
"""

from collections.abc import Mapping
from functools import cache, wraps

import numpy as np
import scipy.special
from autograd.tracer import getval

from .compiled import Loop

CHECK_EVERY = 50  # steps: to read a number from a device is to wait for all pending work

_devices = {}  # array type on a device to its module, and that module's scipy.special


def register(module, special):
    """Register a module's arrays as arrays on a device; return True if they are new."""
    is_new = module.ndarray not in _devices
    _devices[module.ndarray] = module, special
    return is_new


def on_device(array):
    """Whether an array is on a device."""
    return type(getval(array)) in _devices


def module_of(array):
    """Return CuPy for an array on a device, otherwise NumPy."""
    return _devices[type(getval(array))][0] if on_device(array) else np


def special(array):
    """Return scipy.special, or its counterpart for an array on a device."""
    return _devices[type(array)][1] if on_device(array) else scipy.special


def to_host(array):
    """Return any array as a NumPy array."""
    return array.get() if on_device(array) else array


def number(array):
    """Return a scalar array as a float; on a device, as float64 without waiting."""
    return array.astype(np.float64) if on_device(array) else float(array)


def read_only(array):
    """Return a read-only view; CuPy has none, so there it is the array itself."""
    if on_device(array):
        return array
    view = array.view()
    view.flags.writeable = False
    return view


class ReadOnly(Mapping):
    """A mapping that cannot be changed, but copied and pickled."""

    def __init__(self, content):
        self.content = dict(content)

    def __getitem__(self, name):
        return self.content[name]

    def __iter__(self):
        return iter(self.content)

    def __len__(self):
        return len(self.content)


def is_time_to_look(array, step):
    """Whether to read numbers on the host: on a device only every 50th step."""
    return not on_device(array) or step % CHECK_EVERY == 0


def elementwise(inputs, outputs, operation, loop=None):
    """Decorate an in-place function: one compiled kernel or loop replaces it.

    Parameters
    ----------
    inputs, outputs, operation : str
        For arrays on a device, as for ``cupy.ElementwiseKernel``, which compiles the
        kernel. The function's parameters are the inputs, then the outputs.
    loop : callable, optional
        For NumPy's arrays, the same as a loop in Python, which numba compiles where it
        is installed and worth its time (`compiled.Loop`). Its parameters are the
        function's.
    """
    loop = loop and Loop(loop)

    def decorate(function):
        @cache
        def kernel(module):
            return module.ElementwiseKernel(
                inputs, outputs, operation, f"vaelite{function.__name__}"
            )

        @wraps(function)
        def on_either(*arguments):
            if on_device(arguments[0]):
                return kernel(module_of(arguments[0]))(*arguments)
            if loop and loop.is_ready(arguments):
                return loop(*arguments)
            return function(*arguments)

        return on_either

    return decorate
