"""The identities of the ELBO as theorems, for vaelite's terms and for your own.

::

    from vaelite.classroom.theorems import Terms, refuted

    refuted(Terms(neglogprior=mine))

returns a dict: each theorem that fails, with its smallest counterexample. It is empty
if all hold.

`THEOREMS` contains them by name, and hypothesis tests them on random cases. Each is a
function of (terms, case) that raises AssertionError. The strategies `gaussians`,
`posteriors` and `linear_models` draw the cases. No case needs a tolerance for chance:
the terms are at most quadratic in the noise, so two samples, eps = +1 and -1, have the
exact mean. The module needs hypothesis: ``python -m pip install 'vaelite[tutorials]'``.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import wraps
from itertools import product

import autograd
import autograd.numpy as anp
import numpy as np
from scipy import stats

from vaelite import ImportanceWeighted, NegELBO, ProbabilisticPCA, gradient_estimators
from vaelite import terms as ours
from vaelite.checks import check_callable, check_count, shown

try:
    from hypothesis import HealthCheck, Phase, assume, currently_in_test_context, given, settings
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
except ImportError as error:
    raise ImportError(
        "vaelite.classroom.theorems needs hypothesis: python -m pip install 'vaelite[tutorials]'"
    ) from error

SIZES = range(2, 6)


@dataclass(frozen=True)
class Terms:
    """The terms to test: vaelite's, except for those that you pass.

    Attributes
    ----------
    negloglikelihood, neglogprior, neglogposterior : callable
        As in `vaelite.terms`.
    reparameterize, kl_divergence : callable
        As in `vaelite.terms`.
    negelbo : callable, optional
        ``negelbo(terms, x, mu, logsigma, decode, eps)``, shape (batch,); by default
        `NegELBO`'s.
    """

    negloglikelihood: Callable = ours.negloglikelihood
    neglogprior: Callable = ours.neglogprior
    neglogposterior: Callable = ours.neglogposterior
    reparameterize: Callable = ours.reparameterize
    kl_divergence: Callable = ours.kl_divergence
    negelbo: Callable | None = None

    def __post_init__(self):
        for field in fields(self):
            name, term = field.name, getattr(self, field.name)
            if name != "negelbo":
                object.__setattr__(self, name, _returning(name, check_callable(name, term)))

    def objective(self, kind, mu, logsigma, decode):
        """Return the objective with these terms, for given parameters of q(z|x)."""
        return kind(
            lambda params, x: (mu, logsigma),
            lambda params, z: decode(z),
            self.negloglikelihood,
            self.neglogprior,
            self.neglogposterior,
            self.reparameterize,
        )

    def loss(self, x, mu, logsigma, decode, eps):
        """Return the negative ELBO of each row, from one sample."""
        if self.negelbo is not None:
            return self.negelbo(self, x, mu, logsigma, decode, eps)
        return self.objective(NegELBO, mu, logsigma, decode).parts({}, x, eps)[0]


def _returning(name, term):
    """The term, with a clear error if it returns None."""

    @wraps(term)
    def returning(*arguments):
        result = term(*arguments)
        if result is None:
            raise TypeError(f"{name} returned None; does it end in a return?")
        return result

    return returning


# Strategies


def _tenths(shape, largest):
    """Arrays of tenths, so that counterexamples are easy to read."""
    tenths = st.integers(-10 * largest, 10 * largest)
    return arrays(np.int64, shape, elements=tenths).map(lambda a: a / 10)


def _sizes():
    """Different numbers of rows, features and latents, so that no axis fits another."""
    return st.permutations(SIZES)


@st.composite
def gaussians(draw, shared=(True, False)):
    """``(x, mu, logsigma)`` of a Gaussian likelihood; x and mu are (n, D).

    Parameters
    ----------
    shared : sequence of bool
        Whether elements share logsigma, a scalar or (n, 1). If not, it is (n, D).
    """
    n, D, *_ = draw(_sizes())
    shapes = [shape for shape in ((), (n, 1), (n, D)) if (shape != (n, D)) in shared]
    logsigma = draw(_tenths(draw(st.sampled_from(shapes)), 6))
    return draw(_tenths((n, D), 5)), draw(_tenths((n, D), 5)), logsigma


@st.composite
def posteriors(draw):
    """``(mu, logsigma, eps)`` of q(z|x) and a sample from it, each (n, latent_dim)."""
    n, _, K, _ = draw(_sizes())
    return tuple(draw(_tenths((n, K), largest)) for largest in (3, 4, 3))


@st.composite
def linear_models(draw, orthogonal=False, latents=SIZES):
    """``(model, x, mu, logsigma, eps)``: a `ProbabilisticPCA`, data, any q, and noise.

    Parameters
    ----------
    orthogonal : bool
        Whether the rows of W are orthogonal. Then the exact posterior's latents are
        independent.
    latents : sequence of int
        Numbers of latents to choose from.
    """
    n, D, K, _ = draw(_sizes())
    K = K if K in latents else draw(st.sampled_from(latents))
    W, logsigma_x = draw(_tenths((K, D), 2)), draw(st.integers(-10, 10)) / 10
    if orthogonal:
        _, lengths, axes = np.linalg.svd(W, full_matrices=False)
        W = np.zeros((K, D))
        W[: len(lengths)] = lengths[:, None] * axes
    model = ProbabilisticPCA(W, draw(_tenths(D, 2)), math.exp(logsigma_x))
    x = draw(_tenths((n, D), 3))
    return model, x, *(draw(_tenths((n, K), largest)) for largest in (2, 2, 3))


# Theorems

THEOREMS = {}


def theorem(cases, names, lecture):
    """Decorate a function of (terms, case): add it to `THEOREMS`.

    Parameters
    ----------
    cases : hypothesis strategy
    names : str
        Names of the parts of a case, with commas between them.
    lecture : str
        The theorem's place in the lecture.
    """

    def add(statement):
        statement.cases, statement.names, statement.lecture = cases, names.split(", "), lecture
        THEOREMS[statement.__name__] = statement
        return statement

    return add


@theorem(
    gaussians(),
    "x, mu, logsigma",
    lecture="III, negloglikelihood, neglogprior, neglogposterior (there without constants)",
)
def densities_match_scipy(terms, case):
    """Each term is minus the log density that scipy.stats has."""
    x, mu, logsigma = case
    normal = -stats.norm(mu, np.exp(logsigma)).logpdf(x).sum(axis=-1)
    _equal(terms.negloglikelihood(x, mu, logsigma), normal)
    _equal(terms.neglogposterior(x, mu, logsigma), normal)
    _equal(terms.neglogprior(x), -stats.norm.logpdf(x).sum(axis=-1))


@theorem(
    st.tuples(st.integers(-50, 50), st.integers(-60, 60)),
    "10 mu, 10 logsigma",
    lecture="I, the densities p(z), p(x|z), q(z|x)",
)
def densities_integrate_to_one(terms, case):
    """The exponential of minus a term integrates to one; the trapezoid rule is exact
    here to rounding."""
    mu, logsigma = case[0] / 10, case[1] / 10
    u = np.linspace(-12, 12, 241)[:, None]
    z, h = mu + math.exp(logsigma) * u, u[1, 0] - u[0, 0]
    for term in terms.negloglikelihood, terms.neglogposterior:
        nats = term(z, np.full_like(z, mu), np.full_like(z, logsigma))
        _equal(np.sum(np.exp(-nats)) * h * math.exp(logsigma), 1)
    _equal(np.sum(np.exp(-terms.neglogprior(u))) * h, 1)


@theorem(gaussians(), "x, mu, logsigma", lecture="III, the sum over i = 1 .. N of the loss")
def batches_are_rows(terms, case):
    """A batch has the results of its single rows, and if rows change places, so do
    their results."""
    x, mu, logsigma = case
    n, order = len(x), np.arange(len(x))[::-1]

    def rows(array, index):
        return array if np.ndim(array) == 0 else array[index]

    for term, arguments in (
        (terms.negloglikelihood, case),
        (terms.neglogposterior, case),
        (terms.neglogprior, (x,)),
        (terms.kl_divergence, (x, mu)),
        (lambda *a: np.sum(terms.reparameterize(*a), axis=-1), (x, mu / 5, mu)),
    ):
        batch = term(*arguments)
        shape = np.shape(batch)
        _hold(shape == (n,), f"shape {shape} for a batch of {n} rows, expected {(n,)}")
        single = [term(*(rows(a, slice(i, i + 1)) for a in arguments)) for i in range(n)]
        _equal(batch, np.concatenate(single))
        _equal(term(*(rows(a, order) for a in arguments)), batch[order])


@theorem(
    st.tuples(gaussians(), st.integers(-20, 20)),
    "x, mu, logsigma, 10 log(a)",
    lecture="III, c0 = inputsize * sum(logsigma)",
)
def scale_law(terms, case):
    """In other units, x' = a x, the density of D features is a^-D times as large:
    -log p(x|z) is D log(a) nats higher."""
    (x, mu, logsigma), log_a = case[0], case[1] / 10
    a, nats = math.exp(log_a), x.shape[-1] * log_a
    for term in terms.negloglikelihood, terms.neglogposterior:
        _equal(term(a * x, a * mu, logsigma + log_a), term(x, mu, logsigma) + nats)


@theorem(posteriors(), "mu, logsigma, eps", lecture="II, J = E[-log p(x|z)] + KL(q, p(z))")
def kl_is_the_mean_of_two_samples(terms, case):
    """The mean of neglogprior - neglogposterior over eps = +1 and -1 is KL(q(z|x),
    p(z)), in closed form."""
    mu, logsigma, _ = case
    closed = 0.5 * (mu**2 + np.exp(2 * logsigma) - 1 - 2 * logsigma).sum(axis=-1)
    _equal(terms.kl_divergence(mu, logsigma), closed)
    _equal(_two_samples(terms, mu, logsigma), closed)


@theorem(posteriors(), "mu, logsigma, eps", lecture="II, KL is 0 only where q and p agree")
def kl_is_positive_but_at_the_prior(terms, case):
    """KL(q(z|x), p(z)) is above 0, except for q = p(z), where it is 0."""
    mu, logsigma, _ = case
    assume((np.abs(mu) + np.abs(logsigma)).max(axis=1).min() > 0)
    for kl in terms.kl_divergence, lambda *q: _two_samples(terms, *q):
        _hold((kl(mu, logsigma) > 0).all(), kl(mu, logsigma))
        _equal(kl(np.zeros_like(mu), np.zeros_like(mu)), np.zeros(len(mu)))


@theorem(posteriors(), "mu, logsigma, eps", lecture="II, Reparameterization: z = mu + sigma * eps")
def samples_are_affine_in_the_noise(terms, case):
    """Without noise, z is mu, and eps moves each element of each row by sigma times its
    own eps."""
    mu, logsigma, eps = case
    _equal(terms.reparameterize(mu, logsigma, np.zeros_like(eps)), mu)
    _equal(terms.reparameterize(mu, logsigma, eps) - mu, np.exp(logsigma) * eps)


@theorem(linear_models(), "model, x, mu, logsigma, eps", lecture="III, loss = nll + nlp - nlq")
def loss_is_the_sum_of_its_terms(terms, case):
    """The loss is -log p(x|z) - log p(z) + log q(z|x) at the sample z, each as
    scipy.stats has it."""
    model, x, mu, logsigma, eps = case
    z = mu + np.exp(logsigma) * eps
    mu_x, logsigma_x = model.decode(z)
    nll = -stats.norm(mu_x, math.exp(logsigma_x)).logpdf(x).sum(axis=1)
    nlp = -stats.norm.logpdf(z).sum(axis=1)
    nlq = -stats.norm(mu, np.exp(logsigma)).logpdf(z).sum(axis=1)
    _equal(terms.loss(x, mu, logsigma, model.decode, eps), nll + nlp - nlq)


@theorem(
    linear_models(orthogonal=True),
    "model, x, mu, logsigma, eps",
    lecture="II, 'if our approximation is exact, then the bound is tight'",
)
def exact_posterior_has_no_variance(terms, case):
    """At the exact posterior the one-sample loss is -log p(x), for every eps."""
    model, x, _, _, eps = case
    _equal(terms.loss(x, *model.diagonal_posterior(x), model.decode, eps), -model.score_samples(x))


@theorem(
    linear_models(),
    "model, x, mu, logsigma, eps",
    lecture="II, log p(z|x) = log p(x, z) - log p(x)",
)
def evidence_is_elbo_plus_kl(terms, case):
    """log p(x) = ELBO + KL(q(z|x), p(z|x)), with the exact posterior p(z|x)."""
    model, x, mu, logsigma, _ = case
    mean, covariance = model.posterior(x)
    variance, precision = np.exp(2 * logsigma), np.linalg.inv(covariance)
    shift = np.einsum("nk,kl,nl->n", mu - mean, precision, mu - mean)
    log_ratio = np.linalg.slogdet(covariance)[1] - 2 * logsigma.sum(axis=1)
    kl = (variance @ np.diag(precision) + shift - mu.shape[1] + log_ratio) / 2
    _equal(model.score_samples(x), _exact_elbo(terms, *case) + kl)


@theorem(linear_models(), "model, x, mu, logsigma, eps", lecture="II, 'evidence lower bound'")
def elbo_is_a_lower_bound(terms, case):
    """The ELBO is at most log p(x), for every q."""
    elbo, evidence = _exact_elbo(terms, *case), case[0].score_samples(case[1])
    _hold((elbo <= evidence + 1e-9 * (1 + np.abs(evidence))).all(), (elbo, evidence))


@theorem(
    st.tuples(linear_models(), st.integers(2, 4), st.integers(0, 9)),
    "model, x, mu, logsigma, eps, K, seed",
    lecture="not in the lecture; Burda et al. (2016)",
)
def importance_weighted_bounds_rise(terms, case):
    """The bound of K samples is at least the mean of the bounds without one of them,
    and for K = 1 it is the ELBO."""
    (model, x, mu, logsigma, _), K, seed = case
    eps = np.random.default_rng(seed).standard_normal((K, *mu.shape))
    objective = terms.objective(ImportanceWeighted, mu, logsigma, model.decode)
    of_all = -objective.parts({}, x, eps)[0]
    of_others = [-objective.parts({}, x, np.delete(eps, k, axis=0))[0] for k in range(K)]
    least = np.mean(of_others, axis=0) - 1e-9 * (1 + np.abs(of_all))
    _hold((of_all >= least).all(), (of_all, of_others))
    _equal(objective.parts({}, x, eps[:1])[0], terms.loss(x, mu, logsigma, model.decode, eps[0]))


@theorem(
    linear_models(),
    "model, x, mu, logsigma, eps",
    lecture="II, Reparameterization, the gradient estimate (there of log p - log q: minus J)",
)
def pathwise_gradients_are_finite_differences(terms, case):
    """autograd's derivatives of the loss in mu and in logsigma are those of finite
    differences, eps held fixed."""
    model, x, mu, logsigma, eps = case
    logsigma = logsigma / 2

    def loss(mu, logsigma):
        return anp.sum(terms.loss(x, mu, logsigma, model.decode, eps))

    for argnum, array in enumerate((mu, logsigma)):
        step, direction = 1e-5, np.cos(np.arange(array.size)).reshape(array.shape)
        ends = [[mu, logsigma] for _ in range(2)]
        ends[0][argnum], ends[1][argnum] = array + step * direction, array - step * direction
        slope = (loss(*ends[0]) - loss(*ends[1])) / (2 * step)
        gradient = np.sum(autograd.grad(loss, argnum)(mu, logsigma) * direction)
        atol = 1e-6 * (1 + abs(loss(mu, logsigma)))
        np.testing.assert_allclose(gradient, slope, rtol=1e-6, atol=atol)


@theorem(
    linear_models(latents=(1, 2)),
    "model, x, mu, logsigma, eps",
    lecture="II, the log-derivative trick and Reparameterization (signs as here)",
)
def gradient_estimators_agree(terms, case):
    """The mean over eps of each estimator, score function or pathwise, is the exact
    gradient of the ELBO."""
    model, x, mu, logsigma, _ = case
    logsigma = logsigma / 2

    def elbo(mu, logsigma):
        return -anp.sum(model.elbo(x, mu, logsigma))

    exact = [autograd.grad(elbo, argnum)(mu, logsigma) for argnum in (0, 1)]
    for name, estimate in gradient_estimators.ESTIMATORS.items():
        weights, eps = _gauss_hermite(2 if name == "score_with_baseline" else 1, *mu.shape)
        images, *q = (np.tile(array, (len(weights), 1)) for array in (x, mu, logsigma))

        def nll(z, images=images):
            rows = anp.reshape(z, (-1, z.shape[-1]))  # terms have no axis for samples
            nats = terms.negloglikelihood(np.tile(images, (len(z), 1)), *model.decode(rows))
            return anp.reshape(nats, z.shape[:-1])

        mean = [np.tensordot(weights, g.reshape(-1, *mu.shape), 1) for g in estimate(nll, *q, eps)]
        atol = 1e-8 * (1 + np.abs(exact).max())
        np.testing.assert_allclose(mean, exact, rtol=1e-8, atol=atol, err_msg=name)


def refuted(terms, max_examples=100, shrink=True):
    """Return the theorems that fail for these terms.

    Parameters
    ----------
    terms : Terms
    max_examples : int
        Random cases per theorem.
    shrink : bool
        Look for the smallest counterexample; False is faster.

    Returns
    -------
    dict of str to str
        For each theorem that fails, its smallest counterexample and what is wrong with
        it.

    Examples
    --------
    >>> import numpy as np
    >>> from vaelite.classroom.theorems import Terms, refuted
    >>> wrong = Terms(neglogprior=lambda z: np.sum(z * z, axis=-1))
    >>> sorted(refuted(wrong, max_examples=5))[:2]
    ['densities_integrate_to_one', 'densities_match_scipy']
    """
    _check_terms(terms)
    check_count("max_examples", max_examples)
    failures = (
        (name, counterexample(statement, terms, max_examples, shrink))
        for name, statement in THEOREMS.items()
    )
    return {name: failure for name, failure in failures if failure is not None}


def prove(statement, terms, max_examples=100, shrink=True):
    """Try one theorem on random cases, the same every time.

    Parameters
    ----------
    statement : callable
        One of `THEOREMS`.
    terms, max_examples, shrink
        As for `refuted`.

    Raises
    ------
    Exception
        What the smallest counterexample raises, if the theorem fails.
    """
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    if not hasattr(statement, "cases"):
        raise TypeError(
            "statement should be one of THEOREMS, such as THEOREMS['scale_law'], got "
            f"{shown(statement)}"
        )
    _check_terms(terms)
    check_count("max_examples", max_examples)
    options = {"deadline": None, "derandomize": True, "database": None, "phases": phases}
    options["suppress_health_check"] = list(HealthCheck)  # a slow computer refutes nothing

    def try_all():
        @settings(
            max_examples=max_examples, report_multiple_bugs=False, print_blob=False, **options
        )
        @given(case=statement.cases)
        def try_it(case):
            try:
                with np.errstate(all="ignore"):
                    statement(terms, case)
            except Exception as error:
                error.case = case  # the last one that hypothesis tries is the smallest
                raise

        try_it()

    if not currently_in_test_context():
        return try_all()
    with ThreadPoolExecutor(1) as outside:  # hypothesis refuses a test inside a test
        return outside.submit(try_all).result()


def counterexample(statement, terms, max_examples=100, shrink=True):
    """Return a failure of `prove` as text: theorem, case, error; None if it holds."""
    try:
        prove(statement, terms, max_examples, shrink)
    except Exception as error:
        values = _flat(getattr(error, "case", ()))
        parts = zip(statement.names, values, strict=False)
        case = [f"  {name} = {_text(value)}" for name, value in parts]
        kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
        return "\n".join([" ".join(statement.__doc__.split()), *case, f"{kind}{error}"])
    return None


def _check_terms(terms):
    if not isinstance(terms, Terms):
        raise TypeError(
            f"terms should be Terms(...), such as Terms(neglogprior=mine), got {shown(terms)}"
        )


def _flat(case):
    """A case, a tuple that may contain tuples, as a list."""
    nested = [_flat(value) if isinstance(value, tuple) else [value] for value in case]
    return [part for parts in nested for part in parts]


def _text(value):
    """A value as one line of text."""
    if isinstance(value, ProbabilisticPCA):
        W, mean = _text(value.W), _text(value.mean)
        return f"ProbabilisticPCA(W={W}, mean={mean}, sigma={value.sigma:g})"
    return " ".join(np.array2string(np.asarray(value), separator=", ").split())


def _two_samples(terms, mu, logsigma):
    """The mean over eps = +1 and -1 of neglogprior - neglogposterior."""
    samples = [terms.reparameterize(mu, logsigma, np.full_like(mu, sign)) for sign in (1, -1)]
    return sum(terms.neglogprior(z) - terms.neglogposterior(z, mu, logsigma) for z in samples) / 2


def _exact_elbo(terms, model, x, mu, logsigma, _):
    """The ELBO without sampling.

    The loss is quadratic in eps, so its mean is the mean over 2K points on the axes.
    """
    K = mu.shape[1]
    points = math.sqrt(K) * np.concatenate([np.eye(K), -np.eye(K)])
    noise = [np.tile(eps, (len(x), 1)) for eps in points]
    return -np.mean([terms.loss(x, mu, logsigma, model.decode, eps) for eps in noise], axis=0)


def _gauss_hermite(n_samples, n, latent_dim):
    """Gauss-Hermite weights (G,) and noise (n_samples, G * n, latent_dim).

    It has the exact means of polynomials of degree 5 in eps.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(3)
    index = np.array(list(product(range(3), repeat=n_samples * latent_dim)))
    eps = nodes[index].reshape(-1, n_samples, latent_dim).swapaxes(0, 1)
    return np.prod((weights / weights.sum())[index], axis=1), np.repeat(eps, n, axis=1)


def _hold(condition, message):
    """Raise AssertionError unless it holds; ``python -O`` removes ``assert``."""
    if not condition:
        raise AssertionError(message)


def _equal(found, expected):
    shapes = np.shape(found), np.shape(expected)
    _hold(shapes[0] == shapes[1], f"shape {shapes[0]}, expected {shapes[1]}")
    if not np.allclose(found, expected, rtol=1e-9, atol=1e-8):
        raise AssertionError(f"found    {_text(found)}\nexpected {_text(expected)}")
