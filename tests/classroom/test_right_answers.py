"""Student code that goes on: right answers are used as they are, others are replaced."""

from functools import partial

import autograd.numpy as anp
import numpy as np
import pytest
from scipy import stats

import vaelite
from vaelite.classroom import check, mine_if_right

C = np.log(2 * np.pi)


def right(z):
    return anp.sum(z**2 + C, axis=1) / 2


def by_rows(z):
    return [anp.sum(row**2 + C) / 2 for row in z]


def in_scipy(z):
    return -stats.norm.logpdf(z).sum(axis=1)


def without_constants(z):
    return anp.sum(z**2, axis=1) / 2


def unwritten(z):
    """Nothing yet."""
    ...


def failing(z):
    return z.nothing


def prior(answer, **settings):
    return mine_if_right(answer, check.neglogprior, vaelite.neglogprior, **settings)


def test_a_right_answer_goes_on(capsys):
    z = np.random.default_rng(0).standard_normal((4, 3))
    np.testing.assert_array_equal(prior(right)(z), right(z))
    assert capsys.readouterr().out == "right: yours goes on from here.\n"


@pytest.mark.parametrize("answer", [without_constants, unwritten, failing, None, ...])
def test_another_does_not(answer, capsys):
    assert prior(answer) is vaelite.neglogprior
    assert "the library's goes on from here, until yours is right." in capsys.readouterr().out


def test_what_autograd_cannot_follow_trains_nothing(capsys):
    assert prior(in_scipy) is vaelite.neglogprior
    assert "because autograd cannot follow yours" in capsys.readouterr().out
    z = np.ones((4, 3))
    np.testing.assert_allclose(prior(in_scipy, differentiable=False)(z), in_scipy(z))


def test_the_students_own_function_trains():
    X, calls = vaelite.load_digits()[0][:100], []

    def counted(z):
        calls.append(len(z))
        return right(z)

    settings = {"hidden_dim": 8, "max_epochs": 2, "stopping": "epochs", "rng": 0}
    vaelite.fit(X, neglogprior=prior(counted), **settings)
    assert sum(calls) > 2 * len(X)


def test_lists_of_rows_become_arrays_and_train():
    z = np.random.default_rng(0).standard_normal((4, 3))
    mine = prior(by_rows)
    assert mine(z).shape == (4,)
    _, gradient = vaelite.value_and_grad(lambda p: anp.sum(mine(p["z"])))({"z": z})
    np.testing.assert_allclose(gradient["z"], z)  # that of half the square


def test_an_exercise_with_a_test_of_its_own(capsys):
    def is_two(value):
        assert value == 2, "One and one is more."

    assert mine_if_right(2, is_two, otherwise=3) == 2
    assert mine_if_right(1, is_two, otherwise=3) == 3
    assert capsys.readouterr().out.startswith("your answer: yours goes on")


def test_a_check_with_settings():
    stated = partial(check.negloglikelihood, shapes={"logsigma": [()]})

    def lecture(x, mu, logsigma):
        D, sigma = x.shape[1], anp.exp(logsigma)
        return anp.sum(((x - mu) / sigma) ** 2 + C, axis=1) / 2 + D * logsigma

    assert mine_if_right(lecture, stated, None) is not None
    assert mine_if_right(lecture, check.negloglikelihood, None) is None


def test_settings_that_cannot_be():
    with pytest.raises(TypeError, match="test"):
        mine_if_right(right, 3, None)
    with pytest.raises(TypeError, match="differentiable"):
        prior(right, differentiable="yes")
