"""How the time of a step and the memory of a fit grow with the data and with the model.

    python benchmarks/scaling.py                  # up to a million rows on disk; two minutes
    python benchmarks/scaling.py --rows 5000000   # so many rows: a temporary file of 3.9 GB
    python benchmarks/scaling.py --save           # also writes docs/images/scaling.png, and a
                                                  # table in docs/speed.md

Each point is a fit in a new process. All sizes except one are the lecture's: 784 pixels, 512
hidden units, 2 latents, 1 sample, and batches of 128 from 10,000 rows of uint8 on disk. Time is
the median from one step to the next, with reading the data. Memory is the peak resident memory of
the process, with Python and its libraries.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from training_step import DOCS, circumstances, replace_block

import vaelite

LECTURE = {
    "rows": 10_000,
    "pixels": 784,
    "hidden units": 512,
    "latent dimensions": 2,
    "importance samples": 1,
}
SIZES = {
    "rows": (1_000, 10_000, 100_000, 1_000_000),
    "pixels": (64, 196, 784, 3136),
    "hidden units": (64, 256, 1024, 4096),
    "latent dimensions": (2, 8, 32, 128),
    "importance samples": (1, 4, 16, 64),
}
STEPS = 60


class Clock:
    """A callback that records the time of every step."""

    def __init__(self):
        self.times = []

    def __call__(self, vae, state):
        pass

    def on_iteration(self, vae, state):
        self.times.append(time.perf_counter())


def turn(sizes, steps, folder):
    """One fit in this process; print the median milliseconds per step and the peak megabytes."""
    path = Path(folder) / f"{sizes['rows']}-{sizes['pixels']}.npy"
    if not path.exists():
        write(path, sizes["rows"], sizes["pixels"])
    X, clock = np.load(path, mmap_mode="r"), Clock()
    model = {"latent_dim": sizes["latent dimensions"], "hidden_dim": sizes["hidden units"]}
    training = {"importance_samples": sizes["importance samples"], "steps_per_epoch": steps}
    training |= {"batch_size": 128}  # the default grows with the rows
    one_epoch = {"stopping": "epochs", "max_epochs": 1, "rng": 0, "log_every": 1}
    vaelite.fit(X, X[:1000], **model, **training, **one_epoch, callbacks=clock)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([1e3 * float(np.median(np.diff(clock.times))), resident]))


WRITE = """
import sys
import numpy as np

path, rows, pixels = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(rows, pixels))
rng = np.random.default_rng(0)
part = rng.integers(0, 256, (1000, pixels), dtype=np.uint8)
part *= rng.random(part.shape) < 0.2
for i in range(0, rows, 1000):
    X[i : i + 1000] = part[: rows - i]
X.flush()
"""


def write(path, rows, pixels):
    """Write random grey levels, 80 % of them 0, in a new process, whose memory does not count."""
    subprocess.run([sys.executable, "-c", WRITE, str(path), str(rows), str(pixels)], check=True)


def draw(results, path):
    """One row per size: time per step and memory, on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(results), 2, figsize=(7, 1.9 * len(results)), layout="constrained", sharey="col"
    )
    above = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
    for row, (name, points) in zip(axes, results.items(), strict=True):
        sizes, *measured = zip(*points, strict=True)
        for ax, values, marker in zip(row, measured, "os", strict=True):
            ax.loglog(sizes, values, marker=marker, color="black")
            for size, value in zip(sizes, values, strict=True):
                ax.annotate(f"{value:.3g}", (size, value), **above)
            ax.set_xticks(sizes, [short(size) for size in sizes])
            ax.minorticks_off()
            ax.margins(0.15, 0.3)
            ax.set_xlabel(name)
    axes[0, 0].set_title("milliseconds per step")
    axes[0, 1].set_title("resident memory, MB")
    figure.savefig(path, dpi=200)


def short(size):
    """A size as a label: 5,000,000 is 5M."""
    return f"{size // 10**6}M" if size >= 10**6 else f"{size:,}"


def table(results):
    """Lines of Markdown."""
    lines = ["| | sizes | ms per step | MB resident |", "| --- | --- | --- | --- |"]
    for name, points in results.items():
        sizes, times, memory = zip(*points, strict=True)
        sizes = ", ".join(f"{size:,}" for size in sizes)
        times = ", ".join(f"{time:.3g}" for time in times)
        memory = ", ".join(f"{megabytes:.0f}" for megabytes in memory)
        lines.append(f"| {name} | {sizes} | {times} | {memory} |")
    return lines


def fit_elsewhere(options):
    """The result of `turn` in a new process."""
    command = [sys.executable, __file__, *options]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=SIZES, default=list(SIZES), metavar="AXIS")
    parser.add_argument("--rows", type=int, help="one more, larger number of rows on disk")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--largest", type=int, help="leave out larger sizes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--turn", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        return turn(json.loads(args.turn[0]), args.steps, args.turn[1])
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.axes:
            sizes = SIZES[name] + ((args.rows,) if args.rows and name == "rows" else ())
            results[name] = []
            for size in [size for size in sizes if size <= (args.largest or size)]:
                fit = json.dumps({**LECTURE, name: size})
                options = ["--steps", str(args.steps), "--turn", fit, folder]
                found = [fit_elsewhere(options) for _ in range(args.rounds)]
                ms, memory = (statistics.median(values) for values in zip(*found, strict=True))
                results[name].append((size, ms, memory))
                print(f"{name} = {size:,}: {ms:.2f} ms per step, {memory:.0f} MB", flush=True)
    text = [circumstances(["Vaelite"]), "", *table(results)]
    print(*text, sep="\n")
    if args.save:
        replace_block(DOCS / "speed.md", "scaling", text)
        draw(results, DOCS / "images" / "scaling.png")
    return None


if __name__ == "__main__":
    main()
