"""Models as files.

Format 3 is defined here, name by name. It does not follow the fields of a class, so a
new field never makes an old file unreadable. Formats 1 and 2 can still be read.
"""

import json
from dataclasses import fields

import numpy as np

from ..arrays.backend import BACKENDS, get_backend
from ..checks import check_callable, check_choice, check_count, check_flag
from ..exceptions import ModelFileError
from ..likelihoods import LIKELIHOODS
from ..models.checks import check_likelihood, check_network, check_prior
from ..networks import NETWORKS
from ..objectives import TERMS
from ..priors import PRIORS, StandardNormal
from ..state import Solution
from . import checkpoint, storage
from .provenance import ENTRIES

SOLUTION = "converged", "stop_reason", "n_epochs", "best_epoch"
TABLES = "history", "log"  # their columns are arrays, "history.epoch" and others
OWN_TERMS = (*TERMS, "reparameterize")
PART_CHECKS = {
    "encoder": check_network,
    "decoder": check_network,
    "prior": check_prior,
    "likelihood": lambda name, part: check_likelihood(part),
}
HELD_OUT = "heldout"  # format 1: the rule whose evaluated rows are held-out rows


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
    solution, spec = model.solution, described(model)
    kept = {name: getattr(solution, name) for name in (*SOLUTION, "scores")}
    manifest = {**spec, "solution": kept, "record": solution.record}
    columns = {
        f"{table}.{name}": np.array(column)
        for table in TABLES
        for name, column in getattr(solution, table).items()
    }
    try:  # what is written can be loaded
        written = {"format": storage.FORMAT, **json.loads(json.dumps(manifest))}
        parts = {name: spec[name] for name in ("likelihood", "prior")} | spec["networks"]
        own = {name: getattr(model, name) for name, part in parts.items() if part is None}
        restored(written, {**model.params, **columns}, type(model), own | model.own_terms)
    except (ModelFileError, TypeError, ValueError) as error:
        raise ValueError(f"this model cannot be saved: {error}") from error
    storage.save(path, manifest, {**model.params, **columns})


def described(model):
    """Return what a file says of a model before any fit: its parts and sizes."""
    networks = [name for name in ("encoder", "decoder") if hasattr(model, name)]
    return {
        "kind": type(model).__name__,
        "latent_dim": model.latent_dim,
        "networks": {name: _described(getattr(model, name), NETWORKS) for name in networks},
        "likelihood": _described(model.likelihood, LIKELIHOODS),
        "prior": _described(model.prior, PRIORS),
        "own_terms": sorted(model.own_terms),
        "n_features": model.n_features,
        "n_conditions": model.n_conditions,
        "feature_names": model.feature_names,
    }


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
        PART_CHECKS.get(name, check_callable)(name, part)
    get_backend(check_choice("backend", backend, BACKENDS))
    manifest, arrays = storage.load(path)
    if manifest.get("kind") == checkpoint.KIND:
        raise ModelFileError(
            f"{path} is a checkpoint, not a model: pass it to fit, with the data and settings of "
            "the run: fit(X, ..., checkpoint=path)"
        )
    try:
        manifest = _from_format_1(manifest) if manifest["format"] == 1 else manifest
        _check_own(path, manifest, own)
        return restored(manifest, arrays, kinds[manifest["kind"]], own, backend)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        message = f"{path} is not a vaelite model, or it is damaged ({error})"
        raise ModelFileError(message) from error


def restored(manifest, arrays, kind, own, backend="numpy"):
    """Return the model of a manifest and its arrays; an error if it is not whole."""
    found, arrays = {name: manifest["solution"][name] for name in SOLUTION}, dict(arrays)
    for table in TABLES:
        columns = [name for name in arrays if name.startswith(f"{table}.")]
        columns = {name.partition(".")[2]: arrays.pop(name).tolist() for name in columns}
        found[table] = columns or manifest["solution"].get(table, {})  # until format 2 in JSON
    found["scores"] = manifest["solution"].get("scores", {})  # older files have none
    found["record"] = manifest.get("record", {})
    found["feature_names"] = _names(manifest.get("feature_names"))
    _check_solution(found)
    _check_sizes(manifest, arrays)
    settings = {name: _built(spec, NETWORKS) for name, spec in manifest["networks"].items()}
    settings["likelihood"] = _built(manifest["likelihood"], LIKELIHOODS)
    if (prior := _built(manifest.get("prior"), PRIORS)) != StandardNormal():
        settings["prior"] = prior  # older files have none
    settings = {name: part for name, part in settings.items() if part is not None} | own
    model = kind(manifest["latent_dim"], **settings, backend=backend)
    model.solution = Solution(arrays, manifest["n_features"], manifest["n_conditions"], **found)
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
    if not isinstance(found["stop_reason"], str) or not isinstance(found["record"], dict):
        raise ModelFileError("its stop_reason should be a text, and its record a dict")
    if found["record"] and found["record"].keys() != ENTRIES:
        raise ModelFileError(f"its record should have {', '.join(sorted(ENTRIES))}, or nothing")


def _check_numbers(name, values):
    if not isinstance(values, list) or not {type(value) for value in values} <= {int, float}:
        raise ModelFileError(f"its {name} should have numbers only")


def _check_sizes(manifest, arrays):
    """Refuse sizes above the number of weights: nothing of this size is made."""
    weights = sum(array.size for array in arrays.values())
    for name, minimum in (("latent_dim", 1), ("n_features", 1), ("n_conditions", 0)):
        if check_count(name, manifest[name], minimum) > weights and manifest["networks"]["decoder"]:
            raise ModelFileError(f"its {name} is {manifest[name]}, but it has {weights} weights")
    own = manifest["own_terms"]
    if not isinstance(own, list) or not set(own) <= set(OWN_TERMS):
        raise ModelFileError(f"its own_terms should be some of {', '.join(OWN_TERMS)}")


def _check_outputs(model, arrays):
    """Refuse a likelihood with more outputs than there are weights."""
    outputs = sum(head[0] for head in model.likelihood.heads(model.n_features).values())
    if outputs > sum(array.size for array in arrays.values()) and type(model.decoder) in (
        NETWORKS.values()
    ):
        raise ModelFileError(f"its likelihood needs {outputs} outputs, more than it has weights")


def _names(names):
    return None if names is None else tuple(names)


def _described(part, known):
    """A network or a likelihood as its name and settings; None for your own."""
    names = [name for name, kind in known.items() if type(part) is kind]
    if not names:
        return None
    return [names[0], {setting.name: getattr(part, setting.name) for setting in fields(part)}]


def _built(spec, known):
    """The network or likelihood that `_described` describes."""
    if spec is None:
        return None
    name, settings = spec
    return known[name](**settings)


def _check_own(path, manifest, own):
    parts = {name: manifest[name] for name in ("likelihood", "prior") if name in manifest}
    parts |= manifest["networks"]
    needed = {*manifest["own_terms"], *(name for name, spec in parts.items() if spec is None)}
    if missing := ", ".join(sorted(needed - set(own))):
        example = min(needed - set(own))
        raise ModelFileError(f"{path} needs your own {missing}: load(path, {example}=...)")
    if unused := ", ".join(sorted(set(own) - needed)):
        raise ModelFileError(f"{path} was not fitted with your own {unused}: leave it out")


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


def _from_format_1(old):
    """The manifest of format 2 for one of format 1, which had dense networks only."""
    model, solution = old["model"], dict(old["solution"])
    sizes, how = model["hidden_dim"], {k: model[k] for k in ("activation", "init")}
    networks = {
        "encoder": ["Dense", {"hidden_dim": tuple(sizes), **how}],
        "decoder": ["Dense", {"hidden_dim": tuple(sizes[::-1]), **how}],
    }
    if old["kind"] == "MeanField":
        del networks["encoder"]
    is_held_out = solution["stopping"] == HELD_OUT
    new_name = (lambda name: name.replace("eval_", "val_")) if is_held_out else str
    solution["history"] = {new_name(name): v for name, v in solution["history"].items()}
    solution["log"] = {
        "param_norm" if name == "ps_norm" else name: v for name, v in solution["log"].items()
    }
    return {
        "kind": old["kind"],
        "latent_dim": model["latent_dim"],
        "networks": networks,
        "likelihood": old["likelihood"],
        "own_terms": old["own_terms"],
        "n_features": old["n_features"],
        "n_conditions": 0,
        "solution": solution,
    }
