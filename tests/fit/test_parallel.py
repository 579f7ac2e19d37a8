"""Fits in threads and in other processes: the bits of the same fits one after the other."""

import hashlib
import multiprocessing
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import vaelite

rng = np.random.default_rng(0)
X, C = rng.random((90, 6), dtype=np.float32), np.eye(3, dtype=np.float32)[np.arange(90) % 3]
QUICK = {"batch_size": 20, "max_epochs": 6, "rng": 0, "stopping": "epochs"}
FITS = {
    "gaussian": (vaelite.VAE, X, {}),
    "another seed": (vaelite.VAE, X, {"rng": 1}),
    "float64": (vaelite.VAE, X.astype(np.float64), {"weight_decay": 0.1}),
    "held-out rows": (vaelite.VAE, X, {"stopping": vaelite.HeldOut(patience=2)}),
    "condition": (vaelite.VAE, X, {"condition": C}),
    "importance": (vaelite.VAE, X, {"importance_samples": 3}),
    "autoencoder": (vaelite.Autoencoder, X, {}),
    "mean field": (vaelite.MeanField, X, {}),
}


def fit(kind):
    """A digest of all that a fit computes."""
    model, data, settings = FITS[kind]
    given = {name: settings[name] for name in settings if name == "condition"}
    settings = {name: settings[name] for name in settings if name != "condition"}
    vae = model(2, 16, **{**QUICK, **settings}).fit(data, **given)
    settings = settings | given
    condition = {"condition": C[:9] if "condition" in settings else None}
    columns = {**vae.history, **vae.log, "elapsed": 0}
    found = [*vae.params.values(), *map(np.array, columns.values())]
    found.append(vae.sample(9, rng=0, **condition))
    if model is vaelite.VAE:
        found += [vae.score_samples(data[:9], **condition), *vae.encode(data[:9], **condition)]
    return hashlib.sha256(b"".join(array.tobytes() for array in found)).hexdigest()


def fit_quietly(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(kind)


@pytest.fixture(scope="module")
def serial():
    return [fit_quietly(kind) for kind in FITS]


@pytest.mark.filterwarnings("ignore")  # here: within threads, other filters would be shared
def test_eight_threads(serial):
    """They change places every 10 microseconds, thousands of times in a fit."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(fit, FITS, timeout=100))
    finally:
        sys.setswitchinterval(before)
    assert found == serial
    assert len(set(found)) == 8


@pytest.mark.filterwarnings("ignore")
def test_threads_that_use_one_model():
    """A fitted model is only read."""
    vae = vaelite.VAE(2, 16, **QUICK).fit(X)
    expected = [vae.score(X), vae.sample(50, rng=0).sum(), vae.reconstruct(X).sum()]

    def work(i):
        return [vae.score(X), vae.sample(50, rng=0).sum(), vae.reconstruct(X).sum()]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(16), timeout=100)) == [expected] * 16


@pytest.mark.slow
def test_processes_of_joblib(serial):
    """joblib's default, loky, as scikit-learn uses it for ``n_jobs``."""
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    limits = pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
    with limits.threadpool_limits(1):  # more threads may round differently
        expected = [fit_quietly(kind) for kind in FITS]
    with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
        found = joblib.Parallel(timeout=200)(joblib.delayed(fit_quietly)(kind) for kind in FITS)
        models = joblib.Parallel(timeout=200)(
            joblib.delayed(vaelite.VAE(2, 16, **QUICK).fit)(X) for _ in range(2)
        )
    assert found == expected
    alone = vaelite.VAE(2, 16, **QUICK).fit(X)  # models come back whole
    for model in models:
        assert model.history["eval_loss"] == alone.history["eval_loss"]
        assert np.array_equal(model.sample(9, rng=0), alone.sample(9, rng=0))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_of_python(method, serial):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"the system has no {method}")
    with multiprocessing.get_context(method).Pool(2) as processes:
        assert processes.map_async(fit_quietly, FITS).get(200) == serial
