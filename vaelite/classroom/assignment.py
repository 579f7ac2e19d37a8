"""A master notebook: questions with points, solutions, tests, and hidden tests.

A code cell is a question if it begins with such a line; the checks come last in it::

    # QUESTION neglogprior: 2 points
    def neglogprior(z):
        # BEGIN SOLUTION
        return np.sum(z**2 + np.log(2 * np.pi), axis=1) / 2
        # END SOLUTION

    check.neglogprior(neglogprior)
    # BEGIN HIDDEN TESTS
    check.neglogprior(neglogprior, seed=SEED)
    # END HIDDEN TESTS

A text cell that begins with ``<!-- BY HAND project: 10 points -->`` is graded by hand.
Cells that begin with ``<!-- FOR INSTRUCTORS -->`` or ``# FOR INSTRUCTORS`` are not for
students.
"""

import re
from dataclasses import dataclass
from pathlib import Path

QUESTION = re.compile(r"# QUESTION (\w+): (\d+) points?\n")
BY_HAND = re.compile(r"<!-- BY HAND (\w+): (\d+) points? -->\n")
PRIVATE = re.compile(r"(<!-- FOR INSTRUCTORS -->|# FOR INSTRUCTORS$)", re.MULTILINE)
CHECK = re.compile(r"^check[.(]", re.MULTILINE)
SOLUTION = re.compile(r"^([ \t]*)# BEGIN SOLUTION\n.*?^[ \t]*# END SOLUTION$", re.M | re.S)
HIDDEN = re.compile(r"^# BEGIN HIDDEN TESTS\n(.*?)^# END HIDDEN TESTS$\n?", re.M | re.S)
MARK = re.compile(r"^[ \t]*# (BEGIN|END) (SOLUTION|HIDDEN TESTS)\b", re.MULTILINE)
SEED = re.compile(r"\bSEED\b")  # in hidden tests: the instructor's


@dataclass(frozen=True)
class Question:
    """A question that is graded by its checks.

    Attributes
    ----------
    name : str
        Of the function that students write.
    points : int
    answer, tests, hidden : str
        Source code: the answer with its solution, the checks, and the hidden ones.
    """

    name: str
    points: int
    answer: str
    tests: str
    hidden: str

    @property
    def stub(self):
        """The answer with ``...`` in place of every solution."""
        return without_solutions(self.answer)


@dataclass(frozen=True)
class Assignment:
    """A master notebook.

    Attributes
    ----------
    path : Path
    notebook : NotebookNode
    questions : dict of int to Question
        By the position of the cell.
    """

    path: Path
    notebook: object
    questions: dict

    @property
    def points(self):
        """The points of all questions that are graded by their checks."""
        return sum(question.points for question in self.questions.values())


def read_assignment(path):
    """Read a master notebook.

    Raises
    ------
    ValueError
        If a mark is not closed, a name comes twice, a question has no check, or there
        is no question; the message names the cell.
    """
    path, questions, names = Path(path), {}, set()
    notebook = read_notebook(path)
    for number, cell in enumerate(notebook.cells):
        try:
            found = _question(cell.source) if cell.cell_type == "code" else by_hand(cell)
            _check_marks(cell.source)
            if found is not None and (name := getattr(found, "name", None) or found[0]) in names:
                raise ValueError(f"the question {name} comes twice")
        except ValueError as error:
            raise ValueError(f"{path.name}, cell {number + 1}: {error}") from None
        if found is not None:
            names.add(name)
        if isinstance(found, Question):
            questions[number] = found
    if not questions:
        raise ValueError(f"{path.name} has no cell that begins with '# QUESTION name: 2 points'")
    return Assignment(path, notebook, questions)


def by_hand(cell):
    """The name and the points of a text cell that is graded by hand, or None."""
    found = BY_HAND.match(cell.source) if cell.cell_type == "markdown" else None
    return found and (found[1], int(found[2]))


def is_private(cell):
    """Whether a cell is for instructors only."""
    return PRIVATE.match(cell.source) is not None


def without_solutions(source):
    """The source with ``...`` in place of every solution."""
    return SOLUTION.sub(r"\1...", source)


def with_seed(source, seed):
    """The hidden tests with the instructor's seed."""
    return SEED.sub(str(seed), source)


def _question(source):
    header = QUESTION.match(source)
    if header is None:
        if source.startswith("# QUESTION"):
            raise ValueError(
                "the first line should be like '# QUESTION name: 2 points', got "
                f"{source.splitlines()[0]!r}"
            )
        return None
    hidden = "".join(HIDDEN.findall(source))
    shown = HIDDEN.sub("", source)
    first = CHECK.search(shown)
    if first is None:
        raise ValueError(f"the question {header[1]} has no line that begins with 'check'")
    answer, tests = shown[: first.start()], shown[first.start() :]
    return Question(header[1], int(header[2]), answer.rstrip() + "\n", tests.rstrip(), hidden)


def _check_marks(source):
    """Raise ValueError if a mark is not closed."""
    is_open = None
    for kind, what in MARK.findall(source):
        if is_open and (kind, what) != ("END", is_open):
            break
        if kind == "END" and not is_open:
            raise ValueError(f"END {what} has no BEGIN {what}")
        is_open = what if kind == "BEGIN" else None
    if is_open:
        raise ValueError(f"BEGIN {is_open} has no END {is_open}")


def read_notebook(path):
    """Read a notebook of any format; ValueError if it is none."""
    nbformat = notebook_library()
    try:
        return nbformat.read(path, as_version=4)
    except OSError:
        raise
    except Exception as error:  # nbformat and json raise many kinds of errors
        raise ValueError(f"{Path(path).name} is no notebook, or it is damaged: {error}") from None


def notebook_library():
    """Return nbformat, or say how to install it."""
    try:
        import nbformat
    except ImportError:
        raise ImportError(
            "notebooks need nbformat: python -m pip install 'vaelite[classroom]'"
        ) from None
    return nbformat


def code_cells(path):
    """The code of a notebook or a Python file as pairs of a name and a source."""
    path = Path(path)
    if path.suffix == ".ipynb":
        cells = [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]
        return [(f"code cell {i}", cell.source) for i, cell in enumerate(cells, start=1)]
    if path.suffix != ".py":
        raise ValueError(f"a submission should be a .py or an .ipynb file, got {path.name}")
    try:
        return [(path.name, path.read_text(encoding="utf-8"))]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is no text: {error}") from None
