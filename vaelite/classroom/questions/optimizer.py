"""A step of Adam."""

import numpy as np

from vaelite import Adam

from ..cases import Kind, choice, constant, normal
from .base import Misconception, Question


def _adam_step(theta, g, m, v, t, learning_rate):
    adam, params = Adam(learning_rate), {"theta": np.array(theta)}
    adam.t = t - 1
    adam.m, adam.v = {"theta": np.array(m)}, {"theta": np.array(v)}
    adam.update(params, {"theta": g})
    moments = adam.m["theta"], adam.v["theta"]
    return np.stack([params["theta"], *moments])


def _adam(update, beta1=0.9, beta2=0.999, square=np.square):
    def formula(theta, g, m, v, t, learning_rate):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * square(g)
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        return np.stack([theta - learning_rate * update(m, v, m_hat, v_hat), m, v])

    return formula


def _steps_from_zero(theta, g, m, v, t, learning_rate):
    return _adam_step(theta, g, m, v, t + 1, learning_rate)


def _corrected(theta, g, m, v, t, learning_rate):
    theta, m, v = _adam_step(theta, g, m, v, t, learning_rate)
    return np.stack([theta, m / (1 - 0.9**t), v / (1 - 0.999**t)])


MISCONCEPTIONS = [
    Misconception(
        "no bias correction",
        "The means start at 0, and the first steps do not correct for it.",
        _adam(lambda m, v, m_hat, v_hat: m / (np.sqrt(v) + 1e-8)),
    ),
    Misconception(
        "epsilon inside the root",
        "epsilon is added under the square root, where it is 10,000 times as large.",
        _adam(lambda m, v, m_hat, v_hat: m_hat / np.sqrt(v_hat + 1e-8)),
    ),
    Misconception(
        "epsilon missing",
        "epsilon is missing: a gradient of 0 throughout is divided by 0.",
        _adam(lambda m, v, m_hat, v_hat: m_hat / np.sqrt(v_hat)),
    ),
    Misconception(
        "root missing",
        "The step is divided by the mean of the squares, and not by its root.",
        _adam(lambda m, v, m_hat, v_hat: m_hat / (v_hat + 1e-8)),
    ),
    Misconception(
        "ascent",
        "The step goes uphill: theta should move against the gradient.",
        _adam(lambda m, v, m_hat, v_hat: -m_hat / (np.sqrt(v_hat) + 1e-8)),
    ),
    Misconception(
        "betas swapped",
        "The decays of m and v are swapped.",
        _adam(lambda m, v, m_hat, v_hat: m_hat / (np.sqrt(v_hat) + 1e-8), 0.999, 0.9),
    ),
    Misconception(
        "gradient not squared",
        "v is a mean of the size of the gradient, not of its square.",
        _adam(lambda m, v, m_hat, v_hat: m_hat / (np.sqrt(v_hat) + 1e-8), square=np.abs),
    ),
    Misconception(
        "momentum only",
        "The step has not been divided by the root of v.",
        _adam(lambda m, v, m_hat, v_hat: m_hat),
    ),
    Misconception(
        "corrected moments returned",
        "theta is right for one step. But the corrected means are returned, and the next step "
        "would correct them again.",
        _corrected,
    ),
    Misconception(
        "steps counted from 0",
        "The correction is that of the next step: t is 1 in the first step.",
        _steps_from_zero,
    ),
    Misconception(
        "plain gradient descent",
        "It is plain gradient descent: m and v do not change.",
        lambda theta, g, m, v, t, rate: np.stack([theta - rate * g, m, v]),
    ),
    Misconception(
        "only theta returned",
        "It returned theta only: the next step needs m and v too.",
        lambda *arguments: _adam_step(*arguments)[0],
    ),
]


def _squares(scale):
    return lambda rng, shape: normal(scale)(rng, shape) ** 2 + scale**2


def _tiny(rng, shape):
    """Gradients around epsilon, and gradients of 0."""
    tiny = rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-10, -7, shape)
    tiny[..., 0] = 0.0
    return tiny.astype(np.float32).astype(np.float64)


STEP = {"theta": normal(2), "t": choice(2, 3, 7, 40), "learning_rate": choice(0.25, 0.5, 1.0)}
FIRST = STEP | {"m": constant(0.0), "v": constant(0.0), "t": constant(1)}
WEIGHTS = [("D", "H")]
ADAM = Question(
    _adam_step,
    dict.fromkeys(("theta", "g", "m", "v"), WEIGHTS) | {"t": [()], "learning_rate": [()]},
    (3, "D", "H"),
    [
        Kind(FIRST | {"g": normal(2)}),
        Kind(FIRST | {"g": normal(500)}),
        Kind(FIRST | {"g": _tiny}),
        Kind(STEP | {"g": normal(2), "m": normal(1), "v": _squares(1)}),
        Kind(STEP | {"g": normal(50), "m": normal(1), "v": _squares(1)}),
    ],
    MISCONCEPTIONS,
)
