"""The documentation site: its reference is complete, its tutorials are listed, its links work.

The site itself is not built here; where it is, ``-W`` makes Sphinx's warnings errors.
"""

import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import vaelite
from vaelite import gradient_estimators, ops, plots, state, training
from vaelite.arrays import streams
from vaelite.classroom import checker, predictions, right_answers, theorems, verdict
from vaelite.data import dataset
from vaelite.networks import convolution

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCKS = re.findall(
    r"```\{eval-rst\}\n(.*?)```", (DOCS / "reference.md").read_text(encoding="utf-8"), re.DOTALL
)
LISTED = re.findall(r"^   ([\w.]+)$", "\n".join(BLOCKS), re.MULTILINE)
MODULES = (
    checker,
    convolution,
    dataset,
    gradient_estimators,
    right_answers,
    ops,
    predictions,
    state,
    streams,
    theorems,
    training,
    verdict,
)
INTERNAL = {  # what other modules of the package use, and readers do not
    "data.dataset.check_condition",
    "state.param_norm",
    "training.check_finite",
    "training.finite_gradient",
    "training.has_square",
    "training.is_finite",
}


def defined_in(module):
    """The public functions and classes that a module defines, as the reference page names them."""
    inside = module.__name__.removeprefix("vaelite.")
    for name, thing in vars(module).items():
        is_named = inspect.isroutine(thing) or inspect.isclass(thing)
        is_its_own = is_named and thing.__module__ == module.__name__
        if is_its_own and not name.startswith("_") and not hasattr(vaelite, name):
            yield f"{inside}.{name}"


PUBLIC = {
    *vaelite.__all__,
    *(f"plots.{name}" for name in plots.__all__),
    *(name for module in MODULES for name in defined_in(module)),
} - {"gradient_estimators", "ops", "plots"}  # modules, which are listed as modules


def named(name):
    """What a name of the reference page stands for."""
    if hasattr(vaelite, name):
        return getattr(vaelite, name)
    parts = ["vaelite", *name.split(".")]
    for n in range(len(parts), 0, -1):  # the longest name of a module
        try:
            thing = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            thing = getattr(thing, part)
        return thing


def test_every_public_name_is_on_the_reference_page():
    assert set(LISTED) >= PUBLIC - INTERNAL
    assert INTERNAL <= PUBLIC


def test_every_name_on_the_reference_page_exists_and_is_explained():
    pytest.importorskip("sklearn", "1.6", reason="scikit-learn 1.6 or later is not installed")
    pytest.importorskip("distributed", reason="dask and distributed are not installed")
    assert len(LISTED) == len(set(LISTED))
    for name in LISTED:
        assert inspect.getdoc(named(name)), name


def test_every_module_is_on_the_reference_page():
    package = Path(vaelite.__file__).parent
    for path in package.rglob("*.py"):
        if path.name == "__init__.py" and "\nfrom " not in path.read_text("utf-8"):
            continue
        name = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        assert name in LISTED or name.rpartition(".")[2].startswith("__"), name


def test_every_tutorial_is_listed():
    table = (DOCS / "tutorials.md").read_text(encoding="utf-8")
    for notebook in (DOCS.parent / "tutorials").glob("*.ipynb"):
        assert f"(../tutorials/{notebook.name})" in table, notebook.name


def test_broken_links_are_found(tmp_path):
    spec = importlib.util.spec_from_file_location("check_links", DOCS / "check_links.py")
    check_links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_links)
    (tmp_path / "b.html").write_text('<p id="here">')
    (tmp_path / "a.html").write_text(
        """<a href="b.html#here"><a href="#"><a href="https://example.org/x">
        <a id="top" href="#top"><a href="b.html#there"><a href="c.html"><img src="d.png">"""
    )
    assert [link for _, link in check_links.broken(tmp_path)] == ["b.html#there", "c.html", "d.png"]
