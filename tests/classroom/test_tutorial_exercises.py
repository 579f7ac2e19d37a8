"""The tests of the exercises of tutorials 06 to 10: right answers pass, wrong ones do not."""

import autograd.numpy as anp
import numpy as np
import pytest
from scipy import special, stats

import vaelite
from vaelite import ops
from vaelite.classroom import check, solutions
from vaelite.classroom.exercises import (
    bernoulli_vae,
    blurry_samples,
    categorical,
    gaussian_vae,
    other_networks,
)


def encode(params, x, change=lambda logsigma: logsigma):
    h = np.maximum(x @ params["encoder.0.W"] + params["encoder.0.b"], 0)
    mu = h @ params["encoder.mu.W"] + params["encoder.mu.b"]
    return mu, change(h @ params["encoder.logsigma.W"] + params["encoder.logsigma.b"])


def restore(loss, D, K):
    return loss - stats.norm.logpdf(0) * D


def implied_sigma(w, D):
    return (w * D / 2) ** 0.5


def floor(x):
    return np.sum([stats.bernoulli(row).entropy() for row in x], axis=1)


def log_normalizer(a):
    small = np.minimum(a, -a)
    return np.log(np.expm1(small) / small) + np.maximum(a, 0)


def bits_per_dim(nats, n_features):
    return nats / (n_features * np.log(2))


def binomial(x, logits):
    log_p, log_q = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    return -np.sum(np.log(special.comb(16, x)) + x * log_p + (16 - x) * log_q, axis=1)


def plain_log_probability(level, mu, logsigma):
    """A difference of two cdf values: 0 in the far tail."""
    sigma = np.exp(logsigma)
    low = np.where(level == 0, -np.inf, (level - 0.5) / 16)
    high = np.where(level == 16, np.inf, (level + 0.5) / 16)
    with np.errstate(divide="ignore"):
        return np.log(stats.norm(mu, sigma).cdf(high) - stats.norm(mu, sigma).cdf(low))


def sharpness(images, power, shape=(8, 8)):
    rows = np.asarray(images).reshape(-1, *shape)
    down, across = rows[:, 1:] - rows[:, :-1], rows[:, :, 1:] - rows[:, :, :-1]
    pairs = down[0].size + across[0].size
    return ((abs(down) ** power).sum((1, 2)) + (abs(across) ** power).sum((1, 2))) / pairs


def mean_of_means(images, power, shape=(8, 8)):
    rows = np.asarray(images).reshape(-1, *shape)
    return sum(np.mean(abs(np.diff(rows, axis=k)) ** power, axis=(1, 2)) for k in (1, 2)) / 2


def best_output(images, weights):
    return weights @ images


def neg_log_mixture(nll, log_weights):
    return -special.logsumexp(log_weights[:, None] - nll, axis=0)


def one_global_maximum(nll, log_weights):
    log_terms = log_weights[:, None] - nll
    largest = log_terms.max()
    return -(largest + np.log(np.exp(log_terms - largest).sum(axis=0)))


def convolve_one(image, kernel, stride, flip=1):
    (H, W), (k, m) = image.shape, kernel.shape
    rows, columns = range(0, H - k + 1, stride), range(0, W - m + 1, stride)
    kernel = kernel[::flip, ::flip]
    return np.array([[np.sum(image[i : i + k, j : j + m] * kernel) for j in columns] for i in rows])


def hidden_units(n_parameters, D, K):
    sizes = np.arange(1, 2000)
    counts = sizes * (2 * D + 3 * K + 3) + 2 * K + D + 1
    return int(sizes[abs(counts - n_parameters).argmin()])


class Mixer(vaelite.Network):
    """A right answer of tutorial 10, or with ``swap`` one that mixes up rows and columns."""

    def __init__(self, image_shape, m, swap=False):
        self.image_shape, self.m, self.swap = image_shape, m, swap

    def shapes(self, n_inputs, heads):
        (rows, columns), m = self.image_shape, self.m
        own = {"rows.W": (rows, m), "columns.W": (columns, m), "hidden.b": (m * m,)}
        return own | self.head_shapes(m * m, heads)

    def __call__(self, params, h, heads):
        image = anp.reshape(h, (len(h), *self.image_shape))
        order = "nrc,ra,cb->nba" if self.swap else "nrc,ra,cb->nab"
        mixed = np.einsum(order, image, params["rows.W"], params["columns.W"])
        hidden = ops.relu(mixed.reshape(len(h), -1) + params["hidden.b"])
        return self.outputs(params, hidden, heads)


def as_list(answer):
    return lambda *arguments: (
        [np.asarray(part).tolist() for part in found]
        if isinstance(found := answer(*arguments), tuple)
        else np.asarray(found).tolist()
    )


RIGHT = {
    gaussian_vae.is_the_encoder: [encode],
    gaussian_vae.restores_the_constants: [restore, solutions.restore],
    gaussian_vae.is_minus_an_elbo: [implied_sigma],
    bernoulli_vae.is_the_least_loss: [floor, solutions.floor],
    bernoulli_vae.integrates_to_1: [log_normalizer],
    categorical.are_bits_per_pixel: [bits_per_dim],
    categorical.is_the_probability_of_a_bin: [solutions.log_probability],
    categorical.is_scipys_binomial: [binomial, solutions.binomial],
    blurry_samples.sees_an_edge: [sharpness, solutions.sharpness],
    blurry_samples.is_cheapest: [best_output],
    blurry_samples.is_minus_log_evidence: [neg_log_mixture],
    other_networks.agrees_with_scipy: [convolve_one],
    other_networks.is_closest: [hidden_units],
}
WRONG = {
    gaussian_vae.is_the_encoder: {
        "logsigma clipped": lambda p, x: encode(p, x, lambda a: np.clip(a, -5, 5)),
        "a variance": lambda p, x: encode(p, x, lambda a: 2 * a),
        "mu and logsigma swapped": lambda p, x: encode(p, x)[::-1],
    },
    gaussian_vae.restores_the_constants: {
        "those of the code too": lambda loss, D, K: restore(loss, D + K, K),
        "subtracted": lambda loss, D, K: 2 * loss - restore(loss, D, K),
    },
    gaussian_vae.is_minus_an_elbo: {"a variance": lambda w, D: w * D / 2},
    bernoulli_vae.is_the_least_loss: {
        "for whole pixels only": lambda x: 0 * x.sum(axis=1),
        "0 log 0": lambda x: -np.sum(x * np.log(x) + (1 - x) * np.log(1 - x), axis=1),
        "one number": lambda x: floor(x).mean(),
        "bits": lambda x: floor(x) / np.log(2),
    },
    bernoulli_vae.integrates_to_1: {
        "the Bernoulli's": lambda a: np.logaddexp(0, a),
        "overflow": lambda a: np.log(np.expm1(a) / a),
    },
    categorical.are_bits_per_pixel: {
        "a scalar": lambda nats, D: float(bits_per_dim(nats[0], D)),
        "the mean": lambda nats, D: bits_per_dim(nats, D).mean(),
        "per image": lambda nats, D: nats / np.log(2),
    },
    categorical.is_the_probability_of_a_bin: {
        "log 0 in the far tail": plain_log_probability,
        "a density": lambda level, mu, s: stats.norm(mu, np.exp(s)).logpdf(level / 16) - np.log(16),
    },
    categorical.is_scipys_binomial: {
        "without the ways": lambda x, a: 16 * vaelite.Bernoulli().negloglikelihood(x / 16, a),
        "a mean over pixels": lambda x, a: binomial(x, a) / x.shape[1],
    },
    blurry_samples.sees_an_edge: {
        "absolute only": lambda images, power, shape=(8, 8): sharpness(images, 1, shape),
        "the mean of two means": mean_of_means,
        "down only": lambda images, power, shape=(8, 8): np.mean(
            abs(np.diff(images.reshape(-1, *shape), axis=1)) ** power, axis=(1, 2)
        ),
    },
    blurry_samples.is_cheapest: {
        "the likeliest image": lambda images, weights: images[weights.argmax()],
        "equal weights": lambda images, weights: images.mean(axis=0),
        "the median": lambda images, weights: np.median(images, axis=0),
    },
    blurry_samples.is_minus_log_evidence: {"one global maximum": one_global_maximum},
    other_networks.agrees_with_scipy: {
        "a rotated kernel": lambda *arguments: convolve_one(*arguments, flip=-1),
        "stride 1": lambda image, kernel, stride: convolve_one(image, kernel, 1),
    },
    other_networks.is_closest: {
        "without biases": lambda n, D, K: round(n / (2 * D + 3 * K + 1)),
    },
}
RIGHT_CASES = [(test, answer) for test, answers in RIGHT.items() for answer in answers]
WRONG_CASES = [(test, *pair) for test, answers in WRONG.items() for pair in answers.items()]


def name(value):
    """Of a function, or a mistake; the same in every process, as parallel tests need it."""
    return getattr(value, "__name__", value)


@pytest.mark.parametrize(("test", "answer"), RIGHT_CASES, ids=name)
@pytest.mark.parametrize("form", [lambda answer: answer, as_list], ids=["arrays", "lists"])
def test_right_answers_pass(test, answer, form):
    verdict = check(form(answer), test)
    assert verdict.ok, verdict


@pytest.mark.parametrize(("test", "mistake", "answer"), WRONG_CASES, ids=name)
def test_wrong_answers_do_not(test, mistake, answer):
    with np.errstate(all="ignore"):
        verdict = check(answer, test)
    assert not verdict.ok, mistake
    assert verdict.mistake == "own test", verdict


def test_the_network_that_mixes_rows_and_columns():
    assert check(Mixer((5, 6), 4), other_networks.is_kronecker_product).ok
    assert not check(Mixer((5, 6), 4, swap=True), other_networks.is_kronecker_product).ok
    assert not check(Mixer((6, 5), 4), other_networks.is_kronecker_product).ok


@pytest.mark.parametrize("module", [
    gaussian_vae, bernoulli_vae, categorical, blurry_samples, other_networks,
])  # fmt: skip
def test_every_test_of_an_exercise_is_tried(module):
    own = {
        value
        for value in vars(module).values()
        if getattr(value, "__module__", "") == module.__name__
    }
    public = {value for value in own if not value.__name__.startswith("_")}
    assert public <= {*RIGHT, other_networks.is_kronecker_product}
    assert {*RIGHT} == {*WRONG}


def test_unwritten_exercises_are_not_wrong():
    for test in RIGHT:
        assert str(check(lambda *arguments: ..., test)).startswith("Not written yet")
