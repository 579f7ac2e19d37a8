"""Types: editors know every setting, and a type checker accepts the documentation's code."""

import inspect
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import python_blocks

import vaelite
from vaelite.fitting import keywords, settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "guide").glob("*.md"))
NOT_OURS = {  # what a checker says about the pages, and why
    'attribute of module "autograd.numpy"': "autograd has no types",
    'attribute "logpmf" for class "rv_continuous_frozen"': "SciPy's types are not exact",
    'missing for parameter "x"': "autograd's check_grads has no types",
    'overrides class "Likelihood"': "a likelihood names its parameters, as the formulas do",
    "is obscured by a declaration": "two blocks of a page define one name",
    "is possibly unbound": "a name after a loop",
    'No parameter named "latent_dims"': "the page shows this error",
    'attribute "model" for class "RuntimeError"': "a fit adds it to the error of a callback",
}
TYPOS = """
import vaelite

X, y = vaelite.load_digits()
vaelite.fit(X, latent_dmi=2)
vaelite.VAE().fit(X, bacth_size=3)
vaelite.MeanField().fit(X, patience=3)
vaelite.fit_autoencoder(X, beta=2)
vaelite.VAE(hidden_dim="a")
vaelite.fit(X).score(X).encode()
"""


@pytest.mark.parametrize(
    ("typed", "checked"),
    [
        (keywords.FitKeywords, settings.FitSettings),
        (keywords.ELBOKeywords, settings.ELBOSettings),
        (keywords.MeanFieldKeywords, settings.MeanFieldSettings),
    ],
)
def test_the_typed_settings_are_those_that_are_checked(typed, checked):
    assert typed.__annotations__.keys() == set(checked.names())


@pytest.mark.parametrize(
    ("typed", "function"),
    [
        (keywords.VAEFitKeywords, vaelite.fit),
        (keywords.AutoencoderFitKeywords, vaelite.fit_autoencoder),
    ],
)
def test_the_typed_settings_are_those_of_the_functions(typed, function):
    assert typed.__annotations__.keys() == set(inspect.signature(function).parameters) - {
        "X",
        "X_test",
    }


def test_the_package_says_that_it_has_types():
    assert (Path(vaelite.__file__).parent / "py.typed").exists()


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """Pyright's errors, (file, line, message), in the blocks of all pages and in the typos."""
    if not find_spec("pyright"):
        pytest.skip("pyright is not installed: python -m pip install 'pyright[nodejs]'")
    folder = tmp_path_factory.mktemp("types")
    for number, page in enumerate(PAGES):
        blocks = python_blocks(page.read_text(encoding="utf-8"))
        code = "\n".join(block.code for block in blocks if block.reason is None)
        (folder / f"{page.stem}_{number}.py").write_text(code, encoding="utf-8")
    (folder / "typos.py").write_text(TYPOS, encoding="utf-8")
    config = {"extraPaths": [str(ROOT)], "typeCheckingMode": "basic"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    result = subprocess.run([*command, "-p", folder], capture_output=True, text=True)
    report = json.loads(result.stdout)
    assert report["summary"]["filesAnalyzed"] == len(PAGES) + 1
    return [
        (Path(e["file"]).name, e["range"]["start"]["line"] + 1, e["message"])
        for e in report["generalDiagnostics"]
        if e["severity"] == "error"
    ]


@pytest.mark.slow
def test_a_type_checker_accepts_the_documentation(errors):
    reasons = re.compile("|".join(map(re.escape, NOT_OURS)))
    pages = [error for error in errors if error[0] != "typos.py"]
    assert [error for error in pages if not reasons.search(error[2])] == []


@pytest.mark.slow
def test_a_type_checker_sees_wrong_settings(errors):
    lines = {line for file, line, _ in errors if file == "typos.py"}
    assert lines == set(range(5, 5 + 6))
