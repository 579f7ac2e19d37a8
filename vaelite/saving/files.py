"""Models as files: settings, parameters, and what training found."""

import json

import numpy as np

from ..arrays.backend import BACKENDS, get_backend
from ..checks import check_callable, check_choice, check_count, check_flag
from ..exceptions import ModelFileError
from ..models.checks import check_likelihood, check_network, check_prior
from ..networks import NETWORKS
from ..objectives import OWN_TERMS
from ..state import Solution
from . import checkpoint, storage
from .provenance import ENTRIES, is_own, rebuilt, settings_of

SOLUTION = "converged", "stop_reason", "n_epochs", "best_epoch", "scores"
COLUMNS = "n_features", "n_conditions", "feature_names"
TABLES = "history", "log"  # their columns are arrays, "history.epoch" and others
PART_CHECKS = {  # parts that may be your own, and that a model needs
    "encoder": check_network,
    "decoder": check_network,
    "prior": check_prior,
    "likelihood": check_likelihood,
    **dict.fromkeys(OWN_TERMS, check_callable),
}


def save(model, path):
    """Write a model that is fitted to a file.

    Raises
    ------
    TypeError
        For your own class of model.
    ValueError
        For a model that `load` would refuse, for example with NaN in its parameters.
    OSError
        If the file cannot be written.
    """
    if not type(model).__module__.startswith("vaelite."):
        raise TypeError(
            f"{type(model).__name__} is your own class of model, which a file cannot hold; save "
            "its params with np.savez(path, **model.params)"
        )
    solution = model.solution
    manifest = {
        "kind": type(model).__name__,
        "settings": settings_of(model),
        **{name: getattr(solution, name) for name in COLUMNS},
        "solution": {name: getattr(solution, name) for name in SOLUTION},
        "provenance": solution.provenance,
    }
    columns = {
        f"{table}.{name}": np.array(column)
        for table in TABLES
        for name, column in getattr(solution, table).items()
    }
    try:  # what is written can be loaded
        written = json.loads(json.dumps(manifest))
        own = {name: getattr(model, name) for name in _own_parts(written["settings"])}
        restored(written, {**model.params, **columns}, type(model), own)
    except (ModelFileError, TypeError, ValueError) as error:
        raise ValueError(f"this model cannot be saved: {error}") from error
    storage.save(path, manifest, {**model.params, **columns})


def _own_parts(settings):
    """The names of the parts of your own that a model needs."""
    return [name for name in PART_CHECKS if is_own(settings.get(name))]


def load(path, kinds, own, backend):
    """Read a model.

    Parameters
    ----------
    path : path
    kinds : dict of str to type
        The classes of models by name.
    own : dict
        Terms, likelihood and networks of your own, by the names of the model's
        arguments.
    backend : {"numpy", "cupy", "auto"}

    Raises
    ------
    OSError
        If there is no such file.
    ModelFileError
        If the file is not a saved model, is damaged or of a newer format, or needs
        parts of your own that were not passed.
    """
    for name, part in own.items():  # their faults are not the file's
        PART_CHECKS[name](name, part)
    get_backend(check_choice("backend", backend, BACKENDS))
    manifest, arrays = storage.load(path)
    if manifest.get("kind") == checkpoint.KIND:
        raise ModelFileError(
            f"{path} is a checkpoint, not a model: pass it to fit, with the data and settings of "
            "the run: fit(X, ..., checkpoint=path)"
        )
    try:
        needed = _own_parts(manifest["settings"])
        _check_own(path, needed, own)
        return restored(manifest, arrays, kinds[manifest["kind"]], own, backend)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"{path} is not a vaelite model, or it is damaged ({error})"
        raise ModelFileError(message) from error


def _check_own(path, needed, own):
    if missing := [name for name in needed if name not in own]:
        raise ModelFileError(
            f"{path} needs your own {', '.join(missing)}: load(path, {missing[0]}=...)"
        )
    if unused := ", ".join(name for name in own if name not in needed):
        raise ModelFileError(f"{path} was not fitted with your own {unused}: leave it out")


def restored(manifest, arrays, kind, own, backend="numpy"):
    """Return the model of a manifest and its arrays; an error if it is not whole.

    Settings of your own that a model does not need, such as an optimizer, have their
    defaults.
    """
    found, arrays = {name: manifest["solution"][name] for name in SOLUTION}, dict(arrays)
    for table in TABLES:
        columns = [name for name in arrays if name.startswith(f"{table}.")]
        found[table] = {name.partition(".")[2]: arrays.pop(name).tolist() for name in columns}
    found |= {name: manifest[name] for name in (*COLUMNS, "provenance")}
    found["feature_names"] = found["feature_names"] and tuple(found["feature_names"])
    plain = {name: value for name, value in manifest["settings"].items() if not is_own(value)}
    _check_solution(found)
    _check_sizes(manifest, plain, arrays)
    settings = {name: rebuilt(value) for name, value in plain.items()}
    model = kind(**settings, **own, backend=backend)
    model.solution = Solution(arrays, **found)
    _check_outputs(model, arrays)
    _check_params(model, arrays)
    return model


def _check_solution(found):
    """Refuse entries of a solution that have another type than a fit gives them."""
    check_flag("converged", found["converged"])
    check_count("n_epochs", found["n_epochs"], minimum=0)
    if check_count("best_epoch", found["best_epoch"], minimum=0) > found["n_epochs"]:
        raise ModelFileError("its best_epoch is above its n_epochs")
    for name in TABLES:
        columns = found[name].values()
        if len({len(column) for column in columns}) > 1:
            raise ModelFileError(f"the columns of its {name} have different lengths")
        for column in columns:
            _check_numbers(name, column)
    _check_numbers("scores", list(found["scores"].values()))
    if not isinstance(found["stop_reason"], str) or not isinstance(found["provenance"], dict):
        raise ModelFileError("its stop_reason should be a text, and its provenance a dict")
    if found["provenance"] and found["provenance"].keys() != ENTRIES:
        raise ModelFileError(f"its provenance should have {', '.join(sorted(ENTRIES))}, or nothing")


def _check_numbers(name, values):
    if not isinstance(values, list) or not {type(value) for value in values} <= {int, float}:
        raise ModelFileError(f"its {name} should have numbers only")


def _check_sizes(manifest, settings, arrays):
    """Refuse sizes above the number of weights: nothing of this size is made."""
    weights = sum(array.size for array in arrays.values())
    sizes = {"latent_dim": settings["latent_dim"], "n_features": manifest["n_features"]}
    for name, size in sizes.items():
        if check_count(name, size) > weights and "decoder" in settings:
            raise ModelFileError(f"its {name} is {size}, but it has {weights} weights")
    if check_count("n_conditions", manifest["n_conditions"], minimum=0) > weights:
        raise ModelFileError(f"its n_conditions is above its number of weights, {weights}")


def _check_outputs(model, arrays):
    """Refuse a likelihood with more outputs than there are weights."""
    outputs = sum(head[0] for head in model.likelihood.heads(model.n_features).values())
    if outputs > sum(array.size for array in arrays.values()) and type(model.part("decoder")) in (
        NETWORKS.values()
    ):
        raise ModelFileError(f"its likelihood needs {outputs} outputs, more than it has weights")


def _check_params(model, params):
    expected, found = model.shapes(), {name: array.shape for name, array in params.items()}
    if found != expected:
        names = sorted({*expected, *found})
        different = [name for name in names if expected.get(name) != found.get(name)]
        first = next(iter(different), "")
        raise ModelFileError(
            f"the arrays {', '.join(different)} do not fit the networks: {first} has shape "
            f"{found.get(first)}, expected {expected.get(first)}"
        )
    dtypes = {array.dtype for array in params.values()}
    if len(dtypes) != 1 or not dtypes <= {np.dtype(np.float32), np.dtype(np.float64)}:
        names = ", ".join(sorted(map(str, dtypes)))
        raise ModelFileError(f"its weights should all be float32 or all float64, got {names}")
    for name, array in params.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"array {name} has numbers that are not finite")
