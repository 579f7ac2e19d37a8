"""The way of the data: a module imports only modules to its left. And what an import may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vaelite

ORDER = [
    "exceptions", "backend", "disk", "validation", "streams", "ops", "datasets", "data", "networks", "terms",
    "likelihoods", "objectives", "gradient", "ppca", "estimators", "adam", "convergence", "progress", "trainer",
    "rehearsal", "run", "storage",
    "model",
    "autoencoder", "meanfield", "api", "diagnostics", "evidence", "decompositions", "testing", "exercises", "drawing",
    "inference_plots", "plots", "__init__", "__main__",
]  # fmt: skip
PACKAGE = Path(vaelite.__file__).parent


def imported_modules(path):
    """The package's own modules that a module imports, wherever in its text."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or node.module.split(".")[0] == "vaelite"):
            inside = (node.module or "").removeprefix("vaelite").strip(".")
            yield from [inside] if inside else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ["__init__" for alias in node.names if alias.name.split(".")[0] == "vaelite"]


def test_every_module_has_its_place():
    assert sorted(path.stem for path in PACKAGE.glob("*.py")) == sorted(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_to_the_left(module):
    allowed = set(ORDER[: ORDER.index(module)])
    assert set(imported_modules(PACKAGE / f"{module}.py")) <= allowed


def test_import_loads_nothing_heavy():
    heavy = ("matplotlib", "scipy.stats", "tqdm", "pooch", "cupy", "hypothesis")
    code = f"import sys, vaelite; print(*(m for m in {heavy} if m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == ""


def test_public_names_are_documented():
    for name in vaelite.__all__:
        assert getattr(vaelite, name).__doc__, name
