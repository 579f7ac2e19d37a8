"""The real otter-grader and nbgrader grade the built assignment.

They are in an environment of their own, which VAELITE_AUTOGRADERS names::

    python -m venv graders && graders/bin/python -m pip install otter-grader nbgrader .
    VAELITE_AUTOGRADERS=$PWD/graders python -m pytest -m slow tests/classroom/test_autograders.py
"""

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from vaelite.classroom.assignment import read_assignment

nbformat = pytest.importorskip("nbformat", reason="needs the extra classroom")
from vaelite.classroom.build import build  # noqa: E402

GRADERS = os.environ.get("VAELITE_AUTOGRADERS")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not GRADERS, reason="VAELITE_AUTOGRADERS names no environment"),
]
ROOT = Path(__file__).resolve().parents[2]
MASTER = ROOT / "tutorials" / "assignment" / "assignment.ipynb"
POINTS = {
    **{"neglogprior": 2, "negloglikelihood": 3, "neglogposterior": 2, "reparameterize": 2},
    **{"negelbo": 3, "adam": 3, "fit": 5, "latent_plot": 2, "samples": 2},
}
WRONG = {  # a submission: texts of the solution, and what it has in their places
    "terms": {
        "z**2 + np.log(2 * np.pi)": "z**2",  # and so the loss is wrong
        "m / (1 - 0.9**t), v / (1 - 0.999**t)": "m, v",
        "decode(rng.normal(size=(n, latent_dim)))": "decode(encode(x[:n])[0])",
    },
    "loop": {
        "rng.permutation(len(train))": "np.arange(len(train))",
        "mu + np.exp(logsigma) * eps": "mu + np.exp(logsigma / 2) * eps",
        "*mu[labels == label].T": "*mu[labels == label][:, ::-1].T",
    },
}
LOST = {
    "perfect": set(),
    "empty": set(POINTS),
    "terms": {"neglogprior", "negelbo", "adam", "samples"},
    "loop": {"reparameterize", "negelbo", "fit", "latent_plot"},
}
EXPECTED = {
    student: {name: 0 if name in lost else points for name, points in POINTS.items()}
    for student, lost in LOST.items()
}


@pytest.fixture
def master(tmp_path):
    """The assignment, trained for 2 epochs only."""
    text = MASTER.read_text(encoding="utf-8")
    assert "epochs=80" in text
    (tmp_path / "vae.ipynb").write_text(text.replace("epochs=80", "epochs=2"), encoding="utf-8")
    return read_assignment(tmp_path / "vae.ipynb")


@pytest.fixture
def run(tmp_path):
    """Run a command of the graders' environment in a temporary folder."""
    (tmp_path / "home").mkdir()
    names = {"HOME": str(tmp_path / "home"), "PATH": f"{GRADERS}/bin:{os.environ['PATH']}"}
    environment = os.environ | names | {"OPENBLAS_NUM_THREADS": "1"}
    environment.pop("VIRTUAL_ENV", None)

    def command(*words, folder=tmp_path):
        ran = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    return command


def written(notebook, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def submission(student, released, solved):
    """A student's notebook: the one that was released, or with answers in it."""
    if student == "empty":
        return released
    notebook = nbformat.from_dict(json.loads(json.dumps(solved)))
    for old, new in WRONG.get(student, {}).items():
        cells = [cell for cell in notebook.cells if old in cell.source]
        assert len(cells) == 1, old
        cells[0].source = cells[0].source.replace(old, new)
    return notebook


def test_otter(master, run, tmp_path):
    written(build(master, "otter", seed=7), tmp_path / "otter.ipynb")
    run("otter", "assign", "--no-run-tests", "otter.ipynb", "dist")
    (archive,) = (tmp_path / "dist" / "autograder").glob("*.zip")
    released = nbformat.read(tmp_path / "dist" / "student" / "otter.ipynb", 4)
    solved = nbformat.read(tmp_path / "dist" / "autograder" / "otter.ipynb", 4)
    text = "\n".join(cell.source for cell in released.cells)
    assert "SOLUTION" not in text
    assert "seed=7" not in json.dumps(released)
    for student, expected in EXPECTED.items():
        path = tmp_path / student / "otter.ipynb"
        written(submission(student, released, solved), path)
        run("otter", "run", "-a", archive, "-o", path.parent, path)
        tests = json.loads((path.parent / "results.json").read_text())["tests"]
        found = {test["name"]: test["score"] for test in tests if "score" in test}
        assert found == expected, student


def test_nbgrader(master, run, tmp_path):
    course, built = tmp_path / "course", build(master, "nbgrader", seed=7)
    written(built, course / "source" / "vae" / "vae.ipynb")
    run("nbgrader", "generate_assignment", "vae", folder=course)
    released = nbformat.read(course / "release" / "vae" / "vae.ipynb", 4)
    assert "SOLUTION" not in "\n".join(cell.source for cell in released.cells)
    assert "seed=7" not in json.dumps(released)
    for student in EXPECTED:
        path = course / "submitted" / student / "vae" / "vae.ipynb"
        written(submission(student, released, built), path)
    run("nbgrader", "autograde", "vae", folder=course)
    run("nbgrader", "export", folder=course)
    with open(course / "grades.csv", newline="") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {student: sum(points.values()) for student, points in EXPECTED.items()}


def test_our_own_grader_gives_the_same_points(master, tmp_path):
    from vaelite.classroom.grading import grade
    from vaelite.classroom.sandbox import ForkServer

    solved = build(master, "nbgrader")
    released = build(master, "plain")
    with ForkServer() as server:
        for student, expected in EXPECTED.items():
            path = tmp_path / student / "vae.ipynb"
            written(submission(student, released, solved), path)
            found = grade(path, master, server, seed=7)
            assert {result.question: result.points for result in found.results} == expected
