"""The densities: negloglikelihood, neglogposterior and neglogprior."""

import numpy as np

from vaelite import negloglikelihood, neglogposterior, neglogprior
from vaelite.terms import HALF_LOG_2PI

from ..cases import Kind, binary, columns_apart, ends, gray, nonzero, normal, uniform
from .base import CONSTANT, LOG_VARIANCE, REDUCTIONS, Misconception, Question, clips, combined

# Mistakes in the elements of -log N(x; mu, sigma^2)


def _u(x, mu, logsigma):
    return (x - mu) / np.exp(logsigma)


def _shared(x, mu, logsigma):
    total = np.sum(logsigma, axis=-1, keepdims=True) if np.ndim(logsigma) else logsigma
    return _u(x, mu, logsigma) ** 2 / 2 + total / x.shape[-1] + HALF_LOG_2PI


def _times_features(x, mu, logsigma):
    """D times the sum of a logsigma that was first repeated for every element."""
    own = logsigma + 0 * x
    return _u(x, mu, logsigma) ** 2 / 2 + own.sum(axis=-1, keepdims=True) + HALF_LOG_2PI


def _times_features_as_given(x, mu, logsigma):
    """D times the sum of logsigma as it was passed."""
    total = np.sum(logsigma, axis=-1, keepdims=True) if np.ndim(logsigma) else logsigma
    return _u(x, mu, logsigma) ** 2 / 2 + total + HALF_LOG_2PI


TIMES = "A sum of logsigma over D elements is multiplied by D: each logsigma counts D times."
GAUSSIAN = [
    Misconception("constants dropped", CONSTANT, lambda x, mu, s: _u(x, mu, s) ** 2 / 2 + s),
    Misconception(
        "constant counted once",
        "The constant is that of one element, but a row has several.",
        lambda x, mu, s: _u(x, mu, s) ** 2 / 2 + s + HALF_LOG_2PI / x.shape[-1],
    ),
    Misconception(
        "half of the constant missing",
        "The constant log(2 pi) is twice too large.",
        lambda x, mu, s: _u(x, mu, s) ** 2 / 2 + s + 2 * HALF_LOG_2PI,
    ),
    Misconception(
        "sign of the constant",
        "The constant has the wrong sign.",
        lambda x, mu, s: _u(x, mu, s) ** 2 / 2 + s - HALF_LOG_2PI,
    ),
    Misconception(
        "shared logsigma counted once",
        "A logsigma that D elements share counts once in your sum. Each of the elements has it.",
        _shared,
    ),
    Misconception("sum of logsigma times D", TIMES, _times_features),
    Misconception("sum of logsigma times D", TIMES, _times_features_as_given),
    Misconception(
        "half missing",
        "The squared term is twice too large.",
        lambda x, mu, s: _u(x, mu, s) ** 2 + s + HALF_LOG_2PI,
    ),
    Misconception(
        "log-variance",
        LOG_VARIANCE,
        lambda x, mu, s: (x - mu) ** 2 / np.exp(s) / 2 + s / 2 + HALF_LOG_2PI,
    ),
    Misconception(
        "divided by sigma, not by its square",
        "The squared difference is divided by sigma. It has another unit than sigma.",
        lambda x, mu, s: (x - mu) ** 2 / np.exp(s) / 2 + s + HALF_LOG_2PI,
    ),
    Misconception(
        "sign of logsigma",
        "logsigma has the wrong sign: a wider density should be lower at its center.",
        lambda x, mu, s: _u(x, mu, s) ** 2 / 2 - s + HALF_LOG_2PI,
    ),
    Misconception(
        "logsigma forgotten",
        "The squared term is right, but a wide density costs nothing: where does logsigma appear "
        "outside the square?",
        lambda x, mu, s: _u(x, mu, s) ** 2 / 2 + 0 * s + HALF_LOG_2PI,
    ),
    Misconception(
        "logsigma is not exponentiated",
        "logsigma is used as sigma. It is the log of it, and may be negative.",
        lambda x, mu, s: ((x - mu) / s) ** 2 / 2 + np.log(np.abs(s)) + HALF_LOG_2PI,
    ),
    Misconception(
        "logsigma is not exponentiated",
        "logsigma is used as sigma in the square. It is the log of it, and may be negative.",
        lambda x, mu, s: ((x - mu) / s) ** 2 / 2 + s + HALF_LOG_2PI,
    ),
    Misconception(
        "the prior",
        "It is the density of a standard normal, whatever mu and sigma are.",
        lambda x, mu, s: x**2 / 2 + HALF_LOG_2PI,
    ),
    Misconception(
        "squared error",
        "The loss ignores sigma: a squared error alone is no log density, and has no unit.",
        lambda x, mu, s: (x - mu) ** 2,
    ),
    Misconception(
        "squared error",
        "The loss ignores sigma: half a squared error is a log density only for sigma = 1.",
        lambda x, mu, s: (x - mu) ** 2 / 2,
    ),
]
SQUARED_ERROR = [
    Misconception(
        "squared error",
        "The loss ignores sigma: a mean squared error is no log density, and has no unit.",
        mean,
    )
    for mean in (
        lambda x, mu, s: ((x - mu) ** 2).mean(axis=1),
        lambda x, mu, s: ((x - mu) ** 2).mean(),
    )
]


NEVER_NEGATIVE = Misconception(
    "never negative",
    "It is never below 0. A probability is at most 1, but a density is not.",
    lambda elements: np.maximum(elements.sum(axis=1), 0),
)


def gaussian(right):
    """The mistakes of a Gaussian term with the elements ``right(x, mu, logsigma)``."""
    return SQUARED_ERROR + combined(GAUSSIAN, [*REDUCTIONS, NEVER_NEGATIVE], right)


def _standard(mistake):
    """A mistake of the Gaussian terms, for z under the standard normal."""
    formula = lambda z: mistake.formula(z, 0.0, np.zeros_like(z))
    return Misconception(mistake.name, mistake.says, formula)


OF_PRIOR = (
    "constants dropped", "constant counted once", "half of the constant missing",
            "sign of the constant", "half missing")  # fmt: skip


def prior(right):
    """The mistakes of ``neglogprior``, with the elements ``right(z)``."""
    elements = [_standard(mistake) for mistake in GAUSSIAN if mistake.name in OF_PRIOR]
    two = Misconception(
        "constant for two latents",
        "The constant is right for two latent dimensions only.",
        lambda z: z**2 / 2 + 2 * HALF_LOG_2PI / z.shape[-1],
    )
    root = Misconception(
        "not squared",
        "It has the norm of z, not its square.",
        lambda z: (
            0 * z + np.linalg.norm(z, axis=-1, keepdims=True) / (2 * z.shape[-1]) + HALF_LOG_2PI
        ),
    )
    return combined([*elements, two, root], REDUCTIONS, right)


# The questions


FAR = 60.0  # standard deviations: the density itself is 0 in float64


def _elements(term):
    """A term's value for each element, (n, D): the elements as rows of one feature."""

    def elements(x, mu, logsigma):
        return term(*(array[..., None] for array in np.broadcast_arrays(x, mu, logsigma)))

    return elements


def _gaussian(term, x, feature, logsigma):
    mild, wide, small = uniform(-2, 2), ends(-6, 6), uniform(-0.1, 0.1)
    shapes = {x: [("n", feature)], "mu": [("n", feature)], "logsigma": logsigma}
    kinds = [
        Kind({x: normal(2), "mu": normal(2), "logsigma": mild}),
        Kind({x: normal(2), "mu": normal(2), "logsigma": mild}, {feature: 1}),
        Kind({x: gray, "mu": gray, "logsigma": uniform(-3, 0)}),
        Kind({x: binary, "mu": gray, "logsigma": uniform(-2, 1)}),
        Kind({x: small, "mu": small, "logsigma": uniform(-3, -2)}),  # negative losses
        Kind({x: normal(2), "mu": normal(2), "logsigma": wide}),
        Kind({x: normal(2, FAR), "mu": normal(2), "logsigma": uniform(-1, 0)}),
        Kind({x: columns_apart(50), "mu": columns_apart(50), "logsigma": uniform(0, 4)}),
    ]
    return Question(
        term,
        shapes,
        ("n",),
        kinds,
        gaussian(_elements(term)),
        clips(-1),
        ("mu", "logsigma"),
    )


NEGLOGPRIOR = Question(
    neglogprior,
    {"z": [("n", "K")]},
    ("n",),
    [
        Kind({"z": nonzero(1)}),
        Kind({"z": nonzero(2)}, {"K": 1}),
        Kind({"z": nonzero(3)}),
        Kind({"z": normal(2, FAR)}),
        Kind({"z": columns_apart(20)}),
    ],
    prior(lambda z: neglogprior(z[..., None])),
    differentiable=("z",),
)


NEGLOGLIKELIHOOD = _gaussian(negloglikelihood, "x", "D", [("n", 1), ("n", "D")])
NEGLOGPOSTERIOR = _gaussian(neglogposterior, "z", "K", [("n", "K")])
