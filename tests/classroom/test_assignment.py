"""The master notebook, and what is built from it."""

import re
from pathlib import Path

import pytest

from vaelite.classroom.__main__ import main
from vaelite.classroom.assignment import code_cells, read_assignment, without_solutions

nbformat = pytest.importorskip("nbformat", reason="needs the extra classroom")
from vaelite.classroom.build import TARGETS, build  # noqa: E402

MASTER = Path(__file__).resolve().parents[2] / "tutorials" / "assignment" / "assignment.ipynb"
QUESTION = """# QUESTION two: 2 points
def two():
    # BEGIN SOLUTION
    return 2
    # END SOLUTION


check(two, is_two)
# BEGIN HIDDEN TESTS
check(two, is_two, SEED)
# END HIDDEN TESTS"""


@pytest.fixture(scope="module")
def master():
    return read_assignment(MASTER)


def written(path, *sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def texts(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def test_the_shipped_assignment(master):
    names = [question.name for question in master.questions.values()]
    assert names == [
        *("neglogprior", "negloglikelihood", "neglogposterior", "reparameterize", "negelbo"),
        *("adam", "fit", "latent_plot", "samples"),
    ]
    text = texts(master.notebook)
    for question in master.questions.values():
        assert question.tests == f"check.{question.name}({question.name})"  # one line
        assert f"({question.points} points)" in text
    assert f"{len(names)} exercises have {master.points} points".replace("9", "Nine", 1) in text


@pytest.mark.parametrize("target", TARGETS)
def test_a_built_notebook_is_valid(master, target):
    notebook = build(master, target, seed=77)
    nbformat.validate(notebook)
    text = texts(notebook)
    assert "FOR INSTRUCTORS" not in text
    assert "BY HAND" not in text
    assert ("seed=77" in text) == (target != "plain")
    assert not re.search(r"\bSEED\b", text)
    assert all(cell.get("outputs", []) == [] for cell in notebook.cells)


def test_students_get_no_solution_and_no_hidden_test(master):
    text = texts(build(master, "plain"))
    for question in master.questions.values():
        inside = re.findall(r"BEGIN SOLUTION\n(.*?)# END", question.answer, re.DOTALL)
        lines = {line.strip() for line in "\n".join(inside).splitlines() if len(line) > 20}
        assert lines
        assert not [line for line in lines if line in text]
    assert not re.search("SOLUTION|HIDDEN TESTS|seed=", text)
    assert text.count("    ...\n") == len(master.questions)


def test_nbgraders_cells(master):
    cells = [cell for cell in build(master, "nbgrader").cells if "nbgrader" in cell.metadata]
    settings = [cell.metadata["nbgrader"] for cell in cells]
    assert len({each["grade_id"] for each in settings}) == len(settings) == 19
    assert sum(each.get("points", 0) for each in settings) == master.points + 16
    for cell in cells:
        locked = cell.metadata["nbgrader"]["locked"]
        assert locked == ("### BEGIN HIDDEN TESTS" in cell.source)


def test_a_solution_becomes_a_stub_in_its_place():
    source = (
        "def f():\n    if x:\n        # BEGIN SOLUTION\n        y\n        # END SOLUTION\n    z"
    )
    assert without_solutions(source) == "def f():\n    if x:\n        ...\n    z"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1", "has no cell that begins with"),
        ("# QUESTION two, 2 points\nx", "the first line should be like '# QUESTION name: 2"),
        ("# QUESTION two: 2 points\nx = 1", "the question two has no line that begins with"),
        (QUESTION.replace("# END SOLUTION", ""), "BEGIN SOLUTION has no END SOLUTION"),
        (QUESTION.replace("# END HIDDEN TESTS", ""), "BEGIN HIDDEN TESTS has no END"),
        (QUESTION.replace("# BEGIN SOLUTION", ""), "END SOLUTION has no BEGIN SOLUTION"),
        (QUESTION + "\n# BEGIN SOLUTION\n", "BEGIN SOLUTION has no END SOLUTION"),
    ],
)
def test_a_mistake_in_a_master_is_named(tmp_path, capsys, source, says):
    path = written(tmp_path / "master.ipynb", source)
    with pytest.raises(ValueError, match=says):
        read_assignment(path)
    assert main(["build", str(path)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_two_questions_with_one_name(tmp_path):
    path = written(tmp_path / "master.ipynb", QUESTION, QUESTION)
    with pytest.raises(ValueError, match=r"master\.ipynb, cell 2: the question two comes twice"):
        read_assignment(path)


def test_the_command_builds(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path / "a.ipynb", QUESTION)
    assert main(["build", str(path), "--target", "otter", "--out", "x/b.ipynb"]) == 0
    assert capsys.readouterr().out == "wrote x/b.ipynb: 1 questions, 2 points\n"
    assert main(["build", str(path)]) == 0
    assert "    ...\n\n\ncheck(two, is_two)" in code_cells("a-plain.ipynb")[0][1]
    assert main(["build", str(path), "--out", str(path)]) == 1
    assert "the master notebook itself" in capsys.readouterr().err


def test_files_that_are_no_notebooks(tmp_path):
    for name, content in (("a.ipynb", b"{"), ("b.ipynb", b""), ("c.py", b"\xff"), ("d.txt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name):
            code_cells(tmp_path / name)
