"""Loops over arrays that numba compiles, where it is installed: the extra "fast"."""

import importlib.util
from functools import cache, cached_property

import numpy as np

FLOATS = {np.dtype("float32"), np.dtype("float64")}
WORTH = 10**9  # elements: NumPy takes about as long for them as numba to start


@cache
def has_numba():
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


class Loop:
    """A loop over arrays of one dtype, which runs only when numba has compiled it.

    Importing numba and compiling would cost a short fit more than they save. So the
    loop is ready only after `WORTH` elements in this process; until then NumPy
    computes. The loop should round as NumPy does, in the same order: then the change
    does not show.

    Parameters
    ----------
    function : callable
        Its parameters are numbers and one-dimensional arrays, an array as the last. It
        returns nothing.
    """

    def __init__(self, function):
        self.function, self.elements = function, 0

    def is_ready(self, arguments):
        """Count the elements of a call; return whether the loop should compute it."""
        self.elements += arguments[-1].size
        if self.elements <= WORTH or not has_numba():
            return False
        dtypes = {argument.dtype for argument in arguments if isinstance(argument, np.ndarray)}
        return len(dtypes) == 1 and dtypes <= FLOATS

    @cached_property
    def compiled(self):
        """The compiled loop, from numba's cache if it is there."""
        import numba

        # Without error_model="numpy", a check for division by 0 would keep it from
        # being vectorized. With fastmath it would round otherwise than NumPy.
        return numba.njit(error_model="numpy", nogil=True, cache=True)(self.function)

    def __call__(self, *arguments):
        """Compute, with each number in the dtype of the arrays."""
        (dtype,) = {argument.dtype for argument in arguments if isinstance(argument, np.ndarray)}
        self.compiled(*(a if isinstance(a, np.ndarray) else dtype.type(a) for a in arguments))
