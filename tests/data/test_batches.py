"""Minibatches of arrays in memory and on disk."""

import numpy as np
import pytest

import vaelite
from vaelite.data.rows import RowSubset


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_minibatches_cover_every_row_once(dtype, rng):
    X = rng.random((10, 3))
    batches = list(vaelite.minibatches(X, 4, dtype, shuffle=True, rng=0))
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert {batch.dtype for batch in batches} == {np.dtype(dtype)}
    rows = np.concatenate(batches)
    assert not np.array_equal(rows, X.astype(dtype))
    assert np.array_equal(np.sort(rows, axis=0), np.sort(X.astype(dtype), axis=0))
    in_order = np.concatenate(list(vaelite.minibatches(X, 4, np.dtype(dtype))))
    assert np.array_equal(in_order, X.astype(dtype))


def test_uint8_becomes_numbers_from_0_to_1_batch_by_batch(tmp_path):
    X = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(6, 2))
    X[:] = [[0, 255]]
    for batch in vaelite.minibatches(X, 4, np.dtype(np.float32)):
        assert type(batch) is np.ndarray
        assert batch.dtype == np.float32
        assert np.array_equal(batch, np.tile([0.0, 1.0], (len(batch), 1)))


def test_the_dtype_may_be_given_as_a_type():
    grey = np.array([[0, 255]], np.uint8)
    for batch in (*vaelite.minibatches(grey, 1), *vaelite.minibatches(grey, 1, np.float64)):
        np.testing.assert_array_equal(batch, [[0, 1]])
    assert batch.dtype == np.float64


def test_rows_are_views_of_rows():
    rows = RowSubset(np.arange(10).reshape(5, 2), np.array([4, 0, 2]))
    assert rows.shape == (3, 2)
    assert np.array_equal(rows[1:], [[0, 1], [4, 5]])
    assert np.array_equal(rows[np.array([2, 0])], [[4, 5], [8, 9]])
