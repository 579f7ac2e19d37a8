"""The plan of a fit: what each epoch does, by address and without state."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import vaelite
from vaelite.arrays.backend import get_backend
from vaelite.arrays.streams import Stream, generator, seed_sequence
from vaelite.data.dataset import Dataset
from vaelite.fit import plan as plans
from vaelite.fit.plan import Plan


@pytest.fixture
def plan(rng):
    data = Dataset.checked(rng.random((50, 6)), vaelite.Gaussian(), get_backend("numpy"))
    vae = vaelite.VAE(2, 8).build(6, np.float64, rng=0)
    parts = {"val": data, "eval": data, "test": data}
    settings = {"batch_size": 20, "max_epochs": 5, "warmup_epochs": 4}
    return Plan(vae.loss(beta=2), seed_sequence(0), data, parts, 2, **settings)


def noise(batches):
    return np.concatenate([batch.eps for batch in batches])


def test_any_epoch_can_be_drawn_again_by_itself(plan):
    for epoch in (7, 3, 7):
        first, again = list(plan.batches(epoch)), list(plan.batches(epoch))
        for a, b in zip(first, again, strict=True):
            assert np.array_equal(a.x, b.x)
            assert np.array_equal(a.eps, b.eps)
    assert not np.array_equal(noise(plan.batches(3)), noise(plan.batches(7)))
    orders = [np.concatenate([batch.rows for batch in plan.batches(epoch)]) for epoch in (3, 7)]
    assert not np.array_equal(*orders)
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize(("name", "is_fresh"), [("val", False), ("test", False), ("eval", True)])
def test_held_out_and_test_rows_have_the_same_noise_in_every_epoch(plan, name, is_fresh):
    first, second = (noise(plan.evaluation_batches(name, epoch)) for epoch in (1, 2))
    assert np.array_equal(first, second) is not is_fresh


def test_held_out_and_test_rows_have_noise_of_their_own(plan):
    streams = [noise(plan.evaluation_batches(name, 0)) for name in ("val", "test")]
    streams.append(noise(plan.batches(1)))
    assert not any(
        np.array_equal(a, b) for a, b in zip(streams, streams[1:] + streams[:1], strict=True)
    )


def test_the_kl_weight_rises_during_warm_up_and_evaluations_have_it_in_full(plan):
    assert [plan.objective(epoch).beta for epoch in range(1, 7)] == [0.5, 1, 1.5, 2, 2, 2]
    assert plan.target.beta == 2


@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_warm_up_ends_at_the_full_weight(plan, beta):
    plan = replace(plan, target=replace(plan.target, beta=beta))
    weights = [plan.objective(epoch).beta for epoch in (1, 2, 4, 5, 100)]
    assert weights == pytest.approx([beta / 4, beta / 2, beta, beta, beta])


def test_an_evaluation_during_warm_up_has_the_full_weight(plan):
    params = vaelite.VAE(2, 8).build(6, np.float64, rng=0).params
    loss, nll, kl = plan.evaluate("val", params, 1)
    assert loss == pytest.approx(nll + 2 * kl)
    assert np.min(kl) != 0


def all_noise(plan):
    """The noise of two epochs and of their evaluations, by place."""
    found = {"val": noise(plan.evaluation_batches("val", 0))}
    found["test"] = noise(plan.evaluation_batches("test", 0))
    for epoch in (1, 2):
        found["eval", epoch] = noise(plan.evaluation_batches("eval", epoch))
        found["training", epoch] = noise(plan.batches(epoch))
    return found


def test_no_two_rows_have_the_same_noise_at_any_place(plan, monkeypatch):
    monkeypatch.setattr(plans, "CHUNK_ROWS", 8)  # 50 rows are 7 batches
    found = all_noise(plan)
    assert {eps.shape for eps in found.values()} == {(50, 2)}
    numbers = np.concatenate([eps.ravel() for eps in found.values()])
    assert len(np.unique(numbers)) == len(numbers) == 6 * 50 * 2


def test_an_evaluation_has_as_many_samples_as_a_step(plan):
    plan = replace(plan, samples=3)
    shapes = [next(plan.batches(1)).eps.shape, next(plan.evaluation_batches("val", 1)).eps.shape]
    assert shapes == [(3, 20, 2), (3, 50, 2)]


def test_terms_are_tried_on_a_number_of_rows_that_no_other_axis_has(plan, rng):
    for n_features, latent_dim in itertools.product(range(1, 8), repeat=2):
        X = rng.random((9, n_features))
        data = Dataset.checked(X, vaelite.Gaussian(), get_backend("numpy"))
        _, _, x, eps = replace(plan, data=data, latent_dim=latent_dim).trial({})
        assert len(x) == len(eps)
        assert len(x) not in (n_features, latent_dim)


def held_out(seed, n=400):
    """The numbers of the rows that a fit holds out."""
    X, seen = np.random.default_rng(0).random((n, 3)), set()
    X[:, 0] = np.arange(n) / n  # the first pixel is the row's number

    def evaluate(plan, name, params, epoch):
        for batch in plan.evaluation_batches(name, epoch):
            seen.update(np.rint(batch.x[:, 0] * n))
        return original(plan, name, params, epoch)

    with pytest.MonkeyPatch.context() as patch:
        original = Plan.evaluate
        patch.setattr(Plan, "evaluate", evaluate)
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


def test_the_plan_cannot_be_changed(plan):
    with pytest.raises(AttributeError):
        plan.seed = 1
