"""Datasets, which all data pass through: checks, batches, noise, splits and conditions."""

import numpy as np
import pytest

from vaelite import Bernoulli, Categorical, Gaussian
from vaelite.arrays.backend import get_backend
from vaelite.data.dataset import Dataset

HERE = get_backend("numpy")


def checked(X, likelihood=None, dtype=None, **settings):
    return Dataset.checked(X, likelihood or Gaussian(), HERE, dtype, **settings)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(np.float64, np.float64), (np.float32, np.float32), (np.int64, np.float32)],
)
def test_the_dtype_is_that_of_the_data(dtype, expected, rng):
    X = rng.integers(2, size=(5, 3)).astype(dtype)
    data = checked(X)
    assert data.dtype == expected
    assert {batch.x.dtype for batch in data.batches(2)} == {np.dtype(expected)}
    assert checked(X, dtype=np.dtype(np.float64)).dtype == np.float64


def test_batches_come_with_their_row_numbers(rng):
    X = rng.random((10, 3))
    for order in (None, rng.permutation(10)):
        batches = list(checked(X).batches(4, order))
        assert [len(batch.x) for batch in batches] == [4, 4, 2]
        for batch in batches:
            assert np.array_equal(batch.x, X[batch.rows])


def test_each_batch_has_its_own_noise(rng):
    data = checked(rng.random((10, 3)))
    for b, batch in enumerate(data.noisy(4, 2, np.random.default_rng)):
        expected = np.random.default_rng(b).standard_normal((len(batch.x), 2))
        assert np.array_equal(batch.eps, expected)
    shapes = [batch.eps.shape for batch in data.noisy(4, 2, np.random.default_rng, samples=5)]
    assert shapes == [(5, 4, 2), (5, 4, 2), (5, 2, 2)]


def test_a_split_is_a_partition_and_keeps_conditions(rng):
    X = rng.random((100, 3))
    data = checked(X).given(X[:, :1] * 2)
    train, held_out = data.split(0.2, np.random.default_rng(1))
    assert (len(train), len(held_out)) == (80, 20)
    parts = [next(part.batches(100)) for part in (train, held_out)]
    assert np.array_equal(np.sort(np.concatenate([p.x for p in parts]), axis=0), np.sort(X, axis=0))
    for part in parts:
        assert np.array_equal(part.condition, part.x[:, :1] * 2)
    other, _ = data.split(0.2, np.random.default_rng(2))
    assert not np.array_equal(next(other.batches(100)).x, parts[0].x)


def test_batches_are_read_only(rng):
    X = rng.random((6, 3))
    batch = next(checked(X).batches(6))
    with pytest.raises(ValueError, match="read-only"):
        batch.x[0, 0] = 1


@pytest.mark.parametrize(
    ("X", "likelihood", "message"),
    [
        ([[0.0, 2.0]], Bernoulli(), "X has values from 0 to 2, but a Bernoulli"),
        ([[0.5, 1.0]], Categorical(4), "X has fractions"),
        ([[0, 4]], Categorical(4), r"levels from 0 to 4, but Categorical\(4\)"),
        ([[0.0, np.nan]], Gaussian(), "NaN: nan in row 0, column 1"),
    ],
)
def test_data_that_a_likelihood_has_no_density_for(X, likelihood, message):
    with pytest.raises(ValueError, match=message):
        checked(np.array(X), likelihood)


def test_the_number_of_columns_must_be_the_models(rng):
    with pytest.raises(ValueError, match="Z has 3 features, but VAE is expecting 4 features"):
        checked(rng.random((5, 3)), name="Z", n_features=4, owner="VAE")


class Table:
    """What vaelite uses of a DataFrame."""

    def __init__(self, values, columns):
        self.values, self.columns, self.iloc = values, columns, None

    def __array__(self, dtype=None, copy=None):
        return self.values


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["a", "b"], ("a", "b")),
        (np.array(["a", "b"]), ("a", "b")),
        ([0, 1], None),  # numbers are positions
        (["a", 1], None),
        (lambda: ["a", "b"], None),  # a method
    ],
)
def test_names_of_columns_are_kept_if_all_are_texts(columns, expected, rng):
    assert checked(Table(rng.random((5, 2)), columns)).feature_names == expected


def test_other_names_of_columns_are_refused(rng):
    X = rng.random((5, 2))
    data, held_out = checked(Table(X, ["a", "b"])).split(0.4, rng)
    assert data.feature_names == held_out.feature_names == ("a", "b")
    for same in (X, Table(X, ["a", "b"]), Table(X, [0, 1])):
        assert len(checked(same, feature_names=("a", "b"))) == 5
    with pytest.raises(ValueError, match="column 0 of X is 'b', but the model was fitted with 'a'"):
        checked(Table(X, ["b", "a"]), feature_names=("a", "b"))
    with pytest.raises(ValueError, match="column 1 of X is 'c', but the model was fitted with 'b'"):
        checked(Table(X, ["a", "c"]), feature_names=("a", "b"))
