"""Bad input: each raises an error that says what is wrong and what to do.

`BAD_INPUT` has one row per mistake. A row's call should raise its error before any training
step, in one short message, and change nothing: no model, no data, no file.
"""

import inspect
import io
import json
import pickle
import re
import sys
import warnings
import zipfile
from types import SimpleNamespace
from unittest import mock

import autograd.numpy as anp
import numpy as np
import pytest
from autograd.tracer import getval
from helpers import IMAGES, idx, write_pair
from helpers import LABELS as IDX_LABELS
from scipy import sparse

import vaelite
from vaelite import plots

GOOD = np.random.default_rng(0).random((40, 4))
LABELS = np.arange(40) % 3
ONE_HOT = np.eye(3)[LABELS]
IDENTITY = vaelite.Gaussian(mean="identity")


def changed(index, value):
    X = GOOD.copy()
    X[index] = value
    return X


class OnADevice:
    """The public attributes of a CuPy array."""

    shape, dtype, device = (40, 4), np.dtype(np.float32), 0

    def __getitem__(self, rows):
        raise TypeError

    def get(self):
        return GOOD


class Callback:
    """A class that should have been an object."""


def fit(X=GOOD, *arguments, **settings):
    return vaelite.fit(X, *arguments, **{"max_epochs": 1, "batch_size": 10, **settings})


def gradient_of(params):
    return vaelite.value_and_grad(lambda p: anp.sum(p["w"] ** 2))(params)


def sum_over_rows(x, mu, logsigma):
    return anp.sum(x - mu + logsigma, axis=0)


def number_per_row(mu, logsigma, eps):
    return anp.sum(mu, axis=1)


NO_AXIS = r"negloglikelihood.*\(3,\).*got shape \(\).*axis=-1"
NO_ARGUMENT = r"neglogprior\(z\) failed on arrays of shapes \(3, 2\)"
AS_VAE = "a setting of vaelite.fit, which trains a VAE"
TEXT = "should be an array of numbers.*got"

DATA = {
    "a 1-D array": (lambda: fit(GOOD[0]), ValueError, "Expected 2D array, got 1D.*reshape"),
    "a scalar": (lambda: fit(3.0), ValueError, "Expected 2D array, got scalar"),
    "images of 3 axes": (
        lambda: fit(GOOD.reshape(10, 4, 4)),
        ValueError,
        r"flatten.*X\.reshape\(len\(X\), -1\)",
    ),
    "a list of images": (
        lambda: fit(list(GOOD.reshape(10, 4, 4))),
        ValueError,
        r"np\.stack\(X\)\.reshape\(len\(X\), -1\)",
    ),
    "images of different sizes": (
        lambda: fit([np.ones((2, 2)), np.ones((3, 2))]),
        ValueError,
        "one length",
    ),
    "no rows": (lambda: fit(GOOD[:0]), ValueError, r"0 sample\(s\)"),
    "no columns": (lambda: fit(GOOD[:, :0]), ValueError, r"0 feature\(s\)"),
    "NaN": (lambda: fit(changed((3, 2), np.nan)), ValueError, "NaN.*row 3, column 2"),
    "infinity": (lambda: fit(changed((5, 1), np.inf)), ValueError, "infinity.*row 5, column 1"),
    "too large for float32": (
        lambda: fit(changed((7, 0), 1e300), dtype="float32", likelihood=IDENTITY),
        ValueError,
        "too large for dtype.*row 7, column 0",
    ),
    "complex numbers": (lambda: fit(GOOD + 0j), ValueError, "complex"),
    "an array of objects": (lambda: fit(np.array([[{}]])), TypeError, "object"),
    "an array of text": (lambda: fit(np.array([["a", "b"]])), ValueError, "real numbers"),
    "dates": (lambda: fit(GOOD.astype("datetime64[s]")), ValueError, "real numbers"),
    "ragged lists": (lambda: fit([[1.0, 2.0], [3.0]]), ValueError, "one length"),
    "a sparse matrix": (lambda: fit(sparse.csr_array(GOOD)), TypeError, r"toarray\(\)"),
    "a masked array": (
        lambda: fit(np.ma.masked_array(GOOD, GOOD > 0.5)),
        ValueError,
        r"masked.*X\.filled\(0\)",
    ),
    "an array on a device": (lambda: fit(OnADevice()), TypeError, r"X\.get\(\)"),
    "a PyTorch tensor": (
        lambda: fit(GOOD.view(type("Tensor", (np.ndarray,), {"__module__": "torch"}))),
        TypeError,
        r"X is a PyTorch tensor; pass X\.numpy\(\)",
    ),
    "None": (lambda: fit(None), TypeError, f"{TEXT} None.*return"),
    "a file name": (lambda: fit("x.npy"), TypeError, rf"{TEXT} 'x\.npy' of type str.*np\.load"),
    "bytes": (lambda: fit(b"12"), TypeError, "frombuffer"),
    "a dict": (lambda: fit({"X": GOOD}), TypeError, f"{TEXT} .*of type dict; pass one of"),
    "a set": (lambda: fit({1.0}), TypeError, r"np\.stack\(list\(X\)\)"),
    "a generator": (lambda: fit(x for x in GOOD), TypeError, r"np\.stack\(list\(X\)\)"),
    "a pair (X, y)": (lambda: fit((GOOD, LABELS)), TypeError, r"a pair.*X\[0\]"),
    "gray levels up to 255": (lambda: fit(np.rint(GOOD * 255)), ValueError, "divide by 255"),
    "gray levels as integers": (
        lambda: fit((GOOD * 255).astype(int)),
        ValueError,
        "divide by 255",
    ),
    "16 gray levels": (lambda: fit(np.rint(GOOD * 16)), ValueError, "divide by the largest value"),
    "values below 0": (
        lambda: fit(GOOD - 0.5, likelihood=vaelite.Gaussian(sigma="shared")),
        ValueError,
        r'Gaussian\(mean="identity"\)',
    ),
    "Bernoulli data above 1": (
        lambda: fit(GOOD * 2, likelihood="bernoulli"),
        ValueError,
        r"Bernoulli.*numbers in \[0, 1\]",
    ),
    "continuous Bernoulli data above 1": (
        lambda: fit(GOOD * 2, likelihood="continuous_bernoulli"),
        ValueError,
        r"continuous Bernoulli is a density on \[0, 1\]",
    ),
    "categorical data with fractions": (
        lambda: fit(GOOD, likelihood="categorical"),
        ValueError,
        r"vaelite\.quantize\(X, 256\)",
    ),
    "zeros and ones as uint8": (
        lambda: fit((GOOD > 0.5).astype(np.uint8)),
        ValueError,
        r"largest value is 1.*X\.astype\(np\.float32\)",
    ),
    "labels in the last column": (
        lambda: fit(np.column_stack([GOOD, LABELS])),
        ValueError,
        r"only column 4 has values outside \[0, 1\].*labels.*np\.delete\(X, 4, axis=1\)",
    ),
    "labels in the first column": (
        lambda: fit(np.column_stack([LABELS, GOOD]), likelihood="bernoulli"),
        ValueError,
        r"np\.delete\(X, 0, axis=1\)",
    ),
    "labels among gray levels": (
        lambda: fit(np.column_stack([GOOD * 255, LABELS]).astype(np.uint8)),
        ValueError,
        r"column 4 of X has only the values 0 to 2.* labels.*np\.delete\(X, 4, axis=1\)",
    ),
    "sorted labels before gray levels": (
        lambda: fit(np.column_stack([np.sort(LABELS) + 1, GOOD * 255]).astype(np.uint8)),
        ValueError,
        r"the values 1 to 3.*np\.delete\(X, 0, axis=1\).*X / np\.float32\(255\)",
    ),
    "one row": (lambda: fit(GOOD[:1]), ValueError, "1 rows are too few to hold out"),
    "too few rows": (lambda: fit(GOOD[:5]), ValueError, "too few to hold out.*epochs"),
    "labels as test rows": (lambda: fit(GOOD, LABELS), ValueError, "fit takes no labels: leave"),
    "labels by name": (lambda: fit(GOOD, y=LABELS), TypeError, "fit takes no labels: leave y"),
    "labels for VAE.fit": (
        lambda: vaelite.VAE().fit(GOOD, X_test=LABELS),
        ValueError,
        "fit takes no labels",
    ),
    "labels for an autoencoder": (
        lambda: vaelite.fit_autoencoder(GOOD, LABELS),
        ValueError,
        "fit takes no labels",
    ),
    "test rows in the place of y": (
        lambda: vaelite.VAE().fit(GOOD, GOOD[:9]),
        TypeError,
        "y, which it ignores; pass X_test=",
    ),
    "test rows for MeanField": (
        lambda: vaelite.MeanField().fit(GOOD, X_test=GOOD),
        TypeError,
        "MeanField.fit.* got an unexpected keyword argument 'X_test'",
    ),
    "a setting without its name": (lambda: fit(GOOD, 2), TypeError, "by name, .* latent_dim=2"),
    "test rows of another width": (
        lambda: fit(GOOD, GOOD[:, :3]),
        ValueError,
        "X_test has 3 features, but VAE is expecting 4 features as input",
    ),
    "test rows with NaN": (
        lambda: fit(GOOD, changed((1, 1), np.nan)),
        ValueError,
        "X_test contains NaN.*row 1, column 1",
    ),
    "condition: labels": (
        lambda: fit(condition=LABELS),
        ValueError,
        r"for class labels y pass np\.eye\(n_classes\)\[y\]",
    ),
    "condition: a label": (lambda: fit(condition=3), ValueError, r"np\.eye\(n_classes\)\[y\]"),
    "condition: other rows": (
        lambda: fit(condition=ONE_HOT[:5]),
        ValueError,
        "condition has 5 rows, but there are 40 examples",
    ),
    "condition: NaN": (
        lambda: fit(condition=ONE_HOT * np.nan),
        ValueError,
        "condition contains NaN",
    ),
    "condition of test rows missing": (
        lambda: fit(GOOD, GOOD, condition=ONE_HOT),
        ValueError,
        "pass condition_test=",
    ),
    "condition of no test rows": (
        lambda: fit(condition_test=ONE_HOT),
        ValueError,
        "condition_test is for X_test",
    ),
}


def setting(error, message, **settings):
    return lambda: fit(**settings), error, message


SETTINGS = {
    "latent_dim 0": setting(ValueError, "latent_dim should be 1 or more, got 0", latent_dim=0),
    "latent_dim 2.0": setting(TypeError, "latent_dim should be an int, got 2.0", latent_dim=2.0),
    "latent_dim True": setting(TypeError, "latent_dim should be an int", latent_dim=True),
    "latent_dim X": setting(
        TypeError, r"latent_dim.*got an array of float64 of shape \(40, 4\)$", latent_dim=GOOD
    ),
    "hidden_dim with 0": setting(ValueError, "hidden_dim should be 1 or more", hidden_dim=(8, 0)),
    "hidden_dim text": setting(TypeError, "hidden_dim should be an int", hidden_dim="8"),
    "hidden_dim None": setting(TypeError, "hidden_dim should be an int", hidden_dim=None),
    "batch_size 0": setting(ValueError, "batch_size should be 1 or more", batch_size=0),
    "batch_size 32.0": setting(TypeError, "batch_size should be an int", batch_size=32.0),
    "learning_rate 0": setting(ValueError, "learning_rate should be above 0", learning_rate=0),
    "learning_rate NaN": setting(ValueError, "learning_rate", learning_rate=float("nan")),
    "learning_rate text": setting(TypeError, "learning_rate should be", learning_rate="fast"),
    "weight_decay -1": setting(ValueError, "weight_decay should be 0 or more", weight_decay=-1),
    "tol -1": setting(ValueError, "tol should be 0 or more", tol=-1),
    "tol with epochs": setting(ValueError, "tol=1.0 has no meaning", stopping="epochs", tol=1),
    "max_epochs 0": setting(ValueError, "max_epochs should be 1 or more", max_epochs=0),
    "max_epochs text": setting(TypeError, "max_epochs should be an int, got '2'", max_epochs="2"),
    "patience 0": setting(ValueError, "patience should be 1 or more", patience=0),
    "patience text": setting(TypeError, "patience should be an int", patience="no"),
    "patience without held-out rows": setting(
        ValueError, "patience=3 has no meaning", stopping="epochs", patience=3
    ),
    "log_every 0": setting(ValueError, "log_every should be 1 or more", log_every=0),
    "steps_per_epoch 0": setting(ValueError, "steps_per_epoch", steps_per_epoch=0),
    "rng text": setting(ValueError, "rng should be None, an int", rng="a"),
    "rng -1": setting(ValueError, "rng should be.*got -1", rng=-1),
    "rng 1.5": setting(ValueError, "rng should be.*got 1.5", rng=1.5),
    "dtype int": setting(ValueError, "float32 or float64, got int64", dtype=np.int64),
    "dtype float16": setting(ValueError, "float32 or float64, got float16", dtype="float16"),
    "dtype unknown": setting(ValueError, "float32 or float64, got 'decimal'", dtype="decimal"),
    "likelihood mistyped": setting(ValueError, "mean 'gaussian'", likelihood="gausian"),
    "likelihood 3": setting(TypeError, "likelihood should be a name", likelihood=3),
    "likelihood class": setting(TypeError, r"pass Gaussian\(\)", likelihood=vaelite.Gaussian),
    "activation unknown": setting(ValueError, "'relu', 'tanh', 'softplus'", activation="gelu"),
    "activation function": setting(ValueError, "'relu', 'tanh'", activation=np.tanh),
    "init arrays": setting(
        ValueError,
        r"init should be one of .*got \{'a': an array of float64 of shape \(40, 4\)\}$",
        init={"a": GOOD},
    ),
    "stopping unknown": setting(ValueError, "'heldout', 'lecture', 'epochs'", stopping="never"),
    "stopping None": setting(ValueError, "'heldout', 'lecture', 'epochs'", stopping=None),
    "stopping class": setting(TypeError, r"pass HeldOut\(\)", stopping=vaelite.HeldOut),
    "stopping and patience": setting(
        ValueError, "pass patience=3 to the rule", stopping=vaelite.HeldOut(), patience=3
    ),
    "validation_fraction 0": setting(ValueError, "above 0 and below 1", validation_fraction=0),
    "validation_fraction 1": setting(ValueError, "above 0 and below 1", validation_fraction=1),
    "validation_fraction text": setting(
        TypeError, "should be a number, got 'a'", validation_fraction="a", stopping="epochs"
    ),
    "validation_fraction without held-out rows": setting(
        ValueError, "no meaning with stopping='epochs'", validation_fraction=0.3, stopping="epochs"
    ),
    "normalized text": setting(TypeError, "normalized should be True", normalized="no"),
    "progress unknown": setting(ValueError, "progress should be.*got 'loud'", progress="loud"),
    "progress array": setting(ValueError, "progress should be", progress=np.ones(2)),
    "callbacks 3": setting(TypeError, "callbacks should be a callable or a list", callbacks=3),
    "callbacks with text": setting(TypeError, "should be callable", callbacks=[fit, "x"]),
    "callbacks class": setting(
        TypeError, r"Callback'> is called as callback\(model, state\)", callbacks=Callback
    ),
    "callbacks without a model": setting(
        TypeError, r"callback\(model, state\), which fails: too many", callbacks=lambda state: None
    ),
    "beta -1": setting(ValueError, "beta should be 0 or more", beta=-1),
    "beta text": setting(TypeError, "beta should be a number, got '1'", beta="1"),
    "kl unknown": setting(ValueError, "'sample', 'analytic'", kl="exact"),
    "kl analytic with an own prior": setting(
        ValueError, 'pass kl="sample"', kl="analytic", neglogprior=vaelite.neglogprior
    ),
    "importance_samples 0": setting(ValueError, "1 or more", importance_samples=0),
    "importance_samples and beta": setting(ValueError, "no KL part", importance_samples=5, beta=2),
    "warmup without a KL part": setting(
        ValueError, "no meaning", importance_samples=5, warmup_epochs=1
    ),
    "warmup_epochs above max_epochs": setting(
        ValueError, "warmup_epochs=3 is above max_epochs=2", warmup_epochs=3, max_epochs=2
    ),
    "backend unknown": setting(ValueError, "'numpy', 'cupy', 'auto'.*mean 'cupy'", backend="gpu"),
    "encoder class": setting(TypeError, r"pass Dense\(\)", encoder=vaelite.Dense),
    "encoder text": setting(TypeError, "an object like Dense", encoder="dense"),
    "encoder function": setting(TypeError, "without shapes", encoder=lambda p, h: h),
    "encoder, decoder and hidden_dim": setting(
        ValueError,
        "leave these settings out",
        encoder=vaelite.Dense(3),
        decoder=vaelite.Dense(3),
        hidden_dim=5,
    ),
    "neglogprior 3": setting(TypeError, "neglogprior should be callable", neglogprior=3),
    "neglogprior None": setting(
        ValueError, "neglogprior returned None; does it end in a return", neglogprior=lambda z: None
    ),
    "neglogprior of nothing": setting(TypeError, NO_ARGUMENT, neglogprior=lambda: 0),
    "neglogprior complex": setting(
        ValueError, "complex", neglogprior=lambda z: anp.sum(z, axis=1) + 0j
    ),
    "neglogprior of latents": setting(
        ValueError, "axis=-1", latent_dim=3, neglogprior=lambda z: anp.sum(z, axis=0)
    ),
    "negloglikelihood of all": setting(
        ValueError, NO_AXIS, negloglikelihood=lambda x, mu, s: anp.sum((x - mu) ** 2)
    ),
    "negloglikelihood of pixels": setting(
        ValueError, r"got shape \(3, 4\)", negloglikelihood=lambda x, mu, s: (x - mu) ** 2 + s
    ),
    "negloglikelihood broadcast": setting(
        ValueError,
        r"got shape \(3, 3\)",
        negloglikelihood=lambda x, mu, s: s * anp.sum((x - mu) ** 2, axis=1),
    ),
    "negloglikelihood of columns": setting(
        ValueError, "negloglikelihood.*axis=-1", negloglikelihood=sum_over_rows
    ),
    "negloglikelihood without autograd": setting(
        TypeError,
        r"autograd\.numpy",
        negloglikelihood=lambda x, mu, s: np.array([float(m[0]) for m in mu]),
    ),
    "neglogprior with plain NumPy": setting(
        TypeError,
        r"inside autograd .*array of objects\); .*import autograd\.numpy as np",
        neglogprior=lambda z: np.concatenate([z, z], axis=1).sum(axis=1),
    ),
    "reparameterize to numbers": setting(
        ValueError, "reparameterize should return one code", reparameterize=number_per_row
    ),
}
NAMES = {
    "latent_dims": "latent_dim",
    "seed": "rng",
    "random_state": "rng",
    "lr": "learning_rate",
    "verbose": "progress",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "n_components": "latent_dim",
    "hidden": "hidden_dim",
    "device": "backend",
}
SETTINGS |= {
    f"the name {name}": setting(
        TypeError, f"argument '{name}'; did you mean '{meant}'", **{name: 1}
    )
    for name, meant in NAMES.items()
}
SETTINGS |= {
    "a setting for VAE.fit": (
        lambda: vaelite.VAE().fit(GOOD, latent_dim=3),
        TypeError,
        r"fit\(\) got an unexpected keyword argument 'latent_dim'",
    ),
    "a setting by its attribute": (
        lambda: setattr(vaelite.VAE(), "latent_dim", 0),
        ValueError,
        "latent_dim should be 1 or more",
    ),
    "a setting of set_params": (
        lambda: vaelite.VAE().set_params(likelihood__sigm=1),
        TypeError,
        "mean 'likelihood__sigma'",
    ),
    "seed for VAE": (lambda: vaelite.VAE(seed=1), TypeError, "mean 'rng'"),
    "lr for MeanField.fit": (
        lambda: vaelite.MeanField(lr=1).fit(GOOD),
        TypeError,
        "mean 'learning_rate'",
    ),
    "a prior for an autoencoder": (
        lambda: vaelite.fit_autoencoder(GOOD, neglogprior=vaelite.neglogprior),
        TypeError,
        AS_VAE,
    ),
    "beta for an autoencoder": (lambda: vaelite.fit_autoencoder(GOOD, beta=2), TypeError, AS_VAE),
    "held-out rows for MeanField": (
        lambda: vaelite.MeanField(stopping="heldout").fit(GOOD),
        ValueError,
        "no mu and no logsigma",
    ),
    "steps_per_epoch for MeanField": (
        lambda: vaelite.MeanField(steps_per_epoch=2).fit(GOOD),
        ValueError,
        "steps_per_epoch=2: MeanField has one step",
    ),
    "Gaussian sigma": (lambda: vaelite.Gaussian(sigma="row"), ValueError, '"image", "shared"'),
    "Gaussian sigma -1": (lambda: vaelite.Gaussian(sigma=-1), ValueError, "a number above 0"),
    "Gaussian mean": (lambda: vaelite.Gaussian(mean="linear"), ValueError, '"identity"'),
    "Gaussian floor": (lambda: vaelite.Gaussian(floor="low"), ValueError, "finite, or None"),
    "Categorical levels": (lambda: vaelite.Categorical(1), ValueError, "2 or more"),
    "Dense text": (lambda: vaelite.Dense("a"), TypeError, "hidden_dim should be an int"),
    "HeldOut tol": (lambda: vaelite.HeldOut(tol=-1), ValueError, "tol should be 0 or more"),
    "Adam learning_rate": (
        lambda: vaelite.Adam(-1),
        ValueError,
        "learning_rate should be 0 or more",
    ),
    "Adam text": (lambda: vaelite.Adam("fast"), TypeError, "learning_rate should be a number"),
    "Adam beta1": (
        lambda: vaelite.Adam(beta1=1),
        ValueError,
        "beta1 should be 0 or more and below",
    ),
    "build text": (lambda: vaelite.VAE().build("a"), TypeError, "n_features should be an int"),
    "build rng": (lambda: vaelite.VAE().build(3, rng="a"), ValueError, "rng should be"),
    "build dtype": (lambda: vaelite.VAE().build(3, dtype=int), ValueError, "float32 or float64"),
    "quantize levels": (lambda: vaelite.quantize(GOOD, 1), ValueError, "levels should be 2"),
    "quantize range": (lambda: vaelite.quantize(GOOD * 3, 4), ValueError, r"in \[0, 1\] or uint8"),
    "minibatches of 0": (lambda: list(vaelite.minibatches(GOOD, 0)), ValueError, "batch_size"),
    "value_and_grad of 3": (lambda: vaelite.value_and_grad(3), TypeError, "should be callable"),
    "gradient in a list": (lambda: gradient_of([GOOD]), TypeError, "a dict of named arrays.*list"),
    "gradient in an array": (lambda: gradient_of(GOOD), TypeError, "a dict of named arrays"),
    "gradient in a number": (lambda: gradient_of(1.0), TypeError, "a dict of named.*1.0 of type"),
    "gradient in a nested dict": (
        lambda: gradient_of({"w": {"b": GOOD}}),
        TypeError,
        "the parameter 'w' should be an array of floats.*dict",
    ),
    "gradient in a dict with a number": (
        lambda: gradient_of({"w": 1.0}),
        TypeError,
        "the parameter 'w' should be an array of floats.*1.0 of type float",
    ),
    "gradient in integers": (lambda: gradient_of({"w": LABELS}), TypeError, "array of int64"),
    "no dependence": (
        lambda: vaelite.value_and_grad(lambda p: None)({"w": GOOD}),
        TypeError,
        "depends on none of its parameters",
    ),
    "no scalar": (
        lambda: vaelite.value_and_grad(lambda p: p["w"] * 2)({"w": GOOD}),
        ValueError,
        r"a scalar, got an array of shape \(40, 4\)",
    ),
    "a term of a list": (lambda: vaelite.neglogprior([[1.0]]), TypeError, r"np\.array\(z, float\)"),
    "a term of integers": (lambda: vaelite.neglogprior(np.array([[1]])), TypeError, r"astype"),
}
ONE_ROW = r"1D array.*X\[:1\]"
CALLS = {
    "encode one row": (lambda c: c.vae.encode(GOOD[0]), ValueError, ONE_ROW),
    "reconstruct one row": (lambda c: c.vae.reconstruct(GOOD[0]), ValueError, ONE_ROW),
    "score one row": (lambda c: c.vae.score(GOOD[0]), ValueError, ONE_ROW),
    "infer for one row": (lambda c: vaelite.infer(c.vae, GOOD[0]), ValueError, ONE_ROW),
    "log_evidence of one row": (
        lambda c: vaelite.log_evidence(c.vae, GOOD[0]),
        ValueError,
        ONE_ROW,
    ),
    "a ledger of one row": (lambda c: vaelite.ledger(c.vae, GOOD[0]), ValueError, ONE_ROW),
    "encode other features": (
        lambda c: c.vae.encode(np.zeros((3, 10))),
        ValueError,
        "X has 10 features, but VAE is expecting 4 features as input",
    ),
    "decode other latents": (lambda c: c.vae.decode(np.zeros((3, 3))), ValueError, "z has 3"),
    "decode mu and logsigma": (
        lambda c: c.vae.decode(c.vae.encode(GOOD)),
        TypeError,
        r"z is a pair, perhaps \(mu, logsigma\) from encode; pass the codes: z\[0\]",
    ),
    "decode NaN": (
        lambda c: c.vae.decode([[0.0, np.nan]]),
        ValueError,
        "z contains NaN.*row 0, column 1",
    ),
    "decode one code": (lambda c: c.vae.decode(np.zeros(2)), ValueError, "1D"),
    "decode None": (lambda c: c.vae.decode(None), TypeError, "z should be an array of numbers"),
    "sample -1": (lambda c: c.vae.sample(-1), ValueError, "n should be 0 or more, got -1"),
    "sample 2.5": (lambda c: c.vae.sample(2.5), TypeError, "n should be an int, got 2.5"),
    "sample True": (lambda c: c.vae.sample(True), TypeError, "n should be an int"),
    "sample with rng text": (lambda c: c.vae.sample(2, rng="a"), ValueError, "rng should be"),
    "sample with seed": (lambda c: c.vae.sample(2, seed=1), TypeError, r"VAE\.sample.*'rng'"),
    "sample with n_samples": (lambda c: c.vae.sample(n_samples=1), TypeError, "mean 'n'"),
    "sample with mean text": (lambda c: c.vae.sample(2, mean="no"), TypeError, "True or False"),
    "reconstruct with sample text": (
        lambda c: c.vae.reconstruct(GOOD, sample="no"),
        TypeError,
        "sample should be True or False",
    ),
    "a seed without a draw": (
        lambda c: c.vae.reconstruct(GOOD, rng=0),
        ValueError,
        "rng is for a code drawn from .*: pass sample=True",
    ),
    "normalized text in objective": (
        lambda c: c.vae.loss(normalized="no"),
        TypeError,
        "normalized should be True or False, got 'no'",
    ),
    "normalized text in an autoencoder's": (
        lambda c: c.ae.loss(normalized="no"),
        TypeError,
        "normalized should be True or False, got 'no'",
    ),
    "a condition for none": (
        lambda c: c.vae.encode(GOOD, condition=ONE_HOT),
        ValueError,
        "without a condition: leave out condition=",
    ),
    "no condition": (
        lambda c: c.conditional.encode(GOOD),
        ValueError,
        r"with a condition of 3 columns: pass condition=, of shape \(n, 3\)",
    ),
    "a condition that is a label": (
        lambda c: c.conditional.sample(2, condition=1),
        ValueError,
        r"np\.eye\(n_classes\)\[y\]",
    ),
    "an autoencoder's evidence": (
        lambda c: vaelite.log_evidence(c.ae, GOOD),
        ValueError,
        r"Autoencoder has no q\(z\|x\)",
    ),
    "an autoencoder's q": (lambda c: vaelite.infer(c.ae, GOOD), ValueError, "has no q"),
    "odd samples": (lambda c: vaelite.infer(c.vae, GOOD, n_samples=3), ValueError, "even"),
    "no samples": (
        lambda c: vaelite.log_evidence(c.vae, GOOD, n_samples=0),
        ValueError,
        "n_samples should be 1 or more",
    ),
    "data in place of a model": (
        lambda c: vaelite.ledger(GOOD, c.vae),
        TypeError,
        r"expected a fitted model, .*got an array of float64 of shape \(40, 4\); the model is",
    ),
    "a number in place of a model": (
        lambda c: vaelite.infer(3, GOOD),
        TypeError,
        "expected a fitted model",
    ),
    "a class in place of a model": (
        lambda c: vaelite.infer(vaelite.VAE, GOOD),
        TypeError,
        "expected a fitted model",
    ),
    "parameters of other names": (
        lambda c: setattr(c.vae, "params", {"a": 1}),
        ValueError,
        "the parameters of the model should be encoder.*got a",
    ),
    "parameters None": (
        lambda c: setattr(c.vae, "params", None),
        TypeError,
        "a dict of arrays, got None",
    ),
    "parameters that are not finite": (
        lambda c: setattr(c.vae, "params", {k: a * np.nan for k, a in c.vae.params.items()}),
        ValueError,
        "encoder.0.W of the model has numbers that are not finite",
    ),
    "a refit with NaN": (
        lambda c: c.vae.fit(changed((3, 2), np.nan)),
        ValueError,
        "NaN.*row 3, column 2",
    ),
    "a build that fails": (
        lambda c: c.vae.build(4, dtype="float16"),
        ValueError,
        "float32 or float64",
    ),
}
CALLS |= {
    f"{method} before fit": (
        lambda c, method=method, argument=argument: getattr(vaelite.VAE(), method)(argument),
        vaelite.NotFittedError,
        r"this VAE is not fitted yet; call fit\(X\) first",
    )
    for method, argument in {
        "encode": GOOD,
        "decode": np.zeros((1, 2)),
        "sample": 1,
        "score": GOOD,
        "score_samples": GOOD,
        "reconstruct": GOOD,
        "save": "x.npz",
    }.items()
}
CALLS |= {
    f"{method} of data on another scale": (
        lambda c, method=method: getattr(c.vae, method)(GOOD * 255),
        ValueError,
        "divide by 255",
    )
    for method in ("encode", "score", "score_samples", "reconstruct")
}


def load_bytes(c, content):
    """Load a file with this content, and remove it."""
    path = c.folder / "model.npz"
    path.write_bytes(content)
    try:
        vaelite.load(path)
    finally:
        path.unlink()


def repacked(c, change=lambda members: None):
    """The content of a saved model, after a change of its members, a dict of bytes."""
    with zipfile.ZipFile(io.BytesIO(c.saved)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def repeated(c):
    stream = io.BytesIO(c.saved)
    with zipfile.ZipFile(stream, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, about the name
        archive.writestr("encoder.0.W.npy", b"")
    return stream.getvalue()


def newer(members):
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps({**manifest, "format": 99}).encode()


def not_finite(members):
    name = "decoder.mu.b.npy"
    members[name] = members[name][:-8] + np.array([np.nan]).tobytes()


def flipped(c):
    middle = len(c.saved) // 2
    return c.saved[:middle] + bytes([c.saved[middle] ^ 1]) + c.saved[middle + 1 :]


def other_dtype(members):
    manifest = json.loads(members["manifest.json"])
    manifest["arrays"]["decoder.mu.b"][0] = "<f4"
    members["manifest.json"] = json.dumps(manifest).encode()


def other_shape(members):
    manifest = json.loads(members["manifest.json"])
    manifest["settings"]["latent_dim"] = 5
    members["manifest.json"] = json.dumps(manifest).encode()


def download(c, fault):
    """Load MNIST into an empty folder, with a fault in place of the download."""
    with mock.patch("pooch.retrieve", side_effect=fault):
        vaelite.load_mnist(c.folder)


def fit_with_cupy(module):
    """Fit on the backend "cupy", with another module in place of CuPy."""
    with mock.patch.dict(sys.modules, {"cupy": module}):
        fit(backend="cupy")


def web_page_as_gzip(c):
    path = c.folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(b"<html>404</html>")
    (c.folder / "train-labels-idx1-ubyte").write_bytes(idx(IDX_LABELS))
    try:
        vaelite.load_idx(c.folder)
    finally:
        for file in c.folder.iterdir():
            file.unlink()


def load_damaged(c, pack=False, **contents):
    """Read IDX files, some of them damaged, and remove them."""
    folder = c.folder / "idx"
    write_pair(folder, pack=pack, **contents)
    try:
        vaelite.load_idx(folder)
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


MF = vaelite.ModelFileError
DAMAGED = "it is not a vaelite model, or its end is missing"
FILES = {
    "load a missing file": (
        lambda c: vaelite.load(c.folder / "none.npz"),
        FileNotFoundError,
        "none.npz",
    ),
    "load a folder": (lambda c: vaelite.load(c.folder), IsADirectoryError, "directory|folder"),
    "load None": (lambda c: vaelite.load(None), TypeError, "a file name such as 'model.npz'"),
    "load an array": (lambda c: vaelite.load(GOOD), TypeError, "a file name.*got an array"),
    "load with a mistyped name": (
        lambda c: vaelite.load("x", backnd="numpy"),
        TypeError,
        r"load\(\) got an unexpected keyword argument 'backnd'",
    ),
    "load with a number as a term": (
        lambda c: vaelite.load("x", neglogprior=3),
        TypeError,
        "neglogprior should be callable",
    ),
    "load for an unknown backend": (
        lambda c: vaelite.load("x", backend="torch"),
        ValueError,
        "backend should be one of",
    ),
    "save without a folder": (
        lambda c: c.vae.save(c.folder / "a" / "b.npz"),
        FileNotFoundError,
        "no folder .*a to save b.npz in",
    ),
    "save to a folder": (lambda c: c.vae.save(c.folder), IsADirectoryError, "is a folder; pass"),
    "save to None": (lambda c: c.vae.save(None), TypeError, "a file name such as 'model.npz'"),
    "load an empty file": (lambda c: load_bytes(c, b""), MF, DAMAGED),
    "load a web page": (lambda c: load_bytes(c, b"<html>404</html>"), MF, DAMAGED),
    "load a pickle": (lambda c: load_bytes(c, pickle.dumps({})), MF, DAMAGED),
    "load a truncated file": (lambda c: load_bytes(c, c.saved[:-30]), MF, DAMAGED),
    "load a flipped bit": (lambda c: load_bytes(c, flipped(c)), MF, "damaged|cannot be loaded"),
    "load a newer format": (
        lambda c: load_bytes(c, repacked(c, newer)),
        MF,
        "use the version of vaelite",
    ),
    "load a repeated array": (
        lambda c: load_bytes(c, repeated(c)),
        MF,
        "arrays are not those|larger than the file",
    ),
    "load without an array": (
        lambda c: load_bytes(c, repacked(c, lambda m: m.pop("encoder.0.W.npy"))),
        MF,
        "arrays are not those",
    ),
    "load with another array": (
        lambda c: load_bytes(c, repacked(c, lambda m: m.update({"more.npy": b""}))),
        MF,
        "arrays are not those",
    ),
    "load numbers that are not finite": (
        lambda c: load_bytes(c, repacked(c, not_finite)),
        MF,
        "decoder.mu.b has numbers that are not finite",
    ),
    "load an array of another dtype": (
        lambda c: load_bytes(c, repacked(c, other_dtype)),
        MF,
        "array decoder.mu.b has dtype float64 and shape .*, expected float32",
    ),
    "load arrays of another shape": (
        lambda c: load_bytes(c, repacked(c, other_shape)),
        MF,
        "do not fit the networks: decoder.0.W has shape",
    ),
    "CuPy is not installed": (
        lambda c: fit_with_cupy(None),
        ImportError,
        "needs CuPy and an NVIDIA GPU: python -m pip install",
    ),
    "CuPy finds no GPU": (
        lambda c: fit_with_cupy(
            SimpleNamespace(cuda=SimpleNamespace(runtime=SimpleNamespace(getDeviceCount=lambda: 0)))
        ),
        RuntimeError,
        "finds no GPU",
    ),
    "a download with a wrong hash": (
        lambda c: download(c, ValueError("SHA256 hash (0b) does not match the known hash (0a)")),
        OSError,
        r"images-idx3-ubyte\.gz is damaged: SHA256 hash \(0b\) .* \(0a\)",
    ),
    "no network": (
        lambda c: download(c, ConnectionError("no route")),
        OSError,
        "is not in .* and could not be downloaded from https://.*put the file into that folder",
    ),
    "a folder that cannot be written": (
        lambda c: download(c, PermissionError("[Errno 13] Permission denied: '/data'")),
        PermissionError,
        "Permission denied: '/data'",
    ),
    "IDX: a web page named .gz": (
        web_page_as_gzip,
        ValueError,
        "train-images-idx3-ubyte.gz is not a gzip file, or is damaged .*download it again",
    ),
    "load_idx of nothing": (
        lambda c: vaelite.load_idx(c.folder),
        FileNotFoundError,
        "no train-images-idx3-ubyte, with or without .gz, in",
    ),
    "load_idx of an unknown split": (
        lambda c: vaelite.load_idx(c.folder, "valid"),
        ValueError,
        '"train" or "test", got \'valid\'',
    ),
    "load_mnist of an unknown split": (
        lambda c: vaelite.load_mnist(split="valid"),
        ValueError,
        '"train" or "test"',
    ),
    "load_mnist without a download": (
        lambda c: vaelite.load_mnist(c.folder, download=False),
        OSError,
        "no MNIST train files in .*download=False",
    ),
    "IDX: a web page": (
        lambda c: load_damaged(c, images=b"<html>404</html>"),
        ValueError,
        "not an IDX file",
    ),
    "IDX: short": (
        lambda c: load_damaged(c, images=idx(IMAGES)[:-1]),
        ValueError,
        "should have 60 bytes.*but it has 59",
    ),
    "IDX: another magic number": (
        lambda c: load_damaged(c, images=idx(IMAGES, bytes([0, 0, 9, 3]))),
        ValueError,
        "not an IDX file",
    ),
    "IDX: counts that disagree": (
        lambda c: load_damaged(c, images=idx(IMAGES[:2])),
        ValueError,
        "2 images, but .* 3 labels",
    ),
}
PLOTS = {
    "a grid of 3 latents": (lambda c: plots.latent_grid(c.three), ValueError, "latent_dim=2"),
    "a posterior of 3 latents": (
        lambda c: plots.posterior(c.three, GOOD[0]),
        ValueError,
        "latent_dim=2",
    ),
    "too few labels": (
        lambda c: plots.latent_means(c.vae, GOOD, LABELS[:5]),
        ValueError,
        r"one label per row, shape \(40,\), got \(5,\)",
    ),
    "labels as one-hot vectors": (
        lambda c: plots.average_reconstructions(c.vae, GOOD, ONE_HOT),
        ValueError,
        r"one label per row, shape \(40,\), got \(40, 3\)",
    ),
    "images that are not square": (
        lambda c: plots.samples(c.wide, 3),
        ValueError,
        r"images of 3 numbers are not 1x1; pass image_shape=\(rows, columns\)",
    ),
    "another shape of images": (
        lambda c: plots.samples(c.vae, 3, image_shape=(3, 3)),
        ValueError,
        "images of 4 numbers are not 3x3",
    ),
    "a number as shape of images": (
        lambda c: plots.samples(c.vae, 3, image_shape=2),
        ValueError,
        r"image_shape should be \(rows, columns\), got 2",
    ),
    "no samples to draw": (lambda c: plots.samples(c.vae, 0), ValueError, "n should be 1 or more"),
    "samples of an unfitted model": (
        lambda c: plots.samples(vaelite.VAE()),
        vaelite.NotFittedError,
        "not fitted",
    ),
    "a curve of data": (lambda c: plots.learning_curve(GOOD), TypeError, "a fitted model"),
}
BAD_INPUT = {
    **{name: (lambda c, call=call: call(), *rest) for name, (call, *rest) in DATA.items()},
    **{name: (lambda c, call=call: call(), *rest) for name, (call, *rest) in SETTINGS.items()},
    **CALLS,
    **FILES,
    **PLOTS,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Small fitted models, what one saves, and an empty folder."""
    settings = {"hidden_dim": 3, "max_epochs": 1, "stopping": "epochs", "rng": 0}
    folder = tmp_path_factory.mktemp("models")
    found = SimpleNamespace(
        vae=vaelite.fit(GOOD, **settings),
        ae=vaelite.fit_autoencoder(GOOD, **settings),
        conditional=vaelite.fit(GOOD, condition=ONE_HOT, **settings),
        three=vaelite.fit(GOOD, latent_dim=3, **settings),
        wide=vaelite.fit(GOOD[:, :3], **settings),
        folder=folder,
    )
    found.vae.save(folder / "saved.npz")
    found.saved = (folder / "saved.npz").read_bytes()
    (folder / "saved.npz").unlink()
    return found


def everything(c):
    """All that a call could change: data, models, files, NumPy's settings."""
    kept = [(array.tobytes(), array.flags.writeable) for array in (GOOD, LABELS, ONE_HOT)]
    for model in (c.vae, c.ae, c.conditional, c.three, c.wide):
        kept.append({name: id(value) for name, value in vars(model).items()})
        kept.append({name: array.tobytes() for name, array in model.params.items()})
        kept.append(repr(model.solution.history))
    return kept, sorted(c.folder.rglob("*")), np.geterr()


@pytest.mark.parametrize(("call", "error", "message"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input(call, error, message, models, monkeypatch):
    def step(adam, params, grads):
        raise AssertionError("training began")

    monkeypatch.setattr(vaelite.Adam, "update", step)
    before = everything(models)
    with pytest.raises(error) as raised:
        call(models)
    said = str(raised.value)
    assert re.search(message, said), said
    assert "\n" not in said
    assert len(said) < 500
    assert "allow_pickle" not in said
    assert everything(models) == before


def test_the_number_of_bad_inputs(capsys):
    with capsys.disabled():
        print(f"\n{len(BAD_INPUT)} bad inputs tried")
    assert len(BAD_INPUT) == sum(map(len, (DATA, SETTINGS, CALLS, FILES, PLOTS)))  # no name twice
    assert len(BAD_INPUT) >= 200


def test_not_fitted_is_what_scikit_learn_would_raise():
    assert issubclass(vaelite.NotFittedError, (ValueError, AttributeError))


def test_matplotlib_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    monkeypatch.delitem(sys.modules, "vaelite.plots.grid")
    with pytest.raises(ImportError, match="python -m pip install matplotlib"):
        __import__("vaelite.plots.grid")


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
@pytest.mark.parametrize("edge", [1 + 2.3e-16, np.float32(1 + 1.2e-7)])
def test_rounding_above_1_is_1(likelihood, edge):
    """MinMaxScaler returns 1 + 2e-16 for some columns."""
    settings = {"likelihood": likelihood, "max_epochs": 1, "stopping": "epochs", "rng": 0}
    scores = [vaelite.fit(changed((0, 0), x), **settings).score(GOOD) for x in (1.0, edge)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5)
    assert vaelite.quantize([[edge, -2e-16]], 4).tolist() == [[3, 0]]


def test_0_samples():
    vae = vaelite.fit(GOOD, max_epochs=1, stopping="epochs")
    assert vae.sample(0).shape == (0, 4)


@pytest.mark.parametrize("fault", ["init_params", "__call__"])
def test_a_failed_build_leaves_the_model_as_it_was(fault):
    def fail(*arguments):
        raise RuntimeError("on purpose")

    network = type("Own", (vaelite.Dense,), {fault: fail})(3)
    model = vaelite.VAE(hidden_dim=3).build(4, rng=0)
    model.encoder, before = network, model.solution
    params = {name: array.copy() for name, array in model.params.items()}
    for change in (lambda: model.build(7), lambda: model.set_params(max_epochs=1).fit(GOOD)):
        with pytest.raises(RuntimeError, match="on purpose"):
            change()
        assert model.solution is before
        assert all(np.array_equal(model.params[name], params[name]) for name in params)


@pytest.mark.parametrize("kind", [vaelite.VAE, vaelite.Autoencoder, vaelite.MeanField])
@pytest.mark.parametrize("inner", ["fit", "build"])
@pytest.mark.filterwarnings("ignore:.*fit starts again from new weights")
def test_a_fit_inside_a_callback_changes_nothing_of_the_outer_one(kind, inner):
    settings = {"max_epochs": 2, "stopping": "epochs", "rng": 0}
    model, alone = (kind(hidden_dim=3) for _ in range(2))

    def callback(trained, state):
        for target in (model, trained):
            if inner == "fit":
                target.set_params(callbacks=(), rng=1).fit(GOOD[:, :3])
            else:
                target.build(5)

    model.set_params(callbacks=callback, **settings).fit(GOOD)
    alone.set_params(**settings).fit(GOOD)
    assert model.n_features == 4
    assert model.history["eval_loss"] == alone.history["eval_loss"]
    assert all(np.array_equal(model.params[name], alone.params[name]) for name in alone.params)


def test_a_batch_size_above_the_rows_warns():
    with pytest.warns(UserWarning, match="batch_size=100 is above the 40 rows"):
        vaelite.fit(GOOD, batch_size=100, max_epochs=1, stopping="epochs")


def test_a_constant_grey_level_warns_if_each_pixel_has_its_sigma():
    X = (GOOD * 255).astype(np.uint8)
    X[:, 2] = 7
    with pytest.warns(UserWarning, match="1 of 4 features are constant.*column 2"):
        vaelite.fit(X, likelihood=vaelite.Gaussian(sigma="pixel"), max_epochs=1, stopping="epochs")


def test_dark_pixels_are_no_labels(digits):
    """Constant, rarely gray, or several alike; and labels of a model's own `Categorical`."""
    X = (digits[0] * 255).astype(np.uint8)
    X[:, 0], X[:50, 1], X[:, 2:4] = 3, 1, digits[1][:, None]
    vaelite.fit(X, max_epochs=1, stopping="epochs", hidden_dim=4)
    one = np.column_stack([digits[1], X[:, 4:] // 2]).astype(np.uint8)
    vaelite.fit(one, likelihood="categorical", max_epochs=1, stopping="epochs", hidden_dim=4)


def test_constant_grey_levels_are_looked_for_in_all_rows(monkeypatch):
    monkeypatch.setattr(vaelite.data.checks, "CHUNK_BYTES", 40)  # ten rows
    X = (GOOD * 255).astype(np.uint8)
    X[:, 1:3] = 7
    X[-1, 1] = 8
    settings = {"likelihood": vaelite.Gaussian(sigma="pixel"), "max_epochs": 1}
    with pytest.warns(UserWarning, match="1 of 4 features are constant.*column 2"):
        vaelite.fit(X, **settings, stopping="epochs")


def test_small_uint8_values_warn():
    with pytest.warns(UserWarning, match="largest value is 16"):
        vaelite.fit((GOOD * 16.9).astype(np.uint8), batch_size=10, max_epochs=1, stopping="epochs")


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


def test_a_failed_fit_leaves_a_fitted_model_as_it_was(digits, quick):
    settings = {name: value for name, value in quick.items() if name != "hidden_dim"}
    model = vaelite.VAE(hidden_dim=8, **settings).fit(digits[0])
    before = model.score(digits[0])
    with pytest.raises(ValueError, match="NaN"):
        model.set_params(**settings).fit(changed((3, 2), np.nan))
    assert model.score(digits[0]) == before


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_table_whose_columns_changed_order_is_refused(kind, tmp_path):
    library = pytest.importorskip(kind, reason=f"{kind} is not installed")
    table = library.DataFrame({name: GOOD[:, i] for i, name in enumerate("abcd")})
    other, seen = table[list("abdc")], []
    quick = {"hidden_dim": 8, "max_epochs": 1, "batch_size": 10, "stopping": "epochs", "rng": 0}
    vae = vaelite.fit(table, **quick, callbacks=lambda model, state: seen.append(model))
    vae.save(tmp_path / "model.npz")
    loaded = vaelite.load(tmp_path / "model.npz")
    for model in (vae, loaded, *seen):
        assert model.feature_names == tuple("abcd")
        assert model.score(table) == model.score(GOOD)
        with pytest.raises(ValueError, match="column 2 of X is 'd'.*fitted with 'c'"):
            model.score(other)
    observed = np.arange(4) < 2
    for call in (
        lambda: vae.encode(other),
        lambda: vaelite.fit(table, other, **quick),
        lambda: vaelite.doctor(vae, other),
        lambda: vaelite.log_evidence(vae, other),
        lambda: vaelite.infer(vae, other, observed=observed),
    ):
        with pytest.raises(ValueError, match="column 2 of X(_test)? is 'd'"):
            call()
    assert vaelite.fit(GOOD, **quick).feature_names is None


def test_grey_levels_are_checked_in_all_rows(monkeypatch):
    monkeypatch.setattr(vaelite.data.checks, "CHUNK_BYTES", 40)
    X = np.ones((100, 4), np.uint8)
    X[-1] = 255
    vaelite.fit(X, batch_size=10, max_epochs=1, stopping="epochs")


def test_warnings_name_the_users_line():
    with pytest.warns(UserWarning, match="batch_size") as raised:
        vaelite.fit(GOOD, batch_size=100, max_epochs=1, stopping="epochs")
    assert raised[0].filename == __file__


def test_the_default_batch_size_works_with_few_rows():
    vaelite.fit(GOOD, max_epochs=1, stopping="epochs")


def test_help_shows_the_signatures_of_the_terms():
    parameters = inspect.signature(vaelite.negloglikelihood).parameters
    assert list(parameters) == ["x", "mu", "logsigma", "normalized"]
