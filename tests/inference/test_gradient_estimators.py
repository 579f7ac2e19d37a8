"""The gradient estimators: no bias, and the variances that theory predicts."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import vaelite
from vaelite import gradient_estimators as estimators
from vaelite.inference.gradient_estimators import ESTIMATORS, exact_gradient, measure

X = np.array([[1.0, -0.5, 0.3], [0.0, 0.8, -1.2]])


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(3)
    return vaelite.ProbabilisticPCA(rng.standard_normal((2, 3)), rng.standard_normal(3), 0.6)


@pytest.fixture(scope="module")
def q():
    rng = np.random.default_rng(4)
    return rng.standard_normal((2, 2)), rng.uniform(-1.5, 0, (2, 2))


def nll_of(model):
    def nll(z):
        return vaelite.negloglikelihood(np.broadcast_to(X, (*z.shape[:-1], 3)), *model.decode(z))

    return nll


def exact_of(model, q):
    return np.stack([autograd.grad(lambda *q: -anp.sum(model.elbo(X, *q)), i)(*q) for i in (0, 1)])


@pytest.mark.parametrize("n_samples", [2, 5])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_mean_is_the_exact_gradient_within_its_confidence_interval(name, n_samples, model, q):
    exact, settings = exact_of(model, q), {"n_samples": n_samples, "repetitions": 20_000}
    found = measure(ESTIMATORS[name], nll_of(model), *q, exact, **settings)
    assert found.mean.shape == (2, 2, 2)
    assert (np.abs(found.bias) < 4 * found.standard_error).all()
    # an estimate of zeros, or with the other sign, would not pass
    assert (np.abs(exact) > 8 * found.standard_error).any()


def test_variances_fall_in_the_order_that_theory_has(model, q):
    variances = {
        name: measure(estimator, nll_of(model), *q, n_samples=8, repetitions=5000).variance.sum()
        for name, estimator in ESTIMATORS.items()
    }
    assert variances["score_with_baseline"] < variances["score_function"]
    assert variances["pathwise"] < 0.2 * variances["score_function"]
    assert variances["analytic_kl"] < variances["pathwise"]


INDEPENDENT = ["score_function", "pathwise", "analytic_kl", "sticking_the_landing"]


@pytest.mark.parametrize("name", INDEPENDENT)
def test_variance_falls_as_one_over_the_samples(name, model, q):
    arguments = (ESTIMATORS[name], nll_of(model), *q)
    one, many = (measure(*arguments, n_samples=K, repetitions=20_000) for K in (1, 16))
    assert one.variance / many.variance == pytest.approx(np.full((2, 2, 2), 16), rel=0.25)


def test_at_the_exact_posterior_sticking_the_landing_has_no_variance():
    model = vaelite.ProbabilisticPCA(np.array([[2.0, 0.0, 0.0], [0.0, 0.5, 0.0]]), np.zeros(3), 0.6)
    q = model.diagonal_posterior(X)
    q = q[0], np.array(q[1])
    none, some = (
        measure(ESTIMATORS[name], nll_of(model), *q, repetitions=200)
        for name in ("sticking_the_landing", "pathwise")
    )
    assert none.variance == pytest.approx(np.zeros((2, 2, 2)), abs=1e-20)
    assert none.mean == pytest.approx(np.zeros((2, 2, 2)), abs=1e-10)
    assert some.variance.max() > 0.1


def test_the_exact_gradient_by_quadrature_is_the_closed_form(model, q):
    found = np.stack(exact_gradient(nll_of(model), *q, n_nodes=4))
    assert found == pytest.approx(exact_of(model, q))


def test_the_exact_gradient_of_a_nonlinear_decoder():
    def nll(z):
        return anp.sum(anp.sin(2 * z) + z**4 / 10, axis=-1)

    mu, logsigma = np.array([[0.4]]), np.array([[-0.3]])
    exact = np.stack(exact_gradient(nll, mu, logsigma))
    for estimator in (estimators.score_with_baseline, estimators.pathwise):
        found = measure(estimator, nll, mu, logsigma, exact, n_samples=4, repetitions=20_000)
        assert (np.abs(found.bias) < 4 * found.standard_error).all()


def test_a_trained_models_gradients(quick, digits):
    """On the digits, both estimators have one mean; the score function has far more variance."""
    vae = vaelite.fit(digits[0], **quick, batch_size=128, start="network")
    x = digits[0][:2]
    mu, logsigma = vae.encode(x)
    objective = vae.loss()

    def nll(z):
        flat = anp.reshape(z, (-1, 2))
        images = np.tile(x, (z.shape[0], 1))
        values = objective.negloglikelihood(images, *objective.decode(vae.params, flat))
        return anp.reshape(values, z.shape[:-1])

    score, path = (
        measure(ESTIMATORS[name], nll, mu, logsigma, n_samples=4, repetitions=5000)
        for name in ("score_function", "pathwise")
    )
    assert score.mean.dtype == path.mean.dtype == np.float32
    error = np.hypot(score.standard_error, path.standard_error)
    assert (np.abs(score.mean - path.mean) < 4 * error).all()
    assert path.variance.sum() < 0.05 * score.variance.sum()


def test_determinism_and_chunks(model, q, monkeypatch):
    first, again = (
        measure(estimators.pathwise, nll_of(model), *q, repetitions=50, rng=1) for _ in range(2)
    )
    assert np.array_equal(first.mean, again.mean)
    monkeypatch.setattr(estimators, "CHUNK", 7)
    chunked = measure(estimators.pathwise, nll_of(model), *q, repetitions=50, rng=1)
    assert chunked.mean == pytest.approx(first.mean)


def recorder():
    """An estimator that returns its noise, and the list in which it keeps a copy."""
    seen = []

    def estimator(nll, mu, logsigma, eps):
        seen.append(eps.copy())
        return eps[0], eps[-1]

    return estimator, seen


def test_every_sample_of_every_row_and_estimate_has_its_own_noise(model, q, monkeypatch):
    monkeypatch.setattr(estimators, "CHUNK", 30)  # 5 estimates at a time
    estimator, seen = recorder()
    measure(estimator, nll_of(model), *q, n_samples=3, repetitions=52)
    numbers = np.concatenate([eps.ravel() for eps in seen])
    assert len(np.unique(numbers)) == len(numbers) == 3 * 52 * 2 * 2
    assert len(seen) > 5


def test_the_statistics_of_estimates_that_are_known(model, q):
    estimator, seen = recorder()
    found = measure(estimator, nll_of(model), *q, n_samples=2, repetitions=3)
    estimates = np.concatenate(seen, axis=1).reshape(2, 3, 2, 2)
    assert found.mean == pytest.approx(estimates.mean(axis=1))
    squares = (estimates - estimates.mean(axis=1, keepdims=True)) ** 2
    assert found.variance == pytest.approx(squares.sum(axis=1) / 2)  # n - 1
    assert found.standard_error == pytest.approx(np.sqrt(squares.sum(axis=1) / 2 / 3))


def test_invalid_arguments_are_refused(model, q):
    with pytest.raises(ValueError, match="2 samples or more"):
        measure(estimators.score_with_baseline, nll_of(model), *q, n_samples=1)
    with pytest.raises(ValueError, match="repetitions should be 2 or more"):
        measure(estimators.pathwise, nll_of(model), *q, repetitions=1)
    with pytest.raises(ValueError, match="for 1 or 2 latents, got 3"):
        exact_gradient(nll_of(model), np.zeros((2, 3)), np.zeros((2, 3)))


MISTAKES = [
    lambda nats: nats[..., None],
    anp.mean,
    anp.sum,
    lambda nats: nats.T,
    lambda nats: nats[:, :1],
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_nll_of_another_shape_is_refused(mistake, model, q):
    def nll(z):
        return mistake(nll_of(model)(z))

    for call in (
        lambda: exact_gradient(nll, *q),
        lambda: measure(estimators.pathwise, nll, *q),
        lambda: estimators.score_function(nll, *q, np.zeros((5, 2, 2))),
    ):
        with pytest.raises(ValueError, match="nll should return one number per sample and row"):
            call()


def test_integers_are_taken_as_floats(model):
    eps = np.random.default_rng(0).standard_normal((4, 2, 2))
    for estimate in ESTIMATORS.values():
        found = estimate(nll_of(model), [[1, 0], [2, 1]], np.zeros((2, 2), int), eps)
        floats = np.array([[1.0, 0], [2, 1]]), np.zeros((2, 2))
        expected = estimate(nll_of(model), *floats, eps)
        assert np.stack(found) == pytest.approx(np.stack(expected))


def test_shapes_are_checked(model, q):
    with pytest.raises(ValueError, match=r"mu and logsigma should be \(n, latent_dim\)"):
        estimators.pathwise(nll_of(model), q[0], q[1][:1], np.zeros((4, 2, 2)))
    with pytest.raises(ValueError, match=r"eps should be \(n_samples, 2, 2\), got shape \(2, 2\)"):
        estimators.pathwise(nll_of(model), *q, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="exact="):
        measure(estimators.pathwise, nll_of(model), *q).bias  # noqa: B018
