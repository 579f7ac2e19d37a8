"""What every likelihood has: heads, parameters, a density, a mean, samples, checks."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ..checks import check_floats
from ..data.checks import ROUNDING
from ..networks.base import Head
from ..ops import row_sums

Result = TypeVar("Result")


def free_names(method: Callable[..., Result]) -> Callable[..., Result]:
    """Let a derived class name the arguments as its formula does, for type checkers."""
    return method


class Likelihood:
    """p(x|z), a product over columns: a base class.

    A derived class needs at least ``elements``, what it scores for each element. The
    sum over the elements is here, in one place. (A class of your own may define
    ``negloglikelihood`` instead, if its columns are not independent given z.)

    Attributes
    ----------
    grey_levels : bool
        Whether uint8 data are gray levels, to be read as numbers in [0, 1].
    has_constants : bool
        Whether ``negloglikelihood`` accepts ``normalized=False``.
    """

    grey_levels = True
    has_constants = False

    def __repr__(self):
        return f"{type(self).__name__}()"

    def heads(self, n_features):
        """Return the decoder's outputs by name, each a `Head`. Here: mu."""
        return {"mu": Head(n_features)}

    @free_names
    def parameters(self, *outputs):
        """Return the parameters of p(x|z), a tuple. Here: the decoder's outputs."""
        return outputs

    @free_names
    def elements(self, x, *parameters):
        """Return ``-log p(x_ij|z_i)`` of each element, shape (batch, D), in nats."""
        raise NotImplementedError(f"{type(self).__name__} needs a method elements(x, *parameters)")

    @free_names
    def negloglikelihood(self, x, *parameters):
        """Return ``-log p(x|z)`` of each example, shape (batch,), in nats.

        It is the sum over `elements`.
        """
        return row_sums(self.elements(x, *parameters))

    @free_names
    def of_observed(self, observed, x, *parameters):
        """Return ``-log p(x|z)`` of the observed elements only, (batch,), in nats.

        Parameters
        ----------
        observed : array of bool, shape (batch, D)
            Where it is False, x is a hole: it may be any number, and has no influence.
        x, *parameters
            As for `negloglikelihood`.
        """
        return row_sums(observed * self.elements(x, *parameters))

    @free_names
    def expectation(self, *parameters):
        """Return E[x|z], shape (batch, n_features). Here: the first parameter."""
        return parameters[0]

    @free_names
    def sample(self, rng, *parameters):
        """Draw x ~ p(x|z) with the Generator ``rng``."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method sample(rng, *parameters); sample(mean=True) works"
        )

    def encoder_input(self, x):
        """Return what the encoder sees of x; it may have more columns. Here: x."""
        return x

    def constant(self, x):
        """Return the decoder's outputs of the best model without latents, or None.

        Parameters
        ----------
        x : array, shape (n, n_features)
            Rows of floats.

        Returns
        -------
        dict of str to array, or None
            For each head one row, shape (size,): the same p(x) for all codes, fitted to
            the rows. Training starts there, and a fit that is no better has learned
            nothing. None, as here: not known.
        """
        return None

    def for_data(self, summary):
        """Return the likelihood for data with this `Summary`. Here: this one."""
        return self

    def check(self, summary):
        """Refuse data that the likelihood has no density for.

        Parameters
        ----------
        summary : vaelite.data.checks.Summary
            Each feature's smallest and largest value, ``low`` and ``high``, and
            ``whole``: whether all values are whole numbers.
        """

    def advise(self, summary):
        """Warn of data that can be fitted, but not well."""

    @free_names
    def ledger(self, nll, *parameters):
        """Return the parts of ``-log p(x|z)``, each (batch,), by name. Here: one."""
        return {"-log p(x|z)": nll}


class OfLogits(Likelihood):
    """A likelihood of numbers in [0, 1] with one logit per pixel: a base class."""

    why = ""  # it scores numbers in [0, 1]

    def heads(self, n_features):
        """Return logits, one per pixel."""
        return {"logits": Head(n_features)}

    def elements(self, x, logits):
        """Return ``-log p(x_ij|z_i)`` of each pixel, after a check of the arrays.

        Raises
        ------
        ValueError, TypeError
            If the numbers of pixels differ, or an array is not one of floats.
        """
        check_floats(x=x, logits=logits)
        check_pixels(x, logits.shape[-1])
        return self.formula(x, logits)

    def check(self, summary):
        """Refuse data outside [0, 1]."""
        check_unit_interval(summary, self.why, "Gaussian")


def check_pixels(x, n):
    """Refuse x with another number of pixels than the decoder's: it would broadcast."""
    if x.shape[-1:] != (n,):
        raise ValueError(f"x has shape {x.shape}, but the logits are those of {n} pixels")


def check_unit_interval(summary, why, alternative):
    """Refuse data outside [0, 1]."""
    low, high = summary.low.min(), summary.high.max()
    outside = np.flatnonzero((summary.low < -ROUNDING) | (summary.high > 1 + ROUNDING))
    if outside.size:
        advice = f"rescale X, or pass likelihood=vaelite.{alternative}"
        if low >= 0 and high <= 255:
            advice = (
                "divide by 255"
                if high > 128
                else f"divide by the largest value there can be, here perhaps {high:g}"
            )
        if outside.size == 1 < summary.low.size:
            advice = (
                f"only column {outside[0]} has values outside [0, 1]; if it contains labels, "
                f"remove it: np.delete(X, {outside[0]}, axis=1); otherwise {advice}"
            )
        raise ValueError(f"X has values from {low:g} to {high:g}, but {why}: {advice}")
