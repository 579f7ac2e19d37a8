"""The tutorials: as stored, run from scratch with their solutions in place, and run on MNIST."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from helpers import for_each
from mentions import missing_names

import vaelite

FOLDER = Path(__file__).resolve().parents[1] / "tutorials"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SAID_LINES = 60  # by the name of the first notebook
SAID_AT_THE_START = {"01": 1}  # of **Predict**
LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(?:#[^)]*)?\)")


def cells(path, kind):
    """The cells of a stored notebook of one kind, each with its text as ``source``."""
    found = [
        cell
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == kind
    ]
    return [{**cell, "source": "".join(cell["source"])} for cell in found]


def texts(path):
    """All that a reader sees: text, code, and what was printed."""
    for kind in ("markdown", "code"):
        for cell in cells(path, kind):
            yield cell["source"]
            yield from ("".join(output.get("text", "")) for output in cell.get("outputs", ()))


def test_there_are_eleven():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02d}" for number in range(11)]


@for_each(NOTEBOOKS)
def test_stored_as_run_from_scratch(path):
    code = cells(path, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert any("image/png" in output.get("data", ()) for output in outputs)
    assert not [
        output
        for output in outputs
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert path.stat().st_size < 1_000_000


@for_each(NOTEBOOKS)
def test_claims_are_asserted_and_exercises_have_solutions(path):
    assert sum("assert " in cell["source"] for cell in cells(path, "code")) >= 3
    exercises = sum(
        bool(re.search(r"^check[.(]", cell["source"], re.MULTILINE)) for cell in cells(path, "code")
    )
    solutions = sum(
        "<summary>Solution</summary>" in cell["source"] for cell in cells(path, "markdown")
    )
    assert 1 <= exercises <= solutions


@for_each(NOTEBOOKS)
def test_exercises_are_stored_unwritten(path):
    for cell in cells(path, "code"):
        if re.search(r"^check[.(]", cell["source"], re.MULTILINE):
            verdicts = ["".join(output["data"]["text/plain"]) for output in cell["outputs"]]
            assert verdicts == ["Not written yet."]


@for_each(NOTEBOOKS)
def test_mentions_only_what_the_library_has(path):
    text = "\n".join(texts(path))
    assert not missing_names(text)
    for module in (vaelite.plots, vaelite.gradient_estimators):
        used = re.findall(rf"(?<![\w./]){module.__name__.rpartition('.')[2]}\.(?!py\b)(\w+)", text)
        assert not [name for name in used if not hasattr(module, name)]


def lines_of_code(source):
    """The lines that are not blank."""
    return [line for line in source.splitlines() if line.strip()]


def test_the_vae_in_60_lines_has_about_60():
    code = []
    for cell in json.loads(NOTEBOOKS[0].read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and source.startswith("That is a VAE"):
            break
        if cell["cell_type"] == "code":
            code += lines_of_code(source)
    assert 50 <= len(code) <= SAID_LINES + 5
    assert f"{SAID_LINES} lines" in source
    assert not [line for line in code if "vaelite" in line and "load_digits" not in line][1:]


def words(text):
    """The words of a text: formulas, code and targets of links are none."""
    for pattern in (r"```.*?```", r"\$\$.*?\$\$", r"\$[^$]*\$", r"(?<=\])\([^)]*\)", r"<[^>]*>"):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return re.findall(r"[A-Za-z][\w'-]*", text)


def words_per_figure(path):
    """The words of a notebook's text, folded text too, for each stored picture."""
    text = "\n".join(cell["source"] for cell in cells(path, "markdown"))
    outputs = [output for cell in cells(path, "code") for output in cell["outputs"]]
    return len(words(text)) / sum("image/png" in output.get("data", ()) for output in outputs)


def test_words_are_counted():
    text = "Two *words* $a + b$ and [a link](to/a/file.py).\n```python\nno = words\n```\n$$ c $$"
    assert words(text) == ["Two", "words", "and", "a", "link"]


def test_pictures_say_more_than_words():
    each = {path.name[:2]: words_per_figure(path) for path in NOTEBOOKS}
    assert sum(each.values()) / len(each) <= 150, each


@for_each(NOTEBOOKS)
def test_a_picture_is_in_the_first_ten_cells(path):
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][:10]
    outputs = [output for cell in first for output in cell.get("outputs", ())]
    assert any("image/png" in output.get("data", ()) for output in outputs)


@for_each(NOTEBOOKS)
def test_every_prediction_is_recorded_and_answered(path):
    """`name = ...` in a cell, and `reveal(name, ...)` in the same cell or a later one."""
    code = [cell["source"] for cell in cells(path, "code")]
    asked = sum(cell["source"].count("**Predict") for cell in cells(path, "markdown"))
    made = [
        (number, name.strip())
        for number, source in enumerate(code)
        for names in re.findall(
            r"^(\w[\w, ]*) = (?:\.\.\.(?:, )?)+(?:  #.*)?$", source, re.MULTILINE
        )
        for name in names.split(",")
    ]
    assert len({number for number, _ in made}) >= asked - SAID_AT_THE_START.get(path.name[:2], 0)
    for number, name in made:
        later = "\n".join(code[number:])
        assert re.search(rf"reveal\(\s*\(?(?:\w+, )*{name}\b", later), name


def leads_there(text, target):
    """Whether a link to a Python file names that file, or something that the file defines."""
    name = re.fullmatch(r"`([\w.]+)(?:\(\))?`", text)
    if not target.endswith(".py") or name is None:
        return not text.endswith(".py") or target.endswith(f"/{text}")
    definition = rf"^ *(def|class) {name[1].rpartition('.')[2]}\b"
    source = (FOLDER / target).read_text(encoding="utf-8")
    is_module = target.endswith(f"/{name[1].replace('.', '/')}.py")
    return is_module or re.search(definition, source, re.MULTILINE) is not None


@for_each(NOTEBOOKS)
def test_links_lead_to_what_they_name(path):
    for text, target in LINK.findall("\n".join(cell["source"] for cell in cells(path, "markdown"))):
        if target.startswith("http"):
            continue
        assert (FOLDER / target).exists(), target
        assert leads_there(text, target), (text, target)


def test_links_that_lead_elsewhere_are_found():
    base = "../vaelite/networks/base.py"
    names = "`Network.shapes`", "`vaelite.networks.base`", "vaelite/networks/base.py"
    for text in (*names, "the source"):
        assert leads_there(text, base), text
    for text in ("`VAE.score`", "`vaelite.infer`", "vaelite/vae.py"):
        assert not leads_there(text, base), text


def test_sources_quote_headings():
    headings = {
        path.name[:2]: re.findall(
            r"^#+ (.*)", "\n".join(cell["source"] for cell in cells(path, "markdown")), re.MULTILINE
        )
        for path in NOTEBOOKS
    }
    sources = (FOLDER.parent / "docs" / "sources.md").read_text(encoding="utf-8")
    quoted = []
    for row in re.findall(r"^\|.*\|(.*)\|$", sources, re.MULTILINE):
        tutorial = None
        for number, heading in re.findall(r"(?<![\d/])(\d\d)(?!\d|_)|\*([^*]+)\*", row):
            if heading:
                quoted.append((tutorial, heading))
            else:
                tutorial = number
    assert len(quoted) > 40
    assert not [
        (tutorial, heading)
        for tutorial, heading in quoted
        if not any(re.match(rf"{re.escape(heading)}(:|$)", h) for h in headings[tutorial])
    ]


def test_names_that_are_gone_are_found():
    text = "[`vaelite.negloglikelihood`](../vaelite/terms.py) vaelite.neglogprio vaelite/terms.py"
    names = "vaelite.plots.sample, vaelite.classroom.check vaelite.VAE.fit."
    assert missing_names(f"{text} {names}") == [
        "vaelite.neglogprio",
        "vaelite.plots.sample",
    ]


@pytest.fixture(scope="module")
def run():
    """The module tutorials/run.py."""
    pytest.importorskip("nbclient", reason="needs the extra tutorials")
    spec = importlib.util.spec_from_file_location("run", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_from_scratch_with_its_solutions_which_are_right(path, run):
    verdicts = run.verdicts(run.execute(run.with_solutions(run.read(path))))
    assert {verdict for cell in verdicts for verdict in cell} == {"Right."}
    assert all(verdicts)


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", ["06"])
def test_runs_on_mnist(number, run, mnist_home, monkeypatch):
    monkeypatch.setenv("VAELITE_DATA", str(mnist_home))
    (path,) = run.tutorials([number])
    run.execute(run.on_mnist(run.read(path)))


def test_solutions_are_put_where_they_belong(run):
    solution = "<details>\n<summary>Solution</summary>\n\n```python\nx = 1\n```\n</details>"
    v4 = run.nbformat.v4
    code, text = v4.new_code_cell, v4.new_markdown_cell
    notebook = v4.new_notebook(
        cells=[code("x = ...\ncheck(x, test)"), text(solution), text(solution)]
    )
    first, _, _, alone = run.with_solutions(notebook).cells
    assert first.source == "x = ...\nx = 1\n\ncheck(x, test)"
    assert alone.source == "x = 1\n"
