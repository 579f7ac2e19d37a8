"""Conditional models: p(x|z, c) and q(z|x, c), with a known c."""

import numpy as np
import pytest
from helpers import finite_differences
from scipy import stats
from sklearn.svm import SVC

import vaelite

SETTINGS = {"hidden_dim": 32, "max_epochs": 4, "stopping": "epochs", "rng": 0}


@pytest.fixture(scope="module")
def data(digits):
    X, y = digits
    return X, np.eye(10, dtype=np.float32)[y], y


@pytest.fixture(scope="module")
def conditional(data):
    X, C, _ = data
    return vaelite.fit(X, condition=C, **SETTINGS)


def test_both_networks_see_the_condition(conditional):
    assert conditional.n_conditions == 10
    assert conditional.params["encoder.0.W"].shape == (64 + 10, 32)
    assert conditional.params["decoder.0.W"].shape == (2 + 10, 32)


def test_the_score_is_the_elbo_given_the_condition(conditional, data):
    X, C, _ = data
    X, C = X[:200], C[:200]
    mu, logsigma = conditional.encode(X, condition=C)
    rng = np.random.default_rng(np.random.SeedSequence(5))
    z = mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=np.float32)
    mu_x, logsigma_x = conditional.decode(z, condition=C)
    expected = stats.norm(mu_x, np.exp(logsigma_x)).logpdf(X).sum(axis=1)
    expected += stats.norm.logpdf(z).sum(axis=1)
    expected -= stats.norm(mu, np.exp(logsigma)).logpdf(z).sum(axis=1)
    rng = np.random.default_rng(np.random.SeedSequence(5))
    assert conditional.score_samples(X, rng, condition=C) == pytest.approx(expected, abs=1e-3)


def test_a_condition_of_zeros_is_no_condition(data):
    """With a condition of zeros, the networks compute the same as without it."""
    X, _, _ = data
    vae = vaelite.VAE(2, 16).build(64, np.float64, rng=0, n_conditions=1)
    plain = vaelite.VAE(2, 16).build(64, np.float64, rng=0)
    plain.params = {
        name: array[:-1] if name.endswith("0.W") else array for name, array in vae.params.items()
    }
    zeros = np.zeros((len(X), 1))
    assert vae.score(X, condition=zeros) == pytest.approx(plain.score(X), rel=1e-6)
    found = vaelite.log_evidence(vae, X[:20], 20, condition=zeros[:20]).value
    assert found == pytest.approx(vaelite.log_evidence(plain, X[:20], 20).value, rel=1e-6)


@pytest.mark.parametrize("settings", [{}, {"kl": "analytic"}, {"importance_samples": 3}])
def test_gradients_are_finite_differences(settings, rng):
    vae = vaelite.VAE(2, 5, activation="tanh").build(3, np.float64, rng=0, n_conditions=4)
    x, condition = rng.random((6, 3)), rng.random((6, 4))
    eps = rng.standard_normal((3, 6, 2) if "importance_samples" in settings else (6, 2))
    objective = vae.loss(**settings).given(condition)
    _, grads = vaelite.value_and_grad(objective)(vae.params, x, eps)
    for name, array in vae.params.items():
        loss = lambda a, name=name: objective({**vae.params, name: a}, x, eps)
        expected = finite_differences(loss, array)
        assert grads[name] == pytest.approx(expected, rel=1e-5, abs=1e-7), name


def test_several_samples_of_a_row_share_its_condition(rng):
    """K equal samples of each row: the importance-weighted bound is the ELBO."""
    vae = vaelite.VAE(2, 5).build(3, np.float64, rng=0, n_conditions=4)
    x, condition, eps = rng.random((6, 3)), rng.random((6, 4)), rng.standard_normal((6, 2))
    one = vae.loss().given(condition).parts(vae.params, x, eps)
    objective = vae.loss(importance_samples=3).given(condition)
    for found, expected in zip(
        objective.parts(vae.params, x, np.stack([eps] * 3)), one, strict=True
    ):
        assert found == pytest.approx(expected)


def test_each_row_has_its_own_condition_in_every_batch(data, monkeypatch):
    X, C, y = data
    seen, inputs = [], []
    step, call = vaelite.training.step, vaelite.Dense.__call__

    def spy_on_network(network, params, h, heads):
        inputs.append(h)
        return call(network, params, h, heads)

    def spy_on_step(objective, params, adam, x, eps):
        inputs.clear()
        objective.encode(params, x)
        seen.append((x, inputs[0][:, 64:].argmax(axis=1)))
        return step(objective, params, adam, x, eps)

    monkeypatch.setattr(vaelite.Dense, "__call__", spy_on_network)
    monkeypatch.setattr(vaelite.training, "step", spy_on_step)
    vaelite.fit(X, condition=C, **{**SETTINGS, "max_epochs": 1})
    label_of = {x.tobytes(): label for x, label in zip(X, C.argmax(axis=1), strict=True)}
    for x, found in seen:
        assert [label_of[row.tobytes()] for row in x] == list(found)


def test_one_row_is_the_condition_of_all(conditional, data):
    X, one, seven = data[0][:6], np.eye(10)[1], np.eye(10)[7]
    conditions = seven, np.tile(seven, (6, 1)), one
    first, again, other = (conditional.sample(6, rng=0, condition=c) for c in conditions)
    assert first.shape == again.shape == (6, 64)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    first, again, _ = (conditional.reconstruct(X, condition=c) for c in conditions)
    assert np.array_equal(first, again)
    assert conditional.sample(0, condition=seven).shape == (0, 64)


def test_test_rows_have_conditions_too(data):
    X, C, _ = data
    vae = vaelite.fit(X[:1500], X[1500:], condition=C[:1500], condition_test=C[1500:], **SETTINGS)
    assert len(vae.history["test_loss"]) == 4
    message = "fitted with a condition of 10 columns: pass condition_test="
    with pytest.raises(ValueError, match=message):
        vaelite.fit(X[:1500], X[1500:], condition=C[:1500], **SETTINGS)


def test_held_out_rows_keep_their_conditions(data):
    """The condition is the data: held-out rows are predicted only if conditions stay in order."""
    C = np.random.default_rng(0).random((400, 3))
    likelihood = vaelite.Gaussian(mean="identity", sigma="shared", floor=-3)
    model = {"latent_dim": 1, "hidden_dim": (), "likelihood": likelihood}
    settings = {"learning_rate": 0.05, "max_epochs": 60, "rng": 0}
    with pytest.warns(vaelite.ConvergenceWarning):
        vae = vaelite.fit(C, condition=C, **model, **settings)
    assert vae.history["val_nll"][vae.best_epoch - 1] < -3
    assert vae.score(C, condition=C) > vae.score(C, condition=C[::-1]) + 10


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (None, "was fitted with a condition of 10 columns: pass condition="),
        (np.zeros((7, 10)), "condition has 7 rows, but there are 5 examples"),
        (np.zeros((5, 3)), "condition has 3 features, but the model is expecting 10"),
        (np.zeros(5), r"for class labels y pass np.eye\(n_classes\)\[y\]"),
        (np.full((5, 10), np.nan), "Input condition contains NaN"),
    ],
)
def test_conditions_that_do_not_fit(condition, message, conditional, data):
    X = data[0][:5]
    for call in (conditional.encode, conditional.score, conditional.reconstruct):
        with pytest.raises(ValueError, match=message):
            call(X, condition=condition)


def test_a_condition_for_a_model_without_one(vae, data):
    X, C, _ = data
    with pytest.raises(ValueError, match="was fitted without a condition: leave out condition="):
        vae.encode(X[:5], condition=C[:5])


def test_as_many_labels_as_classes_are_not_taken_for_one_row(conditional):
    with pytest.raises(ValueError, match=r"for class labels y pass np.eye"):
        conditional.sample(10, condition=np.arange(10))


def test_a_condition_far_from_1_warns(data):
    X, C, _ = data
    with pytest.warns(UserWarning, match="condition has values up to 50 from 0"):
        vaelite.fit(X, condition=(C * 50).astype(np.uint8), **SETTINGS)
    with pytest.raises(ValueError, match="condition_test is for X_test"):
        vaelite.fit(X, condition_test=C, **SETTINGS)


def test_labels_in_place_of_a_condition(data):
    X, _, y = data
    with pytest.raises(ValueError, match=r"for class labels y pass np.eye"):
        vaelite.fit(X, condition=y, **SETTINGS)


def test_inference_for_conditional_models(conditional, data):
    X, C, _ = data
    X, C = X[:12], C[:12]
    q = vaelite.infer(conditional, X, condition=C, n_steps=30)
    elbo = vaelite.elbo(conditional, X, 200, condition=C)
    refined = vaelite.elbo(conditional, X, 200, q=q, condition=C)
    assert refined.value.mean() > elbo.value.mean() - 0.5
    log_evidence = vaelite.log_evidence(conditional, X, 500, condition=C)
    assert log_evidence.value.mean() > elbo.value.mean()
    assert vaelite.elbo_parts(conditional, X, condition=C).kl.shape == (12, 2)
    ledger = vaelite.ledger(conditional, X, condition=C)
    assert sum(ledger.terms.values()) == pytest.approx(-conditional.score(X, condition=C), abs=1e-2)
    gaps = vaelite.inference_gaps(conditional, X, 50, condition=C, n_steps=5)
    assert gaps.elbo.value.shape == (12,)
    message = "Quadrature is for models that were fitted without a condition"
    with pytest.raises(ValueError, match=message):
        vaelite.Quadrature(conditional)


def test_other_models_with_a_condition(data):
    X, C, _ = data
    X, C = X[:300], C[:300]
    ae = vaelite.fit_autoencoder(X, condition=C, **SETTINGS)
    assert ae.encode(X, condition=C).shape == (300, 2)
    assert ae.reconstruction_loss(X, condition=C).shape == (300,)
    model = vaelite.MeanField(hidden_dim=16, max_epochs=3, rng=0).fit(X, condition=C)
    assert model.sample(3, rng=0, condition=C[0]).shape == (3, 64)
    assert model.encode(X[:3], condition=C[:3])[0].shape == (3, 2)


def test_figures(conditional, data):
    X, C, _ = data
    vaelite.plots.samples(conditional, 9, rng=0, condition=np.eye(10)[7])
    vaelite.plots.reconstructions(conditional, X, 5, condition=C[:5])
    vaelite.plots.latent_grid(conditional, 3, condition=np.eye(10)[7])
    X, C, y = X[:60], C[:60], data[2][:60]
    vaelite.plots.latent_means(conditional, X, y, condition=C)
    vaelite.plots.average_reconstructions(conditional, X, y, condition=C)
    vaelite.plots.completions(conditional, X[:3], np.arange(64) < 32, condition=C[:3])
    with pytest.raises(ValueError, match="kl_split is for models that were fitted without"):
        vaelite.kl_split(conditional, X)


@pytest.mark.slow
def test_samples_of_each_digit_are_classified_as_that_digit(data):
    """The classifier is trained on real digits only, and classifies most test digits correctly."""
    X, C, y = data
    classifier = SVC(C=10).fit(X[:1200], y[:1200])
    assert classifier.score(X[1200:], y[1200:]) > 0.93
    vae = vaelite.fit(X, condition=C, hidden_dim=128, max_epochs=100, stopping="epochs", rng=0)
    for digit in range(10):
        samples = vae.sample(100, rng=digit, mean=True, condition=np.eye(10)[digit])
        right = np.sum(classifier.predict(samples) == digit)
        assert right >= 95, f"{right} of 100 samples of {digit} are classified as {digit}"
