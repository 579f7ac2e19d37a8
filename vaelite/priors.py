"""The prior p(z): a density of codes, and codes drawn from it.

A prior may have parameters of its own, which are trained with the networks'. In a
model's ``params`` their names begin with ``"prior."``.
"""

from dataclasses import dataclass

import autograd.numpy as np

from . import terms
from .checks import check_count
from .likelihoods.base import free_names
from .ops import logmeanexp


class Prior:
    """p(z): a base class.

    A derived class needs ``neglogprior`` and ``sample``. One with parameters also needs
    ``shapes`` and ``init_params``.

    Attributes
    ----------
    has_constants : bool
        Whether ``neglogprior`` accepts ``normalized=False``.

    Examples
    --------
    >>> import autograd.numpy as np, vaelite
    >>> class Laplace(vaelite.Prior):
    ...     def neglogprior(self, z):
    ...         return np.sum(np.abs(z) + np.log(2.0), axis=-1)
    ...
    ...     def sample(self, rng, shape, dtype):
    ...         return rng.laplace(size=shape).astype(dtype)
    >>> X, y = vaelite.load_digits()
    >>> settings = {"hidden_dim": 8, "max_epochs": 1, "stopping": "epochs"}
    >>> vaelite.fit(X, prior=Laplace(), **settings).sample(3).shape
    (3, 64)
    """

    has_constants = False

    def __repr__(self):
        return f"{type(self).__name__}()"

    def shapes(self, latent_dim):
        """Return the shape of every parameter by name. Here: none."""
        return {}

    def init_params(self, rng, shapes, dtype):
        """Return first parameters, a dict of arrays, for ``shapes``. Here: zeros."""
        return {name: np.zeros(shape, dtype) for name, shape in shapes.items()}

    def parameters(self, params):
        """Return the parameters of p(z), a tuple. Here: the arrays of ``shapes``."""
        return tuple(params.values())

    @free_names
    def neglogprior(self, z, *parameters):
        """Return ``-log p(z)`` of each code, shape (batch,), in nats."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method neglogprior(z, *parameters)"
        )

    @free_names
    def sample(self, rng, shape, dtype, *parameters):
        """Draw codes, an array of this shape, (n, latent_dim), and dtype."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a method sample(rng, shape, dtype, *parameters)"
        )


@dataclass(frozen=True)
class StandardNormal(Prior):
    """p(z) = N(0, I), without parameters.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix B.
    """

    has_constants = True
    neglogprior = staticmethod(terms.neglogprior)

    def sample(self, rng, shape, dtype):
        """Draw codes, an array of this shape, (n, latent_dim), and dtype."""
        return rng.standard_normal(shape, dtype=dtype)


@dataclass(frozen=True)
class Mixture(Prior):
    """A mixture of normal distributions, which is trained with the model.

    ``p(z) = sum_k w_k N(z; mu_k, sigma_k^2)``, with independent latents in each
    component. Its parameters are ``logits`` (w is their softmax), shape
    (n_components,), and ``mu`` and ``logsigma``, shape (n_components, latent_dim). At
    first the weights are equal, the mu are drawn from N(0, I), and sigma is 1.

    Parameters
    ----------
    n_components : int

    References
    ----------
    Tomczak & Welling (2018), VAE with a VampPrior, the prior "MoG".

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> prior = vaelite.Mixture(2)  # at -1 and at 1
    >>> logits, mu, logsigma = np.zeros(2), np.array([[-1.0], [1.0]]), np.zeros((2, 1))
    >>> prior.neglogprior(np.zeros((1, 1)), logits, mu, logsigma)  # -norm(1).logpdf(0)
    array([1.41893853])
    """

    n_components: int = 10

    has_constants = True

    def __post_init__(self):
        check_count("n_components", self.n_components)

    def shapes(self, latent_dim):
        """Return the shapes of ``logits``, ``mu`` and ``logsigma``."""
        K = self.n_components
        return {"logits": (K,), "mu": (K, latent_dim), "logsigma": (K, latent_dim)}

    def init_params(self, rng, shapes, dtype):
        """Return equal weights, means from N(0, I), and sigmas of 1."""
        zeros = super().init_params(rng, shapes, dtype)
        return zeros | {"mu": rng.standard_normal(shapes["mu"]).astype(dtype)}

    def neglogprior(self, z, logits, mu, logsigma, *, normalized=True):
        """Return ``-log p(z)`` of each code, shape (batch,), in nats.

        In log space: ``log sum_k exp(logits_k) N_k(z) - log sum_k exp(logits_k)``.
        """
        nats = terms.neglogposterior(
            z[None], mu[:, None], logsigma[:, None], normalized=normalized
        )  # -log N_k(z), (n_components, batch)
        logits = logits[:, None]
        return logmeanexp(logits) - logmeanexp(logits - nats)

    def sample(self, rng, shape, dtype, logits, mu, logsigma):
        """Draw a component for each code, then the code."""
        w = np.exp(np.asarray(logits, np.float64) - np.max(logits))
        k = rng.choice(len(w), size=shape[0], p=w / w.sum())
        return mu[k] + np.exp(logsigma[k]) * rng.standard_normal(shape, dtype=dtype)


PRIORS = {"standard_normal": StandardNormal, "mixture": Mixture}
