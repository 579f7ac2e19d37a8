"""What `show_versions` prints, and when it gives advice."""

import subprocess
import sys

import numpy as np
import pytest

import vaelite
from vaelite import versions

SLOW = {"internal_api": "openblas", "architecture": "Haswell", "num_threads": 1, "filepath": ""}


def test_it_prints_what_is_installed(capsys):
    vaelite.show_versions()
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines()]
    assert ["vaelite", vaelite.__version__] in lines
    assert ["numpy", np.__version__] in lines
    assert "cupy-cuda12x" in printed
    assert printed.index("System") < printed.index("Packages") < printed.index("Matrix products")


def test_the_kernels_are_those_that_openblas_was_told_to_use():
    pytest.importorskip("threadpoolctl")
    if (versions.blas() or {}).get("internal_api") != "openblas":
        pytest.skip("NumPy has another BLAS")
    code = "from vaelite import versions; print(versions.blas())"
    settings = {"OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, env=settings, check=True, capture_output=True, text=True)
    assert "'num_threads': 1" in printed.stdout
    assert "Nehalem" in printed.stdout or "x86" not in versions.platform.machine()


@pytest.mark.parametrize(
    ("change", "avx512", "load", "expected"),
    [
        ({}, True, 0.0, "OPENBLAS_CORETYPE=SkylakeX"),
        ({}, False, 0.0, None),
        ({"architecture": "SkylakeX"}, True, 0.0, None),
        ({"internal_api": "mkl"}, True, 0.0, None),
        ({"architecture": "SkylakeX", "num_threads": 2}, True, 3.0, "OPENBLAS_NUM_THREADS=1"),
        ({"architecture": "SkylakeX", "num_threads": 2}, True, 1.0, None),
        ({"architecture": "SkylakeX"}, True, 3.0, None),
    ],
)
def test_advice_is_given_where_it_is_sure(change, avx512, load, expected):
    found = versions.advice_on(SLOW | change, avx512, cores=2, load=load)
    assert len(found) == (expected is not None)
    assert all(expected in sentence for sentence in found)


def test_without_threadpoolctl_nothing_is_sure(monkeypatch, capsys):
    monkeypatch.setattr(versions.importlib.util, "find_spec", lambda name: None)
    assert versions.blas() is None
    assert versions.advice() == []
    vaelite.show_versions()
    assert "unknown; python -m pip install threadpoolctl" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "expected"),
    [(["X86_V3", "X86_V4"], True), (["AVX2", "AVX512F"], True), (["X86_V3"], False), ([], False)],
)
def test_avx512_has_two_kinds_of_names(found, expected):
    assert versions.has_avx512(found) is expected


def test_a_package_that_is_missing_is_said_to_be_missing():
    assert versions.version("no-such-package") == "not installed"
