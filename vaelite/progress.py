"""How training reports on itself: callbacks like any other.

A callback is called with the trainer's `State` at the end of every epoch, and stops training by
returning True. One that has a method ``on_iteration`` is also told every ``log_every`` iterations, one that
has ``on_end`` once when training ends, however it ends.
"""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan, nan

PARTS = "loss", "nll", "kl"  # of an evaluation


@dataclass
class State:
    """What a callback is told.

    Attributes
    ----------
    params : mapping of str to array
        The live parameters, read-only; copy what you want to keep.
    max_epochs : int
    epoch : int
        From 1.
    iteration : int
        Steps since the start, from 0.
    train_loss : float
        In ``on_iteration`` the latest batch's loss; at the end of an epoch the mean over its batches.
    ps_norm : float
        The sum of the arrays' Euclidean norms.
    eval_loss, eval_nll, eval_kl : float
        The latest evaluation, and its parts: reconstruction and KL. All losses are in nats an example.
    test_loss, test_nll, test_kl : float
        The same of the test data, where there are any.
    elapsed : float
        Seconds since the start.
    best_epoch : int
        The epoch whose parameters would be kept if training ended now.
    history, log : dict of lists
        What has been recorded so far, as in `Solution`.
    """

    params: Mapping
    max_epochs: int
    epoch: int = 0
    iteration: int = -1
    train_loss: float = nan
    ps_norm: float = nan
    eval_loss: float = nan
    eval_nll: float = nan
    eval_kl: float = nan
    test_loss: float = nan
    test_nll: float = nan
    test_kl: float = nan
    elapsed: float = 0.0
    best_epoch: int = 0
    history: dict = field(default_factory=dict)
    log: dict = field(default_factory=dict)

    def evaluated(self):
        """The latest evaluated losses as text: of the evaluation rows, of the test rows, or of both."""
        losses = {"eval_loss": self.eval_loss, "test_loss": self.test_loss}
        return ", ".join(f"{name}: {loss:.2f}" for name, loss in losses.items() if not isnan(loss))


class Lines:
    """Print the lecture's lines: every ``log_every`` iterations, and after every epoch."""

    def __init__(self, write=print):
        self.write = write

    def on_iteration(self, state):
        self.write(f"> iter = {state.iteration}, train_loss = {state.train_loss:.2f}, ps_norm = {state.ps_norm:.2f}")

    def __call__(self, state):
        self.write(f"** epoch: {state.epoch}, {state.evaluated()}, elapsed: {state.elapsed:.2f} **")


class Bar:
    """A tqdm progress bar over the epochs, with the latest losses beside it."""

    def __init__(self):
        try:
            from tqdm.auto import tqdm
        except ImportError:
            raise ImportError("a progress bar needs tqdm: python -m pip install 'vaelite[progress]'") from None
        self.tqdm, self.bar = tqdm, None

    def on_iteration(self, state):
        if self.bar is None:
            self.bar = self.tqdm(total=state.max_epochs, unit="epoch")
        self.bar.set_postfix_str(f"iter: {state.iteration}, train_loss: {state.train_loss:.2f}, {state.evaluated()}")

    def __call__(self, state):
        self.bar.update(state.epoch - self.bar.n)

    def on_end(self, state):
        if self.bar is not None:
            self.bar.close()


class Recorder:
    """Keep what is reported: ``history`` by epoch, ``log`` by iteration, dicts of lists."""

    def __init__(self, evaluations):
        keys = [f"{name}_{part}" for name in evaluations for part in PARTS]
        self.history = {key: [] for key in ("epoch", "train_loss", *keys, "elapsed")}
        self.log = {key: [] for key in ("iteration", "train_loss", "ps_norm")}

    def on_iteration(self, state):
        for key, values in self.log.items():
            values.append(getattr(state, key))

    def __call__(self, state):
        for key, values in self.history.items():
            values.append(getattr(state, key))


def reporters(progress):
    """The callbacks that a ``progress`` argument stands for.

    Parameters
    ----------
    progress : {True, False, "lines", "bar"}
        True prints the lecture's lines and, in a terminal where tqdm is installed, keeps a bar below them.

    Raises
    ------
    ValueError
        For anything else.
    ImportError
        For "bar" without tqdm.
    """
    if progress not in (True, False, "lines", "bar"):
        raise ValueError(f'progress should be True, False, "lines" or "bar", got {progress!r}')
    if progress is True and sys.stderr.isatty() and importlib.util.find_spec("tqdm"):
        bar = Bar()
        return [bar, Lines(bar.tqdm.write)]
    if progress == "bar":
        return [Bar()]
    return [Lines()] if progress else []


def track(batches, n, progress):
    """Batches of rows as they are, and a bar, or a line for each tenth of all n rows.

    Parameters
    ----------
    batches : iterable of arrays
    n : int
        Rows in all.
    progress : {True, False, "lines", "bar"}
        As for `reporters`.

    Yields
    ------
    array
    """
    kinds = {type(reporter) for reporter in reporters(progress)}
    if Bar in kinds:
        with Bar().tqdm(total=n, unit="row") as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch))
        return
    done = 0
    for batch in batches:
        yield batch
        before, done = done, done + len(batch)
        if kinds and 10 * done // n > 10 * before // n:
            print(f"> {done} of {n} rows")
