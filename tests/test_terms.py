"""The terms against scipy.stats, quadrature, finite differences, and a textbook's formula."""

import math

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from helpers import finite_differences, gaussian_arguments
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from vaelite import negloglikelihood, neglogposterior, neglogprior, reparameterize

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


def test_derivatives_of_derivatives(rng):
    x, mu, z = rng.standard_normal((3, 4, 3))
    logsigma, column = rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, (4, 1))

    def check(term, *arguments):
        check_grads(lambda *a: anp.sum(term(*a)), modes=["rev"], order=2)(*arguments)

    check(lambda mu, logsigma: negloglikelihood(x, mu, logsigma), mu, column)
    check(neglogposterior, z, mu, logsigma)
    check(neglogprior, z)
    check(lambda mu, logsigma: reparameterize(mu, logsigma, x), mu, logsigma)


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
