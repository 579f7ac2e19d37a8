"""Arrays on disk: reading them takes little memory and does not change them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vaelite
from vaelite.data import rows

READ = """
import sys
import numpy as np
from vaelite.data import batches, rows
from vaelite.data.rows import RowSubset

path, mode = sys.argv[1:]

def resident():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

for rows.LIMIT in 2**25, 2**60:
    X = np.load(path, mmap_mode=mode)
    if mode == "c":
        X[::1000] = 9
    X = RowSubset(X, np.arange(100_000))
    before = peak = resident()
    for shuffle in (False, True):
        for batch in batches.minibatches(X, 1000, shuffle=shuffle, rng=0):
            peak = max(peak, resident())
    assert set(X.reader.X[::1000, 0]) == {9 if mode == "c" else 7}
    print(peak - before)
    del X, batch
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file of 78 megabytes."""
    path = tmp_path_factory.mktemp("disk") / "X.npy"
    np.save(path, np.full((100_000, 784), 7, np.uint8))
    return path


HAS_PROC = Path("/proc/self/status").exists()


@pytest.mark.skipif(not HAS_PROC, reason="reads the process's memory from /proc")
@pytest.mark.parametrize("mode", ["r", pytest.param("c", marks=pytest.mark.slow)])
def test_reading_a_file_takes_little_memory(file, mode):
    command = [sys.executable, "-c", READ, file, mode]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    limited, unlimited = map(float, printed.split())
    assert limited < 60
    assert unlimited > 70


def test_a_fit_on_disk_is_the_fit_in_memory(digits, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LIMIT", 0)
    X = (digits[0][:600] * 255).astype(np.uint8)
    np.save(tmp_path / "X.npy", X)
    in_memory = vaelite.fit(X, **quick).params
    for mode in ("r", "r+", "c"):
        on_disk = vaelite.fit(np.load(tmp_path / "X.npy", mmap_mode=mode), **quick).params
        assert all(np.array_equal(a, in_memory[name]) for name, a in on_disk.items()), mode


def test_changes_of_a_copy_in_memory_are_never_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "LIMIT", -(2**40))  # whatever was mapped before
    np.save(tmp_path / "X.npy", np.zeros((1000, 50), np.float32))
    for mode in "c", "r+", "w+":
        X = np.load(tmp_path / "X.npy", mmap_mode="r+" if mode == "w+" else mode)
        if mode == "w+":  # as `numpy.lib.format.open_memmap` makes it
            X = np.lib.format.open_memmap(tmp_path / "Y.npy", mode, np.float32, (1000, 50))
        X[:] = 0.5
        for batch in vaelite.minibatches(X, 100, np.dtype(np.float32), shuffle=True, rng=0):
            assert (batch == 0.5).all()
        assert (X == 0.5).all()
        if mode == "c":
            assert not np.load(tmp_path / "X.npy").any()


def test_anything_with_a_shape_that_can_be_indexed(digits, quick):
    X = digits[0][:600]

    class Rows:
        shape = X.shape

        def __getitem__(self, index):
            return X[index].tolist()

    lazily = vaelite.fit(Rows(), **quick, dtype="float32")
    at_once = vaelite.fit(X, **quick)
    assert all(np.array_equal(a, at_once.params[name]) for name, a in lazily.params.items())
    assert lazily.score(Rows()) == at_once.score(X)
