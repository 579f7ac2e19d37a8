"""The losses: the negative ELBO from one sample, and the importance-weighted bound."""

import math

import numpy as np
from autograd.tracer import getval
from scipy import special

from vaelite import kl_divergence, negloglikelihood, neglogposterior, neglogprior, reparameterize
from vaelite.ops import logmeanexp
from vaelite.terms import HALF_LOG_2PI

from ..cases import Kind, binary, columns_apart, ends, gray, normal, uniform
from ..portable import LinearDecoder
from .base import (
    BATCH_MEAN,
    CONSTANT,
    EPS,
    LOG_VARIANCE,
    OF_ROWS,
    SIGN,
    Limit,
    Misconception,
    Q,
    Question,
    clips,
)

# The negative ELBO from one sample


def _parts(x, mu, s, eps, decode, sample=None):
    """The three terms, at a sample that is right by default."""
    z = reparameterize(mu, s, eps) if sample is None else sample
    return negloglikelihood(x, *decode(z)), neglogprior(z), neglogposterior(z, mu, s)


def _weighted(likelihood, prior, posterior):
    """A loss with other weights of its three terms."""

    def formula(*arguments):
        nll, nlp, nlq = _parts(*arguments)
        return likelihood * nll + prior * nlp + posterior * nlq

    return formula


def _batch_means(of_likelihood, of_prior, of_posterior):
    """A loss in which some of the terms are their means over the rows."""
    which = of_likelihood, of_prior, of_posterior

    def formula(*arguments):
        terms = [
            term.mean() + 0 * term if averaged else term
            for term, averaged in zip(_parts(*arguments), which, strict=True)
        ]
        return terms[0] + terms[1] - terms[2]

    return formula


def _without_constant(likelihood, prior, posterior):
    """A loss in which the constants of some terms are dropped: those with a 1."""

    def formula(x, mu, *others):
        nll, nlp, nlq = _parts(x, mu, *others)
        D, K = x.shape[-1], mu.shape[-1]
        total = likelihood * D + (prior - posterior) * K
        return nll + nlp - nlq - total * HALF_LOG_2PI

    return formula


def _sampled_with(spread):
    """A loss whose sample has another spread than sigma."""

    def formula(x, mu, s, eps, decode):
        nll, nlp, nlq = _parts(x, mu, s, eps, decode, mu + spread(s) * eps)
        return nll + nlp - nlq

    return formula


def _per_feature(x, mu, *others):
    nll, nlp, nlq = _parts(x, mu, *others)
    return nll / x.shape[-1] + nlp - nlq


def _kl_per_latent(x, mu, *others):
    nll, nlp, nlq = _parts(x, mu, *others)
    return nll + (nlp - nlq) / mu.shape[-1]


def _prior_at_mu(x, mu, *others):
    nll, _, nlq = _parts(x, mu, *others)
    return nll + neglogprior(mu) - nlq


def _decoded_at_mu(x, mu, s, eps, decode):
    _, nlp, nlq = _parts(x, mu, s, eps, decode)
    return negloglikelihood(x, *decode(mu)) + nlp - nlq


def _closed_form(x, mu, s, eps, decode):
    return _parts(x, mu, s, eps, decode)[0] + kl_divergence(mu, s)


def _log_variance(x, mu, s, eps, decode):
    nll, nlp, nlq = _parts(x, mu, s / 2, eps, decode)
    return nll + nlp - nlq


ONE_TERM = (
    "One part of the loss is a mean over the batch, another one is not: reduce all terms alike."
)
ONLY = "The constants are dropped in the {} only: they no longer cancel, and the KL is off."
NEGELBO_MISTAKES = [
    Misconception(
        "posterior added",
        "neglogposterior is added. Added, it rewards sigma -> 0: q would shrink to a point.",
        _weighted(1, 1, 1),
    ),
    Misconception(
        "sign of the KL",
        "The KL part has the wrong sign: training would push q away from the prior.",
        _weighted(1, -1, 1),
    ),
    Misconception("sign", "This is the ELBO; a loss is minus the ELBO.", _weighted(-1, -1, 1)),
    Misconception("no KL", "The prior and the posterior are missing.", _weighted(1, 0, 0)),
    Misconception("no likelihood", "-log p(x|z) is missing.", _weighted(0, 1, -1)),
    Misconception("no posterior", "-log q(z|x) is missing.", _weighted(1, 1, 0)),
    Misconception("no prior", "-log p(z) is missing.", _weighted(1, 0, -1)),
    Misconception(
        "prior at mu",
        "The prior is evaluated at mu. Evaluate it at the sampled z, as the other terms.",
        _prior_at_mu,
    ),
    Misconception("decoded at mu", "The decoder gets mu, and not the sampled z.", _decoded_at_mu),
    Misconception(
        "the mean, without noise",
        "z is mu: the loss does not depend on eps.",
        _sampled_with(lambda s: 0 * s),
    ),
    Misconception("constants dropped", CONSTANT, _without_constant(1, 1, 1)),
    Misconception(
        "constants dropped in the prior only", ONLY.format("prior"), _without_constant(0, 1, 0)
    ),
    Misconception(
        "constants dropped in the posterior only",
        ONLY.format("posterior"),
        _without_constant(0, 0, 1),
    ),
    Misconception(
        "mean over features",
        "The likelihood is a mean over the features, so it is D times too weak: as if the KL had "
        "the weight D.",
        _per_feature,
    ),
    Misconception(
        "mean over latents",
        "The KL part is a mean over the latent dimensions, so it is too weak by their number.",
        _kl_per_latent,
    ),
    *(
        Misconception("mean over the batch in one term", ONE_TERM, _batch_means(*which))
        for which in np.ndindex(2, 2, 2)
        if 0 < sum(which) < 3
    ),
    Misconception("log-variance", LOG_VARIANCE, _log_variance),
    Misconception(
        "log-variance in the sample",
        "The sample has the spread exp(logsigma / 2), but neglogposterior scores it with another.",
        _sampled_with(lambda s: np.exp(s / 2)),
    ),
    Misconception(
        "sigma is 1",
        "The spread of the sample does not depend on logsigma.",
        _sampled_with(lambda s: 1 + 0 * s),
    ),
    Misconception(
        "KL in closed form",
        "The KL part is its exact mean. The exercise asks for the terms at the sampled z, which "
        "have the same mean.",
        _closed_form,
    ),
]


OFF_TAPE = "The values are right, but {} outside autograd: the gradient misses the way through z."
DETACHED = [  # right values, wrong derivatives
    Misconception(
        "off the tape",
        OFF_TAPE.format("z was sampled"),
        lambda x, mu, s, eps, decode: _detached(x, mu, s, eps, decode, getval(mu), getval(s)),
    ),
    Misconception(
        "sigma off the tape",
        OFF_TAPE.format("the spread of z was computed"),
        lambda x, mu, s, eps, decode: _detached(x, mu, s, eps, decode, mu, getval(s)),
    ),
]


def _detached(x, mu, s, eps, decode, center, spread):
    nll, nlp, nlq = _parts(x, mu, s, eps, decode, reparameterize(center, spread, eps))
    return nll + nlp - nlq


def negelbo(right):
    """The mistakes of a whole loss."""
    return [*NEGELBO_MISTAKES, *(mistake.after(right) for mistake in OF_ROWS)]


def _decoder(rng, shape):
    """A random ``decode(z)``: a linear mean, (n, D), one bounded logsigma per row."""
    return LinearDecoder(normal(1)(rng, shape), normal(1)(rng, shape[:1]))


def _negelbo(*arguments):
    nll, nlp, nlq = _parts(*arguments)
    return nll + nlp - nlq


def _loss(**draw):
    return {"x": normal(1), "mu": normal(1), "eps": normal(1), "decode": _decoder} | draw


NEGELBO = Question(
    _negelbo,
    {"x": [("n", "D")], **Q, **EPS, "decode": [("K", "D")]},
    ("n",),
    [
        Kind(_loss(logsigma=uniform(-2, 1))),
        Kind(_loss(logsigma=uniform(-2, 1)), {"K": 1}),
        Kind(_loss(x=gray, logsigma=uniform(-3, 0))),
        Kind(_loss(x=binary, logsigma=uniform(-2, 1))),
        Kind(_loss(x=columns_apart(20), logsigma=uniform(-2, 1))),
        Kind(_loss(logsigma=ends(-6, 6))),
    ],
    negelbo(_negelbo),
    clips(2),
    ("mu", "logsigma"),
    DETACHED,
)


# The importance-weighted bound, of log weights (K, n)


IMPORTANCE_WEIGHTED_MISTAKES = [
    Misconception(
        "draws summed",
        "K identical draws change the result: the weights are summed, not averaged.",
        lambda log_w: special.logsumexp(log_w, axis=0),
    ),
    Misconception(
        "mean of the logs",
        "It is the mean of the logs. The log of a mean is larger.",
        lambda log_w: np.mean(log_w, axis=0),
    ),
    Misconception(
        "sum of the logs",
        "It is the sum of the logs: the weights are multiplied.",
        lambda log_w: np.sum(log_w, axis=0),
    ),
    Misconception(
        "largest weight only",
        "It is the largest weight alone.",
        lambda log_w: np.max(log_w, axis=0),
    ),
    Misconception(
        "mean over rows",
        "It averages over the rows: the draws are the first axis.",
        lambda log_w: special.logsumexp(log_w, axis=1) - math.log(log_w.shape[1]),
    ),
    Misconception(
        "sign",
        SIGN,
        lambda log_w: math.log(len(log_w)) - special.logsumexp(log_w, axis=0),
    ),
    Misconception(
        "divided by the number of rows",
        "The sum of the weights is divided by the number of rows, not of draws.",
        lambda log_w: special.logsumexp(log_w, axis=0) - math.log(log_w.shape[1]),
    ),
    Misconception(
        "a mean, not its log",
        "It is the mean of the weights: the log is missing.",
        lambda log_w: np.mean(np.exp(log_w), axis=0),
    ),
    Misconception(
        "mean over the batch",
        BATCH_MEAN,
        lambda log_w: (special.logsumexp(log_w, axis=0) - math.log(len(log_w))).mean(),
    ),
]
IMPORTANCE_WEIGHTED_LIMITS = [
    Limit(
        "one global maximum",
        "It fails where one row's weights are far below another's: the same maximum is "
        "subtracted everywhere, so that all exponentials of a row become 0.",
        lambda log_w: np.max(log_w) - np.max(log_w, axis=0),
        is_finite=False,
    ),
]


IMPORTANCE_WEIGHTED = Question(
    logmeanexp,
    {"log_w": [("K", "n")]},
    ("n",),
    [
        Kind({"log_w": normal(1)}),
        Kind({"log_w": normal(1)}, {"K": 1}),
        Kind({"log_w": normal(5)}),
        Kind({"log_w": columns_apart(900)}),
        Kind({"log_w": normal(3, -2000)}),
        Kind({"log_w": normal(3, 2000)}),
    ],
    IMPORTANCE_WEIGHTED_MISTAKES,
    IMPORTANCE_WEIGHTED_LIMITS,
    ("log_w",),
)
