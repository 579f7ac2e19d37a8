"""The doctor: every finding from a tiny fit that has it, and none from healthy fits."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.datasets import load_diabetes

import vaelite
from vaelite import Categorical, Gaussian, doctor
from vaelite.arrays.backend import get_backend
from vaelite.data.dataset import Dataset
from vaelite.data.rows import RowSubset
from vaelite.diagnostics.doctor import checkup
from vaelite.diagnostics.measurements import Exam, examine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "doctor.md"
REAL = Gaussian(mean="identity")


def short(X, X_test=None, epochs=20, **settings):
    """A small fit of a fixed number of epochs."""
    fixed = {"hidden_dim": 64, "learning_rate": 1e-3, "stopping": "epochs", "rng": 0}
    settings = fixed | settings
    return vaelite.fit(X, X_test, max_epochs=epochs, **settings)


def linear_data(seed, n=1000):
    """Standardized rows of 10 columns that 2 latents generate."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2)) @ rng.standard_normal((2, 10))
    X += 0.5 * rng.standard_normal((n, 10))
    return (X - X.mean(axis=0)) / X.std(axis=0)


def found(name, diagnosis):
    """The message of a finding; the test fails if there is none."""
    assert name in diagnosis.names, str(diagnosis)
    return next(finding.message for finding in diagnosis if finding.name == name)


@pytest.fixture(scope="module")
def X(digits):
    return digits[0][:1000]


# Healthy fits.


def healthy(kind, seed, **settings):
    """A fit with the defaults, and what it was trained on and not: the last 200 rows."""
    rng = np.random.default_rng(seed)
    X = linear_data(seed) if kind == "linear" else rng.permutation(vaelite.load_digits()[0])
    X = (X > 0.5).astype(np.float32) if kind == "bernoulli" else X
    sizes = {"digits": (64, 128, 256, 512)[seed % 4], "bernoulli": 64, "linear": 256}
    likelihood = {"digits": "gaussian", "bernoulli": "bernoulli", "linear": REAL}[kind]
    vae = vaelite.fit(X[:-200], likelihood=likelihood, hidden_dim=sizes[kind], rng=seed, **settings)
    return vae, X[:-200], X[-200:]


@pytest.mark.parametrize(("kind", "seed"), [("bernoulli", 1), ("linear", 2)])
def test_a_healthy_fit_has_no_finding(kind, seed):
    diagnosis = doctor(*healthy(kind, seed, learning_rate=3e-3, patience=10))
    assert diagnosis.names == (), str(diagnosis)
    assert diagnosis.healthy
    assert re.fullmatch(r"Healthy: none of the [89] checks found a problem\.", str(diagnosis))


FEW, MANY = pytest.mark.slow, pytest.mark.exhaustive
SEEDS = [pytest.param(seed, marks=FEW if seed < 4 else MANY) for seed in range(20)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["digits", "bernoulli", "linear"])
def test_healthy_fits_have_no_finding(kind, seed):
    diagnosis = doctor(*healthy(kind, seed))
    assert diagnosis.names == (), str(diagnosis)


# Each finding.


def test_few_rows(X):
    vae = short(X[:60], latent_dim=8, epochs=2)
    assert "60 rows are few to train 8 latents: 100 would be" in found(
        "few-rows", doctor(vae, X[:60])
    )
    vae = short(X[:600], latent_dim=2, epochs=2)
    assert "few-rows" not in doctor(vae, X[:100]).names
    message = found("few-rows", doctor(vae, X[:600], X[600:620]))
    error = stats.sem(vae.score_samples(X[600:620]))
    assert message.startswith("The held-out loss is a mean of 20 rows:")
    assert f"{error:.1f} nats" in message
    assert "few-rows" not in doctor(vae, X[:600], X[600:630]).names


def test_small_scale_of_gray_levels(X):
    """Levels from 0 to 16, divided by 255: a flattering score, and nothing learned."""
    small = X * 16 / 255
    vae = short(small)
    diagnosis = doctor(vae, small)
    assert vae.score(small) > 50
    message = found("small-scale", diagnosis)
    assert "values from 0 to 0.0627" in message
    assert "standard deviation of 0.017" in message
    assert "here perhaps 0.0627" in diagnosis.findings[0].remedy
    assert "small-scale" not in doctor(short(X, epochs=4), X).names


def test_small_scale_of_columns():
    X = load_diabetes().data
    diagnosis = doctor(short(X, likelihood=REAL, epochs=100), X)
    assert "standard deviation of 0.048: a linear model is" in found("small-scale", diagnosis)
    assert "X.std(axis=0)" in diagnosis.findings[0].remedy


def test_small_scale_of_returns(rng):
    returns = 0.01 * rng.standard_normal((500, 5)) @ np.linalg.cholesky(0.6 + 0.4 * np.eye(5)).T
    diagnosis = doctor(short(returns, likelihood=REAL), returns)
    assert {"small-scale", "posterior-collapse"} <= set(diagnosis.names)


def test_small_scale_of_bernoulli_data(X):
    diagnosis = doctor(short(X / 16, likelihood="bernoulli", epochs=10), X / 16)
    assert "from 0 to 0.0625" in found("small-scale", diagnosis)


def test_small_scale_where_something_was_learned(X):
    """A small scale alone is not a finding."""
    vae = short(X / 5, learning_rate=0.01, epochs=30)
    assert np.sqrt((X / 5).var(axis=0).mean()) < 0.1
    assert "small-scale" not in doctor(vae, X / 5).names


def test_rows_that_dominate_the_loss(X):
    wild = (X - X.mean(axis=0)).astype(np.float64)
    wild[17] = 30
    vae = short(wild, likelihood=Gaussian(mean="identity", sigma=0.1))
    loss = -vae.score_samples(wild)
    message = found("rows-that-dominate-the-loss", doctor(vae, wild))
    assert (
        f"{loss.mean():,.1f} nats, but {np.delete(loss, 17).mean():,.1f} without 1 row" in message
    )
    assert f"the worst is row 17, with {loss[17]:,.1f} nats" in message
    tame = np.delete(wild, 17, axis=0)
    assert "rows-that-dominate-the-loss" not in doctor(vae, tame).names
    assert "the worst is held-out row 3," in found(
        "rows-that-dominate-the-loss", doctor(vae, tame, wild[14:60])
    )


def test_sigma_at_the_floor_for_rows(X):
    tiny = X[:500] * 1e-4
    diagnosis = doctor(short(tiny, hidden_dim=16, learning_rate=0.03, epochs=40), tiny)
    assert "its floor, 0.0011, for 100% of the rows" in found("sigma-at-the-floor", diagnosis)


def test_sigma_at_the_floor_for_columns(X):
    rows, settings = X[:600], {"hidden_dim": 16, "learning_rate": 0.01, "epochs": 60}
    constant = (rows == rows[0]).all(axis=0)
    with pytest.warns(UserWarning, match=f"{constant.sum()} of 64 features are constant"):
        vae = short(rows, likelihood=Gaussian(sigma="pixel"), **settings)
    message = found("sigma-at-the-floor", doctor(vae, rows))
    assert int(re.search(r"for (\d+) of 64 columns", message)[1]) >= constant.sum()
    assert "the first is column 0:" in message
    vae = short(rows[:, ~constant], likelihood=Gaussian(sigma="shared"), **settings)
    assert "sigma-at-the-floor" not in doctor(vae, rows[:, ~constant]).names


def test_not_converged(X):
    with pytest.warns(vaelite.ConvergenceWarning):
        vae = short(X, stopping="heldout", epochs=5)
    loss = vae.history["val_loss"]
    fall = np.mean(loss[1:3]) - np.mean(loss[3:])
    message = found("not-converged", doctor(vae, X))
    assert f"after 5 epochs, and the held-out loss had fallen by {fall:,.1f} nats" in message
    assert "the test loss had" in found("not-converged", doctor(short(X, X[:50], epochs=4), X))
    assert "the training loss had" in found("not-converged", doctor(short(X, epochs=4), X))


def test_what_has_converged_has_no_finding(vae, X):
    """A training loss that falls by 0.4 nats in 10 epochs, and one that falls by 0.6."""
    for slope, expected in ((0.04, False), (0.06, True)):
        history = {"epoch": list(range(40)), "eval_loss": [-slope * i for i in range(40)]}
        vae = with_solution(vae, history=history, n_epochs=40)
        assert ("not-converged" in doctor(vae, X).names) == expected


def with_solution(vae, **changes):
    return vae.with_solution(dataclasses.replace(vae.solution, **changes))


def test_posterior_collapse(X):
    diagnosis = doctor(short(X, likelihood=Gaussian(sigma=1.0)), X)
    message = found("posterior-collapse", diagnosis)
    assert message.startswith("2 of 2 latents carry less than 0.05 nats")
    assert not diagnosis.healthy


def test_unused_latents_are_a_note():
    X = linear_data(0)
    settings = {"learning_rate": 0.01, "epochs": 60, "hidden_dim": 32}
    vae = short(X, latent_dim=8, likelihood=Gaussian("identity", "shared"), **settings)
    diagnosis = doctor(vae, X)
    n_used = 8 - int(found("unused-latents", diagnosis).split()[0])
    assert 1 <= n_used < 8
    assert not {"posterior-collapse", "few-rows"} & set(diagnosis.names)
    assert f"need only {n_used}" in diagnosis.findings[-1].remedy
    assert diagnosis.findings[-1] not in diagnosis.problems
    assert "- Note: " in str(diagnosis)


def test_worse_than_a_linear_model(X):
    vae = short(X[:800], epochs=4, batch_size=128)
    linear = vaelite.ProbabilisticPCA.fit(X[:800], 2).score(X[800:])
    less = linear - vae.score(X[800:])
    message = found("worse-than-a-linear-model", doctor(vae, X[:800], X[800:]))
    assert f"on held-out rows, {less:,.1f} less than probabilistic PCA with 2 latents" in message


@pytest.mark.parametrize(
    "likelihood", ["gaussian", "bernoulli", "continuous_bernoulli", Categorical(17)]
)
def test_worse_than_a_constant(X, likelihood):
    """A model before its first step."""
    rows = np.rint(16 * X) if isinstance(likelihood, Categorical) else X
    vae = vaelite.VAE(hidden_dim=8, likelihood=likelihood).build(64, rng=0)
    assert "on training rows" in found("worse-than-a-constant", doctor(vae, rows))


def test_codes_far_from_the_prior(X):
    vae = short(X, beta=0.01)
    mu, logsigma = vae.encode(X)
    k = int(np.argmax(exam_of(vae, X).information[1]))
    spread = np.sqrt(mu[:, k].var() + np.exp(2 * logsigma[:, k]).mean())
    message = found("codes-far-from-the-prior", doctor(vae, X))
    assert f"those of latent {k} have mean {mu[:, k].mean():.1f} and standard deviation" in message
    assert f"deviation {spread:.1f} over" in message


def test_overfitting_by_the_gap(X):
    vae = short(X[:200], latent_dim=8, hidden_dim=256, epochs=120)
    message = found("overfitting", doctor(vae, X[:200], X[200:500]))
    train, test = vae.score(X[:200]), vae.score(X[200:500])
    assert f"{train:,.1f} nats on training rows, but {test:,.1f} +- " in message
    rows = X[:200].astype(np.float64)
    constant = stats.norm(rows.mean(axis=0), (rows - rows.mean(axis=0)).std())
    gained = train - constant.logpdf(rows).sum(axis=1).mean()
    share = int(re.search(r"difference is (\d+)%", message)[1])
    assert share == pytest.approx(100 * (train - test) / gained, abs=2)
    assert "overfitting" not in doctor(vae, X[:200], X[:200]).names
    assert "Pass X_test to check for overfitting" in str(doctor(vae, X[:200]))


def test_overfitting_by_the_history(vae, X):
    """The rows that were kept last, although the test loss was lower before."""
    curve = [9.0, 5.0, 3.0, 4.5, 5.5]
    late = with_solution(vae, history={"test_loss": curve}, n_epochs=5, best_epoch=5)
    message = found("overfitting", doctor(late, X))
    assert "lowest in epoch 3; in epoch 5, which was kept, it is 2.5 nats larger" in message
    for kept, losses in ((3, curve), (5, [9.0, 5.0, 3.0, 2.9, 3.8])):
        early = with_solution(vae, history={"test_loss": losses}, n_epochs=5, best_epoch=kept)
        assert "overfitting" not in doctor(early, X).names


# What is measured.


def exam_of(vae, X, X_test=None, limit=None):
    return Exam(vae, *(None if x is None else examine(vae, x, limit=limit) for x in (X, X_test)))


def test_losses_are_the_scores(vae, X):
    assert examine(vae, X).loss == pytest.approx(-vae.score_samples(X), rel=1e-4, abs=1e-3)
    ae = vaelite.fit_autoencoder(X, hidden_dim=8, max_epochs=1, stopping="epochs", rng=0)
    assert examine(ae, X).loss == pytest.approx(ae.reconstruction_loss(X), rel=1e-4, abs=1e-3)


def test_the_kl_has_two_parts(vae, X):
    """What a code says about its row, and how far all codes are from the prior."""
    exam = exam_of(vae, X)
    about_rows, from_prior = exam.information
    assert about_rows + from_prior == pytest.approx(vaelite.elbo_parts(vae, X).kl.mean(axis=0))
    mean, sigma = exam.codes[0][0], np.sqrt(exam.codes[1][0])
    q, p = stats.norm(mean, sigma), stats.norm()
    kl, _ = integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), -12, 12)
    assert from_prior[0] == pytest.approx(kl, abs=1e-6)
    split = vaelite.kl_split(vae, X)
    assert about_rows.sum() > split.mutual_information - 3 * split.standard_error


def test_a_model_with_as_many_parameters_as_rows_has_no_advantage(rng):
    """Without held-out rows, pure noise looks better to probabilistic PCA than it is."""
    X = rng.standard_normal((60, 30))
    vae = vaelite.VAE(latent_dim=5, hidden_dim=2, likelihood=REAL).build(30, dtype="float64", rng=0)
    gain, _ = exam_of(vae, X).over_linear
    in_sample = vae.score(X) - vaelite.ProbabilisticPCA.fit(X, 5).score(X)
    assert gain == pytest.approx(in_sample + (30 * 6 + 1) / 60)
    others = rng.standard_normal((40, 30))
    gain, _ = exam_of(vae, X, others).over_linear
    linear = vaelite.ProbabilisticPCA.fit(X, 5).score(others)
    assert gain == pytest.approx(vae.score(others) - linear)


@pytest.mark.parametrize(("shape", "latent_dim"), [((30, 2), 2), ((2, 5), 3), ((30, 1001), 2)])
def test_a_linear_model_may_not_exist(rng, shape, latent_dim):
    """As many latents as columns, too few rows, and more columns than take a short time."""
    vae = vaelite.VAE(latent_dim, hidden_dim=2, likelihood=REAL).build(shape[1], rng=0)
    X = rng.standard_normal(shape)
    assert exam_of(vae, X).over_linear.startswith("needs")
    assert "few-rows" in doctor(vae, X, X[:1]).names


def test_rows_are_evenly_spaced(vae, X):
    many = np.concatenate([X] * 4)
    examined = examine(vae, many, limit=100)
    assert (examined.n, len(examined.loss)) == (len(many), 100)
    assert examined.numbers[[0, -1]].tolist() == [0, len(many) - 1]
    assert set(np.diff(examined.numbers)) <= {40, 41}
    np.testing.assert_array_equal(examined.x, many[examined.numbers])


def test_rows_of_a_subset_keep_their_numbers(vae, X):
    numbers = np.array([5, 300, 900])
    assert examine(vae, RowSubset(X, numbers)).numbers.tolist() == [5, 300, 900]


def test_losses_that_are_not_finite_are_a_finding(X):
    wild = X.astype(np.float32) - 0.5
    vae = short(wild, likelihood=Gaussian(mean="identity", sigma=0.1), epochs=2)
    wild[3] = 1e25
    assert "the worst is row 3, with inf nats" in found(
        "rows-that-dominate-the-loss", doctor(vae, wild)
    )


# Every kind of model.


def test_checkup_is_for_the_data_sets_of_a_fit(vae, X):
    whole = Dataset.checked(X, vae.likelihood, vae.backend)
    train, held_out = whole.split(0.1, np.random.default_rng(0))
    diagnosis = checkup(vae, train, held_out)
    assert "on held-out rows" in found("worse-than-a-linear-model", diagnosis)
    assert "overfitting" not in diagnosis.skipped
    assert "overfitting" in checkup(vae, train).skipped


def test_autoencoders_have_no_codes_to_check(X):
    settings = {"hidden_dim": 64, "max_epochs": 40, "stopping": "epochs", "rng": 0}
    ae = vaelite.fit_autoencoder(X, X[:100], **settings)
    diagnosis = doctor(ae, X, X[:100])
    assert set(diagnosis.names) <= {"not-converged"}
    assert {"unused latents", "codes far from the prior"} <= diagnosis.skipped.keys()
    assert (
        "worse-than-a-constant"
        in doctor(vaelite.Autoencoder(hidden_dim=8).build(64, rng=0), X).names
    )


def test_mean_field_models_are_checked(X):
    model = vaelite.MeanField(hidden_dim=32, max_epochs=30, rng=0).fit(X[:300])
    assert "not-converged" in doctor(model, X[:150]).names
    examined = examine(model, X[:300], q=(model.mu, model.logsigma))
    np.testing.assert_array_equal(examined.mu, model.mu)
    data = Dataset.checked(X[:300], model.likelihood, model.backend)
    assert "not-converged" in checkup(model, data).names


def test_conditional_models_are_checked(digits):
    X, y = (array[:500] for array in digits)
    C = np.eye(10, dtype=np.float32)[y]
    vae = short(X, condition=C, epochs=4)
    diagnosis = doctor(vae, X, X[:200], condition=C, condition_test=C[:200])
    assert "not-converged" in diagnosis.names
    loss = examine(vae, X, C).loss
    assert loss == pytest.approx(-vae.score_samples(X, condition=C), rel=1e-4, abs=1e-3)
    with pytest.raises(ValueError, match="pass condition_test="):
        doctor(vae, X, X[:200], condition=C)
    with pytest.raises(ValueError, match="condition_test is for X_test"):
        doctor(vae, X, condition=C, condition_test=C)


@pytest.mark.usefixtures("device")
def test_models_on_a_device_have_the_same_findings(X):
    here = short(X, epochs=3)
    there = vaelite.VAE(hidden_dim=64, backend="cupy")
    there.solution = here.solution
    assert doctor(there, X, X[:99]).names == doctor(here, X, X[:99]).names
    data = Dataset.checked(X, there.likelihood, get_backend("cupy")).held()
    parts = data.split(0.1, np.random.default_rng(0))
    assert checkup(there, *parts).names == doctor(here, X, X[:99]).names


def test_loaded_models_are_checked(vae, X, tmp_path):
    vae.save(tmp_path / "model.npz")
    assert doctor(vaelite.load(tmp_path / "model.npz"), X).names == doctor(vae, X).names


def test_models_that_were_not_fitted():
    X = np.zeros((5, 3))
    with pytest.raises(vaelite.NotFittedError):
        doctor(vaelite.VAE(), X)
    built = vaelite.VAE(hidden_dim=4).build(3, rng=0)
    assert doctor(built, X).skipped["convergence"] == "needs a history"
    with pytest.raises(ValueError, match="X_test has 2 features, but VAE is expecting 3"):
        doctor(built, X, X[:, :2])


def test_your_own_terms_leave_checks_out(X):
    import autograd.numpy as anp

    vae = short(X, epochs=1, neglogprior=lambda z: anp.sum(abs(z), axis=-1))
    assert {"unused latents", "codes far from the prior"} <= doctor(vae, X).skipped.keys()

    class Laplace(vaelite.Likelihood):
        def negloglikelihood(self, x, mu):
            return anp.sum(abs(x - mu), axis=-1)

    skipped = doctor(short(X, epochs=1, likelihood=Laplace()), X).skipped
    assert "worse than a constant or a linear model" in skipped
    assert {"sigma at the floor", "small scale"} <= skipped.keys()


# What is returned.


def test_a_diagnosis_is_a_list(vae, X):
    diagnosis = doctor(vae, X)
    assert [finding.name for finding in diagnosis] == list(diagnosis.names)
    assert (
        str(diagnosis).splitlines()[0] == f"{len(diagnosis.problems)} problems found by 8 checks."
    )
    assert all(f"\n- {finding}" in str(diagnosis) for finding in diagnosis)
    with pytest.raises(TypeError, match="healthy"):
        bool(diagnosis)


def test_a_finding_names_its_page():
    finding = vaelite.Finding("few-rows", "5 rows are few.", "Use more.")
    assert str(finding) == "5 rows are few. Use more. See docs/guide/doctor.md#few-rows."


def test_every_finding_has_a_section():
    source = Path(doctor.__code__.co_filename).read_text("utf-8")
    names = {*re.findall(r'Finding\(\s*"([a-z-]+)"', source)}
    names |= {"worse-than-a-constant", "worse-than-a-linear-model"}
    headings = re.findall(r"^## (.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(names) == 11
    assert {heading.lower().replace(" ", "-") for heading in headings} >= names
