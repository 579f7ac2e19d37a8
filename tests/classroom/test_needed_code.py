"""What a function needs of a submission, and nothing else."""

import pytest

from vaelite.classroom.needed_code import needed, python_of, statements

NOTEBOOK = """
import math, time
from math import *
C, D = 1, 2
settings = {}
settings["width"] = 3
losses = time.sleep(100)

def helper(z):
    return C * z

def answer(z):
    losses = [helper(z) for z in range(3)]
    def inner():
        return settings["width"] + sum(losses)
    return inner() * math.pi

class Unused:
    x = time.sleep(100)

answer(3)
"""


def of(text, name):
    found = needed(statements("cell", text), [name])
    return [statement.node.lineno for statement in found]


def test_only_what_a_function_needs():
    assert of(NOTEBOOK, "answer") == [2, 3, 4, 5, 6, 9, 12]
    assert of(NOTEBOOK, "helper") == [3, 4, 9]
    assert of(NOTEBOOK, "missing") == [3]  # the star may bring it


def test_the_last_definition_counts():
    scope = {}
    for statement in needed(statements("cell", "f = 1\ng = f\nf = 2\nh = f + g"), ["h"]):
        exec(statement.code(), scope)
    assert scope["h"] == 3


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("if True:\n    a = 1\nb = a", "b"),
        ("for a in range(3):\n    pass\nb = a", "b"),
        ("with open as a:\n    pass\nb = a", "b"),
        ("try:\n    import a\nexcept ImportError:\n    a = 1\nb = a", "b"),
        ("class A:\n    pass\nclass b(A):\n    pass", "b"),
        ("def a(f):\n    return f\n@a\ndef b():\n    pass", "b"),
        ("a = 1\ndef b(x=a):\n    pass", "b"),
        ("a = 1\nb = lambda: [a for _ in ()]", "b"),
        ("a = 1\ndef b():\n    global a\n    a += 1", "b"),
    ],
)
def test_names_are_followed(text, last):
    assert len(of(text, last)) == len(statements("cell", text))


def test_magics_are_no_python():
    text = "%matplotlib inline\nx = 5 % 3\nif x:\n    !ls\nnp.sin?\n# why?\ny = 1"
    assert len(statements("cell", text)) == 5
    assert python_of("%%bash\nls") == ""


@pytest.mark.parametrize("text", ["def f(:", "\0", "(" * 10_000, "return 3 +"])
def test_what_is_no_python(text):
    with pytest.raises(SyntaxError):
        statements("cell", text)
