"""Rows in shards: parts of equal size that lie in this process or in others.

Nobody has all rows. What has to be computed from many of them is computed where they
are, and returns in the order of the shards: so the result does not depend on the place.
"""

from itertools import pairwise

import numpy as np

from ..checks import check_count


class Here:
    """Computes in this process. `vaelite.dask.Cluster` does the same on a cluster."""

    def split(self, X, bounds):
        """Return the part of X of each shard.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        bounds : list of int
            Where each shard starts, and n.
        """
        return [X[start:stop] for start, stop in pairwise(bounds)]

    def keep(self, function, *columns):
        """Return ``function(*values)`` for each shard; elsewhere, the results stay."""
        return self.call(function, *columns)

    def call(self, function, *columns, shared=(), **same):
        """Return the results of a function for each shard, in the order of the shards.

        Parameters
        ----------
        function : callable
            ``function(*values, *shared, **same)``.
        *columns : list
            One value for each shard.
        shared : tuple
            Large values that are the same for all shards.
        **same
            Small ones.
        """
        return [function(*values, *shared, **same) for values in zip(*columns, strict=True)]


class ShardedRows:
    """Rows in shards, as an array-like.

    An index reads rows into this process.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Anything that the engine can split.
    n_shards : int
    engine : Here or another with its methods
    columns : tuple of str, optional
        Their names.

    Attributes
    ----------
    bounds : list of int
        The row that each shard starts with, and n.
    """

    def __init__(self, X, n_shards, engine=None, columns=None):
        self.shape, self.dtype, self.ndim = tuple(X.shape), X.dtype, len(X.shape)
        self.engine, self.columns = engine or Here(), columns
        n = self.shape[0]
        if check_count("shards", n_shards) > n:
            raise ValueError(f"shards={n_shards} is above the number of rows, {n}")
        self.bounds = [n * s // n_shards for s in range(n_shards + 1)]
        self.parts = self.engine.split(X, self.bounds)

    def by_shard(self, function, *columns, shared=(), **same):
        """Call ``function(rows, ...)`` where each shard is; see `Here.call`."""
        return self.engine.call(function, self.parts, *columns, shared=shared, **same)

    def __getitem__(self, rows):
        numbers = np.arange(self.shape[0])[rows] if isinstance(rows, slice) else np.asarray(rows)
        shard_of = np.searchsorted(self.bounds, numbers, side="right") - 1
        found = np.empty((len(numbers), self.shape[1]), self.dtype)
        shards = np.unique(shard_of)
        wanted = [numbers[shard_of == s] - self.bounds[s] for s in shards]
        parts = self.engine.call(_take, [self.parts[s] for s in shards], wanted)
        for s, part in zip(shards, parts, strict=True):
            found[shard_of == s] = part
        return found


def _take(rows, numbers):
    return np.asarray(rows[numbers])
