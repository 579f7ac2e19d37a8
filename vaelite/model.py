"""The variational autoencoder as a whole: settings, training, and what a trained one can do."""

import math
from dataclasses import fields
from functools import partial

import numpy as np

from . import networks, storage, terms, trainer, validation
from .backend import BACKENDS
from .backend import backend as get_backend
from .convergence import stopping_rule
from .data import hold_out, minibatches
from .likelihoods import LIKELIHOODS
from .objectives import TERMS, NegELBO, check_objective, in_dtype
from .ops import ACTIVATIONS
from .progress import reporters
from .run import CHUNK_ROWS, Bound, Run
from .streams import EVALUATE, INIT, SPLIT, TEST, generator, sampling_generator, seed_sequence

OWN_TERMS = (*TERMS, "reparameterize")
SOLUTION = ("stopping", *(field.name for field in fields(trainer.Solution) if field.name != "params"))


class VAE:
    """A variational autoencoder with fully connected networks.

    Parameters
    ----------
    latent_dim : int
        Size of the code z.
    hidden_dim : int or sequence of int
        Sizes of the encoder's hidden layers; the decoder has them in reverse.
    activation : {"relu", "tanh", "softplus"}
        Of the hidden layers.
    likelihood : {"gaussian", "bernoulli", "categorical"} or a Likelihood
        What the decoder's outputs say about x: `Gaussian`, `Bernoulli` and `Categorical` have their settings;
        one's own is derived from `Likelihood`.
    init : {"glorot", "torch"}
        How weights begin: Glorot-uniform with zero biases, or as PyTorch's ``Linear``; see `networks.init_params`.
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable, optional
        Your own terms in place of `vaelite.terms`, with the same arguments and one number an example.
        Write them with autograd's NumPy: ``import autograd.numpy as np``.
    dtype : {None, "float32", "float64"}
        Of all computation. None takes the data's, and float32 for integers.
    backend : {"numpy", "cupy", "auto"}
        Where to train, encode, decode, sample and score: NumPy; a GPU, by CuPy; or a GPU where there is one.
        What comes back are NumPy's arrays.

    Attributes
    ----------
    params : dict of arrays
        The networks' weights and biases by name, e.g. ``params["encoder.mu.W"]``.
    history, log : dict of lists
        What training reported, by epoch and every ``log_every`` iterations; see `Solution`.
    converged : bool
    stop_reason : str
    n_epochs, best_epoch : int

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.VAE(latent_dim=2, hidden_dim=64).fit(X, max_epochs=3, stopping="epochs", rng=0, progress=False)
    >>> mu, logsigma = vae.encode(X)
    >>> mu.shape, vae.sample(16, rng=1).shape
    ((1797, 2), (16, 64))
    """

    has_posterior = True  # q(z|x) is a distribution, not a point

    def __init__(
        self, latent_dim=2, hidden_dim=512, *, activation="relu", likelihood="gaussian", init="glorot",
        negloglikelihood=None, neglogprior=None, neglogposterior=None, reparameterize=None, dtype=None,
        backend="numpy"
    ):  # fmt: skip
        self.latent_dim = validation.check_count("latent_dim", latent_dim)
        self.hidden_dim = validation.check_hidden_dim(hidden_dim)
        self.activation = validation.check_choice("activation", activation, ACTIVATIONS)
        if isinstance(likelihood, str):
            likelihood = LIKELIHOODS[validation.check_choice("likelihood", likelihood, LIKELIHOODS)]()
        self.likelihood = validation.check_likelihood(likelihood)
        self.init = validation.check_choice("init", init, networks.INITS)
        self.dtype = None if dtype is None else validation.check_dtype(dtype)
        given = (negloglikelihood, neglogprior, neglogposterior, reparameterize)
        self.backend_asked_for = validation.check_choice("backend", backend, BACKENDS)
        self.backend = get_backend(backend)
        self.own_terms = {
            name: validation.check_callable(name, term)
            for name, term in zip(OWN_TERMS, given, strict=True) if term is not None
        }  # fmt: skip
        self.params = None

    def __repr__(self):
        settings = ("latent_dim", "hidden_dim", "likelihood")
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in settings)})"

    def fit(
        self, X, X_test=None, *, batch_size=validation.BATCH_SIZE, learning_rate=1e-3, max_epochs=500,
        stopping="heldout", tol=None, patience=20, validation_fraction=0.1, kl="sample", beta=1.0, warmup_epochs=0,
        importance_samples=1, steps_per_epoch=None, normalized=True, rng=None, progress=True, log_every=100,
        callbacks=()
    ):  # fmt: skip
        """Train on the rows of X, from new random weights.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            Floats, or uint8 grey levels (255 is read as 1), in memory or on disk (`numpy.memmap`).
        X_test : array-like, shape (m, n_features), optional
            Rows whose loss is recorded after every epoch; they have no influence on training.
        batch_size : int
        learning_rate : float
            Adam's.
        max_epochs : int
            Cap on the passes over the data.
        stopping : {"heldout", "lecture", "epochs"}
            Keep a part of the rows from training and stop when their loss no longer improves by more than ``tol``
            and two standard errors (`HeldOut`); the lecture's rule (`Lecture`); or run all epochs, evaluating on
            the test rows if there are any.
        tol : float, optional
            Nats an example; 0.1 with "heldout", 1 with "lecture".
        patience : int
            Epochs that "heldout" waits for an improvement.
        validation_fraction : float
            Part of the rows that "heldout" holds out.
        kl : {"sample", "analytic"}
            Estimate the KL part at the sample, as the lecture does, or take its closed form.
        beta : float
            Weight of the KL part.
        warmup_epochs : int
            Epochs over which the weight grows evenly from 0 to beta. What is evaluated has the full weight.
        importance_samples : int
            K samples of z an example for the importance-weighted bound; 1 is the ELBO.
        steps_per_epoch : int, optional
            End an epoch after so many batches of its shuffled rows, for data of which all would take too long.
        normalized : bool
            False drops the terms' log(2 pi) constants in the losses that training reports, as the
            lecture does; the fit is the same, and `score` has the constants anyway.
        rng : None, int, SeedSequence or Generator
            The same number gives the same fit, bit for bit, on the same machine.
        progress : {True, False, "lines", "bar"}
            True prints the lecture's lines and, in a terminal where tqdm is installed, keeps a bar below them.
        log_every : int
            Iterations from one line to the next.
        callbacks : callable or sequence of callable
            Each is called as ``callback(vae, state)`` after every epoch, with this model at its current
            parameters and the trainer's `State`; returning True stops. Methods ``on_iteration`` and ``on_end`` of a
            callback are called likewise, every ``log_every`` iterations and at the end.

        Returns
        -------
        VAE
            This one.

        Raises
        ------
        ValueError, TypeError
            For data or settings that cannot work; the message says what to do.
        TrainingError
            If a loss or a gradient is not finite; the message names the epoch, the batch and the array.

        Warns
        -----
        ConvergenceWarning
            If ``max_epochs`` ends a "heldout" run that still improves.

        Notes
        -----
        Ctrl-C ends training after the first epoch as a stopping rule would, with a warning. A fit that fails leaves
        the model as it was before.
        """
        X = validation.check_array(X)
        dtype = self.dtype or np.dtype(np.float64 if X.dtype.kind == "f" and X.dtype.itemsize >= 8 else np.float32)
        self._check_data("X", X, dtype, fitting=True)
        if X_test is not None:
            X_test = validation.check_array(X_test, "X_test")
            validation.check_width("X_test", X_test, X.shape[1], type(self).__name__)
            self._check_data("X_test", X_test, dtype)
        validation.check_number("learning_rate", learning_rate, 0)
        validation.check_count("max_epochs", max_epochs)
        validation.check_count("log_every", log_every)
        if steps_per_epoch is not None:
            validation.check_count("steps_per_epoch", steps_per_epoch)
        rule = stopping_rule(stopping, tol, patience)
        listeners = [*reporters(progress), *(Bound(callback, self) for callback in _callables(callbacks))]
        seed = seed_sequence(rng)
        X, X_test = self.backend.hold(X), None if X_test is None else self.backend.hold(X_test)
        X, X_eval = hold_out(X, validation_fraction, generator(seed, SPLIT)) if rule.holds_out else (X, X)
        batch_size = validation.check_batch_size(batch_size, X.shape[0])
        settings = {"normalized": normalized, "kl": kl, "beta": beta, "importance_samples": importance_samples}

        warmup = validation.check_count("warmup_epochs", warmup_epochs, minimum=0)
        if self._kind_of_objective(kl, beta, importance_samples) is not NegELBO and warmup:
            raise ValueError(
                f"warmup_epochs={warmup} has no meaning for an objective without a KL weight; leave it at 0"
            )

        if progress and self.backend_asked_for != "numpy":
            print(f"> backend = {self.backend.name}")
        before = vars(self).copy()
        try:
            self.build(X.shape[1], dtype, seed)
            self.stopping = stopping
            self.params = self._computing_params()
            run = self._run(
                X, self.objective(**settings), seed, batch_size, importance_samples, warmup, steps_per_epoch
            )
            evaluations = {"eval": run.evaluation(X_eval, EVALUATE, fresh_noise=not rule.holds_out)}
            if X_test is not None:
                evaluations = {} if stopping == "epochs" else evaluations
                evaluations["test"] = run.evaluation(X_test, TEST)
            run.rehearse(X)
            solution = trainer.train(
                run.objective, self.params, run.optimizer(learning_rate), rule, partial(run.batches, X), evaluations,
                max_epochs=max_epochs, log_every=log_every, callbacks=listeners,
            )  # fmt: skip
        except BaseException:
            vars(self).clear()
            vars(self).update(before)  # a fit that fails leaves the model as it was
            raise
        vars(self).update(vars(solution))
        self.params = {name: self.backend.to_host(array) for name, array in self.params.items()}
        return self

    def _run(self, X, *settings):
        return Run(self, *settings)

    def build(self, n_features, dtype=np.float32, rng=None):
        """Give the model new random weights for data of ``n_features``; `fit` begins with this.

        Parameters
        ----------
        n_features : int
        dtype : {float32, float64}
        rng : None, int, SeedSequence or Generator

        Returns
        -------
        VAE
            This one.
        """
        self.n_features = validation.check_count("n_features", n_features)
        dtype = validation.check_dtype(dtype)
        self.stopping, self.stop_reason, self.converged = "none", "not trained by fit", False
        self.history, self.log, self.n_epochs, self.best_epoch = {}, {}, 0, 0
        self.params = networks.init_params(generator(seed_sequence(rng), INIT), self.shapes(), dtype, self.init)
        return self

    def shapes(self):
        """The shape of every parameter by name."""
        heads = self.likelihood.heads(self.n_features)
        return networks.shapes(self.n_features, self.latent_dim, self.hidden_dim, heads)

    def objective(self, *, normalized=True, kl="sample", beta=1.0, importance_samples=1):
        """The negative ELBO of this model, or a relative of it: a function of (params, x, eps).

        Parameters
        ----------
        normalized : bool
            False drops the log(2 pi) constants of vaelite's terms.
        kl, beta, importance_samples
            As for `fit`.

        Returns
        -------
        NegELBO or ImportanceWeighted
            With the caller's own terms where there are any.
        """
        validation.check_fitted(self)
        likelihood, heads = self.likelihood, self.likelihood.heads(self.n_features)
        activation = ACTIVATIONS[self.activation]
        ours = {
            "negloglikelihood": likelihood.negloglikelihood, "neglogprior": terms.neglogprior,
            "neglogposterior": terms.neglogposterior,
        }  # fmt: skip
        if not normalized:
            without = {n: t for n, t in ours.items() if n != "negloglikelihood" or likelihood.has_constants}
            ours |= {name: partial(term, normalized=False) for name, term in without.items()}
        own = {name: in_dtype(term) for name, term in self.own_terms.items()}
        kind = self._kind_of_objective(kl, beta, importance_samples)
        return kind(
            encode=lambda params, x: self._encode(params, likelihood.encoder_input(x)),
            decode=lambda params, z: likelihood.parameters(*networks.decode(params, z, activation, heads)),
            **(ours | own), beta=float(beta), analytic_kl=kl == "analytic",
        )  # fmt: skip

    def _kind_of_objective(self, kl, beta, importance_samples):
        return check_objective(kl, beta, importance_samples, self.own_terms)

    def _encode(self, params, x):
        return networks.encode(params, x, ACTIVATIONS[self.activation])

    def encode(self, X):
        """The parameters of q(z|x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)

        Returns
        -------
        mu, logsigma : arrays, shape (n, latent_dim)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            For another number of features than the model was fitted on.
        """
        X = self._check_images(X)
        return self._by_chunks(self.objective().encode, X, self.likelihood.grey_levels)

    def decode(self, z):
        """The parameters of p(x|z).

        Parameters
        ----------
        z : array-like, shape (n, latent_dim)

        Returns
        -------
        tuple of arrays
            With the Gaussian likelihood mu, (n, n_features), and logsigma, (n, 1) or (n, n_features).
        """
        validation.check_fitted(self)
        z = validation.check_array(z, "z")
        validation.check_width("z", z, self.latent_dim, type(self).__name__)
        validation.check_values(z, self._dtype(), "z", grey_levels=False)
        return self._by_chunks(self.objective().decode, z)

    def reconstruct(self, X, rng=None):
        """Encode and decode: E[x|z] at the mean code, or at a code drawn from q(z|x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : None, int, SeedSequence or Generator
            None takes the mean code; anything else draws one.

        Returns
        -------
        array, shape (n, n_features)
        """
        mu, logsigma = self.encode(X)
        if rng is None:
            return self.likelihood.expectation(*self.decode(mu))
        eps = sampling_generator(rng).standard_normal(mu.shape, dtype=mu.dtype)
        return self.likelihood.expectation(*self.decode(self.objective().reparameterize(mu, logsigma, eps)))

    def sample(self, n, rng=None, *, mean=False):
        """Generate data: z ~ N(0, I), then x ~ p(x|z).

        Parameters
        ----------
        n : int
        rng : None, int, SeedSequence or Generator
            None gives others each time.
        mean : bool
            True gives E[x|z] in place of a draw from p(x|z): pictures without the pixels' noise.

        Returns
        -------
        array, shape (n, n_features)
        """
        validation.check_fitted(self)
        rng, dtype = sampling_generator(rng), self._dtype()
        z = rng.standard_normal((validation.check_count("n", n, minimum=0), self.latent_dim), dtype=dtype)
        outputs = self._by_chunks(self.objective().decode, z)
        return self.likelihood.expectation(*outputs) if mean else self.likelihood.sample(rng, *outputs)

    def score_samples(self, X, rng=0):
        """The ELBO of each row, estimated with one code from q(z|x): a lower bound of log p(x) on average.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : int, SeedSequence, Generator or None
            By default the same noise at every call, so that scores can be compared.

        Returns
        -------
        array, shape (n,)
            In nats, with all constants.
        """
        to_device, batches = self.backend.to_device, self.noisy_batches(X, sampling_generator(rng))
        batches = ((to_device(x), to_device(eps)) for x, eps in batches)
        return -trainer.evaluate(self.objective(), self._computing_params(), batches)[0]

    def score(self, X, rng=0):
        """The mean of `score_samples`, a float, in nats an example."""
        return float(self.score_samples(X, rng).mean(dtype=np.float64))

    def bits_per_dim(self, X, rng=0):
        """Minus `score` in bits a feature: ``-score / (n_features * log(2))``, a float.

        For `Categorical` these are bits of compression, and a decoder that knows nothing needs ``log2(levels)``. For
        `Gaussian` p(x|z) is a density, so that the figure depends on the data's unit and may be negative.
        """
        return -self.score(X, rng) / (self.n_features * math.log(2))

    def save(self, path):
        """Write the model into one .npz file, without pickle; read it with `vaelite.load`.

        The file appears whole or not at all, in place of an older one. Terms and likelihoods of your own
        are functions, which it cannot hold: give them to `vaelite.load` again.

        Raises
        ------
        NotFittedError
            Before `fit`.
        OSError
            If the file cannot be written.
        """
        validation.check_fitted(self)
        ours = type(self.likelihood) in LIKELIHOODS.values()
        manifest = {
            "model": {key: getattr(self, key) for key in ("latent_dim", "hidden_dim", "activation", "init")},
            "kind": type(self).__name__,
            "likelihood": [self.likelihood.name, vars(self.likelihood)] if ours else None,
            "n_features": self.n_features,
            "own_terms": sorted(self.own_terms),
            "solution": {key: getattr(self, key) for key in SOLUTION},
        }
        storage.save(path, manifest, self.params)

    def noisy_batches(self, X, rng):
        """The rows of X in their order and noise for them, pairs (x, eps) of a bounded number of rows.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : numpy.random.Generator

        Returns
        -------
        iterator of (x, eps)
            Floats of shapes (batch, n_features) and (batch, latent_dim).
        """
        X = self._check_images(X)
        return self._noisy_batches(X, CHUNK_ROWS, lambda batch: rng, dtype=self._dtype())

    def batches(self, X, rows=CHUNK_ROWS):
        """The rows of X in their order, a bounded number at a time, as floats of the model's dtype.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rows : int
            At a time.

        Returns
        -------
        iterator of array, shape (rows, n_features)
        """
        return minibatches(self._check_images(X), rows, self._dtype(), grey_levels=self.likelihood.grey_levels)

    def _dtype(self):
        return next(iter(self.params.values())).dtype

    def _check_data(self, name, X, dtype, fitting=False):
        """Images: finite, and what the likelihood takes; those to fit should also make sense."""
        low, high, whole = validation.check_values(X, dtype, name, self.likelihood.grey_levels)
        self.likelihood.check(low, high, whole)
        if fitting and self.likelihood.grey_levels:
            validation.check_grey_levels(X, name)
        if fitting:
            self.likelihood.advise(low, high)

    def _check_images(self, X):
        """Images to encode or to score, as an array."""
        validation.check_fitted(self)
        X = validation.check_array(X)
        validation.check_width("X", X, self.n_features, type(self).__name__)
        self._check_data("X", X, self._dtype())
        return X

    def _noisy_batches(self, X, batch_size, noise, shuffle=None, *, dtype, samples=1):
        """Batches of X and their noise, pairs (x, eps); ``noise(batch)`` is the Generator of a batch's noise."""
        lead = (samples,) if samples > 1 else ()
        for batch, x in enumerate(minibatches(X, batch_size, dtype, shuffle, self.likelihood.grey_levels)):
            yield x, noise(batch).standard_normal((*lead, len(x), self.latent_dim), dtype=dtype)

    def _by_chunks(self, function, array, grey_levels=False):
        """``function(params, rows)``, a tuple of arrays, for all rows of an array, a bounded number at a time."""
        batches = minibatches(array, CHUNK_ROWS, self._dtype(), grey_levels=grey_levels)
        params, here = self._computing_params(), self.backend
        chunks = [tuple(map(here.to_host, function(params, here.to_device(rows)))) for rows in batches]
        return tuple(np.concatenate(parts) for parts in zip(*chunks, strict=True))

    def _computing_params(self):
        """The parameters where the backend computes."""
        return {name: self.backend.to_device(array) for name, array in self.params.items()}


def _callables(callbacks):
    callbacks = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"callbacks should be a callable or a list of them, got {callbacks!r}")
    return [validation.check_callable("a callback", callback) for callback in callbacks]
