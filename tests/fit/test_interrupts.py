"""Ctrl-C at any instant: whole parameters, the best so far, a history that agrees with them."""

import contextlib
import random
import signal
import sys
import warnings
from functools import cache
from pathlib import Path

import helpers
import numpy as np
import pytest

import vaelite

PACKAGE = str(Path(vaelite.__file__).parent)
X = np.random.default_rng(0).random((60, 4), dtype=np.float32)
SETTINGS = {"batch_size": 20, "max_epochs": 4, "rng": 0, "log_every": 2, "learning_rate": 0.01}
KINDS = {
    "epochs": (vaelite.VAE, {"stopping": "epochs"}),
    "lecture": (vaelite.VAE, {"stopping": "lecture"}),
    "heldout": (
        vaelite.VAE,
        {"stopping": vaelite.HeldOut(patience=2, drops=1), "learning_rate": 0.15, "max_epochs": 9},
    ),
    "mean field": (vaelite.MeanField, {}),
}


class Interrupts:
    """Raise KeyboardInterrupt before a line of the package, counted from 0; count the lines.

    ``files`` are the ends of the names of the files that count.
    """

    def __init__(self, at=None, files=(".py",)):
        self.at, self.files, self.lines = at, files, 0

    def _line(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines - 1 == self.at:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._line

    def _call(self, frame, event, argument):
        name = frame.f_code.co_filename
        return self._line if name.startswith(PACKAGE) and name.endswith(self.files) else None

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)


def fit(model, kind, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return helpers.fit(model, X, **{**SETTINGS, **KINDS[kind][1], **settings})


@cache
def reference(kind, **settings):
    """The models of all epochs of a whole fit, by number, and the fit."""
    epochs, model = {}, KINDS[kind][0](2, 4)
    keep = {"callbacks": lambda vae, state: epochs.update({state.epoch: vae})}
    return epochs, fit(model, kind, **keep, **settings)


@cache
def number_of_lines(kind):
    with Interrupts() as counted:
        fit(KINDS[kind][0](2, 4), kind)
    return counted.lines


def check_whole(model, kind, **settings):
    """The model is that of an epoch, with this epoch's history, and can be used."""
    epochs, whole = reference(kind, **settings)
    assert {len(column) for column in model.history.values()} == {model.n_epochs}
    assert len({len(column) for column in model.log.values()}) == 1
    for name, array in model.params.items():
        assert np.array_equal(array, epochs[model.best_epoch].params[name]), name
    if kind == "mean field":
        assert np.array_equal(model.mu, epochs[model.n_epochs].mu)
    if kind == "heldout":
        losses = model.history["val_loss"]
        assert losses[model.best_epoch - 1] == min(losses)
    else:
        assert model.best_epoch == model.n_epochs
    for name in set(whole.history) - {"elapsed"}:
        assert model.history[name] == whole.history[name][: model.n_epochs], name
    assert model.sample(2, rng=0).shape == (2, 4)


def interrupted(kind, run):
    """Whether an interrupted run left a model of at least one epoch; it is checked."""
    model = KINDS[kind][0](2, 4)
    with contextlib.suppress(KeyboardInterrupt):
        run(model)
    if model.solution is None:  # before the end of the first epoch
        assert fit(model, kind).n_epochs > 0
        return False
    check_whole(model, kind)
    return True


def interrupt_at_lines(kind, count):
    """Interrupt fits before lines at random, and before some of the last lines."""
    lines = number_of_lines(kind)
    chosen = random.Random(0).sample(range(lines), count) + list(range(lines - 60, lines, 7))
    usable = 0
    for line in chosen:

        def run(model, line=line):
            with Interrupts(line):
                fit(model, kind)

        usable += interrupted(kind, run)
    return usable, len(chosen)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_before_any_line_leaves_a_whole_model(kind):
    usable, tried = interrupt_at_lines(kind, 6)
    assert usable > tried / 2


@pytest.mark.parametrize(
    "lines",
    [pytest.param(100, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.exhaustive)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_interrupts_before_many_lines(kind, lines):
    usable, tried = interrupt_at_lines(kind, lines)
    print(f"{kind}: {tried} interrupts, {usable} models of whole epochs, the others unfitted")


PLACES = {"adam": ("adam.py",), "a checkpoint": ("storage.py", "checkpoint.py")}


def interrupt_places(place, folder, count):
    """Interrupt fits inside Adam or while they write; what is left can be used and resumed."""
    kind, files, usable = "epochs", PLACES[place], 0
    path = folder / "run.npz"
    with Interrupts(files=files) as counted:
        fit(vaelite.VAE(2, 4), kind, checkpoint=path)
    whole = reference(kind)[1]
    for line in random.Random(2).sample(range(counted.lines), count):
        path.unlink(missing_ok=True)
        model = vaelite.VAE(2, 4)
        with contextlib.suppress(KeyboardInterrupt), Interrupts(line, files):
            fit(model, kind, checkpoint=path)
        assert {file.name for file in folder.iterdir()} <= {"run.npz"}
        if model.solution is not None:
            usable += 1
            check_whole(model, kind)
        resumed = fit(vaelite.VAE(2, 4), kind, checkpoint=path)
        for name, array in whole.params.items():
            assert np.array_equal(resumed.params[name], array), name
        assert fit(model, kind).n_epochs == 4  # and the interrupted model can be fitted again
    return usable


@pytest.mark.parametrize("place", PLACES)
def test_an_interrupt_inside_adam_or_a_save(place, tmp_path):
    assert interrupt_places(place, tmp_path, 4) > 0


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_interrupts_inside_adam_or_a_save(place, tmp_path):
    usable = interrupt_places(place, tmp_path, 40)
    print(f"40 interrupts in {place}: {usable} models of whole epochs, 40 resumed fits equal")


@pytest.mark.slow
def test_a_hundred_interrupts_from_the_keyboard():
    """SIGALRM at random times, handled as SIGINT is: also within NumPy's and Python's own code."""
    times, long, epochs, tries = random.Random(1), {"max_epochs": 50}, [], 0
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)

    def start_the_clock(model, state):
        if state.epoch == 1:
            signal.setitimer(signal.ITIMER_REAL, times.uniform(1e-4, 0.4))

    try:
        while len(epochs) < 100:
            kind, tries = list(KINDS)[tries % 4], tries + 1
            reference(kind, **long)
            model, is_interrupted = KINDS[kind][0](2, 4), False
            try:
                fit(model, kind, callbacks=start_the_clock, **long)
                is_interrupted = "interrupted" in model.stop_reason
            except KeyboardInterrupt:  # in the last lines, after the solution was assigned
                is_interrupted = True
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            check_whole(model, kind, **long)
            epochs += [model.n_epochs] if is_interrupted else []
    finally:
        signal.signal(signal.SIGALRM, before)
    print(f"100 interrupts after epochs {epochs}: 100 usable models")
