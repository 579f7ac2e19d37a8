"""Inference without an encoder, compared with the exact posterior and with an encoder."""

import copy
from itertools import pairwise

import numpy as np
import pytest

import vaelite


@pytest.fixture(scope="module")
def trained(digits):
    return vaelite.fit(digits[0], hidden_dim=64, max_epochs=60, stopping="epochs", rng=0)


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 4))
    X += 0.5 * rng.standard_normal((60, 4))
    likelihood = vaelite.Gaussian(mean="identity", sigma="shared", floor=None)
    settings = {"max_epochs": 1000, "learning_rate": 3e-3, "kl": "analytic", "stopping": "epochs"}
    settings |= {"batch_size": 60, "start": "network"}
    vae = vaelite.VAE(2, (), likelihood=likelihood, rng=0, **settings).fit(X)
    vae.params["encoder.logsigma.W"][:] = 0  # linear in x, some rows' sigma would be thousands
    return vae, vaelite.ProbabilisticPCA.of(vae), X


@pytest.mark.parametrize("start", ["prior", "encoder"])
def test_it_finds_the_best_diagonal_posterior(start, linear):
    vae, model, X = linear
    mu, logsigma = vaelite.infer(vae, X, vae.encode(X) if start == "encoder" else None, n_steps=600)
    best = model.diagonal_posterior(X)
    # In a linear model the noise of mu's gradient cancels in each pair of eps and -eps. That of
    # logsigma's does not: a standard deviation of about 0.02 stays, of 120 values.
    assert mu == pytest.approx(best[0], abs=0.001)
    error = logsigma - best[1]
    assert error.std() < 0.03
    assert abs(error.mean()) < 0.01
    assert abs(error).max() < 0.1
    assert (model.elbo(X, *best) - model.elbo(X, mu, logsigma)).max() < 0.01


def test_it_improves_on_the_encoder_and_changes_nothing(trained, digits):
    X, before = digits[0][:100], {name: array.copy() for name, array in trained.params.items()}
    q = trained.encode(X)
    copies = [array.copy() for array in q]
    refined = vaelite.infer(trained, X, q, n_steps=100)
    assert all(map(np.array_equal, q, copies))
    assert all(np.array_equal(array, trained.params[name]) for name, array in before.items())
    assert refined[0].dtype == np.float32
    gain = vaelite.elbo(trained, X, q=refined).value - vaelite.elbo(trained, X).value
    assert gain.mean() > 0.1
    assert np.mean(gain > -0.1) > 0.95


def test_the_inference_of_a_row_does_not_depend_on_other_rows(linear):
    """In a linear model: there the best q is the only maximum, so noise does not choose it."""
    vae, exact, X = linear
    settings = {"n_steps": 200, "n_samples": 20}  # 60 rows are more than a chunk
    whole = vaelite.infer(vae, X, vae.encode(X), **settings)
    X, of_whole = X[40:], [array[40:] for array in whole]
    part = vaelite.infer(vae, X, vae.encode(X), rng=1, **settings)
    assert exact.elbo(X, *of_whole) == pytest.approx(exact.elbo(X, *part), abs=0.01)


def test_determinism(trained, digits):
    X = digits[0][:20]
    first, again, other = (vaelite.infer(trained, X, n_steps=20, rng=seed) for seed in (0, 0, 1))
    assert all(map(np.array_equal, first, again))
    assert not np.array_equal(first[0], other[0])


OBSERVED = np.arange(64) < 32  # the upper half


def test_pixels_that_are_not_observed_have_no_influence(trained, digits):
    X = digits[0][:20]
    erased = np.where(OBSERVED, X, np.nan)
    settings = {"observed": OBSERVED, "n_steps": 30}
    found, expected = (vaelite.infer(trained, images, **settings) for images in (erased, X))
    assert all(map(np.array_equal, found, expected))


def test_hidden_pixels_count_neither_as_themselves_nor_as_zeros(linear):
    """The best q from some features alone is known for a linear decoder."""
    vae, model, X = linear
    observed = np.array([True, False, True, False])
    part = vaelite.ProbabilisticPCA(model.W[:, observed], model.mean[observed], model.sigma)
    mu, logsigma = vaelite.infer(vae, X + 3 * ~observed, observed=observed, n_steps=600)
    best = part.diagonal_posterior(X[:, observed])
    assert mu == pytest.approx(best[0], abs=0.05)
    assert logsigma == pytest.approx(best[1], abs=0.05)


STANDING = {"n_steps": 1, "learning_rate": 1e-6}


def test_it_starts_at_the_given_q(trained, digits):
    X = digits[0][:150]
    q = trained.encode(X)
    for found, start in zip(vaelite.infer(trained, X, q, **STANDING), q, strict=True):
        assert found == pytest.approx(start, abs=1e-4)


def test_without_a_q_it_starts_at_the_best_of_some_codes_from_the_prior(trained, digits):
    X = digits[0][:20]
    mu, logsigma = vaelite.infer(trained, X, observed=np.ones(64, bool), **STANDING)
    assert np.abs(logsigma).max() < 1e-4
    codes = np.random.default_rng(5).standard_normal((1000, 2))

    def loss(z, x):
        return vaelite.negloglikelihood(np.broadcast_to(x, (len(z), 64)), *trained.decode(z))

    ranks = [np.mean(loss(codes, x) < loss(z[None], x)) for x, z in zip(X, mu, strict=True)]
    assert np.mean(ranks) < 0.03  # the best of 100 is in the best percent, on average


@pytest.mark.parametrize("encoder", ["trained", "mirrored"])
def test_without_a_q_each_row_keeps_the_better_of_two_starts(encoder, trained, digits):
    vae, X = copy.deepcopy(trained), digits[0][:60]
    if encoder == "mirrored":  # its codes are far from the right ones, for most images
        vae.params["encoder.mu.W"] *= -1
        vae.params["encoder.mu.b"] *= -1
    both = vaelite.infer(vae, X, **STANDING)
    of_prior = vaelite.infer(vae, X, observed=np.ones(64, bool), **STANDING)
    of_encoder = vaelite.infer(vae, X, vae.encode(X), **STANDING)
    found, *single = (vaelite.elbo(vae, X, 500, q=q).value for q in (both, of_prior, of_encoder))
    best = np.maximum(*single)
    alone = single if encoder == "mirrored" else single[:1]
    assert all(np.mean(of_one < best - 1) > 0.3 for of_one in alone)  # one start is not enough
    assert np.mean(found > best - 1) > 0.85  # the choice is of 100 samples: not always right


LIKELIHOODS = ["bernoulli", vaelite.Gaussian(sigma="pixel")]
LIKELIHOODS += [pytest.param(vaelite.Categorical(17), marks=pytest.mark.slow)]


@pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=str)
def test_half_an_image_gives_a_wider_posterior_than_the_whole(likelihood, digits, quick):
    if isinstance(likelihood, vaelite.Categorical):
        X = np.rint(digits[0] * 16).astype(np.uint8)
    else:
        noise = np.random.default_rng(0).uniform(0, 0.1, digits[0].shape)
        X = np.clip(digits[0] + noise, 0, 1)
    vae = vaelite.fit(X[100:], **{**quick, "max_epochs": 20}, likelihood=likelihood)
    masks = np.ones(64, bool), OBSERVED
    whole, half = (vaelite.infer(vae, X[:50], observed=mask, n_steps=60) for mask in masks)
    assert half[1].mean() > whole[1].mean() + 0.05


def test_a_half_erased_image_is_completed(trained, digits):
    X = digits[0][:100]
    mu, _ = vaelite.infer(trained, X, observed=OBSERVED)
    completed = trained.likelihood.expectation(*trained.decode(mu))[:, ~OBSERVED]
    of_others = np.roll(completed, 1, axis=0)
    errors = [np.mean((X[:, ~OBSERVED] - guess) ** 2) for guess in (completed, of_others)]
    assert errors[0] < 0.7 * errors[1]


def test_custom_terms_are_used(digits, quick):
    def narrow_prior(z):
        return vaelite.neglogprior(10 * z)

    vae = vaelite.fit(digits[0], **quick, neglogprior=narrow_prior)
    free = vaelite.fit(digits[0], **quick)
    spreads = [np.abs(vaelite.infer(model, digits[0][:50])[0]).mean() for model in (vae, free)]
    assert spreads[0] < 0.5 * spreads[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_samples": 3}, "n_samples should be even"),
        ({"n_steps": 0}, "n_steps should be 1 or more"),
        ({"learning_rate": 0}, "learning_rate should be above 0"),
        ({"observed": np.ones(64)}, "64 booleans"),
        ({"observed": np.ones(3, bool)}, r"of shape \(3,\)"),
        ({"observed": np.zeros(64, bool)}, "with at least one True"),
        ({"q": np.zeros((5, 2))}, "q should be a pair"),
    ],
)
def test_invalid_arguments_are_refused(settings, message, vae, digits):
    with pytest.raises(ValueError, match=message):
        vaelite.infer(vae, digits[0][:5], **settings)


# MeanField


@pytest.fixture(scope="module")
def model(digits):
    settings = {"max_epochs": 60, "batch_size": 128, "start": "network", "kl": "analytic"}
    return vaelite.MeanField(hidden_dim=64, rng=0, **settings).fit(digits[0])


def test_it_trains_a_decoder_and_a_q_for_every_row(model, digits):
    assert model.mu.shape == model.logsigma.shape == (1797, 2)
    losses = model.history["eval_loss"]
    assert losses[-1] < losses[9] < losses[0]
    assert all(name.startswith("decoder") for name in model.params)
    assert model.mu.std() > 0.5
    assert model.stop_reason == "max_epochs: ran all 60"


def test_its_loss_is_that_of_its_q(model, digits):
    elbo = vaelite.elbo(model, digits[0], q=(model.mu, model.logsigma)).value.mean()
    assert -elbo == pytest.approx(model.history["eval_loss"][-1], abs=0.1)


def test_encode_infers_for_any_row(model, digits):
    X = digits[0][:60]
    inferred, kept = model.encode(X), (model.mu[:60], model.logsigma[:60])
    better = vaelite.elbo(model, X, q=inferred).value - vaelite.elbo(model, X, q=kept).value
    assert better.mean() > 0
    assert model.reconstruct(X).shape == X.shape
    assert model.score(X) == pytest.approx(vaelite.elbo(model, X, q=inferred).value.mean(), abs=1)


def test_a_step_changes_only_its_own_rows(digits):
    seen = []

    class Watch:
        def __call__(self, model, state):
            pass

        def on_iteration(self, model, state):
            seen.append((model.mu.copy(), model.logsigma.copy()))

    settings = {"max_epochs": 2, "batch_size": 100, "log_every": 1, "rng": 0}
    vaelite.MeanField(hidden_dim=8, **settings, callbacks=Watch()).fit(digits[0][:300])
    for (mu, logsigma), (mu_after, logsigma_after) in pairwise(seen):
        changed = (mu != mu_after).any(axis=1)
        assert changed.sum() == 100
        assert np.array_equal((logsigma != logsigma_after).any(axis=1), changed)
    assert (np.abs(seen[2][0]) > 0).any(axis=1).all()  # an epoch touches every row


def test_the_first_step_of_every_row_is_that_of_adam(digits):
    """The first step of every row has the size of the learning rate, in every batch."""
    settings = {"max_epochs": 1, "batch_size": 10, "local_learning_rate": 0.25, "rng": 0}
    model = vaelite.MeanField(hidden_dim=8, **settings).fit(digits[0][:300])
    assert np.abs(model.mu) == pytest.approx(np.full((300, 2), 0.25), rel=1e-3)


def test_determinism_saving_and_the_lectures_rule(digits, tmp_path):
    settings = {"max_epochs": 3, "rng": 4, "stopping": "lecture"}
    first, again = (vaelite.MeanField(hidden_dim=8, **settings).fit(digits[0]) for _ in range(2))
    assert np.array_equal(first.mu, again.mu)
    assert np.array_equal(first.params["decoder.0.W"], again.params["decoder.0.W"])
    first.save(tmp_path / "model.npz")
    loaded = vaelite.load(tmp_path / "model.npz")
    assert type(loaded) is vaelite.MeanField
    assert loaded.mu is None
    assert loaded.score(digits[0][:30]) == first.score(digits[0][:30])


def test_settings_that_need_an_encoder_are_refused(digits):
    with pytest.raises(ValueError, match="'epochs', 'lecture'"):
        vaelite.MeanField(stopping="heldout").fit(digits[0])
    with pytest.raises(ValueError, match="importance_samples=5: MeanField has one sample"):
        vaelite.MeanField(importance_samples=5).fit(digits[0])


def test_a_failed_fit_leaves_the_model_as_it_was(model, digits):
    mu, params = model.mu, model.params
    with pytest.raises(ValueError, match="batch_size"):
        model.set_params(batch_size=0).fit(digits[0])
    assert model.mu is mu
    assert model.params is params


def test_inference_that_diverges_raises_an_error(vae, digits):
    with pytest.raises(vaelite.TrainingError, match="smaller learning_rate"):
        vaelite.infer(vae, digits[0][:5], learning_rate=1000)


def test_the_tape_does_not_grow_with_the_samples(vae, digits, monkeypatch):
    """A sum of copies is one operation on the tape, not one per copy."""
    calls, original = [], vaelite.gradient.add_outgrads

    def count(*args):
        calls.append(1)
        return original(*args)

    monkeypatch.setattr(vaelite.gradient, "add_outgrads", count)
    counts = []
    for n_samples in (2, 200):
        calls.clear()
        vaelite.infer(vae, digits[0][:2], n_samples=n_samples, n_steps=1)
        counts.append(len(calls))
    assert counts[0] == counts[1]


def test_a_meanfield_model_in_the_other_functions(model, digits):
    X = digits[0][:20]
    q = model.encode(X)
    evidence, elbo = vaelite.log_evidence(model, X, 100), vaelite.elbo(model, X, 100)
    assert evidence.value.mean() > elbo.value.mean()
    kl = vaelite.elbo_parts(model, X).kl.sum(axis=1)
    assert kl == pytest.approx(vaelite.kl_divergence(*q), rel=1e-4)
    ax = vaelite.plots.posterior(model, X[0], n_nodes=101)
    assert ax.patches[0].get_label() == "inferred q(z|x), 95 %"
    with pytest.raises(ValueError, match="has no encoder"):
        vaelite.inference_gaps(model, X)
