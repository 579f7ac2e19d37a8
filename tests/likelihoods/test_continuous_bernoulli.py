"""The continuous Bernoulli against integrals, the paper's formula, and finite differences."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd import elementwise_grad
from autograd.test_util import check_grads
from helpers import check_all_grads, finite_differences
from scipy import integrate, special, stats

import vaelite
from vaelite import Bernoulli, ContinuousBernoulli
from vaelite.data.checks import Summary
from vaelite.likelihoods import LIKELIHOODS

nll = ContinuousBernoulli().negloglikelihood
mean = ContinuousBernoulli().expectation
NEAR_HALF = [0.0, 1e-30, 1e-12, 1e-8, 1e-4, 0.01, 0.3, 0.4999, 0.5001]
LOGITS = [*NEAR_HALF, 0.7, 1.0, 3.0, 10.0, 30.0, *(-number for number in NEAR_HALF), -2.0, -25.0]


def weighted(logit, function):
    """The integral of function(x) exp(logit x) over [0, 1], over that of 1, and the log of that."""

    def of(function):
        weight = lambda x: np.exp(logit * x - max(logit, 0)) * function(x)
        return integrate.quad(weight, 0, 1, epsabs=1e-15, epsrel=1e-11, limit=200)[0]

    total = of(lambda x: 1.0)
    return of(function) / total, np.log(total) + max(logit, 0)


@pytest.mark.parametrize("logit", LOGITS)
def test_the_density_is_the_integrals(logit):
    """The log-normalizer and its first three derivatives, also where it is 0 / 0."""
    first, log_normalizer = weighted(logit, lambda x: x)
    a = np.array([[logit]])
    assert nll(np.zeros((1, 1)), a) == pytest.approx(log_normalizer, rel=1e-10, abs=1e-14)
    derivative = mean
    for power, tolerance in ((1, 1e-13), (2, 1e-12), (3, 1e-11)):
        expected = weighted(logit, lambda x, k=power: x if k == 1 else (x - first) ** k)[0]
        assert derivative(a) == pytest.approx(expected, rel=1e-9, abs=tolerance)
        derivative = elementwise_grad(derivative)


@pytest.mark.parametrize("logit", LOGITS)
def test_float32_has_its_digits(logit):
    a = np.array([[logit]], np.float32)
    expected = weighted(logit, lambda x: x)
    for found, number in zip((mean(a), nll(np.zeros_like(a), a)), expected, strict=True):
        assert found.dtype == np.float32
        assert found == pytest.approx(number, rel=3e-7, abs=3e-7)
    spread = elementwise_grad(mean)(a)
    assert spread.dtype == np.float32
    assert spread == pytest.approx(weighted(logit, lambda x: (x - expected[0]) ** 2)[0], abs=5e-7)


def test_the_density_is_the_papers(rng):
    """C(p) p^x (1 - p)^(1 - x), with C = 2 artanh(1 - 2p) / (1 - 2p), away from p = 1/2."""
    x, p = rng.random((20, 3)), rng.uniform(0.01, 0.4, (20, 3))
    p = np.where(rng.random(p.shape) < 0.5, p, 1 - p)
    log_c = np.log(2 * np.arctanh(1 - 2 * p) / (1 - 2 * p))
    expected = Bernoulli().negloglikelihood(x, special.logit(p)) - log_c.sum(axis=1)
    assert nll(x, special.logit(p)) == pytest.approx(expected, rel=1e-9)


def test_it_integrates_to_1_and_the_bernoulli_does_not():
    for logit, of_bernoulli in ((0.0, 0.5), (3.0, 0.3), (-8.0, 0.12)):
        a = np.array([[logit]])
        integral = lambda f, a=a: integrate.quad(
            lambda x: np.exp(-f(np.array([[x]]), a)).item(), 0, 1
        )[0]
        assert integral(nll) == pytest.approx(1)
        assert integral(Bernoulli().negloglikelihood) == pytest.approx(of_bernoulli, abs=0.02)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_are_finite(dtype):
    x = np.array([[0, 1, 0, 1]], dtype)
    logits = np.array([[-800, -800, 800, 800]], dtype)
    expected = 2 * (800 - np.log(800)) - 2 * np.log(800)
    with np.errstate(all="raise", under="ignore"):
        assert nll(x, logits) == pytest.approx([expected], rel=1e-6)
        grad = autograd.grad(lambda a: anp.sum(nll(x, a)))(logits)
    assert grad == pytest.approx(np.array([[1, -799, 799, -1]]) / 800, rel=1e-4)
    assert grad.dtype == dtype
    far = np.array([[-1e30, 1e30]], dtype)
    assert np.isfinite(autograd.grad(lambda a: anp.sum(nll(x[:, :2], a)))(far)).all()


@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (1, 4, 3)], ids=str)
def test_derivatives_in_data_and_logits(shape, rng):
    x, logits = rng.random(shape), 2 * rng.standard_normal((*shape[:-2], 4, 3))
    check_all_grads(nll, x, logits)


def test_gradients_match_finite_differences(rng):
    x, logits = rng.random((4, 3)), 3 * rng.standard_normal((4, 3))
    logits[0] = 0.0, 1e-9, -0.3

    def total(logits):
        return anp.sum(nll(x, logits) ** 2)

    assert autograd.grad(total)(logits) == pytest.approx(
        finite_differences(total, logits), rel=1e-5, abs=1e-6
    )
    check_grads(total, modes=["rev"], order=3)(logits)


@pytest.mark.parametrize("logit", [-1000.0, -7.0, -0.2, 0.0, 1e-25, 0.4, 12.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_have_the_distribution(logit, dtype, rng):
    logits = np.full((3000, 2), logit, dtype)
    x = ContinuousBernoulli().sample(rng, logits)
    assert x.dtype == dtype
    assert x.min() >= 0
    assert x.max() <= 1

    def below(x):
        lower = lambda x, a: np.expm1(a * x) / np.expm1(a) if abs(a) > 1e-9 else x
        return lower(x, logit) if logit < 0 else 1 - lower(1 - x, -logit)

    for column in x.T.astype(float):
        assert stats.kstest(column, below).pvalue > 1e-3
    assert abs(np.corrcoef(x.T.astype(float))[0, 1]) < 0.1


def test_the_constant_has_the_columns_means_and_no_constant_fits_better(rng):
    X = rng.beta([0.3, 2, 5, 5], [3, 2, 5, 1], (60, 4))
    X[:, 2] = 0.5
    logits = ContinuousBernoulli().constant(X)["logits"]
    assert mean(logits) == pytest.approx((X.sum(axis=0) + 1) / 62, rel=1e-9)
    assert logits[2] == pytest.approx(0, abs=1e-9)
    pseudo = np.concatenate([X, np.zeros((1, 4)), np.ones((1, 4))])  # Laplace's rule
    loss = lambda a: nll(pseudo, np.broadcast_to(a, pseudo.shape)).sum()
    for step in np.concatenate([np.eye(4), -np.eye(4)]):
        assert loss(logits) < loss(logits + 0.01 * step)


def test_a_constant_column_starts_at_a_logit_of_50():
    X = np.tile([0.0, 1.0], (500, 1))
    assert ContinuousBernoulli().constant(X)["logits"] == pytest.approx([-50, 50], rel=1e-9)


def test_data_that_do_not_fit():
    summary = lambda low, high, whole: Summary(np.array(low), np.array(high), whole)
    likelihood = ContinuousBernoulli()
    with pytest.raises(ValueError, match=r"continuous Bernoulli is a density on \[0, 1\]"):
        likelihood.check(summary([0.0], [2.0], False))
    with pytest.warns(UserWarning, match='only zeros and ones.*likelihood="bernoulli"'):
        likelihood.advise(summary([0.0], [1.0], True))
    likelihood.advise(summary([0.0], [0.9], False))


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64])
def test_pixels_and_logits_that_are_not_floats_are_refused(dtype):
    x, logits = np.ones((2, 3)), np.ones((2, 3))
    with pytest.raises(TypeError, match="x has dtype .*; pass floats"):
        nll(x.astype(dtype), logits)
    with pytest.raises(TypeError, match="logits has dtype .*; pass floats"):
        nll(x, logits.astype(dtype))
    with pytest.raises(ValueError, match="the logits are those of 3 pixels"):
        nll(np.ones((2, 1)), logits)


def test_a_fit_by_name_is_saved_and_loaded(digits, quick, tmp_path):
    X = digits[0][:300]
    vae = vaelite.fit(X, **quick, likelihood="continuous_bernoulli")
    assert vae.history["eval_loss"][-1] < vae.history["eval_loss"][0]
    assert vae.params["decoder.logits.W"].dtype == np.float32
    for images in (vae.sample(5, rng=0), vae.sample(5, rng=0, mean=True), vae.reconstruct(X[:5])):
        assert images.shape == (5, 64)
        assert (images >= 0).all()
        assert (images <= 1).all()
    vae.save(tmp_path / "vae.npz")
    loaded = vaelite.load(tmp_path / "vae.npz")
    assert loaded.likelihood == LIKELIHOODS["continuous_bernoulli"]() == ContinuousBernoulli()
    assert np.array_equal(loaded.score_samples(X), vae.score_samples(X))
