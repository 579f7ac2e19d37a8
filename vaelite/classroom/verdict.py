"""What `check` returns: a sentence, a box for a notebook, fields for a grader."""

import html
from dataclasses import dataclass

import numpy as np

NOT_WRITTEN, NO_VERDICT = "not written", "no verdict"  # names of mistakes
HEADLINES = {NOT_WRITTEN: "Not written yet", NO_VERDICT: "No verdict"}
COLORS = {"Right": "#1a7f37", "Not right yet": "#bc4c00"}
GRAY = "#57606a"
BOX = '<div style="border-left: 4px solid {}; padding-left: 0.8em">{}</div>'
DETAILS = "<details><summary>An input that shows it</summary><pre>{}</pre></details>"


@dataclass(frozen=True)
class Verdict:
    """The verdict on an answer.

    Attributes
    ----------
    ok : bool
        Whether the answer is right.
    score : float
        The part of the tried cases in which the answer is right, from 0 to 1.
    mistake : str
        A short name of the mistake, for the table of a class; empty if there is none.
    diagnosis : str
        The mistake in words. It never says what would be right.
    counterexample : dict or None
        The arguments of a small case that fails, by name, with ``found`` and
        ``expected``.
    notes : tuple of str
        What the answer should also know, even if it is right.
    printed : str
        What the answer's code printed when it was first called.
    """

    ok: bool
    score: float
    mistake: str = ""
    diagnosis: str = ""
    counterexample: dict | None = None
    notes: tuple = ()
    printed: str = ""

    @property
    def headline(self):
        """Return "Right", "Not right yet", "Not written yet" or "No verdict"."""
        return "Right" if self.ok else HEADLINES.get(self.mistake, "Not right yet")

    def __repr__(self):
        said = f"{self.headline}. {self.diagnosis}".strip()
        return "\n".join([said, *_lines(self.counterexample), *self.notes, *self._output()])

    def _output(self):
        return [f"Your code printed: {self.printed}"] if self.printed else []

    def _repr_html_(self):
        texts = self.diagnosis, *self.notes, *self._output()
        remarks = "".join(f"<div>{html.escape(text)}</div>" for text in texts if text)
        example = html.escape("\n".join(_lines(self.counterexample)))
        shown = DETAILS.format(example) if example else ""
        return BOX.format(
            COLORS.get(self.headline, GRAY), f"<strong>{self.headline}.</strong>{remarks}{shown}"
        )


def _lines(counterexample):
    """Each argument of a counterexample on its own lines, as it could be typed."""
    width = max(map(len, counterexample or [""]))
    for name, value in (counterexample or {}).items():
        yield f"  {name:{width}} = {_typed(value, width + 5)}"


def _typed(value, indent):
    if not isinstance(value, np.ndarray):
        return f"{value:.9g}" if isinstance(value, float) else str(value)
    return np.array2string(value, separator=", ", prefix=" " * indent, precision=6)
