"""Dask: a fitted model on blocks, many fits, and one fit on rows in shards."""

import os
import signal
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("distributed", reason="dask and distributed are not installed")
pytest.importorskip("dask.array", reason="dask is not installed")
pytest.importorskip("pandas", reason="pandas is not installed")
import dask
import dask.array as da
import pandas as pd
from distributed import Client, LocalCluster

import vaelite
import vaelite.dask
from vaelite.arrays.streams import Stream, generator, seed_sequence
from vaelite.dask.shards import ShardedRows
from vaelite.dask.steps import added
from vaelite.data.rows import row_numbers
from vaelite.fit import fit as fit_module

rng = np.random.default_rng(0)
X = rng.random((2300, 6), dtype=np.float32)
CHUNKS = {"batches": (1000, 6), "others": (700, 4), "small": (90, 6), "one": (2300, 6)}
QUICK = {"hidden_dim": 8, "max_epochs": 2, "stopping": "epochs", "rng": 0}
FEW = X[:203]
SHARDED = {"shards": 4, "hidden_dim": 8, "batch_size": 40, "rng": 0, "log_every": 1}


@contextmanager
def cluster(**settings):
    """A client of a cluster on this machine, and nothing that is left behind."""
    given = {"n_workers": 1, "threads_per_worker": 1, "memory_limit": "1GB", **settings}
    local = LocalCluster(dashboard_address=":0", **given)
    with local, Client(local) as client:
        yield client


@pytest.fixture(scope="module")
def client():
    """A worker in this process: it starts at once."""
    with cluster(processes=False) as client:
        yield client


@pytest.fixture(scope="module")
def model():
    return vaelite.fit(X, **QUICK)


@pytest.fixture(params=CHUNKS)
def blocks(request):
    return da.from_array(X, chunks=CHUNKS[request.param])


# A fitted model on blocks: the numbers are those of the call on all rows.


def test_codes_are_those_of_all_rows(model, blocks):
    found = dask.compute(vaelite.dask.encode(model, blocks))[0]
    for ours, expected in zip(found, model.encode(X), strict=True):
        assert ours.dtype == expected.dtype
        assert np.array_equal(ours, expected)


@pytest.mark.parametrize("n_samples", [None, 4])
def test_scores_are_those_of_all_rows(model, blocks, n_samples):
    for seed in (5, np.random.SeedSequence(3)):
        found = vaelite.dask.score_samples(model, blocks, seed, n_samples=n_samples)
        expected = model.score_samples(X, seed, n_samples=n_samples)
        for _ in range(2):  # a task may run again
            assert np.array_equal(found.compute(), expected), seed


def test_a_generator_goes_on_as_in_the_call_on_all_rows(model):
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(2):
        found = vaelite.dask.score_samples(model, da.from_array(X, chunks=(1000, 6)), ours)
        assert np.array_equal(found.compute(), model.score_samples(X, theirs))


@pytest.mark.parametrize("sampled", [{}, {"sample": True, "rng": 4}])
def test_reconstructions_are_those_of_all_rows(model, blocks, sampled):
    found = vaelite.dask.reconstruct(model, blocks, **sampled).compute()
    assert np.array_equal(found, model.reconstruct(X, **sampled))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (vaelite.fit_autoencoder, {}),
        (vaelite.fit, {"likelihood": "bernoulli"}),
        (vaelite.fit, {"likelihood": vaelite.Categorical(3)}),
        (vaelite.fit, {"dtype": "float64"}),
    ],
)
def test_other_models_and_likelihoods_on_blocks(kind, settings):
    rows = np.rint(2 * FEW) if isinstance(settings.get("likelihood"), vaelite.Categorical) else FEW
    model, blocks = kind(rows, **QUICK, **settings), da.from_array(rows, chunks=(50, 6))
    codes = vaelite.dask.encode(model, blocks)
    codes = codes[0] if model.has_posterior else codes
    found, expected = vaelite.dask.reconstruct(model, blocks), model.reconstruct(rows)
    assert np.array_equal(codes.compute(), model.codes(rows))
    assert np.array_equal(found.compute(), expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize("make", [np.asarray, lambda c: da.from_array(c, chunks=(333, 1))])
def test_each_block_has_its_own_condition(make):
    C = np.eye(2, dtype=np.float32)[np.arange(len(X)) % 2]
    model = vaelite.fit(X, condition=C, **QUICK)
    blocks = da.from_array(X, chunks=(800, 6))
    found = vaelite.dask.score_samples(model, blocks, condition=make(C))
    assert np.array_equal(found.compute(), model.score_samples(X, condition=C))
    found, _ = vaelite.dask.encode(model, blocks, condition=[0, 1])
    assert np.array_equal(found.compute(), model.encode(X, condition=[0, 1])[0])
    found = vaelite.dask.log_evidence(model, blocks[:1200], 2, condition=make(C)[:1200])
    first = vaelite.log_evidence(model, X[:1000], 2, condition=C[:1000])
    assert np.array_equal(found.value[:1000].compute(), first.value)


def test_the_evidence_of_a_thousand_rows_is_that_of_the_call_on_them(model):
    blocks = da.from_array(X, chunks=(400, 6))
    (found,) = dask.compute(vaelite.dask.log_evidence(model, blocks, n_samples=3, rng=7))
    seeds = [7, *(generator(seed_sequence(7), Stream.EVIDENCE, piece) for piece in (1, 2))]
    pieces = [slice(0, 1000), slice(1000, 2000), slice(2000, 2300)]
    for rows, seed in zip(pieces, seeds, strict=True):
        expected = vaelite.log_evidence(model, X[rows], n_samples=3, rng=seed)
        for name in "value", "standard_error", "effective_samples", "pareto_k":
            ours, theirs = getattr(found, name)[rows], getattr(expected, name)
            assert np.array_equal(ours, theirs, equal_nan=True), name
    assert (found.n_samples, found.k_limit) == (expected.n_samples, expected.k_limit)
    assert str(found).startswith(f"{found.value.mean():.3f}")


@pytest.mark.slow
def test_the_evidence_agrees_with_the_integral(model):
    blocks = da.from_array(FEW[:20], chunks=(10, 6))
    (found,) = dask.compute(vaelite.dask.log_evidence(model, blocks, n_samples=400))
    exact = vaelite.Quadrature(model).log_evidence(FEW[:20])[0]
    assert np.abs(found.value - exact).max() < 5 * found.standard_error.max() < 0.5


# Many fits.


def test_a_sweep_is_a_table_of_serial_fits(client, monkeypatch, capsys):
    sent, scatter = [], client.scatter
    monkeypatch.setattr(client, "scatter", lambda *a, **s: sent.append(a) or scatter(*a, **s))
    grid = {"latent_dim": [1, 2], "likelihood": ["gaussian", "bernoulli"]}
    settings = {**QUICK, "stopping": "heldout"}
    del settings["rng"]
    arguments = FEW, grid, [0, 7], X[300:400]
    table = vaelite.dask.sweep(client, *arguments, progress=True, models=True, **settings)
    assert len(sent) == 1  # the rows, once and not for each fit
    assert "100% Completed" in capsys.readouterr().out
    names = ["latent_dim", "likelihood", "seed"]
    assert table[names].to_numpy().tolist() == [
        [K, name, seed]
        for K in grid["latent_dim"]
        for name in grid["likelihood"]
        for seed in (0, 7)
    ]
    for _, row in table.iterrows():
        with pytest.warns(vaelite.ConvergenceWarning) as warned:
            vae = vaelite.fit(FEW, X[300:400], **settings, rng=row.seed, **row[names[:2]])
        assert (row.training, row["held-out"]) == tuple(vae.scores.values())
        assert row.test == vae.score(X[300:400])
        assert (row.n_epochs, row.best_epoch, row.converged) == (2, vae.best_epoch, False)
        assert row.warnings == str(warned[0].message)
        assert row.error is None
        for name, array in vae.params.items():
            assert np.array_equal(row.model.params[name], array)
    here = vaelite.dask.sweep(None, *arguments, **settings)
    pd.testing.assert_frame_equal(
        table.drop(columns=["seconds", "model"]), here.drop(columns="seconds")
    )


def test_a_sweep_of_several_grids_goes_on_after_a_fit_that_fails():
    grids = [{"latent_dim": [1]}, {"learning_rate": [1e30, 0.01]}]
    table = vaelite.dask.sweep(None, FEW, grids, [0], **{k: QUICK[k] for k in QUICK if k != "rng"})
    assert table.error.isna().tolist() == [True, False, True]
    assert table.error[1].startswith("TrainingError: training stopped")
    assert np.isnan(table.latent_dim[1])


# One fit on rows in shards.


def assert_same(model, other):
    assert model.params.keys() == other.params.keys()
    for name, array in model.params.items():
        assert np.array_equal(array, other.params[name]), name
    histories = [{**m.history, "elapsed": 0} for m in (model, other)]
    assert histories[0] == histories[1]
    for name in "log", "stop_reason", "n_epochs", "best_epoch", "scores", "converged":
        assert getattr(model, name) == getattr(other, name), name


FITS = {
    "epochs": {"stopping": "epochs", "max_epochs": 2},
    "held out": {
        **{"stopping": vaelite.HeldOut(patience=1, drops=1), "max_epochs": 5},
        **{"learning_rate": 0.3, "accumulate": 2},
    },
    "lecture": {"stopping": "lecture", "max_epochs": 2, "steps_per_epoch": 3, "X_test": X[300:340]},
    "bound": {"importance_samples": 3, "max_epochs": 2, "accumulate": 100},
    "warm-up": {"max_epochs": 2, "warmup_epochs": 2, "beta": 2.0, "kl": "analytic"},
    "float64": {"X": FEW.astype(np.float64), "max_epochs": 2, "normalized": False},
    "gray levels": {"X": (255 * FEW).astype(np.uint8), "max_epochs": 2},
}


def slow_unless(name, *fast):
    return pytest.param(name, marks=[] if name in fast else [pytest.mark.slow])


def sharded(client=None, **settings):
    settings = {"X": FEW, **SHARDED, **settings}
    return vaelite.dask.fit(client, settings.pop("X"), **settings)


@pytest.mark.filterwarnings("ignore::vaelite.FitWarning")
@pytest.mark.parametrize("name", [slow_unless(name, "epochs", "held out") for name in FITS])
def test_a_fit_on_a_cluster_is_the_fit_in_one_process(client, name):
    X = FITS[name].get("X", FEW)
    blocks = {**FITS[name], "X": da.from_array(X, chunks=(61, 4))}
    assert_same(sharded(client, **blocks), sharded(**FITS[name]))


@pytest.fixture
def run(monkeypatch):
    """The run and the state that a fit on shards begins with."""
    found = {}

    class Stop(Exception):
        pass

    def stop(plan, state, callbacks, kept):
        found.update(run=plan, state=state)
        raise Stop

    def planned(**settings):
        monkeypatch.setattr(fit_module, "train", stop)
        with pytest.raises(Stop):
            sharded(**settings)
        state = found["state"].copy()
        state.epoch = 1
        return found["run"], state

    return planned


def shards_of(run):
    return [plan.on(x) for plan, x in zip(run.plans, run.rows.parts, strict=True)]


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_a_step_follows_the_gradient_of_all_its_rows(run, accumulate):
    """The oracle: one objective, one batch with the rows and the noise of all shards."""
    run, state = run(X=FEW.astype(np.float64), stopping="epochs", accumulate=accumulate)
    batches, shards = list(run.batches(1)), shards_of(run)
    assert sum(len(batch.rows) for batch in batches) == len(FEW)
    parts = [list(shard.batches(1)) for shard in shards]
    seen = []
    for batch in batches:
        wanted = slice(batch.first, batch.first + batch.steps)
        own = [(s, b) for s, part in enumerate(parts) for b in part[wanted]]
        x, eps = (np.concatenate([getattr(b, name) for _, b in own]) for name in ("x", "eps"))
        loss, grads = vaelite.value_and_grad(run.target)(state.params, x, eps)
        expected = {name: array.copy() for name, array in state.params.items()}
        adam = vaelite.Adam(state.adam.learning_rate)
        for name in "t", "m", "v":
            setattr(adam, name, getattr(state.copy().adam, name))
        adam.update(expected, grads)
        assert len(batch.rows) == len(x)
        assert run.step(state, batch) == pytest.approx(loss, rel=1e-12)
        for name, array in state.params.items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-8, atol=1e-10)
        seen += [run.rows.bounds[s] + row for s, b in own for row in b.rows]
    assert sorted(seen) == list(range(len(FEW)))  # each row once in an epoch


def test_shards_have_noise_of_their_own(run):
    run, _ = run(stopping="epochs")
    shards = shards_of(run)
    noise = [next(shard.batches(1)).eps for shard in shards]
    noise += [next(shard.evaluation_batches("eval", 1)).eps[:10] for shard in shards]
    assert len({array.tobytes() for array in noise}) == 8
    orders = [shard.order(1)[:50].tolist() for shard in shards]
    assert orders[0] != orders[1]


def test_the_rows_held_out_are_those_of_the_fit_on_one_machine(run):
    run, _ = run()
    n = len(FEW)
    held_out = generator(seed_sequence(0), Stream.SPLIT).permutation(n)[: round(n / 10)]
    assert np.array_equal(row_numbers(run.evaluated["val"].X), np.sort(held_out))
    shards = shards_of(run)
    assert sum(len(shard.data) for shard in shards) == n - len(held_out)
    found = np.concatenate([shard.evaluated["val"].X[:] for shard in shards])
    assert np.array_equal(found, FEW[np.sort(held_out)])


def test_the_gradients_are_added_in_the_order_of_the_shards(run):
    run, state = run()
    batch = next(run.batches(1))
    found = run.rows.by_shard(lambda x, plan: plan.on(x).part(state.params, 1, 0, 1), run.plans)
    total = found[0]
    for part in found[1:]:
        total = added(total, part)
    backward = {name: sum(p.grads[name] for p in reversed(found)) for name in total.grads}
    assert any(np.any(backward[name] != total.grads[name]) for name in backward)  # it matters
    got = {}
    run.step(replace(state, adam=_Recorder(got)), batch)
    for name, grad in total.grads.items():
        assert np.array_equal(got[name], grad / total.rows)


class _Recorder:
    def __init__(self, got):
        self.got = got

    def update(self, params, grads):
        self.got.update(grads)


@pytest.mark.slow
def test_a_sharded_fit_learns_what_the_plain_fit_learns():
    X = vaelite.load_digits()[0][:500]
    settings = {"hidden_dim": 16, "max_epochs": 15, "stopping": "epochs", "rng": 0}
    settings |= {"learning_rate": 0.01, "batch_size": 64}
    ours, plain = vaelite.dask.fit(None, X, shards=4, **settings), vaelite.fit(X, **settings)
    for model in ours, plain:
        assert model.history["eval_loss"][-1] < plain.history["eval_loss"][0] - 5


def test_the_result_depends_on_the_shards_and_not_on_the_blocks(client):
    settings = {"stopping": "epochs", "max_epochs": 1}
    first, second = (da.from_array(FEW, chunks=rows) for rows in (10, 200))
    assert_same(sharded(client, X=first, **settings), sharded(client, X=second, **settings))
    a, b = (sharded(shards=shards, **settings).params for shards in (4, 2))
    assert any(np.any(a[name] != b[name]) for name in a)


@pytest.mark.filterwarnings("ignore::vaelite.FitWarning")
def test_a_stopped_fit_goes_on_from_its_checkpoint(tmp_path, client):
    settings = {"max_epochs": 3, "checkpoint": tmp_path / "run.npz"}

    def stop(model, state):
        if state.epoch == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError) as raised:
        sharded(client, callbacks=stop, **settings)
    assert raised.value.model.n_epochs == 2
    assert_same(sharded(**settings), sharded(max_epochs=3))
    with pytest.raises(ValueError, match="shards was 4, is 2"):
        sharded(shards=2, **settings)
    with pytest.raises(ValueError, match="another fit: X was"):
        sharded(X=FEW[::-1], **settings)


def test_a_sharded_model_is_a_vae(tmp_path):
    model = sharded(stopping="epochs", max_epochs=1)
    model.save(tmp_path / "model.npz")
    assert type(vaelite.load(tmp_path / "model.npz")) is type(model) is vaelite.VAE
    assert model.solution.provenance["settings"]["shards"] == 4
    with pytest.raises(ValueError, match=r"in shards.*vaelite\.dask\.fit"):
        model.refit(FEW)


def test_names_of_columns_are_kept():
    table = pd.DataFrame(FEW, columns=list("abcdef"))
    model = sharded(X=table, stopping="epochs", max_epochs=1)
    with pytest.raises(ValueError, match="column 0 of X is 'b'"):
        model.encode(table[list("bacdef")])


def test_rows_are_read_from_their_shards(client):
    engine = vaelite.dask.Cluster(client)
    for rows in ShardedRows(X, 7), ShardedRows(da.from_array(X, chunks=(500, 5)), 7, engine):
        wanted = np.array([2299, 0, 5, 5, 1000])
        assert np.array_equal(rows[wanted], X[wanted])
        assert np.array_equal(rows[300:1500], X[300:1500])
        assert rows[:0].shape == (0, 6)


def test_a_bad_value_in_any_shard_is_named(client):
    bad = FEW.copy()
    bad[150, 2] = np.nan
    for place in None, client:
        with pytest.raises(ValueError, match="nan in row 150, column 2"):
            sharded(place, X=bad)


def test_a_loss_that_is_not_finite_is_named_and_the_epoch_is_tried_again(client):
    settings = {"stopping": "epochs", "max_epochs": 1, "learning_rate": 1e30}
    for place in None, client:
        explained = pytest.raises(vaelite.TrainingError, match="epoch 1, batch 1: .* not finite")
        with explained, pytest.warns(vaelite.FitWarning, match="trying it again"):
            sharded(place, **settings)


# Mistakes.


MISTAKES = {
    "fit of a dask array": (
        lambda blocks: vaelite.fit(blocks),
        r"X\.compute\(\) if it fits.*vaelite\.dask\.fit\(client, X, shards=4\)",
    ),
    "encode of a dask array": (
        lambda blocks: vaelite.fit(FEW, **QUICK).encode(blocks),
        r"vaelite\.dask\.encode\(model, X\)",
    ),
    "an array without blocks": (
        lambda blocks: vaelite.dask.encode(vaelite.VAE().build(6), FEW),
        r"a dask array, such as da\.from_array\(X\), got an array",
    ),
    "unknown sizes": (
        lambda blocks: vaelite.dask.fit(None, blocks[blocks[:, 0] > 0.5], shards=2),
        r"X\.compute_chunk_sizes\(\)",
    ),
    "one axis": (
        lambda blocks: vaelite.dask.fit(None, blocks[0], shards=2),
        "Expected 2D array, got 1D",
    ),
    "columns": (
        lambda blocks: vaelite.dask.encode(vaelite.VAE().build(5), blocks),
        "X has 6 features, but VAE is expecting 5",
    ),
    "not fitted": (lambda blocks: vaelite.dask.encode(vaelite.VAE(), blocks), "not fitted yet"),
    "no encoder": (
        lambda blocks: vaelite.dask.encode(vaelite.MeanField().build(6), blocks),
        "MeanField has no encoder",
    ),
    "an autoencoder's ELBO": (
        lambda blocks: vaelite.dask.score_samples(vaelite.Autoencoder().build(6), blocks),
        r"no q\(z\|x\)",
    ),
    "rows of the condition": (
        lambda blocks: vaelite.dask.encode(
            vaelite.VAE().build(6, n_conditions=1), blocks, condition=np.ones((3, 1))
        ),
        "condition has 3 rows, but X has 203",
    ),
    "rng without a sample": (
        lambda blocks: vaelite.dask.reconstruct(vaelite.VAE().build(6), blocks, rng=1),
        "pass sample=True",
    ),
    "no client": (
        lambda blocks: vaelite.dask.fit("127.0.0.1:8786", blocks, shards=2),
        r"client should be a distributed\.Client, or None",
    ),
    "a misspelled setting": (
        lambda blocks: vaelite.dask.fit(None, FEW, shards=2, bacth_size=4),
        "did you mean 'batch_size'",
    ),
    "too many shards": (
        lambda blocks: vaelite.dask.fit(None, FEW, shards=204),
        "shards=204 is above the number of rows, 203",
    ),
    "no shards": (lambda blocks: vaelite.dask.fit(None, FEW, shards=0), "shards should be 1"),
    "no steps": (
        lambda blocks: vaelite.dask.fit(None, FEW, shards=1, accumulate=0),
        "accumulate should be 1",
    ),
    "an unequal batch": (
        lambda blocks: vaelite.dask.fit(None, FEW, shards=8, batch_size=60),
        "batch_size=60 is not a multiple of shards=8.*pass batch_size=64",
    ),
    "a condition": (
        lambda blocks: vaelite.dask.fit(None, FEW, shards=2, condition=FEW),
        "condition is not for rows in shards",
    ),
    "a value in the place of values": (
        lambda blocks: vaelite.dask.sweep(None, FEW, {"likelihood": "bernoulli"}),
        r"grid\['likelihood'\] should be a list of values, got 'bernoulli'",
    ),
    "an unknown setting in a grid": (
        lambda blocks: vaelite.dask.sweep(None, FEW, {"latent_dim": [1], "betta": [1]}),
        "did you mean 'beta'",
    ),
    "a bad value in a grid": (
        lambda blocks: vaelite.dask.sweep(None, FEW, {"latent_dim": [1, -1]}),
        "latent_dim should be 1 or more",
    ),
    "a sweep of a dask array": (
        lambda blocks: vaelite.dask.sweep(None, blocks, {"latent_dim": [1]}),
        r"X\.compute\(\) if it fits",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_explained(name):
    call, message = MISTAKES[name]
    with pytest.raises((ValueError, TypeError), match=message):
        call(da.from_array(FEW, chunks=(50, 6)))


# Processes.


class Kill:
    """Kills a worker in the middle of an epoch."""

    def __init__(self, client, iteration):
        self.client, self.iteration, self.died = client, iteration, []

    def __call__(self, model, state):
        pass

    def on_iteration(self, model, state):
        if state.iteration == self.iteration:
            pids = self.client.run(os.getpid)
            self.died.append(pids[min(pids)])
            os.kill(self.died[0], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vaelite.FitWarning")
def test_workers_that_die_do_not_change_the_result():
    limits = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    settings = {"max_epochs": 2, "accumulate": 2, "hidden_dim": 32}
    with limits.threadpool_limits(1):  # as workers have
        expected = sharded(**settings)
        blocks = da.from_array(FEW, chunks=(50, 6))
        with cluster(n_workers=2) as client:
            kill = Kill(client, 3)
            killed = sharded(client, X=blocks, callbacks=kill, **settings)
            assert len(kill.died) == 1
            assert_same(killed, expected)
            client.wait_for_workers(2, timeout=60)  # the dead one is replaced
            assert kill.died[0] not in client.run(os.getpid).values()
            assert_same(sharded(client, X=blocks, **settings), expected)
            client.cluster.scale(1)
            assert_same(sharded(client, X=blocks, **settings), expected)
            table = vaelite.dask.sweep(client, FEW, {"latent_dim": [1, 2]}, max_epochs=1)
        here = vaelite.dask.sweep(None, FEW, {"latent_dim": [1, 2]}, max_epochs=1)
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), here.drop(columns="seconds"))
