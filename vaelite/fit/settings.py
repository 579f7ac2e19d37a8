"""Settings: each is declared once, on the constructor of a model, in one line.

A line such as ::

    latent_dim: Setting[Integer, int] = Setting(2, check_count)

says what may be passed, what is kept, the default, and the check. The value is checked
once, when it is set: by the constructor, by ``set_params``, or as an attribute. What
several settings mean together is checked by `check_together`, when a fit begins.
"""

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import numpy as np

from ..adam import Adam
from ..arrays.backend import BACKENDS, Backend, get_backend
from ..arrays.streams import seed_sequence
from ..checks import (
    check_accepts,
    check_callable,
    check_choice,
    check_keywords,
    check_number,
    shown,
    typed,
    warn,
)
from ..models.checks import check_fitted
from ..objectives import objective_class
from ..priors import StandardNormal
from ..stopping import stopping_rule
from .progress import reporters
from .trial import try_optimizer

STARTS = "data", "network"
STEPS = 300  # per epoch, which the default batch size aims at, from 32 to 128 rows

Given = TypeVar("Given")
Kept = TypeVar("Kept")
Model = TypeVar("Model")


class Setting(Generic[Given, Kept]):
    """A setting of a model: its default and its check; its type is ``[given, kept]``.

    Parameters
    ----------
    default : object
    check : callable
        ``check(name, value)`` returns what is kept, or raises an error that says what
        to do. Checking what is kept once more returns the same object, so that
        scikit-learn's ``clone`` works.
    """

    def __init__(self, default: Given, check: Callable[[str, Any], Kept]):
        self.default, self.check = default, check

    def __set_name__(self, owner, name: str) -> None:
        self.name, self.kept_default = name, self.check(name, self.default)

    @overload
    def __get__(self, model: None, owner: type) -> Given: ...

    @overload
    def __get__(self, model: object, owner: type) -> Kept: ...

    def __get__(self, model, owner):
        return self.default  # a model has its own value in its __dict__, which comes first

    if TYPE_CHECKING:  # without this method, reading a setting costs nothing

        def __set__(self, model: object, value: Given) -> None: ...


class Result(Generic[Kept]):
    """What a fit has found, an attribute of the model: read from its solution.

    Parameters
    ----------
    doc : str
    """

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner, name: str) -> None:
        self.name = name

    def __get__(self, model, owner) -> Kept:
        if model is None:
            return self  # type: ignore[return-value]
        check_fitted(model)
        return getattr(model.solution, self.name)

    def __set__(self, model, value) -> None:
        raise AttributeError(f"{self.name} is a result of fit, and cannot be set")


# Checks of single settings: `vaelite.checks` has those of numbers and names.


def optional(check: Callable[[str, Any], Kept]) -> Callable[[str, Any], Kept | None]:
    """Return a check that accepts None as well."""
    return lambda name, value: None if value is None else check(name, value)


def choice(*choices: str) -> Callable[[str, Any], str]:
    """Return a check of a name out of several."""
    return partial(check_choice, choices=choices)


positive = partial(check_number, low=0)
not_negative = partial(check_number, low=0, low_included=True)


def check_backend(name: str, value: Any) -> Backend:
    """Return the backend of a name."""
    return value if isinstance(value, Backend) else get_backend(check_choice(name, value, BACKENDS))


def check_callbacks(name: str, callbacks: Any) -> tuple:
    """Return one callback, or several, as a tuple."""
    callbacks = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"callbacks should be a callable or a list of them, got {shown(callbacks)}")
    for callback in callbacks:
        check_accepts("callback", check_callable("a callback", callback), "model", "state")
    return tuple(callbacks)


def check_learning_rate(name: str, value: Any) -> Any:
    """Return a learning rate: a number above 0, or a function of the step."""
    if not callable(value):
        return positive(name, value)
    check_accepts(name, value, "step")
    positive(f"{name}(0)", value(0))
    return value


def check_optimizer(name: str, value: Any) -> Any:
    """Return an object with a method ``update(params, grads)``."""
    if isinstance(value, type):
        raise TypeError(f"{name} should be an object, got the class {value.__name__}")
    if not callable(getattr(value, "update", None)) or isinstance(value, dict):
        raise TypeError(
            f"{name} should be an object with a method update(params, grads), such as "
            f"Adam(1e-3), got {typed(value)}"
        )
    check_accepts(f"{name}.update", value.update, "params", "grads")
    return value


def check_progress(name: str, value: Any) -> bool | str:
    """Return what `reporters` accepts."""
    reporters(value)
    return value


def check_rng(name: str, value: Any) -> Any:
    """Return a seed: None, an int, a SeedSequence or a Generator."""
    if not isinstance(value, np.random.Generator):  # to draw from it would change it
        seed_sequence(value)
    return value


def check_stopping(name: str, value: Any) -> Any:
    """Return the name of a stopping rule, or a rule."""
    stopping_rule(value)
    return value


# What several settings mean together.


def check_together(model):
    """Refuse settings of a model that contradict each other; return a stopping rule.

    Parameters
    ----------
    model : LatentModel

    Returns
    -------
    HeldOut, Lecture, Epochs or your own
        A new one.

    Raises
    ------
    ValueError
        The message says which setting to leave out.
    """
    dense = [name for name in ("hidden_dim", "activation", "init") if not is_default(model, name)]
    if model.encoder is not None and model.decoder is not None and dense:
        raise ValueError(
            "hidden_dim, activation and init are for dense networks, but encoder and decoder were "
            "both passed; leave these settings out"
        )
    rule = model.rule()
    if not rule.holds_out and model.validation_fraction is not None:
        raise ValueError(
            f"validation_fraction={model.validation_fraction:g} has no meaning with "
            f"stopping={shown(model.stopping)}, which holds no rows out"
        )
    if model.optimizer is not None:
        why = f"is Adam's, but optimizer={shown(model.optimizer)} was passed: set it there"
        _refuse_unless_default(model, ("learning_rate", "weight_decay"), why)
    if model.has_posterior:
        _check_elbo(model)
    return rule


def _check_elbo(model):
    if model.neglogprior is not None and type(model.prior) is not StandardNormal:
        raise ValueError("prior and neglogprior were both passed; a prior has its own: pass one")
    objective_class(model.kl, model.beta, model.importance_samples, model.changed_terms)
    if model.warmup_epochs > model.max_epochs:
        raise ValueError(
            f"warmup_epochs={model.warmup_epochs} is above max_epochs={model.max_epochs}: the KL "
            "part would never have its full weight; lower it, or raise max_epochs"
        )
    if model.importance_samples > 1:
        why = (
            "has no meaning for the importance-weighted bound, which has no KL weight; leave it "
            "at 0"
        )
        _refuse_unless_default(model, ("warmup_epochs",), why)
    if model.objective is not None:
        is_elbo = isinstance(model.objective, type)
        unused = ("importance_samples", *(() if is_elbo else ("kl", "beta", "warmup_epochs")))
        why = (
            "has no meaning with your own objective: leave it out, and compute in the objective "
            "what you need"
        )
        _refuse_unless_default(model, unused, why)


def _refuse_unless_default(model, names, why):
    for name in names:
        if not is_default(model, name):
            raise ValueError(f"{name}={shown(getattr(model, name))} {why}")


def is_default(model, name):
    """Whether a setting of a model has its default."""
    return getattr(model, name) == getattr(type(model), name)


# All settings of a model by name, as scikit-learn reads and sets them.


def get_params(model, deep=True) -> dict[str, Any]:
    """Return all settings by name; deep, also those of parts: ``likelihood__sigma``."""
    settings = {field.name: getattr(model, field.name) for field in fields(model)}
    parts = {name: model.part(name) for name in settings} if deep else {}
    inner = {
        f"{name}__{field.name}": getattr(part, field.name)
        for name, part in parts.items()
        if is_dataclass(part)
        for field in fields(part)
    }
    return settings | inner


def set_params(model, settings):
    """Set settings by name; ``likelihood__sigma=0.1`` changes a setting of a part."""
    known = get_params(model)
    check_keywords(f"{type(model).__name__}.set_params", settings, known)
    for name, value in settings.items():
        if "__" not in name:
            setattr(model, name, value)
    for name, value in settings.items():
        part, _, inner = name.partition("__")
        if inner:
            setattr(model, part, replace(model.part(part), **{inner: value}))


# What a fit makes of settings.


def default_batch_size(n):
    """Return the batch size for n rows."""
    return min(max(n // STEPS, 32), 128)


def batch_size_for(model, n):
    """Return the batch size for n rows to train on; warn if it was set higher."""
    if model.batch_size is not None and model.batch_size > n:
        warn(f"batch_size={model.batch_size} is above the {n} rows to train on; using {n}")
    return min(model.batch_size or default_batch_size(n), n)


def new_optimizer(model, params):
    """Return the optimizer of one fit; your own is tried on copies of params."""
    if model.optimizer is not None:
        try_optimizer(model.optimizer, params)
        return copy.deepcopy(model.optimizer)
    rate = model.learning_rate
    return Adam(rate(0) if callable(rate) else rate, weight_decay=model.weight_decay)


def stop_instead(model, rule):
    """Let a rule stop where it would lower a rate that the optimizer does not have."""
    has_rate = model.optimizer is None or hasattr(model.optimizer, "learning_rate")
    if not has_rate and getattr(rule, "drops", 0):
        warn(
            "the optimizer has no learning_rate, which the stopping rule would lower: training "
            "will stop there instead"
        )
        rule.drops = 0


def plain_signature(kind: type[Model]) -> type[Model]:
    """Decorate a model: the signature that help() shows has names and defaults only."""
    kind.__init__.__annotations__ = {}
    return kind
