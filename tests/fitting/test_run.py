"""The plan of a fit: what each epoch does, by address and without state."""

import numpy as np
import pytest

import vaelite
from vaelite.arrays.backend import get_backend
from vaelite.arrays.streams import seed_sequence
from vaelite.data.dataset import Dataset
from vaelite.fitting.run import Run
from vaelite.fitting.settings import ELBOSettings


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


def test_the_plan_cannot_be_changed(run):
    with pytest.raises(AttributeError):
        run.seed = 1
