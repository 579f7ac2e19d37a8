"""The parts of an ELBO: they add up, and they match their names."""

import numpy as np
import pytest
from scipy import integrate, stats

import vaelite
from vaelite.arrays.streams import Stream, sampling_generator
from vaelite.inference import decompositions


@pytest.fixture(scope="module")
def wide(digits, quick):
    """A model with more latents than it can use after a few epochs."""
    return vaelite.fit(digits[0], **quick, latent_dim=8, kl="analytic")


def test_the_parts_add_up_to_the_elbo(wide, digits):
    found = vaelite.elbo_parts(wide, digits[0])
    objective = wide.loss(kl="analytic")
    noise = sampling_generator(0, Stream.SCORE)
    batches = wide.noisy_batches(digits[0], noise)
    loss = np.concatenate([objective.parts(wide.params, b.x, b.eps)[0] for b in batches])
    assert found.elbo == pytest.approx(-loss, rel=1e-4, abs=1e-4)
    assert found.kl.shape == (1797, 8)
    assert (found.kl >= 0).all()
    kl = vaelite.kl_divergence(*wide.encode(digits[0]))
    assert found.kl.sum(axis=1) == pytest.approx(kl, rel=1e-5)


def test_active_units_are_those_whose_mean_varies(digits):
    """A latent whose weights are set to 0 is inactive, and its KL is 0."""
    vae = vaelite.VAE(3, 16).build(64, rng=0)
    vae.params["encoder.mu.W"][:, 1] = 0
    vae.params["encoder.logsigma.W"][:, 1] = 0
    assert vaelite.active_units(vae, digits[0]).tolist() == [True, False, True]
    assert vaelite.elbo_parts(vae, digits[0]).kl[:, 1].max() == 0
    assert not vaelite.active_units(vae, digits[0], threshold=100).any()


def test_a_latent_is_active_if_the_variance_of_its_mean_is_above_the_threshold(digits):
    vae = vaelite.VAE(3, 16).build(64, np.float64, rng=0)
    deviation = vae.codes(digits[0]).std(axis=0)
    vae.params["encoder.mu.W"] *= np.sqrt([0.008, 0.012, 0]) / deviation
    vae.params["encoder.mu.b"] += 5  # the mean of the codes does not count
    assert vaelite.active_units(vae, digits[0]).tolist() == [False, True, False]
    assert vaelite.active_units(vae, digits[0], threshold=0.007).tolist() == [True, True, False]
    assert vaelite.active_units(vae, digits[0], threshold=0).tolist() == [True, True, False]


def test_the_reconstruction_is_that_of_one_sample(vae, digits):
    """Of each row's own q, in all batches; the KL is in closed form."""
    found = vaelite.elbo_parts(vae, digits[0], rng=np.random.default_rng(5))
    mu, logsigma = vae.encode(digits[0])
    eps = np.random.default_rng(5).standard_normal(mu.shape, dtype=np.float32)
    mu_x, logsigma_x = vae.decode(mu + np.exp(logsigma) * eps)
    expected = -stats.norm(mu_x, np.exp(logsigma_x)).logpdf(digits[0]).sum(axis=1)
    assert found.reconstruction == pytest.approx(expected, abs=1e-3)
    variances = np.exp(2 * logsigma.astype(np.float64))
    kl = (mu.astype(np.float64) ** 2 + variances - np.log(variances) - 1) / 2
    assert found.kl == pytest.approx(kl, abs=1e-5)


def test_a_threshold_below_0_is_refused(vae, digits):
    with pytest.raises(ValueError, match="threshold should be 0 or more"):
        vaelite.active_units(vae, digits[0], threshold=-0.1)


@pytest.mark.parametrize("shift", [0.0, 20.0])
def test_the_splits_standard_error_is_the_larger_one_of_its_parts(shift):
    """Codes far from 0 have a marginal part that varies much more; equal codes have both."""
    vae = vaelite.VAE(1, 8, likelihood=vaelite.Gaussian("identity")).build(3, np.float64, rng=0)
    vae.params["encoder.mu.b"] += shift
    X = np.random.default_rng(0).standard_normal((50, 3))
    found = vaelite.kl_split(vae, X, rng=np.random.default_rng(5))
    mu, sigma = (f(a) for f, a in zip((np.array, np.exp), vae.encode(X), strict=True))
    z = mu + sigma * np.random.default_rng(5).standard_normal((50, 1))
    log_mixture = np.log(stats.norm(mu[:, 0], sigma[:, 0]).pdf(z).mean(axis=1))
    information = stats.norm(mu, sigma).logpdf(z)[:, 0] - log_mixture
    marginal = log_mixture - stats.norm.logpdf(z)[:, 0]
    assert found.mutual_information == pytest.approx(information.mean())
    assert found.marginal_kl == pytest.approx(marginal.mean())
    errors = [part.std(ddof=1) / 50**0.5 for part in (information, marginal)]
    assert found.standard_error == pytest.approx(max(errors))


def test_two_rows_have_a_standard_error_and_one_has_none(vae, digits):
    assert vaelite.kl_split(vae, digits[0][:2]).standard_error > 0
    assert np.isnan(vaelite.kl_split(vae, digits[0][:1]).standard_error)


def test_the_split_of_the_kl_adds_up(vae, digits):
    split = vaelite.kl_split(vae, digits[0])
    kl = vaelite.kl_divergence(*vae.encode(digits[0])).mean()
    assert split.kl == pytest.approx(kl, abs=4 * split.standard_error)
    assert 0 < split.mutual_information <= np.log(1797)
    assert split.marginal_kl > 0


def test_the_split_against_quadrature():
    """With one latent the mixture q(z) can be integrated."""
    vae = vaelite.VAE(1, 8, likelihood=vaelite.Gaussian("identity")).build(3, np.float64, rng=0)
    vae.params["encoder.logsigma.b"] += np.log(0.3)
    X = 2 * np.random.default_rng(0).standard_normal((400, 3))
    mu, logsigma = vae.encode(X)

    z = np.linspace(-8, 8, 4001)
    mixture = stats.norm(mu, np.exp(logsigma)).pdf(z).mean(axis=0)
    marginal = integrate.simpson(mixture * (np.log(mixture) - stats.norm.logpdf(z)), x=z)
    splits = [vaelite.kl_split(vae, X, rng=seed) for seed in range(20)]
    mean, error = np.mean([s.marginal_kl for s in splits]), splits[0].standard_error / 20**0.5
    assert mean == pytest.approx(marginal, abs=4 * error)
    information = vaelite.kl_divergence(mu, logsigma).mean() - marginal
    found = np.mean([s.mutual_information for s in splits])
    assert found == pytest.approx(information, abs=4 * error)


def test_codes_that_do_not_depend_on_x_have_no_mutual_information(digits):
    vae = vaelite.VAE(2, 16).build(64, rng=0)
    for name in ("mu", "logsigma"):
        vae.params[f"encoder.{name}.W"][:] = 0
    vae.params["encoder.mu.b"][:] = 1.5
    split = vaelite.kl_split(vae, digits[0])
    assert split.mutual_information == pytest.approx(0, abs=1e-5)
    assert split.marginal_kl == pytest.approx(1.5**2, abs=4 * split.standard_error)


def test_blocks_change_nothing(vae, digits, monkeypatch):
    whole = vaelite.kl_split(vae, digits[0]).mutual_information
    monkeypatch.setattr(decompositions, "BLOCK", 5000)
    in_blocks = vaelite.kl_split(vae, digits[0]).mutual_information
    assert in_blocks == pytest.approx(whole, abs=1e-12)


def test_the_gaps_of_a_linear_model_are_known(linear):
    vae, model, X = linear
    gaps = vaelite.inference_gaps(vae, X, n_samples=500, n_steps=400)
    exact = model.elbo(X, *vae.encode(X)), model.score_samples(X) - model.gap()
    for found, known in zip((gaps.elbo, gaps.refined_elbo), exact, strict=True):
        assert np.abs(found.value - known).max() < 4.5 * found.standard_error.max() + 0.01
    assert gaps.refined_elbo.value.mean() == pytest.approx(exact[1].mean(), abs=0.02)
    error = np.abs(gaps.log_evidence.value - model.score_samples(X))
    assert error.max() < 4.5 * gaps.log_evidence.standard_error.max()
    assert gaps.amortization.mean() == pytest.approx((exact[1] - exact[0]).mean(), abs=0.05)
    assert gaps.approximation.mean() == pytest.approx(model.gap(), abs=0.02)


def test_with_one_sample_log_p_is_the_refined_elbo(linear):
    """Both weigh the same code of the refined q, and the other ELBO has the same noise."""
    vae, _, X = linear
    gaps = vaelite.inference_gaps(vae, X, n_samples=1, n_steps=20)
    assert gaps.approximation == pytest.approx(0, abs=1e-4)
    assert gaps.amortization.std() > 0.01
    still = vaelite.inference_gaps(vae, X, n_samples=1, n_steps=1, learning_rate=1e-9)
    assert np.median(np.abs(still.amortization)) < 1e-4  # most rows start at the encoder's q


def test_the_gaps_are_printed_with_intervals(linear):
    vae, _, X = linear
    gaps = vaelite.inference_gaps(vae, X[:10], n_samples=400, n_steps=100)
    errors = np.concatenate([gaps.elbo.standard_error, gaps.refined_elbo.standard_error])
    half = 1.96 * np.sqrt(np.sum(errors**2)) / 10
    assert f"amortization gap    {gaps.amortization.mean():10.3f} +- {half:.3f}" in str(gaps)
    few = vaelite.inference_gaps(vae, X[:10], n_samples=20, n_steps=10)
    assert "(no interval)" in str(few)
    assert "it needs 25 samples or more" in str(few)


def test_mutual_information_at_its_limit_is_reported(vae, digits):
    """Codes that identify their rows have log n nats, however many rows there are."""
    sharp = vaelite.VAE(10, 16).build(64, np.float64, rng=0)
    sharp.params["encoder.mu.W"] *= 5
    sharp.params["encoder.logsigma.W"][:] = 0
    sharp.params["encoder.logsigma.b"][:] = -5
    split = vaelite.kl_split(sharp, digits[0][:200])
    assert split.mutual_information == pytest.approx(np.log(200), abs=0.01)
    assert split.is_bound_by_n
    assert "at its limit, log n = 5.298" in str(split)
    more = vaelite.kl_split(sharp, digits[0][:800])
    assert more.marginal_kl < split.marginal_kl - 1
    loose = vaelite.kl_split(vae, digits[0])
    assert not loose.is_bound_by_n
    assert "limit" not in str(loose)
    assert f"{loose.marginal_kl:.3f} +- {1.96 * loose.standard_error:.3f}" in str(loose)


def test_gaps_of_the_digits(vae, digits):
    gaps = vaelite.inference_gaps(vae, digits[0][:20], n_samples=500, n_steps=100)
    assert gaps.amortization.mean() > 0
    total = gaps.amortization + gaps.approximation
    assert total == pytest.approx(gaps.log_evidence.value - gaps.elbo.value)


def test_another_prior_is_refused(digits, quick):
    vae = vaelite.fit(digits[0], **quick, neglogprior=lambda z: vaelite.neglogprior(z))
    for function in (vaelite.elbo_parts, vaelite.kl_split):
        with pytest.raises(ValueError, match="its own neglogprior"):
            function(vae, digits[0])
