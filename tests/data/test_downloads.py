"""Downloads from a local server that misbehaves: the folder never gets a wrong file."""

import contextlib
import gc
import gzip
import hashlib
import http.server
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import defaultdict
from functools import partial

import numpy as np
import pytest
from helpers import IMAGES, LABELS, idx

import vaelite
from vaelite.data import datasets

pooch = pytest.importorskip("pooch", reason="pooch is not installed")
# After a fault, requests leaves its socket to Python's garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
NAMES = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
FILES = dict(zip(NAMES, (gzip.compress(idx(array)) for array in (IMAGES, LABELS)), strict=True))
HASHES = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


# What a server does with a request. `wait` ends when the client has given up.


def good(send, content, wait):
    send(200, len(content), content)


def wrong(send, content, wait):
    send(200, len(content), content[:-1] + b"?")


def short(send, content, wait):
    send(200, len(content), content[: len(content) // 2])


def short_without_a_length(send, content, wait):
    send(200, None, content[: len(content) // 2])


def stalled(send, content, wait):
    send(200, len(content), content[: len(content) // 2])
    wait()


def endless(send, content, wait):
    send(200, None, *[content] * 100)


def not_found(send, content, wait):
    send(404, 9, b"not found")


def broken(send, content, wait):
    send(503, 4, b"busy")


def web_page(send, content, wait):
    page = b"<html>Please log in to this network.</html>"
    send(200, len(page), page)


def silent(send, content, wait):
    wait()


def hanging_up(send, content, wait):
    pass


FAULTS = {
    wrong: "is damaged: SHA256 hash .*expected sha256:[0-9a-f]{64} but got [0-9a-f]{64}",
    web_page: "is damaged: SHA256 hash",
    short_without_a_length: "is damaged: SHA256 hash",
    short: "could not be downloaded from http://127.0.0.1",
    stalled: "could not be downloaded from .*[tT]imed out",
    silent: "could not be downloaded from .*[tT]imed out",
    endless: "the server sends more than 1000 bytes",
    not_found: "could not be downloaded from .*404",
    broken: "could not be downloaded from .*503",
    hanging_up: "could not be downloaded from",
}
LONG, SHORT = 60, 0.05  # seconds that a client waits for an answer, and where none will come


class Behavior(list):
    """What a server does, request by request; the last entry again and again.

    Nothing depends on how fast the machine is. A client waits shortly where no answer will
    come, and long elsewhere. The server takes the requests one by one, and leaves one without
    an answer when its client has given up.
    """

    def __init__(self, home):
        super().__init__([good])
        self.home, self.asked, self.seen, self.sent = home, [], [], 0
        self.numbers = itertools.count()  # of the requests that arrive
        self.given_up = defaultdict(threading.Event)  # by the request's number
        self.done = threading.Semaphore(0)

    def of(self, number):
        return self[min(number, len(self) - 1)]

    def ask(self):
        """A client begins its next request: seconds to wait for the server."""
        self.given_up[self.sent - 1].set()
        self.sent += 1
        return SHORT if self.of(self.sent - 1) in (stalled, silent) else LONG

    def load(self, **settings):
        """Load "MNIST", and wait until the server has done all that it was asked for."""
        before = self.sent
        try:
            return vaelite.load_mnist(self.home, **settings)
        finally:
            self.given_up[self.sent - 1].set()
            assert all(self.done.acquire(timeout=LONG) for _ in range(before, self.sent))


def handler(behavior):
    """The class that answers a request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name, number = self.path.strip("/"), next(behavior.numbers)
            behavior.asked.append(name)
            wait = partial(behavior.given_up[number].wait, LONG)
            behavior.of(number)(self.send, FILES[name], wait)
            self.close_connection = True
            behavior.done.release()

        def send(self, status, length, *parts):
            with contextlib.suppress(OSError):  # the other side may have hung up
                self.send_response(status)
                if length is not None:
                    self.send_header("Content-Length", length)
                self.end_headers()
                for part in parts:
                    self.wfile.write(part)
            behavior.seen.append(sorted(path.name for path in behavior.home.rglob("*-ubyte*")))

        def log_message(self, *args):
            pass

    return Handler


@pytest.fixture(scope="module", autouse=True)
def _sockets():
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # later, such a socket would fail a test of something else


@pytest.fixture
def server(tmp_path, monkeypatch, request):
    """The `Behavior` of a server of a small "MNIST", with its address as ``url``."""
    behavior = Behavior(tmp_path / "home")
    kind = getattr(request, "param", http.server.HTTPServer)
    try:
        httpd = kind(("127.0.0.1", 0), handler(behavior))
    except OSError as error:  # such as in a browser
        pytest.skip(f"the system cannot serve files: {error}")

    class Downloader(pooch.HTTPDownloader):
        def __init__(self, timeout):
            assert timeout == datasets.TIMEOUT
            super().__init__(timeout=(LONG, behavior.ask()))  # to connect, and to read

    behavior.url = f"http://127.0.0.1:{httpd.server_port}/"
    with httpd:
        threading.Thread(target=httpd.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setattr(datasets, "MNIST_URL", behavior.url)
        monkeypatch.setattr(datasets, "MNIST_SHA256", HASHES)
        monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
        yield behavior
        for event in list(behavior.given_up.values()):
            event.set()
        httpd.shutdown()


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("before", [None, b"an older file"], ids=["empty", "old"])
def test_a_fault_leaves_the_folder_as_it_was(fault, before, server, monkeypatch):
    monkeypatch.setattr(datasets, "LARGEST_FILE", 1000)
    server[:] = [fault]
    if before is not None:
        (server.home / "mnist").mkdir(parents=True)
        (server.home / "mnist" / NAMES[0]).write_bytes(before)
    files = everything(server.home)
    with pytest.raises(OSError, match=FAULTS[fault]) as raised:
        server.load(download=True)
    assert NAMES[0] in str(raised.value)
    assert str(server.home / "mnist") in str(raised.value) or "is damaged" in str(raised.value)
    assert everything(server.home) == files
    assert server.asked == [NAMES[0]] * datasets.ATTEMPTS
    assert all(names == list(files) for names in server.seen)  # also while it was sending


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_that_passes_is_not_noticed(fault, server):
    server[:] = [fault, good]
    X, y = server.load()
    assert np.array_equal(X.reshape(IMAGES.shape), IMAGES)
    assert np.array_equal(y, LABELS)
    assert everything(server.home) == FILES
    assert server.asked == [NAMES[0], *NAMES]


def test_a_fault_in_the_second_file_keeps_the_first(server):
    server[:] = [good, wrong]
    with pytest.raises(OSError, match="labels-idx1-ubyte.gz is damaged"):
        server.load()
    assert everything(server.home) == {NAMES[0]: FILES[NAMES[0]]}
    server[:] = [good]
    assert len(server.load()[0]) == 3
    assert server.asked == [NAMES[0], NAMES[1], NAMES[1], NAMES[1]]


def test_files_with_a_wrong_hash_are_replaced_when_asked_for(server):
    (server.home / "mnist").mkdir(parents=True)
    (server.home / "mnist" / NAMES[0]).write_bytes(b"an older file")
    server.load(download=True)
    assert everything(server.home) == FILES


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_the_files_can_be_read_by_whom_the_umask_says(server):
    before = os.umask(0o022)
    try:
        server.load()
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in server.home.rglob("*.gz")} == {0o644}


LOAD = """
import json, sys, vaelite
from vaelite.data import datasets

home, datasets.MNIST_URL, datasets.MNIST_SHA256 = json.loads(sys.argv[1])
print(vaelite.load_mnist(home)[0].sum())
"""


def start(server):
    arguments = json.dumps([str(server.home), server.url, HASHES])
    return subprocess.Popen([sys.executable, "-c", LOAD, arguments], stdout=subprocess.PIPE)


@pytest.mark.slow
@pytest.mark.parametrize("server", [http.server.ThreadingHTTPServer], indirect=True)
def test_two_processes_at_once_and_one_that_is_killed(server):
    """All ask for the first file before one of them gets it."""
    together = threading.Barrier(2, timeout=LONG)

    def meet(send, content, wait):
        together.wait()
        good(send, content, wait)

    server[:] = [stalled, meet, meet, good]
    with start(server) as process:
        while not server.seen:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert server.seen == [[]]
    assert not set(NAMES) & set(everything(server.home))  # at most an orphan of another name

    processes = [start(server) for _ in range(2)]
    printed = [process.communicate()[0] for process in processes]
    assert [int(text) for text in printed] == [IMAGES.sum()] * 2
    assert server.asked[:3] == [NAMES[0]] * 3
    found = everything(server.home)
    assert {name: found[name] for name in NAMES} == FILES
    assert len(found) <= 3  # with the orphan of the process that was killed
