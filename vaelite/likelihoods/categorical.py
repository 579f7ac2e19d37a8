"""The categorical likelihood: one of several levels per pixel, in no order."""

from dataclasses import dataclass

import autograd.numpy as np
from autograd.extend import defvjp

from ..arrays.dispatch import on_device, special
from ..checks import check_count, check_flag, check_floats
from ..gradient import constant
from ..networks.base import Head
from ..ops import differentiable, reshape
from .base import Likelihood, check_pixels


@dataclass(frozen=True)
class Categorical(Likelihood):
    """p(x|z) = softmax(logits(z))[x] for each pixel: one of L levels, in no order.

    Parameters
    ----------
    levels : int
        L. Data are whole numbers from 0 to L - 1, and uint8 is read as such. `quantize`
        makes such data from gray images.
    one_hot : bool
        Give the encoder L zeros and ones per pixel. By default it sees the levels as
        numbers in [0, 1], which assumes that they have an order.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> likelihood = vaelite.Categorical(16)
    >>> x, logits = np.array([[3.0, 15.0]]), np.zeros((1, 2, 16))
    >>> likelihood.negloglikelihood(x, logits) / np.log(2)  # bits
    array([8.])
    """

    levels: int = 256
    one_hot: bool = False

    name = "categorical"
    grey_levels = False

    def __post_init__(self):
        object.__setattr__(self, "levels", check_count("levels", self.levels, minimum=2))
        object.__setattr__(self, "one_hot", check_flag("one_hot", self.one_hot))

    def heads(self, n_features):
        """Return logits, L per pixel."""
        return {"logits": Head(n_features * self.levels)}

    def parameters(self, logits):
        """Return the logits as (batch, D, L)."""
        return (reshape(logits, (*logits.shape[:-1], -1, self.levels)),)

    def elements(self, x, logits):
        """Return ``logsumexp(logits) - logits[x]`` of each pixel, in nats.

        Parameters
        ----------
        x : array, shape (batch, D)
            Whole numbers from 0 to L - 1, in any dtype.
        logits : array, shape (batch, D, L)

        Returns
        -------
        array, shape (batch, D)

        Raises
        ------
        ValueError, TypeError
            If the numbers of pixels differ, x has a number that is not a level, or
            logits are not floats. (On a GPU, the numbers are not looked at.)
        """
        check_floats(logits=logits)
        check_pixels(x, logits.shape[-2])
        return _categorical(x, logits)

    def expectation(self, logits):
        """Return E[x|z], the mean level of each pixel."""
        return np.matmul(_softmax(logits), np.arange(self.levels, dtype=logits.dtype))

    def constant(self, x):
        """Return the log frequencies of each column's levels, by Laplace's rule."""
        counts = np.stack([(x == level).sum(axis=0) for level in range(self.levels)], axis=-1)
        return {"logits": np.log((counts + 1) / (len(x) + self.levels)).ravel()}

    def sample(self, rng, logits):
        """Draw whole numbers x ~ p(x|z), by the largest logit with Gumbel noise."""
        levels = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
        return levels.astype(np.int64)  # on 32-bit systems argmax returns int32

    def encoder_input(self, x):
        """Return the levels as numbers in [0, 1], or as L zeros and ones per pixel."""
        if not self.one_hot:
            return x / (self.levels - 1)
        columns = (*x.shape[:-1], x.shape[-1] * self.levels)
        return reshape(_one_hot(x, self.levels).astype(x.dtype), columns)

    def check(self, summary):
        """Refuse fractions and levels out of range."""
        low, high = summary.low.min(), summary.high.max()
        if not summary.whole:
            raise ValueError(
                "X has fractions, but a categorical likelihood needs whole numbers from 0 to "
                f"{self.levels - 1}: vaelite.quantize(X, {self.levels}) makes them from numbers "
                "in [0, 1]"
            )
        if low < 0 or high >= self.levels:
            raise ValueError(
                f"X has levels from {low:g} to {high:g}, but Categorical({self.levels}) has levels "
                f"0 to {self.levels - 1}: pass likelihood=Categorical({int(high) + 1}), or "
                f"vaelite.quantize(X, {self.levels}) for gray levels"
            )


@differentiable
def _categorical(x, logits):
    levels = x.astype(np.intp) if on_device(x) else _levels(x, logits.shape[-1])
    chosen = np.take_along_axis(logits, levels[..., None], axis=-1)[..., 0]
    return special(logits).logsumexp(logits, axis=-1) - chosen


def _levels(x, n):
    """Whole numbers as indices; NumPy would take the last level for -1."""
    with np.errstate(invalid="ignore"):  # NaN is refused below
        levels = x.astype(np.intp)
    if not np.all((levels == x) & (levels >= 0) & (levels < n)):
        raise ValueError(f"x should be whole numbers from 0 to {n - 1}, the levels of the logits")
    return levels


@constant
def _one_hot(x, n):
    """Whole numbers as rows of n zeros and ones: (...) to (..., n)."""
    numbers = np.cumsum(np.ones_like(x, shape=(n,))) - 1
    return x[..., None] == numbers


def _d_categorical(ans, x, logits):
    return lambda g: g[..., None] * (_softmax(logits) - _one_hot(x, logits.shape[-1]))


defvjp(_categorical, _d_categorical, argnums=[1])


def _softmax(logits):
    exp = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return exp / np.sum(exp, axis=-1, keepdims=True)
