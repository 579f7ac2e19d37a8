"""Verdicts on a reader's answers: not written yet, right, or not right and why."""

import subprocess
import sys

import autograd.numpy as anp
import numpy as np
import pytest
from scipy import stats

import vaelite
from vaelite.classroom.exercises import check, identities


def verdict(answer, test, capsys):
    check(answer, test)
    return capsys.readouterr().out


def unwritten(z):
    """An empty function, as in an exercise."""
    ...


def postponed(z):
    raise NotImplementedError


@pytest.mark.parametrize("answer", [None, ..., unwritten, postponed, lambda z: ...])
def test_answers_that_are_not_written_yet(answer, capsys):
    test = identities("neglogprior") if callable(answer) else lambda answer: None
    assert verdict(answer, test, capsys) == "Not written yet.\n"


def test_a_forgotten_return_is_named(capsys):
    def forgotten(z):
        anp.sum(z * z, axis=1)

    said = verdict(forgotten, identities("neglogprior"), capsys)
    assert said == "Not written yet, or a return is missing: it returned None.\n"


@pytest.mark.parametrize(
    ("name", "wrong", "why"),
    [
        ("neglogprior", lambda z: anp.sum(z * z, axis=-1) / 2, "densities_match_scipy"),
        ("reparameterize", lambda m, s, e: m + anp.exp(s / 2) * e, "samples_are_affine"),
        ("kl_divergence", lambda m, s: -vaelite.kl_divergence(m, s), "kl_is_the_mean_of_two"),
        ("negloglikelihood", lambda x, m, s: anp.sum((x - m) ** 2), "densities_match_scipy"),
    ],
)
def test_verdicts_on_terms(name, wrong, why, capsys):
    test = identities(name, max_examples=5)
    assert verdict(getattr(vaelite, name), test, capsys) == "Right.\n"
    assert verdict(wrong, test, capsys).startswith(f"Not right yet. {why}")


def test_a_counterexample_has_names_and_both_values(capsys):
    def wrong(mu, logsigma):
        return anp.sum(mu * mu, axis=1)

    said = verdict(wrong, identities("kl_divergence", 5), capsys)
    assert "\n  mu = [[" in said
    assert "\n  logsigma = [[" in said
    assert said.index("\nfound    [") < said.index("\nexpected [")


def test_an_exception_of_the_answer_is_reported_with_its_line(capsys):
    def mistyped(z):
        return anp.sum(zz, axis=1)  # noqa: F821

    line = mistyped.__code__.co_firstlineno + 1
    said = verdict(mistyped, identities("neglogprior"), capsys)
    assert said == f"Not right yet. It raised NameError in line {line}: name 'zz' is not defined\n"


def test_a_function_without_autograd_is_explained(capsys):
    def with_scipy(z):
        return -stats.norm.logpdf(z).sum(axis=1)

    said = verdict(with_scipy, identities("neglogprior", 5), capsys)
    assert "(while autograd differentiates it; is np autograd.numpy?)" in said


def test_a_test_that_returns_true_or_false(capsys):
    for answer, said in ((lambda x: 4, "Right.\n"), (lambda x: 5, "Not right yet.\n")):
        assert verdict(answer, lambda f: f(2) == 4, capsys) == said
        assert verdict(answer, lambda f: np.bool_(f(2) == 4), capsys) == said
    with pytest.raises(TypeError, match="what a test returns should be True or False, got 5"):
        check(lambda x: 5, lambda f: f(2))
    with pytest.raises(TypeError, match="test should be callable, got 7"):
        check(2, 7)


@pytest.mark.parametrize("fault", [NameError, RuntimeError, ValueError])
def test_a_mistake_in_the_test_is_no_verdict(fault, capsys):
    def mistaken(f):
        assert f(2) == 4
        raise fault("in the test")

    said = verdict(lambda x: 4, mistaken, capsys)
    assert said.startswith(f"No verdict. The test raised {fault.__name__}: in the test. ")
    assert verdict(lambda x: 5, mistaken, capsys).startswith("Not right yet.")


def test_python_without_assert_gives_no_verdict():
    code = (
        "from vaelite.classroom.exercises import check\n"
        "def test(f): assert f(2) == 4\n"
        "check(lambda x: 5, test)"
    )
    command = [sys.executable, "-O", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == ""
    assert "RuntimeError: python -O removes assert" in ran.stderr


def test_verdicts_on_other_answers(capsys):
    def is_two(answer):
        assert answer == 2, "one and one"

    assert verdict(2, is_two, capsys) == "Right.\n"
    assert verdict(3, is_two, capsys).startswith("Not right yet. one and one")
    said = verdict("two", np.linalg.norm, capsys)
    assert said.startswith("No verdict. The test raised ValueError: could not convert")
    with pytest.raises(ValueError, match="name should be one of"):
        identities("neglogpriors")
