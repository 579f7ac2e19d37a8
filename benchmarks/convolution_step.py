"""One training step of a convolutional VAE beside the same step in PyTorch, and a dense VAE.

    python benchmarks/convolution_step.py            # five rounds: about two minutes
    python benchmarks/convolution_step.py --save     # also writes docs/speed.md

The model is that of tutorial 10: 16 and 32 channels, kernels of 4 x 4, 10 latent variables,
65,589 parameters; the dense VAE has 66,404. The peers take turns, each time in a new process,
with the same images and noise. Vaelite and PyTorch have the same starting weights, and their
losses have to agree. Printed are medians over the turns. Leave the machine alone meanwhile.
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
from peers import NEEDS

import vaelite
from vaelite import training

BATCH, LATENT_DIM, CHANNELS, DENSE_UNITS = 128, 10, (16, 32), 41


def model(**networks):
    """A VAE of MNIST's images with new random weights."""
    vae = vaelite.VAE(LATENT_DIM, likelihood="bernoulli", **networks)
    return vae.build(784, np.float32, rng=0)


def convolutional():
    """The convolutional VAE."""
    encoder = vaelite.Convolutional((28, 28), CHANNELS)
    return model(encoder=encoder, decoder=encoder.transposed())


class Vaelite:
    """The step as `vaelite.fit` takes it."""

    def __init__(self, vae=None):
        training.keep_freed_memory()
        vae = vae or convolutional()
        self.objective, self.params, self.adam = vae.loss(), vae.params, vaelite.Adam()

    def step(self, x, eps):
        return float(training.step(self.objective, self.params, self.adam, x, eps))


class Dense(Vaelite):
    """The dense VAE with as many parameters."""

    def __init__(self):
        super().__init__(model(hidden_dim=DENSE_UNITS))


class PyTorch:
    """The convolutional VAE in ``torch.nn``."""

    def __init__(self):
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        self.torch, params = torch, convolutional().params
        names = "encoder.0", "encoder.1", "encoder.mu", "encoder.logsigma"
        self.encoder = [self.layer(params, name) for name in names]
        self.decoder = [self.layer(params, f"decoder.{name}") for name in (0, 1, "logits")]
        layers = [*self.encoder, *self.decoder]
        self.adam = torch.optim.Adam([p for layer in layers for p in layer.parameters()])

    def layer(self, params, name):
        """A layer with vaelite's weights. PyTorch has the channels first, vaelite last."""
        nn, W, b = self.torch.nn, params[f"{name}.W"], params[f"{name}.b"]
        if W.ndim == 4:
            kind = nn.Conv2d if name.startswith("encoder") else nn.ConvTranspose2d
            layer, W = kind(1, 1, 4, stride=2, padding=1), W.transpose(3, 2, 0, 1)
        elif name.startswith("encoder"):  # from the last map to a head
            layer = nn.Linear(*W.shape)
            W = W.reshape(7, 7, CHANNELS[-1], -1).transpose(3, 2, 0, 1).reshape(W.shape[::-1])
        else:  # from a code to the first map
            layer = nn.Linear(*W.shape)
            W = W.reshape(-1, 7, 7, CHANNELS[-1]).transpose(3, 1, 2, 0).reshape(W.shape[::-1])
            b = b.reshape(7, 7, CHANNELS[-1]).transpose(2, 0, 1).ravel()
        for array, which in ((W, "weight"), (b, "bias")):
            tensor = self.torch.tensor(np.ascontiguousarray(array))
            setattr(layer, which, nn.Parameter(tensor))
        return layer

    def step(self, x, eps):
        torch, relu = self.torch, self.torch.relu
        x, eps = torch.from_numpy(x).reshape(-1, 1, 28, 28), torch.from_numpy(eps)
        first, second, to_mu, to_logsigma = self.encoder
        h = relu(second(relu(first(x)))).flatten(1)
        mu, logsigma = to_mu(h), to_logsigma(h)
        z = mu + logsigma.exp() * eps
        dense, first, last = self.decoder
        logits = last(relu(first(relu(dense(z)).reshape(-1, CHANNELS[-1], 7, 7))))
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
        nll = cross_entropy(logits, x, reduction="sum") / len(x)
        loss = nll + (z**2 / 2 - eps**2 / 2 - logsigma).sum(1).mean()  # KL at the sample
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss.item()


PEERS = {peer.__name__: peer for peer in (Vaelite, PyTorch, Dense)}
NAMES = {"Vaelite": "vaelite", "PyTorch": "PyTorch", "Dense": "vaelite, dense networks"}


def turn(peer, steps):
    """Take the steps in this process; print the median time in milliseconds, and the losses."""
    rng = np.random.default_rng(0)
    images = rng.random((steps, BATCH, 784), dtype=np.float32)
    images *= rng.random(images.shape, dtype=np.float32) < 0.2  # mostly black, as MNIST
    noise = rng.standard_normal((steps, BATCH, LATENT_DIM), dtype=np.float32)
    runner, times, losses = PEERS[peer](), [], []
    for x, eps in zip(images, noise, strict=True):
        start = time.perf_counter()
        losses.append(runner.step(x, eps))
        times.append(time.perf_counter() - start)
    print(json.dumps([1e3 * statistics.median(times[5:]), losses]))


def table(times):
    """Lines of Markdown: milliseconds per step, and vaelite's time divided by each other's."""
    medians = {peer: statistics.median(found) for peer, found in times.items()}
    rows = [["who", "ms per step", "lowest to highest", "vaelite's time / its time"], ["---"] * 4]
    for peer, found in times.items():
        ratio = f"{medians['Vaelite'] / medians[peer]:.2f}"
        spread = f"{min(found):.2f} to {max(found):.2f}"
        rows.append([NAMES[peer], f"{medians[peer]:.2f}", spread, ratio])
    return ["| " + " | ".join(row) + " |" for row in rows]


def main():
    """Let the peers take turns; print the medians, and vaelite's time over each peer's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--save", action="store_true", help="write docs/speed.md")
    parser.add_argument("--turn", choices=PEERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        return turn(args.turn, args.steps)
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("the comparison needs PyTorch: python -m pip install torch")
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(args.threads))
    times, losses = {peer: [] for peer in PEERS}, {}
    for _ in range(args.rounds):
        for peer in PEERS:
            command = [sys.executable, __file__, "--steps", str(args.steps), "--turn", peer]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env=os.environ | threads
            )
            ms, losses[peer] = json.loads(done.stdout)
            times[peer].append(ms)
    if not np.allclose(losses["PyTorch"][:10], losses["Vaelite"][:10], rtol=1e-4):
        found = losses["PyTorch"][:3], losses["Vaelite"][:3]
        raise SystemExit("the losses differ: PyTorch {}, vaelite {}".format(*found))
    lines = table(times)
    print(*lines, sep="\n")
    if args.save:
        from training_step import DOCS, circumstances, replace_block

        peers = [peer for peer in PEERS if peer in NEEDS]
        replace_block(DOCS / "speed.md", "convolution", [circumstances(peers), "", *lines])
    return None


if __name__ == "__main__":
    main()
