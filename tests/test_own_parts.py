"""What users bring: objectives, optimizers and learning rates, with all that a fit has."""

from dataclasses import dataclass, replace

import autograd.numpy as anp
import numpy as np
import pytest

import vaelite
from vaelite import training
from vaelite.arrays.backend import Backend
from vaelite.arrays.streams import seed_sequence
from vaelite.data.dataset import Dataset
from vaelite.fit.plan import Plan
from vaelite.state import TrainState
from vaelite.stopping import Epochs

FIT = {"max_epochs": 4, "stopping": "epochs", "rng": 0}
EARLY = {"max_epochs": 100, "patience": 2, "tol": 5.0, "rng": 0}
SETTINGS, HELD_OUT = ({"hidden_dim": 16, **settings} for settings in (FIT, EARLY))
short = pytest.mark.filterwarnings("ignore::vaelite.FitWarning")  # of fits that end early


@pytest.fixture(scope="module")
def X(digits):
    return digits[0][:300]


@dataclass(frozen=True)
class FreeBits(vaelite.NegELBO):
    """The KL of each latent counts only above ``nats``, in its mean over the batch."""

    nats: float = 0.5

    def parts(self, params, x, eps):
        nll, nlp, nlq = self.terms(params, x, eps)
        mu, logsigma = self.encode(params, x)
        kl = (mu**2 + anp.exp(2 * logsigma) - 1) / 2 - logsigma
        return nll + anp.sum(anp.maximum(anp.mean(kl, axis=0), self.nats)), nll, nlp - nlq


def of_vae(*, conditions=0):
    """A built VAE and the function that computes its negative ELBO, as a user would write it."""
    vae = vaelite.VAE(hidden_dim=16).build(64, rng=1, n_conditions=conditions)
    elbo = vae.loss()
    return vae, elbo


def mmd(z, prior):
    """The squared maximum mean discrepancy with a Gaussian kernel (biased)."""
    kernel = lambda a, b: anp.mean(anp.exp(-anp.sum((a[:, None] - b[None]) ** 2, axis=-1) / 2))
    return kernel(z, z) + kernel(prior, prior) - 2 * kernel(z, prior)


def check_whole(model, X, tmp_path):
    """What every fitted model can do."""
    assert model.score_samples(X).shape == (len(X),)
    assert model.sample(3, rng=0).shape == (3, 64)
    vaelite.plots.learning_curve(model)
    vaelite.plots.samples(model, 4, rng=0)
    model.save(tmp_path / "m.npz")
    loaded = vaelite.load(tmp_path / "m.npz")
    assert np.array_equal(loaded.score_samples(X), model.score_samples(X))
    assert loaded.history == model.history
    assert "ELBO" in model.summary()


def test_the_elbo_as_a_plain_function_gives_the_same_fit(X, tmp_path):
    vae, elbo = of_vae()
    plain = (
        vae.set_params(objective=lambda params, x, eps: elbo(params, x, eps), **FIT).fit(X).params
    )
    usual = vaelite.fit(X, **SETTINGS)
    for name, array in usual.params.items():
        assert plain[name] == pytest.approx(array, abs=1e-6), name
    for name in ("eval_loss", "eval_nll", "eval_kl", "train_loss"):
        assert vae.history[name] == pytest.approx(usual.history[name], rel=1e-4)
    check_whole(vae, X, tmp_path)


def test_a_class_of_objective_gets_the_models_networks_and_terms(X, tmp_path):
    usual = vaelite.fit(X, **SETTINGS)
    same = vaelite.fit(X, objective=vaelite.NegELBO, **SETTINGS)
    assert all(np.array_equal(same.params[name], a) for name, a in usual.params.items())
    collapsing = {"hidden_dim": 16, "max_epochs": 30, "stopping": "epochs", "rng": 0}
    found = vaelite.fit(X, objective=FreeBits, **collapsing)
    kl = vaelite.elbo_parts(found, X).kl.mean(axis=0)
    assert (kl > 0.3).all()  # below 0.5 the objective does not push the KL down
    weighed = vaelite.fit(X, objective=FreeBits, beta=2, warmup_epochs=2, kl="analytic", **SETTINGS)
    check_whole(weighed, X, tmp_path)


@short
def test_mmd(X, tmp_path):
    """A Wasserstein autoencoder's objective, with early stopping."""
    vae, elbo = of_vae()

    def objective(params, x, eps):
        mu, logsigma = elbo.encode(params, x)
        nll, _, _ = elbo.terms(params, x, eps)
        z = elbo.reparameterize(mu, logsigma, eps)
        return anp.mean(nll) + 50 * mmd(z, eps[::-1])

    vae.set_params(objective=objective, **EARLY).fit(X)
    assert vae.history["val_loss"][vae.best_epoch - 1] == min(vae.history["val_loss"])
    assert vae.history["val_loss"][-1] < vae.history["val_loss"][0]
    check_whole(vae, X, tmp_path)


def test_an_objective_of_a_conditional_model(digits, X):
    C = np.eye(10, dtype=np.float32)[digits[1][:300]]
    vae, elbo = of_vae(conditions=10)

    def objective(params, x, eps, condition):
        return elbo.given(condition).parts(params, x, eps)[0]  # one number per example

    vae.set_params(objective=objective, **FIT).fit(X, condition=C)
    usual = vaelite.fit(X, condition=C, **SETTINGS)
    assert vae.history["eval_loss"] == pytest.approx(usual.history["eval_loss"], rel=1e-4)


def test_an_objective_for_mean_field_inference(X):
    found = vaelite.MeanField(hidden_dim=8, objective=FreeBits, max_epochs=3, rng=0).fit(X[:50])
    assert found.history["eval_loss"][-1] < found.history["eval_loss"][0]


class Momentum:
    """Gradient descent with momentum."""

    def __init__(self, learning_rate):
        self.learning_rate, self.velocity = learning_rate, {}

    def update(self, params, grads):
        for name, array in params.items():
            v = 0.9 * self.velocity.get(name, 0) + grads[name]
            self.velocity[name] = v
            array -= self.learning_rate * v


class Sign:
    """An optimizer without a learning rate."""

    def update(self, params, grads):
        for name in params:
            params[name] -= 1e-3 * np.sign(grads[name])


def test_adam_as_an_object_is_the_default_fit(X):
    adam = vaelite.Adam(1e-3)
    usual, same = vaelite.fit(X, **SETTINGS), vaelite.fit(X, optimizer=adam, **SETTINGS)
    assert all(np.array_equal(same.params[name], a) for name, a in usual.params.items())
    assert adam.t == 0  # a copy was used


@short
@pytest.mark.parametrize("fit", [vaelite.fit, vaelite.fit_autoencoder])
def test_an_own_optimizer_with_early_stopping(fit, X):
    optimizer = Momentum(1e-4)
    model = fit(X, optimizer=optimizer, **HELD_OUT)
    assert model.history["val_loss"][-1] < model.history["val_loss"][0]
    rates = model.history["learning_rate"]
    assert rates[0] == 1e-4
    assert optimizer.velocity == {}
    if model.converged:
        assert rates[-1] == pytest.approx(1e-4 * 0.3**2)


@short
def test_an_optimizer_without_a_learning_rate(X, tmp_path):
    with pytest.warns(UserWarning, match="the optimizer has no learning_rate"):
        vae = vaelite.fit(X, optimizer=Sign(), **HELD_OUT)
    assert "reduction" not in vae.stop_reason
    assert np.isnan(vae.history["learning_rate"]).all()
    assert vae.history["val_loss"][-1] < vae.history["val_loss"][0]


def test_a_learning_rate_that_is_a_function_of_the_step(X):
    steps = []

    def rate(step):
        steps.append(step)
        return 1e-3 * 0.99**step

    vae = vaelite.fit(X, learning_rate=rate, batch_size=100, **SETTINGS)
    called = [step for step in steps if step]  # checks call it for step 0
    assert called == list(range(1, 12))  # 3 batches, 4 epochs
    assert vae.history["learning_rate"] == pytest.approx([1e-3 * 0.99**n for n in (2, 5, 8, 11)])
    constant = vaelite.fit(X, learning_rate=lambda step: 1e-3, **SETTINGS)
    usual = vaelite.fit(X, **SETTINGS)
    assert all(np.array_equal(constant.params[name], a) for name, a in usual.params.items())


@short
def test_a_stopping_rule_lowers_a_learning_rate_that_is_a_function(X):
    settings = {**HELD_OUT, "max_epochs": 200, "tol": 50.0}
    vae = vaelite.fit(X, learning_rate=lambda step: 1e-3, **settings)
    assert vae.history["learning_rate"][-1] == pytest.approx(1e-3 * 0.3**2)


def test_train_takes_a_plain_function():
    """The mean of data as the minimum of a squared error, in the loop of a fit."""
    data = np.random.default_rng(0).normal(3, 1, (100, 4))

    def squared_error(params, x, eps):
        return anp.mean((x - params["mean"]) ** 2)

    rows = Dataset(data, data.dtype, False, Backend())
    settings = {"latent_dim": 1, "batch_size": 25, "max_epochs": 80}
    plan = Plan(squared_error, seed_sequence(0), rows, {"eval": rows}, **settings)
    state = TrainState({"mean": np.zeros(4)}, vaelite.Adam(0.1), Epochs())
    solution = training.train(plan, state)
    assert solution.params["mean"] == pytest.approx(data.mean(axis=0), abs=0.1)
    assert solution.history["eval_loss"][-1] == pytest.approx(data.var(axis=0).mean(), abs=0.05)
    assert np.isnan(solution.history["eval_kl"]).all()
    assert training.evaluate(squared_error, solution.params, [(data, None)]).shape == (3, 100)
    with pytest.raises(vaelite.TrainingError, match="the batch x is not finite"):
        training.step(squared_error, solution.params, vaelite.Adam(), data * np.nan, None)
    again = TrainState({"mean": np.zeros(4)}, vaelite.Adam(0.1), Epochs())
    solution = training.train(
        replace(plan, target=lambda p, x, eps: squared_error(p, x, eps)), again
    )
    assert solution.params["mean"] == pytest.approx(data.mean(axis=0), abs=0.1)


def test_an_objective_that_overflows_is_named(X):
    vae, elbo = of_vae()

    def overflowing(params, x, eps):
        return anp.exp(1e4 + elbo(params, x, eps))

    message = "epoch 1, batch 0: the objective is not finite"
    with pytest.raises(vaelite.TrainingError, match=message):
        vae.set_params(objective=overflowing, **FIT).fit(X)


class NotInPlace:
    def update(self, params, grads):
        for name in params:
            params[name] = params[name] - 1e-3 * grads[name]


class Nothing:
    def update(self, params, grads):
        return {name: params[name] - 1e-3 * grads[name] for name in params}


OWN = "has no meaning with your own objective"


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"objective": 3}, TypeError, "objective should be callable, got 3"),
        ({"objective": "mmd"}, TypeError, "objective should be callable"),
        ({"objective": lambda p, x: 0}, TypeError, r"objective\(params, x, eps\) failed on x of"),
        ({"objective": lambda p, x, eps: None}, ValueError, "got None; does it end in a return"),
        ({"objective": lambda p, x, eps: x}, ValueError, r"one number per example.*\(3, 64\)"),
        ({"objective": lambda p, x, eps: 1.0}, TypeError, "depends on none of its parameters"),
        ({"objective": lambda p, x, eps: 1.0, "beta": 2}, ValueError, f"beta=2.0 {OWN}"),
        (
            {"objective": lambda p, x, eps: 1.0, "kl": "analytic"},
            ValueError,
            f"kl='analytic' {OWN}",
        ),
        ({"objective": FreeBits, "importance_samples": 2}, ValueError, f"samples=2 {OWN}"),
        (
            {"optimizer": "adam"},
            TypeError,
            r"update\(params, grads\), such as Adam\(1e-3\), got 'a",
        ),
        ({"optimizer": {}}, TypeError, r"a method update\(params, grads\)"),
        ({"optimizer": Sign}, TypeError, "should be an object, got the class Sign"),
        ({"optimizer": vaelite.HeldOut()}, TypeError, r"update\(params, grads\), which fails: too"),
        ({"optimizer": NotInPlace()}, TypeError, "in place.*others now"),
        ({"optimizer": Nothing()}, TypeError, "in place.*same as before"),
        ({"optimizer": Sign(), "learning_rate": 0.1}, ValueError, "learning_rate=0.1 is Adam's"),
        ({"optimizer": Sign(), "weight_decay": 0.1}, ValueError, "weight_decay=0.1 is Adam's"),
        ({"learning_rate": lambda: 1}, TypeError, r"is called as learning_rate\(step\)"),
        ({"learning_rate": lambda step: -1}, ValueError, r"learning_rate\(0\) should be above 0"),
        ({"learning_rate": lambda step: None}, TypeError, r"learning_rate\(0\) should be a number"),
    ],
)
def test_mistakes_are_explained_before_training(settings, error, message, X, monkeypatch):
    monkeypatch.setattr(training, "train", None)
    with pytest.raises(error, match=message):
        vaelite.fit(X, **settings, **SETTINGS)
