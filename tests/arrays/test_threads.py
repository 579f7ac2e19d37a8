"""Small products have one thread during a fit, and the number afterwards is as before."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import vaelite
from vaelite.arrays import threads
from vaelite.arrays.threads import LARGE, largest_product, openblas, threads_for

pytestmark = pytest.mark.skipif(openblas() is None, reason="NumPy has no OpenBLAS of its own")
X = np.random.default_rng(0).random((60, 8), dtype=np.float32)
QUICK = {"max_epochs": 2, "stopping": "epochs", "rng": 0}


@pytest.fixture(autouse=True)
def two():
    """Two threads, whatever the machine has."""
    get, set_ = openblas()
    before = get()
    set_(2)
    yield
    assert get() == 2
    set_(before)


def test_the_largest_product_of_a_step():
    vae = vaelite.VAE(2, 512).build(784)
    assert largest_product(vae.params, 128) == 128 * 784 * 512 > LARGE
    assert largest_product(vaelite.VAE().build(64).params, 32) == 32 * 512 * 256 < LARGE


def test_a_small_fit_has_one_thread_and_a_large_one_all(monkeypatch):
    get, seen = openblas()[0], []
    settings = {**QUICK, "hidden_dim": 4, "callbacks": lambda vae, state: seen.append(get())}
    vaelite.fit(X, **settings)
    monkeypatch.setattr(threads, "LARGE", 1)
    vaelite.fit(X, **settings)
    assert seen == [1, 1, 2, 2]


def test_after_an_error_the_number_is_as_before():
    with pytest.raises(ZeroDivisionError):
        vaelite.fit(X, **QUICK, hidden_dim=4, callbacks=lambda vae, state: 1 / 0)
    assert openblas()[0]() == 2


def test_fits_in_several_threads_restore_it_once():
    def fit(seed):
        with threads_for(0), threads_for(0):
            return openblas()[0]()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(fit, range(40))) == {1}
