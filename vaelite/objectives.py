"""What training minimizes.

An objective is a plain function of (params, x, eps): the mean over a batch, in nats per
example. Its ``parts`` are the same number for each example, with the reconstruction and
the KL that it consists of.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps

import autograd.numpy as np

from . import terms
from .checks import check_choice, check_count, check_number
from .ops import cast, copies, full, logmeanexp, mean, reshape

FLOATS = np.float32, np.float64
TERMS = "negloglikelihood", "neglogprior", "neglogposterior"
OWN_TERMS = (*TERMS, "reparameterize")
KL = "sample", "analytic"


def no_parameters(params):
    """The parameters of the standard normal prior: none."""
    return ()


@dataclass(frozen=True)
class NegELBO:
    """The negative evidence lower bound, estimated with one sample of z per example.

    ``-ELBO(x) = E_q[-log p(x|z) - log p(z) + log q(z|x)]``, the expectation over
    ``z ~ q(z|x)``. It is never below ``-log p(x)``.

    Parameters
    ----------
    encode : callable
        ``encode(params, x) -> (mu, logsigma)``, the parameters of q(z|x).
    decode : callable
        ``decode(params, z)``, the parameters of p(x|z), a tuple.
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable
        The terms, as in `vaelite.terms`; any of them may be replaced.
    beta : float
        Weight of the KL part. With a weight below 1 the sum is not a bound of the
        evidence; above 1 it is a looser one [2]_.
    analytic_kl : bool
        Take the KL part in closed form, instead of ``neglogprior - neglogposterior`` at
        the sample: the same mean, less noise.
    prior : callable
        ``prior(params)``, the parameters of p(z), a tuple; ``neglogprior`` gets them
        after z. By default none.

    References
    ----------
    .. [1] Kingma & Welling (2014), Auto-Encoding Variational Bayes, equations 2, 6, 7.
    .. [2] Higgins et al. (2017), beta-VAE, equation 4.
    """

    encode: Callable
    decode: Callable
    negloglikelihood: Callable = terms.negloglikelihood
    neglogprior: Callable = terms.neglogprior
    neglogposterior: Callable = terms.neglogposterior
    reparameterize: Callable = terms.reparameterize
    beta: float = 1.0
    analytic_kl: bool = False
    prior: Callable = no_parameters

    has_posterior = True  # q(z|x) is a distribution, not a point

    def given(self, condition):
        """Return the objective of p(x|z, c) and q(z|x, c) for the rows of a batch.

        Parameters
        ----------
        condition : array, shape (batch, n_conditions), or None
            c, which both networks see; None returns the objective unchanged.

        References
        ----------
        Sohn, Lee & Yan (2015), Learning Structured Output Representation using Deep
        Conditional Generative Models, equation 4.
        """
        if condition is None:
            return self

        def decode(params, z):  # several samples of z follow one after the other
            return self.decode(params, z, copies(condition, len(z) // len(condition)))

        encode = lambda params, x: self.encode(params, x, condition)
        return replace(self, encode=encode, decode=decode)

    def terms(self, params, x, eps):
        """The three terms for each example of a batch.

        Parameters
        ----------
        params : dict of arrays
        x : array, shape (batch, n_features)
        eps : array, shape (batch, latent_dim)
            Standard normal noise.

        Returns
        -------
        nll, nlp, nlq : arrays, shape (batch,), in nats
            ``-log p(x|z)``, ``-log p(z)`` and ``-log q(z|x)``.
        """
        return self._terms(params, x, *self.encode(params, x), eps)

    def _terms(self, params, x, mu, logsigma, eps):
        z = self.reparameterize(mu, logsigma, eps)
        nll = self.negloglikelihood(x, *self.decode(params, z))
        nlp = self.neglogprior(z, *self.prior(params))
        nlq = self.neglogposterior(z, mu, logsigma)
        return nll, nlp, nlq

    def parts(self, params, x, eps):
        """The loss of each example, and its reconstruction and KL parts.

        Parameters
        ----------
        params, x, eps
            As for `terms`.

        Returns
        -------
        loss, nll, kl : arrays, shape (batch,), in nats
            ``loss = nll + beta * kl``.
        """
        mu, logsigma = self.encode(params, x)
        nll, nlp, nlq = self._terms(params, x, mu, logsigma, eps)
        kl = terms.kl_divergence(mu, logsigma) if self.analytic_kl else nlp - nlq
        return nll + (kl if self.beta == 1 else self.beta * kl), nll, kl

    def __call__(self, params, x, eps):
        """The loss: the mean over the examples of a batch, a scalar, in nats."""
        return mean(self.parts(params, x, eps)[0])

    def intermediates(self, params, x, eps):
        """Every array on the way to the loss, by name and in order, to find a fault."""
        names = "mu of q(z|x)", "logsigma of q(z|x)"
        q = dict(zip(names, self.encode(params, x), strict=True))
        return q | dict(zip(TERMS, self.terms(params, x, eps), strict=True))


@dataclass(frozen=True)
class ImportanceWeighted(NegELBO):
    """The importance-weighted bound, from K samples of z per example.

    ``-log`` of the mean of ``p(x|z) p(z) / q(z|x)`` over the samples. It lies between
    the negative ELBO (K = 1) and ``-log p(x)``, and falls with K.

    References
    ----------
    Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, equation 8.
    """

    def terms(self, params, x, eps):
        """The terms for each of the K samples in eps and each example, (K, batch)."""
        K, batch, latent_dim = eps.shape
        mu, logsigma = (copies(array, K) for array in self.encode(params, x))
        eps = reshape(eps, (K * batch, latent_dim))
        found = self._terms(params, copies(x, K), mu, logsigma, eps)
        return tuple(reshape(term, (K, batch)) for term in found)

    def parts(self, params, x, eps):
        """As `NegELBO.parts`; nll and kl are means over samples, loss <= nll + kl."""
        nll, nlp, nlq = self.terms(params, x, eps)
        loss = -logmeanexp(nlq - nll - nlp)
        return loss, np.sum(nll, axis=0) / len(nll), np.sum(nlp - nlq, axis=0) / len(nll)


@dataclass(frozen=True)
class Reconstruction(NegELBO):
    """The autoencoder's loss: ``-log p(x|z)`` at the code ``z = encode(params, x)``.

    It has no noise, no prior and no KL part.
    """

    has_posterior = False

    def terms(self, params, x, eps):
        """As `NegELBO.terms`, with zeros for prior and posterior; eps is not used."""
        zeros = full(x, (len(x),), 0.0)
        z = self.encode(params, x)
        return self.negloglikelihood(x, *self.decode(params, z)), zeros, zeros

    def parts(self, params, x, eps):
        """As `NegELBO.parts`, with a KL part of 0."""
        nll, zeros, _ = self.terms(params, x, eps)
        return nll, nll, zeros

    def intermediates(self, params, x, eps):
        """As `NegELBO.intermediates`."""
        return {"the code": self.encode(params, x), TERMS[0]: self.terms(params, x, eps)[0]}


def in_dtype(term):
    """Wrap your own term in casts, so that its float64 does not spread into float32."""

    @wraps(term)
    def between_casts(*args):
        result = term(*(cast(array, array.dtype) for array in args))
        is_float = getattr(result, "dtype", None) in FLOATS
        return cast(result, args[0].dtype) if is_float else result

    return between_casts


def objective_class(kl, beta, importance_samples, own_terms):
    """Return the class of objective for settings of `VAE.fit`, if they fit together."""
    check_choice("kl", kl, KL)
    check_number("beta", beta, 0, low_included=True)
    several = check_count("importance_samples", importance_samples) > 1
    if several and (kl == "analytic" or beta != 1):
        raise ValueError(
            "the importance-weighted bound has no KL part: leave kl and beta at their defaults, "
            "or take 1 sample"
        )
    own = {"neglogprior", "neglogposterior"} & set(own_terms)
    if kl == "analytic" and own:
        raise ValueError(
            f'kl="analytic" would not use the {min(own)} that was passed; pass kl="sample"'
        )
    return ImportanceWeighted if several else NegELBO
