"""Verdicts: every answer of the corpus gets the right one, with the right name of the mistake."""

import re
import subprocess
import sys
from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
from corpus import entries
from scipy import stats

import vaelite
from vaelite.classroom import check
from vaelite.classroom.verdict import Verdict


def called(mine):
    """A test that any function passes."""
    mine(np.zeros((2, 3)))


ENTRIES = entries()
STYLES = {"loops", "einsum", "scipy.stats", "autograd.numpy", "float32"}
EACH = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
C = np.log(2 * np.pi) / 2


SOLUTIONS = "np.", "axis=", "**", "exp(2", "logaddexp(", "sum("  # in the corpus' right answers


def as_due(entry, seed):
    verdict = entry.verdict(seed)
    assert verdict.ok == entry.right, verdict
    assert verdict.mistake == ("" if entry.right else entry.name), verdict
    assert (verdict.score == 1) == entry.right
    if verdict.mistake != "error":  # whose message quotes the answer
        assert not [text for text in SOLUTIONS if text in verdict.diagnosis], verdict


@EACH
def test_verdicts_on_the_corpus(entry):
    as_due(entry, seed=0)


@pytest.mark.parametrize(
    "share",
    [pytest.param(0.25, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.exhaustive)],
)
@EACH
def test_verdicts_on_the_corpus_for_many_seeds(entry, share):
    verdicts = [entry.verdict(seed) for seed in range(int(share * (200 if entry.right else 40)))]
    assert {verdict.ok for verdict in verdicts} == {entry.right}
    named = [entry.right or verdict.mistake == entry.name for verdict in verdicts]
    assert np.mean(named) >= 0.9  # a few cases do not show which mistake it is


def test_the_corpus_has_every_style_and_every_usual_mistake():
    terms = {entry.term for entry in ENTRIES}
    for term in terms - {
        "adam",
        "stopping",
        "fit",
        "samples",
        "latent_plot",
    }:  # where SciPy has nothing to offer
        assert {entry.name for entry in ENTRIES if entry.term == term and entry.right} >= STYLES
    planted = {entry.origin for entry in ENTRIES if not entry.right}
    assert planted >= {f"mistake {number}" for number in range(1, 25)}
    assert sum(entry.origin == "own" for entry in ENTRIES) >= 40
    assert all(hasattr(check, term) for term in terms)


def test_verdicts_do_not_depend_on_the_global_generator():
    wrong = lambda z: np.sum(z**2, axis=1)
    np.random.seed(1)  # noqa: NPY002
    first = repr(check.neglogprior(wrong))
    np.random.seed(2)  # noqa: NPY002
    assert repr(check.neglogprior(wrong)) == first


# What is asked


def test_a_scalar_logsigma_is_tried_only_if_the_exercise_mentions_it():
    lecture = lambda x, mu, s: (
        np.sum(((x - mu) / np.exp(s)) ** 2 / 2 + C, axis=1) + x.shape[1] * np.sum(s, axis=1)
    )
    assert check.negloglikelihood(lecture, shapes={"logsigma": [("n", 1)]}).ok
    verdict = check.negloglikelihood(lecture, shapes={"logsigma": [()]})
    assert verdict.mistake == "error"
    assert np.ndim(verdict.counterexample["logsigma"]) == 0
    shapes = {"logsigma": [(), ("n", 1), ("n", "D")]}
    assert check.negloglikelihood(vaelite.negloglikelihood, shapes=shapes).ok
    wrong = check.negloglikelihood(lambda x, mu, s: 0 * x[:, 0], shapes=shapes)
    assert len(wrong.counterexample["x"]) == 1
    with pytest.raises(ValueError, match="a name in shapes should be one of"):
        check.negloglikelihood(vaelite.negloglikelihood, shapes={"sigma": [()]})
    clipped = lambda x, mu, s: vaelite.negloglikelihood(x, mu, np.clip(s, -5, 5))
    assert check.negloglikelihood(clipped, shapes=shapes).mistake == "logsigma clipped"


def test_cases_have_different_sizes_and_extreme_values():
    seen = []

    def spy(x, mu, logsigma):
        seen.append((x, mu, logsigma))
        return vaelite.negloglikelihood(x, mu, logsigma)

    assert check.negloglikelihood(spy).ok
    plain = [arrays for arrays in seen if isinstance(arrays[1], np.ndarray)]
    assert all(len(x) != x.shape[1] for x, *_ in plain)
    assert {x.shape[1] for x, *_ in plain} >= {1}
    assert {-6.0, 6.0} <= {value for *_, logsigma in plain for value in np.ravel(logsigma)}
    assert any(set(np.unique(x)) == {0.0, 1.0} for x, *_ in plain)
    assert any(np.ptp(x.mean(axis=0)) > 40 for x, *_ in plain)
    assert all(np.array_equal(a, a.astype(np.float32)) for arrays in plain for a in arrays)


def test_gradient_takes_the_name_of_an_estimator():
    for name, estimator in vaelite.gradient_estimators.ESTIMATORS.items():
        assert check.gradient(estimator, name).ok
    verdict = check.gradient(vaelite.gradient_estimators.pathwise, "analytic_kl")
    assert verdict.diagnosis == "It is another estimator, `pathwise`."
    with pytest.raises(ValueError, match="estimator should be one of"):
        check.gradient(vaelite.gradient_estimators.pathwise, "patwise")


# Missing work, exceptions, prints


class Network(vaelite.Network):
    """A network whose call is not written."""

    width = 3

    def shapes(self, n_inputs, heads):
        return {}

    def __call__(self, params, h, heads):
        """Its docstring."""
        ...


def uses(network):
    assert isinstance(network, vaelite.Network)
    assert network.width == 3
    assert len(network({}, np.zeros((2, 3)), {})) == 2


def stub(z):
    """A docstring."""
    ...


def postponed(z):
    raise NotImplementedError


@pytest.mark.parametrize("answer", [None, ..., stub, postponed, lambda z: ..., partial(postponed)])
def test_missing_work(answer):
    for verdict in (check.neglogprior(answer), check(answer, called)):
        assert repr(verdict) == "Not written yet."
        assert (verdict.ok, verdict.score, verdict.mistake) == (False, 0, "not written")


def test_a_stub_in_a_network_is_missing_work():
    assert repr(check(Network(), uses)) == "Not written yet."

    class Postponed(Network):
        def __call__(self, params, h, heads):
            raise NotImplementedError

    assert repr(check(Postponed(), uses)) == "Not written yet."

    class Written(Network):
        def __call__(self, params, h, heads):
            return h[:1], h[1:]

    assert repr(check(Written(), uses)) == "Right."


def test_a_forgotten_return_is_named():
    def forgotten(z):
        result = anp.sum(z * z, axis=1)  # noqa: F841

    said = repr(check.neglogprior(forgotten))
    assert said == "Not written yet. It returned None: is a return missing?"


def test_an_exception_is_reported_with_its_line():
    def mistyped(z):
        return anp.sum(zz, axis=1)  # noqa: F821

    line = mistyped.__code__.co_firstlineno + 1
    verdict = check.neglogprior(mistyped)
    assert verdict.diagnosis == (
        f"It raised NameError in line {line}, `return anp.sum(zz, axis=1)  # noqa: F821`: "
        "name 'zz' is not defined."
    )
    assert set(verdict.counterexample) == {"z"}
    assert verdict.mistake == "error"


def test_an_exception_below_the_answer_has_the_answers_line():
    def helper(z):
        return np.linalg.inv(z)

    def calls(z):
        return helper(z)

    verdict = check.neglogprior(calls)
    assert f"in line {helper.__code__.co_firstlineno + 1}," in verdict.diagnosis


def test_exit_is_an_exception():
    assert check.neglogprior(lambda z: exit()).mistake == "error"


def test_autograds_errors_are_translated():
    def plain(nll, mu, logsigma, eps):
        from autograd import grad

        loss = lambda mu: anp.sum(np.linalg.norm(mu) + np.floor(stats.norm.cdf(mu)))
        return grad(loss)(mu), logsigma

    def not_a_scalar(nll, mu, logsigma, eps):
        from autograd import grad

        return grad(lambda mu: mu**2)(mu), logsigma

    def assigned(nll, mu, logsigma, eps):
        from autograd import grad

        def loss(mu):
            mu[0] = 1.0
            return anp.sum(mu)

        return grad(loss)(mu), logsigma

    assert "use autograd.numpy)" in check.gradient(plain).diagnosis
    assert "is a mean or a sum missing?" in check.gradient(not_a_scalar).diagnosis
    assert "compute the array as a whole" in check.gradient(assigned).diagnosis


def test_what_an_answer_prints_is_shown_once(capsys):
    def chatty(z):
        print("z is", z.shape)
        return vaelite.neglogprior(z)

    verdict = check.neglogprior(chatty)
    assert capsys.readouterr().out == ""
    assert re.fullmatch(r"Right\.\nYour code printed: z is \(\d, \d\)", repr(verdict))
    assert len(check.neglogprior(lambda z: print("x" * 9999)).printed) < 600
    assert check(chatty, called).printed == "z is (2, 3)"


def test_a_warning_of_the_answer_is_not_shown(recwarn):
    assert check.neglogprior(lambda z: np.log(-1 - z**2)).mistake
    assert not recwarn.list


def test_a_changed_argument_is_noticed_also_in_an_own_test():
    def changes(X):
        X[0] = 0
        return X

    verdict = check(changes, lambda mine: mine(np.ones(3)))
    assert verdict.mistake == "argument changed"
    assert "argument X in place" in verdict.diagnosis


def test_plain_numpy_is_right_with_a_note():
    verdict = check.neglogprior(lambda z: -stats.norm.logpdf(z).sum(axis=1))
    assert verdict.ok
    assert "autograd has to follow it" in verdict.notes[0]
    assert check.neglogprior(lambda z: anp.sum(z**2 / 2 + C, axis=1)).notes == ()


# Own tests


def is_two(answer):
    if answer != 2:  # pytest rewrites the message of an assert
        raise AssertionError("One and one is more.")


def test_own_tests():
    assert check(2, is_two) == Verdict(True, 1.0)
    assert repr(check(1, is_two)) == "Not right yet. One and one is more."
    assert repr(check("two", np.linalg.norm)).startswith("No verdict. The test raised ")

    def unexplained(answer):
        if answer != 2:
            raise AssertionError

    assert "`raise AssertionError`" in check(1, unexplained).diagnosis
    assert check(Exception, lambda kind: bool(kind("a class is a value"))).ok


# The verdict


def test_a_counterexample_is_small_and_has_the_terms_own_arguments():
    verdict = check.kl(lambda mu, logsigma: np.sum(mu**2, axis=1))
    assert list(verdict.counterexample) == ["mu", "logsigma", "found", "expected"]
    assert verdict.counterexample["mu"].shape[0] == 1
    found, expected = (verdict.counterexample[name] for name in ("found", "expected"))
    arrays = verdict.counterexample["mu"], verdict.counterexample["logsigma"]
    assert found == np.sum(arrays[0] ** 2)
    np.testing.assert_allclose(expected, vaelite.kl_divergence(*arrays))
    assert re.search(r"\n  mu +=.*\n  logsigma =.*\n  found +=.*\n  expected =", repr(verdict))


def test_two_mistakes_are_both_named():
    both = lambda x, mu, s: np.mean(((x - mu) / np.exp(s)) ** 2 / 2 + s, axis=1)
    assert check.negloglikelihood(both).mistake == "constants dropped; mean over features"


def test_an_unknown_mistake_is_not_named():
    verdict = check.neglogprior(lambda z: np.sum(np.cosh(z), axis=1))
    assert verdict.mistake == "another result"
    assert {"found", "expected"} <= set(verdict.counterexample)


@pytest.mark.parametrize(
    "result",
    ["three", {"a": 1}, [[1.0], [1.0, 2.0]], object()],
    ids=["text", "dict", "ragged", "object"],
)
def test_what_is_not_an_array_of_numbers(result):
    assert check.neglogprior(lambda z: result).mistake == "no numbers"


def test_a_value_in_place_of_a_function():
    verdict = check.neglogprior(np.zeros(3))
    assert verdict.diagnosis == "Pass the function itself; this is of type ndarray."


def test_html():
    verdict = check.neglogprior(lambda z: z < 0)
    shown = verdict._repr_html_()
    assert "<strong>Not right yet.</strong>" in shown
    assert "<details>" in shown
    assert "<script" not in Verdict(False, 0.0, "x", "<script>")._repr_html_()
    assert "<details>" not in check.neglogprior(vaelite.neglogprior)._repr_html_()


ODD = {
    "empty": lambda *arguments: [],
    "no rows": lambda *arguments: np.zeros((0, 3)),
    "infinite": lambda *arguments: np.inf,
    "too large": lambda *arguments: 1e308,
    "complex": lambda *arguments: 1j,
    "the first argument": lambda *arguments: arguments[0],
    "the last argument": lambda *arguments: arguments[-1],
    "no arguments": lambda: 1.0,
    "an error": lambda *arguments: 1 / 0,
    "all its arguments": lambda *arguments: arguments,
    "a builtin": print,
    "a class": object,
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("term", [*sorted({entry.term for entry in ENTRIES})])
def test_odd_answers_have_a_verdict(term, name):
    verdict = getattr(check, term)(ODD[name])
    assert not verdict.ok
    assert verdict.mistake
    assert repr(verdict).startswith("Not ")


def test_an_own_test_may_return_true_or_false():
    for answer, ok in ((lambda x: 4, True), (lambda x: 5, False)):
        assert check(answer, lambda f: f(2) == 4).ok is ok
        assert check(answer, lambda f: np.bool_(f(2) == 4)).ok is ok
    with pytest.raises(TypeError, match="what a test returns should be True or False, got 5"):
        check(lambda x: 5, lambda f: f(2))
    with pytest.raises(TypeError, match="test should be callable, got 7"):
        check(2, 7)


@pytest.mark.parametrize("fault", [NameError, RuntimeError, ValueError])
def test_a_mistake_in_an_own_test_is_no_verdict(fault):
    def mistaken(f):
        assert f(2) == 4
        raise fault("in the test")

    said = repr(check(lambda x: 4, mistaken))
    assert said.startswith(f"No verdict. The test raised {fault.__name__}: in the test. ")
    assert repr(check(lambda x: 5, mistaken)).startswith("Not right yet.")


def test_python_without_assert_gives_no_verdict():
    code = (
        "from vaelite.classroom import check\n"
        "def test(f): assert f(2) == 4\n"
        "print(check(lambda x: 5, test))"
    )
    command = [sys.executable, "-O", "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == ""
    assert "RuntimeError: python -O removes assert" in ran.stderr
