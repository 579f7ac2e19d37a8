"""The main job from a shell: fit a variational autoencoder, write the model and pictures of it."""

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np

import vaelite

EPILOG = """\
examples:
  python -m vaelite                                  the digits that ship with vaelite, in seconds
  python -m vaelite --data mnist --epochs 20         MNIST; a few minutes
  python -m vaelite --likelihood bernoulli           the same digits, pixels scored as coin tosses
  python -m vaelite --data faces.npy --mean identity --sigma shared --latent-dim 8
"""


PICTURES = (
    "learning_curve", "latent_means", "tsne", "reconstructions", "samples", "average_reconstructions", "latent_grid"
)  # fmt: skip


def parse(arguments=None):
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(
        prog="python -m vaelite", description=__doc__, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--data", default="digits", metavar="WHAT",
        help="digits (the default), mnist, a folder of IDX files, or a file: .npy with images as rows, "
        ".npz with such an array X and, if there are classes, their labels y")  # fmt: skip
    add("--latent-dim", type=int, default=2, metavar="N", help="size of the code (default: 2)")
    add(
        "--hidden-dim",
        type=int,
        nargs="+",
        default=[512],
        metavar="N",
        help="sizes of hidden layers (default: 512)",
    )
    add("--activation", default="relu", metavar="NAME", help="relu (the default), tanh or softplus")
    add(
        "--likelihood",
        default="gaussian",
        metavar="NAME",
        help="gaussian (the default), bernoulli or categorical",
    )
    add(
        "--levels",
        type=int,
        default=16,
        metavar="N",
        help="grey levels that categorical tells apart (default: 16)",
    )
    add(
        "--mean",
        default="logistic",
        metavar="NAME",
        help="gaussian: logistic, for data in [0, 1] (the default), or identity",
    )
    add("--sigma", default="image", metavar="WHAT", type=_sigma,
        help="gaussian: one sigma an image (the default), shared by all, one a pixel, or a fixed number")  # fmt: skip
    add(
        "--epochs",
        type=int,
        metavar="N",
        help="run exactly so many; by default held-out rows decide (at most 500)",
    )
    add("--batch-size", type=int, default=128, metavar="N", help="(default: 128)")
    add("--learning-rate", type=float, default=1e-3, metavar="X", help="Adam's (default: 0.001)")
    add(
        "--without-constants",
        action="store_true",
        help="print losses without their log(2 pi), as the lecture does",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="the same seed gives the same model (default: 0)",
    )
    add("--out", type=Path, default=Path("vaelite-run"), metavar="FOLDER",
        help="where the model and the pictures go (default: vaelite-run)")  # fmt: skip
    add(
        "--init",
        default="glorot",
        metavar="NAME",
        help="first weights: glorot (the default), or torch, as PyTorch's",
    )
    add(
        "--test",
        action="store_true",
        help="MNIST and IDX files: record the loss of the test images, and draw these",
    )
    add(
        "--tsne",
        action="store_true",
        help="draw the t-SNE of the encoded images too (needs scikit-learn)",
    )
    add(
        "--backend",
        default="numpy",
        metavar="NAME",
        help="numpy (the default), cupy (a GPU), or auto",
    )
    add("--quiet", action="store_true", help="print no progress")
    add("--version", action="version", version=f"vaelite {vaelite.__version__}")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Run the command; the exit status."""
    args = parse(arguments)
    start = time.perf_counter()
    try:
        X, y = load_data(args.data)
        X_test, y_test = load_data(args.data, "test") if args.test else (None, None)
        for images, labels in ((X, y), (X_test, y_test)):
            if labels is not None and np.shape(labels) != (len(images),):
                raise ValueError(
                    f"{args.data} has {len(images)} images, but labels of shape {np.shape(labels)}"
                )
        likelihood = likelihood_of(args)
        if args.likelihood == "categorical":
            X, X_test = (
                images if images is None else vaelite.quantize(images, args.levels)
                for images in (X, X_test)
            )
        args.out.mkdir(parents=True, exist_ok=True)
        how = {"max_epochs": args.epochs, "stopping": "epochs"} if args.epochs is not None else {}
        vae = vaelite.fit(
            X, X_test, latent_dim=args.latent_dim, hidden_dim=args.hidden_dim, activation=args.activation,
            likelihood=likelihood, init=args.init, backend=args.backend, batch_size=args.batch_size,
            learning_rate=args.learning_rate, rng=args.seed, normalized=not args.without_constants,
            progress=not args.quiet, **how,
        )  # fmt: skip
        print(f"stopped: {vae.stop_reason}; parameters of epoch {vae.best_epoch}")
        print(vaelite.ledger(vae, X if X_test is None else X_test))
        vae.save(args.out / "model.npz")
        for name in PICTURES:  # of an earlier run
            (args.out / f"{name}.png").unlink(missing_ok=True)
        pictures = draw(vae, *((X, y) if X_test is None else (X_test, y_test)), args)
    except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"wrote model.npz, {', '.join(pictures)} into {args.out}{os.sep}")
    print(f"done in {time.perf_counter() - start:.1f} s")
    return 0


def likelihood_of(args):
    """The likelihood that the arguments describe."""
    if args.likelihood == "gaussian":
        return vaelite.Gaussian(mean=args.mean, sigma=args.sigma)
    return vaelite.Categorical(args.levels) if args.likelihood == "categorical" else args.likelihood


def load_data(what, split="train"):
    """The images and, where there are any, the labels that ``--data`` names."""
    path = Path(what)
    if what == "mnist":
        return vaelite.load_mnist(split=split)
    if path.is_dir():
        return vaelite.load_idx(path, split)
    if split == "test":
        raise ValueError(
            f"--test is for MNIST and folders of IDX files, which have a test split; --data is {what}"
        )
    if what == "digits":
        return vaelite.load_digits()
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(
            f"--data should be digits, mnist, a folder of IDX files, or a .npy or .npz file, got {what!r}"
        )
    found = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix == ".npy" else None)
    if path.suffix == ".npy":
        return _rows(found), None
    if "X" not in found:
        raise ValueError(
            f"{path} has {', '.join(found) or 'no arrays'}; the images should be called X, the labels y"
        )
    return _rows(found["X"]), found.get("y")


def draw(vae, X, y, args):
    """Write the pictures that this model and these data allow; their file names."""
    import matplotlib

    matplotlib.use("Agg")
    from vaelite import plots

    side = int(np.sqrt(X.shape[1]))
    square, drawn = side * side == X.shape[1], {"learning_curve": lambda: plots.learning_curve(vae)}
    if y is not None and vae.latent_dim >= 2:
        drawn["latent_means"] = lambda: plots.latent_means(vae, X, y)
    if args.tsne and y is not None:
        drawn["tsne"] = lambda: plots.tsne_means(vae, X, y)
    if square:
        drawn["reconstructions"] = lambda: plots.reconstructions(vae, X)
        drawn["samples"] = lambda: plots.samples(vae, rng=args.seed)
        if y is not None:
            drawn["average_reconstructions"] = lambda: plots.average_reconstructions(vae, X, y)
        if vae.latent_dim == 2:
            drawn["latent_grid"] = lambda: plots.latent_grid(vae)
    if not square:
        print(
            f"no pictures of images: {X.shape[1]} numbers an image are no square; see vaelite.plots, image_shape="
        )
    for name, figure in drawn.items():
        figure().figure.savefig(args.out / f"{name}.png", dpi=120)
    return [f"{name}.png" for name in drawn]


def _rows(X):
    """Images as rows, whatever shape they come in."""
    return X.reshape(len(X), -1) if X.ndim > 2 else X


def _sigma(text):
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.exit(main())
