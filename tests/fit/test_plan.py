"""The plan of a fit: what each epoch does, by address and without state."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import vaelite
from vaelite.arrays.backend import get_backend
from vaelite.arrays.streams import Stream, generator, seed_sequence
from vaelite.data.dataset import Dataset
from vaelite.fit import plan as run_module
from vaelite.fit.plan import Run
from vaelite.fit.settings import ELBOSettings


@pytest.fixture
def run(rng):
    data = Dataset.checked(rng.random((50, 6)), vaelite.Gaussian(), get_backend("numpy"))
    vae = vaelite.VAE(2, 8).build(6, np.float64, rng=0)
    settings = ELBOSettings(batch_size=20, max_epochs=5, beta=2, warmup_epochs=4)
    parts = {"val": data, "eval": data, "test": data}
    return Run(vae.objective(beta=2), seed_sequence(0), settings, 2, data, parts)


def noise(batches):
    return np.concatenate([batch.eps for batch in batches])


def test_any_epoch_can_be_drawn_again_by_itself(run):
    for epoch in (7, 3, 7):
        first, again = list(run.batches(epoch)), list(run.batches(epoch))
        for a, b in zip(first, again, strict=True):
            assert np.array_equal(a.x, b.x)
            assert np.array_equal(a.eps, b.eps)
    assert not np.array_equal(noise(run.batches(3)), noise(run.batches(7)))
    orders = [np.concatenate([batch.rows for batch in run.batches(epoch)]) for epoch in (3, 7)]
    assert not np.array_equal(*orders)
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize(("name", "is_fresh"), [("val", False), ("test", False), ("eval", True)])
def test_held_out_and_test_rows_have_the_same_noise_in_every_epoch(run, name, is_fresh):
    first, second = (noise(run.evaluation_batches(name, epoch)) for epoch in (1, 2))
    assert np.array_equal(first, second) is not is_fresh


def test_held_out_and_test_rows_have_noise_of_their_own(run):
    streams = [noise(run.evaluation_batches(name, 0)) for name in ("val", "test")]
    streams.append(noise(run.batches(1)))
    assert not any(
        np.array_equal(a, b) for a, b in zip(streams, streams[1:] + streams[:1], strict=True)
    )


def test_the_kl_weight_rises_during_warm_up_and_evaluations_have_it_in_full(run):
    assert [run.objective(epoch).beta for epoch in range(1, 7)] == [0.5, 1, 1.5, 2, 2, 2]
    assert run.target.beta == 2


@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_warm_up_ends_at_the_full_weight(run, beta):
    run = replace(run, target=replace(run.target, beta=beta))
    weights = [run.objective(epoch).beta for epoch in (1, 2, 4, 5, 100)]
    assert weights == pytest.approx([beta / 4, beta / 2, beta, beta, beta])


def test_an_evaluation_during_warm_up_has_the_full_weight(run):
    params = vaelite.VAE(2, 8).build(6, np.float64, rng=0).params
    loss, nll, kl = run.evaluate("val", params, 1)
    assert loss == pytest.approx(nll + 2 * kl)
    assert np.min(kl) != 0


def all_noise(run):
    """The noise of two epochs and of their evaluations, by place."""
    found = {"val": noise(run.evaluation_batches("val", 0))}
    found["test"] = noise(run.evaluation_batches("test", 0))
    for epoch in (1, 2):
        found["eval", epoch] = noise(run.evaluation_batches("eval", epoch))
        found["training", epoch] = noise(run.batches(epoch))
    return found


def test_no_two_rows_have_the_same_noise_at_any_place(run, monkeypatch):
    monkeypatch.setattr(run_module, "CHUNK_ROWS", 8)  # 50 rows are 7 batches
    found = all_noise(run)
    assert {eps.shape for eps in found.values()} == {(50, 2)}
    numbers = np.concatenate([eps.ravel() for eps in found.values()])
    assert len(np.unique(numbers)) == len(numbers) == 6 * 50 * 2


def test_an_evaluation_has_as_many_samples_as_a_step(run):
    run = replace(run, settings=ELBOSettings(importance_samples=3, batch_size=20))
    shapes = [next(run.batches(1)).eps.shape, next(run.evaluation_batches("val", 1)).eps.shape]
    assert shapes == [(3, 20, 2), (3, 50, 2)]


def test_terms_are_tried_on_a_number_of_rows_that_no_other_axis_has(run):
    for n_features, latent_dim in itertools.product(range(1, 8), repeat=2):
        plan = replace(run, data=SimpleNamespace(n_features=n_features), latent_dim=latent_dim)
        assert plan.trial_rows() in {3, 4, 5} - {n_features, latent_dim}


def held_out(seed, n=400):
    """The numbers of the rows that a fit holds out."""
    X, seen = np.random.default_rng(0).random((n, 3)), set()
    X[:, 0] = np.arange(n) / n  # the first pixel is the row's number

    def evaluate(run, name, params, epoch):
        for batch in run.evaluation_batches(name, epoch):
            seen.update(np.rint(batch.x[:, 0] * n))
        return original(run, name, params, epoch)

    with pytest.MonkeyPatch.context() as patch:
        original = Run.evaluate
        patch.setattr(Run, "evaluate", evaluate)
        vaelite.fit(X, hidden_dim=4, max_epochs=1, rng=seed)
    return np.array(sorted(seen))


@pytest.mark.filterwarnings("ignore::vaelite.ConvergenceWarning")
def test_held_out_rows_are_random_and_depend_on_the_seed():
    first, again, other = (held_out(seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    # two random sets of 40 of 400 rows share 4 rows on average
    assert len(np.intersect1d(first, other)) < 20
    for seed, rows in enumerate((first, other)):
        order = generator(seed_sequence(seed), Stream.SPLIT).permutation(400)
        assert np.array_equal(rows, np.sort(order[:40]))  # the address in docs/inside.md
        # the mean of 40 row numbers has the standard deviation 400 / sqrt(12 * 40) = 18
        assert abs(rows.mean() - 199.5) < 4 * 18


def test_the_plan_cannot_be_changed(run):
    with pytest.raises(AttributeError):
        run.seed = 1
