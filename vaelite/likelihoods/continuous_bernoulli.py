"""The continuous Bernoulli likelihood: a density of gray levels in [0, 1]."""

from dataclasses import dataclass

import numpy as np
from autograd import elementwise_grad
from autograd.extend import defvjp
from autograd.numpy.numpy_vjps import unbroadcast_f
from autograd.tracer import getval

from ..checks import warn
from ..ops import differentiable, relu
from .base import OfLogits

SATURATED = 0.02  # nearer to 0 or 1 the logit of a column's mean is far from 0: below -50
LEAST = 1e-20  # as good as 0: exp(1e-20) is 1 in any precision, and 0 / 0 is avoided
NEAR = 0.5  # where the series of the mean is exact to the last digits
# (mean - 1/2) / logits = 1/12 - logits^2/720 + ...: the Bernoulli numbers B(2k) / (2k)!
SERIES = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
)


@dataclass(frozen=True)
class ContinuousBernoulli(OfLogits):
    """p(x|z) = prod over pixels of C p^x (1 - p)^(1 - x), with p = logistic(logits(z)).

    For gray levels x in [0, 1]. The number C makes each pixel's density integrate to 1.
    Without it, this is the cross-entropy of `Bernoulli`, which is no density of gray
    levels [1]_. In terms of the logit, the density is ``exp(logit * x - A)``, where
    ``A = log((exp(logit) - 1) / logit)`` is the log-normalizer. Its derivative is the
    mean of x, which is not p.

    The density of a pixel that is always 0 (or 1) has no upper bound: it is
    ``abs(logit)`` there. But it grows slowly: a logit of -1000 is worth 7 nats.

    References
    ----------
    .. [1] Loaiza-Ganem & Cunningham (2019), The Continuous Bernoulli: Fixing a
       Pervasive Error in Variational Autoencoders.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> x, logits = np.array([[0.3, 0.9]]), np.array([[0.0, 2.0]])  # the first: uniform
    >>> vaelite.ContinuousBernoulli().negloglikelihood(x, logits)
    array([-0.63856064])
    """

    name = "continuous_bernoulli"

    why = "a continuous Bernoulli is a density on [0, 1]"

    def expectation(self, logits):
        """Return E[x|z], which lies between p and 1/2."""
        return _mean(logits)

    def constant(self, x):
        """Return the logits with the mean of each column, by Laplace's rule."""
        from scipy.optimize import newton  # here: it takes long to import

        mean = (x.sum(axis=0, dtype=np.float64) + 1) / (len(x) + 2)
        mean = np.clip(mean, SATURATED, 1 - SATURATED)
        y = 2 * mean - 1
        start = 2 * y * (3 - y * y) / (1 - y * y)  # within 5 % of the solution (Cohen 1991)
        return {"logits": newton(lambda a: _mean(a) - mean, start, elementwise_grad(_mean))}

    def sample(self, rng, logits):
        """Draw x ~ p(x|z) by the inverse of its distribution function."""
        uniform = rng.random(logits.shape, dtype=logits.dtype)
        size = _size(logits)
        # the exponential distribution of rate `size`, on [0, 1] only
        x = np.minimum(-np.log1p(uniform * np.expm1(-size)) / size, 1)
        return np.where(logits < 0, x, 1 - x)

    def advise(self, summary):
        """Warn of binary data, for which the density has no best value."""
        if summary.whole and summary.low.min() < summary.high.max():
            warn(
                "X has only zeros and ones, where a continuous Bernoulli has no largest density; "
                'pass likelihood="bernoulli"'
            )


def _size(logits):
    """The absolute value of the logits, but not 0."""
    return np.maximum(np.abs(logits), LEAST)


@differentiable
def _continuous_bernoulli(x, logits):
    """``A(logits) - x * logits`` of each pixel, with the log-normalizer A."""
    size = _size(logits)
    log_normalizer = relu(logits) + np.log(-np.expm1(-size) / size)
    return log_normalizer - x * logits


defvjp(
    _continuous_bernoulli,
    lambda ans, x, logits: unbroadcast_f(x, lambda g: -g * logits),
    lambda ans, x, logits: unbroadcast_f(logits, lambda g: g * (_mean(logits) - x)),
)
ContinuousBernoulli.formula = staticmethod(_continuous_bernoulli)


def _mean(logits):
    """E[x], the derivative of the log-normalizer: 1 / (1 - exp(-logits)) - 1 / logits.

    Its two parts cancel near 0, so the series takes their place there. Either one is
    evaluated at a harmless number where it does not count, and multiplied by 0: so
    derivatives of all orders are finite.
    """
    is_near = np.abs(getval(logits)) < NEAR
    near = is_near.astype(logits.dtype)
    inner, outer = near * logits, (1 - near) * logits + near
    square, series = inner * inner, 0.0
    for coefficient in SERIES[::-1]:
        series = series * square + coefficient
    return 0.5 + inner * series + (1 - near) * (0.5 / np.tanh(outer / 2) - 1 / outer)
