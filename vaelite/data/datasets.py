"""Data sets with images as rows: the digits, MNIST, and other IDX files."""

import gzip
import math
import os
import struct
from pathlib import Path

import numpy as np

from ..checks import shown

DIGITS_FILE = Path(__file__).with_name("digits.npz")
MNIST_SAMPLE_FILE = Path(__file__).with_name("mnist-sample.npz")
SPLITS = {"train": "train", "test": "t10k"}
IMAGES, LABELS = "images-idx3", "labels-idx1"
MOST_EXPANDED = 100  # times its size that a gzip file may unpack to; MNIST's: 5
MNIST_FOLDERS = ("", "mnist", "MNIST/raw")  # the last one is torchvision's
ATTEMPTS = 2  # of a download that breaks off or arrives damaged
TIMEOUT = 30  # seconds without a byte from the server
LARGEST_FILE = 2**24  # bytes that are downloaded at most; MNIST's largest: 9.9 million
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_SHA256 = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def load_digits():
    """Return the 8x8 handwritten digits that ship with vaelite.

    Returns
    -------
    X : float32 array, shape (1797, 64)
        Images as rows; gray levels in [0, 1], multiples of 1/16.
    y : int64 array, shape (1797,)
        The digit in each image.

    Notes
    -----
    The test set of "Optical Recognition of Handwritten Digits" by E. Alpaydin and C.
    Kaynak (1998), UCI Machine Learning Repository, https://doi.org/10.24432/C50P49,
    licensed under CC BY 4.0. The counts of ink from 0 to 16 are divided by 16; nothing
    else is changed.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> X.shape, X.dtype, X.min(), X.max(), y[:3]
    ((1797, 64), dtype('float32'), np.float32(0.0), np.float32(1.0), array([0, 1, 2]))
    """
    with np.load(DIGITS_FILE, allow_pickle=False) as file:
        return file["images"] / np.float32(16), file["labels"].astype(np.int64)


def load_mnist_sample():
    """Return the first 1,000 test images of MNIST, which ship with vaelite.

    They are for pictures without a download; for training, use `load_mnist`.

    Returns
    -------
    X : uint8 array, shape (1000, 784)
        Images of 28x28 as rows; gray levels from 0 to 255, which vaelite reads as
        numbers in [0, 1].
    y : int64 array, shape (1000,)
        The digit in each image.

    Notes
    -----
    The MNIST database of handwritten digits, by Y. LeCun, C. Cortes and C. J. C.
    Burges, is derived from NIST's Special Databases 1 and 3, and available under CC
    BY-SA 3.0. The images are unchanged.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_mnist_sample()
    >>> X.shape, X.dtype, y[:3]
    ((1000, 784), dtype('uint8'), array([7, 2, 1]))
    """
    with np.load(MNIST_SAMPLE_FILE, allow_pickle=False) as file:
        return file["images"], file["labels"].astype(np.int64)


def load_mnist(data_home=None, split="train", download=None):
    """Return the MNIST handwritten digits; download them if needed.

    The function looks for the four IDX files, gzipped or not, in ``data_home``. If that
    is None, it looks in the folder of the environment variable ``VAELITE_DATA`` and in
    ``~/.cache/vaelite``. In each folder it looks directly, in ``mnist/``, and in
    ``MNIST/raw/`` as torchvision does.

    Parameters
    ----------
    data_home : path or None
        The folder to look in and to download to.
    split : {"train", "test"}
        60,000 or 10,000 images.
    download : bool or None
        None downloads the files only if they are not found (11 MB in all, checked by
        SHA-256). True also downloads files that are there if their SHA-256 is another.
        False never downloads.

    Returns
    -------
    X : uint8 array, shape (n, 784)
        Gray levels from 0 to 255; vaelite reads them as numbers in [0, 1].
    y : int64 array, shape (n,)

    Raises
    ------
    ValueError
        For an unknown split, or files that are not IDX files.
    OSError
        If the files are not found and cannot be downloaded, or have a wrong hash.
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
            raise OSError(
                f"no MNIST {split} files in {', '.join(map(str, folders))}, and download=False"
            )
    folder = homes[-1] / "mnist"
    _download_mnist(folder, split)
    return _read_pair(*(folder / _mnist_name(split, kind) for kind in (IMAGES, LABELS)))


def load_idx(folder, split="train"):
    """Read images and labels from a folder of IDX files, such as Fashion-MNIST.

    Parameters
    ----------
    folder : path
        Contains ``train-images-idx3-ubyte`` and ``train-labels-idx1-ubyte``, or
        ``t10k-...`` for the test split, each raw or gzipped (``.gz``), directly or in
        ``raw/``.
    split : {"train", "test"}

    Returns
    -------
    X : uint8 array, shape (n, rows * columns)
    y : int64 array, shape (n,)

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a file is not an IDX file or is too short, or if the numbers of images and
        labels differ.
    """
    _check_split(split)
    folder = Path(folder).expanduser()
    folders = [folder, folder / "raw"]
    paths = []
    for kind in (IMAGES, LABELS):
        path = next(filter(None, (_find(place, split, kind) for place in folders)), None)
        if path is None:
            raise FileNotFoundError(
                f"no {SPLITS[split]}-{kind}-ubyte, with or without .gz, in {folder} or its raw/"
            )
        paths.append(path)
    return _read_pair(*paths)


def _data_homes():
    named = os.environ.get("VAELITE_DATA")
    return [Path(home).expanduser() for home in (named, "~/.cache/vaelite") if home]


def _check_split(split):
    if split not in SPLITS:
        raise ValueError(f'split should be "train" or "test", got {shown(split)}')


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
            f"MNIST is not in {folder}, and a download needs pooch: python -m pip install "
            "'vaelite[data]'"
        ) from None
    for kind in (IMAGES, LABELS):
        name = _mnist_name(split, kind)
        known = f"sha256:{MNIST_SHA256[name]}"
        for attempt in range(ATTEMPTS):
            try:
                pooch.retrieve(MNIST_URL + name, known, name, folder, downloader=_download)
                break
            except PermissionError:
                raise
            except (OSError, ValueError) as error:
                if attempt == ATTEMPTS - 1:
                    raise _explained(error, folder, name) from error


def _download(url, path, _):
    """Write what a server sends to a temporary file, which pooch checks and renames."""
    import pooch

    os.unlink(path)  # pooch's file could be read by its owner only
    with open(path, "xb") as file:
        pooch.HTTPDownloader(timeout=TIMEOUT)(url, _Bounded(file), None)
        os.fsync(file.fileno())


class _Bounded:
    """A file to write to that refuses more than an MNIST file can have."""

    def __init__(self, file):
        self.file, self.flush, self.size = file, file.flush, 0

    def write(self, content):
        self.size += len(content)
        if self.size > LARGEST_FILE:
            raise OSError(f"the server sends more than {LARGEST_FILE} bytes")
        self.file.write(content)


def _explained(error, folder, name):
    """The OSError that says what to do when a download fails."""
    if isinstance(error, ValueError):  # pooch found a wrong hash; its message names both
        return OSError(f"the download of {MNIST_URL}{name} is damaged: {error}")
    return OSError(
        f"{name} is not in {folder} and could not be downloaded from {MNIST_URL}{name} "
        f"({error}). Without a network, put the file into that folder, or use "
        "vaelite.load_digits()"
    )


def _read_pair(images_path, labels_path):
    images, labels = _read_idx(images_path, ndim=3), _read_idx(labels_path, ndim=1)
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path} has {len(images)} images, but {labels_path} has {len(labels)} labels"
        )
    return images.reshape(len(images), math.prod(images.shape[1:])), labels.astype(np.int64)


def _read_idx(path, ndim):
    """Read an IDX file: magic number 0 0 8 ndim, sizes as big-endian int32, bytes."""
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            shape = _read_shape(file, path, ndim)
            size = math.prod(shape)
            content = file.read(size + 1)
    except (EOFError, gzip.BadGzipFile, gzip.zlib.error) as error:
        raise ValueError(
            f"{path} is not a gzip file, or is damaged ({error}); delete it and download it again"
        ) from error
    if len(content) != size:
        found = "more" if len(content) > size else len(content)
        raise ValueError(
            f"{path} should have {size} bytes for its shape {shape}, but it has {found}"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_shape(file, path, ndim):
    start = file.read(4 + 4 * ndim)
    if len(start) < 4 + 4 * ndim or start[:4] != bytes([0, 0, 8, ndim]):
        raise ValueError(
            f"{path} is not an IDX file of bytes in {ndim} dimension(s): it starts with "
            f"{start[:4].hex(' ') or 'nothing'}, expected {bytes([0, 0, 8, ndim]).hex(' ')}"
        )
    shape, largest = struct.unpack(f">{ndim}I", start[4:]), MOST_EXPANDED * path.stat().st_size
    if math.prod(shape) > largest:  # before anything of this size is read
        raise ValueError(
            f"{path} should have {math.prod(shape)} bytes for its shape {shape}, more than "
            f"{MOST_EXPANDED} times its size; if that is right, unpack it with gunzip"
        )
    return shape
