"""Bad input: each raises an error that says what is wrong and what to do."""

import inspect

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.tracer import getval
from scipy import sparse

import vaelite

GOOD = np.random.default_rng(0).random((40, 4))
NAN = GOOD.copy()
NAN[3, 2] = np.nan
INFINITE = GOOD.copy()
INFINITE[5, 1] = np.inf
HUGE = GOOD.copy()
HUGE[7, 0] = 1e300


class OnADevice:
    """The public attributes of a CuPy array."""

    shape, dtype, device = (40, 4), np.dtype(np.float32), 0

    def __getitem__(self, rows):
        raise TypeError

    def get(self):
        return GOOD


DATA = [
    (GOOD[0], ValueError, "Expected 2D array, got 1D array instead.*reshape"),
    (3.0, ValueError, "Expected 2D array, got scalar"),
    (GOOD.reshape(10, 4, 4), ValueError, "flatten"),
    (GOOD[:0], ValueError, r"0 sample\(s\)"),
    (GOOD[:, :0], ValueError, r"0 feature\(s\)"),
    (NAN, ValueError, "NaN.*row 3, column 2"),
    (INFINITE, ValueError, "infinity.*row 5, column 1"),
    (GOOD + 0j, ValueError, "complex"),
    (np.array([[{}]]), TypeError, "object"),
    (np.array([["a", "b"]]), ValueError, "real numbers"),
    ([[1.0, 2.0], [3.0]], ValueError, "one length"),
    (sparse.csr_array(GOOD), TypeError, r"toarray\(\)"),
    (np.ma.masked_array(GOOD, GOOD > 0.5), ValueError, "masked"),
    (OnADevice(), TypeError, r"X\.get\(\)"),
    (GOOD * 255, ValueError, "divide by 255"),
    (GOOD - 0.5, ValueError, "identity"),
    ((GOOD > 0.5).astype(np.uint8), ValueError, "largest value is 1"),
    (GOOD[:5], ValueError, "too few to hold out"),
    (None, TypeError, "got None"),
]
SETTINGS = [
    ({"latent_dim": 0}, ValueError, "latent_dim should be 1 or more, got 0"),
    ({"latent_dim": 2.0}, TypeError, "latent_dim should be an int, got 2.0"),
    ({"latent_dim": True}, TypeError, "latent_dim should be an int"),
    ({"hidden_dim": (8, 0)}, ValueError, "hidden_dim should be 1 or more"),
    ({"hidden_dim": "8"}, TypeError, "hidden_dim should be an int"),
    ({"batch_size": 0}, ValueError, "batch_size"),
    ({"learning_rate": 0}, ValueError, "learning_rate should be above 0"),
    ({"learning_rate": float("nan")}, ValueError, "learning_rate"),
    ({"learning_rate": "fast"}, TypeError, "learning_rate should be a number"),
    ({"tol": -1}, ValueError, "tol should be 0 or more"),
    ({"stopping": "epochs", "tol": 1}, ValueError, "tol"),
    ({"max_epochs": 0}, ValueError, "max_epochs"),
    ({"patience": 0}, ValueError, "patience"),
    ({"log_every": 0}, ValueError, "log_every"),
    ({"rng": "a"}, ValueError, "rng should be"),
    ({"rng": -1}, ValueError, "rng should be"),
    ({"dtype": int}, ValueError, "float32 or float64"),
    ({"dtype": "float16"}, ValueError, "float32 or float64"),
    ({"dtype": "decimal"}, ValueError, "float32 or float64"),
    ({"likelihood": "gausian"}, ValueError, "did you mean 'gaussian'"),
    ({"likelihood": 3}, TypeError, "likelihood"),
    ({"activation": "gelu"}, ValueError, "'relu', 'tanh', 'softplus'"),
    ({"stopping": "never"}, ValueError, "'heldout', 'lecture', 'epochs'"),
    ({"latent_dims": 3}, TypeError, "did you mean 'latent_dim'"),
    ({"validation_fraction": 0}, ValueError, "validation_fraction"),
    ({"validation_fraction": 1}, ValueError, "validation_fraction"),
    ({"callbacks": 3}, TypeError, "callback"),
    ({"callbacks": [print, "x"]}, TypeError, "callable"),
    ({"neglogprior": 3}, TypeError, "neglogprior should be callable"),
    ({"progress": "loud"}, ValueError, "progress should be"),
]


@pytest.mark.parametrize(("X", "error", "message"), DATA)
def test_data_that_cannot_be_fitted(X, error, message):
    with pytest.raises(error, match=message):
        vaelite.fit(X, max_epochs=1)


def test_a_value_too_large_for_float32():
    with pytest.raises(ValueError, match="too large for dtype.*row 7, column 0"):
        vaelite.fit(HUGE, dtype="float32", likelihood=vaelite.Gaussian(mean="identity"))


@pytest.mark.parametrize(("settings", "error", "message"), SETTINGS, ids=str)
def test_settings_that_cannot_work(settings, error, message):
    with pytest.raises(error, match=message):
        vaelite.fit(GOOD, **{"max_epochs": 1, "batch_size": 10, **settings})


def test_a_batch_size_above_the_rows_warns():
    with pytest.warns(UserWarning, match="batch_size=100 is above the 40 rows"):
        vaelite.fit(GOOD, batch_size=100, max_epochs=1, stopping="epochs")


def test_a_constant_grey_level_warns_if_each_pixel_has_its_sigma():
    X = (GOOD * 255).astype(np.uint8)
    X[:, 2] = 7
    with pytest.warns(UserWarning, match="1 of 4 features are constant.*column 2"):
        vaelite.fit(X, likelihood=vaelite.Gaussian(sigma="pixel"), max_epochs=1, stopping="epochs")


def test_small_uint8_values_warn():
    with pytest.warns(UserWarning, match="largest value is 16"):
        vaelite.fit((GOOD * 16.9).astype(np.uint8), batch_size=10, max_epochs=1, stopping="epochs")


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("encode", GOOD),
        ("decode", np.zeros((1, 2))),
        ("sample", 1),
        ("score", GOOD),
        ("reconstruct", GOOD),
        ("save", "x.npz"),
    ],
)
def test_before_fit(method, argument):
    with pytest.raises(vaelite.NotFittedError, match="not fitted"):
        getattr(vaelite.VAE(), method)(argument)
    assert issubclass(vaelite.NotFittedError, (ValueError, AttributeError))


TOO_FEW = "X has 10 features, but VAE is expecting 64 features as input"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda v: v.encode(np.zeros((3, 10))), ValueError, TOO_FEW),
        (lambda v: v.decode(np.zeros((3, 3))), ValueError, "z has 3 features"),
        (lambda v: v.decode([[0.0, np.nan]]), ValueError, "z contains NaN.*row 0, column 1"),
        (lambda v: v.decode(np.zeros(2)), ValueError, "1D"),
        (lambda v: v.sample(-1), ValueError, "n should be 0 or more"),
        (lambda v: v.sample(2.5), TypeError, "n should be an int"),
        (lambda v: v.sample(True), TypeError, "n should be an int"),
        (lambda v: v.sample(2, rng="a"), ValueError, "rng should be"),
    ],
)
def test_calls_that_cannot_work(vae, call, error, message):
    with pytest.raises(error, match=message):
        call(vae)


NO_AXIS = r"negloglikelihood.*\(3,\).*got shape \(\).*axis=-1"


@pytest.mark.parametrize(
    ("term", "error", "message"),
    [
        (lambda x, mu, s: anp.sum((x - mu) ** 2), ValueError, NO_AXIS),
        (lambda x, mu, s: (x - mu) ** 2 + s, ValueError, r"got shape \(3, 4\)"),
        (lambda x, mu, s: s * anp.sum((x - mu) ** 2, axis=1), ValueError, r"got shape \(3, 3\)"),
        (lambda x, mu, s: np.array([float(m[0]) for m in mu]), TypeError, r"autograd\.numpy"),
    ],
)
def test_a_students_mistake_is_explained(term, error, message):
    with pytest.raises(error, match=message):
        vaelite.fit(GOOD, negloglikelihood=term, max_epochs=1, batch_size=10)


def test_a_loss_without_sigma_warns_that_it_will_not_be_trained():
    def squared_error(x, mu, logsigma):
        return anp.sum((x - mu) ** 2, axis=1)

    settings = {"max_epochs": 1, "batch_size": 10, "stopping": "epochs"}
    message = r"does not depend on decoder\.logsigma\.W, decoder\.logsigma\.b"
    with pytest.warns(UserWarning, match=message):
        vaelite.fit(GOOD, negloglikelihood=squared_error, **settings)


@pytest.mark.parametrize(
    ("off_tape", "missing"),
    [
        (lambda mu, logsigma, eps: getval(mu) + np.exp(getval(logsigma)) * eps, "mu and logsigma"),
        (lambda mu, logsigma, eps: mu + np.exp(getval(logsigma)) * eps, "logsigma"),
    ],
)
def test_a_sample_off_the_tape(off_tape, missing):
    message = f"no derivative passes through reparameterize to {missing}:"
    with pytest.warns(UserWarning, match=message):
        vaelite.fit(GOOD, reparameterize=off_tape, max_epochs=1, batch_size=10, stopping="epochs")


def test_terms_that_overflow_end_with_one_error():
    def overflowing(z):
        return anp.exp(1000 + anp.sum(z * z, axis=1))

    # a warning before the error would fail the test
    with pytest.raises(vaelite.TrainingError, match="neglogprior is not finite"):
        vaelite.fit(GOOD, neglogprior=overflowing, max_epochs=1, batch_size=10, stopping="epochs")


def test_a_pytorch_tensor_is_refused():
    tensor = type("Tensor", (np.ndarray,), {"__module__": "torch"})
    with pytest.raises(TypeError, match=r"X is a PyTorch tensor; pass X\.numpy\(\)"):
        vaelite.fit(GOOD.view(tensor))


def test_a_failed_fit_leaves_a_fitted_model_as_it_was(digits, quick):
    settings = {name: value for name, value in quick.items() if name != "hidden_dim"}
    model = vaelite.VAE(hidden_dim=8).fit(digits[0], **settings)
    before = model.score(digits[0])
    with pytest.raises(ValueError, match="NaN"):
        model.fit(NAN, **settings)
    assert model.score(digits[0]) == before


@pytest.mark.parametrize("method", ["encode", "score", "score_samples", "reconstruct"])
def test_data_on_another_scale_than_the_fit_are_refused(vae, digits, method):
    with pytest.raises(ValueError, match="divide by 255"):
        getattr(vae, method)(digits[0] * 255)


def test_grey_levels_are_checked_in_all_rows(monkeypatch):
    monkeypatch.setattr(vaelite.data.checks, "CHUNK_BYTES", 40)
    X = np.ones((100, 4), np.uint8)
    X[-1] = 255
    vaelite.fit(X, batch_size=10, max_epochs=1, stopping="epochs")


def sum_over_rows(x, mu, logsigma):
    return anp.sum(x - mu + logsigma, axis=0)


def number_per_row(mu, logsigma, eps):
    return anp.sum(mu, axis=1)


NO_ARGUMENT = r"neglogprior\(z\) failed on arrays of shapes \(3, 2\)"
SUM_OF_LATENTS = {"latent_dim": 3, "neglogprior": lambda z: anp.sum(z, axis=0)}


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"likelihood": vaelite.Gaussian}, TypeError, r"pass Gaussian\(\)"),
        ({"neglogprior": lambda z: None}, ValueError, "neglogprior returned None"),
        ({"neglogprior": lambda: 0}, TypeError, NO_ARGUMENT),
        ({"neglogprior": lambda z: anp.sum(z, axis=1) + 0j}, ValueError, "complex"),
        ({"reparameterize": number_per_row}, ValueError, "reparameterize should return one code"),
        ({"negloglikelihood": sum_over_rows}, ValueError, r"negloglikelihood.*axis=-1"),
        (SUM_OF_LATENTS, ValueError, r"neglogprior.*axis=-1"),
    ],
)
def test_more_mistakes(settings, error, message):
    with pytest.raises(error, match=message):
        vaelite.fit(GOOD, **{"max_epochs": 1, "batch_size": 10, **settings})


def test_warnings_name_the_users_line():
    with pytest.warns(UserWarning, match="batch_size") as raised:
        vaelite.fit(GOOD, batch_size=100, max_epochs=1, stopping="epochs")
    assert raised[0].filename == __file__


def test_the_default_batch_size_works_with_few_rows():
    vaelite.fit(GOOD, max_epochs=1, stopping="epochs")


def test_help_shows_the_signatures_of_the_terms():
    parameters = inspect.signature(vaelite.negloglikelihood).parameters
    assert list(parameters) == ["x", "mu", "logsigma", "normalized"]
