"""Estimators of the ELBO's gradient."""

import numpy as np

from vaelite import gradient_estimators

from ..cases import Kind, normal, uniform
from ..portable import QuadraticLoss
from .base import SIGN, Misconception, Q, Question, clips


def _score(nll, mu, s, eps, kl=True, per_latent=False, minus_one=True, of_sigma=False):
    sigma = np.exp(s)
    z = mu + sigma * eps
    split = z**2 / 2 - eps**2 / 2 - s
    f = nll(z)[..., None] + kl * (split if per_latent else split.sum(axis=-1, keepdims=True))
    scale = sigma if of_sigma else 1
    return np.stack([f * eps / sigma, f * (eps**2 - minus_one) / scale])


SCORE = [
    Misconception(
        "right for one latent only",
        "It is right for one latent dimension only: f(z) is one number per draw and row, the same "
        "for all latent dimensions.",
        lambda *arguments: _score(*arguments, per_latent=True).mean(axis=1),
    ),
    Misconception(
        "sign",
        "It is minus the gradient of the loss: training would climb.",
        lambda *arguments: -_score(*arguments).mean(axis=1),
    ),
    Misconception(
        "sum over draws",
        "K identical draws change the result: it is a sum over the draws, not their mean.",
        lambda *arguments: _score(*arguments).sum(axis=1),
    ),
    Misconception(
        "gradient in sigma",
        "The second result is the gradient in sigma: it should be that in logsigma.",
        lambda *arguments: _score(*arguments, of_sigma=True).mean(axis=1),
    ),
    Misconception(
        "no KL",
        "f(z) is the likelihood's part only: the prior and the posterior are missing.",
        lambda *arguments: _score(*arguments, kl=False).mean(axis=1),
    ),
    Misconception(
        "-1 missing",
        "The gradient of log q in logsigma is not 0 on average over eps: a constant is missing.",
        lambda *arguments: _score(*arguments, minus_one=False).mean(axis=1),
    ),
    Misconception(
        "not averaged over draws",
        "It returned a gradient for every draw: the mean over the draws is missing.",
        _score,
    ),
]


def estimators(name):
    """The mistakes of the estimator with a name, among them all other estimators."""
    others = [
        Misconception(
            "another estimator",
            f"It is another estimator, `{other}`.",
            lambda *arguments, function=function: np.stack(function(*arguments)),
        )
        for other, function in gradient_estimators.ESTIMATORS.items()
        if other != name
    ]
    right = gradient_estimators.ESTIMATORS[name]
    batch = [
        Misconception("sign", SIGN, lambda *arguments: -np.stack(right(*arguments))),
        Misconception(
            "sum over draws",
            "K identical draws change the result: it is a sum over the draws, not their mean.",
            lambda *arguments: len(arguments[-1]) * np.stack(right(*arguments)),
        ),
    ]
    return (SCORE if name == "score_function" else []) + batch + others


def _nll(rng, shape):
    """A random ``nll(z)``, quadratic in z: (draws, n, K) to (draws, n)."""
    return QuadraticLoss(normal(1)(rng, shape), normal(1)(rng, shape[-1:]))


def estimator_question(name):
    """The question for one of `gradient_estimators`."""
    draws = {"nll": _nll, "mu": normal(1), "eps": normal(1)}
    return Question(
        lambda *arguments: np.stack(gradient_estimators.ESTIMATORS[name](*arguments)),
        {"nll": [("K", "D")], **Q, "eps": [("draws", "n", "K")]},
        (2, "n", "K"),
        [
            Kind(draws | {"logsigma": uniform(-2, 1)}),
            Kind(draws | {"logsigma": uniform(-2, 1)}, {"K": 1}),
            Kind(draws | {"logsigma": uniform(-1, 1)}),
            Kind(draws | {"logsigma": uniform(-4, 2)}),
        ],
        estimators(name),
        clips(2),
    )
