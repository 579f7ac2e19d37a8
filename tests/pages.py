"""Markdown pages as tests: their Python blocks run in order, and print what the pages say.

A ```` ```text ```` block right after a Python block is what that block prints: standard output,
warnings as ``Category: message``, and the last line of a traceback. ``...`` stands for anything.
Whole numbers must agree. Numbers with a decimal point must agree to 5 % or 0.05, because they
differ slightly from machine to machine. A block that should not run has a line
``<!-- not run: the reason -->`` before it.
"""

import contextlib
import io
import math
import re
import traceback
import warnings
from dataclasses import dataclass

PYTHON = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n+)?"
    r"^```python\n(?P<code>.*?)^```$"
    r"(?:\n+^```text\n(?P<prints>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")


@dataclass(frozen=True)
class Block:
    """A Python block of a page.

    Attributes
    ----------
    line : int
        Its first line.
    code : str
    reason : str or None
        Why it does not run.
    prints : str or None
        What it prints, if the page says so.
    """

    line: int
    code: str
    reason: str | None
    prints: str | None


def python_blocks(text):
    """The Python blocks of a page, a list of `Block`; AssertionError if one would be missed."""
    blocks = [
        Block(
            text.count("\n", 0, match.start("code")) + 1,
            match["code"],
            match["reason"],
            match["prints"],
        )
        for match in PYTHON.finditer(text)
    ]
    assert len(blocks) == text.count("```python"), "a Python block is indented, or is not closed"
    assert sum(block.reason is not None for block in blocks) == text.count("<!-- not run"), (
        "a block without a reason"
    )
    return blocks


def run(block, namespace, name):
    """Run a block in a namespace; AssertionError if it does not print what its page says."""
    above = "\n" * (block.line - 1)  # so that a traceback names the page's line
    code = compile(above + block.code, str(name), "exec")
    if block.prints is None:
        exec(code, namespace)
        return
    found = io.StringIO()
    with contextlib.redirect_stdout(found), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.showwarning = lambda message, category, *_: print(
            f"{category.__name__}: {message}"
        )
        try:
            exec(code, namespace)
        except Exception as error:
            print(*traceback.format_exception_only(error))
    differences = compare(block.prints, found.getvalue())
    assert differences is None, (
        f"{name}, block in line {block.line}, {differences}\n{found.getvalue()}"
    )


def compare(expected, found):
    """How a text differs from the expected one, or None."""
    expected, found = (" ".join(text.split()) for text in (expected, found))
    numbers, pieces = NUMBER.findall(expected), NUMBER.split(expected)
    escaped = (re.escape(piece).replace(r"\.\.\.", ".*?") for piece in pieces)
    match = re.fullmatch(f"({NUMBER.pattern})".join(escaped), found)
    if match is None:
        return f"expected\n{expected}\nfound"
    for ours, theirs in zip(numbers, match.groups(), strict=True):
        close = "." in ours and math.isclose(float(ours), float(theirs), rel_tol=0.05, abs_tol=0.05)
        if ours != theirs and not close:
            return f"{ours} expected, {theirs} found in"
    return None
