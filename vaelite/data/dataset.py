"""Data sets: every array is checked once here, and becomes batches of floats."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..arrays.backend import Backend
from ..arrays.dispatch import to_host
from ..checks import check_number, warn
from .batches import read_batch, row_batches
from .checks import (
    LARGE,
    check_array,
    check_names,
    check_no_labels,
    check_width,
    column_names,
    summarize,
)
from .rows import RowReader, RowSubset


class Batch(NamedTuple):
    """Some rows of a data set, where the backend computes.

    Attributes
    ----------
    x : array, shape (batch, n_features)
    eps : array, shape (batch, latent_dim) or (samples, batch, latent_dim), or None
        Standard normal noise.
    rows : slice or array of int
        Which rows of the data set these are.
    condition : array, shape (batch, n_conditions), or None
    """

    x: Any
    eps: Any
    rows: Any
    condition: Any = None

    def on_host(self):
        """Return the batch as NumPy arrays."""
        x, eps, condition = map(to_host, (self.x, self.eps, self.condition))
        return self._replace(x=x, eps=eps, condition=condition)


@dataclass(frozen=True)
class Dataset:
    """Checked data, and how to read them.

    Attributes
    ----------
    X : array-like, shape (n, n_features)
    dtype : dtype
        Of the batches.
    grey_levels : bool
        Whether uint8 data are gray levels, to be read as numbers in [0, 1].
    backend : Backend
        Where the batches go.
    condition : array-like, shape (n, n_conditions), or None
        What is known of each row, for conditional models.
    feature_names : tuple of str or None
        The names of the columns, if X is a table that has them, such as a DataFrame.
    likelihood : Likelihood or None
        That of the data.
    """

    X: Any
    dtype: np.dtype
    grey_levels: bool
    backend: Backend
    condition: Any = None
    feature_names: tuple | None = None
    likelihood: Any = None

    @classmethod
    def checked(
        cls,
        X,
        likelihood,
        backend,
        dtype=None,
        *,
        name="X",
        n_features=None,
        feature_names=None,
        fitting=False,
        owner="the model",
    ):
        """Return the data set of an array-like that a likelihood accepts.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        likelihood : Likelihood
        backend : Backend
        dtype : dtype, optional
            None is float64 for float64 data, and float32 for all others.
        name : str
            What error messages call X.
        n_features : int, optional
            How many columns the model has; None accepts any number.
        feature_names : tuple of str, optional
            The names of the model's columns, if it was fitted on a table.
        fitting : bool
            Whether to warn of data that can be fitted, but not well.
        owner : str
            What error messages call the model.

        Raises
        ------
        ValueError, TypeError
            The message says what was expected, what was passed, and what to do.
        """
        names, X = column_names(X), check_array(X, name)
        if n_features is not None:
            check_width(name, X, n_features, owner)
        check_names(name, names, feature_names, owner)
        if dtype is None:
            is_double = X.dtype.kind == "f" and X.dtype.itemsize >= 8
            dtype = np.dtype(np.float64 if is_double else np.float32)
        summary = summarize(X, dtype, name, likelihood.grey_levels)
        likelihood = likelihood.for_data(summary) if fitting else likelihood
        likelihood.check(summary)
        if fitting:
            if likelihood.grey_levels:
                check_no_labels(X, name)
            likelihood.advise(summary)
        return cls(X, dtype, likelihood.grey_levels, backend, None, names, likelihood)

    def __len__(self):
        return self.X.shape[0]

    @property
    def n_features(self):
        """The number of columns of X."""
        return self.X.shape[1]

    @property
    def n_conditions(self):
        """The number of columns of the condition; 0 without one."""
        return 0 if self.condition is None else self.condition.shape[1]

    def given(self, condition, n_conditions=None, *, name="condition"):
        """Return the same data with a condition for each row.

        Parameters
        ----------
        condition : array-like, shape (n, n_conditions) or (n_conditions,), or None
            A single row is the condition of all rows.
        n_conditions : int, optional
            How many columns the model was fitted with; None accepts any number.
        """
        condition = check_condition(condition, len(self), self.dtype, n_conditions, name=name)
        return replace(self, condition=condition)

    def held(self):
        """Return the same data where the backend reads them fastest."""
        return replace(self, X=self.backend.hold(self.X))

    def split(self, fraction, rng):
        """Hold out a part of the rows at random, without a copy.

        Parameters
        ----------
        fraction : float
            The part to hold out, between 0 and 1.
        rng : numpy.random.Generator

        Returns
        -------
        train, held_out : Dataset

        Raises
        ------
        ValueError
            If fewer than 2 rows would be held out, or none would be left.
        """
        n = len(self)
        held_out = round(n * check_number("validation_fraction", fraction, 0, 1))
        if held_out < 2 or held_out >= n:
            raise ValueError(
                f"{n} rows are too few to hold out a fraction of {fraction:g} (at least 2 rows, "
                "and 1 to train on); pass more rows, another validation_fraction, or "
                'stopping="epochs", which holds out none'
            )
        order = rng.permutation(n)
        return self.take(np.sort(order[held_out:])), self.take(np.sort(order[:held_out]))

    def spread(self, n):
        """Return at most n of the rows, evenly spaced, without a copy."""
        if n >= len(self):
            return self
        return self.take(np.arange(n) * len(self) // n)

    def take(self, rows):
        """Return some of the rows, by an array of their numbers, without a copy."""
        condition = None if self.condition is None else RowSubset(self.condition, rows)
        return replace(self, X=RowSubset(self.X, rows), condition=condition)

    def batches(self, batch_size, order=None):
        """Yield each `Batch`, without noise, in the order of the rows or in another."""
        reader, to_device = RowReader(self.X), self.backend.to_device
        conditions = None if self.condition is None else RowReader(self.condition)
        for rows in row_batches(len(self), batch_size, order):
            x = to_device(read_batch(reader, rows, self.dtype, self.grey_levels))
            condition = None
            if conditions is not None:
                condition = to_device(read_batch(conditions, rows, self.dtype, False))
            yield Batch(x, None, rows, condition)

    def noisy(self, batch_size, latent_dim, noise, *, order=None, samples=1):
        """Yield each `Batch` with its noise.

        Parameters
        ----------
        batch_size, latent_dim : int
        noise : callable
            ``noise(b)`` is the Generator of batch b's noise.
        order : array of int, optional
            The rows in another order.
        samples : int
            Samples of z per row.
        """
        lead = (samples,) if samples > 1 else ()
        for b, batch in enumerate(self.batches(batch_size, order)):
            shape = (*lead, len(batch.x), latent_dim)
            eps = noise(b).standard_normal(shape, dtype=self.dtype)
            yield batch._replace(eps=self.backend.to_device(eps))


def check_condition(condition, n, dtype, n_conditions=None, *, name="condition"):
    """Return the condition of n rows, array-like of shape (n, n_conditions), or None.

    Raises
    ------
    ValueError
        For a shape that does not fit, and where a condition is missing or not expected.
    """
    if condition is None:
        if n_conditions:
            raise ValueError(
                f"the model was fitted with a condition of {n_conditions} columns: pass "
                f"{name}=, of shape (n, {n_conditions})"
            )
        return None
    if n_conditions == 0:
        raise ValueError(f"the model was fitted without a condition: leave out {name}=")
    if _is_one_row(condition, n, n_conditions):
        condition = np.broadcast_to(np.asarray(condition), (n, n_conditions))
    if np.ndim(condition) < 2:
        raise ValueError(
            f"{name} should have one row per example, shape ({n}, columns), got shape "
            f"{np.shape(condition)}; for class labels y pass np.eye(n_classes)[y]"
        )
    condition = check_array(condition, name) if n else np.asarray(condition)
    if condition.shape[0] != n:
        raise ValueError(f"{name} has {condition.shape[0]} rows, but there are {n} examples")
    if n_conditions is not None:
        check_width(name, condition, n_conditions, "the model")
    if n:
        summary = summarize(condition, dtype, name, grey_levels=False)
        if n_conditions is None:
            _warn_of_scale(summary, name)
    return condition


def _warn_of_scale(summary, name):
    """Warn of conditions to fit that are far from 1."""
    if summary.largest > LARGE:
        warn(
            f"{name} has values up to {summary.largest:g} from 0; networks learn well from "
            "values near 1: rescale it (uint8 conditions are numbers, not grey levels)"
        )


def _is_one_row(condition, n, n_conditions):
    """Whether a condition is one row for all examples, not a label per example."""
    if np.shape(condition) != (n_conditions,):
        return False
    values = np.asarray(condition)
    are_labels = values.dtype.kind in "iu" and n == n_conditions > 1 and values.max() > 1
    return not are_labels
