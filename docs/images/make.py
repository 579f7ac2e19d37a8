"""Draw the README's pictures: python docs/images/make.py [digits] [mnist]. MNIST takes minutes."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import vaelite

FOLDER = Path(__file__).parent


def digits():
    """The encoded digits and the decoded grid."""
    X, y = vaelite.load_digits()
    vae = vaelite.fit(X, latent_dim=2, rng=0, progress=False)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
    vaelite.plots.latent_means(vae, X, y, ax=left)
    vaelite.plots.latent_grid(vae, ax=right)
    figure.savefig(FOLDER / "digits.png", dpi=80)


def mnist():
    """The lecture's two figures, from its run at the learning rate 1e-3."""
    X, y = vaelite.load_mnist()
    vae = vaelite.fit(X, max_epochs=20, stopping="epochs", rng=4)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 6), layout="constrained")
    vaelite.plots.latent_means(vae, X, y, ax=left)
    vaelite.plots.average_reconstructions(vae, X, y, ax=right)
    figure.savefig(FOLDER / "mnist.png", dpi=80)


if __name__ == "__main__":
    for name in sys.argv[1:] or ["digits", "mnist"]:
        {"digits": digits, "mnist": mnist}[name]()
