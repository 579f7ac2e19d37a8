"""The documentation's pages: their code prints what they say, and all that they name exists."""

import json
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import for_each
from mentions import missing_files, missing_names
from pages import compare, python_blocks, run

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NEEDS = {  # extras
    "sklearn.md": [("sklearn", "1.6"), ("pandas", "2.2")],
    "dask.md": [
        ("sklearn", "1.6"),
        ("pandas", "2.2"),
        ("dask", "2025.1"),
        ("distributed", "2025.1"),
    ],
}
PAGES = sorted(path for path in DOCS.rglob("*.md") if not {"_build", "generated"} & set(path.parts))
SLOW = {  # pages whose code takes more than a second
    "dask.md",
    "gallery.md",
    "identities.md",
    "projects.md",
    "reproduction.md",
    "instructors.md",
    "sklearn.md",
    "guide/conditional.md",
    "guide/data.md",
    "guide/doctor.md",
    "guide/likelihoods.md",
    "guide/networks.md",
    "guide/objectives.md",
    "guide/reading_a_loss.md",
    "guide/saving.md",
    "guide/stopping.md",
    "guide/troubleshooting.md",
}
README = (ROOT / "README.md").read_text(encoding="utf-8")  # whose blocks test_readme runs


def name(page):
    return page.relative_to(DOCS).as_posix()


@pytest.fixture(autouse=True)
def _folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VAELITE_DATA", raising=False)


def is_slow(page):
    return [pytest.mark.slow] if name(page) in SLOW else []


@pytest.mark.parametrize("page", [pytest.param(p, id=name(p), marks=is_slow(p)) for p in PAGES])
def test_python_blocks_run(page):
    for module, version in NEEDS.get(name(page), ()):
        pytest.importorskip(module, version, reason=f"{module} {version} is not installed")
    namespace = {"__name__": "__main__"}
    for block in python_blocks(page.read_text(encoding="utf-8")):
        if block.reason is None and block.code not in README:
            run(block, namespace, name(page))


@pytest.mark.slow
@pytest.mark.parametrize("page", ["coming_from.md", "guide/saving.md"])
def test_python_blocks_of_other_libraries_run(page):
    page, namespace, ran = DOCS / page, {"__name__": "__main__"}, 0
    for block in python_blocks(page.read_text(encoding="utf-8")):
        needs = re.findall(r"\w+", (block.reason or "").removeprefix("needs "))
        if all(map(find_spec, needs)):
            run(block, namespace, name(page))
            ran += bool(needs)
    if not ran:
        pytest.skip("none of the other libraries is installed")


@for_each(PAGES)
def test_names_exist(page):
    text = page.read_text(encoding="utf-8")
    assert missing_names(text) == []
    assert missing_files(text) == []


@for_each(PAGES)
def test_links_to_files_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@for_each(PAGES)
def test_links_to_headings_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\(([^)#:\s]*\.md|)#([^)]+)\)", text):
        other = (page.parent / target).read_text(encoding="utf-8") if target else text
        headings = map(slug, re.findall(r"^#+ (.*)$", other, re.MULTILINE))
        assert heading in headings, f"{target}#{heading}"


def test_the_quick_start_is_the_readmes():
    first = [python_blocks(text)[0] for text in (README, (DOCS / "index.md").read_text("utf-8"))]
    assert len({(block.code, block.prints) for block in first}) == 1


def test_headings_of_tutorials_exist():
    """On the page of sources, a heading of a tutorial is in italics; its beginning is enough."""
    notebooks = (ROOT / "tutorials").glob("*.ipynb")
    cells = [cell for path in notebooks for cell in json.loads(path.read_text("utf-8"))["cells"]]
    texts = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    for heading in re.findall(r"\*([^*]+)\*", (DOCS / "sources.md").read_text("utf-8")):
        assert re.search(rf"^#+ {re.escape(heading)}", texts, re.MULTILINE), heading


def test_the_layout_names_every_module():
    text = (DOCS / "inside.md").read_text("utf-8")
    listed = set(re.findall(r"\w+", re.search(r"```text\nvaelite/\n(.*?)```", text, re.DOTALL)[1]))
    modules = {path.stem for path in (ROOT / "vaelite").rglob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in (ROOT / "vaelite").glob("*/__init__.py")}
    assert listed >= modules | folders


def test_the_file_format_is_documented(vae, tmp_path):
    vae.save(tmp_path / "model.npz")
    with zipfile.ZipFile(tmp_path / "model.npz") as archive:
        manifest = json.loads(archive.read("manifest.json"))
    table = (DOCS / "inside.md").read_text("utf-8").partition("| entry |")[2].partition("\n\n")[0]
    for entry in [*manifest, *manifest["solution"]]:
        assert f"`{entry}`" in table


def slug(heading):
    """A heading's anchor, as a code browser makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize(
    ("expected", "found", "agree"),
    [
        ("ELBO -2.40 nats", "ELBO -2.43 nats\n", True),
        ("ELBO -2.40 nats", "ELBO -2.90 nats", False),
        ("ELBO -2.40 nats", "ELBO 2.40 nats", False),
        ("30 epochs", "31 epochs", False),
        ("a\n  b", "a b", True),
        ("ValueError: ... row 3", "ValueError: X is bad in row 3", True),
        ("ValueError: ... row 3", "ValueError: X is bad in row 4", False),
        ("(1797, 64) float32", "(1797, 64) float64", False),
    ],
)
def test_what_is_printed_is_compared(expected, found, agree):
    assert (compare(expected, found) is None) == agree


def test_a_block_that_is_not_run_has_a_reason():
    text = (
        "<!-- not run: needs torch -->\n\n```python\n1\n```\n\n```python\n2\n```\n\n```text\n```\n"
    )
    skipped, ran = python_blocks(text)
    assert (skipped.reason, skipped.prints, ran.reason, ran.prints, ran.line) == (
        "needs torch",
        None,
        None,
        "",
        8,
    )
    no_reason, indented = (
        "<!-- not run: -->\n```python\n1\n```\n",
        "- a\n\n  ```python\n  1\n  ```\n",
    )
    for text in (no_reason, indented):
        with pytest.raises(AssertionError):
            python_blocks(text)


def test_a_block_that_prints_something_else_is_noticed():
    for code in (
        "print('one')",
        "raise ValueError('two')",
        "import warnings; warnings.warn('two')",
    ):
        (block,) = python_blocks(f"```python\n{code}\n```\n\n```text\ntwo\n```\n")
        with pytest.raises(AssertionError, match=r"expected\ntwo\nfound"):
            run(block, {}, "page")
