"""One training step of vaelite, compared with the same step in other libraries.

    python benchmarks/training_step.py          # every installed library: 15 minutes
    python benchmarks/training_step.py --works lecture --peers Vaelite PyTorch MatrixProducts
    python benchmarks/training_step.py --kernels Haswell SkylakeX   # with both kinds of kernels
    python benchmarks/training_step.py --save   # also writes docs/speed.md, docs/images/speed.png
    python benchmarks/training_step.py --backend cupy   # on a GPU, with PyTorch and JAX on it too

The libraries take turns. Each turn is a new process with the same data, starting weights and
noise. The output is the median over the turns, and ratios of medians. The losses after the same
number of steps must agree. Do not use the machine for anything else during a run.
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import itertools
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

from vaelite.versions import blas, n_cores, processor

DOCS = Path(__file__).resolve().parent.parent / "docs"
WORKS = {
    "lecture": Work(),
    "lecture, batch 512": Work(batch_size=512),
    "lecture, batch 4096": Work(batch_size=4096),
    "tutorial": Work(784, (400,), 50, 256, "bernoulli", "softplus"),
    "deep": Work(784, (512, 256), 10, 128),
    "digits": Work(64, (512,), 2, 128),
    "lecture, 8 samples": Work(samples=8),
    "lecture, evaluation": Work(batch_size=1000, training=False),
    "wide, batch 4096": Work(hidden_dim=(2048,), batch_size=4096),
}
LIKELIHOODS = {"Pyro": "bernoulli", "NumpyByHand": "gaussian", "NumpyByHandFast": "gaussian"}
ONE_STEP_ONLY = LIKELIHOODS.keys()  # no importance weighting, no evaluation
ON_A_GPU = "Vaelite", "PyTorch", "PyTorchFused", "PyTorchCompiled", "JAX"
BUDGET = 2.5  # seconds of steps per turn


def turn(peer, work, steps):
    """Take the steps in this process; print the median milliseconds per step, and each loss."""
    rng = np.random.default_rng(0)
    params = {name: array.copy() for name, array in work.vae().params.items()}
    # at most about a hundred megabytes
    batches = min(steps, 1 + 2**25 // (work.batch_size * work.pixels))
    # As in MNIST, 80 % of the pixels are black; some pixels are black in every image.
    images = rng.random((batches, work.batch_size, work.pixels), dtype=np.float32)
    images *= rng.random(work.pixels) < 0.8
    images *= rng.random(images.shape, dtype=np.float32) < 0.25
    samples = () if work.samples == 1 else (work.samples,)
    shape = batches, *samples, work.batch_size, work.latent_dim
    noise = rng.standard_normal(shape, dtype=np.float32)
    runner, times, losses = PEERS[peer](work, params), [], []
    act = runner.step if work.training else runner.evaluate
    for i in range(steps):
        x, eps = images[i % batches], noise[i % batches]
        start = time.perf_counter()
        losses.append(act(x, eps))
        times.append(time.perf_counter() - start)
    print(json.dumps([1e3 * statistics.median(times[steps // 5 :]), losses]))


def measure(name, work, peers, rounds, steps, kernels):
    """The milliseconds of each turn and the losses of the last turn, for each peer."""
    times, losses = {peer: [] for peer in peers}, {}
    environment = os.environ | ({} if kernels == "default" else {"OPENBLAS_CORETYPE": kernels})
    for round_ in range(rounds):
        for peer in peers:
            options = ["--turn", json.dumps([peer, name, steps, work.backend])]
            command = [sys.executable, __file__, *options]
            done = subprocess.run(command, check=True, capture_output=True, env=environment)
            ms, losses[peer] = json.loads(done.stdout.splitlines()[-1])
            times[peer].append(ms)
            print(f"  round {round_ + 1}: {peer:16s}{ms:9.2f} ms", file=sys.stderr)
    return times, losses


def check_losses(losses):
    """Stop unless all peers have the same first ten losses; later, rounding errors grow.

    Pyro is not checked, because it draws its own noise.
    """
    ours = np.array(losses["Vaelite"][:10])
    for peer in losses.keys() - {"MatrixProducts", "Pyro"}:
        theirs = losses[peer][:10]
        if not np.allclose(ours, theirs, rtol=1e-3, atol=0.2):
            raise SystemExit(f"{peer} computes another loss: {theirs}, not {ours}")


def table(results):
    """Lines of Markdown: milliseconds per step, and vaelite's time divided by each peer's."""
    measured = {peer for times in results.values() for peer in times} - {"Vaelite"}
    peers = [peer for peer in PEERS if peer in measured]
    head = ["network and batch", "ms per step", *(f"/ {peer}" for peer in peers)]
    rows = [head, ["---"] * len(head)]
    for name, times in results.items():
        medians = {peer: statistics.median(ms) for peer, ms in times.items()}
        ours = medians["Vaelite"]
        ratios = [f"{ours / medians[p]:.2f}" if p in medians else "" for p in peers]
        rows.append([name, f"{ours:.2f}", *ratios])
    return ["| " + " | ".join(row) + " |" for row in rows]


def circumstances(peers):
    """The date, the processor and the versions."""
    modules = {NEEDS[peer] for peer in peers if peer in NEEDS}
    packages = {"pyro-ppl" if module == "pyro" else module for module in modules}
    packages = sorted(packages | {"numpy", "autograd", "scipy"})
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    kernels = (blas() or {}).get("architecture", "unknown")
    machine = f"{n_cores()} cores ({processor()}), {kernels} kernels"
    return f"{datetime.date.today()}, {machine}, Python {platform.python_version()}, {versions}"


def draw(results, path):
    """Bars for each work: each peer's time, divided by that of the matrix products alone."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = -(-len(results) // 4)
    columns, size = min(4, len(results)), {"figsize": (13, 0.6 + 2.7 * rows), "sharey": True}
    figure, axes = plt.subplots(rows, columns, **size, layout="constrained", squeeze=False)
    for ax, (name, times) in zip(axes.flat, results.items(), strict=False):
        medians = {peer: statistics.median(ms) for peer, ms in times.items()}
        floor = medians.pop("MatrixProducts")
        colors = ["C0" if peer.startswith("Vaelite") else "0.7" for peer in medians]
        bars = ax.barh(list(medians), [ms / floor for ms in medians.values()], color=colors)
        ax.bar_label(bars, fmt=" %.1f", fontsize=9)
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set_title(name)
        ax.margins(x=0.15)
    for ax in axes.flat[len(results) :]:
        ax.set_axis_off()
    axes[0, 0].invert_yaxis()  # the first one on top; all panels share the axis
    figure.supxlabel("time of a step / its matrix products alone")
    figure.savefig(path, dpi=200)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    works = "default: all; on a CPU, all except the widest"
    add("--works", nargs="+", choices=WORKS, metavar="WORK", help=works)
    add("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    add("--kernels", nargs="+", default=["default"], help="OpenBLAS's kernels, such as Haswell")
    add("--rounds", type=int, default=5)
    add("--steps", type=int, help="steps per turn; default: as many as take some seconds")
    add("--backend", choices=("numpy", "cupy"), default="numpy", help="cupy: all on a GPU")
    add("--save", action="store_true", help="write docs/speed.md and docs/images/speed.png")
    add("--turn", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        peer, name, steps, backend = json.loads(args.turn)
        return turn(peer, replace(WORKS[name], backend=backend), steps)
    args.peers = [p for p in args.peers if args.backend == "numpy" or p in ON_A_GPU]
    installed = [p for p in args.peers if p not in NEEDS or importlib.util.find_spec(NEEDS[p])]
    if missing := set(args.peers) - set(installed):
        print(f"not installed, left out: {', '.join(sorted(missing))}")
    results = {}
    default = [w for w in WORKS if args.backend == "cupy" or w != "wide, batch 4096"]
    for name, kernels in itertools.product(args.works or default, args.kernels):
        work = replace(WORKS[name], backend=args.backend)
        peers = [p for p in installed if can(p, work)]
        rows = work.batch_size * work.samples
        products = rows * (work.pixels + sum(work.hidden_dim)) * work.hidden_dim[0]
        steps = args.steps or int(np.clip(BUDGET * 2e10 / products / 1.5, 50, 500))
        row = name if kernels == "default" else f"{name}, {kernels}"
        print(f"{row}: {steps} steps per turn", file=sys.stderr)
        results[row], losses = measure(name, work, peers, args.rounds, steps, kernels)
        check_losses(losses)
    text = [circumstances(installed), "", *table(results)]
    print(*text, sep="\n")
    if args.save:
        replace_block(DOCS / "speed.md", "steps", text)
        draw(results, DOCS / "images" / "speed.png")
    return None


def can(peer, work):
    """Whether a peer does this work."""
    if peer in LIKELIHOODS and LIKELIHOODS[peer] != work.likelihood:
        return False
    return peer not in ONE_STEP_ONLY or (work.samples == 1 and work.training)


def replace_block(page, name, lines):
    """Write lines into a page of the documentation, between the two comments with this name."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(before + begin + "\n".join(lines) + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
