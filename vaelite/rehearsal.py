"""Try the terms before training, so that a slip in one is named and explained."""

import warnings

import numpy as np

from .gradient import dependencies
from .objectives import TERMS


def rehearse(objective, params, x, eps):
    """Evaluate and differentiate the terms once, on a few rows.

    Parameters
    ----------
    objective : NegELBO
    params : dict of arrays
    x : array, shape (batch, n_features)
    eps : array, shape (batch, latent_dim)

    Raises
    ------
    ValueError
        If a term does not give one number an example.
    TypeError
        If a term cannot be differentiated by autograd.

    Warns
    -----
    UserWarning
        If the loss does not depend on some parameters, which would never be trained.
    """
    for name, answer in zip(TERMS, objective.terms(params, x, eps), strict=True):
        if np.shape(answer) != eps.shape[:-1]:
            raise ValueError(
                f"{name} should return one number an example, shape ({len(x)},) for a batch of {len(x)}, got shape "
                f"{np.shape(answer)}; sum over the last axis only: np.sum(..., axis=-1)"
            )
    try:
        used = dependencies(objective, params, x, eps)
    except Exception as error:
        raise TypeError(
            f"the terms work on arrays, but not inside autograd ({type(error).__name__}: {error}). In a term of your "
            "own use autograd's NumPy (import autograd.numpy as np) and no float(), .item(), assignment into "
            "arrays, or random numbers whose mean is a parameter"
        ) from error
    if unused := [name for name in params if name not in used]:
        warnings.warn(
            f"the loss does not depend on {', '.join(unused)}: they will never be trained. Does every term use all "
            "its arguments, and is everything computed with autograd.numpy?",
            stacklevel=4,
        )
