"""The layout: imports point one way, the story stays short, and an import loads little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vaelite

PACKAGE = Path(vaelite.__file__).parent
ROOMS = [  # a module imports only from rooms to its left, or from earlier modules of its own
    ["exceptions", "checks"],
    [
        "arrays.dispatch",
        "arrays.cupy_autograd",
        "arrays.backend",
        "arrays.streams",
        "arrays.storage",
    ],
    ["ops"],
    ["data.rows", "data.checks", "data.batches", "data.dataset", "data.datasets"],
    ["terms"],
    [
        "networks.base",
        "networks.dense",
        "networks.convolution",
        "networks.convolutional",
        "networks",
    ],
    [
        "likelihoods.base",
        "likelihoods.gaussian",
        "likelihoods.bernoulli",
        "likelihoods.categorical",
        "likelihoods",
    ],
    ["objectives", "gradient", "adam", "stopping", "state", "training"],
    ["fitting.progress", "fitting.settings", "fitting.trial", "fitting.run"],
    ["models.checks", "models.files", "models.base", "models.variational", "vae"],
    ["models.inference", "models.meanfield", "models.autoencoder", "models.ppca"],
    ["api"],
    [
        "inference.importance",
        "inference.quadrature",
        "inference.decompositions",
        "inference.gradient_estimators",
        "inference.ledger",
    ],
    [
        "plots.grid",
        "plots.training",
        "plots.latent",
        "plots.images",
        "plots.graphs",
        "plots.inference",
        "plots",
    ],
    ["classroom.theorems", "classroom.exercises"],
    ["__init__", "__main__"],
]
ORDER = [module for room in ROOMS for module in room]
STORY = (
    "terms",
    "objectives",
    "ops",
    "gradient",
    "adam",
    "stopping",
    "training",
    "state",
    "vae",
    "api",
)


def path_of(module):
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    return path if path.exists() else PACKAGE / module.replace(".", "/") / "__init__.py"


def modules():
    """Every module with code of its own; a folder by its name if its __init__ imports."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] == "__init__" and len(parts) > 1:
            if any(isinstance(node, ast.ImportFrom) for node in ast.parse(path.read_text()).body):
                yield ".".join(parts[:-1])
        else:
            yield ".".join(parts)


def imported_modules(module):
    """The package's own modules that a module imports, wherever in its text."""
    path = path_of(module)
    package = ["vaelite", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (
            node.level or node.module.split(".")[0] == "vaelite"
        ):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = [*base, *(node.module or "").split(".")] if node.module else base
            inside = ".".join(name[1:])
            for alias in node.names:
                whole = f"{inside}.{alias.name}".strip(".")
                yield whole if path_of(whole).exists() else inside
        elif isinstance(node, ast.Import):
            yield from ["__init__" for alias in node.names if alias.name.split(".")[0] == "vaelite"]


def test_every_module_has_its_place():
    assert sorted(modules()) == sorted(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_to_the_left(module):
    assert set(imported_modules(module)) <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", ORDER)
def test_nothing_uses_another_modules_private_names(module):
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private, f"{module} imports {private}"


@pytest.mark.parametrize("module", STORY)
def test_a_file_of_the_story_is_read_in_one_go(module):
    assert len(path_of(module).read_text(encoding="utf-8").splitlines()) <= 250


@pytest.mark.parametrize("module", ORDER)
def test_functions_are_short(module):
    """At most 30 lines of body, without the docstring."""
    for node in ast.walk(ast.parse(path_of(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1:] if ast.get_docstring(node) else node.body
            lines = first[-1].end_lineno - first[0].lineno + 1 if first else 0
            assert lines <= 30, f"{module}:{node.lineno} {node.name} has {lines} lines"


def test_every_folder_is_a_package():
    """A folder without __init__.py would not be installed, and could hide another package."""
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_import_loads_nothing_heavy():
    heavy = ("matplotlib", "scipy.stats", "tqdm", "pooch", "cupy", "hypothesis")
    code = f"import sys, vaelite; print(*(m for m in {heavy} if m in sys.modules))"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert loaded.strip() == ""


def test_public_names_are_documented():
    for name in vaelite.__all__:
        assert getattr(vaelite, name).__doc__, name


def test_no_attribute_is_named_like_a_folder():
    """A folder named like a public function would replace it on import."""
    folders = {path.parent.name for path in PACKAGE.rglob("__init__.py")} - {"vaelite", "plots"}
    assert not folders & set(vaelite.__all__)
