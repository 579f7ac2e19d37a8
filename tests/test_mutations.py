"""The generated mutants: what is changed in a text, and what is not."""

import pytest
from mutations import mutations

CHANGES = [
    ("y = a + b", {"y = a - b"}),
    ("y = -x", {"y = x"}),
    ("y = 3", {"y = 4"}),
    ("y = 0.5", {"y = 0.25"}),
    ("y = True", {"y = False"}),
    ("y = a not  in b", {"y = a in b"}),
    ("y = (a) < (b)", {"y = (a) <= (b)"}),
    ("y = a and b", {"y = a or b"}),
    ("y = np.sum(a, axis=-1)", {"y = np.mean(a, axis=-1)", "y = np.sum(a, axis=0)"}),
    ("y = f(a, b, c)", {"y = f(b, a, c)"}),
    ("y = b if a else c", {"y = b if (not (a)) else c"}),
    ("a.b = c", {"pass"}),
    ("a += c", {"pass"}),
    ("y = 'µ', a + b", {"y = 'µ', a - b"}),  # two bytes for one character
]


@pytest.mark.parametrize(("text", "expected"), CHANGES)
def test_changes(text, expected):
    assert {mutation.source for mutation in mutations(text)} == expected


UNCHANGED = '''
"""A text with 1 + 1."""
import a

@dataclass(frozen=True)
class A:
    b: int | None

    def __repr__(self):
        return f"{1 + 1}"

    def c(self, d: 3) -> 4:
        warn("1", 1)
        raise ValueError(1 + 1)

for a in zip(b, c, strict=True):
    f(x.astype(dtype, copy=False))
'''


def test_messages_annotations_and_docstrings_are_not_changed():
    assert [mutation.after for mutation in mutations(UNCHANGED)] == [
        "for a in zip(c, b, strict=True):",
        "pass",
    ]


def test_each_mutation_names_its_line():
    (mutation,) = mutations("a = b\n\nc = d * e  # a comment\n")
    assert (mutation.line, mutation.before) == (3, "c = d * e  # a comment")
    assert mutation.after == "c = d / e  # a comment"
