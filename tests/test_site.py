"""The documentation site: its reference is complete, its tutorials are listed, its link checker sees what it should.

The site itself is not built here; ``-W`` makes Sphinx's warnings errors where it is.
"""

import importlib.util
import inspect
import re
from pathlib import Path

import vaelite
from vaelite import (
    gradient_estimators as estimators,
    exercises,
    networks,
    ops,
    plots,
    streams,
    testing,
)

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCKS = re.findall(
    r"```\{eval-rst\}\n(.*?)```", (DOCS / "reference.md").read_text(encoding="utf-8"), re.DOTALL
)
LISTED = re.findall(r"^   ([\w.]+)$", "\n".join(BLOCKS), re.MULTILINE)


def defined_in(module):
    """The public functions and classes that a module defines itself, by their names on the reference page."""
    inside = module.__name__.removeprefix("vaelite.")
    for name, thing in vars(module).items():
        ours = getattr(thing, "__module__", None) == module.__name__ and callable(thing)
        if ours and not name.startswith("_") and not hasattr(vaelite, name):
            yield f"{inside}.{name}"


PUBLIC = [
    *vaelite.__all__, *(f"plots.{name}" for name in plots.__all__),
    *(name for module in (estimators, exercises, networks, ops, streams, testing) for name in defined_in(module)),
]  # fmt: skip


def test_every_public_name_is_on_the_reference_page():
    assert set(PUBLIC) <= set(LISTED)


def test_every_name_on_the_reference_page_exists_and_is_explained():
    assert len(LISTED) == len(set(LISTED))
    for name in LISTED:
        thing = (
            vaelite
            if name in vars(vaelite)
            else importlib.import_module(f"vaelite.{name.partition('.')[0]}")
        )
        for part in name.split(".")[thing is not vaelite :]:
            thing = getattr(thing, part)
        assert inspect.getdoc(thing), name


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
        """<a href="b.html#here"><a href="#"><a href="https://example.org/x"><a id="top" href="#top">
        <a href="b.html#there"><a href="c.html"><img src="d.png">"""
    )
    assert [link for _, link in check_links.broken(tmp_path)] == ["b.html#there", "c.html", "d.png"]
