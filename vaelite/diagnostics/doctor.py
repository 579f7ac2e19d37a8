"""The doctor: checks of a fitted model, in words and with numbers.

A check is a function of an `Exam`. It returns a `Finding`, None where all is well, or
the reason why it cannot be made. The thresholds were chosen so that healthy fits have
no finding; tests measure both sides.
"""

from dataclasses import replace

import numpy as np

from ..checks import warn
from ..data.dataset import check_condition
from ..exceptions import FitWarning
from ..fit.fit import AFTER_FIT
from ..likelihoods import Bernoulli, ContinuousBernoulli, Gaussian
from ..models.checks import check_columns, check_fitted
from .findings import Diagnosis, Finding, count
from .measurements import Exam, examine, standard_error

ROWS, QUICK_ROWS = 5_000, 1_000  # examined, evenly spaced: by `doctor`, after a fit
INFERRED_ROWS = 200  # for models without an encoder

LEAST_ROWS, ROWS_PER_LATENT, LEAST_HELD_OUT = 100, 10, 30
SMALL_SPREAD, SMALL_LARGEST = 0.1, 0.5  # a Gaussian's, a (continuous) Bernoulli's data
OUTLYING = 10  # robust standard deviations above the median loss
SHIFT = 3  # nats that outlying rows may change the mean loss by
FLOOR_SHARE = 0.05  # of the rows
UNUSED = 0.05  # nats about a row
MISMATCH = 2  # nats from the prior: a mean of 2, or a standard deviation of 2.7
LESS = 0.1  # nats: a smaller difference is none
LOSS_TO_LINEAR = 1  # nats
GAP, GAP_SHARE = 1, 0.5  # nats; share of what was gained on the training rows
RISE = 1  # nats
WINDOW = 10  # epochs
STILL_FALLING = {"val_loss": 0.1, "test_loss": 0.1, "eval_loss": 0.5, "train_loss": 0.5}


def doctor(vae, X, X_test=None, *, condition=None, condition_test=None):
    """Check a fitted model for what often goes wrong, and say what to do.

    Parameters
    ----------
    vae : VAE, MeanField or Autoencoder
        Fitted or loaded.
    X : array-like, shape (n, n_features)
        The rows that it was trained on.
    X_test : array-like, shape (m, n_features), optional
        Rows that it was not trained on.
    condition, condition_test : optional
        Of X and of X_test, as for `VAE.encode`.

    Returns
    -------
    Diagnosis
        A list of findings; ``print`` shows it.

    Notes
    -----
    At most 5,000 evenly spaced rows of each are examined, or 200 without an encoder.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=9, stopping="epochs", rng=0)
    >>> print(vaelite.doctor(vae, X).findings[0].message)
    Training ended after 9 epochs, and the training loss had fallen by ...
    """
    check_fitted(vae)
    if X_test is None and condition_test is not None:
        raise ValueError("condition_test is for X_test, which was not passed")
    held_out = None
    if X_test is not None:
        held_out = _examined(vae, X_test, condition_test, "_test")
    return diagnose(Exam(vae, _examined(vae, X, condition), held_out))


def _examined(vae, X, condition, suffix=""):
    name = f"X{suffix}"
    X = check_columns(vae, X, name)
    expected = vae.solution.dtype, vae.n_conditions
    condition = check_condition(condition, X.shape[0], *expected, name=f"condition{suffix}")
    return examine(vae, X, condition, ROWS if vae.is_amortized else INFERRED_ROWS)


def checkup(model, train, held_out=None):
    """Check a model that was just fitted: all checks, with at most 1,000 rows.

    Parameters
    ----------
    model : VAE, MeanField or Autoencoder
    train, held_out : Dataset
        The rows of the fit, and rows that were not trained on.

    Returns
    -------
    Diagnosis
    """
    tables = None if model.is_amortized else (model.mu, model.logsigma)
    examined = examine(model, train.X, train.condition, QUICK_ROWS, tables)
    held = None
    if held_out is not None and model.is_amortized:
        held = examine(model, held_out.X, held_out.condition, QUICK_ROWS)
    return diagnose(Exam(model, examined, held))


def examine_after_fit(model, train, held_out):
    """Keep in a model what the checks find after its fit, and warn of problems."""
    diagnosis = checkup(model, train, held_out)
    model.solution = replace(model.solution, diagnosis=diagnosis)
    for finding in diagnosis.problems:
        if finding.name != "not-converged":  # `train` warned of it
            warn(str(finding), FitWarning)


AFTER_FIT.append(examine_after_fit)


def diagnose(exam):
    """Make all checks of an `Exam`, and return a `Diagnosis`."""
    with np.errstate(all="ignore"):  # a row may have a loss that is not finite
        found = {name: check(exam) for name, check in CHECKS.items()}
    skipped = {name: why for name, why in found.items() if isinstance(why, str)}
    findings = tuple(value for value in found.values() if isinstance(value, Finding))
    return Diagnosis(findings, len(found) - len(skipped), skipped)


# The checks: causes first, then consequences.


def few_rows(exam):
    """Too few rows to train on, or to judge by."""
    n, K, held_out = exam.train.n, exam.model.latent_dim, exam.held_out
    needed = max(LEAST_ROWS, ROWS_PER_LATENT * K)
    if n < needed:
        return Finding(
            "few-rows",
            f"{n} rows are few to train {count(K, 'latent')}: {needed} would be the least.",
            "Use more rows, fewer latents, and small networks.",
        )
    if held_out is not None and held_out.n < LEAST_HELD_OUT:
        return Finding(
            "few-rows",
            f"The held-out loss is a mean of {count(held_out.n, 'row')}: its standard error is "
            f"{standard_error(held_out.loss):.1f} nats.",
            "Hold out more rows: validation_fraction=, or a larger X_test.",
        )
    return None


def small_scale(exam):
    """Data with so small values that the model has learned little from them."""
    kind, x = type(exam.model.likelihood), exam.train.x
    if kind not in (Gaussian, Bernoulli, ContinuousBernoulli):
        return "needs vaelite's Gaussian, Bernoulli or ContinuousBernoulli"
    spread = float(np.sqrt(np.mean(x.var(axis=0, dtype=np.float64))))
    low, high = float(x.min()), float(x.max())
    is_small = spread < SMALL_SPREAD if kind is Gaussian else high < SMALL_LARGEST
    consequence = _learned_little(exam) if is_small and spread > 0 else None
    if consequence is None:
        return None
    remedy = "Standardize: X = (X - X.mean(axis=0)) / X.std(axis=0)"
    if kind is not Gaussian or exam.model.likelihood.mean == "logistic":
        remedy = f"Divide X by the largest value there can be, here perhaps {high:.3g}"
    return Finding(
        "small-scale",
        f"X has values from {low:.3g} to {high:.3g}, and its columns have a standard deviation "
        f"of {spread:.2g}: {consequence}.",
        f"{remedy}, and fit again.",
    )


def _learned_little(exam):
    """In which respect a model has learned little, or None."""
    if exam.has_normal_codes and (exam.information[0] < UNUSED).all():
        return f"a code carries only {exam.information[0].sum():.1g} nats about its row"
    for other, gains in (("linear model", exam.over_linear), ("constant", exam.over_constant)):
        if not isinstance(gains, str) and gains[0] < -max(LESS, 2 * gains[1]):
            return f"a {other} is {-gains[0]:.1f} nats better than this model"
    return None


def dominating_rows(exam):
    """A few rows with so large a loss that they decide the mean."""
    for kind, rows in (("row", exam.train), ("held-out row", exam.held_out)):
        if rows is None:
            continue
        median = np.median(rows.loss)
        spread = 1.4826 * np.median(abs(rows.loss - median))
        outlying = ~(rows.loss <= median + OUTLYING * spread)
        others = rows.loss[~outlying]
        if not outlying.any() or not rows.loss.mean() - others.mean() > SHIFT:
            continue
        worst = rows.numbers[np.argmax(rows.loss)]
        return Finding(
            "rows-that-dominate-the-loss",
            f"The mean loss is {rows.loss.mean():,.1f} nats, but {others.mean():,.1f} without "
            f"{count(int(outlying.sum()), kind)} of {len(rows.loss)}: the worst is {kind} {worst}, "
            f"with {rows.loss.max():,.1f} nats.",
            "Look at these rows: correct or remove them, or rescale the columns they stand out in.",
        )
    return None


def floor(exam):
    """A learned sigma at its floor."""
    at_floor = exam.train.at_floor
    if at_floor is None:
        return "needs a Gaussian with a learned sigma and a floor"
    likelihood = exam.model.likelihood
    sigma = f"{np.exp(likelihood.floor):.2g}"
    if likelihood.sigma == "pixel":
        columns = np.flatnonzero(at_floor.mean(axis=0) > 0.5)
        if columns.size == 0:
            return None
        of = f"{columns.size} of {at_floor.shape[1]} columns, the first is column {columns[0]}"
        remedy = 'Remove constant columns, or use Gaussian(sigma="shared").'
    else:
        if not at_floor.mean() > FLOOR_SHARE:
            return None
        of = f"{at_floor.mean():.0%} of the rows"
        remedy = "Rescale X if its values are small, remove constant columns, or lower floor=."
    return Finding(
        "sigma-at-the-floor",
        f"The decoder's sigma is at its floor, {sigma}, for {of}: the score depends on the floor "
        "more than on what was learned.",
        remedy,
    )


def unused_latents(exam):
    """Latents that carry no information about the rows."""
    if not exam.has_normal_codes:
        return "needs normal q(z|x) and p(z)"
    K = exam.model.latent_dim
    n_unused = int(np.sum(exam.information[0] < UNUSED))
    if n_unused == 0:
        return None
    carry = "carries" if n_unused == 1 else "carry"
    message = f"{n_unused} of {count(K, 'latent')} {carry} less than {UNUSED} nats about a row"
    if n_unused == K:
        return Finding(
            "posterior-collapse",
            f"{message}: the decoder returns nearly the same for every code.",
            "Learn sigma or make it smaller, use warmup_epochs= or a smaller beta, or train "
            "longer; look at the scale of X.",
        )
    return Finding(
        "unused-latents",
        f"{message}: the model does not use them.",
        f"This is normal if the data need only {K - n_unused}; otherwise try warmup_epochs=.",
        is_problem=False,
    )


def benchmarks(exam):
    """A model that is worse than a constant, or than a linear one."""
    constant, linear = exam.over_constant, exam.over_linear
    if not isinstance(constant, str) and constant[0] < -LESS - 2 * constant[1]:
        other, nats = "constant", -constant[0]
        means = "a decoder that ignores its code"
    elif not isinstance(linear, str) and linear[0] < -max(LOSS_TO_LINEAR, 2 * linear[1]):
        other, nats = "linear-model", -linear[0]
        means = f"probabilistic PCA with {count(exam.model.latent_dim, 'latent')}"
    else:
        return constant if isinstance(constant, str) and isinstance(linear, str) else None
    if isinstance(getattr(exam.model.likelihood, "sigma", None), float):
        remedy = 'Learn sigma, with Gaussian(sigma="image"), or train longer.'
    else:
        remedy = "Train longer or with a larger learning_rate; check beta and the scale of X."
    which = "held-out" if exam.held_out is not None else "training"
    return Finding(
        f"worse-than-a-{other}",
        f"The model scores {-exam.judged.loss.mean():,.1f} nats on {which} rows, {nats:,.1f} less "
        f"than {means}.",
        remedy,
    )


def codes_and_prior(exam):
    """Codes whose distribution over all rows is far from the prior."""
    if not exam.has_normal_codes:
        return "needs normal q(z|x) and p(z)"
    mismatch = exam.information[1]
    k, n_far = int(np.argmax(mismatch)), int(np.sum(mismatch > MISMATCH))
    if n_far == 0:
        return None
    mean, variance = exam.codes
    spread = f"standard deviation {np.sqrt(variance[k]):.1f}"
    return Finding(
        "codes-far-from-the-prior",
        f"The codes of {n_far} of {count(len(mean), 'latent')} are far from the prior: those of "
        f"latent {k} have mean {mean[k]:.1f} and {spread} over all rows, where the prior has 0 and "
        "1.",
        "Samples will look worse than reconstructions: use beta=1, more rows, or stop earlier.",
    )


def overfitting(exam):
    """Rows that were not trained on have a much larger loss, or one that rose again."""
    train, held_out, history = exam.train, exam.held_out, exam.model.history
    curve = history.get("test_loss", []) if "val_loss" not in history else []
    if held_out is None and not curve:
        return "needs X_test"
    remedy = "Use more rows, fewer latents or a smaller network, or weight_decay=0.1."
    if "val_loss" not in history:
        remedy = f'Use stopping="heldout" or fewer epochs. {remedy}'
    kept = exam.model.best_epoch
    if curve and curve[kept - 1] - min(curve) > RISE:
        return Finding(
            "overfitting",
            f"The test loss was lowest in epoch {int(np.argmin(curve)) + 1}; in epoch {kept}, "
            f"which was kept, it is {curve[kept - 1] - min(curve):,.1f} nats larger.",
            remedy,
        )
    if held_out is None or isinstance(exam.over_constant, str):
        return None
    gap = held_out.loss.mean() - train.loss.mean()
    error = np.hypot(standard_error(train.loss), standard_error(held_out.loss))
    gained = Exam(exam.model, train).over_constant[0]
    if not (gained > 0 and gap > max(GAP, 3 * error, GAP_SHARE * gained)):
        return None
    return Finding(
        "overfitting",
        f"The ELBO is {-train.loss.mean():,.1f} nats on training rows, but "
        f"{-held_out.loss.mean():,.1f} +- {standard_error(held_out.loss):.1f} on held-out rows; "
        f"the difference is {gap / gained:.0%} of what the model gained over a constant.",
        remedy,
    )


def not_converged(exam):
    """Training that ended while the loss was still falling."""
    model, history = exam.model, exam.model.history
    name = next((name for name in STILL_FALLING if history.get(name)), None)
    if name is None:
        return "needs a history"
    if model.converged:
        return None
    curve = np.array(history[name])
    width = min(WINDOW, len(curve) // 2)
    fall = curve[-2 * width : -width].mean() - curve[-width:].mean() if width else 0.0
    is_falling = fall > STILL_FALLING[name] * width / WINDOW
    is_cut_off = name == "val_loss" and model.stop_reason.startswith("max_epochs")
    if not (is_falling or is_cut_off):
        return None
    of = {"val_loss": "held-out", "test_loss": "test"}.get(name, "training")
    return Finding(
        "not-converged",
        f"Training ended after {count(model.n_epochs, 'epoch')}, and the {of} loss had fallen by "
        f"{fall:,.1f} nats in the last {count(width, 'epoch')}.",
        'Raise max_epochs; with stopping="heldout" training ends by itself.',
    )


CHECKS = {
    "few rows": few_rows,
    "small scale": small_scale,
    "rows that dominate the loss": dominating_rows,
    "sigma at the floor": floor,
    "convergence": not_converged,
    "unused latents": unused_latents,
    "worse than a constant or a linear model": benchmarks,
    "codes far from the prior": codes_and_prior,
    "overfitting": overfitting,
}
