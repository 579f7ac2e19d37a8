"""A step, an epoch and the loop, each by itself; determinism; errors that name their place."""

import copy
import warnings
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vaelite
from vaelite import training
from vaelite.data.dataset import Batch
from vaelite.state import Kept, TrainState
from vaelite.stopping import Epochs, HeldOut

N, D = 64, 6


@dataclass
class Plan:
    """The smallest plan that `training.train` runs: one objective, the same data in each epoch."""

    objective: Any
    rows: np.ndarray
    max_epochs: int = 3
    log_every: int = 100
    poison: tuple = ()  # (epoch, batch)
    evaluated: tuple = ("eval",)
    warmup_epochs: int = 0

    data = SimpleNamespace(n_features=D, n_conditions=0, feature_names=None)

    def batches(self, epoch):
        noise = np.random.default_rng(epoch)
        for batch, start in enumerate(range(0, N, 24)):  # 24, 24 and 16 rows
            x = self.rows[start : start + 24]
            eps = noise.standard_normal((len(x), 2))
            yield (x * np.nan if (epoch, batch) == self.poison else x), eps

    def is_warming_up(self, epoch):
        return epoch < self.warmup_epochs

    def step(self, state, batch):
        return training.step(self.objective, state.params, state.adam, *batch)

    def evaluate(self, name, params, epoch):
        if name == "test":
            return np.full((3, 5), float(epoch))
        return training.evaluate(self.objective, params, self.batches(0))


@pytest.fixture
def plan(rng):
    vae = vaelite.VAE(2, 8).build(D, np.float64, rng=0)
    plan = Plan(vae.loss(), rng.random((N, D)))
    plan.params = vae.params
    return plan


def train(plan, adam=None, rule=None, callbacks=(), kept=None, **settings):
    """`training.train` of a plan, from its parameters, with some settings changed."""
    state = TrainState(plan.params, adam or vaelite.Adam(), rule or Epochs())
    return training.train(replace(plan, **settings), state, callbacks, kept)


def test_a_step_is_the_gradient_and_then_adam(plan):
    objective, params = plan.objective, plan.params
    x, eps = next(plan.batches(1))
    expected = {name: array.copy() for name, array in params.items()}
    value, grads = vaelite.value_and_grad(objective)(expected, x, eps)
    vaelite.Adam(0.01).update(expected, grads)
    assert training.step(objective, params, vaelite.Adam(0.01), x, eps) == value
    for name, array in params.items():
        assert np.array_equal(array, expected[name]), name


@pytest.mark.parametrize("arrange", [lambda a: a.copy("F"), lambda a: a[::-1].copy()[::-1]])
def test_a_step_trains_arrays_of_any_layout(plan, arrange):
    """Such as the transposed weights of other libraries."""
    expected = {name: array.copy("C") for name, array in plan.params.items()}
    params = {name: arrange(array) for name, array in plan.params.items()}
    assert not all(array.flags.c_contiguous for array in params.values())
    adams = vaelite.Adam(0.01), vaelite.Adam(0.01)
    for x, eps in plan.batches(1):
        for arrays, adam in zip((expected, params), adams, strict=True):
            training.step(plan.objective, arrays, adam, x, eps)
    for name, array in params.items():
        assert array == pytest.approx(expected[name], rel=1e-9, abs=1e-12), name
        assert not np.array_equal(array, plan.params[name]), name


def test_an_epoch_takes_every_batch_and_weights_by_rows(plan):
    def step(batch):
        return plan.objective(plan.params, *batch)

    losses, seen = [step(batch) for batch in plan.batches(1)], []
    loss = training.epoch(step, plan.batches(1), seen.append)
    assert seen == losses
    assert loss == pytest.approx((24 * losses[0] + 24 * losses[1] + 16 * losses[2]) / 64)


def test_training_lowers_the_loss_and_records_it(plan):
    solution = train(plan, vaelite.Adam(0.01), max_epochs=30, log_every=10)
    history = solution.history
    assert history["eval_loss"][-1] < history["eval_loss"][0] - 0.5
    assert history["epoch"] == list(range(1, 31))
    assert np.add(history["eval_nll"], history["eval_kl"]) == pytest.approx(history["eval_loss"])
    assert solution.log["iteration"] == list(range(0, 90, 10))
    norms = sum(np.linalg.norm(array) for array in solution.params.values())
    assert solution.log["param_norm"][-1] == pytest.approx(norms, rel=0.05)
    assert (solution.n_epochs, solution.best_epoch, solution.converged) == (30, 30, False)


def test_the_best_parameters_come_back(plan):
    rule = HeldOut(patience=4)
    solution = train(plan, vaelite.Adam(0.5), rule, evaluated=("val",), max_epochs=200)
    loss, nll, kl = plan.evaluate("val", solution.params, 0)
    assert solution.converged
    assert solution.best_epoch == 1 + np.argmin(solution.history["val_loss"])
    assert solution.best_epoch < solution.n_epochs
    assert nll + kl == pytest.approx(loss)
    assert np.mean(loss) == pytest.approx(solution.history["val_loss"][solution.best_epoch - 1])
    assert "for 2 epochs" in solution.stop_reason


def test_where_the_learning_rate_falls_training_goes_on_from_the_best_epoch(plan):
    adam, rule = vaelite.Adam(0.5), HeldOut(patience=2, drops=1, factor=1e-12)
    seen = {}

    def keep(state):
        seen[state.epoch] = {name: array.copy() for name, array in state.params.items()}

    solution = train(plan, adam, rule, (keep,), evaluated=("val",), max_epochs=200)
    rates, losses = (np.array(solution.history[k]) for k in ("learning_rate", "val_loss"))
    drop = int(np.argmax(rates < 0.5))  # the index of the first epoch with the lower rate
    assert rates == pytest.approx(np.where(np.arange(len(rates)) < drop, 0.5, 5e-13), abs=0)
    best = 1 + int(np.argmin(losses[:drop]))
    assert best < drop
    for name, array in seen[drop + 1].items():  # a step of 5e-13 moves nothing
        assert array == pytest.approx(seen[best][name], abs=1e-10), name


def test_the_limit_of_epochs_warns(plan):
    with pytest.warns(vaelite.ConvergenceWarning, match="max_epochs=2"):
        solution = train(plan, rule=HeldOut(), evaluated=("val",), max_epochs=2)
    assert not solution.converged


class Listener:
    """A callback that counts its calls."""

    def __init__(self, stop_at=None):
        self.stop_at, self.iterations, self.epochs, self.ended = stop_at, [], [], 0

    def on_iteration(self, state):
        self.iterations.append(state.iteration)

    def on_end(self, state):
        self.ended += 1

    def __call__(self, state):
        assert not any(array.flags.writeable for array in state.params.values())
        self.epochs.append((state.epoch, state.eval_loss))
        return state.epoch == self.stop_at


def test_callbacks_are_called_and_can_stop(plan):
    listener = Listener(stop_at=3)
    solution = train(plan, max_epochs=9, log_every=4, callbacks=[listener])
    assert listener.iterations == [0, 4, 8]
    assert listener.epochs == list(enumerate(solution.history["eval_loss"], start=1))
    assert len(listener.epochs) == 3
    assert listener.ended == 1
    assert "callback" in solution.stop_reason


def test_the_rule_judges_no_epoch_of_the_warm_up(plan):
    rule = vaelite.HeldOut(tol=1e9, patience=2, drops=0)
    solution = train(plan, rule=rule, warmup_epochs=5, max_epochs=20)
    assert solution.converged
    assert solution.n_epochs == 7  # the first that is judged is the fifth; two are no better
    assert solution.best_epoch >= 5


def test_a_nan_names_epoch_batch_and_array_and_changes_nothing(plan):
    kept, listener, before = Kept(), Listener(), []
    with pytest.raises(vaelite.TrainingError, match=r"epoch 2, batch 0: the batch x is not finite"):
        train(plan, poison=(2, 0), callbacks=[listener, before.append], kept=kept)
    assert (kept.state.adam.t, kept.state.history["epoch"]) == (3, [1])
    assert listener.ended == 1
    for name, array in kept.state.params.items():
        assert np.array_equal(array, before[0].params[name]), name


@pytest.mark.parametrize("term", ["negloglikelihood", "neglogprior", "neglogposterior"])
def test_a_nan_in_a_term_names_the_term(plan, term):
    original = getattr(plan.objective, term)
    broken = replace(plan.objective, **{term: lambda *args: np.nan * original(*args)})
    with pytest.raises(vaelite.TrainingError, match=f"epoch 1, batch 0: {term} is not finite"):
        train(plan, objective=broken)


def test_a_nan_in_one_gradient_names_the_array(plan, monkeypatch):
    original = vaelite.value_and_grad

    def spoiled(objective):
        def gradient(*args):
            value, grads = original(objective)(*args)
            grads["decoder.logsigma.W"][0, 0] = np.inf
            return value, grads

        return gradient

    monkeypatch.setattr(training, "value_and_grad", spoiled)
    message = r"batch 0: the gradient of decoder\.logsigma\.W is not finite"
    with pytest.raises(vaelite.TrainingError, match=message):
        train(plan)


def test_a_gradient_too_large_for_adam_is_refused():
    rng = np.random.default_rng(0)
    likelihood = vaelite.Gaussian(mean="identity", floor=None)
    vae = vaelite.VAE(hidden_dim=8, likelihood=likelihood).build(5, rng=0)
    # sigma = 4e-11: the loss is finite, and the squares of its gradient are not
    vae.params["decoder.logsigma.b"] -= 24
    before = {name: array.copy() for name, array in vae.params.items()}
    x, eps = (rng.standard_normal((4, columns), dtype=np.float32) for columns in (5, 2))
    message = r"the gradient of \S+ is too large to be squared; a smaller"
    with pytest.raises(vaelite.TrainingError, match=message):
        training.step(vae.loss(), vae.params, vaelite.Adam(), x, eps)
    assert all(np.array_equal(vae.params[name], array) for name, array in before.items())


def test_large_gradients_are_finite():
    assert training.is_finite(np.full(10, 1e30, np.float32))  # the sum of squares overflows
    assert not training.is_finite(np.array([1, np.nan], np.float32))
    assert not training.is_finite(np.array([1, np.inf], np.float32))


def test_an_evaluation_sees_each_rows_condition(rng):
    vae = vaelite.VAE(2, 8).build(D, np.float64, rng=0, n_conditions=3)
    x, eps, c = rng.random((10, D)), rng.standard_normal((10, 2)), rng.standard_normal((10, 3))
    batches = [Batch(x[r], eps[r], r, c[r]) for r in (slice(0, 6), slice(6, 10))]
    found = training.evaluate(vae.loss(), vae.params, batches)
    assert found == pytest.approx(np.stack(vae.loss().given(c).parts(vae.params, x, eps)))


def test_an_evaluated_loss_that_is_not_finite_ends_training(plan, monkeypatch):
    parts = np.array([[1.0, np.inf], [1.0, 1.0], [0.0, np.inf]])  # loss, nll, kl of two rows
    monkeypatch.setattr(Plan, "evaluate", lambda *args: parts)
    with (
        pytest.warns(vaelite.FitWarning, match="epoch 1, .*the eval loss is not finite; trying"),
        pytest.raises(vaelite.TrainingError, match="in epoch 1, .*the eval loss is not finite"),
    ):
        train(plan)


def test_all_evaluations_are_recorded(plan):
    solution = train(plan, vaelite.Adam(0.01), evaluated=("eval", "test"))
    assert solution.history["test_loss"] == [1, 2, 3]
    assert solution.history["eval_loss"][-1] < solution.history["eval_loss"][0]


def test_the_rule_receives_the_loss_of_each_row_of_the_first_evaluation(plan):
    class Rule(HeldOut):
        seen = []

        def update(self, losses):
            self.seen.append(losses)
            return super().update(losses)

    # the mean of a loss that is not the one of the test rows, and not a part of it
    rule = Rule(patience=100)
    with pytest.warns(vaelite.ConvergenceWarning):
        solution = train(plan, vaelite.Adam(0.01), rule, evaluated=("val", "test"))
    assert [losses.shape for losses in rule.seen] == [(N,)] * 3
    means = [losses.mean() for losses in rule.seen]
    assert means == pytest.approx(solution.history["val_loss"])
    assert means != pytest.approx(solution.history["val_nll"], rel=0.01)


def test_test_rows_do_not_influence_training(rng):
    X, X_test = rng.random((200, D)), rng.random((50, D))
    settings = {"hidden_dim": 8, "max_epochs": 5, "rng": 0, "stopping": HeldOut(patience=2)}
    settings |= {"learning_rate": 0.05}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vaelite.ConvergenceWarning)
        alone, tested = (vaelite.fit(X, *test, **settings) for test in ((), (X_test,)))
    assert alone.best_epoch == tested.best_epoch
    assert alone.history["val_loss"] == tested.history["val_loss"]
    for name, array in alone.params.items():
        assert np.array_equal(array, tested.params[name]), name


def test_time_goes_on_from_the_states(plan):
    state = TrainState(plan.params, vaelite.Adam(), Epochs(), elapsed=1000.0)
    times = training.train(plan, state).history["elapsed"]
    assert 1000 < times[0] < times[1] < times[2] < 1100


def test_the_state_holds_all_that_training_changes(plan):
    """Training in two parts, from a copied state, ends where training in one part ends."""
    start, kept = TrainState(plan.params, vaelite.Adam(), Epochs()), Kept()
    one = training.train(replace(plan, max_epochs=4), start)
    training.train(replace(plan, max_epochs=2), start, kept=kept)
    two = training.train(replace(plan, max_epochs=4), copy.deepcopy(kept.state))
    for name, array in one.params.items():
        assert np.array_equal(array, two.params[name]), name
    losses = [{k: v for k, v in s.history.items() if k != "elapsed"} for s in (one, two)]
    assert losses[0] == losses[1]
    assert one.n_epochs == 4
