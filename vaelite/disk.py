"""Arrays that stay on disk."""

import mmap

import numpy as np

from .backend import module_of, on_device

AROUND = 2**21  # bytes around a row that the system may map with it: a large page
LIMIT = 2**26  # bytes that may be mapped at a time


class Untyped:
    """An array-like that has a shape and can be indexed, but tells no dtype: it has that of its first row."""

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, tuple(X.shape), np.asarray(X[:1]).dtype

    def __getitem__(self, rows):
        return np.asarray(self.X[rows])


class Reading:
    """Reads rows of an array and keeps the memory bounded that this takes, if it is a `numpy.memmap`.

    The system counts the pages of a file that were read as the process's memory, and lets them pile up until
    all memory is in use. They are given back here; they can be read again.
    """

    def __init__(self, X):
        can_be_read_again = getattr(X, "mode", None) in ("r", "r+") and hasattr(mmap, "MADV_DONTNEED")
        self.mapped = getattr(X, "_mmap", None) if can_be_read_again else None
        self.X, self.read = X, 0

    def __getitem__(self, rows):
        """The rows of a slice, or those that an array of row numbers names."""
        if on_device(self.X):
            return self.X[rows if isinstance(rows, slice) else module_of(self.X).asarray(rows)]
        if self.mapped is None:
            part = self.X[rows]
            return part if on_device(part) else np.asarray(part)
        if isinstance(rows, slice):
            return self._note(np.asarray(self.X[rows]), AROUND)
        at_once = max(1, LIMIT // AROUND)
        pieces = (rows[start : start + at_once] for start in range(0, len(rows), at_once))
        return np.concatenate([self._note(self.X[piece], len(piece) * AROUND) for piece in pieces])

    def _note(self, part, around):
        self.read += part.nbytes + around
        if self.read > LIMIT:
            self.mapped.madvise(mmap.MADV_DONTNEED)
            self.read = 0
        return part
