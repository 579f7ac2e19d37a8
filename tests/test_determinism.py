"""The same bits in fresh processes, with the same number of threads; never across numbers.

NumPy's matrix library may add the terms of a matrix product in another order for another number
of threads or on another processor.
"""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib
import vaelite

X = vaelite.load_digits()[0][:200]
settings = {"hidden_dim": 128, "max_epochs": 1, "stopping": "heldout", "rng": 0}
vae = vaelite.fit(X, **settings)
found = [*vae.params.values(), vae.score_samples(X[:99]), vae.sample(9, rng=0)]
found += [vaelite.log_evidence(vae, X[:9], 20).value, *vaelite.infer(vae, X[:9], n_steps=5, rng=0)]
for likelihood in "bernoulli", vaelite.Categorical(2):
    other = vaelite.fit(X.round(), likelihood=likelihood, **{**settings, "hidden_dim": 16})
    found += [*other.params.values(), other.sample(9, rng=0)]
print(hashlib.sha256(b"".join(array.tobytes() for array in found)).hexdigest())
"""


def start(threads, hash_seed):
    names = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"
    settings = {**dict.fromkeys(names, str(threads)), "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bits_in_two_processes(threads):
    processes = [start(threads, hash_seed) for hash_seed in (1, 2)]
    first, second = (process.communicate()[0] for process in processes)
    assert len(first.strip()) == 64
    assert first == second
