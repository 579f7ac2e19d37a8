"""The map from equations to code: its lines, theorems and exercises exist."""

import json
import re
from pathlib import Path

import pytest

from vaelite.classroom import check, theorems

DOCS = Path(__file__).resolve().parent.parent / "docs"
TEXT = (DOCS / "equations.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and "`" in line and "line of code" not in line
]
THEOREMS = set(theorems.THEOREMS)


def flat(text):
    return " ".join(text.split())


def used(notebook):
    """The names of the checks in the code of a notebook."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return set(re.findall(r"check\.(\w+)", code))


def first(row):
    return " ".join(row[:2])


def test_every_numbered_equation_of_the_paper_has_a_row():
    numbers = [int(n) for row in ROWS for n in re.findall(r"^\((\d+)\)", row[0])]
    assert numbers == list(range(1, 13))


@pytest.mark.parametrize("row", ROWS, ids=first)
def test_a_row_names_what_exists(row):
    _, _, code, theorem, exercise = row
    line, name, path = re.match(r"`([^`]+)` in \[`([\w.]+)`\]\(([^)]+)\)", code).groups()
    source = (DOCS / path).resolve().read_text(encoding="utf-8")
    assert flat(line) in flat(source)
    assert re.search(rf"^(def|class) {name.rpartition('.')[2]}\b", source, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", theorem)) <= THEOREMS
    notebook = DOCS / re.search(r"\]\((\.\./tutorials/[^)]+)\)", exercise)[1]
    for question in re.findall(r"`check\.(\w+)`", exercise):
        assert hasattr(check, question)
        assert question in used(notebook)


def test_every_theorem_is_on_the_map():
    assert THEOREMS <= set(re.findall(r"`(\w+)`", TEXT))
