"""One training step of the lecture's network: vaelite beside autograd as its users write it.

    python benchmarks/training_step.py

They take turns, each time in a process of its own, on the same batches with the same starting weights and noise,
and so do the same five large matrix products alone (the floor). Printed are the medians over the turns, their
ratios, and the losses after the last step, which agree. PyTorch joins in where it is installed.
"""

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time

import autograd.numpy as np
import numpy
from autograd import value_and_grad

import vaelite
from vaelite.trainer import keep_freed_memory, step

PIXELS, LATENT_DIM, LEARNING_RATE = 784, 2, 1e-3


class Vaelite:
    """vaelite's own step."""

    def __init__(self, params, hidden_dim):
        keep_freed_memory()
        vae = vaelite.VAE(LATENT_DIM, hidden_dim).build(PIXELS)
        self.objective = vae.objective(normalized=False)
        self.params = {name: array.copy() for name, array in params.items()}
        self.adam = vaelite.Adam(LEARNING_RATE)

    def step(self, x, eps):
        return step(self.objective, self.params, self.adam, x, eps)


class PlainAutograd:
    """A nested dict of parameters, `value_and_grad`, and an Adam with temporaries."""

    def __init__(self, params, hidden_dim):
        layers = sorted({name.rsplit(".", 1)[0] for name in params})
        self.params = {layer: [params[f"{layer}.W"], params[f"{layer}.b"]] for layer in layers}
        self.m = {layer: [0 * array for array in pair] for layer, pair in self.params.items()}
        self.v = {layer: [0 * array for array in pair] for layer, pair in self.params.items()}
        self.gradient, self.t = value_and_grad(self.loss), 0

    @staticmethod
    def loss(params, x, eps):
        def affine(name, h):
            weight, bias = params[name]
            return np.dot(h, weight) + bias

        h = np.maximum(affine("encoder.0", x), 0)
        mu_z, logsigma_z = affine("encoder.mu", h), affine("encoder.logsigma", h)
        z = mu_z + np.exp(logsigma_z) * eps
        h = np.maximum(affine("decoder.0", z), 0)
        mu_x = 1 / (1 + np.exp(-affine("decoder.mu", h)))
        floor = vaelite.Gaussian().floor
        logsigma_x = floor + np.logaddexp(0, affine("decoder.logsigma", h) - floor)
        nll = x.shape[1] * np.sum(logsigma_x) + np.sum(((x - mu_x) / np.exp(logsigma_x)) ** 2) / 2
        nlq = np.sum(logsigma_z) + np.sum(((z - mu_z) / np.exp(logsigma_z)) ** 2) / 2
        return (nll + np.sum(z**2) / 2 - nlq) / len(x)

    def step(self, x, eps):
        self.t += 1
        loss, grads = self.gradient(self.params, x, eps)
        for layer, pair in grads.items():
            for i, g in enumerate(pair):
                m = self.m[layer][i] = 0.9 * self.m[layer][i] + 0.1 * g
                v = self.v[layer][i] = 0.999 * self.v[layer][i] + 0.001 * g**2
                change = (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)
                self.params[layer][i] = self.params[layer][i] - LEARNING_RATE * change
        return float(loss)


class MatrixProducts:
    """The five products without which there is no step; what is above them is the price of the rest."""

    def __init__(self, params, hidden_dim):
        self.W_in, self.W_out = params["encoder.0.W"], params["decoder.mu.W"]

    def step(self, x, eps):
        h = x @ self.W_in
        g = h @ self.W_out
        h.T @ g, x.T @ (g @ self.W_out.T)
        return numpy.nan


class PyTorch:
    """PyTorch as its users write it: eager, with the default Adam."""

    def __init__(self, params, hidden_dim):
        import torch

        self.torch = torch
        self.params = {name: torch.tensor(array, requires_grad=True) for name, array in params.items()}
        self.adam = torch.optim.Adam(self.params.values(), LEARNING_RATE)

    def affine(self, name, h):
        return self.torch.nn.functional.linear(h, self.params[f"{name}.W"].T, self.params[f"{name}.b"])

    def loss(self, x, eps):
        torch = self.torch
        h = torch.relu(self.affine("encoder.0", x))
        mu_z, logsigma_z = self.affine("encoder.mu", h), self.affine("encoder.logsigma", h)
        z = mu_z + logsigma_z.exp() * eps
        h = torch.relu(self.affine("decoder.0", z))
        mu_x, floor = torch.sigmoid(self.affine("decoder.mu", h)), vaelite.Gaussian().floor
        logsigma_x = floor + torch.nn.functional.softplus(self.affine("decoder.logsigma", h) - floor)
        nll = x.shape[1] * logsigma_x.sum() + (((x - mu_x) / logsigma_x.exp()) ** 2).sum() / 2
        nlq = logsigma_z.sum() + (((z - mu_z) / logsigma_z.exp()) ** 2).sum() / 2
        return (nll + (z**2).sum() / 2 - nlq) / len(x)

    def step(self, x, eps):
        self.adam.zero_grad()
        loss = self.loss(self.torch.from_numpy(x), self.torch.from_numpy(eps))
        loss.backward()
        self.adam.step()
        return loss.item()


PEERS = {peer.__name__: peer for peer in (Vaelite, PlainAutograd, MatrixProducts, PyTorch)}


def run(peer, args):
    """Take the steps, in this process; print the median time of one in milliseconds, and the last loss."""
    rng = numpy.random.default_rng(0)
    vae = vaelite.VAE(LATENT_DIM, args.hidden_dim).build(PIXELS, rng=0)
    # As MNIST: four pixels in five are black, those at the border always.
    images = rng.random((args.steps, args.batch_size, PIXELS), dtype=numpy.float32)
    images *= rng.random(PIXELS) < 0.8
    images *= rng.random(images.shape) < 0.25
    noise = rng.standard_normal((args.steps, args.batch_size, LATENT_DIM), dtype=numpy.float32)
    runner, times = PEERS[peer](vae.params, args.hidden_dim), []
    for x, eps in zip(images, noise, strict=True):
        start = time.perf_counter()
        loss = runner.step(x, eps)
        times.append(time.perf_counter() - start)
    print(json.dumps([1e3 * statistics.median(times), loss]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=400, help="steps a round")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--hidden-dim", type=int, default=512)
    parser.add_argument("--run", choices=PEERS, help="only this one, in this process")
    args = parser.parse_args()
    if args.run:
        return run(args.run, args)
    peers = [peer for peer in PEERS if peer != "PyTorch" or importlib.util.find_spec("torch")]
    results = {peer: [] for peer in peers}
    for _ in range(args.rounds):
        for peer in peers:
            command = [sys.executable, *sys.argv, "--run", peer]
            results[peer].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    medians = {peer: statistics.median(ms for ms, _ in result) for peer, result in results.items()}
    for peer, median in medians.items():
        times = sorted(ms for ms, _ in results[peer])
        print(f"{peer:15s}{median:8.2f} ms a step ({times[0]:.2f} to {times[-1]:.2f}), loss {results[peer][0][1]:.3f}")
    for peer in peers[1:]:
        print(f"Vaelite / {peer:15s} {medians['Vaelite'] / medians[peer]:.2f}")


if __name__ == "__main__":
    main()
