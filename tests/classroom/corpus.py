"""The corpus: students' answers from answers/*.md, each with the verdict that is due.

A heading is ``## right: style`` or ``## wrong: mistake``. It may end in ``[where from]``: the
number of a usual mistake; ``met``: in use; ``own``: written before the checks; ``unseen``: after
them. A line ``Shapes: logsigma (n, 1)`` states the shapes that the exercise mentions.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import autograd.numpy as anp
import numpy as np

import vaelite
from vaelite.classroom import check

FOLDER = Path(__file__).parent / "answers"
ENTRY = re.compile(
    r"^## (?P<due>right|wrong): (?P<name>.*?)(?: \[(?P<origin>.*?)\])?\n"
    r"(?:Shapes: (?P<shapes>.*?)\n)?```python\n(?P<code>.*?)```",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Entry:
    """An answer: the term, its source code, whether it is right, and its style or mistake."""

    term: str
    number: int
    right: bool
    name: str
    origin: str
    shapes: dict
    code: str

    @property
    def id(self):
        words = re.sub(r"\W+", "-", f"{'right' if self.right else 'wrong'} {self.name}")
        return f"{self.term}-{self.number:02d}-{words.strip('-')}"

    @property
    def answer(self):
        """The last function that the code defines."""
        import math

        import matplotlib.pyplot as plt
        from scipy import special, stats

        scope = {"np": np, "anp": anp, "vaelite": vaelite, "plt": plt}
        scope |= {"math": math, "special": special, "stats": stats}
        names = set(scope)
        exec(compile(self.code, f"<{self.id}>", "exec"), scope)
        return [scope[name] for name in scope if name not in names and name != "__builtins__"][-1]

    def verdict(self, seed=0):
        settings = {"shapes": self.shapes} if self.shapes else {}
        return getattr(check, self.term)(self.answer, seed=seed, **settings)


def entries():
    """All answers, term by term."""
    return [
        Entry(
            path.stem,
            number,
            found["due"] == "right",
            found["name"],
            found["origin"] or "",
            shapes(found["shapes"]),
            found["code"],
        )
        for path in sorted(FOLDER.glob("*.md"))
        for number, found in enumerate(ENTRY.finditer(path.read_text(encoding="utf-8")), start=1)
    ]


def shapes(text):
    """``"logsigma (n, 1)"`` as ``{"logsigma": [("n", 1)]}``."""
    found = re.findall(r"(\w+) \((.*?)\)", text or "")
    return {
        name: [tuple(int(axis) if axis.isdigit() else axis for axis in axes.split(", "))]
        for name, axes in found
    }
