"""`check`: verdicts on a student's answers.

::

    from vaelite.classroom import check

    check.neglogprior(mine)

returns a `Verdict`: "Right.", "Not written yet.", or "Not right yet." with the mistake
in words and an input that shows it. No check needs a tolerance for chance: the cases
are random, but every one has an exact result.
"""

from dataclasses import replace

import numpy as np

from vaelite import gradient_estimators
from vaelite.checks import check_callable, check_choice, check_flag

from .answers import Answer, Fault, in_words, watched
from .cases import cases
from .diagnosis import derivative_fault, diagnose, outcomes, take_rows
from .loops import verdict_on_loop
from .pictures import verdict_on_plot
from .questions.densities import NEGLOGLIKELIHOOD, NEGLOGPOSTERIOR, NEGLOGPRIOR
from .questions.estimators import estimator_question
from .questions.latent import KL, REPARAMETERIZE
from .questions.losses import IMPORTANCE_WEIGHTED, NEGELBO
from .questions.optimizer import ADAM
from .questions.pixels import BERNOULLI, CATEGORICAL
from .questions.stopping import STOPPING
from .sampling import verdict_on_samples
from .verdict import NO_VERDICT, NOT_WRITTEN, Verdict

NO_VERDICT_SAYS = (
    "The test raised {}: {}. The answer may be of another type or shape than the test expects, or "
    "the test has a mistake."
)

NO_EXAMPLE = NOT_WRITTEN, "argument changed", "uses the library", "too slow", "ended"


class Checker:
    """Checks of the terms, of a training loop, and of answers with their own test.

    Every method takes the student's function, which is called as stated, and:

    shapes : dict of str to list of tuples, optional
        The shapes of arguments that the exercise mentions, if others than stated. A
        shape is a tuple of names of axes and numbers: ``{"logsigma": [("n", 1), ()]}``.
    seed : int
        Of the random cases. They are the same every time.

    Each returns a `Verdict`.

    Examples
    --------
    >>> import numpy as np
    >>> from vaelite.classroom import check
    >>> check.neglogprior(lambda z: ...)
    Not written yet.
    >>> check.neglogprior(lambda z: np.sum(z**2 + np.log(2 * np.pi), axis=1) / 2).ok
    True
    >>> check.neglogprior(lambda z: np.sum(z**2, axis=1) / 2).mistake
    'constants dropped'
    """

    def __call__(self, answer, test):
        """Check any answer, with an exercise's own test.

        Parameters
        ----------
        answer : object
            A function, a class instance or a value. It is not written yet if it is
            ``None`` or ``...``, or a function or ``__call__`` that returns one of these
            or raises NotImplementedError.
        test : callable
            ``test(answer)`` raises AssertionError if the answer is wrong, and its
            message is the diagnosis; or it returns True or False. If it raises another
            exception, there is no verdict.

        Raises
        ------
        TypeError
            If the test returns something else.
        RuntimeError
            With ``python -O``, which removes the tests' ``assert``.

        Examples
        --------
        >>> from vaelite.classroom import check
        >>> def is_two(answer):
        ...     assert answer == 2, "One and one is more."
        >>> check(1, is_two)
        Not right yet. One and one is more.
        """
        if not __debug__:
            raise RuntimeError("python -O removes assert, so all answers would be right: no -O")
        check_callable("test", test)
        function = None
        try:
            answer, function = watched(answer)
            holds = test(answer)
        except Fault as fault:
            return _wrong(fault.mistake, fault.says, printed=_printed(function))
        except NotImplementedError:
            return _wrong(NOT_WRITTEN, "")
        except AssertionError as error:
            says = str(error).strip() or in_words(error, test)
            return _wrong("own test", says, printed=_printed(function))
        except Exception as error:
            says = NO_VERDICT_SAYS.format(type(error).__name__, str(error).strip())
            return _wrong(NO_VERDICT, says, printed=_printed(function))
        if holds is not None and not check_flag("what a test returns", holds):
            return _wrong("own test", "", printed=_printed(function))
        return Verdict(True, 1.0, printed=_printed(function))

    def negloglikelihood(self, answer, *, shapes=None, seed=0):
        """Check ``answer(x, mu, logsigma)``, -log N(x; mu, sigma^2) of each row.

        x and mu are (n, D), logsigma is (n, 1) or (n, D), the result is (n,).
        """
        return _verdict(NEGLOGLIKELIHOOD, answer, shapes, seed)

    def neglogprior(self, answer, *, shapes=None, seed=0):
        """Check ``answer(z)``, -log N(z; 0, 1) of each row: (n, K) to (n,)."""
        return _verdict(NEGLOGPRIOR, answer, shapes, seed)

    def neglogposterior(self, answer, *, shapes=None, seed=0):
        """Check ``answer(z, mu, logsigma)``, -log q(z|x): three (n, K) to (n,)."""
        return _verdict(NEGLOGPOSTERIOR, answer, shapes, seed)

    def reparameterize(self, answer, *, shapes=None, seed=0):
        """Check ``answer(mu, logsigma, eps)``, the sample z: three (n, K) to (n, K)."""
        return _verdict(REPARAMETERIZE, answer, shapes, seed)

    def kl(self, answer, *, shapes=None, seed=0):
        """Check ``answer(mu, logsigma)``, KL(q, N(0, I)): two (n, K) to (n,)."""
        return _verdict(KL, answer, shapes, seed)

    def negelbo(self, answer, *, shapes=None, seed=0):
        """Check ``answer(x, mu, logsigma, eps, decode)``, the loss of each row.

        x is (n, D); mu, logsigma and eps are (n, K). ``decode(z)`` returns the mean,
        (n, D), and logsigma, (n, 1), of p(x|z). The result is (n,).
        """
        return _verdict(NEGELBO, answer, shapes, seed)

    def bernoulli(self, answer, *, shapes=None, seed=0):
        """Check ``answer(x, logits)``, -log p(x|z): two (n, D) to (n,).

        x is in [0, 1], gray levels too; logits are any real numbers.
        """
        return _verdict(BERNOULLI, answer, shapes, seed)

    def categorical(self, answer, *, shapes=None, seed=0):
        """Check ``answer(x, logits)``: whole numbers, (n, D), and (n, D, L) to (n,)."""
        return _verdict(CATEGORICAL, answer, shapes, seed)

    def importance_weighted(self, answer, *, shapes=None, seed=0):
        """Check ``answer(log_w)``, the log of the mean weight: (K, n) to (n,)."""
        return _verdict(IMPORTANCE_WEIGHTED, answer, shapes, seed)

    def adam(self, answer, *, shapes=None, seed=0):
        """Check ``answer(theta, g, m, v, t, learning_rate)``, a step of Adam.

        It returns new (theta, m, v). t is 1 in the first step; beta1, beta2 and epsilon
        are 0.9, 0.999 and 1e-8.
        """
        return _verdict(ADAM, answer, shapes, seed)

    def stopping(self, answer, *, seed=0):
        """Check ``answer(losses, tol, patience)``: whether to stop after these epochs.

        It is true if the best loss is ``patience`` or more epochs old, or the last loss
        is not finite. A loss is the new best only if it is lower than the best so far
        by more than ``tol``.
        """
        return _verdict(STOPPING, answer, None, seed)

    def gradient(self, answer, estimator="score_function", *, seed=0):
        """Check ``answer(nll, mu, logsigma, eps)``, one of `gradient_estimators`.

        mu and logsigma are (n, K), eps is (draws, n, K), and ``nll(z)`` is (draws, n).
        It returns two gradients, each (n, K).
        """
        name = check_choice("estimator", estimator, gradient_estimators.ESTIMATORS)
        return _verdict(estimator_question(name), answer, None, seed)

    def fit(self, answer, *, seed=0):
        """Check a training loop.

        ``answer(step, evaluate, train, test, should_stop, latent_dim, batch_size,
        rng)`` returns the mean test loss of each epoch. ``step(x, eps)`` takes one
        training step, ``evaluate(x, eps)`` returns one loss per row, and
        ``should_stop(losses)`` says after an epoch whether to end.
        """
        return verdict_on_loop(answer, seed)

    def samples(self, answer, *, seed=0):
        """Check ``answer(encode, decode, x, n, latent_dim, rng)``: n generated images.

        ``encode(x)`` returns mu and logsigma, (b, latent_dim) each, and ``decode(z)``
        images, (b, D). x are data, (m, D). The result is (n, D).
        """
        return verdict_on_samples(answer, seed)

    def latent_plot(self, answer, *, seed=0):
        """Check ``answer(mu, labels)``, a plot of codes; it returns its axes.

        mu is (n, 2), the means of q(z|x), and labels is (n,), the class of each row.
        The figure's data are checked: a point for every row, a color for every class.
        """
        return verdict_on_plot(answer, seed)


check = Checker()


def _verdict(question, function, shapes, seed):
    for name in shapes or {}:
        check_choice("a name in shapes", name, question.shapes)
    question = replace(question, shapes={**question.shapes, **(shapes or {})})
    tried = cases(np.random.default_rng(seed), question.kinds, question.shapes)
    try:
        answer = Answer(function, tuple(question.shapes))
    except Fault as fault:
        return _wrong(fault.mistake, fault.says)
    tried = outcomes(question, answer, tried)
    score = sum(outcome.right for outcome in tried) / len(tried)
    faults = [outcome for outcome in tried if outcome.fault is not None]
    if faults:
        return _faulty(faults[0], score, answer)
    if score == 1:
        return _right(question, answer, tried)
    mistake = diagnose(question, answer, tried)
    example = _example(question, answer, tried)
    return _wrong(mistake.name, mistake.says, score, example, answer.printed)


def _right(question, answer, tried):
    """The verdict on an answer whose values are right: is its derivative?"""
    mistake, note = None, ""
    if question.differentiable:
        mistake, note = derivative_fault(question, answer, tried)
    if mistake is not None:
        return _wrong(
            mistake.name, mistake.says, len(tried) / (len(tried) + 1), None, answer.printed
        )
    return Verdict(True, 1.0, notes=(note,) if note else (), printed=answer.printed)


def _faulty(outcome, score, answer):
    """The verdict on an answer without a result in some case."""
    fault = outcome.fault
    example = None if fault.mistake in NO_EXAMPLE else outcome.arguments
    return _wrong(fault.mistake, fault.says, score, _shown(example), answer.printed)


def _wrong(mistake, says, score=0.0, example=None, printed=""):
    return Verdict(False, score, mistake, says, example, printed=printed or "")


def _printed(function):
    return (function.printed or "") if function is not None else ""


def _example(question, answer, tried):
    """The smallest case that fails; one row of it, if that fails too."""
    smallest = min(
        (outcome for outcome in tried if not outcome.right),
        key=lambda outcome: sum(map(np.size, outcome.arguments.values())),
    )
    if "n" in question.result and smallest.found.shape == smallest.expected.shape:
        axis = question.result.index("n")
        for row in range(smallest.expected.shape[axis]):
            (alone,) = outcomes(question, answer, [take_rows(question, smallest.arguments, [row])])
            if alone.fault is None and not alone.right:
                smallest = alone
                break
    return _shown(smallest.arguments) | {"found": smallest.found, "expected": smallest.expected}


def _shown(arguments):
    """Arguments for a reader; functions are left out."""
    if arguments is None:
        return None
    return {name: value for name, value in arguments.items() if not callable(value)}
