"""Checks of models and their parts."""

import numpy as np

from ..checks import check_choice, shown
from ..data.checks import check_array, check_names, check_width, column_names
from ..exceptions import NotFittedError
from ..likelihoods import LIKELIHOODS
from ..priors import StandardNormal


def check_fitted(model):
    """Raise NotFittedError for a model without a solution, TypeError for no model."""
    if isinstance(model, type) or not hasattr(model, "solution"):
        raise TypeError(
            f"expected a fitted model, such as vaelite.fit(X), got {shown(model)}; the model is "
            "the first argument"
        )
    if model.solution is None:
        name = type(model).__name__
        raise NotFittedError(f"this {name} is not fitted yet; call fit(X) first, or vaelite.fit(X)")


def check_posterior(model):
    """Refuse a model without a q(z|x), or one that is not fitted."""
    check_fitted(model)
    if not model.has_posterior:
        raise ValueError(
            f"{type(model).__name__} has no q(z|x): its code is a single point; fit a model with "
            "vaelite.fit instead"
        )


def check_columns(model, X, name="X"):
    """Return data as an array with the columns of a fitted model, as `check_array`."""
    names, X, owner = column_names(X), check_array(X, name), type(model).__name__
    check_width(name, X, model.n_features, owner)
    check_names(name, names, model.feature_names, owner)
    return X


def check_unconditional(model, what):
    """Refuse a model that was fitted with a condition."""
    if model.n_conditions:
        raise ValueError(f"{what} is for models that were fitted without a condition")


def check_q(model, X, q):
    """Return mu and logsigma of a q for each row of X, in the model's dtype."""
    check_posterior(model)
    expected, dtype = (np.shape(X)[0], model.latent_dim), model.solution.dtype
    is_pair = isinstance(q, tuple | list) and len(q) == 2
    if not is_pair or any(np.shape(array) != expected for array in q):
        is_sequence = isinstance(q, tuple | list)
        found = [np.shape(array) for array in q] if is_sequence else type(q).__name__
        raise ValueError(
            f"q should be a pair (mu, logsigma) of arrays of shape {expected}, got {found}"
        )
    mu, logsigma = (np.asarray(array, dtype=dtype) for array in q)
    if not (np.isfinite(mu).all() and np.isfinite(logsigma).all()):
        raise ValueError("q has a mu or a logsigma that is not finite")
    return mu, logsigma


def check_likelihood(name, value):
    """Return an object with the methods of a likelihood, or that of a name."""
    if isinstance(value, str):
        return LIKELIHOODS[check_choice(name, value, LIKELIHOODS)]()
    methods = "heads", "parameters", "negloglikelihood", "expectation", "sample", "check"
    return _check_methods(name, value, methods, "a name or an object like Gaussian()")


def check_network(name, value):
    """Return an object with the methods of a network."""
    methods = "shapes", "init_params", "check_inputs", "__call__"
    return _check_methods(name, value, methods, "an object like Dense(512)")


def check_prior(name, value):
    """Return an object with the methods of a prior; None is N(0, I)."""
    if value is None:
        return StandardNormal()
    methods = "shapes", "init_params", "parameters", "neglogprior", "sample"
    return _check_methods(name, value, methods, "an object like Mixture(10)")


def _check_methods(name, value, methods, expected):
    if isinstance(value, type):
        kind = value.__name__
        raise TypeError(f"{name} should be an object, got the class {kind}; pass {kind}()")
    for method in methods:
        if not callable(getattr(value, method, None)):
            raise TypeError(f"{name} should be {expected}, got {shown(value)} without {method}()")
    return value


def check_params(owner, params, shapes, dtype=None):
    """Return parameters with the right names, shapes and, if one is passed, dtype.

    Parameters
    ----------
    owner : str
        What error messages call the owner.
    params : dict of arrays
    shapes : dict of str to tuple of int
    dtype : dtype, optional
    """
    if not isinstance(params, dict):
        raise TypeError(
            f"the parameters of {owner} should be a dict of arrays, got {shown(params)}"
        )
    if params.keys() != shapes.keys():
        raise ValueError(
            f"the parameters of {owner} should be {', '.join(shapes)}, got {', '.join(params)}"
        )
    for name, array in params.items():
        kind, shape = getattr(array, "dtype", np.dtype(object)), tuple(shapes[name])
        if np.shape(array) != shape or kind.kind != "f" or dtype not in (None, kind):
            expected = "floats" if dtype is None else dtype
            raise ValueError(
                f"{name} of {owner} should be an array of {expected} of shape {shape}, got "
                f"{kind} of shape {np.shape(array)}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{name} of {owner} has numbers that are not finite")
    return params
