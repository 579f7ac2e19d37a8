"""The grades of submissions: every question in a process of its own.

::

    assignment = read_assignment("assignment.ipynb")
    with ForkServer() as server:
        print(grade("ada.ipynb", assignment, server, seed=1))
"""

import ast
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from .answers import Fault
from .assignment import code_cells, with_seed
from .needed_code import needed, statements
from .verdict import NOT_WRITTEN, Verdict

UNREADABLE = "unreadable"  # the name of a mistake
SEEN_ONLY = "right for the visible cases only"
SUFFIXES = ".py", ".ipynb"


@dataclass(frozen=True)
class Result:
    """The result of one question.

    Attributes
    ----------
    question : str
    points, possible : int
        All points if every check says "Right.", otherwise none.
    verdict : Verdict
        The first that is not "Right.", if there is one.
    """

    question: str
    points: int
    possible: int
    verdict: Verdict


@dataclass(frozen=True)
class Grade:
    """The grade of a submission: its name, and a `Result` for each question."""

    submission: str
    results: tuple

    @property
    def points(self):
        """The sum of the points."""
        return sum(result.points for result in self.results)

    @property
    def possible(self):
        """The largest possible sum."""
        return sum(result.possible for result in self.results)

    def __repr__(self):
        width = max(len(result.question) for result in self.results)
        lines = [
            f"  {result.question:{width}}  {result.points:2d} / {result.possible}  "
            f"{_in_a_line(result.verdict)}"
            for result in self.results
        ]
        head = f"{self.submission}: {self.points} of {self.possible} points"
        return "\n".join([head, *lines])

    def gradescope(self):
        """Return the grade as a dict, in the format of Gradescope's results.json."""
        tests = [
            {
                "name": result.question,
                "score": result.points,
                "max_score": result.possible,
                "status": "passed" if result.verdict.ok else "failed",
                "output": repr(result.verdict),
                "output_format": "text",
            }
            for result in self.results
        ]
        return {"score": self.points, "visibility": "visible", "tests": tests}


def _in_a_line(verdict):
    return f"{verdict.headline}. {verdict.diagnosis}".strip()


def grade(path, assignment, server, seed=1, name=None):
    """Grade a submission.

    Parameters
    ----------
    path : path-like
        A .py or .ipynb file.
    assignment : Assignment
    server : ForkServer
        Where the submission's code runs.
    seed : int
        Of the hidden tests.
    name : str, optional
        Of the submission; by default that of the file.

    Returns
    -------
    Grade
    """
    questions = assignment.questions.values()
    try:
        cells, unreadable = code_cells(path), None
    except ValueError as error:
        cells, unreadable = [], Verdict(False, 0.0, UNREADABLE, f"{error}.")
    results = []
    for question in questions:
        verdict = unreadable or _verdict(question, cells, assignment, server, seed)
        points = question.points if verdict.ok else 0
        results.append(Result(question.name, points, question.points, verdict))
    return Grade(name or Path(path).name, tuple(results))


def _verdict(question, cells, assignment, server, seed):
    """The first verdict on an answer that is not "Right.", or the first one."""
    try:
        remote = server.function(cells, question.name)
    except Fault as fault:
        return Verdict(False, 0.0, fault.mistake, fault.says)
    try:
        answer = remote.function()
        seen = _verdicts(question, question.tests, assignment, answer)
        wrong = next((verdict for verdict in seen if not verdict.ok), None)
        if wrong is not None:
            return wrong
        hidden = _verdicts(question, with_seed(question.hidden, seed), assignment, answer)
    finally:
        remote.close()
    wrong = next((verdict for verdict in hidden if not verdict.ok), None)
    return seen[0] if wrong is None else _seen_only(wrong)


def _seen_only(verdict):
    says = "It is right for the cases that the notebook tries, and not for others. "
    return replace(
        verdict, mistake=SEEN_ONLY, diagnosis=says + verdict.diagnosis, counterexample=None
    )


def _verdicts(question, code, assignment, answer):
    """Run checks in this process, with a function that is in another one."""
    place = f"{assignment.path.name}, the checks of {question.name}"
    tests = statements(place, code)
    names = frozenset().union(*(test.uses for test in tests)) - {question.name}
    scope = {"__name__": "tests"}
    for statement in needed(_master(assignment), names):
        if question.name not in statement.binds:
            exec(statement.code(), scope)
    scope[question.name] = answer
    found = []
    for test in tests:
        if isinstance(test.node, ast.Expr):
            found.append(eval(compile(ast.Expression(test.node.value), place, "eval"), scope))
        else:
            exec(test.code(), scope)
    return [verdict for verdict in found if isinstance(verdict, Verdict)]


def _master(assignment):
    """The statements of the master: imports, and the tests that are its own."""
    cells = assignment.notebook.cells
    return [
        statement
        for number, cell in enumerate(cells)
        if cell.cell_type == "code" and number not in assignment.questions
        for statement in statements(f"{assignment.path.name}, cell {number + 1}", cell.source)
    ]


# A class


def submissions(paths):
    """The files to grade, by name: files as they are, and all files of folders."""
    found = {}
    for path in map(Path, paths):
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
            shown = [file for file in files if ".ipynb_checkpoints" not in file.parts]
            found |= {file.relative_to(path).as_posix(): file for file in shown}
        elif path.exists():
            found[path.name if path.name not in found else str(path)] = path
        else:
            raise FileNotFoundError(f"there is no {path}")
    if not found:
        raise ValueError("no .py or .ipynb file to grade")
    return found


def class_tables(grades):
    """Two tables of a class: the questions, and who made which mistake."""
    return f"{_questions(grades)}\n\n{_mistakes(grades)}"


def _questions(grades):
    rows = [("question", "points", "right", "not written", "wrong")]
    for position, first in enumerate(grades[0].results):
        verdicts = [grade.results[position].verdict for grade in grades]
        right = sum(verdict.ok for verdict in verdicts)
        missing = sum(verdict.mistake == NOT_WRITTEN for verdict in verdicts)
        wrong = len(verdicts) - right - missing
        rows.append((first.question, first.possible, right, missing, wrong))
    return _aligned(rows)


def _mistakes(grades):
    who = {}
    for grade_ in grades:
        for result in grade_.results:
            if not result.verdict.ok and result.verdict.mistake != NOT_WRITTEN:
                key = result.question, result.verdict.mistake
                who.setdefault(key, []).append(grade_.submission)
    order = list(Counter(result.question for result in grades[0].results))
    ranked = sorted(who.items(), key=lambda item: (order.index(item[0][0]), -len(item[1])))
    rows = [(*key, len(names), ", ".join(names)) for key, names in ranked]
    return _aligned([("question", "mistake", "how many", "who"), *rows])


def _aligned(rows):
    """Rows as lines, with columns below each other."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    )


def points_table(grades):
    """The points of a class as lines of CSV: submission, each question, total."""
    head = ["submission", *(result.question for result in grades[0].results), "points"]
    rows = [
        [grade_.submission, *(result.points for result in grade_.results), grade_.points]
        for grade_ in grades
    ]
    return [head, *rows]
