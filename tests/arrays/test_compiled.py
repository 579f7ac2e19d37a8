"""Loops that numba compiles: when they are used, and that they round as NumPy does."""

import subprocess
import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from vaelite.arrays import adam_step, compiled
from vaelite.arrays.compiled import Loop

NUMBERS = 0.9, 0.1, 0.999, 0.001, 1e-3, 1e-8  # beta1, 1 - beta1, ..., step, epsilon
needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="needs the extra fast")


def arrays(rng, n, dtype):
    """A gradient, parameters and moments of all sizes: denormal numbers and infinity too."""
    sizes = 10.0 ** rng.uniform(-44, 15, (4, n))
    found = (sizes * rng.choice([-1, 1], (4, n))).astype(dtype)
    found[:, :5] = [0, np.finfo(dtype).smallest_subnormal, np.inf, np.nan, np.finfo(dtype).max]
    found[3] = abs(found[3])
    return found


def add(step, a, b):
    for i in range(a.size):
        b[i] = b[i] + step * a[i]


@pytest.fixture
def fake_numba(monkeypatch):
    """A numba that compiles nothing, and counts what it is asked to compile."""
    calls = []

    def njit(**options):
        return lambda function: calls.append(options) or function

    monkeypatch.setitem(sys.modules, "numba", SimpleNamespace(njit=njit))
    monkeypatch.setattr(compiled, "has_numba", lambda: True)
    monkeypatch.setattr(compiled, "WORTH", 100)
    return calls


def test_a_loop_is_ready_when_it_is_worth_compiling(fake_numba):
    loop, a = Loop(add), np.ones(30)
    assert [loop.is_ready((2.0, a, a)) for _ in range(5)] == [False, False, False, True, True]
    assert not fake_numba  # nothing is compiled before the first call


def test_it_is_compiled_once_and_gets_numbers_in_the_arrays_dtype(fake_numba):
    seen = []

    def spy(step, a, b):
        seen.append(step)
        add(step, a, b)

    loop, a, b = Loop(spy), np.ones(3, np.float32), np.zeros(3, np.float32)
    loop(0.5, a, b)
    loop(0.5, a, b)
    assert b.tolist() == [1, 1, 1]
    assert [number.dtype for number in seen] == [np.float32] * 2
    assert len(fake_numba) == 1
    assert "fastmath" not in fake_numba[0]


@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("i4", "i4"), ("f2", "f2")])
def test_arrays_of_other_dtypes_are_left_to_numpy(fake_numba, dtypes):
    loop = Loop(add)
    assert not loop.is_ready((2.0, *(np.ones(1000, dtype) for dtype in dtypes)))


def test_without_numba_no_loop_is_ready(monkeypatch):
    monkeypatch.setattr(compiled, "has_numba", lambda: False)
    monkeypatch.setattr(compiled, "WORTH", 0)
    assert not Loop(add).is_ready((2.0, np.ones(3), np.ones(3)))


def in_python(g, *arguments):
    """Adam's loop as numba compiles it, with each number in the dtype of the arrays."""
    adam_step._loop(g, *map(g.dtype.type, arguments[:6]), *arguments[6:])


@pytest.mark.parametrize(
    "loop",
    [in_python, pytest.param(Loop(adam_step._loop), marks=needs_numba)],
    ids=["python", "numba"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adams_loop_is_numpys_formula(dtype, loop, rng):
    ours = arrays(rng, 10_000, dtype)
    theirs = ours.copy()
    with np.errstate(all="ignore"):
        adam_step._update.__wrapped__(ours[0], *NUMBERS, *ours[1:])
        loop(theirs[0], *NUMBERS, *theirs[1:])
    np.testing.assert_allclose(ours, theirs, rtol=4 * np.finfo(dtype).eps)


@needs_numba
def test_a_fit_with_compiled_loops_is_the_same_fit():
    code = """
import sys, vaelite
from vaelite.arrays import compiled
X = vaelite.load_digits()[0]
for compiled.WORTH in float("inf"), 1e5:
    vae = vaelite.fit(X, hidden_dim=32, max_epochs=3, stopping="epochs", rng=0)
    print("numba" in sys.modules, vae.score(X))
"""
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert printed[::2] == ["False", "True"]
    without, with_numba = map(float, printed[1::2])
    assert with_numba == pytest.approx(without, abs=1e-3)
