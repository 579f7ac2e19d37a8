"""The terms against scipy.stats, quadrature, finite differences, and a textbook's formula."""

import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from helpers import check_all_grads, finite_differences, gaussian_arguments
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from vaelite import (
    kl_divergence,
    negloglikelihood,
    neglogposterior,
    neglogprior,
    reparameterize,
)

GAUSSIANS = pytest.mark.parametrize("term", [negloglikelihood, neglogposterior])


def textbook(x, mu, logsigma):
    """Minus the log of a normal density per element, as in a textbook, for autograd."""
    sigma = anp.exp(logsigma)
    return anp.log(sigma) + 0.5 * anp.log(2 * anp.pi) + (x - mu) ** 2 / (2 * sigma**2)


@GAUSSIANS
@given(arguments=gaussian_arguments())
def test_gaussian_terms_match_scipy(term, arguments):
    x, mu, logsigma = arguments
    expected = -stats.norm(mu, np.exp(logsigma)).logpdf(x).sum(axis=-1)
    assert term(x, mu, logsigma) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(arguments=gaussian_arguments())
def test_prior_matches_scipy(arguments):
    z = arguments[0]
    assert neglogprior(z) == pytest.approx(-stats.norm.logpdf(z).sum(axis=-1), rel=1e-12)


@pytest.mark.parametrize("logsigma", [-2.0, 0.0, 1.5])
@GAUSSIANS
def test_gaussian_densities_integrate_to_one(term, logsigma):
    def density(x):
        return math.exp(-term(np.array([[x]]), np.array([[0.7]]), logsigma)[0])

    assert integrate.quad(density, -60, 60, points=[0.7])[0] == pytest.approx(1, abs=1e-8)


def test_prior_integrates_to_one():
    def density(z):
        return math.exp(-neglogprior(np.array([[z]]))[0])

    assert integrate.quad(density, -20, 20)[0] == pytest.approx(1)


@GAUSSIANS
@given(arguments=gaussian_arguments())
def test_constants_that_normalized_false_drops(term, arguments):
    x, mu, logsigma = arguments
    constants = x.shape[-1] / 2 * math.log(2 * math.pi)
    dropped = term(x, mu, logsigma) - term(x, mu, logsigma, normalized=False)
    assert dropped == pytest.approx(constants, abs=1e-9)
    dropped = neglogprior(x) - neglogprior(x, normalized=False)
    assert dropped == pytest.approx(constants, abs=1e-9)


def test_unnormalized_terms_are_the_lectures():
    x, mu, z = np.array([[1.0, 2.0, 4.0]]), np.array([[1.0, 0.0, 1.0]]), np.array([[3.0, 4.0]])
    logsigma = np.array([[math.log(2)]])
    nll = negloglikelihood(x, mu, logsigma, normalized=False)
    assert nll == pytest.approx(3 * math.log(2) + 13 / 8)
    assert neglogprior(z, normalized=False) == pytest.approx(12.5)


@GAUSSIANS
@given(arguments=gaussian_arguments())
def test_batch_additivity(term, arguments):
    x, mu, logsigma = arguments
    by_row = [logsigma] * len(x) if logsigma.ndim == 0 else logsigma
    rows = [term(*row) for row in zip(x, mu, by_row, strict=True)]
    assert term(x, mu, logsigma) == pytest.approx(np.array(rows), rel=1e-12)


@GAUSSIANS
@given(arguments=gaussian_arguments(), log_a=st.floats(-2, 2))
def test_scale_law(term, arguments, log_a):
    x, mu, logsigma = arguments
    a = math.exp(log_a)
    expected = term(x, mu, logsigma) + x.shape[-1] * log_a
    assert term(a * x, a * mu, logsigma + log_a) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@GAUSSIANS
@given(arguments=gaussian_arguments())
def test_gaussian_derivatives_equal_autograds(term, arguments):
    def by_textbook(*arguments):
        return anp.sum(textbook(*arguments), axis=-1)

    def gradient(function, argnum):
        return autograd.grad(lambda *a: anp.sum(function(*a) ** 2), argnum)(*arguments)

    for argnum in range(3):
        ours = gradient(term, argnum)
        traced, undecorated = gradient(by_textbook, argnum), gradient(term.fun, argnum)
        assert ours == pytest.approx(traced, rel=1e-9, abs=1e-7)
        assert ours == pytest.approx(undecorated, rel=1e-9, abs=1e-7)


@GAUSSIANS
@pytest.mark.parametrize("shape", [(), (4, 1), (4, 3)])
def test_gaussian_derivatives_match_finite_differences(term, shape, rng):
    arguments = [*rng.standard_normal((2, 4, 3)), rng.uniform(-1, 1, shape)]
    for argnum, array in enumerate(arguments):

        def total(value, argnum=argnum):
            return np.sum(term(*[*arguments[:argnum], value, *arguments[argnum + 1 :]]))

        ours = autograd.grad(lambda *a: anp.sum(term(*a)), argnum)(*arguments)
        assert ours == pytest.approx(finite_differences(total, array), abs=1e-6)


SIGMAS = [(), (4, 1), (4, 3)]  # the documented shapes of logsigma


@GAUSSIANS
@pytest.mark.parametrize("shape", SIGMAS, ids=str)
def test_gaussian_derivatives_to_second_order(term, shape, rng):
    check_all_grads(term, *rng.standard_normal((2, 4, 3)), rng.uniform(-1, 1, shape))


@GAUSSIANS
@pytest.mark.parametrize("shape", [(), (4, 1), (5, 4, 1), (5, 4, 3), (1, 4, 3)], ids=str)
def test_derivatives_of_many_samples(term, shape, rng):
    """A row of x is compared with several mu: x is repeated, and so is a logsigma of one sample."""
    logsigma = rng.uniform(-1, 1, shape if len(shape) != 2 else (1, *shape))
    check_all_grads(term, rng.standard_normal((1, 4, 3)), rng.standard_normal((5, 4, 3)), logsigma)
    check_all_grads(term, rng.standard_normal((5, 4, 3)), rng.standard_normal((1, 4, 3)), logsigma)


@GAUSSIANS
def test_derivatives_of_one_feature_and_of_one_row(term, rng):
    for shape in (4, 1), (1, 3), (1, 1):
        x, mu, logsigma = rng.standard_normal((3, *shape))
        check_all_grads(term, x, mu, logsigma)
        check_all_grads(term, x, mu, logsigma[:, :1])


def test_derivatives_of_the_prior_and_of_samples(rng):
    mu, logsigma = rng.standard_normal((4, 3)), rng.uniform(-1, 1, (4, 3))
    check_all_grads(neglogprior, mu)
    check_all_grads(neglogprior, rng.standard_normal((5, 4, 3)))
    for shape in (4, 3), (5, 4, 3):
        check_all_grads(reparameterize, mu, logsigma, rng.standard_normal(shape))


@pytest.mark.parametrize("shape", [*SIGMAS, (5, 4, 3), (5, 4, 1)], ids=str)
def test_kl_divergence(shape, rng):
    """Against scipy's densities by quadrature over eps, one latent at a time."""
    mu = rng.standard_normal((*shape[:-2], 4, 3))
    logsigma = rng.uniform(-1, 1, shape)
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    sigma = np.exp(np.broadcast_to(logsigma, mu.shape))
    z = mu + sigma * nodes.reshape(-1, *[1] * mu.ndim)
    ratio = stats.norm(mu, sigma).logpdf(z) - stats.norm.logpdf(z)
    expected = np.tensordot(weights / weights.sum(), ratio, 1).sum(axis=-1)
    assert kl_divergence(mu, logsigma) == pytest.approx(expected, rel=1e-9)
    check_all_grads(kl_divergence, mu, logsigma)
    gradients = autograd.grad(lambda *a: anp.sum(kl_divergence(*a)), (0, 1))(mu, logsigma)
    assert [np.shape(g) for g in gradients] == [mu.shape, logsigma.shape]


@pytest.mark.parametrize("shape", [(3,), (4,), (4, 2), (1, 4, 3)], ids=str)
def test_kl_divergence_of_other_shapes_is_refused(shape):
    with pytest.raises(ValueError, match="logsigma has shape"):
        kl_divergence(np.zeros((4, 3)), np.zeros(shape))


def test_one_mu_for_many_sigmas(rng):
    mu, logsigma = rng.standard_normal((1, 3)), rng.uniform(-1, 1, (4, 3))
    rows = np.broadcast_to(mu, (4, 3))
    assert kl_divergence(mu, logsigma) == pytest.approx(kl_divergence(rows, logsigma))
    check_all_grads(kl_divergence, mu, logsigma)


@pytest.mark.parametrize("term", [kl_divergence, negloglikelihood, neglogposterior])
@pytest.mark.parametrize("shape", [(5, 3), (5, 1), (2, 3)], ids=str)
def test_other_numbers_of_rows_are_refused_in_words(term, shape):
    arguments = [np.zeros((4, 3))] * (1 if term is kl_divergence else 2)
    with pytest.raises(
        ValueError, match=r"examples differ, got .*mu \(4, 3\), logsigma \(\d, \d\)"
    ):
        term(*arguments, np.zeros(shape))
    with pytest.raises(ValueError, match="examples differ"):
        term(*arguments[:-1], np.zeros((6, 3)), np.zeros((4, 1)))


CALLS = {
    "negloglikelihood": (negloglikelihood, ["x", "mu", "logsigma"]),
    "neglogposterior": (neglogposterior, ["z", "mu", "logsigma"]),
    "neglogprior": (neglogprior, ["z"]),
    "reparameterize": (reparameterize, ["mu", "logsigma", "eps"]),
    "kl_divergence": (kl_divergence, ["mu", "logsigma"]),
}
ARGUMENTS = [(name, argument) for name, (_, names) in CALLS.items() for argument in names]


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_arrays_that_are_not_floats_are_refused(name, argument, dtype):
    """Integers wrap around: -uint8(1) is 255. uint8 may be gray levels, not divided by 255."""
    term, names = CALLS[name]
    arrays = {n: np.ones((4, 3), dtype if n == argument else np.float32) for n in names}
    with pytest.raises(TypeError, match=f"^{argument} has dtype .*; pass floats"):
        term(*arrays.values())


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_masked_arrays_are_refused(name, argument):
    """Their sums would contain the masked elements."""
    term, names = CALLS[name]
    masked = np.ma.masked_array(np.ones((4, 3)), np.eye(4, 3) > 0)
    with pytest.raises(TypeError, match=f"^{argument} is a masked array"):
        term(*(masked if n == argument else np.ones((4, 3)) for n in names))


def test_python_numbers_are_floats():
    x = np.zeros((1, 2))
    assert negloglikelihood(x, x, 0) == pytest.approx(math.log(2 * math.pi))
    assert kl_divergence(x, 0) == pytest.approx(0)


@pytest.mark.parametrize("shape", [(), (2, 1)], ids=str)
def test_terms_of_many_pixels_keep_their_digits(shape, rng):
    """At D = 196,608 one float32 sum after the other was 21 nats off."""
    D = 196_608
    x, mu = rng.random((2, 2, D), dtype=np.float32)
    logsigma = np.full(shape, -2.0, np.float32)
    expected = -stats.norm(mu.astype(float), math.exp(-2)).logpdf(x).sum(axis=-1)
    assert negloglikelihood(x, mu, logsigma) == pytest.approx(expected, rel=2e-6)
    expected = np.sum(x.astype(float) ** 2, axis=-1) / 2
    assert neglogprior(x, normalized=False) == pytest.approx(expected, rel=2e-6)


@given(arguments=gaussian_arguments(shapes=("full",)))
def test_reparameterize(arguments):
    eps, mu, logsigma = arguments
    assert reparameterize(mu, logsigma, np.zeros_like(eps)) == pytest.approx(mu)
    assert reparameterize(mu, logsigma, eps) == pytest.approx(mu + np.exp(logsigma) * eps)
    d_mu, d_logsigma = (
        autograd.grad(lambda *a: anp.sum(reparameterize(*a, eps)), i)(mu, logsigma) for i in (0, 1)
    )
    assert d_mu == pytest.approx(np.ones_like(mu))
    assert d_logsigma == pytest.approx(np.exp(logsigma) * eps)


def test_reparameterize_many_samples(rng):
    mu, eps = rng.standard_normal((4, 2)), rng.standard_normal((7, 4, 2))
    logsigma = rng.uniform(-1, 1, (4, 2))
    assert reparameterize(mu, logsigma, eps).shape == (7, 4, 2)
    d_mu = autograd.grad(lambda m: anp.sum(reparameterize(m, logsigma, eps)))(mu)
    assert d_mu == pytest.approx(np.full((4, 2), 7.0))


def test_terms_of_many_samples_broadcast(rng):
    x, mu = rng.standard_normal((1, 4, 3)), rng.standard_normal((5, 4, 3))
    logsigma = rng.uniform(-1, 1, (5, 4, 1))
    expected = -stats.norm(mu, np.exp(logsigma)).logpdf(x).sum(axis=-1)
    assert negloglikelihood(x, mu, logsigma) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_stay(dtype, rng):
    x, mu, eps = rng.standard_normal((3, 4, 3)).astype(dtype)
    logsigma = rng.uniform(-1, 1, (4, 1)).astype(dtype)
    assert neglogposterior(x, mu, logsigma).dtype == dtype
    assert neglogprior(x, normalized=False).dtype == dtype
    for term, arguments in (
        (negloglikelihood, (x, mu, logsigma)),
        (reparameterize, (mu, logsigma, eps)),
        (neglogprior, (x,)),
    ):
        assert term(*arguments).dtype == dtype
        for argnum in range(len(arguments)):
            gradient = autograd.grad(lambda *a, term=term: anp.sum(term(*a)), argnum)
            assert gradient(*arguments).dtype == dtype


def test_arguments_are_never_changed(rng):
    arguments = [*rng.standard_normal((2, 4, 3)), rng.uniform(-1, 1, (4, 1))]
    copies = [array.copy() for array in arguments]
    negloglikelihood(*arguments)
    for argnum in range(3):
        autograd.grad(lambda *a: anp.sum(negloglikelihood(*a)), argnum)(*arguments)
    assert all(map(np.array_equal, arguments, copies))


@GAUSSIANS
@pytest.mark.parametrize(
    ("mu_shape", "logsigma_shape"),
    [((4, 2), (4, 1)), ((4,), (4, 1)), ((4, 3), (4,)), ((4, 3), (3,)), ((4, 3), (4, 2))],
)
def test_shapes_that_would_broadcast_silently_are_refused(term, mu_shape, logsigma_shape):
    with pytest.raises(ValueError, match="should"):
        term(np.zeros((4, 3)), np.zeros(mu_shape), np.zeros(logsigma_shape))


def test_the_prior_of_several_samples_of_each_code(rng):
    z = rng.standard_normal((2, 3, 4))
    expected = -stats.norm.logpdf(z).sum(axis=-1)
    assert neglogprior(z) == pytest.approx(expected)
