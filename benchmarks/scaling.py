"""How the time of a step and the memory of a fit grow with the data and with the model.

    python benchmarks/scaling.py                   # up to a million rows on disk; a minute or two
    python benchmarks/scaling.py --rows 5000000    # as many, 3.9 GB in a temporary file
    python benchmarks/scaling.py --save            # and write docs/images/scaling.png, and a table into docs/speed.md

Each point is a fit in a process of its own, with everything but one size as in the lecture: 784 pixels, 512 hidden
units, 2 latents, 1 sample, batches of 128 from 10,000 rows of uint8 on disk. Time is the median from one step to the
next, data included; memory is the most that the process had resident, of which Python, NumPy and autograd are 60 MB.
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
    """Notes the time of every step."""

    def __init__(self):
        self.times = []

    def __call__(self, vae, state):
        pass

    def on_iteration(self, vae, state):
        self.times.append(time.perf_counter())


def turn(sizes, steps, folder):
    """One fit in this process; print the median milliseconds of a step and the most megabytes that were resident."""
    path = Path(folder) / f"{sizes['rows']}-{sizes['pixels']}.npy"
    if not path.exists():
        write(path, sizes["rows"], sizes["pixels"])
    X, clock = np.load(path, mmap_mode="r"), Clock()
    vaelite.fit(
        X, X[:1000], latent_dim=sizes["latent dimensions"], hidden_dim=sizes["hidden units"],
        importance_samples=sizes["importance samples"], stopping="epochs", max_epochs=1, steps_per_epoch=steps,
        rng=0, log_every=1, callbacks=clock,
    )  # fmt: skip
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([1e3 * float(np.median(np.diff(clock.times))), resident]))


def write(path, rows, pixels):
    """Random grey levels, four pixels in five of them 0, in another process so that its memory does not count here."""
    code = (
        "import sys, numpy as np; path, rows, pixels = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]);"
        "X = np.lib.format.open_memmap(path, mode='w+', dtype=np.uint8, shape=(rows, pixels));"
        "rng = np.random.default_rng(0); part = rng.integers(0, 256, (1000, pixels), dtype=np.uint8);"
        "part *= rng.random(part.shape) < 0.2;"
        "[X.__setitem__(slice(i, i + 1000), part[: rows - i]) for i in range(0, rows, 1000)]; X.flush()"
    )
    subprocess.run([sys.executable, "-c", code, str(path), str(rows), str(pixels)], check=True)


def draw(results, path):
    """Time a step above, memory below, each against one size on logarithmic axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, len(results), figsize=(3 * len(results), 5), layout="constrained", sharey="row"
    )
    for column, (name, points) in enumerate(results.items()):
        sizes, times, memory = zip(*points, strict=True)
        for ax, values, marker in ((axes[0, column], times, "o"), (axes[1, column], memory, "s")):
            ax.loglog(sizes, values, marker=marker, color="black")
            for size, value in zip(sizes, values, strict=True):
                ax.annotate(
                    f"{value:.3g}",
                    (size, value),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8,
                )
            ax.margins(0.15, 0.25)
        axes[1, column].set_xlabel(name)
    axes[0, 0].set_ylabel("milliseconds per step")
    axes[1, 0].set_ylabel("resident memory, MB")
    figure.suptitle("Time of a step and memory of a fit")
    figure.savefig(path, dpi=80)


def table(results):
    """Lines of Markdown."""
    lines = ["| | sizes | ms per step | MB resident |", "| --- | --- | --- | --- |"]
    for name, points in results.items():
        sizes, times, memory = zip(*points, strict=True)
        cells = (
            name, ", ".join(f"{s:,}" for s in sizes), ", ".join(f"{t:.3g}" for t in times),
            ", ".join(f"{m:.0f}" for m in memory),
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def fit_elsewhere(options):
    """What `turn` prints, from a process of its own."""
    output = subprocess.run(
        [sys.executable, __file__, *options], check=True, stdout=subprocess.PIPE
    ).stdout
    return json.loads(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=SIZES, default=list(SIZES), metavar="AXIS")
    parser.add_argument("--rows", type=int, help="a further, larger number of rows on disk")
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
                options = [
                    "--steps",
                    str(args.steps),
                    "--turn",
                    json.dumps({**LECTURE, name: size}),
                    folder,
                ]
                found = [fit_elsewhere(options) for _ in range(args.rounds)]
                results[name].append(
                    (size, *(statistics.median(values) for values in zip(*found, strict=True)))
                )
                print(
                    f"{name} = {size:,}: {results[name][-1][1]:.2f} ms per step, {results[name][-1][2]:.0f} MB",
                    flush=True,
                )
    text = [circumstances(["Vaelite"]), "", *table(results)]
    print(*text, sep="\n")
    if args.save:
        replace_block(DOCS / "speed.md", "scaling", text)
        draw(results, DOCS / "images" / "scaling.png")
    return None


if __name__ == "__main__":
    main()
