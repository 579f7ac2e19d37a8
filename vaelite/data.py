"""Data: the digits that ship with vaelite, MNIST and other IDX files, and minibatches of any array.

Images are rows. ``uint8`` arrays are grey levels from 0 to 255; they stay as they are in memory or
on disk and become floats in [0, 1] batch by batch.
"""

import gzip
import math
import os
import struct
from pathlib import Path

import numpy as np

from .validation import check_count, check_number

DIGITS_FILE = Path(__file__).with_name("digits.npz")
SPLITS = {"train": "train", "test": "t10k"}
IMAGES, LABELS = "images-idx3", "labels-idx1"
MNIST_FOLDERS = ("", "mnist", "MNIST/raw")  # flat, one folder down, torchvision's layout
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load_digits():
    """The 8x8 handwritten digits that ship with vaelite.

    Returns
    -------
    X : float32 array, shape (1797, 64)
        Images as rows; grey levels in [0, 1], multiples of 1/16.
    y : int64 array, shape (1797,)
        The digit that each image shows.

    Notes
    -----
    The test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak (1998),
    UCI Machine Learning Repository, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0. The
    counts of ink from 0 to 16 are divided by 16; nothing else is changed.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> X.shape, X.dtype, X.min(), X.max(), y[:3]
    ((1797, 64), dtype('float32'), np.float32(0.0), np.float32(1.0), array([0, 1, 2]))
    """
    with np.load(DIGITS_FILE, allow_pickle=False) as file:
        return file["images"] / np.float32(16), file["labels"].astype(np.int64)


def load_mnist(data_home=None, split="train", download=None):
    """The MNIST handwritten digits.

    The four IDX files, gzipped or not, are looked for in ``data_home`` or, if that is None, in the
    folder that the environment variable ``VAELITE_DATA`` names and in ``~/.cache/vaelite``; in each
    directly, in ``mnist/`` and in ``MNIST/raw/`` as torchvision keeps them.

    Parameters
    ----------
    data_home : path or None
        The folder to look in and to download to.
    split : {"train", "test"}
        60,000 or 10,000 images.
    download : bool or None
        None downloads (11 MB in all, checked against their SHA-256) only what is nowhere to be found;
        True downloads afresh; False never.

    Returns
    -------
    X : uint8 array, shape (n, 784)
        Grey levels from 0 to 255; vaelite reads them as numbers in [0, 1].
    y : int64 array, shape (n,)

    Raises
    ------
    ValueError
        For an unknown split, or files that are no IDX files.
    OSError
        If the files are not there and cannot be fetched, or do not have the right hash.
    ImportError
        If a download is needed and the extra ``vaelite[data]`` is not installed.
    """
    _check_split(split)
    homes = _data_homes() if data_home is None else [Path(data_home).expanduser()]
    folders = [home / folder for home in homes for folder in MNIST_FOLDERS]
    if not download:
        for folder in folders:
            if _find(folder, split, IMAGES) and _find(folder, split, LABELS):
                return load_idx(folder, split)
        if download is not None:
            raise OSError(f"no MNIST {split} files in {', '.join(map(str, folders))}, and download=False")
    folder = homes[-1] / "mnist"
    _download_mnist(folder, split)
    return _read_pair(*(folder / _mnist_name(split, kind) for kind in (IMAGES, LABELS)))


def load_idx(folder, split="train"):
    """Images and labels from a folder of IDX files: MNIST, Fashion-MNIST, KMNIST, or your own.

    Parameters
    ----------
    folder : path
        Holds ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or ``t10k-...`` for the test
        split, each raw or gzipped (``.gz``), directly or in ``raw/``.
    split : {"train", "test"}

    Returns
    -------
    X : uint8 array, shape (n, rows * columns)
    y : int64 array, shape (n,)

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a file is no IDX file, is too short, or the counts of images and labels disagree.
    """
    _check_split(split)
    folder = Path(folder).expanduser()
    folders = [folder, folder / "raw"]
    paths = []
    for kind in (IMAGES, LABELS):
        path = next(filter(None, (_find(place, split, kind) for place in folders)), None)
        if path is None:
            raise FileNotFoundError(
                f"neither {SPLITS[split]}-{kind}-ubyte nor the same with .gz in {folder} or its raw/"
            )
        paths.append(path)
    return _read_pair(*paths)


def minibatches(X, batch_size, dtype, rng=None, grey_levels=True):
    """Go once through the rows of X in batches, converted to floats one batch at a time.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Anything with a shape that can be indexed by an array of row numbers: an array, a memmap, ...
    batch_size : int
        The last batch may be smaller.
    dtype : numpy.dtype
        Of the batches.
    rng : numpy.random.Generator or None
        Shuffles the rows; None takes them in their order.
    grey_levels : bool
        Divide uint8 by 255.

    Yields
    ------
    array, shape (batch, n_features)
        Read-only.
    """
    order = None if rng is None else rng.permutation(X.shape[0])
    for start in range(0, max(X.shape[0], 1), batch_size):  # no rows give one batch of no rows
        rows = slice(start, min(start + batch_size, X.shape[0]))
        batch = to_float(X[rows if order is None else order[rows]], dtype, grey_levels).view()
        batch.flags.writeable = False  # it may be a part of X itself
        yield batch


def to_float(x, dtype, grey_levels=True):
    """Numbers as floats; uint8 as grey levels, 255 becoming 1, if they are that."""
    x = np.asarray(x)
    if x.dtype == np.uint8 and grey_levels:
        return np.multiply(x, dtype.type(1 / 255), dtype=dtype)
    return x.astype(dtype, copy=False)


def quantize(X, levels):
    """Grey images as whole numbers from 0 to ``levels - 1``, each for an equal part of [0, 1]; for `Categorical`.

    Parameters
    ----------
    X : array
        Numbers in [0, 1], or uint8 grey levels.
    levels : int

    Returns
    -------
    uint8 or int64 array, the shape of X

    Examples
    --------
    >>> import vaelite
    >>> vaelite.quantize([[0.0, 0.24, 0.26, 0.5, 1.0]], 4)
    array([[0, 0, 1, 2, 3]], dtype=uint8)
    """
    levels = check_count("levels", levels, minimum=2)
    x = to_float(X, np.dtype(np.float64))
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"X should be numbers in [0, 1] or uint8, got values from {x.min():g} to {x.max():g}")
    return np.minimum(x * levels, levels - 1).astype(np.uint8 if levels <= 256 else np.int64)


def hold_out(X, fraction, rng):
    """Split the rows of X at random, without copying them.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
    fraction : float
        The part to hold out, between 0 and 1.
    rng : numpy.random.Generator

    Returns
    -------
    train, held_out : Rows

    Raises
    ------
    ValueError
        If fewer than 2 rows would be held out, or none would be left.
    """
    n = X.shape[0]
    held_out = round(n * check_number("validation_fraction", fraction, 0, 1))
    if held_out < 2 or held_out >= n:
        raise ValueError(
            f"{n} rows are too few to hold out a fraction of {fraction:g} (at least 2 rows, and 1 to train on); pass "
            'more rows, another validation_fraction, or stopping="epochs", which holds out none'
        )
    order = rng.permutation(n)
    return Rows(X, np.sort(order[held_out:])), Rows(X, np.sort(order[:held_out]))


class Rows:
    """Some rows of an array-like, without copying them."""

    def __init__(self, X, rows):
        self.X, self.rows = X, rows
        self.shape = (len(rows), *X.shape[1:])

    def __getitem__(self, index):
        return self.X[self.rows[index]]


def _data_homes():
    named = os.environ.get("VAELITE_DATA")
    return [Path(home).expanduser() for home in (named, "~/.cache/vaelite") if home]


def _check_split(split):
    if split not in SPLITS:
        raise ValueError(f'split should be "train" or "test", got {split!r}')


def _mnist_name(split, kind):
    return f"{SPLITS[split]}-{kind}-ubyte.gz"


def _find(folder, split, kind):
    """The path of an IDX file, raw or gzipped, or None."""
    packed = folder / _mnist_name(split, kind)
    return next((path for path in (packed.with_suffix(""), packed) if path.is_file()), None)


def _download_mnist(folder, split):
    try:
        import pooch
    except ImportError:
        raise ImportError(
            f"MNIST is not in {folder}, and downloading it needs pooch: python -m pip install 'vaelite[data]'"
        ) from None
    for kind in (IMAGES, LABELS):
        name = _mnist_name(split, kind)
        try:
            pooch.retrieve(MNIST_URL + name, f"sha256:{MNIST_SHA256[name]}", fname=name, path=folder)
        except PermissionError:
            raise
        except ValueError as error:  # pooch's word for a wrong hash; it names both
            raise OSError(f"the download of {MNIST_URL}{name} is damaged: {error}") from error
        except OSError as error:
            raise OSError(
                f"{name} is not in {folder} and could not be fetched from {MNIST_URL}{name} ({error}). "
                f"Offline? Put the file into that folder, or use vaelite.load_digits()"
            ) from error


def _read_pair(images_path, labels_path):
    images, labels = _read_idx(images_path, ndim=3), _read_idx(labels_path, ndim=1)
    if len(images) != len(labels):
        raise ValueError(f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels")
    return images.reshape(len(images), math.prod(images.shape[1:])), labels.astype(np.int64)


def _read_idx(path, ndim):
    """An IDX file of unsigned bytes: magic number 0 0 8 ndim, the sizes as big-endian int32, the bytes."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:
        raise ValueError(f"{path} is no gzip file, or a damaged one ({error}); delete it and fetch it again") from error
    header = 4 + 4 * ndim
    if len(content) < header or content[:4] != bytes([0, 0, 8, ndim]):
        raise ValueError(
            f"{path} is no IDX file of bytes in {ndim} dimension(s): it starts with "
            f"{content[:4].hex(' ') or 'nothing'}, expected {bytes([0, 0, 8, ndim]).hex(' ')}"
        )
    shape = struct.unpack(f">{ndim}I", content[4:header])
    if len(content) - header != math.prod(shape):
        raise ValueError(f"{path} announces {shape}, {math.prod(shape)} bytes, but holds {len(content) - header}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
