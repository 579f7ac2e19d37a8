"""Grades: right and wrong submissions, and those that cheat, hang, or ask for all memory."""

import csv
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from corpus import entries

pytest.importorskip("nbformat", reason="needs the extra classroom")
if not hasattr(os, "fork"):
    pytest.skip("the grader needs processes with limits", allow_module_level=True)

from vaelite.classroom.__main__ import main
from vaelite.classroom.assignment import read_assignment
from vaelite.classroom.grading import class_tables, grade, submissions
from vaelite.classroom.sandbox import ForkServer, Limits

MASTER = Path(__file__).resolve().parents[2] / "tutorials" / "assignment" / "assignment.ipynb"
HEAD = """
import autograd.numpy as np
import autograd.numpy as anp
import math
C = np.log(2 * np.pi) / 2
"""
ONE = "import autograd.numpy as np\ndef neglogprior(z):\n    "
RIGHT = "return np.sum(z**2 / 2 + np.log(2 * np.pi) / 2, axis=1)"


@pytest.fixture(scope="module")
def master():
    return read_assignment(MASTER)


@pytest.fixture(scope="module")
def server():
    with ForkServer(Limits(seconds=1, waiting=20)) as running:
        yield running


@pytest.fixture(scope="module")
def graded(master, server, tmp_path_factory):
    """Grade the functions in a source: the grade, and its results by question."""

    def run(source, **settings):
        path = tmp_path_factory.mktemp("submission") / "a.py"
        path.write_text(source, encoding="utf-8")
        asked = {n: q for n, q in master.questions.items() if q.name in source}
        some = replace(master, questions=asked or master.questions)
        found = grade(path, some, server, **settings)
        return found, {result.question: result for result in found.results}

    return run


def solved(master, **others):
    """All solutions as a Python file, or others in their places."""
    answers = {question.name: question.answer for question in master.questions.values()}
    head = "import autograd.numpy as np\nimport matplotlib.pyplot as plt\n"
    return head + "\n".join((answers | others).values())


def first(graded, body, **settings):
    """The result of a submission that has `neglogprior` only, with this body."""
    return graded(ONE + body, **settings)[1]["neglogprior"]


def test_a_perfect_submission(master, server):
    found = grade(MASTER, master, server)
    assert found.points == found.possible == master.points == 24
    assert {repr(result.verdict) for result in found.results} == {"Right."}
    assert grade(MASTER, master, server) == found


def test_an_empty_submission(graded, master):
    for source in ("", "\n".join(question.stub for question in master.questions.values())):
        found, results = graded(source)
        assert found.points == 0
        assert {result.verdict.mistake for result in results.values()} == {"not written"}


@pytest.mark.slow
def test_grades_are_the_same_on_every_run(graded, master):
    wrong = solved(master, neglogprior="def neglogprior(z):\n    return np.sum(z**2, axis=1) / 2")
    found, results = graded(wrong)
    assert results["neglogprior"].verdict.mistake == "constants dropped"
    assert results["negelbo"].verdict.mistake == "constants dropped in the prior only"
    assert found.points == 24 - 2 - 3
    again, _ = graded(wrong)
    assert repr(again) == repr(found)


LOOPS = [entry for entry in entries() if entry.term == "fit"]
STEPS = [entry for entry in entries() if entry.term == "adam"][:8]


@pytest.mark.parametrize("entry", LOOPS + STEPS, ids=lambda entry: entry.id)
def test_loops_and_steps_are_graded_as_in_the_notebook(graded, entry):
    code = entry.code.replace("def adam_step", "def adam")
    _, results = graded(HEAD + code)
    result = results[entry.term]
    assert result.verdict.ok == entry.right, result
    assert result.verdict.mistake == ("" if entry.right else entry.name)
    assert result.points == (result.possible if entry.right else 0)


def test_the_named_loops_are_in_the_corpus():
    named = {entry.name for entry in LOOPS}
    assert named >= {
        *("never shuffles", "drops the last batch", "reuses its noise"),
        "evaluates on training rows",
    }


# Submissions that cheat

FRAMES = """import sys
    frame, found = sys._getframe(), None
    while frame is not None:
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            expected = getattr(value, "expected", None)
            if callable(expected):
                return expected(z)
        frame = frame.f_back
    return 0 * z[:, 0]"""
COLLECTOR = """import gc
    for value in gc.get_objects():
        try:
            if type(value).__name__ == "Question" and "z" in value.shapes:
                return value.expected(z)
        except Exception:
            pass
    return 0 * z[:, 0]"""
VERDICT = """import sys
    for module in list(sys.modules.values()):
        kind = getattr(module, "Verdict", None)
        if kind is not None:
            kind.__init__ = lambda self, *a, **k: None
            kind.ok = True
    return 0 * z[:, 0]"""
PIPES = """import os, json, struct
    body = json.dumps({"verdict": "Right", "ok": True, "value": {"boolean": True}}).encode()
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, struct.pack("!Q", len(body)) + body)
        except OSError:
            pass
    return 0 * z[:, 0]"""
EQUAL = """class Any(np.ndarray):
        def __le__(self, other):
            return np.True_
        __sub__ = __rsub__ = __abs__ = lambda self, *other: self
    return np.zeros(len(z)).view(Any)"""
CHEATS = {
    "the library": "import vaelite\n    return vaelite.neglogprior(z)",
    "a name of the library": "from vaelite import neglogprior as f\n    return f(z)",
    "a module of the library": "from vaelite.terms import neglogprior as f\n    return f(z)",
    "importlib": "import importlib\n    d = importlib.import_module('vaelite.terms')\n"
    "    return d.neglogprior(z)",
    "the checker's question": "import vaelite.classroom.questions.densities as d\n"
    "    return d.NEGLOGPRIOR.expected(z)",
    "the answers for a notebook": "from vaelite.classroom import solutions\n"
    "    return solutions.neglogprior(z)",
    "frames": FRAMES,
    "the garbage collector": COLLECTOR,
    "another Verdict": VERDICT,
    "the pipes": PIPES,
    "an array that equals all": EQUAL,
    "one number": "return np.full(len(z), 1.8)",
}


@pytest.mark.parametrize("name", CHEATS)
def test_cheats_get_no_points(graded, name):
    result = first(graded, CHEATS[name])
    assert result.points == 0
    assert not result.verdict.ok
    if "library" in name or name == "importlib":
        assert result.verdict.mistake == "uses the library"


def test_stored_answers_are_right_for_the_visible_cases_only(graded):
    """A submission that knows all results of the cases with seed 0."""
    import numpy as np

    import vaelite
    from vaelite.classroom import check

    table = {}

    def spy(z):
        table[np.asarray(z).tobytes()] = vaelite.neglogprior(z).tolist()
        return vaelite.neglogprior(z)

    assert check.neglogprior(spy).ok
    body = f"return np.array({table!r}[np.array(z).tobytes()])"
    assert check.neglogprior(lambda z: np.array(table[np.asarray(z).tobytes()])).ok
    result = first(graded, body)
    assert (result.points, result.verdict.mistake) == (0, "right for the visible cases only")
    assert first(graded, RIGHT, seed=12345).points == 2


def test_changing_the_checker_in_a_notebook_changes_nothing(graded):
    patch = "from vaelite.classroom import check\ncheck.neglogprior = lambda f: True\n"
    assert graded(patch + ONE + "return z")[1]["neglogprior"].points == 0


# Submissions that hang, or take too much


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        ("while True: pass", "too slow"),
        (
            "while True:\n        try:\n            while True: pass\n"
            "        except BaseException: pass",
            "too slow",
        ),
        ("return np.zeros(10**10)", "too much memory"),
        ("import os\n    os._exit(0)", "ended"),
        ("import os, signal\n    os.kill(os.getpid(), signal.SIGSEGV)", "ended"),
        ("raise KeyboardInterrupt", "ended"),
        ("import sys\n    sys.exit()", "error"),
        ("return neglogprior(z)", "error"),
        ("return np.zeros(10**7)", "no numbers"),
        ("return open('/nowhere')", "error"),
        ("return zz", "error"),
    ],
)
def test_faults_are_named(graded, body, mistake):
    result = first(graded, body)
    assert (result.points, result.verdict.mistake) == (0, mistake), result.verdict


def test_a_function_that_sleeps_is_stopped(master, tmp_path):
    path = tmp_path / "a.py"
    path.write_text(ONE + "import time; time.sleep(1000)")
    with ForkServer(Limits(waiting=1)) as server:
        start = time.monotonic()
        (result, *_) = grade(path, master, server).results
    assert time.monotonic() - start < 60
    assert result.verdict.mistake == "too slow"


def test_a_slow_loop_is_told_so(graded):
    """Right, but it goes over single numbers in Python, again and again."""
    right = next(entry for entry in LOOPS if entry.right).code
    slow = right.replace("step(train", "sum(i for i in range(10**8)); step(train")
    assert slow != right
    verdict = graded(HEAD + slow)[1]["fit"].verdict
    assert verdict.mistake == "too slow"
    assert "more than 1 s of the processor" in verdict.diagnosis


def test_code_that_does_not_belong_to_an_answer_does_not_run(graded):
    before, after = "1 / 0\nwhile True: pass\n", "\nneglogprior(np.zeros(3))\nraise SystemExit"
    assert graded(before + ONE + RIGHT + after)[1]["neglogprior"].points == 2


def test_an_error_in_what_an_answer_needs_is_reported(graded):
    result = graded(f"C = 1 / 0\n{ONE}return C * z")[1]["neglogprior"]
    assert "name 'C' is not defined" in result.verdict.diagnosis
    verdict = graded("neglogprior = np.sum")[1]["neglogprior"].verdict
    assert "NameError in line 1, `neglogprior = np.sum`" in verdict.diagnosis
    verdict = graded(ONE + "return (")[1]["neglogprior"].verdict
    assert verdict.diagnosis == "a.py is not Python: '(' was never closed in line 3."


def test_what_a_submission_prints_is_shown(graded):
    result = first(graded, "print('z is', z.shape)\n    " + RIGHT)
    assert result.points == 2
    assert re.fullmatch(r"z is \(\d, \d\)", result.verdict.printed)


def test_derivatives_are_compared_in_the_other_process(graded, master):
    cut = "def reparameterize(mu, logsigma, eps):\n    from autograd.tracer import getval\n"
    cut += "    return mu + np.exp(getval(logsigma)) * eps"
    _, results = graded(solved(master, reparameterize=cut))
    assert results["reparameterize"].verdict.mistake == "sigma off the tape"
    assert results["negelbo"].verdict.mistake == "sigma off the tape"
    plain = "import numpy\ndef neglogprior(z):\n    z = numpy.array(z, dtype=float)\n    "
    verdict = graded(plain + RIGHT.replace("np.", "numpy."))[1]["neglogprior"].verdict
    assert verdict.ok
    assert "autograd has to follow it" in verdict.notes[0]


# The command


def test_the_command_grades_one(master, tmp_path, capsys):
    path, out = tmp_path / "ada.py", tmp_path / "results.json"
    path.write_text(solved(master, fit="def fit(*arguments):\n    ..."))
    command = ["grade", str(path), "--master", str(MASTER), "--json", str(out), "--seed", "5"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ada.py: 19 of 24 points"
    assert lines[7] == "  fit                0 / 5  Not written yet."
    results = json.loads(out.read_text())
    assert results["score"] == 19 == sum(test["score"] for test in results["tests"])
    assert sum(test["max_score"] for test in results["tests"]) == 24
    assert results["tests"][6] == {
        "name": "fit",
        "score": 0,
        "max_score": 5,
        "status": "failed",
        "output": "Not written yet.",
        "output_format": "text",
    }


def test_the_command_grades_a_class(tmp_path, capsys):
    folder, points = tmp_path / "class", tmp_path / "points.csv"
    wrong = ONE + "return np.sum(z**2, axis=1) / 2"
    sources = {"ada": ONE + RIGHT, "bob": wrong, "eve/again": wrong, "joe": ""}
    for name, source in sources.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (folder / "zoe.ipynb").write_text("{")
    assert main(["grade", str(folder), "--master", str(MASTER), "--csv", str(points)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"neglogprior +2 +1 +1 +3\n", text)
    assert re.search(r"neglogprior +constants dropped +2 +bob\.py, eve/again\.py\n", text)
    assert re.search(r"neglogprior +unreadable +1 +zoe\.ipynb\n", text)
    with open(points, newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == [
        *("submission", "ada.py", "bob.py", "eve/again.py", "joe.py", "zoe.ipynb")
    ]
    assert [row[-1] for row in rows] == ["points", "2", "0", "0", "0", "0"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.py"], "there is no nowhere.py"),
        (["."], "no .py or .ipynb file to grade"),
        ([str(MASTER), str(Path(__file__)), "--json", "x"], "--json is for one submission, got 2"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    assert main(["grade", *arguments, "--master", str(MASTER)]) == 1
    assert says in capsys.readouterr().err


def test_submissions_have_different_names(tmp_path):
    for name in ("a", "b", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vae.py").touch()
    assert list(submissions([tmp_path])) == ["a/vae.py", "b/vae.py"]
    assert len(submissions([tmp_path / "a" / "vae.py", tmp_path / "b" / "vae.py"])) == 2


BUDGET = """
import resource, sys, time
from vaelite.classroom.__main__ import main
code = main(["grade", *sys.argv[1:]])
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print("CPU", sum(use.ru_utime + use.ru_stime for use in used))
print("MB", sum(use.ru_maxrss for use in used) / 1024)
sys.exit(code)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_grading_takes_few_seconds_and_little_memory(tmp_path):
    command = [sys.executable, "-c", BUDGET, str(MASTER), "--master", str(MASTER)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu, megabytes = (
        float(re.search(rf"{name} ([\d.]+)", ran.stdout)[1]) for name in ("CPU", "MB")
    )
    print(f"\n{cpu:.1f} s of the processor, {megabytes:.0f} MB")
    assert cpu < 10
    assert megabytes < 768


@pytest.mark.slow
def test_a_class(master, tmp_path):
    """Every second student has one mistake of the corpus. (With 200 students: minutes.)"""
    n = 40
    wrong = [entry for entry in entries() if not entry.right and entry.term in ("fit", "adam")]
    for student in range(n):
        entry = wrong[student % len(wrong)]
        code = HEAD + entry.code.replace("def adam_step", "def adam")
        text = solved(master, **{entry.term: code} if student % 2 else {})
        (tmp_path / f"student{student:03d}.py").write_text(text)
    with ForkServer(Limits(seconds=1)) as server:
        grades = [
            grade(path, master, server, name=name) for name, path in submissions([tmp_path]).items()
        ]
    assert len(grades) == n
    for student, found in enumerate(grades):
        entry = wrong[student % len(wrong)]
        mistakes = {r.question: r.verdict.mistake for r in found.results if not r.verdict.ok}
        assert mistakes == ({entry.term: entry.name} if student % 2 else {})
    table = class_tables(grades)
    failed = sum(wrong[student % len(wrong)].term == "fit" for student in range(1, n, 2))
    row = next(line.split() for line in table.splitlines() if line.startswith("fit "))
    assert row[2:] == [f"{n - failed}", "0", f"{failed}"]  # right, not written, wrong
    assert "student001.py" in table


OWN = """def doubles(double):
    assert double(LIMIT) == 2 * LIMIT, f"The double of {LIMIT} is more."
    assert np.all(double(np.ones(3)) == 2 * np.ones(3))"""
QUESTION = """# QUESTION double: 3 points
def double(x):
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION


check(double, doubles)"""


def test_an_exercise_with_a_test_of_its_own(server, tmp_path):
    import nbformat

    head = "import numpy as np\nfrom vaelite.classroom import check\nLIMIT = 7"
    cells = [nbformat.v4.new_code_cell(source) for source in (head, OWN, QUESTION)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "master.ipynb")
    own = read_assignment(tmp_path / "master.ipynb")
    for body, points, says in (
        ("return x + x", 3, "Right."),
        ("return x", 0, "Not right yet. The double of 7 is more."),
        ("...", 0, "Not written yet."),
    ):
        (tmp_path / "a.py").write_text(f"def double(x):\n    {body}")
        (result,) = grade(tmp_path / "a.py", own, server).results
        assert (result.points, repr(result.verdict)) == (points, says)
