"""When a fit on rows in shards pays: measured here, and simulated for 2 to 64 workers.

    python benchmarks/dask_fit.py           # about a minute
    python benchmarks/dask_fit.py --save    # and writes the tables into docs/dask.md
    python benchmarks/dask_fit.py --microseconds 43    # only the simulation, for 43 µs per row

Measured: the gradient of a row on one thread, and a synchronization of `vaelite.dask.fit` with 0, 1
and 2 workers on this machine (0: in one process), and with 2 workers whose memory is as Dask sets
it. Simulated: workers with such a core each, and one link of 1 or 10 Gb/s to each machine. The
parameters go from worker to worker, each of which sends them on; the gradients all go over the link
of the process with the parameters, one after the other.
"""

import argparse
import heapq
import os
import re
import time
import warnings
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy starts its threads

import numpy as np
from distributed import Client, LocalCluster

import vaelite
import vaelite.dask

PAGE = Path(__file__).resolve().parents[1] / "docs" / "dask.md"
HIDDEN, BATCH = 512, 128  # of the lecture's network, 784-512-2
MEASURED = 1, 8, 32  # batches per synchronization
KEPT_MEMORY = {  # workers keep the memory of arrays that they free, for the next ones
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
}
COLUMNS = {  # of the first table: workers and their environment
    "one process": (0, {}),
    "1 worker": (1, KEPT_MEMORY),
    "2 workers": (2, KEPT_MEMORY),
    "2 workers as Dask starts them": (2, {}),
}
WORKERS = 2, 4, 8, 16, 32, 64
GIGABITS = 1, 10
SLOWNESS = 0.05  # standard deviation of the log of a worker's time
ROUNDS = 20  # of each simulation


def row_seconds(rounds):
    """Seconds per row of a gradient, the best of some rounds, and the bytes of all gradients."""
    vae = vaelite.VAE(2, HIDDEN).build(784, rng=0)
    rng = np.random.default_rng(0)
    x = rng.random((BATCH, 784), dtype=np.float32)
    eps = rng.standard_normal((BATCH, 2), dtype=np.float32)
    gradient, times = vaelite.value_and_grad(vae.loss()), []
    for _ in range(rounds):
        start = time.perf_counter()
        gradient(vae.params, x, eps)
        times.append(time.perf_counter() - start)
    return min(times) / BATCH, sum(array.nbytes for array in vae.params.values())


class Watch:
    """A callback: the time of each synchronization."""

    def __init__(self):
        self.times = [time.perf_counter()]

    def __call__(self, model, state):
        """Nothing: only iterations are of interest."""

    def on_iteration(self, model, state):
        """Take the time."""
        self.times.append(time.perf_counter())


def synchronization_seconds(client, batches, rounds):
    """Seconds of a synchronization with so many batches, the best of some rounds."""
    rows = np.random.default_rng(0).random((batches * BATCH * rounds, 784), dtype=np.float32)
    watch = Watch()
    settings = {"hidden_dim": HIDDEN, "max_epochs": 1, "stopping": "epochs", "rng": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a large array in a graph
        vaelite.dask.fit(
            client, rows, shards=2, batch_size=BATCH, accumulate=batches, log_every=1,
            callbacks=watch, **settings,
        )  # fmt: skip
    return min(np.diff(watch.times)[1:])


def measured(rounds):
    """The rows of the first table: batches, and the seconds of each of ``COLUMNS``."""
    found = {batches: [] for batches in MEASURED}
    for workers, environment in COLUMNS.values():
        with patch.dict(os.environ, environment):  # Dask itself changes it, for all later workers
            times = times_with(workers, rounds)
        for batches, seconds in times.items():
            found[batches].append(seconds)
    return found


def times_with(workers, rounds):
    """Seconds of a synchronization by its number of batches."""
    if workers == 0:
        return {b: synchronization_seconds(None, b, rounds) for b in MEASURED}
    settings = {"n_workers": workers, "threads_per_worker": 1, "memory_limit": "2GB"}
    cluster = LocalCluster(dashboard_address=":0", **settings)
    with cluster, Client(cluster) as client:
        return {b: synchronization_seconds(client, b, rounds) for b in MEASURED}


def simulated(workers, rows, seconds_per_row, seconds_per_copy, rng):
    """Seconds of one synchronization: who has the parameters, computes, and waits for the link.

    Parameters
    ----------
    workers, rows : int
        Rows of each worker.
    seconds_per_row, seconds_per_copy : float
        Of a gradient; of all parameters over a link.
    rng : numpy.random.Generator
    """
    senders, arrived = [0.0], []  # when each that has the parameters can send them again
    for _ in range(workers):
        time_there = heapq.heappop(senders) + seconds_per_copy
        arrived.append(time_there)
        heapq.heappush(senders, time_there)
        heapq.heappush(senders, time_there)
    ready = np.array(arrived) + rows * seconds_per_row * np.exp(
        SLOWNESS * rng.standard_normal(workers)
    )
    end = 0.0
    for moment in np.sort(ready):  # one gradient after the other over the driver's link
        end = max(end, moment) + seconds_per_copy
    return end


def speedup(workers, rows, seconds_per_row, seconds_per_copy):
    """How many times the rows per second of one process."""
    rng = np.random.default_rng(0)
    arguments = workers, rows, seconds_per_row, seconds_per_copy, rng
    seconds = np.mean([simulated(*arguments) for _ in range(ROUNDS)])
    return workers * rows * seconds_per_row / seconds


def rows_needed(workers, *seconds):
    """The rows per worker and synchronization at which half of the workers' time is used."""
    low, high = 1, 2**24
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if speedup(workers, middle, *seconds) > workers / 2 else (middle, high)
        )
    return high


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def tables(rounds, microseconds):
    """The two tables, by name; only the second one for given microseconds per row."""
    per_row, size = row_seconds(20 * rounds)
    found = {}
    if microseconds is None:
        found = {"measured": measured_table(rounds)}
    else:
        per_row = microseconds / 1e6
    return {**found, "simulated": simulated_table(per_row, size)}


def measured_table(rounds):
    """Milliseconds of a synchronization on this machine."""
    head = ["rows per synchronization", *(f"{name}, ms" for name in COLUMNS)]
    times = measured(rounds + 1)
    rows = [[f"{b * BATCH:,}", *(f"{1000 * s:.0f}" for s in times[b])] for b in MEASURED]
    return table(head, rows)


def simulated_table(per_row, size):
    """For each number of workers: the rows that they need, and how fast they are."""
    note = f"{1e6 * per_row:.0f} µs per row, {size / 1e6:.1f} MB of parameters."
    head, rows = ["workers"], []
    for gigabits in GIGABITS:
        head += [
            f"rows for half the speed, {gigabits} Gb/s",
            f"speed at 1,000 rows, {gigabits} Gb/s",
        ]
    for workers in WORKERS:
        row = [workers]
        for gigabits in GIGABITS:
            seconds = per_row, 8 * size / (gigabits * 1e9)
            row += [f"{float(f'{rows_needed(workers, *seconds):.2g}'):,.0f}"]
            row += [f"{speedup(workers, 1000, *seconds):.1f}"]
        rows.append(row)
    return f"{note}\n\n{table(head, rows)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--microseconds", type=float, help="per row; only simulate")
    parser.add_argument("--save", action="store_true", help="write the tables into docs/dask.md")
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    for name, text in tables(options.rounds, options.microseconds).items():
        print(f"{text}\n")
        block = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
        page, n = re.subn(block, lambda m, t=text: f"{m[1]}{t}\n{m[2]}", page, flags=re.DOTALL)
        assert n == 1, f"docs/dask.md has no place for {name}"
    if options.save:
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
