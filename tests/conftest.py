# ruff: noqa: E402 (threads are set before NumPy is imported)
"""Fixtures of several tests: the digits, a small fitted model, a device, and MNIST's folder."""

import os
import sys
from pathlib import Path

# One thread, also in the processes that tests start: several would wait for each other, and on a
# busy machine most of their time. Before NumPy is imported.
for library in "OPENBLAS", "OMP", "MKL":
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

import matplotlib
import numpy as np
import pytest
from hypothesis import settings

import vaelite
from vaelite.arrays.backend import get_backend

matplotlib.use("Agg")
settings.register_profile("default", deadline=None, derandomize=True)
settings.load_profile("default")


collect_ignore = ["user_script.py"]  # test_types runs it; to look for doctests would run it too

QUICK = {"hidden_dim": 32, "max_epochs": 4, "stopping": "epochs", "rng": 0}


@pytest.fixture(scope="session")
def digits():
    return vaelite.load_digits()


@pytest.fixture(scope="session")
def quick():
    """Settings of a fit that takes less than a second."""
    return dict(QUICK)


@pytest.fixture(scope="session")
def vae(digits):
    """A small model fitted on the digits; tests must not change it."""
    return vaelite.fit(digits[0], **QUICK)


@pytest.fixture
def device(monkeypatch):
    """CuPy if VAELITE_DEVICE=cupy, otherwise the stand-in for it."""
    if os.environ.get("VAELITE_DEVICE") == "cupy":
        pytest.importorskip("cupy", reason="CuPy is not installed")
    else:
        import device as stand_in

        monkeypatch.setitem(sys.modules, "cupy", stand_in)
        monkeypatch.setitem(sys.modules, "cupyx.scipy.special", stand_in.special)
    try:
        return get_backend("cupy").module
    except RuntimeError as error:
        pytest.skip(str(error))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def mnist_home():
    """The folder that contains MNIST; without it, the test is skipped: tests never download."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    home = Path(os.environ.get("VAELITE_DATA", default))
    if not (home / "mnist").is_dir():
        pytest.skip("no MNIST files: set VAELITE_DATA to a folder with mnist/ in it")
    return home


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
