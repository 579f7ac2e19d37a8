"""Fit a variational autoencoder from a shell, and write the model and its pictures."""

import argparse
import math
import os
import re
import sys
import time
import zipfile
from inspect import getdoc
from pathlib import Path

import numpy as np

import vaelite
from vaelite.fit.progress import show
from vaelite.versions import advice

EPILOG = """\
examples:
  python -m vaelite                            the digits that ship with vaelite; seconds
  python -m vaelite --data mnist --epochs 20   MNIST; a few minutes
  python -m vaelite --likelihood bernoulli     the digits, with a Bernoulli likelihood
  python -m vaelite --data faces.npy --mean identity --sigma shared --latent-dim 8
"""
PICTURES = (
    "learning_curve",
    "latent_means",
    "tsne",
    "reconstructions",
    "samples",
    "average_reconstructions",
    "latent_grid",
)


EXPECTED = ValueError, TypeError, OSError, ImportError, RuntimeError, vaelite.TrainingError
WRITE = "write such a file with np.save(path, X) or np.savez(path, X=X, y=y)"


def number_or_name(text):
    """Return the text of a number as a float, and any other text unchanged."""
    try:
        return float(text)
    except ValueError:
        return text


# Settings of `VAE` as options: type, default and help are from its constructor.
SETTINGS = {
    "latent_dim": int,
    "hidden_dim": int,
    "activation": str,
    "init": str,
    "beta": float,
    "batch_size": int,
    "start": str,
    "learning_rate": float,
    "backend": str,
    "checkpoint": Path,
}
LECTURE = {"hidden_dim": (512,), "batch_size": 128, "start": "network"}
METAVARS = {int: "N", float: "X", str: "NAME", Path: "FILE"}
OPTIONS = {  # others with values: type, default, what the help calls the value, and the help
    "--data": (
        str,
        "digits",
        "WHAT",
        "digits, mnist, a folder of IDX files, or a file: .npy with images as rows, .npz with "
        "such an array X and, if there are classes, their labels y",
    ),
    "--likelihood": (
        str,
        "gaussian",
        "NAME",
        "gaussian, bernoulli, continuous_bernoulli or categorical",
    ),
    "--levels": (int, 16, "N", "categorical: number of gray levels"),
    "--mean": (
        str,
        "logistic",
        "NAME",
        "gaussian: logistic, for data in [0, 1], or identity, for any data",
    ),
    "--sigma": (
        number_or_name,
        "image",
        "WHAT",
        "gaussian: image (one sigma per image), shared (one for all), pixel (one per pixel), or a "
        "fixed number",
    ),
    "--epochs": (
        int,
        None,
        "N",
        "run exactly N epochs; by default held-out rows decide when to stop",
    ),
    "--seed": (int, 0, "N", "the same seed gives the same model"),
    "--out": (Path, Path("vaelite-run"), "FOLDER", "folder for the model and the pictures"),
}
FLAGS = {
    "--lecture": "take the lecture's network, batches and start: 512 hidden units, 128 rows, "
    "random weights",
    "--without-constants": "print losses without their log(2 pi), as the lecture does",
    "--test": "MNIST and IDX files: record the loss of the test images, and draw them",
    "--tsne": "also draw the t-SNE of the encoded images (needs scikit-learn)",
    "--quiet": "print no progress",
}


def parse(arguments=None):
    """Return the command line as a namespace."""
    parser = argparse.ArgumentParser(
        prog="python -m vaelite",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, (kind, default, metavar, text) in (settings() | OPTIONS).items():
        nargs = "+" if isinstance(default, tuple) else None
        shown = " ".join(map(str, default)) if nargs else default
        text += "" if default is None else f" (default: {shown})"
        parser.add_argument(
            name, type=kind, default=default, metavar=metavar, nargs=nargs, help=text
        )
    for name, text in FLAGS.items():
        parser.add_argument(name, action="store_true", help=text)
    parser.add_argument("--version", action="version", version=f"vaelite {vaelite.__version__}")
    if parser.parse_known_args(arguments)[0].lecture:
        parser.set_defaults(**LECTURE)
    return parser.parse_args(arguments)


def settings():
    """Return the options that are settings of `VAE`, in the form of ``OPTIONS``."""
    described = re.findall(r"^([\w, ]+) : .*\n((?:    .*\n)+)", getdoc(vaelite.VAE), re.MULTILINE)
    text = {
        name: " ".join(lines.split()) for names, lines in described for name in names.split(", ")
    }
    return {
        f"--{name.replace('_', '-')}": (
            kind,
            getattr(vaelite.VAE, name),
            METAVARS[kind],
            text[name],
        )
        for name, kind in SETTINGS.items()
    }


def main(arguments=None):
    """Run the command, and return its exit status."""
    args, start = parse(arguments), time.perf_counter()
    try:
        pictures = run(args)
    except KeyboardInterrupt:  # before the first epoch: later ones end training only
        print("error: interrupted from the keyboard", file=sys.stderr)
        return 130
    except MemoryError as error:
        print(
            f"error: not enough memory ({error}); take a smaller --hidden-dim or --batch-size",
            file=sys.stderr,
        )
        return 1
    except EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    show(f"wrote model.npz, {', '.join(pictures)} into {args.out}{os.sep}")
    show(f"done in {time.perf_counter() - start:.1f} s")
    return 0


def run(args):
    """Fit, print the ledger, and write all files; return the names of the pictures."""
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
    check_folder(args.out)
    if not args.quiet:
        for sentence in advice():
            show(f"> advice: {sentence}")
    vae = vaelite.fit(X, X_test, likelihood=likelihood, **settings_of(args))
    vae.save(args.out / "model.npz")  # before anything else can fail
    if args.quiet:
        show(f"> {vae.summary()}")
    show(vaelite.ledger(vae, X if X_test is None else X_test))
    written = draw(vae, *((X, y) if X_test is None else (X_test, y_test)), args)
    others = {f"{name}.png" for name in PICTURES} - set(written)
    if old := ", ".join(sorted(name for name in others if (args.out / name).exists())):
        show(f"not of this model, but of an earlier one: {old} in {args.out}{os.sep}")
    return written


def check_folder(folder):
    """Create the folder of the results, or refuse it before training."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out should be a folder, but {folder} is a file")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"no permission to write into {folder}; pass another --out")


def likelihood_of(args):
    """Return the likelihood that the arguments describe."""
    if args.likelihood == "gaussian":
        return vaelite.Gaussian(mean=args.mean, sigma=args.sigma)
    return vaelite.Categorical(args.levels) if args.likelihood == "categorical" else args.likelihood


def settings_of(args):
    """Return the other settings of `vaelite.fit` as a dict."""
    settings = {name: getattr(args, name) for name in SETTINGS}
    if args.epochs is not None:
        settings |= {"max_epochs": args.epochs, "stopping": "epochs"}
    reports = {"normalized": not args.without_constants, "progress": not args.quiet}
    return settings | reports | {"rng": args.seed}


def load_data(what, split="train"):
    """Return the images that ``--data`` names, and their labels or None."""
    path = Path(what)
    if what == "mnist":
        return vaelite.load_mnist(split=split)
    if path.is_dir():
        return vaelite.load_idx(path, split)
    if split == "test":
        raise ValueError(
            "--test is for MNIST and folders of IDX files, which have a test split; --data is "
            f"{what}"
        )
    if what == "digits":
        return vaelite.load_digits()
    if path.suffix not in (".npy", ".npz"):
        raise ValueError(
            "--data should be digits, mnist, a folder of IDX files, or a .npy or .npz file, got "
            f"{what!r}"
        )
    arrays = read_arrays(path)
    if "X" not in arrays:
        raise ValueError(
            f"{path} has {', '.join(arrays) or 'no arrays'}; the images should have the name X, "
            "the labels y"
        )
    X = arrays["X"]
    return X.reshape(len(X), -1) if X.ndim > 2 else X, arrays.get("y")


def read_arrays(path):
    """Return the arrays of a file by name; that of a .npy file is X."""
    try:
        with open(path, "rb"):  # its errors name the file
            pass
        if path.suffix == ".npy":
            return {"X": np.lib.format.open_memmap(path, mode="r")}
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as found:
            return dict(found)
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds of errors
        raise ValueError(
            f"{path} contains no arrays of numbers, or it is damaged; {WRITE}"
        ) from error


def draw(vae, X, y, args):
    """Write the pictures that fit the model and the data; return their file names."""
    import matplotlib

    matplotlib.use("Agg")
    from vaelite import plots

    drawn = {"learning_curve": lambda: plots.learning_curve(vae)}
    if y is not None and vae.latent_dim >= 2:
        drawn["latent_means"] = lambda: plots.latent_means(vae, X, y)
    if args.tsne and y is not None:
        drawn["tsne"] = lambda: plots.tsne_means(vae, X, y)
    if math.isqrt(X.shape[1]) ** 2 == X.shape[1]:
        drawn["reconstructions"] = lambda: plots.reconstructions(vae, X)
        drawn["samples"] = lambda: plots.samples(vae, rng=args.seed)
        if y is not None:
            drawn["average_reconstructions"] = lambda: plots.average_reconstructions(vae, X, y)
        if vae.latent_dim == 2:
            drawn["latent_grid"] = lambda: plots.latent_grid(vae)
    else:
        show(
            f"no pictures of images: {X.shape[1]} numbers per image are not square; use "
            "vaelite.plots with image_shape="
        )
    for name, figure in drawn.items():
        figure().figure.savefig(args.out / f"{name}.png", dpi=120)
    return [f"{name}.png" for name in drawn]


if __name__ == "__main__":
    sys.exit(main())
