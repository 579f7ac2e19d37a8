"""The file in which a fit keeps its state, and from which it resumes."""

import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from ..arrays.dispatch import to_host
from ..checks import check_count
from ..exceptions import ModelFileError
from ..state import Kept
from . import storage
from .provenance import check_same, seed_of

OBJECTS = "adam", "rule", "local"  # parts of a state with attributes of their own
KIND = "Checkpoint"


class Checkpoint(Kept):
    """A file with the state after the last whole epoch, and the record of the fit.

    Parameters
    ----------
    path : path or None
        None has no file; then only memory keeps the state.
    seconds : float
        The shortest time between two writings.

    Attributes
    ----------
    found : tuple or None
        The manifest and the arrays of the file, if there is one.
    """

    def __init__(self, path, seconds=0.0):
        self.path, self.seconds = path, seconds
        self.provenance, self.ready, self.written, self.time = None, None, None, -np.inf
        is_there = path is not None and Path(path).expanduser().exists()
        self.found = self._read() if is_there else None

    def _read(self):
        manifest, arrays = storage.load(self.path)
        if manifest.get("kind") != KIND:
            raise ValueError(
                f"{self.path} is not a checkpoint, and would be overwritten: pass the path of a "
                "checkpoint, or of no file"
            )
        return manifest, arrays

    @property
    def seed(self):
        """The seed of the run in the file, or None."""
        return None if self.found is None else seed_of(self.found[0]["provenance"])

    def begin(self, state, provenance, to_device):
        """Resume from the state of the file, or begin with the given one; write it.

        Parameters
        ----------
        state : TrainState
            Of the start of the run.
        provenance : dict
        to_device : callable

        Raises
        ------
        ValueError
            If the file is of another run; the message lists the differences.
        """
        self.state, self.provenance = state, provenance
        if self.path is not None:
            check_resumable(state.adam)
        if self.found is not None:
            manifest, arrays = self.found
            self._compare(manifest["provenance"], provenance)
            try:
                self.state = restored(storage.unpack(manifest["state"], arrays), state, to_device)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ModelFileError(f"{self.path} is damaged ({error})") from error
            self.found = None  # its arrays would stay in memory
        self.write()  # before any work: a path or a rule that cannot be written is found now

    def _compare(self, old, new):
        limit = max(old["settings"]["max_epochs"], new["settings"]["max_epochs"])
        allowed = {**old, "settings": {**old["settings"], "max_epochs": limit}}  # more epochs
        check_same(f"{self.path} is the checkpoint of another fit", allowed, new)

    def write(self):
        """Write the state, if it is time to; `close` writes what is left."""
        self.ready = self.state
        if self.path is not None and time.monotonic() - self.time >= self.seconds:
            self.close()

    def close(self):
        """Write the state after the last epoch whose callbacks were called."""
        if self.path is None or self.ready is self.written:
            return
        plain, arrays = storage.pack(packed(self.ready), "state")
        manifest = {"kind": KIND, "provenance": self.provenance, "state": plain}
        storage.save(self.path, manifest, arrays)
        self.written, self.time = self.ready, time.monotonic()


def packed(state):
    """Return a state as nested dicts of plain values and arrays on the host."""
    parts = {field.name: getattr(state, field.name) for field in fields(state)}
    return _with_arrays(parts | {name: state_of(parts[name]) for name in OBJECTS}, to_host)


def state_of(part):
    """Return the state of an optimizer or a rule: ``state_dict()``, or attributes."""
    if part is None:
        return None
    return part.state_dict() if hasattr(part, "state_dict") else dict(vars(part))


def set_state(part, state):
    """Give an optimizer or a rule the state that `state_of` returned."""
    if hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    elif part is not None:
        vars(part).update(state)


def restored(parts, state, to_device):
    """Return a copy of a state with the parts that `packed` has returned.

    Parameters
    ----------
    parts : dict
    state : TrainState
        With objects of the right kinds, and parameters of the right shapes.
    to_device : callable
    """
    state = state.copy()
    expected = {field.name for field in fields(state)}
    shapes = [{k: a.shape for k, a in params.items()} for params in (state.params, parts["params"])]
    if parts.keys() != expected or shapes[0] != shapes[1]:
        raise ValueError("its state has other parts than this version of vaelite writes")
    check_count("epoch", parts["epoch"], minimum=0)
    if any(len(column) != parts["epoch"] for column in parts["history"].values()):
        raise ValueError("its history has not a row for each epoch")
    for name in OBJECTS:
        on_host = name == "rule"
        change = (lambda array: array) if on_host else to_device
        set_state(getattr(state, name), _with_arrays(parts[name], change))
    others = {k: _with_arrays(v, to_device) for k, v in parts.items() if k not in OBJECTS}
    return replace(state, **others)


def check_resumable(optimizer):
    """Refuse an optimizer of your own that could not resume.

    Raises
    ------
    TypeError
        The message says what a checkpoint needs.
    """
    for name in "state_dict", "load_state_dict":
        if not callable(getattr(optimizer, name, None)):
            raise TypeError(
                f"a checkpoint cannot keep {type(optimizer).__name__}: it has no {name}; give it "
                "state_dict(), which returns a dict of numbers, texts, lists, dicts and arrays, "
                "and load_state_dict(state), which takes it back"
            )


def _with_arrays(value, change):
    """A nested dict with another array in the place of each."""
    if type(value) is dict:
        return {name: _with_arrays(part, change) for name, part in value.items()}
    is_plain = value is None or isinstance(value, bool | int | float | str | list | tuple | dict)
    return value if is_plain or isinstance(value, np.generic) else change(value)
