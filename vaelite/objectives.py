"""What training minimises."""

from collections.abc import Callable
from dataclasses import dataclass

from . import terms
from .ops import mean

TERMS = "negloglikelihood", "neglogprior", "neglogposterior"


@dataclass(frozen=True)
class NegELBO:
    """The negative evidence lower bound, estimated with one sample of z an example.

    ``-ELBO(x) = E_q[-log p(x|z) - log p(z) + log q(z|x)]``, the expectation over ``z ~ q(z|x)``; it is at
    least ``-log p(x)``. Called with parameters, data and noise it is a plain function, the mean over the batch
    in nats an example.

    Parameters
    ----------
    encode : callable
        ``encode(params, x) -> (mu, logsigma)``, the parameters of q(z|x).
    decode : callable
        ``decode(params, z)``, the parameters of p(x|z), a tuple.
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable
        The terms, as in `vaelite.terms`; any of them may be exchanged.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, equations 2 and 6.
    """

    encode: Callable
    decode: Callable
    negloglikelihood: Callable = terms.negloglikelihood
    neglogprior: Callable = terms.neglogprior
    neglogposterior: Callable = terms.neglogposterior
    reparameterize: Callable = terms.reparameterize

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
        mu, logsigma = self.encode(params, x)
        z = self.reparameterize(mu, logsigma, eps)
        nll = self.negloglikelihood(x, *self.decode(params, z))
        nlp = self.neglogprior(z)
        nlq = self.neglogposterior(z, mu, logsigma)
        return nll, nlp, nlq

    def __call__(self, params, x, eps):
        nll, nlp, nlq = self.terms(params, x, eps)
        return mean(nll + nlp - nlq)
