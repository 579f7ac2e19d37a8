"""log p(x): importance weighting and quadrature against closed forms, and against each other."""

import numpy as np
import pytest
from helpers import spy_on_decoder

import vaelite
from vaelite.inference import importance


@pytest.fixture(scope="module")
def trained(digits):
    return vaelite.fit(digits[0], hidden_dim=32, max_epochs=12, stopping="epochs", rng=0)


def test_samples_from_the_prior_help_a_q_that_misses_a_part_of_the_posterior(linear):
    vae, model, X = linear
    X = X[np.linalg.norm(model.posterior(X)[0], axis=1) < 1.5]
    mu, covariance = model.posterior(X)
    wrong = mu + 4 * np.sqrt(np.diag(covariance)), np.full_like(mu, -2.0)
    exact = model.score_samples(X)
    saved = vaelite.log_evidence(vae, X, 2000, q=wrong).value - exact
    lost = vaelite.log_evidence(vae, X, 2000, q=wrong, prior_share=0).value - exact
    assert np.abs(saved).max() < 0.5
    assert lost.mean() < -1


def test_one_sample_is_the_models_score(vae, digits):
    """With the same noise, from equal Generators; an int has another stream for each."""
    noise, same = np.random.default_rng(5), np.random.default_rng(5)
    found = vaelite.log_evidence(vae, digits[0], 1, noise)
    assert found.value == pytest.approx(vae.score_samples(digits[0], same), rel=1e-5, abs=1e-6)
    assert np.isnan(found.standard_error).all()


def test_more_samples_raise_the_bound(vae, digits):
    X, Ks = digits[0][:200], (1, 10, 100, 500)
    means = [vaelite.log_evidence(vae, X, K, prior_share=0).value.mean() for K in Ks]
    assert means == sorted(means)


def test_sums_over_parts_are_those_over_all_weights(rng):
    """Of 100 codes from two sources, in four parts: the estimate, and the heaviest code."""
    z, log_w = rng.standard_normal((100, 3, 2)), 2 * rng.standard_normal((100, 3))
    sums = importance._Sums(3, 2, 100)
    for part, source in enumerate("aabb"):
        rows = slice(25 * part, 25 * part + 25)
        sums.add(source, z[rows], log_w[rows])
    value, _, effective, k = sums.estimate()
    w = np.exp(log_w)
    assert value == pytest.approx(np.log(w.mean(axis=0)))
    assert effective == pytest.approx(w.sum(axis=0) ** 2 / (w**2).sum(axis=0))
    tail = np.sort(w, axis=0)[-importance.tail_length(100) - 1 :]
    assert k == pytest.approx(importance.k_hat(tail))
    assert sums.code == pytest.approx(z[log_w.argmax(axis=0), np.arange(3)])


def test_the_noise_of_an_elbo_is_the_same_in_every_call(vae, digits):
    found = [vaelite.elbo(vae, digits[0][:5], 3, *rng).value for rng in ((), (0,), (1,))]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


@pytest.mark.parametrize("n_samples", [3, 50, 2500])
def test_memory_is_bounded(n_samples, vae, digits, monkeypatch):
    codes = spy_on_decoder(monkeypatch)
    X = digits[0][: 1100 if n_samples < 100 else 2]
    vaelite.log_evidence(vae, X, n_samples, prior_share=0)
    rows = [len(z) for z in codes]
    assert max(rows) <= importance.CHUNK_ROWS
    assert sum(rows) == n_samples * len(X)
    codes.clear()
    vaelite.log_evidence(vae, X[:2], max(n_samples, 25))  # the mixture, with `infer`
    assert max(map(len, codes)) <= importance.CHUNK_ROWS


def test_custom_terms_and_other_likelihoods(digits, quick):
    def wide_prior(z):
        return vaelite.neglogprior(z / 2) + z.shape[-1] * np.log(2)

    few = {**quick, "hidden_dim": 16}
    vae = vaelite.fit(digits[0], **few, likelihood="bernoulli", neglogprior=wide_prior)
    X = digits[0][:3]
    exact, error = vaelite.Quadrature(vae, n_nodes=81, extent=16).log_evidence(X)
    assert error.max() < 0.001
    found = vaelite.log_evidence(vae, X, 2000)
    assert np.abs((found.value - exact) / found.standard_error).max() < 4
    levels = np.rint(digits[0] * 16).astype(np.uint8)
    vae = vaelite.fit(levels[:600], **few, likelihood=vaelite.Categorical(17))
    exact, error = vaelite.Quadrature(vae, n_nodes=41, extent=8).log_evidence(levels[:1])
    assert error.max() < 0.001
    found = vaelite.log_evidence(vae, levels[:1], 1000)
    assert np.abs((found.value - exact) / found.standard_error).max() < 4


def test_invalid_arguments_are_refused(vae, digits, quick):
    with pytest.raises(ValueError, match="q should be a pair"):
        vaelite.log_evidence(vae, digits[0], q=np.zeros((1797, 2)))
    with pytest.raises(ValueError, match=r"of shape \(1797, 2\), got \[\(5, 2\)"):
        vaelite.log_evidence(vae, digits[0], q=(np.zeros((5, 2)), np.zeros((5, 2))))
    with pytest.raises(ValueError, match="prior_share should be"):
        vaelite.log_evidence(vae, digits[0], prior_share=1)
    with pytest.raises(ValueError, match="features"):
        vaelite.log_evidence(vae, digits[0][:, :5])
    with pytest.raises(vaelite.NotFittedError):
        vaelite.log_evidence(vaelite.VAE(), digits[0])


NEED_A_POSTERIOR = [
    vaelite.log_evidence,
    vaelite.elbo,
    vaelite.infer,
    vaelite.elbo_parts,
    vaelite.kl_split,
    vaelite.inference_gaps,
    lambda vae, X: vaelite.Quadrature(vae),
    lambda vae, X: vaelite.plots.posterior(vae, X[0]),
    lambda vae, X: vaelite.plots.completions(vae, X, np.ones(64, bool)),
]


def test_models_without_a_posterior_or_not_fitted_are_refused(digits, quick):
    X, ae = digits[0][:5], vaelite.fit_autoencoder(digits[0], **quick)
    for function in NEED_A_POSTERIOR:
        with pytest.raises(ValueError, match=r"Autoencoder has no q\(z\|x\)"):
            function(ae, X)
        with pytest.raises(vaelite.NotFittedError):
            function(vaelite.VAE(), X)


def test_a_q_that_is_not_finite_is_refused(vae, digits):
    with pytest.raises(ValueError, match="not finite"):
        vaelite.log_evidence(vae, digits[0][:2], q=(np.full((2, 2), np.nan), np.zeros((2, 2))))


# The 95 % interval: benchmarks/calibration.py prints a table.


def repeats(estimate, exact, number):
    """Standardized errors of rows, (number, n); and which intervals cover the mean."""
    found = [estimate(rng) for rng in range(number)]
    z = np.array([(one.value - exact) / one.standard_error for one in found])
    intervals = [one.interval for one in found if one.interval is not None]
    return z, [low < exact.mean() < high for low, high in intervals]


def test_the_interval_covers_the_closed_form(linear):
    vae, model, X = linear
    exact = model.score_samples(X[:20])
    q = [array[:20] + 0.2 for array in model.diagonal_posterior(X)]
    z, covered = repeats(lambda rng: vaelite.log_evidence(vae, X[:20], 400, rng, q), exact, 30)
    assert len(covered) > 25
    assert 0.85 < np.mean(covered) <= 1
    assert z.mean() == pytest.approx(0, abs=0.15)
    assert 0.9 < z.std() < 1.1


def test_the_interval_of_the_elbo_covers_the_closed_form(linear):
    vae, model, X = linear
    exact = model.elbo(X, *vae.encode(X))
    z, covered = repeats(lambda rng: vaelite.elbo(vae, X, 200, rng), exact, 30)
    assert len(covered) == 30
    assert 0.87 < np.mean(covered) <= 1
    best, sure = model.diagonal_posterior(X), model.score_samples(X) - model.gap()
    z, _ = repeats(lambda rng: vaelite.elbo(vae, X, 200, rng, best), sure, 30)
    assert z.mean() == pytest.approx(0, abs=0.1)
    assert 0.93 < z.std() < 1.07


def test_the_standard_error_of_few_samples_is_not_too_small(linear):
    """Its square is an unbiased estimate of the variance, for two samples as well."""
    vae, model, X = linear
    q = model.diagonal_posterior(X)
    found = [vaelite.elbo(vae, X, 2, rng, q) for rng in range(200)]
    claimed = np.mean([one.standard_error**2 for one in found], axis=0).mean()
    assert claimed == pytest.approx(np.var([o.value for o in found], axis=0).mean(), rel=0.1)


def test_samples_from_the_prior_are_from_the_prior(linear):
    """With a q that covers nothing, they alone decide; their density must be theirs."""
    vae, model, X = linear
    X = X[np.linalg.norm(model.posterior(X)[0], axis=1) < 0.7]
    far = np.full((len(X), 2), 6.0), np.full((len(X), 2), -3.0)
    found = vaelite.log_evidence(vae, X, 5000, q=far, prior_share=0.9)
    z = (found.value - model.score_samples(X)) / found.standard_error
    assert np.abs(z).max() < 4
    assert np.abs(found.value - model.score_samples(X)).mean() < 0.05


@pytest.fixture(scope="module")
def two_modes():
    """A decoder with the mean |z|; the encoder knows one mode only, the positive one."""
    likelihood = vaelite.Gaussian(mean="identity", sigma=0.02, floor=None)
    vae = vaelite.VAE(1, (2,), likelihood=likelihood).build(1, np.float64, rng=0)
    for name, array in {
        "decoder.0.W": [[1, -1]],
        "decoder.0.b": [0, 0],
        "decoder.mu.W": [[1], [1]],
        "decoder.mu.b": [0],
        "encoder.0.W": [[1, -1]],
        "encoder.0.b": [0, 0],
        "encoder.mu.W": [[1], [-1]],
        "encoder.mu.b": [0],
        "encoder.logsigma.W": [[0], [0]],
        "encoder.logsigma.b": [np.log(0.02)],
    }.items():
        vae.params[name][:] = array
    return vae, np.linspace(0.5, 2, 20)[:, None]


@pytest.mark.parametrize("n_samples", [100, 1000])
def test_it_finds_a_mode_that_the_encoder_misses(n_samples, two_modes):
    vae, X = two_modes
    exact, _ = vaelite.Quadrature(vae).log_evidence(X)
    found = vaelite.log_evidence(vae, X, n_samples)
    textbook = vaelite.log_evidence(vae, X, n_samples, prior_share=0)
    assert textbook.value - exact == pytest.approx(np.full(20, -np.log(2)), abs=0.1)
    assert np.abs(found.value - exact).max() < 0.3
    assert found.interval[0] < exact.mean() < found.interval[1]


def test_rows_with_a_heavy_tail_have_no_interval(linear):
    vae, model, X = linear
    mu, logsigma = model.diagonal_posterior(X)
    narrow = mu, np.where(np.arange(60)[:, None] < 20, logsigma - 1.5, logsigma + 0.2)
    found = vaelite.log_evidence(vae, X, 500, q=narrow, prior_share=0)
    assert found.is_trusted[:20].mean() < 0.3 < 0.9 < found.is_trusted[20:].mean()
    assert found.interval is None
    assert f"no interval: {np.sum(~found.is_trusted)} of 60 rows have" in str(found)
    assert "no interval" in str(found)
    assert "+-" not in str(found)


def test_the_interval_is_printed(linear):
    vae, model, X = linear
    found = vaelite.log_evidence(vae, X, 500, q=model.diagonal_posterior(X))
    half = 1.96 * np.sqrt(np.sum(found.standard_error**2)) / 60
    assert (
        str(found)
        == f"{found.value.mean():.3f} +- {half:.3f} nats per example (mean over 60, 95 % interval)"
    )
    assert "no interval: it needs 25 samples or more" in str(vaelite.log_evidence(vae, X, 24))
    assert "no interval: it needs 2 samples or more" in str(vaelite.elbo(vae, X, 1))


def test_a_condition_and_arrays_on_disk_reach_the_second_round(tmp_path, digits, quick):
    X, C = np.float32(digits[0][:40]), np.eye(10)[digits[1][:40]]
    vae = vaelite.fit(X, condition=C, **quick)
    vae.params["encoder.logsigma.b"] -= 2  # heavy tails
    np.save(tmp_path / "X.npy", X)
    on_disk = np.load(tmp_path / "X.npy", mmap_mode="r")
    found = vaelite.log_evidence(vae, on_disk, 200, condition=C)
    again = vaelite.log_evidence(vae, X.tolist(), 200, condition=C)
    assert np.array_equal(found.value, again.value)
    textbook = vaelite.log_evidence(vae, X, 200, condition=C, prior_share=0)
    assert np.median(found.pareto_k) < 0.5 < np.median(textbook.pareto_k)


@pytest.mark.parametrize(
    "n_samples",
    [pytest.param(300, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.exhaustive)],
)
def test_the_interval_covers_the_quadrature_of_the_digits(n_samples, trained, digits):
    X = digits[0][:20]
    exact, error = vaelite.Quadrature(trained).log_evidence(X)
    assert (error < 1e-3).all()
    _, covered = repeats(lambda rng: vaelite.log_evidence(trained, X, n_samples, rng), exact, 200)
    assert len(covered) > 100  # the others are withheld
    assert 0.9 <= np.mean(covered) <= 0.99


def test_it_agrees_with_the_quadrature_of_the_digits(trained, digits):
    X = digits[0][:10]
    exact, error = vaelite.Quadrature(trained).log_evidence(X)
    assert (error < 0.001).all()
    found = vaelite.log_evidence(trained, X)
    assert np.abs(found.value - exact)[found.is_trusted].max() < 0.2
    assert found.value.mean() == pytest.approx(exact.mean(), abs=0.02)
