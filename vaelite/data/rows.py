"""Rows of array-likes: read from disk with little memory, or chosen without a copy."""

import contextlib
import mmap

import numpy as np

from ..arrays.dispatch import module_of, on_device

AROUND = 2**21  # bytes around a row that the system may map with it: a large page
LIMIT = 2**26  # bytes that may be mapped at a time


class WithDtype:
    """An array-like with a shape and an index but no dtype: it gets its first row's."""

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, tuple(X.shape), np.asarray(X[:1]).dtype

    def __getitem__(self, rows):
        return np.asarray(self.X[rows])


class RowReader:
    """Reads rows of an array-like, with bounded memory if it is a `numpy.memmap`.

    The system counts the pages of a file that were read as the process's memory, and
    keeps them until all memory is in use. They are released here; they can be read
    again. Pages that were changed in memory only (mode "c") stay.
    """

    def __init__(self, X):
        modes = {"r": _release, "r+": _release, "w+": _release, "c": _release_unchanged}
        self.release = modes.get(getattr(X, "mode", None))
        can_be_released = self.release is not None and hasattr(mmap, "MADV_DONTNEED")
        self.mapped = getattr(X, "_mmap", None) if can_be_released else None
        self.X, self.read, self.before = X, 0, _resident() if self.mapped else 0

    def __getitem__(self, rows):
        """Return the rows of a slice, or those in an array of row numbers."""
        if on_device(self.X):
            return self.X[rows if isinstance(rows, slice) else module_of(self.X).asarray(rows)]
        if self.mapped is None:
            part = self.X[rows]
            return part if on_device(part) else np.asarray(part)
        if isinstance(rows, slice):
            return self._count(np.asarray(self.X[rows]), AROUND)
        at_once = max(1, LIMIT // AROUND)
        pieces = (rows[start : start + at_once] for start in range(0, len(rows), at_once))
        return np.concatenate([self._count(self.X[rows], len(rows) * AROUND) for rows in pieces])

    def _count(self, part, around):
        self.read += part.nbytes + around
        if self.read > LIMIT and (self.release is _release or _resident() - self.before > LIMIT):
            self.release(self.mapped)
            self.read = 0
        return part


def _resident():
    """Bytes of files in this process's memory, where Linux counts them."""
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        return int(file.read().split()[2]) * mmap.PAGESIZE
    return 0


def _release(mapped):
    mapped.madvise(mmap.MADV_DONTNEED)


def _release_unchanged(mapped):
    """Release the pages that are still those of the file; Linux knows which."""
    pages, size = -(-len(mapped) // mmap.PAGESIZE), mmap.PAGESIZE
    with contextlib.suppress(OSError), open("/proc/self/pagemap", "rb", buffering=0) as file:
        file.seek(np.frombuffer(mapped, np.uint8).ctypes.data // size * 8)
        flags = np.frombuffer(file.read(8 * pages), np.uint64)
        of_file, in_swap, in_memory = (
            flags >> bit & 1 == 1 for bit in map(np.uint64, (61, 62, 63))
        )
        can_be_read_again = in_memory & of_file & ~in_swap
        edges = np.flatnonzero(np.diff(can_be_read_again, prepend=False, append=False))
        for start, stop in edges.reshape(-1, 2).tolist():
            mapped.madvise(mmap.MADV_DONTNEED, start * size, (stop - start) * size)


class RowSubset:
    """Some rows of an array-like, by their numbers, without a copy of them."""

    def __init__(self, X, rows):
        self.reader, self.rows = RowReader(X), rows
        self.shape, self.dtype = (len(rows), *X.shape[1:]), X.dtype

    def __getitem__(self, index):
        return self.reader[self.rows[index]]


def row_numbers(X):
    """Return which rows of the original array X has: of a `RowSubset`, or all."""
    if isinstance(X, RowSubset):
        return row_numbers(X.reader.X)[X.rows]
    return np.arange(X.shape[0])
