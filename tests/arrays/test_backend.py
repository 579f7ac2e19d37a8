"""The same terms, gradients and fits on a device.

The device is a stand-in that refuses silent copies. On a machine with a GPU, use CuPy:

    VAELITE_DEVICE=cupy python -m pytest tests/arrays/test_backend.py
"""

import importlib
import itertools
import os
import sys
import warnings

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from helpers import check_each
from hypothesis import given, settings
from hypothesis import strategies as st

import vaelite
from vaelite import training
from vaelite.arrays import backend, dispatch
from vaelite.gradient import value_and_grad

NAME = os.environ.get("VAELITE_DEVICE", "stand-in")
RNG = np.random.default_rng(0)


pytestmark = pytest.mark.usefixtures("device")


@pytest.fixture(scope="module")
def few(digits):
    """400 images: enough for a fit of several batches."""
    return digits[0][:400]


def on_both(function, *arrays):
    """A function's result in NumPy, and its result on the device, copied to the host."""
    to_device = backend.get_backend("cupy").to_device
    here, there = function(*arrays), function(*map(to_device, arrays))
    assert dispatch.on_device(there), "the result is on the host"
    return here, dispatch.to_host(there)


def check(function, *arrays):
    """The value and the gradient in every argument equal NumPy's, in the same dtype."""
    here, there = on_both(function, *arrays)
    assert there == pytest.approx(here, rel=1e-6, abs=1e-6)
    assert there.dtype == here.dtype
    weights = np.cos(np.arange(np.size(here))).reshape(np.shape(here)).astype(arrays[0].dtype)
    names = [f"x{i}" for i in range(len(arrays))]
    to_device = backend.get_backend("cupy").to_device

    def gradient(move):
        moved = move(weights)

        def total(params):
            return vaelite.ops.mean(function(*(params[name] for name in names)) * moved)

        params = {name: move(array) for name, array in zip(names, arrays, strict=True)}
        return value_and_grad(total)(params)[1]

    ours, theirs = gradient(lambda array: array), gradient(to_device)
    for name in names:
        assert dispatch.on_device(theirs[name])
        assert theirs[name].dtype == ours[name].dtype
        assert dispatch.to_host(theirs[name]) == pytest.approx(ours[name], rel=1e-5, abs=1e-6), name


X, MU = RNG.standard_normal((2, 5, 3)).astype(np.float32)
COLUMN = RNG.uniform(-1, 1, (5, 1)).astype(np.float32)
W, B = RNG.standard_normal((3, 4)).astype(np.float32), RNG.standard_normal(4).astype(np.float32)
POSITIVE = np.abs(X) + 0.5


BUILDING_BLOCKS = [
    (vaelite.negloglikelihood, (X, MU, COLUMN)),
    (vaelite.negloglikelihood, (X, MU, X)),
    (vaelite.neglogposterior, (X, MU, MU)),
    (vaelite.neglogprior, (X,)),
    (vaelite.reparameterize, (X, MU, X)),
    (vaelite.kl_divergence, (X, MU)),
    (vaelite.Bernoulli().negloglikelihood, (POSITIVE / 4, X)),
    (vaelite.ContinuousBernoulli().negloglikelihood, (POSITIVE / 4, X)),
    (vaelite.ops.affine, (X, W, B)),
    *((function, (X,)) for function in vaelite.ops.ACTIVATIONS.values()),
    (vaelite.ops.logistic, (X,)),
    (vaelite.ops.logmeanexp, (X,)),
    (vaelite.ops.sum_of_squares, (X,)),
    (lambda x: vaelite.ops.copies(x, 3), (X,)),
    (lambda x: vaelite.ops.reshape(x, (3, 5)), (X,)),
    (lambda x: vaelite.ops.cast(x, np.float32), (X,)),
]


def check_calls(calls):
    """`check` for each (function, arrays); the error names the functions by their lines."""
    check_each(
        {
            f"{n}: {place(function)}": (function, *arrays)
            for n, (function, arrays) in enumerate(calls)
        },
        check,
    )


def place(function):
    code = getattr(function, "__code__", None)
    return f"{function.__name__}, line {code.co_firstlineno}" if code else function.__name__


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_terms_and_building_blocks(dtype):
    check_calls(
        [
            (function, [array.astype(dtype) for array in arrays])
            for function, arrays in BUILDING_BLOCKS
        ]
    )


AUTOGRADS_NUMPY = [
    (lambda x: anp.sum(x, axis=1), (X,)),
    (lambda x: anp.sum(x, axis=(0, 1)), (X,)),
    (lambda x: anp.sum(x), (X,)),
    (lambda x: anp.sum(x, axis=-1, keepdims=True), (X,)),
    (lambda x: anp.mean(x, axis=0), (X,)),
    (lambda x: anp.mean(x), (X,)),
    (anp.exp, (X,)),
    (anp.log, (POSITIVE,)),
    (anp.sqrt, (POSITIVE,)),
    (anp.tanh, (X,)),
    (anp.abs, (X,)),
    (anp.matmul, (X, W)),
    (anp.dot, (X, W)),
    (anp.dot, (X, W[:, 0])),
    (anp.dot, (W[:, 0], W)),
    (anp.dot, (W[:, 0], W[:, 1])),
    (lambda x, y: anp.where(x > 0, x, y), (X, MU)),
    (lambda x: anp.where(x > 0, x, 0.0), (X,)),
    (anp.maximum, (X, MU)),
    (lambda x: anp.maximum(x, 0), (X,)),
    (lambda x: anp.clip(x, -0.5, 0.5), (X,)),
    (anp.logaddexp, (X, MU)),
    (lambda x: anp.logaddexp(0, x), (X,)),
    (lambda x: x[1:3, 0], (X,)),
    (lambda x: x[..., None] * x[:, None, :], (X,)),
    (lambda x: x[[0, 2, 2]], (X,)),
    (lambda x, y: anp.concatenate([x, y, x], axis=0), (X, MU)),
    (lambda x, y: anp.concatenate([x, y], axis=1), (X, MU)),
    (lambda x: anp.reshape(x, (3, -1)), (X,)),
    (lambda x: x.reshape(15) if not hasattr(x, "_value") else anp.ravel(x), (X,)),
    (lambda x, y: x / y - x * y + x**2, (X, POSITIVE)),
    (lambda x: anp.sum((x - anp.mean(x, axis=1, keepdims=True)) ** 2, axis=1), (X,)),
    (lambda x: anp.var(x, axis=1), (X.astype(np.float64),)),
    (lambda x: x**3, (X,)),
    (lambda x: 2.0**x, (X,)),
    (lambda x, y: x**y, (POSITIVE, MU)),
    (lambda x: x**0, (X,)),
]


def test_functions_of_autograds_numpy():
    check_calls(AUTOGRADS_NUMPY)


@settings(max_examples=50)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)),
    axis=st.sampled_from([0, 1, 2, -1, (0, 2), None]),
    keep=st.booleans(),
)
def test_sums_over_any_axes(shape, axis, keep):
    x = np.arange(float(np.prod(shape))).reshape(shape) / 7
    check(lambda x: anp.sum(x, axis=axis, keepdims=keep), x)


def test_categorical():
    levels, logits = np.array([[0.0, 2], [1, 1]]), RNG.standard_normal((2, 2, 3))
    levels_there = backend.get_backend("cupy").to_device(levels)

    def nll(logits):
        x = levels_there if dispatch.on_device(logits) else levels
        return vaelite.Categorical(3).negloglikelihood(x, logits)

    check(nll, logits)


OBJECTIVES = [{}, {"kl": "analytic"}, {"beta": 0.3}, {"importance_samples": 3}]


LIKELIHOODS = [
    vaelite.Gaussian(),
    vaelite.Gaussian(sigma="shared"),
    vaelite.Gaussian(sigma=0.3),
    vaelite.Bernoulli(),
    vaelite.ContinuousBernoulli(),
    vaelite.Categorical(4),
]


def test_losses_and_gradients_of_every_objective():
    pairs = itertools.product(OBJECTIVES, LIKELIHOODS)
    check_each(
        {f"{settings}, {likelihood}": (settings, likelihood) for settings, likelihood in pairs},
        check_objective,
    )


def check_objective(settings, likelihood):
    vae = vaelite.VAE(2, (6, 5), likelihood=likelihood).build(3, np.float64, rng=0)
    x = RNG.integers(2, size=(4, 3)).astype(float)
    eps = RNG.standard_normal((*((3,) if "importance_samples" in settings else ()), 4, 2))
    objective, to_device = vae.loss(**settings), backend.get_backend("cupy").to_device
    loss, grads = value_and_grad(objective)(vae.params, x, eps)
    moved = {name: to_device(array) for name, array in vae.params.items()}
    loss_there, grads_there = value_and_grad(objective)(moved, to_device(x), to_device(eps))
    assert float(loss_there) == pytest.approx(float(loss))
    for name, grad in grads.items():
        assert dispatch.to_host(grads_there[name]) == pytest.approx(grad, rel=1e-8, abs=1e-10), name


@pytest.mark.parametrize("stopping", ["epochs", "heldout", "lecture"])
@pytest.mark.parametrize("kind", [vaelite.VAE, vaelite.Autoencoder])
def test_a_fit_is_the_fit_in_numpy(kind, stopping, few, quick, tmp_path):
    X = few
    fit = {name: quick[name] for name in ("max_epochs", "rng")} | {"stopping": stopping}
    models = [kind(hidden_dim=32, backend=name) for name in ("cupy", "numpy")]
    with warnings.catch_warnings(action="ignore", category=vaelite.ConvergenceWarning):
        there, here = (model.set_params(**fit).fit(X, X_test=X[:100]) for model in models)
    for name in ("train_loss", "test_loss", "test_nll"):
        assert there.history[name] == pytest.approx(here.history[name], rel=1e-3)
    assert all(isinstance(array, np.ndarray) for array in there.params.values())
    found, expected = ((m.codes(X), *m.decode(np.zeros((3, 2)))) for m in (there, here))
    for a, b in zip(found, expected, strict=True):
        assert isinstance(a, np.ndarray)
        assert a == pytest.approx(b, rel=0.05, abs=0.05)
    score = kind.score if kind is vaelite.VAE else kind.reconstruction_loss
    assert np.mean(score(there, X)) == pytest.approx(np.mean(score(here, X)), abs=0.5)
    assert isinstance(there.sample(3, rng=0), np.ndarray)
    assert isinstance(there.reconstruct(X[:3]), np.ndarray)
    there.save(tmp_path / "model.npz")
    loaded = vaelite.load(tmp_path / "model.npz", backend="cupy")
    for model in (loaded, vaelite.load(tmp_path / "model.npz")):
        assert score(model, X) == pytest.approx(score(there, X), rel=1e-4)


def test_grey_levels_and_data_that_do_not_fit_on_the_device(few, quick, monkeypatch, device):
    grey = (few * 255).astype(np.uint8)
    held = vaelite.fit(grey, **quick, backend="cupy").history["train_loss"]
    monkeypatch.setattr(backend, "SHARE", 0.0)
    batch_by_batch = vaelite.fit(grey, **quick, backend="cupy").history["train_loss"]
    assert held == pytest.approx(batch_by_batch, rel=1e-5)
    on_the_host = vaelite.fit(grey, **quick).history["train_loss"]
    assert held == pytest.approx(on_the_host, rel=1e-3)


def test_a_custom_term(few, quick):
    def neglogprior(z):
        return anp.sum(z * z / 2 + 0.5 * anp.log(2 * anp.pi), axis=1)

    there, here = (
        vaelite.fit(few, **quick, neglogprior=neglogprior, backend=name)
        for name in ("cupy", "numpy")
    )
    assert there.history["train_loss"] == pytest.approx(here.history["train_loss"], rel=1e-3)


class Laplace(vaelite.Likelihood):
    """The likelihood of `vaelite.likelihoods`' docstring: ``x`` is data, ``mu`` is on the tape."""

    def negloglikelihood(self, x, mu):
        return anp.sum(abs(x - mu) + anp.log(2.0), axis=-1)


def test_a_custom_likelihood(few, quick):
    there, here = (
        vaelite.fit(few, **quick, likelihood=Laplace(), backend=name) for name in ("cupy", "numpy")
    )
    assert there.history["train_loss"] == pytest.approx(here.history["train_loss"], rel=1e-3)


def test_data_of_another_byte_order_move_batch_by_batch(few, quick, device):
    X = few.astype(">f4")
    assert backend.get_backend("cupy").hold(X) is X
    there, here = (vaelite.fit(X, **quick, backend=name) for name in ("cupy", "numpy"))
    assert there.history["train_loss"] == pytest.approx(here.history["train_loss"], rel=1e-3)


def test_diagnostics_and_callbacks(few, quick):
    seen = []

    def score(vae, state):
        seen.append(vae.score(few[:50]))

    vae = vaelite.fit(few, **quick, backend="cupy", callbacks=score)
    assert len(seen) == 4
    assert seen[-1] > seen[0]
    assert vaelite.log_evidence(vae, few[:5], 20).value.mean() > vae.score(few[:5]) - 5
    assert "nats per image" in str(vaelite.ledger(vae, few[:50]))


def test_a_loss_that_is_not_finite_is_seen_within_fifty_steps(digits, quick):
    with (
        pytest.warns(vaelite.FitWarning, match="is not finite; .*; trying it again"),
        pytest.raises(vaelite.TrainingError, match="is not finite"),
    ):
        vaelite.fit(digits[0], **quick, learning_rate=1e15, backend="cupy")


# Only for the stand-in

STAND_IN = pytest.mark.skipif(NAME == "cupy", reason="counts what the stand-in counts")


@STAND_IN
def test_a_step_neither_copies_to_the_host_nor_waits_for_the_device(device):
    vae = vaelite.VAE(2, 16).build(5, rng=0)
    to_device = backend.get_backend("cupy").to_device
    params = {name: to_device(array) for name, array in vae.params.items()}
    x = to_device(RNG.random((8, 5), dtype=np.float32))
    eps = to_device(RNG.standard_normal((8, 2), dtype=np.float32))
    objective, adam = vae.loss(), vaelite.Adam()
    training.step(objective, params, adam, x, eps)  # the first step checks that all is finite
    device.transfers.update({"to host": 0, "to device": 0})
    device.waits.clear()
    for _ in range(dispatch.CHECK_EVERY - 1):
        loss = training.step(objective, params, adam, x, eps)
    assert device.transfers == {"to host": 0, "to device": 0}
    assert device.waits == []
    training.step(objective, params, adam, x, eps)
    assert device.waits != []
    assert float(loss) > 0


@STAND_IN
@pytest.mark.parametrize(
    "mistake",
    [
        lambda x: np.asarray(x) * 1.0,
        lambda x: np.add(x, np.zeros(x.shape, np.float32)),
        lambda x: np.sum(x, axis=1, initial=np.ones(1)[0]) + np.zeros(5, np.float32),
        lambda x: np.vecdot(x, x),
        lambda x: np.histogram(x),
        lambda x: np.ones(5, np.float32) + x[:, 0],
    ],
)
def test_one_silent_copy_to_the_host_is_refused(mistake, device):
    with pytest.raises(TypeError):
        mistake(backend.get_backend("cupy").to_device(X))


@STAND_IN
@pytest.mark.parametrize(
    ("module", "name", "mistake"),
    [
        ("vaelite.ops", "sum_of_squares", lambda x: np.sum(np.asarray(x) ** 2, axis=-1)),
        ("vaelite.networks.base", "full", lambda x, shape, value: np.full(shape, value, x.dtype)),
    ],
)
def test_a_fit_with_one_copy_to_the_host_fails(module, name, mistake, monkeypatch):
    """The same fit that passes above, with one array made on the host."""
    monkeypatch.setattr(importlib.import_module(module), name, mistake)
    if module == "vaelite.ops":
        monkeypatch.setattr("vaelite.terms.sum_of_squares", mistake)
    model = {"hidden_dim": 4, "likelihood": vaelite.Gaussian(sigma="shared"), "backend": "cupy"}
    with pytest.raises(TypeError):
        vaelite.fit(RNG.random((50, 4)), **model, max_epochs=1, stopping="epochs", progress=False)


@STAND_IN
def test_autograd_without_vaelites_change_makes_host_arrays(device, monkeypatch):
    """autograd's own derivative of a sum mixes host and device."""
    from autograd.numpy import numpy_vjps

    def repeat(g, shape, dtype, axis, keepdims):
        return g + np.zeros(shape, dtype), 1

    monkeypatch.setattr(numpy_vjps, "repeat_to_match_shape", repeat)
    with pytest.raises(TypeError):
        autograd.grad(lambda x: anp.sum(x))(backend.get_backend("cupy").to_device(X))


# The choice of a backend


def test_inference_for_a_conditional_model(digits, quick):
    X, C = digits[0][:60], np.eye(10, dtype=np.float32)[digits[1][:60]]
    vae = vaelite.fit(X, condition=C, **quick, backend="cupy")
    assert vaelite.infer(vae, X, condition=C, n_steps=3)[0].shape == (60, 2)
    assert vaelite.log_evidence(vae, X, 20, condition=C).value.shape == (60,)
    assert vaelite.elbo_parts(vae, X, condition=C).kl.shape == (60, 2)
    score = vae.score(X, condition=C)
    found = vaelite.ledger(vae, X, condition=C)
    assert sum(found.terms.values()) == pytest.approx(-score, rel=1e-3)


def test_progress_names_the_backend(digits, quick, capsys):
    vaelite.fit(digits[0][:200], **quick, backend="cupy", progress=True)
    assert capsys.readouterr().out.startswith("> backend = cupy\n")


def test_auto_takes_the_gpu_if_there_is_one(device, monkeypatch):
    assert backend.get_backend("auto").name == "cupy"
    if NAME != "cupy":
        monkeypatch.setattr(device.cuda.runtime, "getDeviceCount", lambda: 0)
        assert backend.get_backend("auto").name == "numpy"
        with pytest.raises(RuntimeError, match="finds no GPU"):
            backend.get_backend("cupy")


def test_without_cupy_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"vaelite\[gpu-cuda12\]"):
        vaelite.VAE(backend="cupy")
    assert vaelite.VAE(backend="auto").backend.name == "numpy"
    with pytest.raises(ValueError, match="'numpy', 'cupy', 'auto'"):
        vaelite.VAE(backend="torch")


def test_a_meanfield_model_refuses_a_gpu(digits):
    with pytest.raises(ValueError, match="NumPy only"):
        vaelite.MeanField(backend="cupy").fit(digits[0])


def test_adam_updates_arrays_of_any_layout(device, rng):
    w, g = rng.standard_normal((2, 3, 4))
    params = {"w": device.asarray(w.copy("F"))}
    expected, adams = {"w": w.copy()}, (vaelite.Adam(), vaelite.Adam())
    for _ in range(3):
        adams[0].update(params, {"w": device.asarray(g)})
        adams[1].update(expected, {"w": g})
    assert device.asnumpy(params["w"]) == pytest.approx(expected["w"], rel=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
def test_sums_over_rows(device, order, rng):
    x = np.asarray(rng.standard_normal((3, 20_000)), order=order)
    for op in vaelite.ops.row_sums, vaelite.ops.sum_of_squares:
        assert device.asnumpy(op(device.asarray(x))) == pytest.approx(op(x), rel=1e-12)
