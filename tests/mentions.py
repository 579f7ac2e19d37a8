"""Names and files that a text mentions, but that do not exist: texts grow old, names change."""

import importlib
import re
from pathlib import Path

import vaelite

ROOT = Path(__file__).resolve().parent.parent
DOTTED = re.compile(r"(?<![\w./-])vaelite((?:\.[A-Za-z_]\w*)+)")
FILES = {"py", "npz", "ipynb", "md", "cfg"}  # "vaelite.py" is a file
PATH = re.compile(
    r"(?<![\w./-])(?:vaelite|tests|benchmarks|docs|tutorials)/[\w/-]+\.(?:py|md|ipynb)\b"
)


def missing_names(text):
    """The dotted names, ``vaelite.a.b``, that do not exist; in the order of the text, each once."""
    names = dict.fromkeys(match[1][1:] for match in DOTTED.finditer(text))
    return [
        f"vaelite.{name}"
        for name in names
        if name.split(".")[-1] not in FILES and not _exists(name.split("."))
    ]


def missing_files(text):
    """The paths of source files, pages and notebooks that do not exist."""
    return [path for path in dict.fromkeys(PATH.findall(text)) if not (ROOT / path).exists()]


def _exists(path):
    thing, so_far = vaelite, "vaelite"
    for name in path:
        so_far += f".{name}"
        if not hasattr(thing, name):
            try:
                importlib.import_module(so_far)
            except ModuleNotFoundError:
                return False
            except ImportError:  # the module exists, and needs an extra that is not installed
                return True
        thing = getattr(thing, name)
    return True
