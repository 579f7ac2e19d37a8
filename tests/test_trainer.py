"""A step, an epoch and the loop, each by itself; determinism; failures that name their place."""

import numpy as np
import pytest

import vaelite
from vaelite import trainer
from vaelite.convergence import Epochs, HeldOut

N, D = 64, 6


@pytest.fixture
def model(rng):
    """A small model's objective and parameters, and batches of made-up data."""
    vae = vaelite.VAE(2, 8).build(D, np.float64, rng=0)
    X = rng.random((N, D))

    def batches(epoch):
        noise = np.random.default_rng(epoch)
        for start in range(0, N, 24):  # 24, 24 and 16 rows
            x = X[start : start + 24]
            yield x, noise.standard_normal((len(x), 2))

    def evaluation(params, epoch):
        return trainer.evaluate(vae.objective(), params, batches(0))

    return vae.objective(), vae.params, batches, {"eval": evaluation}


def train(model, *args, **settings):
    """`trainer.train` with the same objective in every epoch."""
    objective, params, batches, evaluations = model
    return trainer.train(lambda epoch: objective, params, *args, batches, evaluations, **settings)


def test_a_step_is_the_gradient_and_then_adam(model):
    objective, params, batches, _ = model
    x, eps = next(batches(1))
    expected = {name: array.copy() for name, array in params.items()}
    value, grads = vaelite.value_and_grad(objective)(expected, x, eps)
    vaelite.Adam(0.01).update(expected, grads)
    assert trainer.step(objective, params, vaelite.Adam(0.01), x, eps) == value
    for name, array in params.items():
        assert np.array_equal(array, expected[name]), name


def test_an_epoch_takes_every_batch_and_weights_by_rows(model):
    objective, params, batches, _ = model
    frozen = {name: array.copy() for name, array in params.items()}
    seen = []
    loss = trainer.epoch(objective, params, vaelite.Adam(1e-12), batches(1), seen.append)
    losses = [objective(frozen, x, eps) for x, eps in batches(1)]
    assert seen == pytest.approx(losses, rel=1e-6)
    assert loss == pytest.approx((24 * losses[0] + 24 * losses[1] + 16 * losses[2]) / 64, rel=1e-6)


def test_training_lowers_the_loss_and_records_it(model):
    solution = train(model, vaelite.Adam(0.01), Epochs(), max_epochs=30, log_every=10)
    history = solution.history
    assert history["eval_loss"][-1] < history["eval_loss"][0] - 0.5
    assert history["epoch"] == list(range(1, 31))
    assert np.add(history["eval_nll"], history["eval_kl"]) == pytest.approx(history["eval_loss"])
    assert solution.log["iteration"] == list(range(0, 90, 10))
    norms = sum(np.linalg.norm(array) for array in solution.params.values())
    assert solution.log["ps_norm"][-1] == pytest.approx(norms, rel=0.05)
    assert (solution.n_epochs, solution.best_epoch, solution.converged) == (30, 30, False)


def test_the_best_parameters_come_back(model):
    solution = train(model, vaelite.Adam(0.5), HeldOut(patience=4), max_epochs=200)
    loss, nll, kl = model[3]["eval"](solution.params, 0)
    assert solution.converged
    assert solution.n_epochs == solution.best_epoch + 4
    assert nll + kl == pytest.approx(loss)
    assert np.mean(loss) == pytest.approx(solution.history["eval_loss"][solution.best_epoch - 1])
    assert "4 epochs" in solution.stop_reason


def test_the_cap_warns(model):
    with pytest.warns(vaelite.ConvergenceWarning, match="max_epochs=2"):
        solution = train(model, vaelite.Adam(), HeldOut(), max_epochs=2)
    assert not solution.converged


class Listener:
    """A callback that counts what it is told."""

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


def test_callbacks_are_told_and_can_stop(model):
    listener = Listener(stop_at=3)
    solution = train(model, vaelite.Adam(), Epochs(), max_epochs=9, log_every=4, callbacks=[listener])
    assert listener.iterations == [0, 4, 8]
    assert listener.epochs == [(i + 1, loss) for i, loss in enumerate(solution.history["eval_loss"])]
    assert len(listener.epochs) == 3
    assert listener.ended == 1
    assert "callback" in solution.stop_reason


def poisoned(batches, at):
    for batch, (x, eps) in enumerate(batches):
        yield (x * np.nan if batch == at else x), eps


def test_a_nan_names_epoch_batch_and_array_and_changes_nothing(model):
    objective, params, batches, evaluations = model
    adam, listener = vaelite.Adam(), Listener()
    before = []

    def poison_the_second_epoch(epoch):
        if epoch == 2:
            before.append({name: array.copy() for name, array in params.items()})
        return poisoned(batches(epoch), at=0 if epoch == 2 else None)

    spoiled = objective, params, poison_the_second_epoch, evaluations
    with pytest.raises(vaelite.TrainingError, match=r"epoch 2, batch 0: the batch x is not finite"):
        train(spoiled, adam, Epochs(), max_epochs=3, callbacks=[listener])
    assert adam.t == 3
    assert listener.ended == 1
    for name, array in params.items():
        assert np.array_equal(array, before[0][name]), name


@pytest.mark.parametrize("term", ["negloglikelihood", "neglogprior", "neglogposterior"])
def test_a_nan_in_a_term_names_the_term(model, term):
    objective, params, batches, _ = model
    broken = vaelite.NegELBO(**{**vars(objective), term: lambda *args: np.nan * getattr(objective, term)(*args)})
    with pytest.raises(vaelite.TrainingError, match=f"batch 0: {term} is not finite"):
        trainer.epoch(broken, params, vaelite.Adam(), batches(1))


def test_a_nan_in_one_gradient_names_the_array(model, monkeypatch):
    objective, params, batches, _ = model
    original = vaelite.value_and_grad

    def spoiled(objective):
        def gradient(*args):
            value, grads = original(objective)(*args)
            grads["decoder.logsigma.W"][0, 0] = np.inf
            return value, grads

        return gradient

    monkeypatch.setattr(trainer, "value_and_grad", spoiled)
    with pytest.raises(vaelite.TrainingError, match=r"batch 0: the gradient of decoder\.logsigma\.W is not finite"):
        trainer.epoch(objective, params, vaelite.Adam(), batches(1))


def test_a_gradient_too_large_for_adam_is_refused():
    rng = np.random.default_rng(0)
    vae = vaelite.VAE(hidden_dim=8, likelihood=vaelite.Gaussian(mean="identity", floor=None)).build(5, rng=0)
    vae.params["decoder.logsigma.b"] -= 24  # sigma = 4e-11: finite squares, whose gradient has none
    before = {name: array.copy() for name, array in vae.params.items()}
    x, eps = rng.standard_normal((4, 5), dtype=np.float32), rng.standard_normal((4, 2), dtype=np.float32)
    with pytest.raises(vaelite.TrainingError, match=r"the gradient of \S+ is too large to be squared; a smaller"):
        trainer.step(vae.objective(), vae.params, vaelite.Adam(), x, eps)
    assert all(np.array_equal(vae.params[name], array) for name, array in before.items())


def test_large_gradients_are_no_nan():
    assert trainer._all_finite(np.full(10, 1e30, np.float32))  # the sum of squares overflows
    assert not trainer._all_finite(np.array([1, np.nan], np.float32))
    assert not trainer._all_finite(np.array([1, np.inf], np.float32))


def test_several_evaluations_are_recorded_and_the_first_one_rules(model):
    objective, params, batches, evaluations = model
    other = {"eval": evaluations["eval"], "test": lambda params, epoch: np.full((3, 5), float(epoch))}
    solution = train((objective, params, batches, other), vaelite.Adam(0.01), Epochs(), max_epochs=3)
    assert solution.history["test_loss"] == [1, 2, 3]
    assert solution.history["eval_loss"][-1] < solution.history["eval_loss"][0]


def test_the_objective_may_change_with_the_epoch(model):
    objective, params, batches, evaluations = model
    asked = []
    trainer.train(
        lambda epoch: asked.append(epoch) or objective,
        params,
        vaelite.Adam(),
        Epochs(),
        batches,
        evaluations,
        max_epochs=3,
    )
    assert asked == [1, 2, 3]
