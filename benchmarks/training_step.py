"""One training step of vaelite beside the same step in other libraries.

    python benchmarks/training_step.py                  # all that are installed: a quarter of an hour
    python benchmarks/training_step.py --works lecture --peers Vaelite PyTorch MatrixProducts
    python benchmarks/training_step.py --save           # and write docs/speed.md and docs/images/speed.png
    python benchmarks/training_step.py --backend cupy   # on a GPU, beside PyTorch and JAX on the same GPU

The libraries take turns, each time in a process of its own, on the same data with the same starting weights and noise.
Printed are medians over the turns, as ratios too; the losses after the same number of steps have to agree. Leave
the machine alone meanwhile.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from peers import NEEDS, PEERS, Work

DOCS = Path(__file__).resolve().parent.parent / "docs"
WORKS = {
    "lecture": Work(),
    "lecture, batch 512": Work(batch_size=512),
    "lecture, batch 4096": Work(batch_size=4096),
    "tutorial": Work(784, (400,), 50, 256, "bernoulli", "softplus"),
    "deep": Work(784, (512, 256), 10, 128),
    "digits": Work(64, (512,), 2, 128),
    "wide, batch 4096": Work(hidden_dim=(2048,), batch_size=4096),
}
ON_A_GPU = "Vaelite", "PyTorch", "PyTorchFused", "PyTorchCompiled", "JAX"
BUDGET = 2.5  # seconds of steps in a turn


def turn(peer, work, steps):
    """Take the steps in this process; print the median time of one in milliseconds, and the loss of each."""
    rng = np.random.default_rng(0)
    params = {name: array.copy() for name, array in work.vae().params.items()}
    batches = min(
        steps, 1 + 2**25 // (work.batch_size * work.pixels)
    )  # some hundred megabytes at most
    # As MNIST: four pixels in five are black, those at the border always.
    images = rng.random((batches, work.batch_size, work.pixels), dtype=np.float32)
    images *= rng.random(work.pixels) < 0.8
    images *= rng.random(images.shape, dtype=np.float32) < 0.25
    noise = rng.standard_normal((batches, work.batch_size, work.latent_dim), dtype=np.float32)
    runner, times, losses = PEERS[peer](work, params), [], []
    for i in range(steps):
        x, eps = images[i % batches], noise[i % batches]
        start = time.perf_counter()
        losses.append(runner.step(x, eps))
        times.append(time.perf_counter() - start)
    print(json.dumps([1e3 * statistics.median(times[steps // 5 :]), losses]))


def measure(name, work, peers, rounds, steps):
    """The milliseconds of each turn and the losses of the first, by peer."""
    times, losses = {peer: [] for peer in peers}, {}
    for round_ in range(rounds):
        for peer in peers:
            command = [
                sys.executable,
                __file__,
                "--turn",
                json.dumps([peer, name, steps, work.backend]),
            ]
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            ).stdout
            ms, losses[peer] = json.loads(output.splitlines()[-1])
            times[peer].append(ms)
            print(f"  round {round_ + 1}: {peer:16s}{ms:9.2f} ms", file=sys.stderr)
    return times, losses


def check_losses(losses):
    """Stop unless all compute the same numbers for ten steps; then rounding errors grow. Pyro draws its own noise."""
    ours = np.array(losses["Vaelite"][:10])
    for peer, theirs in losses.items():
        if peer not in ("MatrixProducts", "Pyro") and not np.allclose(
            ours, theirs[:10], rtol=1e-3, atol=0.2
        ):
            raise SystemExit(f"{peer} computes another loss: {theirs[:10]}, not {ours}")


def table(results):
    """Lines of Markdown: milliseconds per step, and vaelite's time as a part of each peer's."""
    peers = [peer for peer in PEERS if any(peer in times for times in results.values())]
    head = ["network and batch", "ms per step", *(f"/ {peer}" for peer in peers if peer != "Vaelite")]
    rows = [head, ["---"] * len(head)]
    for name, times in results.items():
        medians = {peer: statistics.median(ms) for peer, ms in times.items()}
        ours = medians.pop("Vaelite")
        ratios = (
            f"{ours / medians[peer]:.2f}" if peer in medians else ""
            for peer in peers
            if peer != "Vaelite"
        )
        rows.append([name, f"{ours:.2f}", *ratios])
    return ["| " + " | ".join(row) + " |" for row in rows]


def circumstances(peers):
    """When, on what, and with which versions."""
    packages = {"numpy", "autograd", "scipy", *(NEEDS[peer] for peer in peers if peer in NEEDS)} - {
        "pyro"
    }
    packages |= {"pyro-ppl"} if "Pyro" in peers else set()
    versions = ", ".join(
        f"{package} {importlib.metadata.version(package)}" for package in sorted(packages)
    )
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{datetime.date.today()}, {cpus} cores ({processor()}), Python {platform.python_version()}, {versions}"


def processor():
    """The processor's name."""
    lines = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if Path("/proc/cpuinfo").exists()
        else []
    )
    return next(
        (line.split(": ")[1] for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def draw(results, path):
    """A chart: each peer's time as a multiple of the matrix products alone, for each network."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    peers = [peer for peer in PEERS if peer != "MatrixProducts"]
    figure, ax = plt.subplots(figsize=(11, 4.5), layout="constrained")
    hatches = ("", "//", "", "\\\\", "..", "xx", "++")
    greys = np.linspace(0, 0.85, len(peers))
    for row, (peer, hatch) in enumerate(zip(peers, hatches, strict=True)):
        for column, times in enumerate(results.values()):
            if peer in times:
                multiple = statistics.median(times[peer]) / statistics.median(
                    times["MatrixProducts"]
                )
                label = (
                    peer
                    if column == next(c for c, t in enumerate(results.values()) if peer in t)
                    else None
                )
                color = "C0" if peer == "Vaelite" else str(greys[row])
                ax.bar(
                    column + 0.12 * row,
                    multiple,
                    0.11,
                    color=color,
                    hatch=hatch,
                    edgecolor="white",
                    label=label,
                )
                ax.text(
                    column + 0.12 * row,
                    multiple,
                    f" {multiple:.1f}",
                    rotation=90,
                    ha="center",
                    va="bottom",
                    fontsize=7,
                )
    ax.set_xticks(np.arange(len(results)) + 0.3, results)
    ax.axhline(1, color="black", linewidth=0.8)
    ax.margins(y=0.12)
    ax.set(
        ylabel="time of a step / its matrix products alone",
        title="A training step, as a multiple of its floor",
    )
    ax.legend(frameon=False, fontsize=8, ncols=2)
    figure.savefig(path, dpi=100)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--works",
        nargs="+",
        choices=WORKS,
        metavar="WORK",
        help="by default all but the widest, and that on a GPU",
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="a turn; by default as many as take some seconds")
    parser.add_argument(
        "--backend", choices=("numpy", "cupy"), default="numpy", help="cupy: all on a GPU"
    )
    parser.add_argument(
        "--save", action="store_true", help="write docs/speed.md and docs/images/speed.png"
    )
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        peer, name, steps, backend = json.loads(args.turn)
        return turn(peer, replace(WORKS[name], backend=backend), steps)
    args.peers = [p for p in args.peers if args.backend == "numpy" or p in ON_A_GPU]
    installed = [p for p in args.peers if p not in NEEDS or importlib.util.find_spec(NEEDS[p])]
    if missing := set(args.peers) - set(installed):
        print(f"not installed, left out: {', '.join(sorted(missing))}")
    results = {}
    for name in args.works or [
        w for w in WORKS if args.backend == "cupy" or w != "wide, batch 4096"
    ]:
        work = replace(WORKS[name], backend=args.backend)
        peers = [peer for peer in installed if peer != "Pyro" or work.likelihood == "bernoulli"]
        products = work.batch_size * (work.pixels + sum(work.hidden_dim)) * work.hidden_dim[0]
        steps = args.steps or int(np.clip(BUDGET * 2e10 / products / 1.5, 50, 500))
        print(f"{name}: {steps} steps a turn", file=sys.stderr)
        results[name], losses = measure(name, work, peers, args.rounds, steps)
        check_losses(losses)
    text = [circumstances(installed), "", *table(results)]
    print(*text, sep="\n")
    if args.save:
        replace_block(DOCS / "speed.md", "steps", text)
        draw(results, DOCS / "images" / "speed.png")
    return None


def replace_block(page, name, lines):
    """Put lines into a page of the documentation, between the comments that name the block."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
