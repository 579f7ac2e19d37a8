"""Likelihoods p(x|z): what the decoder's outputs say about the data.

Your own likelihood is a small class. `Likelihood` defines what your class leaves out::

    class Laplace(vaelite.Likelihood):
        def elements(self, x, mu):
            return abs(x - mu) + np.log(2)  # np is autograd.numpy

        def sample(self, rng, mu):
            return rng.laplace(mu)

    vaelite.fit(X, likelihood=Laplace())
"""

from .base import Likelihood
from .bernoulli import Bernoulli
from .categorical import Categorical
from .continuous_bernoulli import ContinuousBernoulli
from .gaussian import Gaussian

LIKELIHOODS = {kind.name: kind for kind in (Gaussian, Bernoulli, ContinuousBernoulli, Categorical)}

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "Gaussian",
    "Likelihood",
]
