"""From a submission, only what one function needs: no training, no plots, no checks.

A submission is a list of cells, ``(name, source)``; a Python file is one cell. A
function needs the statements that bind its name, then those that bind the names which
these use, and so on. They are executed in their order.
"""

import ast
import re
import symtable
from dataclasses import dataclass

MAGIC = re.compile(r"^([ \t]*)([%!].*|.*\?)$", re.MULTILINE)  # of a notebook, not Python
ALL = "*"  # what a star import binds


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a cell.

    Attributes
    ----------
    cell : str
        The name of its cell.
    node : ast.stmt
    binds, uses : frozenset of str
        Names at the top level.
    """

    cell: str
    node: ast.stmt
    binds: frozenset
    uses: frozenset

    def code(self):
        """Its code, for `exec`."""
        return compile(ast.Module([self.node], []), self.cell, "exec")


def python_of(source):
    """The source of a cell as Python: cell magics are left out, others do nothing."""
    if source.lstrip().startswith("%%"):
        return ""
    return MAGIC.sub(_silenced, source)


def _silenced(match):
    indent, line = match.groups()
    is_comment = line.lstrip().startswith("#")
    return match[0] if is_comment else f"{indent}pass"


def statements(name, source):
    """The statements of a cell; SyntaxError if it is not Python."""
    text = python_of(source)
    return [_statement(name, node) for node in compile_only(text, name).body]


def compile_only(text, name):
    """The syntax tree of a text; SyntaxError also for null bytes and deep nesting."""
    try:
        return ast.parse(text, filename=name)
    except (ValueError, MemoryError, RecursionError) as error:
        raise SyntaxError(str(error) or "it is nested too deeply") from None


def _statement(cell, node):
    table = symtable.symtable(ast.unparse(node), cell, "exec")
    symbols = table.get_symbols()
    binds = {
        symbol.get_name()
        for symbol in symbols
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }
    uses = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    for child in table.get_children():
        uses |= _globals_of(child)
    if isinstance(node, ast.ImportFrom) and any(alias.name == ALL for alias in node.names):
        binds = {ALL}
    return Statement(cell, node, frozenset(binds | _changed(node)), frozenset(uses))


def _globals_of(table):
    """The global names that a function or class uses, also in what it contains."""
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return names.union(*map(_globals_of, table.get_children()))


def _changed(node):
    """Names whose items or attributes a statement assigns, outside functions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    targets = (
        target
        for target in ast.walk(node)
        if isinstance(target, ast.Subscript | ast.Attribute) and isinstance(target.ctx, ast.Store)
    )
    return {
        name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)
    }


def needed(found, names):
    """The statements that names need, in their order."""
    wanted, todo = set(), {*names, ALL}
    while todo:
        chosen = [i for i, statement in enumerate(found) if statement.binds & todo]
        wanted |= set(chosen)
        known = {name for i in wanted for name in found[i].binds} | todo
        todo = {name for i in chosen for name in found[i].uses} - known
    return [found[i] for i in sorted(wanted)]
