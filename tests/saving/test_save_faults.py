"""Saving while the process is killed, interrupted, or out of space: the old or the new file."""

import contextlib
import functools
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import vaelite
from vaelite.saving import storage

X = np.random.default_rng(0).random((40, 4))
NAME = "model.npz"
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


@functools.cache
def model(seed):
    return vaelite.fit(
        X, latent_dim=1, hidden_dim=2, max_epochs=1, stopping="epochs", rng=seed, batch_size=40
    )


class Watched:
    """A file that calls ``after`` when it has written or flushed something."""

    def __init__(self, file, after):
        self.file, self.after = file, after

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, content):
        self.file.write(content)
        self.file.flush()  # as the system would have it
        self.after("write")
        return len(content)


@contextlib.contextmanager
def watched(after):
    """Call ``after(name)`` after each write, fsync, chmod and replace of `storage.save`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in "fsync", "chmod", "replace":
            patch.setattr(
                storage.os, name, functools.partial(_then, getattr(os, name), after, name)
            )
        patch.setattr(storage, "open", functools.partial(_open_watched, after), raising=False)
        yield


def _then(function, after, name, *args):
    function(*args)
    after(name)


def _open_watched(after, *args):
    return Watched(open(*args), after)


class Countdown:
    """Do something at the n-th call, counted from 0."""

    def __init__(self, n, act):
        self.n, self.act = n, act

    def __call__(self, name):
        self.n -= 1
        if self.n == -1:
            self.act()


def interrupt():
    raise KeyboardInterrupt


def events(path):
    """What a save does, in order."""
    seen = []
    with watched(seen.append):
        model(1).save(path)
    return seen


def check_whole(path, old):
    """The file is the old model's or the new one's, and a new save works; whether it is new."""
    found, expected = None, {"new": model(1), **({"old": model(0)} if old else {})}
    if not old and not path.exists():
        found = "none"
    else:
        loaded = vaelite.load(path)
        for name, whole in expected.items():
            if all(np.array_equal(loaded.params[key], a) for key, a in whole.params.items()):
                found = name
        assert loaded.history == expected[found].history
    others = [file for file in path.parent.iterdir() if file != path]
    assert all(file.name.startswith(".vaelite-") for file in others)  # orphans, one per kill
    model(2).save(path)
    assert np.array_equal(vaelite.load(path).sample(3, rng=0), model(2).sample(3, rng=0))
    for file in others:
        file.unlink()
    path.unlink()
    return found


def chosen(path, old, every):
    """The events to try, and what is found after each: the file is new after the replace."""
    if old:
        model(0).save(path)
    names = events(path)
    path.unlink()
    assert names.count("write") > 50
    assert names[-3:] == (["chmod", "replace", "fsync"] if old else ["fsync", "replace", "fsync"])
    n, before = len(names), "old" if old else "none"
    tried = [event for event in range(n) if event % every == 0 or event >= n - 6]
    return tried, ["new" if event >= n - 2 else before for event in tried]


some_events = pytest.mark.parametrize(
    "every", [80, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"]
)


@needs_fork
@some_events
@pytest.mark.parametrize("old", [True, False], ids=["over a file", "first file"])
def test_a_kill_after_each_write_fsync_and_replace(old, every, tmp_path):
    path, found = tmp_path / NAME, []
    tried, expected = chosen(path, old, every)
    for kill in tried:
        if old:
            model(0).save(path)
        if (child := os.fork()) == 0:
            try:
                with watched(Countdown(kill, lambda: os._exit(9))):
                    model(1).save(path)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        found.append(check_whole(path, old))
    assert found == expected
    print(f"{len(found)} kills in a save survived: {found.count('new')} new files")


@pytest.mark.slow
@needs_fork
def test_a_hundred_kills_of_saves_at_random_times(tmp_path):
    path, times, found = tmp_path / NAME, random.Random(0), []
    model(1), model(2)
    for _ in range(100):
        model(0).save(path)
        if (child := os.fork()) == 0:
            try:
                for i in itertools.count(1):
                    model(i % 2).save(path)
            finally:
                os._exit(1)
        time.sleep(times.uniform(0, 0.2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.append(check_whole(path, True))
    print(f"100 kills at random times survived: {found.count('new')} new files")
    assert {"old", "new"} == set(found)


@some_events
@pytest.mark.parametrize("old", [True, False], ids=["over a file", "first file"])
def test_an_interrupt_after_each_write_fsync_and_replace(old, every, tmp_path):
    """Unlike a kill, it also leaves no temporary file."""
    path, found = tmp_path / NAME, []
    tried, expected = chosen(path, old, every)
    for event in tried:
        if old:
            model(0).save(path)
        with watched(Countdown(event, interrupt)), pytest.raises(KeyboardInterrupt):
            model(1).save(path)
        assert {file.name for file in tmp_path.iterdir()} <= {NAME}
        found.append(check_whole(path, old))
    assert found == expected
    print(f"{len(found)} interrupts in a save: {found.count('new')} new files")


FULL = """
import resource, signal, sys, vaelite

model = vaelite.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in range(0, int(sys.argv[2]), 997):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        model.save(sys.argv[1])
    except OSError as error:
        assert error.errno == 27, error  # EFBIG
        assert model.sample(2, rng=0).shape == (2, 4)
        print(limit)
"""


def test_a_full_disk_at_any_size(tmp_path):
    pytest.importorskip("resource", reason="the system has no limits for processes")
    path = tmp_path / NAME
    model(0).save(path)
    before = path.read_bytes()
    command = [sys.executable, "-c", FULL, str(path), str(len(before))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert len(done.stdout.split()) == len(range(0, len(before), 997))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [NAME]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("old", [True, False], ids=["over a file", "first file"])
def test_no_space_is_left_on_the_device(old, tmp_path, monkeypatch):
    path = tmp_path / NAME
    if old:
        model(0).save(path)
    before = path.read_bytes() if old else None

    def open_full(name, mode):
        open(name, mode).close()  # the temporary file that should not stay
        return open("/dev/full", "wb")

    monkeypatch.setattr(storage, "open", open_full, raising=False)
    with pytest.raises(OSError, match="No space left on device"):
        model(1).save(path)
    monkeypatch.undo()
    assert (path.read_bytes() if path.exists() else None) == before
    assert [file.name for file in tmp_path.iterdir()] == [NAME] * old
    assert model(1).sample(2, rng=0).shape == (2, 4)
