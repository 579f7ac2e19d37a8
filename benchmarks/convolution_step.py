"""One training step of a convolutional VAE beside the same step in PyTorch.

    python benchmarks/convolution_step.py                       # five rounds: a minute
    or two python benchmarks/convolution_step.py --threads 1 --cpu

The libraries take turns, each time in a process of its own, with the same starting
weights, images and noise. Printed are the medians over the turns, and the ratio. The
losses of the first steps have to agree. Leave the machine alone meanwhile.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

import vaelite
from vaelite import Convolutional, Head, training

LATENT_DIM, BATCH = 8, 128
LIKELIHOOD = vaelite.Bernoulli()
ENCODER_HEADS = {"mu": Head(LATENT_DIM), "logsigma": Head(LATENT_DIM)}
DECODER_HEADS = {"logits": Head(784)}


def networks(args):
    """Encoder, decoder and their first parameters."""
    encoder = Convolutional((28, 28), args.channels, args.kernel, hidden_dim=args.hidden_dim)
    decoder, rng, params = encoder.transposed(), np.random.default_rng(0), {}
    for name, network, n_inputs, heads in (
        ("encoder", encoder, 784, ENCODER_HEADS),
        ("decoder", decoder, LATENT_DIM, DECODER_HEADS),
    ):
        found = network.init_params(rng, network.shapes(n_inputs, heads), np.float32)
        params |= {f"{name}.{key}": array for key, array in found.items()}
    return encoder, decoder, params


class Vaelite:
    """The step as `vaelite.fit` takes it."""

    def __init__(self, args):
        encoder, decoder, self.params = networks(args)

        def own(params, name):
            return {key.removeprefix(name): params[key] for key in params if key.startswith(name)}

        self.objective = vaelite.NegELBO(
            lambda params, x: encoder(own(params, "encoder."), x, ENCODER_HEADS),
            lambda params, z: decoder(own(params, "decoder."), z, DECODER_HEADS),
            LIKELIHOOD.negloglikelihood,
        )
        self.adam = vaelite.Adam()
        training.keep_freed_memory()

    def step(self, x, eps):
        return float(training.step(self.objective, self.params, self.adam, x, eps))


class PyTorch:
    """The same layers in ``torch.nn``, eager, with PyTorch's default: channels first."""

    layout = "contiguous_format"

    def __init__(self, args):
        import torch

        torch.set_num_threads(args.threads)
        self.torch, (*_, params) = torch, networks(args)
        self.shape = args.channels[-1], 7, 7
        self.memory_format = getattr(torch, self.layout)
        self.encoder = [self.layer(params, f"encoder.{i}") for i in range(3)]
        self.heads = [self.layer(params, f"encoder.{name}") for name in ENCODER_HEADS]
        self.decoder = [self.layer(params, f"decoder.{i}") for i in (0, 1, 2, "logits")]
        layers = [*self.encoder, *self.heads, *self.decoder]
        self.adam = torch.optim.Adam([p for layer in layers for p in layer.parameters()])

    def layer(self, params, name):
        """A layer with vaelite's weights, moved from channels last to channels first."""
        torch, W, b = self.torch, params[f"{name}.W"], params[f"{name}.b"]
        c, rows, columns = self.shape
        if W.ndim == 4:
            kind = torch.nn.Conv2d if name.startswith("encoder") else torch.nn.ConvTranspose2d
            made = kind(1, 1, W.shape[0], 2, W.shape[0] // 2 - 1)
            W = W.transpose(3, 2, 0, 1)
        else:
            made = torch.nn.Linear(*W.shape)
            if name == "encoder.2":
                W = W.reshape(rows, columns, c, -1).transpose(2, 0, 1, 3).reshape(W.shape)
            if name == "decoder.1":
                W = W.reshape(-1, rows, columns, c).transpose(0, 3, 1, 2).reshape(W.shape)
            W = W.T
        weight = torch.tensor(np.ascontiguousarray(W))
        if weight.ndim == 4:
            weight = weight.to(memory_format=self.memory_format)
        made.weight, made.bias = torch.nn.Parameter(weight), torch.nn.Parameter(torch.tensor(b))
        return made

    def step(self, x, eps):
        torch, relu = self.torch, self.torch.relu
        x, eps = torch.from_numpy(x).reshape(-1, 1, 28, 28), torch.from_numpy(eps)
        x = x.to(memory_format=self.memory_format)
        first, second, dense = self.encoder
        h = relu(dense(relu(second(relu(first(x)))).flatten(1)))
        mu, logsigma = (head(h) for head in self.heads)
        z = mu + logsigma.exp() * eps
        dense, first_map, first, last = self.decoder
        h = relu(first_map(relu(dense(z)))).reshape(-1, *self.shape)
        logits = last(relu(first(h.to(memory_format=self.memory_format))))
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
        nll = cross_entropy(logits, x, reduction="sum") / len(x)
        kl = (z**2 / 2 - eps**2 / 2 - logsigma).sum(1).mean()  # at the sample, as vaelite's
        loss = nll + kl
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        return loss.item()


class PyTorchChannelsLast(PyTorch):
    """The same with the channels last in memory."""

    layout = "channels_last"


PEERS = {peer.__name__: peer for peer in (Vaelite, PyTorch, PyTorchChannelsLast)}


def turn(args):
    """Take the steps in this process; print the times in milliseconds and the losses."""
    rng = np.random.default_rng(0)
    images = rng.random((args.steps, BATCH, 784), dtype=np.float32)
    images *= rng.random(images.shape, dtype=np.float32) < 0.2  # as MNIST: mostly black
    noise = rng.standard_normal((args.steps, BATCH, LATENT_DIM), dtype=np.float32)
    runner, times, losses = PEERS[args.turn](args), [], []
    clock = time.process_time if args.cpu else time.perf_counter
    for x, eps in zip(images, noise, strict=True):
        start = clock()
        losses.append(runner.step(x, eps))
        times.append(clock() - start)
    print(json.dumps([1e3 * statistics.median(times[5:]), 1e3 * min(times), losses]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", nargs=2, type=int, default=[16, 32])
    parser.add_argument("--kernel", type=int, default=4, choices=(2, 4), help="as PyTorch pads it")
    parser.add_argument("--hidden-dim", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--cpu", action="store_true", help="processor time: with one thread only")
    parser.add_argument("--turn", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.turn:
        return turn(args)
    times, best, losses = {peer: [] for peer in PEERS}, {peer: [] for peer in PEERS}, {}
    threads = {"OPENBLAS_NUM_THREADS": str(args.threads), "OMP_NUM_THREADS": str(args.threads)}
    for _ in range(args.rounds):
        for peer in PEERS:
            command = [sys.executable, __file__, *sys.argv[1:], "--turn", peer]
            output = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, env=os.environ | threads
            ).stdout
            ms, fastest, losses[peer] = json.loads(output.splitlines()[-1])
            times[peer].append(ms)
            best[peer].append(fastest)
    for peer, found in losses.items():
        if not np.allclose(found[:10], losses["Vaelite"][:10], rtol=1e-4):
            raise SystemExit(f"{peer} computes another loss: {found[:3]}, {losses['Vaelite'][:3]}")
    ours = statistics.median(times["Vaelite"])
    for peer, found in times.items():
        theirs = statistics.median(found)
        print(
            f"{peer:20s}{theirs:8.2f} ms per step (turns {min(found):.2f} to {max(found):.2f}, "
            f"fastest step {min(best[peer]):.2f}); vaelite / this: {ours / theirs:.2f}"
        )
    return None


if __name__ == "__main__":
    main()
