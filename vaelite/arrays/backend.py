"""NumPy, or CuPy on a GPU: the same source lines on either.

CuPy is imported only when a backend needs it.
"""

import importlib
import math

import numpy as np

from .cupy_autograd import teach_autograd
from .dispatch import register

BACKENDS = "numpy", "cupy", "auto"
SHARE = 0.5  # of the device's free memory that data may take


class Backend:
    """Where arrays are stored and what computes: the computer's memory, and NumPy."""

    name = "numpy"

    def to_device(self, array):
        """Return a NumPy array where this backend computes."""
        return array

    def to_host(self, array):
        """Return an array of this backend as a NumPy array."""
        return array

    def hold(self, X):
        """Return a data set where reading is fastest: on the device if it fits."""
        return X


class Device(Backend):
    """A GPU, by CuPy."""

    name = "cupy"

    def __init__(self, module, special):
        self.module = module
        if register(module, special):
            teach_autograd(module)

    def __reduce__(self):
        return get_backend, (self.name,)  # modules cannot be pickled

    def to_device(self, array):
        return self.module.asarray(array)  # CuPy's pool of pinned memory: no waiting

    def to_host(self, array):
        return self.module.asnumpy(array)

    def hold(self, X):
        pool = self.module.get_default_memory_pool()
        free = self.module.cuda.runtime.memGetInfo()[0] + pool.free_bytes()
        fits = math.prod(X.shape) * X.dtype.itemsize < SHARE * free
        # Other dtypes become floats batch by batch.
        known = X.dtype.isnative and X.dtype.char in "?bhilqBHILQefd"
        return self.to_device(np.asarray(X[:])) if fits and known else X


def get_backend(name):
    """Return the backend that a ``backend`` argument stands for.

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
            return get_backend("cupy")
        except (ImportError, RuntimeError):
            return Backend()
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError:  # other import errors explain themselves
        raise ImportError(
            'backend="cupy" needs CuPy and an NVIDIA GPU: python -m pip install '
            '"vaelite[gpu-cuda12]" or "vaelite[gpu-cuda13]", by the CUDA version that '
            "nvidia-smi prints"
        ) from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # CuPy's error class cannot be named without importing CuPy
        raise RuntimeError(f'backend="cupy" finds no GPU: {error}') from error
    if count == 0:
        raise RuntimeError('backend="cupy" finds no GPU')
    try:
        float(cupy.ones(2).sum() + 1)  # runs a kernel: a driver alone is not enough
    except Exception as error:
        raise RuntimeError(
            f'backend="cupy" finds a GPU, but cannot compile for it ({error}); CuPy also needs the '
            "CUDA toolkit"
        ) from error
    return Device(cupy, importlib.import_module("cupyx.scipy.special"))


def keep_freed_memory():
    """Let the process keep the memory of freed temporaries.

    Training allocates and frees the same few megabytes in every step. glibc returns
    such blocks to the system at once, and every step pays for fresh pages, until it has
    seen one larger block freed.
    """
    np.empty(31 * 2**20, np.uint8)  # freed at once; its pages are never touched
