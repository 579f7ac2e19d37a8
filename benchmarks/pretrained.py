"""Train the models that ship with vaelite, and write them and 1,000 images of MNIST.

python benchmarks/pretrained.py [mnist-gaussian] [mnist-bernoulli]    # needs MNIST; minutes each

It prints the test ELBO of each model, before and after its weights are rounded to bytes.
"""

import argparse
import json
import math
import tempfile
from pathlib import Path

import numpy as np

import vaelite
from vaelite.data.datasets import MNIST_SAMPLE_FILE
from vaelite.models.pretrained import PRETRAINED, path_of, quantized
from vaelite.saving import storage

EPOCHS, BATCH_SIZE, SAMPLE = 20, 128, 1000
MODELS = {
    "mnist-gaussian": {"latent_dim": 2, "hidden_dim": (128, 64)},
    "mnist-bernoulli": {"latent_dim": 50, "hidden_dim": 128, "likelihood": "bernoulli"},
}
HISTORY = "history."


def falling_rate(n_steps, first=1e-3, last=1e-5):
    """A learning rate that falls from the first to the last as half a cosine."""

    def learning_rate(step):
        height = (1 + math.cos(math.pi * min(step / n_steps, 1))) / 2
        return last + (first - last) * height

    return learning_rate


def train(name, X, X_test):
    """Fit a model, for a fixed number of epochs."""
    rate = falling_rate(EPOCHS * math.ceil(len(X) / BATCH_SIZE))
    how = {"max_epochs": EPOCHS, "stopping": "epochs", "batch_size": BATCH_SIZE, "rng": 0}
    vae = vaelite.fit(X, X_test, **MODELS[name], learning_rate=rate, **how)
    always_white = ~X.any(axis=0)  # of these pixels no weight was ever trained
    vae.params["encoder.0.W"][always_white] = 0
    return vae


def write(name, vae):
    """Write a model with one byte per weight; the history stays, the log does not."""
    with tempfile.TemporaryDirectory() as folder:
        vae.save(Path(folder) / "model.npz")
        manifest, arrays = storage.load(Path(folder) / "model.npz")
    arrays = {key: array for key, array in arrays.items() if not key.startswith("log.")}
    small = quantized(arrays) | {"manifest": np.array(json.dumps(manifest))}
    np.savez_compressed(path_of(name), **small)


def write_sample(X_test, y_test):
    """Write the first test images, and their labels."""
    sample = {"images": X_test[:SAMPLE], "labels": y_test[:SAMPLE].astype(np.uint8)}
    np.savez_compressed(MNIST_SAMPLE_FILE, **sample)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=" or ".join(PRETRAINED))
    names = parser.parse_args().names or PRETRAINED
    (X, _), (X_test, y_test) = vaelite.load_mnist(), vaelite.load_mnist(split="test")
    write_sample(X_test, y_test)
    for name in names:
        vae = train(name, X, X_test)
        print(f"{name}: test ELBO {vae.score(X_test, rng=0):.2f} nats per image", flush=True)
        write(name, vae)
        small = vaelite.load_pretrained(name)
        print(
            f"  with bytes: {small.score(X_test, rng=0):.2f}, {path_of(name).stat().st_size} bytes"
        )


if __name__ == "__main__":
    main()
