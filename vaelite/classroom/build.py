"""From one master notebook to the notebooks of students and of autograders.

`plain` is what students get. `otter` and `nbgrader` are the sources from which
``otter assign`` and ``nbgrader generate_assignment`` make the rest.
"""

import copy

from .assignment import (
    BY_HAND,
    by_hand,
    is_private,
    notebook_library,
    with_seed,
    without_solutions,
)

REPORT = "Write your report here."
PASSES = "verdict = {}\nassert verdict.ok, verdict"  # a test of an autograder


def build(assignment, target, seed=1):
    """Build a notebook.

    Parameters
    ----------
    assignment : Assignment
    target : {"plain", "otter", "nbgrader"}
    seed : int
        Of the hidden tests.

    Returns
    -------
    NotebookNode
    """
    convert = TARGETS[target](assignment, seed)
    notebook = copy.deepcopy(assignment.notebook)
    cells = []
    for number, cell in enumerate(notebook.cells):
        if not is_private(cell):
            cells += convert.cells(cell, assignment.questions.get(number))
    notebook.cells = convert.first() + cells
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


class Plain:
    """The students' notebook: stubs in place of solutions, and no hidden tests."""

    def __init__(self, assignment, seed):
        self.assignment, self.seed = assignment, seed
        self.new = notebook_library().v4

    def first(self):
        """The cells before all others."""
        return []

    def cells(self, cell, question):
        """What becomes of a cell of the master."""
        if question is not None:
            return self.question(question)
        if by_hand(cell) is not None:
            name, points = by_hand(cell)
            return self.by_hand(name, points, BY_HAND.sub("", cell.source, count=1))
        cell.source = without_solutions(cell.source)
        return [cell]

    def question(self, question):
        """The cells of a question."""
        return [self.code(f"{question.stub}\n\n{question.tests}")]

    def by_hand(self, name, points, text):
        """The cells of a question that is graded by hand."""
        return [self.text(text), self.text(REPORT)]

    def code(self, source, **metadata):
        """A new code cell."""
        return self.new.new_code_cell(source, metadata=metadata)

    def text(self, source, **metadata):
        """A new text cell."""
        return self.new.new_markdown_cell(source, metadata=metadata)

    def tests(self, code):
        """The checks in some lines as tests of an autograder, one for each check."""
        lines = with_seed(code, self.seed).splitlines()
        return [PASSES.format(line) for line in lines if line.startswith("check")]


class Otter(Plain):
    """The source for ``otter assign``."""

    def first(self):
        """Otter's settings: the notebook has its own checks and imports."""
        settings = {
            "name": self.assignment.path.stem,
            "init_cell": "false",
            "check_all_cell": "false",
            "export_cell": "false",
            "generate": "true",
        }
        lines = [f"{name}: {value}" for name, value in settings.items()]
        return [self.raw("# ASSIGNMENT CONFIG", *lines)]

    def question(self, question):
        """Otter's cells of a question: the answer, the tests, the hidden ones."""
        hidden = [f"# HIDDEN\n{test}" for test in self.tests(question.hidden)]
        head = f"name: {question.name}", f"points: {question.points}", "all_or_nothing: true"
        return [
            self.raw("# BEGIN QUESTION", *head),
            self.raw("# BEGIN SOLUTION"),
            self.code(question.answer),
            self.raw("# END SOLUTION"),
            self.raw("# BEGIN TESTS"),
            *map(self.code, self.tests(question.tests) + hidden),
            self.raw("# END TESTS"),
            self.raw("# END QUESTION"),
        ]

    def by_hand(self, name, points, text):
        """Otter's cells of a question that is graded by hand."""
        head = "# BEGIN QUESTION", f"name: {name}", f"points: {points}", "manual: true"
        return [
            self.raw(*head),
            self.text(text),
            self.raw("# BEGIN SOLUTION"),
            self.text(REPORT),
            self.raw("# END SOLUTION"),
            self.raw("# END QUESTION"),
        ]

    def raw(self, *lines):
        """A raw cell."""
        return self.new.new_raw_cell("\n".join(lines))


class Nbgrader(Plain):
    """The source for ``nbgrader generate_assignment``."""

    def question(self, question):
        """nbgrader's cells of a question: the answer, and the locked tests."""
        answer = question.answer.replace("# BEGIN SOLUTION", "### BEGIN SOLUTION")
        answer = answer.replace("# END SOLUTION", "### END SOLUTION")
        graded = self.tests(question.tests) + self.tests(question.hidden)
        hidden = ["### BEGIN HIDDEN TESTS", *graded, "### END HIDDEN TESTS"]
        return [
            self.code(answer, nbgrader=_nbgrader(question.name, "code", solution=True)),
            self.code(
                "\n".join([question.tests, *hidden]),
                nbgrader=_nbgrader(f"test_{question.name}", "code", question.points, locked=True),
            ),
        ]

    def by_hand(self, name, points, text):
        """nbgrader's cells of a question that is graded by hand."""
        settings = _nbgrader(name, "markdown", points, solution=True)
        return [self.text(text), self.text(REPORT, nbgrader=settings)]


def _nbgrader(name, kind, points=None, solution=False, locked=False):
    settings = {"grade_id": name, "cell_type": kind, "schema_version": 3, "task": False}
    settings |= {"grade": points is not None, "solution": solution, "locked": locked}
    return settings | ({} if points is None else {"points": points})


TARGETS = {"plain": Plain, "otter": Otter, "nbgrader": Nbgrader}
