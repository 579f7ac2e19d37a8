"""A student's wait: a whole fit of the digits, from the start of Python to the result.

    python benchmarks/whole_fit.py              # five rounds: about two minutes
    python benchmarks/whole_fit.py --save       # also writes docs/speed.md

Each turn is a new process. It imports a library, reads the digits, trains a 64-512-2 network for
100 epochs with batches of 128, and prints the last epoch's loss. Vaelite is called as its users
call it: `vaelite.fit`. Of the other libraries it is the step of `training_step.py`, in a loop over
shuffled batches. Do not use the machine for anything else during a run.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

EPOCHS, BATCH, ROWS = 100, 128, 1792  # 14 whole batches: another shape would be compiled anew
NEEDS = {"PyTorch": "torch", "PyTorchFused": "torch", "PyTorchCompiled": "torch", "JAX": "jax"}
PEERS = "Vaelite", *NEEDS


def fit():
    """Fit by vaelite; return the mean training loss of the last epoch, without constants."""
    import vaelite

    X, _ = vaelite.load_digits()
    settings = {"batch_size": BATCH, "max_epochs": EPOCHS, "stopping": "epochs", "rng": 0}
    vae = vaelite.fit(X[:ROWS], hidden_dim=512, normalized=False, **settings)
    return vae.history["train_loss"][-1]


def loop(peer):
    """The same by another library; also return the seconds of importing vaelite."""
    start = time.perf_counter()
    import peers  # the other libraries' steps begin with vaelite's weights

    imported = time.perf_counter() - start
    work, rng = peers.Work(64, (512,), 2, BATCH), np.random.default_rng(0)
    X = peers.vaelite.load_digits()[0][:ROWS]
    runner = peers.PEERS[peer](work, {k: a.copy() for k, a in work.vae().params.items()})
    for _ in range(EPOCHS):
        order, losses = rng.permutation(ROWS), []
        for start in range(0, ROWS, BATCH):
            eps = rng.standard_normal((BATCH, 2), dtype=np.float32)
            losses.append(runner.step(X[order[start : start + BATCH]], eps))
    return float(np.mean(losses)), imported


def turn(peer):
    """Fit in this process; print the loss, and the seconds that do not count."""
    print(json.dumps((fit(), 0.0) if peer == "Vaelite" else loop(peer)))


def measure(peers, rounds):
    """The seconds of each turn, and the last loss, for each library."""
    seconds, losses = {peer: [] for peer in peers}, {}
    for round_ in range(rounds):
        for peer in peers:
            start = time.perf_counter()
            command = [sys.executable, __file__, "--turn", peer]
            done = subprocess.run(command, check=True, capture_output=True, env=os.environ)
            whole = time.perf_counter() - start
            losses[peer], other = json.loads(done.stdout.splitlines()[-1])
            seconds[peer].append(whole - other)
            print(f"  round {round_ + 1}: {peer:16s}{seconds[peer][-1]:8.2f} s", file=sys.stderr)
    return seconds, losses


def table(seconds, losses):
    """Lines of Markdown: seconds, vaelite's time divided by each library's, the last loss."""
    medians = {peer: statistics.median(values) for peer, values in seconds.items()}
    rows = [["library", "s from start to result", "vaelite's time / its time", "last loss"]]
    rows.append(["---"] * 4)
    for peer, median in medians.items():
        ratio = f"{medians['Vaelite'] / median:.2f}"
        rows.append([peer, f"{median:.2f}", ratio, f"{losses[peer]:.1f}"])
    return ["| " + " | ".join(row) + " |" for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, metavar="PEER")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="write docs/speed.md")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        return turn(args.turn)
    peers = [p for p in args.peers if p not in NEEDS or importlib.util.find_spec(NEEDS[p])]
    seconds, losses = measure(peers, args.rounds)
    if max(losses.values()) - min(losses.values()) > 3:  # other noise and another order of rows
        raise SystemExit(f"the libraries end at different losses: {losses}")
    lines = table(seconds, losses)
    print(*lines, sep="\n")
    if args.save:
        from training_step import DOCS, circumstances, replace_block

        replace_block(DOCS / "speed.md", "whole fit", [circumstances(peers), "", *lines])
    return None


if __name__ == "__main__":
    main()
