"""What the doctor returns: findings, each with a number, a remedy and a page."""

from dataclasses import dataclass, field

PAGE = "docs/guide/doctor.md"


@dataclass(frozen=True)
class Finding:
    """Something that a check has found; ``print`` shows it as plain sentences.

    Attributes
    ----------
    name : str
        Such as ``"posterior-collapse"``: also the heading on the page.
    message : str
        What is the case, with a number.
    remedy : str
        What to do.
    is_problem : bool
        False for a note: it may be as it should be.
    """

    name: str
    message: str
    remedy: str
    is_problem: bool = True

    @property
    def page(self):
        """Where the documentation explains the finding."""
        return f"{PAGE}#{self.name}"

    def __str__(self):
        return f"{self.message} {self.remedy} See {self.page}."


@dataclass(frozen=True)
class Diagnosis:
    """What the checks of a fitted model have found; ``print`` shows it as a list.

    Attributes
    ----------
    findings : tuple of Finding
        Causes come before consequences.
    n_checks : int
        How many checks were made.
    skipped : dict of str
        Why a check was not made, by the check's name.
    """

    findings: tuple
    n_checks: int
    skipped: dict = field(default_factory=dict)

    @property
    def problems(self):
        """The findings that are problems, a tuple; the others are notes."""
        return tuple(finding for finding in self.findings if finding.is_problem)

    @property
    def healthy(self):
        """Whether no check has found a problem."""
        return not self.problems

    @property
    def names(self):
        """The names of all findings, a tuple."""
        return tuple(finding.name for finding in self.findings)

    def __iter__(self):
        return iter(self.findings)

    def __bool__(self):
        raise TypeError("a diagnosis is neither true nor false; use its .healthy or .findings")

    def __str__(self):
        n, checks = len(self.problems), count(self.n_checks, "check")
        title = f"Healthy: none of the {checks} found a problem."
        if n:
            title = f"{count(n, 'problem')} found by {checks}."
        notes = [finding for finding in self.findings if not finding.is_problem]
        lines = [title, *(f"- {finding}" for finding in self.problems)]
        lines += [f"- Note: {finding}" for finding in notes]
        if "overfitting" in self.skipped:
            lines.append("Pass X_test to check for overfitting, too.")
        return "\n".join(lines)


def count(n, noun):
    """Return a number of things in words."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
