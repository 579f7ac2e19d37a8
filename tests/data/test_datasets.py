"""The digits, IDX files in all their layouts and defects, and downloads from a local server."""

import gzip
import hashlib
import http.server
import struct
import threading
import tracemalloc

import numpy as np
import pytest
import sklearn.datasets
from helpers import IMAGES, LABELS, idx, write_pair

import vaelite
from vaelite.data import datasets


def test_digits_are_scikit_learns():
    X, y = vaelite.load_digits()
    theirs = sklearn.datasets.load_digits()
    assert X.dtype == np.float32
    assert np.array_equal(X * 16, theirs.data)
    assert np.array_equal(y, theirs.target)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("folder", ["", "raw"])
def test_load_idx(tmp_path, pack, folder):
    write_pair(tmp_path / folder, pack=pack)
    write_pair(tmp_path / folder, "t10k", pack=pack, images=idx(IMAGES[:1]), labels=idx(LABELS[:1]))
    X, y = vaelite.load_idx(tmp_path)
    assert (X.shape, X.dtype, y.dtype) == ((3, 20), np.uint8, np.int64)
    assert np.array_equal(X.reshape(IMAGES.shape), IMAGES)
    assert np.array_equal(y, LABELS)
    assert len(vaelite.load_idx(tmp_path, "test")[0]) == 1


@pytest.mark.parametrize("layout", ["", "mnist", "MNIST/raw"])
def test_load_mnist_finds_every_layout(tmp_path, monkeypatch, layout):
    write_pair(tmp_path / layout)
    assert vaelite.load_mnist(tmp_path)[0].shape == (3, 20)
    monkeypatch.setenv("VAELITE_DATA", str(tmp_path))
    assert vaelite.load_mnist(download=False)[0].shape == (3, 20)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (b"<html>404</html>", "not an IDX file"),
        (b"", "nothing"),
        (idx(IMAGES)[:-1], "should have .* bytes"),
        (idx(IMAGES) + b"x", "should have .* bytes"),
        (idx(IMAGES, bytes([0, 0, 9, 3])), "not an IDX file"),
        (idx(IMAGES[:2]), "2 images.*3 labels"),
        (idx(LABELS), "not an IDX file"),
    ],
)
def test_damaged_files_are_named(tmp_path, images, message):
    write_pair(tmp_path, images=images)
    if not images:
        (tmp_path / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(ValueError, match=message):
        vaelite.load_idx(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path):
    """A gzip file of 60 kB that unpacks to 60 MB, as its header says."""
    images = bytes([0, 0, 8, 3]) + struct.pack(">3I", 60_000, 10, 100) + bytes(60_000_000)
    write_pair(tmp_path, pack=True, images=images, labels=idx(np.zeros(60_000, np.uint8)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="more than 100 times its size; if that is right, un"):
            vaelite.load_idx(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


DAMAGED = [b"<html>", gzip.compress(idx(IMAGES))[:-9], gzip.compress(b"x" * 99)[:12] + b"!" * 9]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_damaged_gzip(tmp_path, content):
    write_pair(tmp_path, pack=True)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match="train-images-idx3-ubyte.gz is not a gzip file"):
        vaelite.load_idx(tmp_path)


def test_missing_files_and_unknown_splits(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images"):
        vaelite.load_idx(tmp_path)
    with pytest.raises(OSError, match="download=False"):
        vaelite.load_mnist(tmp_path, download=False)
    for loader in (vaelite.load_idx, vaelite.load_mnist):
        with pytest.raises(ValueError, match='"train" or "test"'):
            loader(tmp_path, split="validation")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A local server of small "MNIST" files; their hashes replace the real ones."""
    folder = tmp_path / "served"
    write_pair(folder, pack=True)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            pass

    try:
        httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    except OSError as error:  # such as in a browser
        pytest.skip(f"the system cannot serve files: {error}")
    with httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setattr(datasets, "MNIST_URL", f"http://127.0.0.1:{httpd.server_port}/")
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        monkeypatch.setattr(datasets, "MNIST_SHA256", hashes)
        yield folder
        httpd.shutdown()


def test_download_when_nothing_is_there_and_only_then(server, tmp_path):
    X, y = vaelite.load_mnist(tmp_path / "home")
    assert np.array_equal(X.reshape(IMAGES.shape), IMAGES)
    for path in server.iterdir():
        path.unlink()
    assert np.array_equal(vaelite.load_mnist(tmp_path / "home")[0], X)


def test_a_wrong_hash_leaves_no_file(server, tmp_path, monkeypatch):
    monkeypatch.setitem(datasets.MNIST_SHA256, "train-images-idx3-ubyte.gz", "0" * 64)
    with pytest.raises(OSError, match="0000.*damaged|damaged.*0000"):
        vaelite.load_mnist(tmp_path / "home")
    assert not list((tmp_path / "home").rglob("train-images*"))


def test_an_address_that_does_not_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "MNIST_URL", "http://127.0.0.1:9/")
    with pytest.raises(OSError, match=r"home.*127\.0\.0\.1:9"):
        vaelite.load_mnist(tmp_path / "home")


def test_without_pooch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(ImportError, match=r"vaelite\[data\]"):
        vaelite.load_mnist(tmp_path)
