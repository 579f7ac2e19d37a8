"""Helpers of several tests: finite differences, arguments for the terms, IDX files, a spy."""

import gzip
import struct

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.test_util import check_grads
from hypothesis import strategies as st

import vaelite


def check_each(cases, check):
    """Call ``check(*arguments)`` for each case by name; the error names all that fail."""
    failed = {}
    for name, arguments in cases.items():
        try:
            check(*arguments)
        except (Exception, pytest.fail.Exception) as error:
            failed[name] = error
    if failed:
        listed = "".join(f"\n{name}: {type(e).__name__}: {e}" for name, e in failed.items())
        first = next(iter(failed.values()))  # whose traceback is shown
        raise AssertionError(f"{len(failed)} of {len(cases)} cases fail:{listed}") from first


def for_each(paths):
    """Decorate a test of one path: it becomes a test of all, whose error names those that fail."""

    def decorated(check):
        def test():
            check_each({f"{path.parent.name}/{path.name}": [path] for path in paths}, check)

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorated


def finite_differences(function, array, step=1e-6):
    """The gradient of a scalar function of a float64 array, by central differences."""
    grad = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        shift = np.zeros_like(array)
        shift[index] = step
        grad[index] = (function(array + shift) - function(array - shift)) / (2 * step)
    return grad


def check_all_grads(function, *arguments, order=2):
    """Check first and second derivatives in each argument, and in all of them together.

    `check_grads` alone checks the first argument only. Squares make the second derivatives of a
    linear function differ from 0.
    """

    def squared(*arguments):
        return anp.sum(function(*arguments) ** 2)

    everything = tuple(range(len(arguments)))
    for argnum in (*everything, everything):
        for f in function, squared:
            check_grads(f, argnum, modes=["rev"], order=order)(*arguments)


@st.composite
def gaussian_arguments(draw, shapes=("scalar", "column", "full")):
    """(x, mu, logsigma) in float64, of random sizes; sigma is from e^-3 to e^3, in any shape."""
    batch, D = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = {"scalar": (), "column": (batch, 1), "full": (batch, D)}[draw(st.sampled_from(shapes))]
    x, mu = 3 * rng.standard_normal((2, batch, D))
    return x, mu, rng.uniform(-3, 3, shape)


IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
LABELS = np.array([7, 0, 9], np.uint8)


def idx(array, magic=None):
    """The bytes of an IDX file."""
    magic = bytes([0, 0, 8, array.ndim]) if magic is None else magic
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(folder, prefix="train", pack=False, images=None, labels=None):
    """Write two IDX files with MNIST's names: images and their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = images or idx(IMAGES), labels or idx(LABELS)
    for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
        name = f"{prefix}-{kind}-ubyte"
        (folder / (name + ".gz" * pack)).write_bytes(gzip.compress(content) if pack else content)


def spy_on_decoder(monkeypatch, latent_dim=2):
    """A list; every array of codes that a decoder gets from now on is added to it."""
    seen, call = [], vaelite.Dense.__call__

    def spy(network, params, h, heads):
        if h.shape[-1] == latent_dim:
            seen.append(h)
        return call(network, params, h, heads)

    monkeypatch.setattr(vaelite.Dense, "__call__", spy)
    return seen


OF_THE_MODEL = {
    *{"latent_dim", "hidden_dim", "activation", "init", "encoder", "decoder", "likelihood"},
    *{"negloglikelihood", "neglogprior", "neglogposterior", "reparameterize", "prior"},
    *{"dtype", "backend"},
}


def fit(model, X, **given):
    """Fit a model to rows with these settings, and the defaults of all others of a fit."""
    data = {
        name: given.pop(name) for name in ("X_test", "condition", "condition_test") if name in given
    }
    defaults = {name: getattr(type(model), name) for name in model.get_params(deep=False)}
    of_fit = {name: value for name, value in defaults.items() if name not in OF_THE_MODEL}
    return model.set_params(**{**of_fit, **given}).fit(X, **data)
