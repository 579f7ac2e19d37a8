"""The tutorials' own tests: right answers in several forms pass, and tempting wrong ones do not."""

import ast
import json
from pathlib import Path

import autograd.numpy as anp
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
    scope = {"np": np, "anp": anp, "vaelite": vaelite, "stats": stats, "model": None}
    scope |= {"assert_allclose": assert_allclose}
    exec(compile(ast.Module(found, []), path.name, "exec"), scope)
    return scope


def kl_between(mu1, logsigma1, mu2, logsigma2):
    sigma1, sigma2 = np.exp(logsigma1), np.exp(logsigma2)
    of_latents = logsigma2 - logsigma1 + (sigma1**2 + (mu1 - mu2) ** 2) / (2 * sigma2**2) - 0.5
    return of_latents.sum(axis=1)


def exact_q(model, x):
    precision = 1 + np.sum(model.W**2, axis=1) / model.sigma**2
    mu = (x - model.mean) @ model.W.T / model.sigma**2 / precision
    return mu, np.broadcast_to(-np.log(precision) / 2, mu.shape)


def mean_field(ppca, X, learning_rate, n_steps):
    q = {"mu": np.zeros((len(X), len(ppca.W))), "logsigma": np.zeros((len(X), len(ppca.W)))}
    gradient = vaelite.value_and_grad(lambda q: anp.sum(ppca.elbo(X, q["mu"], q["logsigma"])))
    for _ in range(n_steps):
        _, grads = gradient(q)
        q = {name: q[name] + learning_rate * grads[name] for name in q}
    return q["mu"], q["logsigma"]


def closed_form(ppca, X, learning_rate, n_steps):
    best = ppca.diagonal_posterior(X)
    return best if n_steps else tuple(0 * array for array in best)


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
    ("02", "agrees_with_the_integral", kl_between),
    ("03", "has_no_noise", exact_q),
    ("08", "test_bits", bits_per_dim),
    ("09", "properties", sharpness),
    ("09", "is_cheapest", best_output),
    ("09", "is_minus_log_evidence", neg_log_mixture),
]
WRONG = [
    ("02", "agrees_with_the_integral", lambda *q: kl_between(*q[2:], *q[:2])),
    ("03", "has_no_noise", lambda model, x: exact_q(model, 0 * x + x[:1])),
    ("05", "test_mean_field", closed_form),
    ("08", "test_bits", lambda nats, D: float(bits_per_dim(nats[0], D))),
    ("09", "is_minus_log_evidence", one_global_maximum),
]


@pytest.mark.parametrize(("number", "test", "answer"), RIGHT, ids=name)
@pytest.mark.parametrize("form", [lambda answer: answer, as_list], ids=["arrays", "lists"])
def test_right_answers_pass(number, test, answer, form):
    verdict = check(form(answer), functions(number, test, "one_sample")[test])
    assert verdict.ok, verdict


@pytest.mark.slow
def test_mean_field_by_gradient_steps_passes():
    assert check(mean_field, functions("05", "test_mean_field")["test_mean_field"]).ok


@pytest.mark.parametrize(("number", "test", "answer"), WRONG, ids=name)
def test_wrong_answers_do_not(number, test, answer):
    verdict = check(answer, functions(number, test, "one_sample")[test])
    assert verdict.mistake == "own test", verdict
