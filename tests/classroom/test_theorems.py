"""The theorems of `vaelite.classroom.theorems`.

They hold for vaelite's terms, and each usual mistake breaks at least one of them.
"""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wrong_terms import MUTANTS, seen

import vaelite
from vaelite.classroom.theorems import THEOREMS, Terms, prove, refuted

EACH = pytest.mark.parametrize("name", THEOREMS)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "identities.md"


@EACH
def test_theorem(name):
    prove(THEOREMS[name], Terms(), max_examples=100)


@pytest.mark.exhaustive
@EACH
def test_theorem_over_1000_cases(name):
    prove(THEOREMS[name], Terms(), max_examples=1000)


INEQUALITIES = {
    "kl_is_positive_but_at_the_prior",
    "elbo_is_a_lower_bound",
    "importance_weighted_bounds_rise",
}


def documented():
    """The documentation's table: for each mistake, the theorems that find it, and their marks."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    table = {}
    for line in lines:
        if re.match(r"\| \d+ ", line):
            mistake, *marks = (cell.strip() for cell in line.split("|")[1:-1])
            marks = zip(THEOREMS, marks, strict=True)
            table[mistake] = {name: mark for name, mark in marks if mark}
    return table


@pytest.mark.parametrize("mistake", MUTANTS)
def test_each_mistake_breaks_a_theorem(mistake):
    assert any(seen(mistake, name, max_examples=20) for name in documented()[mistake])


def test_every_theorem_finds_a_mistake():
    """A theorem that no mistake breaks is a test that cannot fail."""
    assert list(documented()) == list(MUTANTS)
    assert set().union(*documented().values()) == set(THEOREMS)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MUTANTS)
def test_the_table_in_the_documentation(mistake):
    """A mark x is found within 300 cases; an equality without a mark holds in 30 cases."""
    marks = documented()[mistake]
    marked = [name for name, mark in marks.items() if mark == "x"]
    assert [name for name in marked if not seen(mistake, name, 300)] == []
    unmarked = set(THEOREMS) - set(marks) - INEQUALITIES
    assert [name for name in unmarked if seen(mistake, name, 30)] == []


@EACH
def test_the_documentation_states_every_theorem(name):
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"`{name}`" in text
    assert " ".join(THEOREMS[name].__doc__.split()) in text
    assert " ".join(THEOREMS[name].lecture.split()) in text


def test_a_students_mistake_gets_a_small_counterexample():
    def neglogprior(z):
        return np.sum(z * z, axis=-1) / 2  # no constant

    failures = refuted(Terms(neglogprior=neglogprior), max_examples=10)
    assert "kl_is_the_mean_of_two_samples" in failures
    message = failures["kl_is_the_mean_of_two_samples"]
    assert message.startswith("The mean of neglogprior - neglogposterior over eps = +1 and -1 is")
    assert "\n  mu = [[0., 0., 0., 0.], [0., 0., 0., 0.]]\n" in message


def test_terms_that_raise_are_refuted():
    def broken(z):
        raise RuntimeError("not written yet")

    failures = refuted(Terms(neglogprior=broken), 1)
    assert "RuntimeError: not written yet" in failures["densities_match_scipy"]


# An error in the lecture


def test_the_lectures_gradient_estimates_have_the_wrong_sign():
    """It calls the mean of log(p / q) * d log q the gradient of J: it is the gradient of -J."""
    model = vaelite.ProbabilisticPCA(np.array([[1.5, -0.5]]), np.zeros(2), 0.8)
    x, mu, logsigma = np.array([[1.0, 0.5]]), np.array([[0.3]]), np.array([[-0.4]])
    rng = np.random.default_rng(0)
    eps = rng.standard_normal((20_000, 1, 1))
    z = mu + np.exp(logsigma) * eps

    def nll(z):
        return vaelite.negloglikelihood(np.broadcast_to(x, (*z.shape[:-1], 2)), *model.decode(z))

    log_p = -nll(z) - vaelite.neglogprior(z)
    log_q = -vaelite.neglogposterior(z, mu[None], logsigma[None])
    d_log_q = (eps / np.exp(logsigma))[..., 0]  # in mu
    printed = (log_p - log_q) * d_log_q
    exact, _ = vaelite.gradient_estimators.exact_gradient(nll, mu, logsigma)
    error = 4 * printed.std() / len(printed) ** 0.5
    assert printed.mean() == pytest.approx(-exact.item(), abs=error)
    assert abs(exact.item()) > 2 * error


@pytest.mark.slow
def test_terms_that_return_nothing_or_fail_in_several_ways():
    def nothing(z):
        np.sum(z)

    def several(z):
        if z.sum() > 1:
            raise RuntimeError("above")
        if z.sum() < -1:
            raise KeyError("below")
        return vaelite.neglogprior(z)

    failures = refuted(Terms(neglogprior=nothing), 1)
    assert "neglogprior returned None" in failures["densities_match_scipy"]
    assert "\n  x = [[" in refuted(Terms(neglogprior=several), 30)["densities_match_scipy"]


def test_arguments_that_are_not_terms_are_refused():
    with pytest.raises(TypeError, match="terms should be Terms"):
        refuted(vaelite.neglogprior)
    with pytest.raises(TypeError, match="neglogprior"):
        Terms(neglogprior=None)
    with pytest.raises(ValueError, match="max_examples should be 1 or more"):
        refuted(Terms(), max_examples=0)
    with pytest.raises(TypeError, match="one of THEOREMS"):
        prove("scale_law", Terms())


@pytest.mark.slow
def test_a_hypothesis_test_around_refuted_changes_nothing():
    @settings(max_examples=2, database=None)
    @given(st.integers())
    def test(number):
        assert refuted(Terms(), max_examples=1) == {}

    test()


def test_nothing_depends_on_assert_which_python_can_remove():
    """Only tests of exercises may: `check` gives no verdict where assert is removed."""
    package = Path(vaelite.__file__).parent
    for path in set(package.rglob("*.py")) - set((package / "classroom/exercises").iterdir()):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)], path
