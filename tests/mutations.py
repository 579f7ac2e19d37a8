"""Small changes of a source text, found in its syntax tree: the generated mutants.

A change swaps an operator, a function or two arguments, raises or halves a number, reverses a
condition, or removes a statement. Texts that cannot change a result are left alone:
messages, docstrings, `__repr__`, annotations and decorators, and the settings in `SKIPPED`.
"""

import ast
import re
from dataclasses import dataclass

OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
PAIRS = "sum mean, min max, minimum maximum, argmin argmax, zeros ones, zeros_like ones_like"
PAIRS += ", any all, std var, exp expm1, log log1p, add subtract"
FUNCTIONS = {a: b for pair in PAIRS.split(", ") for a, b in (pair.split(), pair.split()[::-1])}

# Calls whose first two arguments are not exchanged: the result is the same, or an error.
UNORDERED = {"max", "min", "maximum", "minimum", "logaddexp"}
UNORDERED |= {"getattr", "isinstance", "issubclass"}

SKIPPED = {
    "functions": {"__repr__", "__str__"},
    "calls": {"warn", "print"},  # their arguments are messages
    "keywords": {"strict", "copy", "progress", "stacklevel"},
    # Rows at a time, and thresholds of speed: another value costs memory or time only.
    "constants": {"BLOCK", "CHUNK", "CHUNK_ROWS", "TINY", "FLUSH_EVERY", "SMALL"},
}


@dataclass(frozen=True)
class Mutation:
    """A changed source, with the first changed line before and after, and its number."""

    source: str
    line: int
    before: str
    after: str


def mutations(source):
    """Every mutation of a source text, in the order of the text."""
    text, found = source.encode(), {}
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in _nodes(ast.parse(source)):
        for start, end, new in _edits(node, lambda line, column: starts[line - 1] + column, text):
            changed = (text[:start] + new.encode() + text[end:]).decode()
            if changed != source:
                found[start, new] = _mutation(source, changed)
    return [found[place] for place in sorted(found)]


def _mutation(source, changed):
    compile(changed, "mutation", "exec")
    pairs = zip(source.splitlines(), changed.splitlines(), strict=False)
    number, (before, after) = next((n, p) for n, p in enumerate(pairs, 1) if p[0] != p[1])
    return Mutation(changed, number, before.strip(), after.strip())


def _nodes(node):
    """A node and all nodes below it, except those that cannot change a result."""
    yield node
    if _is_axis(node) or _is_negative_number(node):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_skipped(child):
                yield from _nodes(child)


def _is_axis(node):
    return isinstance(node, ast.keyword) and node.arg == "axis"


def _is_negative_number(node):
    return isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant)


def _is_skipped(node):
    match node:
        case ast.Raise() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.FunctionDef(name=name):
            return name in SKIPPED["functions"]
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in SKIPPED["calls"]
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name in SKIPPED["calls"]
        case ast.keyword(arg=name):
            return name in SKIPPED["keywords"]
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in SKIPPED["constants"]
    return False


def _edits(node, at, text):
    """Changes of one node: (start, end, new text) in bytes."""

    def start(n):
        return at(n.lineno, n.col_offset)

    def end(n):
        return at(n.end_lineno, n.end_col_offset)

    def code(n):
        return text[start(n) : end(n)].decode()

    def operator(left, right, kind):
        old, new = OPERATORS[kind]
        found = re.search(rb"\s+".join(map(re.escape, old.encode().split())), text[end(left) :])
        assert found.end() <= start(right) - end(left)
        return end(left) + found.start(), end(left) + found.end(), new

    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            yield operator(left, right, type(op))
        case ast.BoolOp(op=op, values=values):
            yield operator(values[0], values[1], type(op))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
            yield operator(left, right, type(op))
        case ast.UnaryOp(op=ast.Not() | ast.USub() as op):
            yield start(node), start(node) + (3 if isinstance(op, ast.Not) else 1), ""
        case ast.Constant(value=bool(value)):
            yield start(node), end(node), str(not value)
        case ast.Constant(value=int(value)):
            yield start(node), end(node), str(value + 1)
        case ast.Constant(value=float(value)):
            yield start(node), end(node), str(value / 2 or 1.0)
        case ast.keyword(arg="axis", value=axis):  # -1 to 1 would change nothing for 2 axes
            yield start(axis), end(axis), "-1" if code(axis) == "0" else "0"
        case ast.Call(func=ast.Attribute(attr=name)) if name in FUNCTIONS:
            yield end(node.func) - len(name), end(node.func), FUNCTIONS[name]
        case ast.Call(func=ast.Name(id="min" | "max" | "any" | "all" as name)):
            yield start(node.func), end(node.func), FUNCTIONS[name]
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield start(node), end(node), "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield start(node), end(node), "pass"
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield start(test), end(test), f"(not ({code(test)}))"
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in UNORDERED:
            pass
        case ast.Call(args=[first, second, *_]) | ast.Return(value=ast.Tuple([first, second, *_])):
            if not any(isinstance(n, ast.Starred) for n in (first, second)):
                between = text[end(first) : start(second)].decode()
                yield start(first), end(second), code(second) + between + code(first)
