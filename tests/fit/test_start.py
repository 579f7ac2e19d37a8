"""The best model without latents, against scipy's densities; and the start of training there."""

import numpy as np
import pytest
from scipy import special, stats

import vaelite
from vaelite import Bernoulli, Categorical, Gaussian
from vaelite.fit.start import baseline_loss, baseline_outputs, shrink_codes

FREE = {"floor": None}


def loss_of(likelihood, X, rows):
    """-log p(x) of some rows, with the constant that is fitted to X."""
    model = vaelite.VAE(likelihood=likelihood)
    outputs = baseline_outputs(model, X)
    return baseline_loss(model, outputs, rows), outputs


@pytest.mark.parametrize("sigma", ["shared", "image", "pixel", 0.3])
@pytest.mark.parametrize("mean", ["identity", "logistic"])
def test_gaussian_constants_are_scipys(rng, mean, sigma):
    X, rows = rng.uniform(0.2, 0.8, (2, 40, 3))
    axis = 0 if sigma == "pixel" else None
    scale = sigma if sigma == 0.3 else np.sqrt(np.mean((X - X.mean(axis=0)) ** 2, axis=axis))
    loss, _ = loss_of(Gaussian(mean, sigma, **FREE), X, rows)
    expected = -stats.norm(X.mean(axis=0), scale).logpdf(rows).sum(axis=1)
    assert loss == pytest.approx(expected)


def test_a_gaussian_constant_respects_its_floor(rng):
    X = rng.uniform(0.2, 0.8, (40, 3))
    for floor in (-1.0, 1.0):  # below and above the data's log sigma
        _, outputs = loss_of(Gaussian("identity", "shared", floor=floor), X, X)
        logsigma = np.logaddexp(outputs["logsigma"], floor)
        assert logsigma == pytest.approx(max(np.log(X.std()), floor), abs=0.1)


def test_a_constant_bernoulli_is_scipys(rng):
    X, rows = (rng.random((2, 40, 3)) < 0.7).astype(float)
    X[:, 2] = 1  # always on, so far
    rows[0, 2] = 0
    loss, _ = loss_of(Bernoulli(), X, rows)
    p = (X.sum(axis=0) + 1) / 42
    assert loss == pytest.approx(-stats.bernoulli(p).logpmf(rows).sum(axis=1))


def test_a_constant_categorical_has_the_frequencies(rng):
    X, rows = rng.integers(0, 4, (2, 40, 3)).astype(float)
    loss, outputs = loss_of(Categorical(4), X, rows)
    logits = outputs["logits"].reshape(3, 4)
    counts = np.stack([np.bincount(column, minlength=4) for column in X.T.astype(int)])
    assert special.softmax(logits, axis=1) == pytest.approx((counts + 1) / 44)
    picked = special.log_softmax(logits, axis=1)[np.arange(3), rows.astype(int)]
    assert loss == pytest.approx(-picked.sum(axis=1))


@pytest.mark.parametrize("likelihood", [Gaussian(), Gaussian("identity", "pixel", floor=None)])
def test_no_other_constant_fits_better(rng, likelihood):
    X = rng.uniform(0.2, 0.8, (40, 3))
    best, outputs = loss_of(likelihood, X, X)
    model = vaelite.VAE(likelihood=likelihood)
    for name in outputs:
        for step in (-0.01, 0.01):
            moved = outputs | {name: outputs[name] + step}
            assert baseline_loss(model, moved, X).mean() > best.mean()


def test_a_likelihood_of_your_own_has_no_constant(rng):
    class Mine(vaelite.Likelihood):
        pass

    X = rng.random((10, 3))
    assert baseline_outputs(vaelite.VAE(likelihood=Mine()), X) is None
    own = vaelite.VAE(negloglikelihood=lambda x, mu, logsigma: (x - mu).sum(axis=-1))
    assert baseline_loss(own, baseline_outputs(own, X), X) is None


class First:
    """A callback that keeps the parameters before the first step changes them."""

    def __init__(self):
        self.vae, self.params = None, None

    def __call__(self, vae, state):
        self.vae, self.params = vae, vae.params


def first_params(X, **settings):
    """The parameters that training starts with: steps of 1e-30 do not move them."""
    first = First()
    settings = {"hidden_dim": 4, "learning_rate": 1e-30, "max_epochs": 1} | settings
    vaelite.fit(X, callbacks=first, stopping="epochs", rng=0, **settings)
    return first.params


def test_training_starts_at_the_mean_and_the_sigma_of_the_data(rng):
    X = 5 + 3 * rng.standard_normal((500, 6))
    params = first_params(X, likelihood=Gaussian("identity", "shared"))
    assert params["decoder.mu.b"] == pytest.approx(X.mean(axis=0))
    sigma = np.sqrt(np.mean((X - X.mean(axis=0)) ** 2))
    assert np.exp(params["decoder.logsigma.b"]) == pytest.approx(sigma, rel=0.01)
    assert params["encoder.logsigma.W"] == pytest.approx(0, abs=1e-20)
    assert params["encoder.mu.W"].any()
    assert params["decoder.mu.W"].any()


def first_codes(X, condition=None, **settings):
    """The codes before the first step, as they are and with the networks' own start."""
    for start in "data", "network":
        first = First()
        quick = {"max_epochs": 1, "stopping": "epochs", "learning_rate": 1e-30, "rng": 0}
        vaelite.fit(X, condition=condition, callbacks=first, start=start, **quick, **settings)
        yield first.vae.codes(X, condition=condition)


@pytest.mark.parametrize("hidden_dim", [(), 8])
def test_wide_codes_start_near_each_other(rng, hidden_dim):
    X = 3 * rng.standard_normal((200, 6)) + 5
    condition = rng.standard_normal((200, 2))
    settings = {"hidden_dim": hidden_dim, "likelihood": Gaussian("identity"), "dtype": "float64"}
    codes, wide = first_codes(X, condition, **settings)
    assert wide.std(axis=0).min() > 1
    assert codes.mean(axis=0) == pytest.approx(0, abs=1e-6)
    assert codes.std(axis=0) == pytest.approx(0.3, rel=1e-6)


def test_narrow_codes_start_as_the_network_has_them(rng):
    codes, narrow = first_codes(rng.uniform(0.4, 0.6, (100, 6)), hidden_dim=8)
    assert narrow.std(axis=0).max() < 0.3
    assert codes == pytest.approx(narrow, rel=1e-5)


def test_only_wide_latents_are_changed():
    params = {"encoder.mu.W": np.ones((3, 2)), "encoder.mu.b": np.array([1.0, 2.0])}
    shrink_codes(params, np.array([[5.0, 0.1], [9.0, 0.2]]))
    assert params["encoder.mu.W"] == pytest.approx(np.array([[0.15, 1]] * 3))
    assert params["encoder.mu.b"] == pytest.approx(np.array([-0.9, 2]))


def test_training_can_start_at_the_networks_own_parameters(rng):
    X = rng.random((50, 6))
    params = first_params(X, start="network")
    built = vaelite.VAE(hidden_dim=4).build(6, "float64", rng=0).params
    for name, array in built.items():
        assert array == pytest.approx(params[name]), name


def test_networks_without_such_biases_keep_their_start(rng):
    encoder = vaelite.Convolutional((4, 4), channels=(2,))
    networks = {"encoder": encoder, "decoder": encoder.transposed()}
    X = rng.random((50, 16))
    vae = vaelite.fit(X, **networks, max_epochs=1, stopping="epochs", rng=0)
    assert np.isfinite(vae.score(X))
