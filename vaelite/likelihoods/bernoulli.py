"""The Bernoulli likelihood, for binary pixels; the Pyro tutorial has gray ones."""

from dataclasses import dataclass

import numpy as np
from autograd.extend import defvjp
from autograd.numpy.numpy_vjps import unbroadcast_f

from ..checks import check_floats
from ..networks.base import Head
from ..ops import differentiable, logistic, row_sums, softplus
from .base import Likelihood, check_pixels, check_unit_interval


@dataclass(frozen=True)
class Bernoulli(Likelihood):
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

    def heads(self, n_features):
        """Return logits, one per pixel."""
        return {"logits": Head(n_features)}

    @staticmethod
    def negloglikelihood(x, logits):
        """``-log p(x|z)``, the sum over pixels of ``softplus(logits) - x * logits``.

        Parameters
        ----------
        x, logits : array, shape (batch, D)
            x in [0, 1]; logits are any real numbers, ``log(p / (1 - p))``.

        Returns
        -------
        array, shape (batch,)
            In nats.

        Raises
        ------
        ValueError, TypeError
            If the numbers of pixels differ, or an array is not one of floats.
        """
        check_floats(x=x, logits=logits)
        check_pixels(x, logits.shape[-1])
        return _bernoulli(x, logits)

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

    def check(self, summary):
        """Refuse data outside [0, 1]."""
        why = "a Bernoulli likelihood scores numbers in [0, 1]"
        check_unit_interval(summary, why, "Gaussian")


@differentiable
def _bernoulli(x, logits):
    return row_sums(softplus(logits) - x * logits)


defvjp(
    _bernoulli,
    lambda ans, x, logits: unbroadcast_f(x, lambda g: -g[..., None] * logits),
    lambda ans, x, logits: unbroadcast_f(logits, lambda g: g[..., None] * (logistic(logits) - x)),
)
