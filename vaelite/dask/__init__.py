"""Dask: models on data in blocks, many fits at once, and one fit on rows in shards.

It needs Dask: ``python -m pip install 'vaelite[dask]'``.
"""

import copy
import time
import warnings
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np

try:
    import dask
    import dask.array as da
    from distributed import CancelledError, Client
    from distributed import progress as show_progress
except ImportError as error:
    raise ImportError(
        "vaelite.dask needs Dask with its arrays and its scheduler: python -m pip install "
        "'vaelite[dask]'"
    ) from error

from .. import api
from ..arrays.streams import Stream, generator, sampling_generator, seed_sequence
from ..checks import check_count, check_flag, check_keywords, typed
from ..data.checks import check_array, check_width, column_names
from ..fit.fit import fit as fit_model
from ..fit.plan import CHUNK_ROWS
from ..fit.settings import check_together
from ..fit.types import Seed
from ..inference import importance
from ..inference.estimate import Estimate
from ..inference.pareto import highest_k
from ..models.checks import check_fitted, check_posterior
from ..vae import VAE
from .shards import ShardedRows
from .steps import ShardedPlan

RETRIES = 5  # of what was lost with a worker; pauses of 0, 1, 2, ... seconds
CONDITIONS = "condition", "condition_test"
OF_ESTIMATE = "value", "standard_error", "effective_samples", "pareto_k"


# A fitted model on a dask array, block by block.


def encode(model, X, *, condition=None):
    """Return the parameters of q(z|x) for a dask array, block by block.

    Parameters
    ----------
    model : VAE or Autoencoder
        Fitted. A `MeanField` has no encoder.
    X : dask.array.Array, shape (n, n_features)
        Each block has all columns, or is given them. Ends of blocks move to the next
        multiple of 1,000 rows: there, the model begins a new batch.
    condition : array-like, shape (n, n_conditions) or (n_conditions,), optional
        As for `VAE.encode`; also a dask array.

    Returns
    -------
    mu, logsigma : dask arrays, shape (n, latent_dim)
        Of an `Autoencoder`, one array with the codes. ``dask.compute`` computes them.
    """
    X = _in_batches(model, X)
    K, rows = model.latent_dim, _given(condition, X)
    if not model.has_posterior:
        return _by_blocks(_encode, model, X, (K,), rows)
    found = _by_blocks(_encode, model, X, (2 * K,), rows)
    return found[:, :K], found[:, K:]


def reconstruct(model, X, *, sample=False, rng: Seed = None, condition=None):
    """Encode and decode a dask array, block by block, as ``model.reconstruct`` does.

    Parameters
    ----------
    model, X, condition
        As for `encode`.
    sample, rng
        As for `VAE.reconstruct`: a seed gives the same numbers as there.

    Returns
    -------
    dask array, shape (n, n_features)
    """
    X, noise = _in_batches(model, X), None
    if check_flag("sample", sample):
        check_posterior(model)
        noise = _noise(model, X, sampling_generator(rng, Stream.RECONSTRUCT))
    elif rng is not None:
        raise ValueError("rng is for a code drawn from q(z|x): pass sample=True as well")
    columns = [_given(condition, X)] if noise is None else [_given(condition, X), noise]
    return _by_blocks(_reconstruct, model, X, (model.n_features,), *columns)


def score_samples(model, X, rng: Seed = 0, *, n_samples=None, condition=None):
    """Return the ELBO of each row of a dask array, as ``model.score_samples`` does.

    Parameters
    ----------
    model, X, condition
        As for `encode`; the model has a q(z|x).
    rng, n_samples
        As for `VAE.score_samples`: the same noise for the same row.

    Returns
    -------
    dask array, shape (n,)
        In nats, with all constants.

    Notes
    -----
    Without ``n_samples`` each row has noise of its own. To know where in the stream a
    block begins, this function draws all of it once.
    """
    check_posterior(model)
    X, noise = _in_batches(model, X), sampling_generator(rng, Stream.SCORE)
    if n_samples is None:
        rows = _noise(model, X, noise)
    else:
        rows = [copy.deepcopy(noise) for size in X.chunks[0]]
    return _by_blocks(_score, model, X, (), _given(condition, X), rows, n_samples=n_samples)


def log_evidence(model, X, n_samples=1000, rng: Seed = 0, prior_share=0.1, *, condition=None):
    """Estimate ``log p(x)`` of each row of a dask array by importance sampling.

    Every 1,000 rows are estimated as `vaelite.log_evidence` estimates them, with noise
    of their own address. So the result does not depend on the blocks. Of up to 1,000
    rows it is that of `vaelite.log_evidence`; of more rows it has other noise.

    Parameters
    ----------
    model, X, condition
        As for `encode`; the model has a q(z|x).
    n_samples, rng, prior_share
        As for `vaelite.log_evidence`.

    Returns
    -------
    Estimate
        Of dask arrays, shape (n,): ``dask.compute(found)[0]`` has NumPy arrays, and
        prints as usual.
    """
    check_posterior(model)
    X, seed = _in_batches(model, X), seed_sequence(rng)
    settings = {"n_samples": n_samples, "prior_share": prior_share, "seed": seed}
    first = np.cumsum([0, *X.chunks[0][:-1]]) // CHUNK_ROWS
    columns = _given(condition, X), first.tolist()
    width = (len(OF_ESTIMATE),)
    found = _by_blocks(_evidence, model, X, width, *columns, dtype=np.float64, **settings)
    return Estimate(*(found[:, i] for i in range(*width)), n_samples, highest_k(n_samples))


def _in_batches(model, X):
    """A dask array for a fitted model, whose blocks end where its batches end."""
    check_fitted(model)
    owner = type(model).__name__
    if not model.is_amortized:
        raise ValueError(f"{owner} has no encoder: it infers the codes of all rows together")
    _check_dask_array(X)
    check_width("X", X, model.n_features, owner)
    ends = np.cumsum(X.chunks[0])
    ends = np.unique([*(np.rint(ends / CHUNK_ROWS) * CHUNK_ROWS).astype(int), ends[-1]])
    ends = ends[(ends > 0) & (ends <= X.shape[0])]
    return X.rechunk((tuple(np.diff(ends, prepend=0).tolist()), (X.shape[1],)))


def _check_dask_array(X):
    if not isinstance(X, da.Array):
        raise TypeError(f"X should be a dask array, such as da.from_array(X), got {typed(X)}")
    if X.ndim != 2:
        raise ValueError(f"Expected 2D array, got {X.ndim}D array instead: X is (rows, features)")
    if np.isnan(X.shape).any():
        raise ValueError("the blocks of X have unknown sizes; call X.compute_chunk_sizes() first")


def _given(condition, X):
    """The condition of each block: of all rows, or of its own."""
    sizes = X.chunks[0]
    if np.ndim(condition) < 2:
        return [condition] * len(sizes)
    if condition.shape[0] != X.shape[0]:
        raise ValueError(f"condition has {condition.shape[0]} rows, but X has {X.shape[0]}")
    if isinstance(condition, da.Array):
        blocks = condition.rechunk((sizes, (condition.shape[1],))).to_delayed()
        return blocks.ravel().tolist()
    return np.split(condition, np.cumsum(sizes)[:-1])


def _noise(model, X, noise):
    """The generator of each block, in the state that a call on all rows has there."""
    found = []
    for size in X.chunks[0]:
        found.append(copy.deepcopy(noise))
        for start in range(0, size, CHUNK_ROWS):
            shape = min(CHUNK_ROWS, size - start), model.latent_dim
            noise.standard_normal(shape, dtype=model.solution.dtype)
    return found


def _by_blocks(function, model, X, width, *columns, dtype=None, **settings):
    """``function(model, rows, *values, **settings)`` of all blocks, one dask array."""
    dtype, shared, found = dtype or model.solution.dtype, dask.delayed(model, traverse=False), []
    blocks = X.to_delayed().ravel()
    for size, block, *values in zip(X.chunks[0], blocks, *columns, strict=True):
        part = dask.delayed(function, pure=False)(shared, block, *values, **settings)
        found.append(da.from_delayed(part, (size, *width), dtype))
    return da.concatenate(found)


def _encode(model, rows, condition):
    found = model.encode(rows, condition=condition)
    return np.concatenate(found, axis=1) if model.has_posterior else found


def _reconstruct(model, rows, condition, noise=None):
    sample = {} if noise is None else {"sample": True, "rng": copy.deepcopy(noise)}
    return model.reconstruct(rows, condition=condition, **sample)


def _score(model, rows, condition, noise, n_samples):
    noise = copy.deepcopy(noise)  # a task may run again
    return model.score_samples(rows, noise, n_samples=n_samples, condition=condition)


def _evidence(model, rows, condition, first, n_samples, prior_share, seed):
    found = []
    for piece, start in enumerate(range(0, len(rows), CHUNK_ROWS), first):
        some = slice(start, start + CHUNK_ROWS)
        c = condition if np.ndim(condition) < 2 else condition[some]
        noise = generator(seed, Stream.EVIDENCE, *([piece] if piece else []))
        share = {"prior_share": prior_share, "condition": c}
        estimate = importance.log_evidence(model, rows[some], n_samples, noise, **share)
        found.append(np.stack([getattr(estimate, name) for name in OF_ESTIMATE], axis=1))
    return np.concatenate(found)


# Many fits.


def sweep(
    client: Client | None,
    X,
    grid: Mapping | Iterable[Mapping],
    seeds: Iterable[int] = (0,),
    X_test=None,
    *,
    progress=False,
    models=False,
    **settings,
) -> Any:
    """Fit a VAE for each combination of settings and each seed, on a cluster.

    Each fit is that of ``vaelite.fit(X, X_test, rng=seed, **settings)`` in a process
    with one thread. X is sent to the workers once.

    Parameters
    ----------
    client : distributed.Client or None
        None fits here, one after the other.
    X, X_test : array-like
        As for `fit`; they should fit into the memory of each worker.
    grid : dict of str to list, or list of such dicts
        Values of each setting that varies: all combinations are fitted.
    seeds : iterable of int
    progress : bool
        Show Dask's bar.
    models : bool
        Whether the table has a column with the fitted models.
    **settings
        Of all fits, as for `fit`.

    Returns
    -------
    pandas.DataFrame
        One row per fit, in the order of grid and seeds. Columns: the settings that
        vary; ``seed``; ``training``, ``held-out`` and ``test``, the mean ELBO in nats
        per example; ``n_epochs``, ``best_epoch``, ``converged``, ``stop_reason``,
        ``seconds``; ``warnings``, and the ``error`` of a fit that failed.

    Raises
    ------
    ValueError, TypeError
        For settings that cannot work, before the first fit.
    """
    import pandas as pd

    varied = [
        dict(zip(g, values, strict=True)) for g in _grids(grid) for values in product(*g.values())
    ]
    jobs = [(chosen, seed) for chosen in varied for seed in seeds]
    for chosen, seed in jobs:
        these = {**settings, **chosen, "rng": seed}
        check_keywords("sweep", these, [*VAE.__dataclass_fields__, *CONDITIONS])
        check_together(VAE(**{k: v for k, v in these.items() if k not in CONDITIONS}))
    check_array(X)
    data = X, X_test, settings, check_flag("models", models)
    if client is None:
        return pd.DataFrame([_fit_once(*data, *job) for job in jobs])
    _check_client(client)
    sent = client.scatter([X, X_test], broadcast=True)
    futures = [client.submit(_fit_once, *sent, *data[2:], *job, pure=False) for job in jobs]
    if check_flag("progress", progress):
        show_progress(futures)
    return pd.DataFrame(client.gather(futures))


def _grids(grid):
    """The dicts of a grid; each maps names to several values."""
    grids = [grid] if isinstance(grid, Mapping) else list(grid)
    for part in grids:
        for name, values in part.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise TypeError(f"grid[{name!r}] should be a list of values, got {typed(values)}")
    return grids


def _fit_once(X, X_test, settings, models, chosen, seed):
    """Fit once, and return a row of the table."""
    row, start = {**chosen, "seed": seed}, time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            vae, error = api.fit(X, X_test, **{**settings, **chosen, "rng": seed}), None
        except Exception as failure:  # the other fits go on
            vae, error = getattr(failure, "model", None), f"{type(failure).__name__}: {failure}"
    if vae is not None:
        row |= vae.scores
        if X_test is not None:
            row["test"] = vae.score(X_test)
        names = "n_epochs", "best_epoch", "converged", "stop_reason"
        row |= {name: getattr(vae, name) for name in names}
    row["seconds"] = time.perf_counter() - start
    row |= {"warnings": "; ".join(str(w.message) for w in caught), "error": error}
    return {**row, "model": vae} if models else row


def _check_client(client):
    if not isinstance(client, Client):
        raise TypeError(
            f"client should be a distributed.Client, or None for this process, got {typed(client)}"
        )


# One fit on rows in shards.


def fit(
    client: Client | None,
    X,
    X_test=None,
    *,
    shards: int,
    accumulate: int = 1,
    **settings,
) -> VAE:
    """Fit a VAE to rows that no machine holds alone.

    The rows are divided into shards, which stay on the workers. A step sends the
    parameters to the workers and adds the gradients of the shards in their order. The
    result depends on the number of shards, but not on the workers: it has the same bits
    on any number of them, and in one process. If a worker dies, Dask reads its shards
    again, and what was lost is computed again: the result is the same.

    Parameters
    ----------
    client : distributed.Client or None
        None computes in this process.
    X : dask.array.Array or array-like, shape (n, n_features)
        A dask array is best read by the workers from files. It is read once, and again
        when a worker dies.
    X_test : array-like, shape (m, n_features), optional
        As for `fit`; in the memory of this process.
    shards : int
        How many; at least one for each worker that is to work.
    accumulate : int
        Steps whose gradients are averaged before the parameters change. The workers
        communicate once in so many steps.
    **settings
        As for `fit`, except for conditions. ``batch_size`` is of all shards together,
        and a multiple of ``shards``; by default as for `fit`, rounded up.

    Returns
    -------
    VAE
        Fitted.

    Raises
    ------
    ValueError, TypeError, TrainingError
        As `fit`.

    Notes
    -----
    The same rows are held out as by `fit` with this ``rng``. Their losses are computed
    on the workers. ``scores`` is from at most 10,000 of these rows, in this process.
    """
    for name in CONDITIONS:
        if name in settings:
            raise ValueError(f"{name} is not for rows in shards: leave it out, or use vaelite.fit")
    check_keywords("fit", settings, VAE.__dataclass_fields__)
    model = VAE(**settings)
    if model.backend.name != "numpy":
        raise ValueError(f'workers compute in NumPy only, got backend="{model.backend.name}"')
    if model.warm_start:
        raise ValueError("warm_start is not for rows in shards: leave it out, or use vaelite.fit")
    for name, value in (("shards", shards), ("accumulate", accumulate)):
        check_count(name, value)
    if (model.batch_size or 0) % shards:
        more = -(-model.batch_size // shards) * shards
        raise ValueError(
            f"batch_size={model.batch_size} is not a multiple of shards={shards}, which have equal "
            f"parts of a batch; pass batch_size={more}"
        )
    rows = _sharded(client, X, shards)
    return fit_model(model, rows, X_test, how=Sharded(rows, accumulate))


class Sharded:
    """Another way to train, for `vaelite.fit.fit`: with the gradients of all shards.

    Parameters
    ----------
    rows : ShardedRows
    accumulate : int
    """

    def __init__(self, rows, accumulate):
        self.rows, self.settings = rows, {"shards": len(rows.parts), "accumulate": accumulate}

    def __call__(self, plan, state):
        """Return the sharded plan, and the state."""
        return ShardedPlan.of(plan, self.rows, self.settings["accumulate"]), state


def _sharded(client, X, shards):
    columns = column_names(X)
    if client is not None:
        _check_client(client)
    if not isinstance(X, da.Array):
        X = check_array(X)
    else:
        _check_dask_array(X)
        X = X.compute() if client is None else X
    return ShardedRows(X, shards, None if client is None else Cluster(client), columns)


class Cluster:
    """Computes on the workers of a cluster: the counterpart of `Here`.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client):
        self.client = client

    def split(self, X, bounds):
        """Return a future of each shard's rows. Dask computes lost ones again."""
        X = X if isinstance(X, da.Array) else da.from_array(X, chunks=X.shape)
        X = X.rechunk((tuple(np.diff(bounds).tolist()), (X.shape[1],)))
        blocks = [dask.delayed(np.asarray)(block) for block in X.to_delayed().ravel()]
        return self.client.compute(blocks)

    def keep(self, function, *columns):
        """Return a future of ``function(*values)`` for each shard."""
        rows = zip(*columns, strict=True)
        return [self.client.submit(function, *values, pure=False) for values in rows]

    def call(self, function, *columns, shared=(), **same):
        """Return the results of a function for each shard, as `Here.call` does."""
        rows = list(zip(*columns, strict=True))
        for pause in range(RETRIES):
            try:
                return self._call(function, rows, shared, same)
            except (CancelledError, OSError):  # what was sent is lost with its worker
                time.sleep(pause)
        return self._call(function, rows, shared, same)

    def _call(self, function, rows, shared, same):
        # As tasks, not by scatter: Dask computes a task again if its worker dies.
        sent = [self.client.submit(_same, value, pure=False) for value in shared]
        futures = [
            self.client.submit(function, *values, *sent, pure=False, **same) for values in rows
        ]
        return self.client.gather(futures)


def _same(value):
    return value
