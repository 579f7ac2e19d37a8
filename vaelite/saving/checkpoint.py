"""The file in which a fit keeps its state, and from which it goes on."""

import copy
import json
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from ..adam import Adam
from ..arrays.dispatch import to_host
from ..checks import check_count
from ..exceptions import ModelFileError
from ..state import Kept
from . import storage
from .provenance import check_same, seed_of

OBJECTS = "adam", "rule", "local"  # parts of a state with attributes of their own
KIND = "Checkpoint"
PROTOCOL = (
    "a checkpoint keeps an object's attributes; if they are not numbers, texts, lists, dicts and "
    "arrays, give it __getstate__(), which returns such a dict, and __setstate__(state)"
)


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
        self.record, self.ready, self.written, self.time = None, None, None, -np.inf
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
        return None if self.found is None else seed_of(self.found[0]["record"])

    def begin(self, state, record, to_device):
        """Go on from the state of the file, or from the given one; write it.

        Parameters
        ----------
        state : TrainState
            Of the start of the run.
        record : dict
        to_device : callable

        Raises
        ------
        ValueError
            If the file is of another run; the message lists the differences.
        """
        self.state, self.record = state, record
        if self.path is not None and type(state.adam) is not Adam:
            check_resumable(state.adam, state.params, to_device)
        if self.found is not None:
            manifest, arrays = self.found
            self._compare(manifest["record"], record)
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
        try:
            plain, arrays = storage.pack(packed(self.ready), "state")
        except TypeError as error:
            raise TypeError(f"{error}; {PROTOCOL}") from None
        storage.save(self.path, {"kind": KIND, "record": self.record, "state": plain}, arrays)
        self.written, self.time = self.ready, time.monotonic()


def packed(state):
    """Return a state as nested dicts of plain values and arrays on the host."""
    parts = {field.name: getattr(state, field.name) for field in fields(state)}
    parts |= {name: parts[name].__getstate__() for name in OBJECTS if name in parts}
    return _with_arrays(parts, to_host)


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
        if name in parts:
            change = (lambda array: array) if name == "rule" else to_device
            _set_state(getattr(state, name), _with_arrays(parts[name], change))
    others = {k: _with_arrays(v, to_device) for k, v in parts.items() if k not in OBJECTS}
    return replace(state, **others)


def check_resumable(optimizer, params, to_device):
    """Refuse an optimizer of your own that would go on otherwise than before the stop.

    Two copies take the same steps, one of them after the way through a file.

    Parameters
    ----------
    optimizer : object with a method ``update(params, grads)``
    params : dict of arrays
    to_device : callable

    Raises
    ------
    TypeError
        The message says what a checkpoint needs.
    """
    kind, resumed, optimizer = type(optimizer).__name__, *map(copy.deepcopy, [optimizer] * 2)
    params = _stepped(optimizer, params)
    try:
        state = _with_arrays(optimizer.__getstate__(), to_host)
        plain, arrays = storage.pack(state, "optimizer")
        state = storage.unpack(json.loads(json.dumps(plain)), arrays)
        _set_state(resumed, _with_arrays(state, to_device))
        one, other = _stepped(copy.deepcopy(optimizer), params), _stepped(resumed, params)
    except Exception as error:
        raise TypeError(f"a checkpoint cannot keep {kind}: {error}; {PROTOCOL}") from error
    for name, array in one.items():
        if not np.array_equal(to_host(array), to_host(other[name]), equal_nan=True):
            raise TypeError(
                f"a checkpoint cannot keep {kind}: with its attributes alone it takes other steps, "
                f"first of {name}; {PROTOCOL}"
            )


def _stepped(optimizer, params):
    """Copies of params after three steps with gradients that change."""
    params = {name: array.copy() for name, array in params.items()}
    for step in range(3):
        optimizer.update(
            params, {name: array * 0.1 + 0.01 / (1 + step) for name, array in params.items()}
        )
    return params


def _set_state(part, state):
    """Give an object what its ``__getstate__`` returned, as `copy` does."""
    if hasattr(part, "__setstate__"):
        return part.__setstate__(state)
    attributes = state if isinstance(state, tuple) else (state,)  # with slots, a pair
    for name, value in {k: v for found in attributes for k, v in (found or {}).items()}.items():
        setattr(part, name, value)


def _with_arrays(value, change):
    """A nested dict with another array in the place of each."""
    if type(value) is dict:
        return {name: _with_arrays(part, change) for name, part in value.items()}
    is_plain = value is None or isinstance(value, bool | int | float | str | list | tuple | dict)
    return value if is_plain or isinstance(value, np.generic) else change(value)
