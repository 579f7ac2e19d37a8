"""Trained models of MNIST that ship with vaelite, with weights of one byte each.

``benchmarks/pretrained.py`` trains and writes them.
"""

import json
from pathlib import Path

import numpy as np

from ..checks import check_choice
from ..saving import files
from ..vae import VAE

FOLDER = Path(__file__).parent.parent / "data"
PRETRAINED = "mnist-gaussian", "mnist-bernoulli"
LARGEST_BYTE = 127  # of a signed byte, so that -w is as exact as w
SCALE = ":scale"


def load_pretrained(name):
    """Return a small trained model of MNIST that ships with vaelite.

    Parameters
    ----------
    name : {"mnist-gaussian", "mnist-bernoulli"}
        "mnist-gaussian" is the lecture's kind of model: one sigma per image, a code of
        2 numbers, and networks of 128 and 64 units. "mnist-bernoulli" is the Pyro
        tutorial's kind: gray pixels as probabilities, a code of 50 numbers, and 128
        units.

    Returns
    -------
    VAE
        Fitted; its ``history`` is that of its training.

    Raises
    ------
    ValueError
        For another name.

    Notes
    -----
    Trained on the 60,000 training images of MNIST for 20 epochs, with a learning rate
    that falls to 1e-5. Each weight is then rounded to one of 255 levels, which costs
    0.6 and 0.02 nats. The ELBO of the 10,000 test images is 184.1 nats per image for
    "mnist-gaussian", and -109.2 for "mnist-bernoulli". `load_mnist_sample` has images
    to try them with.

    Examples
    --------
    >>> import vaelite
    >>> vae = vaelite.load_pretrained("mnist-gaussian")
    >>> X, y = vaelite.load_mnist_sample()
    >>> vae.encode(X)[0].shape, vae.sample(16, rng=0).shape
    ((1000, 2), (16, 784))
    """
    check_choice("name", name, PRETRAINED)
    with np.load(path_of(name), allow_pickle=False) as file:
        arrays = dict(file)
    manifest = json.loads(str(arrays.pop("manifest")))
    return files.restored(manifest, dequantized(arrays), VAE, {})


def path_of(name):
    """Return the path of a model's file."""
    return FOLDER / f"{name}.npz"


def quantized(arrays):
    """Return arrays in which each matrix has one byte per number.

    A column w of a matrix, the weights of one unit, becomes the integers
    round(w / s), with the scale s = max|w| / 127, a number that is kept beside them. So
    no number changes by more than s / 2.

    Parameters
    ----------
    arrays : dict of float arrays

    Returns
    -------
    dict of arrays
        int8 for a matrix, with its scales, shape (1, columns), under its name and
        ":scale"; any other array as it was.
    """
    found = {}
    for name, array in arrays.items():
        found[name] = array
        if array.ndim == 2:
            scale = np.abs(array).max(axis=0, keepdims=True) / LARGEST_BYTE
            scale = np.where(scale > 0, scale, 1).astype(array.dtype)  # a column of zeros
            found[name] = np.rint(array / scale).astype(np.int8)
            found[name + SCALE] = scale
    return found


def dequantized(arrays):
    """Return float arrays for those that `quantized` returned.

    Parameters
    ----------
    arrays : dict of arrays

    Returns
    -------
    dict of float arrays
        Without the scales.
    """
    scales = {name: array for name, array in arrays.items() if name.endswith(SCALE)}
    kept = {name: array for name, array in arrays.items() if name not in scales}
    return {
        name: array * scales[name + SCALE] if name + SCALE in scales else array
        for name, array in kept.items()
    }
