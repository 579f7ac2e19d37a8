"""The provenance of a fit: what repeats it, and how two fits differ."""

import hashlib
import inspect
import json
import re
from dataclasses import fields

import numpy as np

from .. import versions
from ..arrays.dispatch import to_host
from ..arrays.streams import seed_sequence
from ..checks import warn
from ..data.rows import RowReader
from ..likelihoods import LIKELIHOODS
from ..models.checks import check_fitted
from ..networks import NETWORKS
from ..priors import PRIORS
from ..stopping import STOPPING

CHUNK_BYTES = 2**23  # of data that are read together
PLAIN = bool, int, float, str
ENTRIES = {"model", "settings", "seed", "data", "start", "versions"}
PARTS = {
    kind.__name__: kind
    for known in (NETWORKS, LIKELIHOODS, PRIORS, STOPPING)
    for kind in known.values()
}
# Settings that cannot change the numbers of a fit, or that are known otherwise.
LEFT_OUT = (
    "rng",
    "progress",
    "callbacks",
    "checkpoint",
    "checkpoint_seconds",
    "warm_start",
    "backend",
)


def of_fit(model, seed, datasets, start, further=()):
    """Return the provenance of a fit: plain values that JSON can hold.

    Parameters
    ----------
    model : LatentModel
        At the start of the fit.
    seed : numpy.random.SeedSequence
    datasets : dict of str to Dataset
        The rows that the call was given, by the names of the arguments.
    start : dict of arrays or None
        The parameters that a warm start begins with.
    further : dict
        Settings of another way to train.

    Returns
    -------
    dict
        "model", "settings", "seed", "data" with a digest of all numbers, "start", and
        "versions".
    """
    solution, data = model.solution, {}
    for name, dataset in datasets.items():
        data[name] = digest(dataset.X)
        if dataset.condition is not None:
            data[name.replace("X", "condition")] = digest(dataset.condition)
    provenance = {
        "model": {
            "kind": type(model).__name__,
            "n_features": solution.n_features,
            "n_conditions": solution.n_conditions,
            "feature_names": solution.feature_names,
            "dtype": str(datasets["X"].dtype),
            "backend": model.backend.name,
        },
        "settings": settings_of(model) | dict(further),
        "seed": {"rng": plain(seed.entropy), "spawn_key": list(map(int, seed.spawn_key))},
        "data": data,
        "start": None if start is None else ", ".join(map(digest, start.values())),
        "versions": used(),
    }
    return json.loads(json.dumps(provenance))  # tuples are lists, as in a file


def of_model(model):
    """Return the provenance of a fitted model."""
    check_fitted(model)
    if not model.solution.provenance:
        raise ValueError("this model was not trained by fit: nothing is known of its data")
    return model.solution.provenance


def seed_for(model, kept, again=None):
    """Return the seed of a fit: that of one to repeat or resume, or a new one."""
    if again is not None:
        return seed_of(again)
    if model.rng is None and kept.found is not None:
        return kept.seed
    if model.rng is None and model.warm_start and model.solution.provenance:
        return seed_of(model.solution.provenance)
    return seed_sequence(model.rng)


def seed_of(provenance):
    """Return the seed of a provenance."""
    seed = provenance["seed"]
    return np.random.SeedSequence(seed["rng"], spawn_key=tuple(seed["spawn_key"]))


def used():
    """Return what rounding depends on: versions, the matrix library and its threads."""
    names = "vaelite", "numpy", "autograd", "scipy"
    found = {name: versions.version(name) for name in names}
    found |= {name: str(value) for name, value in versions.products().items()}
    return {"Python": versions.system()["Python"], **found, "processor": versions.processor()}


def digest(X):
    """Return shape and dtype of an array-like, and a BLAKE2 digest of its bytes."""
    hashed, reader = hashlib.blake2b(digest_size=16), RowReader(X)
    if hasattr(X, "by_shard"):
        hashed.update("; ".join(X.by_shard(digest)).encode())
    else:
        row_bytes = int(np.prod(X.shape[1:])) * X.dtype.itemsize
        rows = max(1, CHUNK_BYTES // max(1, row_bytes))
        for start in range(0, X.shape[0], rows):
            part = to_host(reader[slice(start, start + rows)])
            hashed.update(np.ascontiguousarray(part).data)
    return f"{' x '.join(map(str, X.shape))} {X.dtype}, {hashed.hexdigest()}"


# Settings as plain values, and back.


def settings_of(model):
    """Return the settings of a model that a file can hold, as plain values by name."""
    names = [field.name for field in fields(model) if field.name not in LEFT_OUT]
    settings = {name: getattr(model, name) for name in names}
    return {k: v if v is None or type(v) in PLAIN else plain(v) for k, v in settings.items()}


def plain(value):
    """Return a setting as JSON can hold it.

    A network, a likelihood, a prior or a stopping rule of vaelite becomes
    ``{its name: its settings}``, and an object of your own ``{"own": a text}``.
    """
    if value is None or isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple | list | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.dtype):
        return value.name
    kind = type(value)
    if PARTS.get(kind.__name__) is not kind:
        return {"own": _named(value)}
    names = inspect.signature(kind).parameters
    return {kind.__name__: {name: plain(getattr(value, name)) for name in names}}


def is_own(value):
    """Whether a plain value stands for an object of your own."""
    return isinstance(value, dict) and set(value) == {"own"}


def rebuilt(value):
    """Return the setting that `plain` described."""
    if not isinstance(value, dict):
        return value
    ((name, settings),) = value.items()
    return PARTS[name](**settings)


def _named(value):
    """An object of your own in words, with its settings: numbers and texts."""
    has_repr = type(value).__repr__ is not object.__repr__
    if has_repr or not hasattr(value, "update"):  # a rule or an optimizer: a fit takes a copy
        name = getattr(value, "__qualname__", None) or repr(value)
        return re.sub(r" at 0x\w+", "", name)  # an address differs in each process
    attributes = getattr(value, "__dict__", {}).items()
    texts = [f"{name}={v!r}" for name, v in attributes if isinstance(v, bool | int | float | str)]
    return f"{type(value).__qualname__}({', '.join(texts)})"


# Two fits.


def differences(old, new, name=""):
    """Return in words what differs between two provenances, except for versions.

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
    if old == new:
        return []
    both = [old, new]
    if all(map(is_own, both)):
        return [f"{name} was {old['own']}, is {new['own']}"]
    if all(isinstance(value, dict) for value in both) and not {*old, *new} & {*PARTS, "own"}:
        names = [key for key in {**old, **new} if key != "versions"]
        return [text for key in names for text in differences(old.get(key), new.get(key), key)]
    return [f"{name} was {_shown(old)}, is {_shown(new)}"]


def _shown(value):
    """A plain value as it was written: a part as a call."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((name, settings),) = value.items()
    return settings if name == "own" else repr(rebuilt(value))


def check_same(what, old, new):
    """Refuse the provenance of another fit, and warn of other versions.

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


def lines(model):
    """Yield the lines of a model's receipt."""
    provenance = of_model(model)
    for title in "settings", "seed", "data", "versions":
        yield title
        for name, value in provenance[title].items():
            if value is not None:
                yield f"  {name:20s}{_shown(value)}"
