"""The tutorials' own tests: right answers in several forms pass, and tempting wrong ones do not."""

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

import vaelite
from vaelite.classroom import check

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"


def functions(number, *names):
    """The functions with these names that a tutorial defines, as a namespace."""
    (path,) = TUTORIALS.glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    found = [
        node
        for source in code
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name in names
    ]
    scope = {"np": np, "vaelite": vaelite, "stats": stats, "model": None}
    scope |= {"assert_allclose": assert_allclose}
    exec(compile(ast.Module(found, []), path.name, "exec"), scope)
    return scope


def neg_log_mixture(nll, log_weights):
    return -special.logsumexp(log_weights[:, None] - nll, axis=0)


def one_global_maximum(nll, log_weights):
    log_terms = log_weights[:, None] - nll
    largest = log_terms.max()
    return -(largest + np.log(np.exp(log_terms - largest).sum(axis=0)))


def sharpness(images, shape=(8, 8)):
    rows = images.reshape(-1, *shape)
    differences = [np.abs(np.diff(rows, axis=axis)).reshape(len(rows), -1) for axis in (1, 2)]
    return np.concatenate(differences, axis=1).mean(axis=1)


def best_output(images, weights):
    return weights @ images


def bits_per_dim(nats, n_features):
    return nats / (n_features * np.log(2))


def as_list(answer):
    return lambda *arguments: np.asarray(answer(*arguments)).tolist()


def name(value):
    return getattr(value, "__name__", value).strip("<>")


RIGHT = [
    ("08", "test_bits", bits_per_dim),
    ("09", "properties", sharpness),
    ("09", "is_cheapest", best_output),
    ("09", "is_minus_log_evidence", neg_log_mixture),
]
WRONG = [
    ("08", "test_bits", lambda nats, D: float(bits_per_dim(nats[0], D))),
    ("09", "is_minus_log_evidence", one_global_maximum),
]


@pytest.mark.parametrize(("number", "test", "answer"), RIGHT, ids=name)
@pytest.mark.parametrize("form", [lambda answer: answer, as_list], ids=["arrays", "lists"])
def test_right_answers_pass(number, test, answer, form):
    verdict = check(form(answer), functions(number, test, "one_sample")[test])
    assert verdict.ok, verdict


@pytest.mark.parametrize(("number", "test", "answer"), WRONG, ids=name)
def test_wrong_answers_do_not(number, test, answer):
    verdict = check(answer, functions(number, test, "one_sample")[test])
    assert verdict.mistake == "own test", verdict
