"""Checks of data before anything is computed, with messages that say what to do."""

from dataclasses import dataclass

import numpy as np

from ..checks import NO_LABELS, typed, warn
from .rows import RowReader, WithDtype

ROUNDING = 1e-6  # a number that far outside [0, 1] is at its edge
CHUNK_BYTES = 2**24  # of data that are read together
ARRAYS = {  # how to make an array of what is not one
    type(None): "is a return missing where it comes from?",
    str: "read the file first: np.load(path)",
    bytes: "pass np.frombuffer(X, np.uint8), reshaped",
    dict: "pass one of its values",
}
SPREAD_ROWS, MOST_LABELS = 1000, 64  # to look for a column of labels among gray levels
_warned = []  # what was said once in this process
LARGE = 30  # data with values that far from 0 are not standardized


@dataclass(frozen=True)
class Summary:
    """What a likelihood needs to know about data before it accepts them.

    Attributes
    ----------
    low, high : array, shape (n_features,)
        The smallest and the largest value of each column.
    whole : bool
        Whether all values are whole numbers.
    """

    low: np.ndarray
    high: np.ndarray
    whole: bool

    @property
    def largest(self):
        """The largest distance of a value from 0."""
        return max(-self.low.min(), self.high.max())


def check_array(X, name="X", any_shape=False):
    """Return an array-like of real numbers, with rows and columns; not a copy."""
    _check_type(X, name)
    is_list = isinstance(X, (list, tuple))
    has_index, is_frame = hasattr(X, "shape") and hasattr(X, "__getitem__"), hasattr(X, "iloc")
    if has_index and not hasattr(X, "dtype") and not is_frame:
        X = WithDtype(X)
    elif not (has_index and hasattr(X, "dtype")) or is_frame:
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise ValueError(
                f"{name} cannot be made an array; do all its rows have one length? ({error})"
            ) from None
    _check_kind(X, name)
    if not any_shape:
        _check_shape(X.shape, name, f"np.stack({name})" if is_list else name)
    return X


def _check_type(X, name):
    if isinstance(X, tuple) and len(X) == 2 and np.ndim(X[0]) == 2 and np.ndim(X[1]) == 1:
        raise TypeError(f"{name} is a pair, perhaps (X, y); pass the first part: {name}[0]")
    if X is None or isinstance(X, (str, bytes, dict, set)) or hasattr(X, "__next__"):
        raise TypeError(
            f"{name} should be an array of numbers, shape (examples, features), got "
            f"{typed(X)}; {ARRAYS.get(type(X), f'pass np.stack(list({name}))')}"
        )
    if hasattr(X, "toarray"):
        raise TypeError(
            f"{name} is a sparse matrix; vaelite works on dense arrays: pass {name}.toarray()"
        )
    if hasattr(X, "get") and hasattr(X, "device") and not hasattr(X, "iloc"):
        raise TypeError(f"{name} is a {type(X).__module__} array on a device; pass {name}.get()")
    if type(X).__module__.partition(".")[0] == "torch":
        raise TypeError(
            f"{name} is a PyTorch tensor; pass {name}.numpy(), or {name}.detach().cpu().numpy()"
        )
    if type(X).__module__.partition(".")[0] in ("dask", "dask_expr"):
        raise TypeError(
            f"{name} is a dask collection, whose graph would run again for every batch; pass "
            f"{name}.compute() if it fits in memory. If not, train with vaelite.dask.fit(client, "
            f"{name}, shards=4), and encode with vaelite.dask.encode(model, {name})"
        )
    if isinstance(X, np.ma.MaskedArray):
        raise ValueError(
            f"{name} is a masked array, and masked values cannot be left out; fill them: "
            f"{name}.filled(0)"
        )


def _check_kind(X, name):
    if X.dtype == object:
        raise TypeError(
            f"{name} has dtype object; pass numbers: np.asarray({name}, dtype=np.float32)"
        )
    if X.dtype.kind not in "fiub":
        what = "complex numbers" if X.dtype.kind == "c" else f"dtype {X.dtype}"
        raise ValueError(
            f"{name} has {what}; vaelite works on real numbers: floats, integers or booleans"
        )


def _check_shape(shape, name, array):
    if len(shape) == 0:
        raise ValueError(
            f"Expected 2D array, got scalar array instead: {name} should be (examples, features)"
        )
    if len(shape) == 1:
        raise ValueError(
            f"Expected 2D array, got 1D array instead: reshape {name} with {name}.reshape(-1, 1) "
            f"if it is one feature of many examples, or {name}.reshape(1, -1) if it is one example "
            f"(X[:1] keeps the axis of rows, X[0] does not)"
        )
    if len(shape) > 2:
        raise ValueError(
            f"Expected 2D array, got {len(shape)}D array of shape {shape} instead: flatten each "
            f"example first, {array}.reshape(len({name}), -1)"
        )
    if 0 in shape:
        what = "sample(s)" if shape[0] == 0 else "feature(s)"
        raise ValueError(
            f"Found array with 0 {what} (shape={shape}) while a minimum of 1 is required"
        )


def check_test(X, X_test):
    """Refuse labels or a setting in the place of the test rows."""
    if X_test is None or np.ndim(X_test) > 1:
        return
    if np.shape(X_test)[:1] == np.shape(X)[:1]:
        raise ValueError(f"X_test has shape {np.shape(X_test)}, as labels of X have; {NO_LABELS}")
    if np.ndim(X_test) == 0:
        raise TypeError(
            f"X_test should be rows like those of X, got {typed(X_test)}; pass settings by name, "
            "such as latent_dim=2"
        )


def check_labels(y, X, condition):
    """Refuse test rows in the place of labels; warn once of labels that are ignored."""
    if y is None:
        return
    if np.ndim(y) > 1 and np.shape(y)[1:] == np.shape(X)[1:]:
        raise TypeError("the second argument of fit is y, which it ignores; pass X_test=")
    y = np.asarray(y)
    are_labels = y.shape == np.shape(X)[:1] and y.dtype.kind in "iubUSO"
    if not are_labels or condition is not None or _warned:
        return
    if 2 <= len(set(y.tolist())) <= MOST_LABELS:
        _warned.append("labels")
        warn(
            "fit takes no labels: y is ignored. For a model of each class, pass "
            "condition=np.eye(n_classes)[y]"
        )


def check_width(name, X, expected, owner):
    """Refuse another number of columns than the networks were built for."""
    if X.shape[1] != expected:
        raise ValueError(
            f"{name} has {X.shape[1]} features, but {owner} is expecting {expected} features "
            "as input"
        )


def column_names(X):
    """Return the names of a table's columns, a tuple of str, or None without names."""
    columns = getattr(X, "columns", None)
    names = () if columns is None or callable(columns) else tuple(columns)
    return names if names and all(isinstance(name, str) for name in names) else None


def check_names(name, found, expected, owner):
    """Refuse a table whose columns are not those of the fit, in the same order.

    Parameters
    ----------
    name : str
        What error messages call the table.
    found, expected : tuple of str, or None
        Of the table, and of the fit. None, as for an array, is not compared.
    owner : str
        What error messages call the model.
    """
    for i, (here, there) in enumerate(zip(found or (), expected or (), strict=False)):
        if here != there:
            raise ValueError(
                f"column {i} of {name} is {here!r}, but {owner} was fitted with {there!r} there; "
                f"pass the columns of the fit, in their order: {name}[list(model.feature_names)]"
            )


def summarize(X, dtype, name="X", grey_levels=True):
    """Read all values, in chunks, and refuse those that are not finite in ``dtype``.

    Of uint8 gray levels the largest is checked. They are read as numbers in [0, 1],
    until all columns vary: then the rest cannot matter.

    Returns
    -------
    Summary
    """
    if X.dtype == np.uint8 and grey_levels:
        check_grey_levels(X, name)
        return _summary_of_grey_levels(X)
    if hasattr(X, "by_shard"):
        parts = X.by_shard(_summary, X.bounds[:-1], dtype=dtype, name=name)
        low, high = ([getattr(part, which) for part in parts] for which in ("low", "high"))
        is_whole = all(part.whole for part in parts)
        return Summary(np.min(low, axis=0), np.max(high, axis=0), is_whole)
    return _summary(X, 0, dtype, name)


def _summary(X, first, dtype, name):
    """The summary of numbers; the first row has the number ``first`` in messages."""
    low, high, whole = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf), True
    for start, chunk in _chunks(X):
        _check_finite(chunk, first + start, dtype, name)
        low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        whole = whole and (chunk.dtype.kind != "f" or bool(np.all(chunk == np.rint(chunk))))
    return Summary(low, high, whole)


def _summary_of_grey_levels(X):
    low, high = np.full(X.shape[1], 255, np.uint8), np.zeros(X.shape[1], np.uint8)
    for _, chunk in _chunks(X):
        low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        if (low < high).all():
            break
    return Summary(low / 255, high / 255, False)


def _check_finite(chunk, start, dtype, name):
    if chunk.dtype.kind != "f":
        return
    bad = ~(np.abs(chunk) <= np.finfo(dtype).max)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        value = chunk[row, column]
        what = "NaN" if np.isnan(value) else f"infinity or a value too large for dtype('{dtype}')"
        raise ValueError(
            f"Input {name} contains {what}: {value} in row {start + row}, column {column}"
        )


def check_grey_levels(X, name="X"):
    """Warn of uint8 data that seem to have another scale than 0 to 255.

    Everything that divides uint8 by 255 comes here: see "uint8 on another scale" in the
    guide.
    """
    if getattr(X, "dtype", None) != np.uint8:
        return
    high = 0
    for _, chunk in _chunks(X):
        high = max(high, int(chunk.max()))
        if high > 16:
            return
    read_as = (
        f"{name} has dtype uint8, which is read as gray levels from 0 to 255, but its largest "
        f"value is {high}"
    )
    if high == 1:
        raise ValueError(
            f"{read_as}; if these are numbers in [0, 1] already, pass {name}.astype(np.float32), "
            f"and if they are very dark gray levels, {name} / np.float32(255)"
        )
    if high > 1:
        warn(f"{read_as}; for another scale pass floats, for example {name} / np.float32({high})")


def check_no_labels(X, name="X"):
    """Refuse gray levels with one column that has labels: 0, 1, ... , all frequent.

    Rows that are evenly spread are looked at, because files may be sorted by label.
    """
    if X.dtype != np.uint8 or X.shape[1] < 2:
        return
    n = min(X.shape[0], SPREAD_ROWS)
    found = RowReader(X)[np.arange(n) * X.shape[0] // n]
    high, low = found.max(axis=0), found.min(axis=0)
    few = np.flatnonzero((low < high) & (low <= 1) & (high <= MOST_LABELS))
    counts = {column: np.bincount(found[:, column])[low[column] :] for column in few}
    varying = [column for column in few if counts[column].max() < 0.9 * n]  # no edge of images
    columns = [column for column in varying if _are_even(counts[column])]
    if len(columns) == len(varying) == 1 and np.delete(high, columns).max() > 2 * MOST_LABELS:
        raise ValueError(
            f"column {columns[0]} of {name} has only the values {low[columns[0]]} to "
            f"{high[columns[0]]}, all of them often, among gray levels up to {high.max()}; if it "
            f"contains labels, remove it: np.delete({name}, {columns[0]}, axis=1); if these are "
            f"gray levels, pass {name} / np.float32(255)"
        )


def _are_even(counts):
    """Whether each number has half of an even share of the rows, or more."""
    n = counts.sum()
    return n >= 5 * len(counts) and 2 * counts.min() * len(counts) >= n


def _chunks(X):
    """Yield pairs (first row, rows) of a bounded size."""
    rows = max(1, CHUNK_BYTES // (X.shape[1] * X.dtype.itemsize))
    reader = RowReader(X)
    for start in range(0, X.shape[0], rows):
        yield start, reader[start : start + rows]
