"""The Bernoulli likelihood, for binary pixels; the Pyro tutorial has gray ones."""

from dataclasses import dataclass

import numpy as np
from autograd.extend import defvjp
from autograd.numpy.numpy_vjps import unbroadcast_f

from ..ops import differentiable, logistic, softplus
from .base import OfLogits


@dataclass(frozen=True)
class Bernoulli(OfLogits):
    """p(x|z) = prod over pixels of p^x (1 - p)^(1 - x), with p = logistic(logits(z)).

    For binary data it is a probability. The Pyro tutorial and many others also use it
    for gray pixels in [0, 1]. There it is a cross-entropy, smallest where p is the gray
    level, and no density: it does not integrate to 1 (`ContinuousBernoulli` does).

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix C.1.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> vaelite.Bernoulli().negloglikelihood(np.array([[1.0, 0.0]]), np.zeros((1, 2)))
    array([1.38629436])
    """

    name = "bernoulli"

    why = "a Bernoulli likelihood scores numbers in [0, 1]"

    def expectation(self, logits):
        """Return E[x|z] = p."""
        return logistic(logits)

    def constant(self, x):
        """Return the log odds of the mean of each column, by Laplace's rule."""
        mean = (x.sum(axis=0, dtype=np.float64) + 1) / (len(x) + 2)
        return {"logits": np.log(mean / (1 - mean))}

    def sample(self, rng, logits):
        """Draw x ~ p(x|z), zeros and ones in the logits' dtype."""
        uniform = rng.random(logits.shape, dtype=logits.dtype)
        return (uniform < logistic(logits)).astype(logits.dtype)


@differentiable
def _bernoulli(x, logits):
    """``softplus(logits) - x * logits`` of each pixel."""
    return softplus(logits) - x * logits


defvjp(
    _bernoulli,
    lambda ans, x, logits: unbroadcast_f(x, lambda g: -g * logits),
    lambda ans, x, logits: unbroadcast_f(logits, lambda g: g * (logistic(logits) - x)),
)
Bernoulli.formula = staticmethod(_bernoulli)
