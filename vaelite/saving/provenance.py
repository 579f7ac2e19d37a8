"""The record of a fit: what repeats it, and how two fits differ."""

import hashlib
import inspect
import json
import re

import numpy as np

from .. import versions
from ..arrays.dispatch import to_host
from ..checks import warn
from ..data.rows import RowReader
from ..stopping import STOPPING

CHUNK_BYTES = 2**23  # of data that are read together
ENTRIES = {"model", "settings", "seed", "data", "start", "versions"}
# What cannot change the numbers of a fit, or is recorded by itself.
LEFT_OUT = "rng", "progress", "callbacks", "checkpoint", "checkpoint_seconds", "warm_start"


def recorded(model, settings, seed, datasets, start):
    """Return the record of a fit: plain values that JSON can hold.

    Parameters
    ----------
    model : dict
        The model's description.
    settings : FitSettings
    seed : numpy.random.SeedSequence
    datasets : dict of str to Dataset
        The rows that the call was given, by the names of the arguments.
    start : dict of arrays or None
        The parameters that a warm start begins with.

    Returns
    -------
    dict
        "model", "settings", "seed", "data" with a digest of all numbers, "start", and
        "versions".
    """
    names = [name for name in settings.names() if name not in LEFT_OUT]
    data = {}
    for name, dataset in datasets.items():
        data[name] = digest(dataset.X)
        if dataset.condition is not None:
            data[name.replace("X", "condition")] = digest(dataset.condition)
    record = {
        "model": model,
        "settings": {name: _plain(getattr(settings, name)) for name in names},
        "seed": {"rng": _plain(seed.entropy), "spawn_key": list(map(int, seed.spawn_key))},
        "data": data,
        "start": None if start is None else ", ".join(map(digest, start.values())),
        "versions": used(),
    }
    return json.loads(json.dumps(record))  # tuples are lists, as in a file


def used():
    """Return what rounding depends on: versions, the matrix library and its threads."""
    names = "vaelite", "numpy", "autograd", "scipy"
    found = {name: versions.version(name) for name in names}
    found |= {name: str(value) for name, value in versions.products().items()}
    return {"Python": versions.system()["Python"], **found, "processor": versions.processor()}


def digest(X):
    """Return shape and dtype of an array-like, and a BLAKE2 digest of its bytes."""
    found, reader = hashlib.blake2b(digest_size=16), RowReader(X)
    if hasattr(X, "by_shard"):
        found.update("; ".join(X.by_shard(digest)).encode())
        return _with_shape(X, found)
    row_bytes = int(np.prod(X.shape[1:])) * X.dtype.itemsize
    rows = max(1, CHUNK_BYTES // max(1, row_bytes))
    for start in range(0, X.shape[0], rows):
        part = to_host(reader[slice(start, start + rows)])
        found.update(np.ascontiguousarray(part).data)
    return _with_shape(X, found)


def _with_shape(X, found):
    return f"{' x '.join(map(str, X.shape))} {X.dtype}, {found.hexdigest()}"


def seed_of(record):
    """Return the seed that a record describes."""
    seed = record["seed"]
    return np.random.SeedSequence(seed["rng"], spawn_key=tuple(seed["spawn_key"]))


def differences(old, new, name=""):
    """Return in words what differs between two records, except for versions.

    Parameters
    ----------
    old, new : dict
    name : str
        Of the entry that they are.

    Returns
    -------
    list of str
        Such as "learning_rate was 0.001, is 0.01".
    """
    if isinstance(old, dict) and isinstance(new, dict):
        names = [key for key in {**old, **new} if key != "versions"]
        parts = [(old.get(k), new.get(k), name if k == "own" else k) for k in names]
        return [different for part in parts for different in differences(*part)]
    return [] if old == new else [f"{name} was {old}, is {new}"]


def check_same(what, old, new):
    """Refuse the record of another fit, and warn of other versions.

    Parameters
    ----------
    what : str
        The start of the message.
    old, new : dict
    """
    if different := differences(old, new):
        raise ValueError(f"{what}: {'; '.join(different)}")
    if changed := differences(old["versions"], new["versions"]):
        warn(f"rounding, and so the numbers, may differ from the first fit: {'; '.join(changed)}")


def _plain(value):
    """A setting as JSON can hold it; a stopping rule as its name and settings."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    known = [name for name, kind in STOPPING.items() if type(value) is kind]
    if not known:
        return {"own": _named(value)}
    names = inspect.signature(type(value)).parameters
    return {known[0]: {name: _plain(getattr(value, name)) for name in names}}


def _named(value):
    """An object of your own in words, with its settings: numbers and texts."""
    has_repr = type(value).__repr__ is not object.__repr__
    if has_repr or not hasattr(value, "update"):  # a rule or an optimizer: a fit takes a copy
        name = getattr(value, "__qualname__", None) or repr(value)
        return re.sub(r" at 0x\w+", "", name)  # an address differs in each process
    found = getattr(value, "__dict__", {}).items()
    plain = [f"{name}={v!r}" for name, v in found if isinstance(v, bool | int | float | str)]
    return f"{type(value).__qualname__}({', '.join(plain)})"


def rebuilt(settings, own):
    """Return the settings of a record for a class of `FitSettings`.

    Parameters
    ----------
    settings : dict
    own : dict
        Settings that replace recorded ones: your own stopping rule, callbacks.

    Raises
    ------
    ValueError
        If an object of your own is missing.
    """
    settings = {**settings, **own}
    for name, value in settings.items():
        if isinstance(value, dict) and name not in own:
            ((kind, arguments),) = value.items()
            if kind == "own":
                raise ValueError(f"the fit had your own {name}, {arguments}: pass {name}=")
            settings[name] = STOPPING[kind](**arguments)
    return settings


def lines(record):
    """Yield the lines of a record's receipt."""
    for title in "settings", "seed", "data", "versions":
        yield title
        for name, value in record.get(title, {}).items():
            yield f"  {name:20s}{value}"
