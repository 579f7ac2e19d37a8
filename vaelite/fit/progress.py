"""Printed progress: callbacks like any other, and a bar for long work on rows."""

import importlib.util
import os
import sys
from math import isnan

from ..checks import shown


def evaluated(state):
    """Return the latest evaluated losses of a `State` as text."""
    losses = {name: getattr(state, name) for name in ("val_loss", "eval_loss", "test_loss")}
    return ", ".join(f"{name}: {loss:.2f}" for name, loss in losses.items() if not isnan(loss))


def show(line):
    """Print a line; a closed pipe, as of ``| head -2``, does not end a fit."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 -- until the process ends


class Lines:
    """Print the lecture's lines, every ``log_every`` iterations and every epoch."""

    def __init__(self, write=show):
        self.write = write

    def on_iteration(self, state):
        self.write(
            f"> iter = {state.iteration}, train_loss = {state.train_loss:.2f}, "
            f"ps_norm = {state.param_norm:.2f}"  # the lecture's name
        )

    def __call__(self, state):
        self.write(f"** epoch: {state.epoch}, {evaluated(state)}, elapsed: {state.elapsed:.2f} **")


class Bar:
    """A tqdm progress bar over the epochs, with the latest losses next to it.

    In a notebook it is a widget if ipywidgets is installed, otherwise text.
    """

    def __init__(self):
        try:
            if has_widgets():
                from tqdm.notebook import tqdm
            else:
                from tqdm import tqdm
        except ImportError:
            raise ImportError(
                "a progress bar needs tqdm: python -m pip install 'vaelite[progress]'"
            ) from None
        if sys.platform == "emscripten":  # in a browser: no threads, and tqdm would start one
            tqdm.monitor_interval = 0
        self.tqdm, self.bar = tqdm, None

    def on_iteration(self, state):
        if self.bar is None:
            self.bar = self.tqdm(total=state.max_epochs, unit="epoch")
        self.bar.set_postfix_str(
            f"iter: {state.iteration}, train_loss: {state.train_loss:.2f}, {evaluated(state)}"
        )

    def __call__(self, state):
        self.bar.update(state.epoch - self.bar.n)

    def on_end(self, state):
        if self.bar is not None:
            self.bar.close()


def has_widgets():
    """Return whether the code runs in a notebook, also a browser, with ipywidgets."""
    if "IPython" not in sys.modules or not importlib.util.find_spec("ipywidgets"):
        return False
    return hasattr(sys.modules["IPython"].get_ipython(), "kernel")


def reporters(progress):
    """Return the callbacks for a ``progress`` argument.

    Parameters
    ----------
    progress : {False, True, "lines", "bar"}
        True prints the lecture's lines; in a terminal with tqdm installed, and in a
        notebook with tqdm and ipywidgets, it also shows a bar.

    Raises
    ------
    ValueError
        For anything else.
    ImportError
        For "bar" without tqdm.
    """
    if not isinstance(progress, (bool, str)) or progress not in (True, False, "lines", "bar"):
        raise ValueError(f'progress should be True, False, "lines" or "bar", got {shown(progress)}')
    can_stay = sys.stderr.isatty() or has_widgets()  # below printed lines
    if progress is True and can_stay and importlib.util.find_spec("tqdm"):
        bar = Bar()
        return [bar, Lines(bar.tqdm.write)]
    if progress == "bar":
        return [Bar()]
    return [Lines()] if progress else []


def track(batches, n, progress):
    """Yield batches unchanged, and show how many of all n rows are done.

    Parameters
    ----------
    batches : iterable of Batch
    n : int
        Rows in all.
    progress : {False, True, "lines", "bar"}
        As for `reporters`; lines are printed for each tenth of the rows.

    Yields
    ------
    Batch
    """
    kinds = {type(reporter) for reporter in reporters(progress)}
    if Bar in kinds:
        with Bar().tqdm(total=n, unit="row") as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch.x))
        return
    done = 0
    for batch in batches:
        yield batch
        before, done = done, done + len(batch.x)
        if kinds and 10 * done // n > 10 * before // n:
            show(f"> {done} of {n} rows")


class ModelCallback:
    """Your callback, called with a model as trained so far and a `State`."""

    def __init__(self, callback, model, plan):
        self.callback, self.model, self.plan = callback, model, plan

    def __call__(self, state):
        return self._call(self.callback, state)

    def on_iteration(self, state):
        self._notify("on_iteration", state)

    def on_end(self, state):
        self._notify("on_end", state)

    def _notify(self, event, state):
        if hasattr(self.callback, event):
            self._call(getattr(self.callback, event), state)

    def _call(self, function, state):
        return function(self.model.with_solution(state.solution(self.plan)), state)
