"""The latent variable: reparameterize and the KL in closed form."""

import numpy as np

from vaelite import kl_divergence, reparameterize
from vaelite.terms import HALF_LOG_2PI

from ..cases import Kind, columns_apart, constant, ends, nonzero, normal, uniform
from .base import EPS, LOG_VARIANCE, REDUCTIONS, Misconception, Q, Question, clips, combined

# z = mu + sigma * eps


REPARAMETERIZE_MISTAKES = [
    Misconception(
        "log-variance",
        "The spread of z is exp(logsigma / 2), as if logsigma were the log of a variance.",
        lambda mu, s, eps: mu + np.exp(s / 2) * eps,
    ),
    Misconception(
        "variance for standard deviation",
        "The spread of z is the variance: it should be the standard deviation.",
        lambda mu, s, eps: mu + np.exp(2 * s) * eps,
    ),
    Misconception(
        "noise shared by rows",
        "All rows have the noise of the first row.",
        lambda mu, s, eps: mu + np.exp(s) * eps[:1],
    ),
    Misconception(
        "noise shared by latents",
        "All latent dimensions of a row have the same noise.",
        lambda mu, s, eps: mu + np.exp(s) * eps[:, :1],
    ),
    Misconception(
        "sigma is 1", "The spread of z does not depend on logsigma.", lambda mu, s, eps: mu + eps
    ),
    Misconception(
        "logsigma is not exponentiated",
        "logsigma is used as sigma. It is the log of it, and may be negative.",
        lambda mu, s, eps: mu + s * eps,
    ),
    Misconception(
        "the mean, without noise",
        "It returned the mean: z does not depend on eps.",
        lambda mu, s, eps: mu,
    ),
    Misconception(
        "noise without the mean",
        "z does not depend on mu.",
        lambda mu, s, eps: np.exp(s) * eps,
    ),
    Misconception(
        "mu scaled too",
        "For eps = 0, z should be mu: mu is multiplied by sigma too.",
        lambda mu, s, eps: (mu + eps) * np.exp(s),
    ),
    Misconception(
        "minus mu",
        "This takes a sample back to its noise: it is the other direction.",
        lambda mu, s, eps: (eps - mu) / np.exp(s),
    ),
    Misconception(
        "sign of the noise",
        "eps enters with a minus sign: the distribution of z is right, z for this eps is not.",
        lambda mu, s, eps: mu - np.exp(s) * eps,
    ),
    Misconception(
        "sign of logsigma",
        "The spread of z is 1 / sigma.",
        lambda mu, s, eps: mu + np.exp(-s) * eps,
    ),
    Misconception(
        "the density, not a sample",
        "It returned a density. A sample is a place, not the density there.",
        lambda mu, s, eps: np.exp(-(((eps - mu) / np.exp(s)) ** 2) / 2 - s - HALF_LOG_2PI),
    ),
]


REPARAMETERIZE = Question(
    reparameterize,
    Q | EPS,
    ("n", "K"),
    [
        Kind({"mu": normal(2), "logsigma": uniform(-2, 2), "eps": normal(2)}),
        Kind({"mu": normal(2), "logsigma": uniform(-2, 2), "eps": normal(2)}, {"K": 1}),
        Kind({"mu": normal(2), "logsigma": uniform(-2, 2), "eps": constant(0.0)}),
        Kind({"mu": columns_apart(50), "logsigma": uniform(-2, 2), "eps": normal(2)}),
        Kind({"mu": normal(2), "logsigma": ends(-6, 6), "eps": nonzero(2)}),
    ],
    REPARAMETERIZE_MISTAKES,
    clips(1),
    ("mu", "logsigma"),
)


# KL(q, p) in closed form


KL_MISTAKES = [
    Misconception("log-variance", LOG_VARIANCE, lambda mu, s: (mu**2 + np.exp(s) - 1 - s) / 2),
    Misconception(
        "half missing",
        "Everything is twice too large.",
        lambda mu, s: mu**2 + np.exp(2 * s) - 1 - 2 * s,
    ),
    Misconception(
        "the -1 missing",
        "It is not 0 where q is the prior: a constant per latent dimension is missing.",
        lambda mu, s: (mu**2 + np.exp(2 * s)) / 2 - s,
    ),
    Misconception(
        "the -1 counted once",
        "The constant is that of one latent dimension: it is not 0 where q is the prior.",
        lambda mu, s: (mu**2 + np.exp(2 * s) - 1 / mu.shape[-1]) / 2 - s,
    ),
    Misconception(
        "logsigma counted half",
        "logsigma counts half of what it should.",
        lambda mu, s: (mu**2 + np.exp(2 * s) - 1 - s) / 2,
    ),
    Misconception(
        "logsigma forgotten",
        "Nothing keeps sigma from going to 0: where does logsigma appear outside exp?",
        lambda mu, s: (mu**2 + np.exp(2 * s) - 1) / 2,
    ),
    Misconception(
        "sigma, not its square",
        "The variance should appear; sigma does.",
        lambda mu, s: (mu**2 + np.exp(s) - 1) / 2 - s,
    ),
    Misconception(
        "mu not squared",
        "It has |mu|, or mu, where a square should be.",
        lambda mu, s: (mu + np.exp(2 * s) - 1) / 2 - s,
    ),
    Misconception(
        "the other direction",
        "It is KL(p, q), the KL in the other direction.",
        lambda mu, s: (1 + mu**2) / (2 * np.exp(2 * s)) + s - 0.5,
    ),
]
NEGATIVE_KL = (
    "Every number has the wrong sign. A KL divergence is 0 or more, and 0 only where q is the "
    "prior. With this sign, training would push q away from the prior."
)


def kl(right):
    """The mistakes of ``kl_divergence``, with the elements ``right(mu, logsigma)``."""
    reductions = [
        Misconception("sign", NEGATIVE_KL, r.formula) if r.name == "sign" else r for r in REDUCTIONS
    ]
    return combined(KL_MISTAKES, reductions, right)


KL = Question(
    kl_divergence,
    Q,
    ("n",),
    [
        Kind({"mu": normal(2), "logsigma": uniform(-2, 2)}),
        Kind({"mu": normal(2), "logsigma": uniform(-2, 2)}, {"K": 1}),
        Kind({"mu": constant(0.0), "logsigma": constant(0.0)}),
        Kind({"mu": columns_apart(20), "logsigma": uniform(-1, 1)}),
        Kind({"mu": normal(2), "logsigma": ends(-6, 6)}),
    ],
    kl(lambda mu, logsigma: kl_divergence(mu[..., None], logsigma[..., None])),
    clips(-1),
    ("mu", "logsigma"),
)
