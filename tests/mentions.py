"""Which names of vaelite a text mentions that the library does not have: texts grow old, names change."""

import importlib
import re

import vaelite

DOTTED = re.compile(r"(?<![\w./-])vaelite((?:\.[A-Za-z_]\w*)+)")
FILES = {"py", "npz", "ipynb", "md", "cfg"}  # "vaelite.py" is a file


def missing_names(text):
    """The dotted names, ``vaelite.a.b``, that lead nowhere; in the order of the text, each once."""
    names = dict.fromkeys(match[1][1:] for match in DOTTED.finditer(text))
    return [
        f"vaelite.{name}"
        for name in names
        if name.split(".")[-1] not in FILES and not _exists(name.split("."))
    ]


def _exists(path):
    thing, so_far = vaelite, "vaelite"
    for name in path:
        so_far += f".{name}"
        if not hasattr(thing, name):
            try:
                importlib.import_module(so_far)
            except ImportError:
                return False
        thing = getattr(thing, name)
    return True
