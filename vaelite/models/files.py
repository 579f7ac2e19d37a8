"""Models as files.

Format 2 is defined here, name by name. It does not follow the fields of a class, so a
new field never makes an old file unreadable. Format 1 can still be read.
"""

from dataclasses import fields

from ..arrays import storage
from ..arrays.backend import BACKENDS, get_backend
from ..checks import check_callable, check_choice
from ..exceptions import ModelFileError
from ..likelihoods import LIKELIHOODS
from ..networks import NETWORKS
from ..priors import PRIORS, StandardNormal
from ..state import Solution
from .checks import check_likelihood, check_network, check_prior

SOLUTION = "converged", "stop_reason", "n_epochs", "best_epoch", "history", "log"
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
    OSError
        If the file cannot be written.
    """
    if not type(model).__module__.startswith("vaelite."):
        raise TypeError(
            f"{type(model).__name__} is your own class of model, which a file cannot hold; save "
            "its params with np.savez(path, **model.params)"
        )
    networks = [name for name in ("encoder", "decoder") if hasattr(model, name)]
    manifest = {
        "kind": type(model).__name__,
        "latent_dim": model.latent_dim,
        "networks": {name: _described(getattr(model, name), NETWORKS) for name in networks},
        "likelihood": _described(model.likelihood, LIKELIHOODS),
        "prior": _described(model.prior, PRIORS),
        "own_terms": sorted(model.own_terms),
        "n_features": model.n_features,
        "n_conditions": model.n_conditions,
        "solution": {name: getattr(model.solution, name) for name in (*SOLUTION, "scores")},
    }
    storage.save(path, manifest, model.params)


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
    manifest, params = storage.load(path)
    try:
        manifest = _from_format_1(manifest) if manifest["format"] == 1 else manifest
        _check_own(path, manifest, own)
        settings = {name: _built(spec, NETWORKS) for name, spec in manifest["networks"].items()}
        settings["likelihood"] = _built(manifest["likelihood"], LIKELIHOODS)
        if (prior := _built(manifest.get("prior"), PRIORS)) != StandardNormal():
            settings["prior"] = prior  # older files have none
        settings = {name: part for name, part in settings.items() if part is not None} | own
        model = kinds[manifest["kind"]](manifest["latent_dim"], **settings, backend=backend)
        found = {name: manifest["solution"][name] for name in SOLUTION}
        found["scores"] = manifest["solution"].get("scores", {})  # older files have none
        sizes = manifest["n_features"], manifest["n_conditions"]
        model.solution = Solution(params, *sizes, **found)
        _check_params(model, params)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path} is not a vaelite model, or it is damaged ({error})"
        raise ModelFileError(message) from error
    return model


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
    if found != expected or len({array.dtype for array in params.values()}) != 1:
        names = sorted({*expected, *found})
        different = [name for name in names if expected.get(name) != found.get(name)]
        first = next(iter(different), "")
        raise ModelFileError(
            f"the arrays {', '.join(different)} do not fit the networks: {first} has shape "
            f"{found.get(first)}, expected {expected.get(first)}"
        )


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
