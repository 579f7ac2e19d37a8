"""The likelihoods against scipy.stats and sums over all data: values, gradients, samples."""

import itertools
import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from helpers import check_all_grads, finite_differences
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

import vaelite
from vaelite import Bernoulli, Categorical, Gaussian
from vaelite.data.checks import Summary
from vaelite.likelihoods.gaussian import QUANTIZATION


def test_the_floor_is_the_standard_deviation_of_rounding():
    assert QUANTIZATION == pytest.approx(math.log(stats.uniform(0, 1 / 255).std()))


def test_means():
    raw = np.array([[-800.0, 0.0, 800.0]])
    assert Gaussian(sigma=1.0).parameters(raw)[0] == pytest.approx(np.array([[0, 0.5, 1]]))
    assert Gaussian(mean="identity", sigma=1.0).parameters(raw)[0] is raw


@pytest.mark.parametrize(
    ("sigma", "head"),
    [("image", (1, True)), ("shared", (1, False)), ("pixel", (3, True)), (0.5, None)],
)
def test_sigma_heads(sigma, head):
    heads = {"mu": (3, True), "logsigma": head} if head else {"mu": (3, True)}
    assert Gaussian(sigma=sigma).heads(3) == heads


def test_a_fixed_sigma():
    mu, logsigma = Gaussian(sigma=0.5).parameters(np.zeros((4, 3), np.float32))
    assert logsigma == pytest.approx(np.full((4, 1), math.log(0.5)))
    assert logsigma.dtype == np.float32


def test_the_floor_is_smooth_and_does_not_change_larger_values():
    raw = np.array([[-1e4], [QUANTIZATION], [0.0], [5.0]])
    _, logsigma = Gaussian().parameters(np.zeros((4, 3)), raw)
    expected = [QUANTIZATION, QUANTIZATION + math.log(2), 0, 5]
    assert logsigma.ravel() == pytest.approx(expected, abs=2e-3)
    assert Gaussian(floor=None).parameters(np.zeros((4, 3)), raw)[1] is raw


def test_samples_have_the_right_moments(rng):
    mu, logsigma = np.full((50_000, 2), [0.3, 5.0]), np.full((50_000, 1), math.log(0.2))
    x = Gaussian().sample(rng, mu, logsigma)
    assert stats.kstest(x[:, 0], stats.norm(0.3, 0.2).cdf).pvalue > 0.01
    assert np.corrcoef(x.T)[0, 1] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("width", [1, 3])
def test_the_gaussians_parts(width, rng):
    x, mu = rng.standard_normal((2, 5, 3))
    logsigma = rng.uniform(-2, 1, (5, width))
    density = stats.norm(mu, np.exp(logsigma)).logpdf(x).sum(axis=1)
    squares, total, constant = Gaussian().ledger(-density, mu, logsigma).values()
    assert squares == pytest.approx((((x - mu) / np.exp(logsigma)) ** 2).sum(axis=1) / 2)
    assert total == pytest.approx((logsigma * (3 / width)).sum(axis=1))
    assert constant == pytest.approx(np.full(5, 3 / 2 * math.log(2 * math.pi)))


def summary(low, high, whole=True):
    return Summary(np.array(low), np.array(high), whole)


def test_data_outside_the_means_range_are_refused():
    with pytest.raises(ValueError, match="divide by 255"):
        Gaussian().check(summary([0.0], [255.0]))
    with pytest.raises(ValueError, match="identity"):
        Gaussian().check(summary([-1.0], [1.0]))
    with pytest.raises(ValueError, match="rescale X"):
        Gaussian().check(summary([0.0], [256.0]))
    with pytest.raises(ValueError, match="rescale X"):
        Gaussian().check(summary([-1.0], [255.0]))
    Gaussian(mean="identity").check(summary([-1.0], [300.0]))


def test_constant_features_warn_if_each_has_its_sigma():
    data = summary([0.0, 0.5], [1.0, 0.5])
    with pytest.warns(UserWarning, match="1 of 2 features are constant.*column 1"):
        Gaussian(sigma="pixel").advise(data)
    Gaussian(sigma="image").advise(data)


def test_values_far_from_1_warn():
    with pytest.warns(UserWarning, match="standardize"):
        Gaussian(mean="identity").advise(summary([-900.0], [1.0]))


def test_settings_are_plain_floats():
    likelihood = Gaussian(sigma=np.float64(0.5), floor=np.float32(-3))
    assert (type(likelihood.sigma), type(likelihood.floor)) == (float, float)


REFUSED = [
    *(("sigma", value) for value in ("row", 0, -1.0, math.nan, True)),
    *(("floor", value) for value in (math.inf, True)),
    ("mean", "sigmoid"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_settings_that_are_refused(name, value):
    with pytest.raises(ValueError, match="should be"):
        Gaussian(**{name: value})


def numbers(*shape, seed=0):
    return 3 * np.random.default_rng(seed).standard_normal(shape)


@given(seed=st.integers(0, 2**32 - 1))
def test_bernoulli_matches_scipy(seed):
    logits = numbers(4, 3, seed=seed)
    x = np.random.default_rng(seed).integers(2, size=(4, 3)).astype(float)
    expected = -stats.bernoulli(special.expit(logits)).logpmf(x).sum(axis=1)
    assert Bernoulli().negloglikelihood(x, logits) == pytest.approx(expected, rel=1e-9)


@given(seed=st.integers(0, 2**32 - 1), levels=st.integers(2, 6))
def test_categorical_matches_scipy(seed, levels):
    logits = numbers(4, 3, levels, seed=seed)
    x = np.random.default_rng(seed).integers(levels, size=(4, 3))
    p = special.softmax(logits, axis=-1)
    expected = -stats.multinomial.logpmf(np.eye(levels)[x], 1, p).sum(axis=1)
    found = Categorical(levels).negloglikelihood(x, logits)
    assert found == pytest.approx(expected, rel=1e-9)


def test_probabilities_of_all_images_sum_to_one():
    binary = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    nats = Bernoulli().negloglikelihood(binary, np.tile(numbers(1, 3), (8, 1)))
    assert np.exp(-nats).sum() == pytest.approx(1)
    levels = np.array(list(itertools.product(range(3), repeat=2)))
    nats = Categorical(3).negloglikelihood(levels, np.tile(numbers(1, 2, 3), (9, 1, 1)))
    assert np.exp(-nats).sum() == pytest.approx(1)


def test_the_logits_of_a_pixel_follow_each_other():
    """The order of the decoder's columns: with another one, older files would be other models."""
    columns = np.arange(2 * 12.0).reshape(2, 12)
    (logits,) = Categorical(4).parameters(columns)
    assert logits.shape == (2, 3, 4)
    for pixel in range(3):
        assert np.array_equal(logits[:, pixel], columns[:, 4 * pixel : 4 * pixel + 4])


def test_the_encoder_sees_levels_from_0_to_1():
    levels = np.array([[0.0, 2.0, 4.0]], np.float32)
    assert Categorical(5).encoder_input(levels) == pytest.approx(np.array([[0, 0.5, 1]]))
    assert Categorical(5).encoder_input(levels).dtype == np.float32


def test_by_default_there_are_the_levels_of_uint8():
    assert Categorical().heads(3)["logits"] == (3 * 256, True)
    Categorical().check(summary([0], [255]))
    with pytest.raises(ValueError, match=r"Categorical\(257\)"):
        Categorical().check(summary([0], [256]))


def test_a_uniform_categorical_costs_log2_levels_bits_per_pixel():
    for levels in (2, 16, 17, 256):
        logits = np.zeros((1, 5, levels))
        nats = Categorical(levels).negloglikelihood(np.zeros((1, 5)), logits)
        assert nats / math.log(2) / 5 == pytest.approx(math.log2(levels), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_are_finite(dtype):
    x, logits = np.array([[0, 1, 0, 1]], dtype), np.array([[-800, -800, 800, 800]], dtype)
    assert Bernoulli().negloglikelihood(x, logits) == pytest.approx([1600])
    grad = autograd.grad(lambda logits: anp.sum(Bernoulli().negloglikelihood(x, logits)))(logits)
    assert grad == pytest.approx(np.array([[0, -1, 1, 0]]))
    levels = np.stack([logits, -logits], axis=-1)
    assert Categorical(2).negloglikelihood(x, levels) == pytest.approx([3200])
    grad = autograd.grad(lambda logits: anp.sum(Categorical(2).negloglikelihood(x, logits)))(levels)
    assert np.isfinite(grad).all()
    assert grad.dtype == dtype


@pytest.mark.parametrize("likelihood", [Bernoulli(), Categorical(5)], ids=repr)
def test_gradients_match_finite_differences_and_keep_the_dtype(likelihood, rng):
    bernoulli = isinstance(likelihood, Bernoulli)
    x = rng.random((4, 3)) if bernoulli else rng.integers(5, size=(4, 3)).astype(float)
    logits = rng.standard_normal((4, 3) if bernoulli else (4, 3, 5))

    def total(logits):
        return anp.sum(likelihood.negloglikelihood(x, logits) ** 2)

    expected = finite_differences(total, logits)
    assert autograd.grad(total)(logits) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    check_grads(total, modes=["rev"], order=2)(logits)
    x, logits = x.astype(np.float32), logits.astype(np.float32)
    assert autograd.grad(total)(logits).dtype == np.float32
    assert likelihood.negloglikelihood(x, logits).dtype == np.float32


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (1, 4, 3)], ids=str)
def test_bernoulli_derivatives_in_data_and_logits(shape, rng):
    x, logits = rng.random(shape), rng.standard_normal((*shape[:-2], 4, 3))
    check_all_grads(Bernoulli().negloglikelihood, x, logits)


def test_bernoulli_gradient_in_the_data(rng):
    x, logits = rng.random((4, 3)), rng.standard_normal((4, 3))
    grad = autograd.grad(lambda x: anp.sum(Bernoulli().negloglikelihood(x, logits)))(x)
    assert grad == pytest.approx(-logits)


def test_bernoulli_gradient_in_data_that_logits_share(rng):
    """One row of x for several rows of logits: the derivative is the sum over them."""
    x, logits = rng.random((1, 3)), rng.standard_normal((4, 3))
    grad = autograd.grad(lambda x: anp.sum(Bernoulli().negloglikelihood(x, logits)))(x)
    assert grad == pytest.approx(-logits.sum(axis=0, keepdims=True))
    other = autograd.grad(lambda a: anp.sum(Bernoulli().negloglikelihood(logits, a)))(x)
    expected = (special.expit(x) - logits).sum(axis=0, keepdims=True)
    assert other == pytest.approx(expected)


def test_samples_have_the_likelihoods_probabilities(rng):
    x = Bernoulli().sample(rng, np.tile([-1.0, 2.0], (20_000, 1)))
    assert set(np.unique(x)) == {0, 1}
    assert x.mean(axis=0) == pytest.approx(special.expit([-1, 2]), abs=0.02)
    logits = np.array([[0.0, 1.0, -1.0]])
    x = Categorical(3).sample(rng, np.tile(logits, (20_000, 1, 1)))
    assert x.dtype == np.int64
    assert np.bincount(x.ravel()) / 20_000 == pytest.approx(special.softmax(logits[0]), abs=0.02)


def test_expectations():
    logits = numbers(4, 3, 5)
    assert Bernoulli().expectation(logits) == pytest.approx(special.expit(logits))
    expected = (special.softmax(logits, axis=-1) * np.arange(5)).sum(axis=-1)
    assert Categorical(5).expectation(logits) == pytest.approx(expected)
    assert Categorical(5).expectation(logits.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("likelihood", "X", "message"),
    [
        ("bernoulli", [[0, 2.0]], "divide by the largest value there can be, here perhaps 2"),
        ("bernoulli", [[-0.5, 1.0]], "rescale X"),
        (Categorical(16), [[0.5, 1.0]], r"fractions.*vaelite\.quantize\(X, 16\)"),
        (Categorical(16), [[0, 16]], r"levels from 0 to 16.*Categorical\(17\)"),
        (Categorical(16), [[-1, 3]], "levels from -1"),
        (Categorical(16), np.array([[0, 200]], np.uint8), "levels from 0 to 200"),
    ],
)
def test_data_that_do_not_fit(likelihood, X, message):
    with pytest.raises(ValueError, match=message):
        vaelite.fit(np.repeat(X, 30, axis=0), likelihood=likelihood)


@pytest.mark.parametrize("levels", [1, 0])
def test_too_few_levels(levels):
    with pytest.raises(ValueError, match="levels should be 2 or more"):
        Categorical(levels)


def test_quantize_makes_equal_parts():
    x = np.linspace(0, 1, 1001)
    assert np.bincount(vaelite.quantize(x, 4)).tolist() == [250, 250, 250, 251]
    parts = vaelite.quantize(np.arange(256, dtype=np.uint8), 16)
    assert parts.tolist() == (np.arange(256) * 16 // 255.01).tolist()
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        vaelite.quantize([1.5], 4)


class Laplace(vaelite.Likelihood):
    """The example of the module's docstring."""

    def negloglikelihood(self, x, mu):
        return anp.sum(abs(x - mu) + np.log(2), axis=-1)

    def sample(self, rng, mu):
        return rng.laplace(mu)


def test_a_custom_likelihood(digits, quick, tmp_path):
    vae = vaelite.fit(digits[0], **quick, likelihood=Laplace())
    assert vae.history["eval_loss"][-1] < vae.history["eval_loss"][0]
    assert vae.sample(3, rng=0).shape == vae.reconstruct(digits[0][:3]).shape == (3, 64)
    vae.save(tmp_path / "laplace.npz")
    with pytest.raises(vaelite.ModelFileError, match="likelihood"):
        vaelite.load(tmp_path / "laplace.npz")
    loaded = vaelite.load(tmp_path / "laplace.npz", likelihood=Laplace())
    assert loaded.score(digits[0]) == vae.score(digits[0])


def test_a_method_that_a_custom_likelihood_lacks_is_named(rng):
    with pytest.raises(NotImplementedError, match="Likelihood needs a method elements"):
        vaelite.fit(rng.random((40, 3)), likelihood=vaelite.Likelihood(), batch_size=10)


def test_an_encoder_may_be_wider_than_the_data(digits, quick):
    levels = np.rint(digits[0][:200] * 4)
    likelihood = Categorical(5, one_hot=True)
    seen = likelihood.encoder_input(levels[:2].astype(np.float32))
    assert seen.dtype == np.float32
    assert seen.shape == (2, 64 * 5)
    assert np.array_equal(seen.reshape(2, 64, 5).argmax(axis=2), levels[:2])
    assert np.array_equal(seen.sum(axis=1), [64, 64])
    vae = vaelite.fit(levels, **quick, likelihood=likelihood)
    assert vae.params["encoder.0.W"].shape == (64 * 5, 32)
    assert vae.params["decoder.logits.W"].shape == (32, 64 * 5)
    assert np.isfinite(vae.score(levels))


@pytest.mark.parametrize("x", [-1.0, 5.0, 0.5, math.nan, math.inf, -5.0, 1e30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_levels_that_categorical_does_not_have_are_refused(x, dtype):
    """NumPy would take the last level for -1, and the level below for a fraction."""
    levels, logits = np.zeros((4, 3), dtype), np.zeros((4, 3, 5), dtype)
    assert Categorical(5).negloglikelihood(levels, logits) == pytest.approx(3 * math.log(5))
    levels[2, 1] = x
    with pytest.raises(ValueError, match="x should be whole numbers from 0 to 4"):
        Categorical(5).negloglikelihood(levels, logits)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float32])
def test_levels_of_any_dtype(dtype):
    logits = numbers(2, 3, 200)
    levels = np.array([[0, 1, 0], [1, 1, 0]])
    expected = special.logsumexp(logits, axis=-1) - np.take_along_axis(
        logits, levels[..., None], axis=-1
    ).squeeze(-1)
    found = Categorical(200).negloglikelihood(levels.astype(dtype), logits)
    assert found == pytest.approx(expected.sum(axis=-1), rel=1e-12)
    grad = autograd.grad(
        lambda a: anp.sum(Categorical(200).negloglikelihood(levels.astype(dtype), a))
    )(logits)
    assert grad == pytest.approx(special.softmax(logits, axis=-1) - np.eye(200)[levels])


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64])
def test_pixels_and_logits_that_are_not_floats_are_refused(dtype):
    """uint8 may be gray levels that were not divided by 255."""
    x, logits = np.ones((2, 3)), np.ones((2, 3))
    with pytest.raises(TypeError, match="x has dtype .*; pass floats"):
        Bernoulli().negloglikelihood(x.astype(dtype), logits)
    with pytest.raises(TypeError, match="logits has dtype .*; pass floats"):
        Bernoulli().negloglikelihood(x, logits.astype(dtype))
    with pytest.raises(TypeError, match="logits has dtype .*; pass floats"):
        Categorical(3).negloglikelihood(x, np.ones((2, 3, 3), dtype))


@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_over_many_pixels_keep_their_digits(order, rng):
    D = 196_608
    x = rng.random((2, D), dtype=np.float32)
    logits = np.asarray(rng.standard_normal((2, D), dtype=np.float32), order=order)
    expected = np.sum(np.logaddexp(0, logits.astype(float)) - x * logits.astype(float), axis=-1)
    assert Bernoulli().negloglikelihood(x, logits) == pytest.approx(expected, rel=2e-6)
    levels = np.asarray((x > 0.3).astype(np.float32), order=order)
    two = np.stack([0 * logits, logits], axis=-1)
    expected = np.sum(np.logaddexp(0, logits.astype(float)) - levels * logits, axis=-1)
    assert Categorical(2).negloglikelihood(levels, two) == pytest.approx(expected, rel=2e-6)


def correlations(x):
    """The largest correlation between columns, and between rows, of many draws of one kind."""
    between_columns = np.corrcoef(x.T) - np.eye(x.shape[1])
    return abs(between_columns).max()


DRAWS = {
    "gaussian": lambda rng, n, D: Gaussian().sample(rng, np.zeros((n, D)), np.zeros((n, 1))),
    "bernoulli": lambda rng, n, D: Bernoulli().sample(rng, np.zeros((n, D))),
    "categorical": lambda rng, n, D: Categorical(3).sample(rng, np.zeros((n, D, 3))),
}


@pytest.mark.parametrize("name", DRAWS)
def test_each_pixel_of_each_row_has_its_own_noise(name, rng):
    x = DRAWS[name](rng, 4000, 5).astype(float)
    assert correlations(x) < 0.08  # 5 standard errors
    assert correlations(DRAWS[name](rng, 5, 4000).astype(float).T) < 0.08
    again = DRAWS[name](rng, 4000, 5).astype(float)
    assert abs(np.corrcoef(x.ravel(), again.ravel())[0, 1]) < 0.04


def test_categorical_logits_are_pixel_by_pixel():
    """The order of the decoder's outputs: files of older versions depend on it."""
    outputs = np.arange(12.0).reshape(1, 12)
    (logits,) = Categorical(4).parameters(outputs)
    assert np.array_equal(logits, [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]])
    x = Categorical(4, one_hot=True).encoder_input(np.array([[3.0, 0.0]]))
    assert np.array_equal(x, [[0, 0, 0, 1, 1, 0, 0, 0]])


@pytest.mark.parametrize("shape", [(2, 1), (2, 4), (1,)], ids=str)
def test_another_number_of_pixels_is_refused(shape):
    for likelihood, logits in (
        (Bernoulli(), np.zeros((2, 3))),
        (Categorical(5), np.zeros((2, 3, 5))),
    ):
        with pytest.raises(ValueError, match="the logits are those of 3 pixels"):
            likelihood.negloglikelihood(np.zeros(shape), logits)


class Smallest(vaelite.Likelihood):
    """The smallest likelihood of one's own: what it scores for each element."""

    def elements(self, x, mu):
        return anp.abs(x - mu) + anp.log(2.0)


SCORED = {  # x and raw outputs of 4 rows and 3 columns
    "image": (Gaussian(), lambda rng: [rng.random((4, 3)), rng.random((4, 1))]),
    "pixel": (Gaussian("identity", "pixel"), lambda rng: [rng.standard_normal((4, 3))] * 2),
    "shared": (Gaussian("identity", 0.3), lambda rng: [rng.standard_normal((4, 3))]),
    "bernoulli": (Bernoulli(), lambda rng: [3 * rng.standard_normal((4, 3))]),
    "continuous": (vaelite.ContinuousBernoulli(), lambda rng: [3 * rng.standard_normal((4, 3))]),
    "categorical": (Categorical(5), lambda rng: [rng.standard_normal((4, 15))]),
    "own": (Smallest(), lambda rng: [rng.standard_normal((4, 3))]),
}


@pytest.mark.parametrize("name", SCORED)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_elements_add_up_and_holes_have_no_influence(name, seed):
    """The sum of the elements is the likelihood; with holes, that of the observed columns."""
    likelihood, outputs_of = SCORED[name]
    rng = np.random.default_rng(seed)
    x = rng.integers(5, size=(4, 3)).astype(float) if name == "categorical" else rng.random((4, 3))
    outputs = outputs_of(rng)
    parameters = likelihood.parameters(*outputs)
    nats = likelihood.elements(x, *parameters)
    assert nats.shape == (4, 3)
    assert likelihood.negloglikelihood(x, *parameters) == pytest.approx(nats.sum(axis=1))
    observed = rng.random((4, 3)) < 0.6
    expected = [row[seen].sum() for row, seen in zip(nats, observed, strict=True)]
    assert likelihood.of_observed(observed, x, *parameters) == pytest.approx(expected)

    def loss(first, x):
        return anp.sum(
            likelihood.of_observed(observed, x, *likelihood.parameters(first, *outputs[1:]))
        )

    other = np.where(observed, x, 1.0)  # another number in each hole
    gradient = autograd.grad(loss)
    found, again = gradient(outputs[0], x), gradient(outputs[0], other)
    assert found == pytest.approx(again, abs=1e-12)
    holes = ~np.repeat(observed, outputs[0].size // 12, axis=1)
    assert (found[holes] == 0).all()
    assert found == pytest.approx(
        finite_differences(lambda raw: loss(raw, x), outputs[0]), abs=1e-5
    )
