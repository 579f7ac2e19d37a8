"""What training prints, and where."""

import re
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import vaelite
from vaelite.fit import progress


def test_the_lectures_lines(digits, quick, capsys):
    settings = {"progress": "lines", "log_every": 5, "max_epochs": 2, "batch_size": 128}
    vaelite.fit(digits[0], **(quick | settings))
    *lines, summary = capsys.readouterr().out.splitlines()
    assert summary.startswith("> not converged after 2 epochs (max_epochs: ran all 2)")
    number = r"-?\d+\.\d\d"
    iteration = re.compile(rf"> iter = (\d+), train_loss = {number}, ps_norm = {number}")
    epoch = re.compile(rf"\*\* epoch: (\d+), eval_loss: {number}, elapsed: {number} \*\*")
    iterations = [int(iteration.fullmatch(line)[1]) for line in lines if line.startswith(">")]
    epochs = [int(epoch.fullmatch(line)[1]) for line in lines if line.startswith("*")]
    assert iterations == [0, 5, 10, 15, 20, 25]
    assert epochs == [1, 2]
    assert len(lines) == 8


def test_silence(digits, quick, capsys):
    vaelite.fit(digits[0], **quick)
    assert capsys.readouterr() == ("", "")


def test_a_bar(digits, quick, capsys):
    vaelite.fit(digits[0], **{**quick, "progress": "bar"})
    out, err = capsys.readouterr()
    assert out.startswith("> not converged after 4 epochs")
    assert out.count("\n") == 1
    assert "4/4" in err


def test_lines_above_a_bar_in_a_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert list(map(type, progress.reporters(True))) == [progress.Bar, progress.Lines]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert list(map(type, progress.reporters(True))) == [progress.Lines]


@pytest.fixture
def in_notebook(monkeypatch):
    """What a notebook's kernel with ipywidgets has, without either."""
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    widgets = ModuleType("ipywidgets")
    widgets.__spec__ = ModuleSpec("ipywidgets", None)
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    return shell


def test_lines_above_a_bar_in_a_notebook(in_notebook):
    notebook = pytest.importorskip("tqdm.notebook")
    assert list(map(type, progress.reporters(True))) == [progress.Bar, progress.Lines]
    assert progress.Bar().tqdm is notebook.tqdm
    del in_notebook.kernel  # IPython in a terminal
    assert list(map(type, progress.reporters(True))) == [progress.Lines]
    assert progress.Bar().tqdm is pytest.importorskip("tqdm").tqdm


def test_lines_alone_in_a_notebook_without_widgets(in_notebook, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipywidgets")
    find = progress.importlib.util.find_spec
    monkeypatch.setattr(
        progress.importlib.util, "find_spec", lambda name: name != "ipywidgets" and find(name)
    )
    assert list(map(type, progress.reporters(True))) == [progress.Lines]


def test_a_browser_gets_no_second_thread(monkeypatch):
    tqdm = pytest.importorskip("tqdm").tqdm
    monkeypatch.setattr(tqdm, "monitor_interval", 10)
    progress.Bar()
    assert tqdm.monitor_interval == 10
    monkeypatch.setattr(sys, "platform", "emscripten")
    progress.Bar()
    assert tqdm.monitor_interval == 0


def test_without_tqdm_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match=r"vaelite\[progress\]"):
        progress.reporters("bar")


def test_finished_rows_are_counted(vae, digits, capsys):
    X = digits[0][:500]
    silent = vaelite.log_evidence(vae, X, 20)
    assert capsys.readouterr().out == ""
    loud = vaelite.log_evidence(vae, X, 20, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"> {done} of 500 rows" for done in range(50, 501, 50)]
    assert np.array_equal(silent.value, loud.value)
    vaelite.inference_gaps(vae, X[:30], 50, n_steps=2, progress="lines")
    assert capsys.readouterr().out.splitlines().count("> 30 of 30 rows") >= 4


def test_a_bar_of_rows(vae, digits, capsys):
    pytest.importorskip("tqdm")
    vaelite.infer(vae, digits[0][:300], n_steps=1, progress="bar")
    assert "300/300" in capsys.readouterr().err
