"""The threads of the matrix library: one for small products.

OpenBLAS divides a product among all cores, and its threads wait for each other busily.
On a busy machine a fit then takes 10 to 30 times as long. Small products gain little
from a second thread, so they get one. The rule depends on sizes only, not on measured
times: the same fit has the same bits, whatever else the machine does.
"""

import contextlib
import ctypes
import threading
from functools import cache
from pathlib import Path

import numpy as np

LARGE = 2**24  # multiplications in a product, from which on a second thread pays
NAMES = (
    "scipy_openblas_{}_num_threads64_",
    "scipy_openblas_{}_num_threads",
    "openblas_{}_num_threads",
)

_lock, _users = threading.Lock(), []  # of one thread; the first keeps the number before


@cache
def openblas():
    """Return OpenBLAS's functions to get and to set its threads, or None.

    It is the library that NumPy's wheels bring. Other builds of NumPy have another
    place or another library: there, nothing is changed.
    """
    folder = Path(np.__file__).parent
    for path in (*folder.parent.glob("numpy.libs/*openblas*"), *folder.glob(".dylibs/*openblas*")):
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(str(path))
            for name in NAMES:
                if hasattr(library, name.format("set")):
                    return tuple(getattr(library, name.format(verb)) for verb in ("get", "set"))
    return None


def largest_product(params, rows):
    """Return the multiplications of the largest product of a step, with these rows."""
    return max((rows * array.size for array in params.values() if array.ndim > 1), default=0)


@contextlib.contextmanager
def threads_for(multiplications):
    """Compute small products with one thread; afterwards the number is as before.

    Parameters
    ----------
    multiplications : int
        Of the largest product.
    """
    if multiplications >= LARGE or openblas() is None:
        yield
        return
    get, set_ = openblas()
    with _lock:
        _users.append(_users[0] if _users else get())
        set_(1)
    try:
        yield
    finally:
        with _lock:
            before = _users.pop()
            if not _users:
                set_(before)
