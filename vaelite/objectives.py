"""What training minimises.

An objective is a plain function of (params, x, eps), the mean over a batch in nats an example. Its ``parts`` are
the same number for each example, with the reconstruction and the KL that it is made of.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import autograd.numpy as np

from . import terms
from .ops import cast, copies, full, logmeanexp, mean, reshape
from .validation import check_choice, check_count, check_number

FLOATS = np.float32, np.float64
TERMS = "negloglikelihood", "neglogprior", "neglogposterior"


@dataclass(frozen=True)
class NegELBO:
    """The negative evidence lower bound, estimated with one sample of z an example.

    ``-ELBO(x) = E_q[-log p(x|z) - log p(z) + log q(z|x)]``, the expectation over ``z ~ q(z|x)``; it is at
    least ``-log p(x)``.

    Parameters
    ----------
    encode : callable
        ``encode(params, x) -> (mu, logsigma)``, the parameters of q(z|x).
    decode : callable
        ``decode(params, z)``, the parameters of p(x|z), a tuple.
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable
        The terms, as in `vaelite.terms`; any of them may be exchanged.
    beta : float
        Weight of the KL part. Below 1 the sum is no bound of the evidence; above 1, a looser one [2]_.
    analytic_kl : bool
        Take the KL part in closed form, in place of ``neglogprior - neglogposterior`` at the sample:
        the same mean, less noise.

    References
    ----------
    .. [1] Kingma & Welling (2014), Auto-Encoding Variational Bayes, equations 2, 6 and 7.
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
        nlp = self.neglogprior(z)
        nlq = self.neglogposterior(z, mu, logsigma)
        return nll, nlp, nlq

    def parts(self, params, x, eps):
        """The loss of each example, and the reconstruction and KL parts that it is made of.

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
        """The loss: the mean over a batch's examples, a scalar in nats an example."""
        return mean(self.parts(params, x, eps)[0])


@dataclass(frozen=True)
class ImportanceWeighted(NegELBO):
    """The importance-weighted bound: ``-log`` of the mean of ``p(x|z) p(z) / q(z|x)`` over K samples of z.

    It lies between the negative ELBO (K = 1) and ``-log p(x)``, and falls with K.

    References
    ----------
    Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, equation 8.
    """

    def terms(self, params, x, eps):
        """The three terms for each sample of each example: eps is (K, batch, latent_dim), the answers (K, batch)."""
        K, batch, latent_dim = eps.shape
        mu, logsigma = (copies(array, K) for array in self.encode(params, x))
        x = copies(x, K)
        answers = self._terms(params, x, mu, logsigma, reshape(eps, (K * batch, latent_dim)))
        return tuple(reshape(answer, (K, batch)) for answer in answers)

    def parts(self, params, x, eps):
        """As `NegELBO.parts`; nll and kl are means over the samples, and the loss is at most their sum."""
        nll, nlp, nlq = self.terms(params, x, eps)
        loss = -logmeanexp(nlq - nll - nlp)
        return loss, np.sum(nll, axis=0) / len(nll), np.sum(nlp - nlq, axis=0) / len(nll)


@dataclass(frozen=True)
class Reconstruction(NegELBO):
    """The autoencoder's loss: ``-log p(x|z)`` at the code ``z = mu(x)`` itself, without noise, prior or KL."""

    def terms(self, params, x, eps):
        """As `NegELBO.terms`, with zeros for prior and posterior; the noise is not used."""
        mu, _ = self.encode(params, x)
        nothing = full(x, (len(x),), 0.0)
        return self.negloglikelihood(x, *self.decode(params, mu)), nothing, nothing

    def parts(self, params, x, eps):
        """As `NegELBO.parts`, with a KL part of 0."""
        nll, nothing, _ = self.terms(params, x, eps)
        return nll, nll, nothing


def in_dtype(term):
    """A term of the caller's own, between casts: what it computes in float64 by itself does not spread."""

    @wraps(term)
    def between_casts(*args):
        answer = term(*(cast(array, array.dtype) for array in args))
        return cast(answer, args[0].dtype) if getattr(answer, "dtype", None) in FLOATS else answer

    return between_casts


def check_objective(kl, beta, importance_samples, own_terms):
    """The class of objective that the settings of `VAE.fit` stand for, if they go together."""
    check_choice("kl", kl, ("sample", "analytic"))
    check_number("beta", beta, 0, low_included=True)
    if check_count("importance_samples", importance_samples) > 1 and (kl == "analytic" or beta != 1):
        raise ValueError(
            "the importance-weighted bound has no KL part: leave kl and beta as they are, or take 1 sample"
        )
    if kl == "analytic" and (own := {"neglogprior", "neglogposterior"} & set(own_terms)):
        raise ValueError(f'kl="analytic" would not use the {min(own)} that was passed; pass kl="sample"')
    return ImportanceWeighted if importance_samples > 1 else NegELBO
