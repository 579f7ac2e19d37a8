"""Likelihoods of pixels: Bernoulli and categorical."""

import numpy as np
from scipy import special

from vaelite import Bernoulli, Categorical

from ..cases import Kind, binary, ends, gray, normal, pixels_apart, uniform
from .base import REDUCTIONS, Limit, Misconception, Question, combined

# Bernoulli


BERNOULLI_MISTAKES = [
    Misconception(
        "+-1 formula with 0/1 targets",
        "This formula is for targets -1 and 1. Here, a background pixel, 0, has the constant "
        "loss log 2 and no gradient.",
        lambda x, logits: np.logaddexp(0, -x * logits),
    ),
    Misconception(
        "sigmoid twice",
        "The logistic function is applied twice: its argument is already a probability.",
        lambda x, logits: (
            -(
                x * special.log_expit(special.expit(logits))
                + (1 - x) * special.log_expit(-special.expit(logits))
            )
        ),
    ),
    Misconception(
        "background pixels ignored",
        "Only pixels with ink count: a pixel of 0 costs nothing, whatever its logit is.",
        lambda x, logits: -x * special.log_expit(logits),
    ),
    Misconception(
        "only background pixels count",
        "A pixel of 1 costs nothing, whatever its logit is.",
        lambda x, logits: -(1 - x) * special.log_expit(-logits),
    ),
    Misconception(
        "x and 1 - x swapped",
        "It is the loss of the negative image: x and 1 - x, or p and 1 - p, are swapped.",
        lambda x, logits: np.logaddexp(0, logits) - (1 - x) * logits,
    ),
    Misconception(
        "logits read as probabilities",
        "The logits are used as probabilities. They are any real numbers.",
        lambda x, logits: -(x * np.log(logits) + (1 - x) * np.log(1 - logits)),
    ),
    Misconception(
        "squared error",
        "It is a squared error of the probabilities, not minus a log probability.",
        lambda x, logits: (x - special.expit(logits)) ** 2,
    ),
    Misconception(
        "absolute error",
        "It is the distance of x from the probability, not minus a log probability.",
        lambda x, logits: np.abs(x - special.expit(logits)),
    ),
]
BERNOULLI_LIMITS = [
    Limit(
        "right for 0 and 1 only",
        "It is right for pixels of 0 and 1 only: x may also be a gray level between them.",
        lambda x, logits: np.max(np.minimum(x, 1 - x), axis=-1),
    ),
    *(
        Limit(
            "probabilities clipped",
            "It is right for moderate logits only: is a probability or a logit clipped, or is a "
            "small number added?",
            lambda x, logits, size=size: np.max(size(x, logits), axis=-1),
        )
        for size in (
            lambda x, logits: np.where(x > 0, -logits, logits),
            lambda x, logits: np.abs(logits),
            lambda x, logits: logits,
            lambda x, logits: -logits,
        )
    ),
]


LOGITS = {"x": [("n", "D")], "logits": [("n", "D")]}
BERNOULLI = Question(
    Bernoulli().negloglikelihood,
    LOGITS,
    ("n",),
    [
        Kind({"x": binary, "logits": normal(3)}),
        Kind({"x": binary, "logits": normal(3)}, {"D": 1}),
        Kind({"x": gray, "logits": normal(3)}),
        Kind({"x": gray, "logits": uniform(0.125, 0.875)}),
        Kind({"x": binary, "logits": normal(30)}),
        Kind({"x": binary, "logits": ends(-800, 800)}),
    ],
    combined(
        BERNOULLI_MISTAKES,
        REDUCTIONS,
        lambda x, logits: Bernoulli().negloglikelihood(x[..., None], logits[..., None]),
    ),
    BERNOULLI_LIMITS,
    ("logits",),
)


# Categorical


def _chosen(x, log_p):
    return -np.take_along_axis(log_p, x.astype(int)[..., None], axis=-1)[..., 0]


CATEGORICAL_MISTAKES = [
    Misconception(
        "softmax over pixels",
        "The softmax sums over the pixels. The levels of one pixel should have the sum 1.",
        lambda x, logits: _chosen(x, special.log_softmax(logits, axis=1)),
    ),
    Misconception(
        "softmax over everything",
        "The softmax sums over all numbers. The levels of one pixel should have the sum 1.",
        lambda x, logits: _chosen(x, logits - special.logsumexp(logits)),
    ),
    Misconception(
        "not normalized",
        "The logits are used as log probabilities: their exponentials do not have the sum 1.",
        lambda x, logits: _chosen(x, logits),
    ),
    Misconception(
        "softmax twice",
        "The softmax is applied twice: its argument is already a probability.",
        lambda x, logits: _chosen(
            x, special.log_softmax(special.softmax(logits, axis=-1), axis=-1)
        ),
    ),
    Misconception(
        "levels counted from 1",
        "The levels are counted from 1: the first level is 0.",
        lambda x, logits: _chosen(x - 1, special.log_softmax(logits, axis=-1)),
    ),
    Misconception(
        "the levels not chosen ignored",
        "It is not minus the log probability of the level x.",
        lambda x, logits: special.logsumexp(logits, axis=-1),
    ),
]
CATEGORICAL_LIMITS = [
    Limit(
        "one global maximum",
        "It fails where one pixel's logits are far below another's: the same maximum is "
        "subtracted everywhere, so that all exponentials of a pixel become 0.",
        lambda x, logits: np.max(logits) - np.min(np.max(logits, axis=-1), axis=-1),
        is_finite=False,
    ),
]


def levels(number):
    """Draw whole numbers below a number."""
    return lambda rng, shape: rng.integers(0, number, shape)


CATEGORICAL = Question(
    Categorical().negloglikelihood,
    {"x": [("n", "D")], "logits": [("n", "D", "L")]},
    ("n",),
    [
        Kind({"x": levels(9), "logits": normal(2)}, {"L": 9}),
        Kind({"x": levels(2), "logits": normal(2)}, {"L": 2}),
        Kind({"x": levels(9), "logits": normal(2)}, {"L": 9, "D": 1}),
        Kind({"x": levels(9), "logits": normal(20)}, {"L": 9}),
        Kind({"x": levels(9), "logits": pixels_apart(900)}, {"L": 9}),
        Kind({"x": levels(9), "logits": normal(1, 800)}, {"L": 9}),
    ],
    combined(
        CATEGORICAL_MISTAKES,
        REDUCTIONS,
        lambda x, logits: Categorical().negloglikelihood(x[..., None], logits[..., None, :]),
    ),
    CATEGORICAL_LIMITS,
    ("logits",),
)
