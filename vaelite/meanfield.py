"""Mean-field inference: a mu and a logsigma for each observation by itself, without an encoder.

`infer` finds them for a decoder that is trained; `MeanField` trains a decoder along with them. An encoder amortises
this: it learns to give in one pass what is optimised here observation by observation.
"""

from dataclasses import replace

import autograd.numpy as np

from . import trainer, validation
from .adam import Adam
from .exceptions import TrainingError
from .gradient import value_and_grad
from .model import VAE
from .ops import copies
from .progress import track
from .run import CHUNK_ROWS, Run
from .streams import SHUFFLE, generator, sampling_generator

Q = "q.mu", "q.logsigma"
CANDIDATES = 100  # codes from the prior, the best of which inference begins with


def infer(vae, X, q=None, *, observed=None, n_steps=300, n_samples=8, learning_rate=0.1, rng=0, progress=False):
    """The best q(z|x) for each row by itself, for a decoder as it is: mean-field variational inference.

    Parameters
    ----------
    vae : VAE
        Fitted; it does not change.
    X : array-like, shape (n, n_features)
    q : pair of arrays, shape (n, latent_dim), optional
        Mu and logsigma to begin with, such as ``vae.encode(X)``. Without it, inference begins at the
        best of 100 codes from the prior.
    observed : array of bool, shape (n_features,), optional
        Which features to learn from, the same for all rows; what X holds elsewhere is not looked at. For
        likelihoods whose features are independent given z: the term is given the observed columns only.
    n_steps : int
        Of Adam, on each row.
    n_samples : int
        Samples of z a row for each step's gradient: pairs of eps and -eps; an even number.
    learning_rate : float
        At the beginning; it falls evenly to 0.
    rng : None, int, SeedSequence or Generator
    progress : {False, True, "lines", "bar"}
        True prints how many rows are done, or in a terminal where tqdm is installed keeps a bar.

    Returns
    -------
    mu, logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    .. [1] Hoffman, Blei, Wang & Paisley (2013), Stochastic Variational Inference, section 2.
    .. [2] Cremer, Li & Duvenaud (2018), Inference Suboptimality in Variational Autoencoders, section 4.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=5, stopping="epochs", rng=0, progress=False)
    >>> q = vaelite.infer(vae, X[:50], vae.encode(X[:50]), n_steps=50)
    >>> refined, encoders = vaelite.elbo(vae, X[:50], q=q), vaelite.elbo(vae, X[:50])
    >>> bool(refined.value.mean() > encoders.value.mean())
    True
    """
    if validation.check_count("n_samples", n_samples) % 2:
        raise ValueError(f"n_samples should be even, for pairs of eps and -eps, got {n_samples}")
    validation.check_count("n_steps", n_steps)
    validation.check_number("learning_rate", learning_rate, 0)
    validation.check_posterior(vae)
    rng, own = sampling_generator(rng), {"neglogprior", "neglogposterior"} & set(vae.own_terms)
    objective = vae.objective(kl="sample" if own else "analytic")
    if observed is not None:
        X, objective = _observe(vae, X, observed, objective)
    q = None if q is None else validation.check_q(vae, X, q)
    found, done = [], 0
    for x in track(vae.batches(X, max(1, CHUNK_ROWS // n_samples)), np.shape(X)[0], progress):
        start = _best_of_the_prior(objective, vae, x, rng) if q is None else [a[done : done + len(x)].copy() for a in q]
        with np.errstate(over="ignore", invalid="ignore"):  # what they lead to is caught
            found.append(_optimise(objective, vae.params, x, start, n_steps, n_samples, learning_rate, rng))
        done += len(x)
    return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))


def _optimise(objective, decoder, x, start, n_steps, n_samples, learning_rate, rng):
    """Mu and logsigma of each row of x after ``n_steps`` of Adam from ``start``."""
    q, adam = dict(zip(Q, start, strict=True)), Adam(learning_rate)
    objective = replace(objective, encode=lambda params, x: tuple(copies(params[name], n_samples) for name in Q))
    gradient = value_and_grad(lambda q, x, eps: objective({**decoder, **q}, x, eps))
    x, half = copies(x, n_samples), (n_samples // 2 * len(x), start[0].shape[1])
    for step in range(n_steps):
        eps = rng.standard_normal(half, dtype=x.dtype)
        _, grads = gradient(q, x, np.concatenate([eps, -eps]))
        adam.learning_rate = learning_rate * (1 - step / n_steps)
        adam.update(q, grads)
    if not all(np.isfinite(array).all() for array in q.values()):
        raise TrainingError("inference came to a mu or a logsigma that is not finite; a smaller learning_rate may help")
    return tuple(q.values())


def _best_of_the_prior(objective, vae, x, rng):
    """For each row the code that explains it best among some from the prior, and the prior's spread."""
    z = rng.standard_normal((CANDIDATES, vae.latent_dim), dtype=x.dtype)
    outputs = objective.decode(vae.params, z)
    best = [np.argmin(objective.negloglikelihood(np.broadcast_to(row, (len(z), len(row))), *outputs)) for row in x]
    return z[best], np.zeros_like(z[best])


def check_observed(vae, observed):
    """Which features are observed, as an array of bool, shape (n_features,)."""
    observed = np.asarray(observed)
    if observed.dtype != bool or observed.shape != (vae.n_features,) or not observed.any():
        raise ValueError(
            f"observed should be {vae.n_features} booleans, one a feature and the same for all rows, with a True among "
            f"them, got an array of {observed.dtype} of shape {observed.shape}"
        )
    return observed


def _observe(vae, X, observed, objective):
    """X without what it holds in unobserved features, and the objective that looks at the others only."""
    observed = check_observed(vae, observed)
    X = np.asarray(validation.check_array(X))
    validation.check_width("X", X, vae.n_features, type(vae).__name__)

    def visible(array):
        return array[:, observed] if np.ndim(array) > 1 and array.shape[1] == len(observed) else array

    def negloglikelihood(x, *outputs):
        return objective.negloglikelihood(visible(x), *map(visible, outputs))

    return np.where(observed, X, X.dtype.type(0)), replace(objective, negloglikelihood=negloglikelihood)


class MeanField(VAE):
    """A latent-variable model without an encoder: a decoder, and a mu and a logsigma for each row it was fitted on.

    The lecture has it before its "Amortized Optimization". To be compared with `VAE`, whose settings and methods it
    has. What an encoder would answer at once, ``encode``, ``reconstruct`` and ``score_samples`` find by `infer`, for
    any row and the ELBO as it is (beta = 1): they take as long as some hundred passes through a decoder, and their
    noise depends on which rows are asked for together.

    Attributes
    ----------
    mu, logsigma : arrays, shape (n, latent_dim)
        Of q(z|x) for the rows of the fit, as training left them; what ``history`` reports. ``encode`` finds better ones
        while training is short. They are not saved with the model.

    References
    ----------
    Hoffman, Blei, Wang & Paisley (2013), Stochastic Variational Inference.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> model = vaelite.MeanField(hidden_dim=64).fit(X, max_epochs=3, rng=0, progress=False)
    >>> model.mu.shape, model.sample(2, rng=0).shape
    ((1797, 2), (2, 64))
    """

    mu = logsigma = None

    def fit(self, X, *, max_epochs=100, stopping="epochs", local_learning_rate=0.3, **settings):
        """Train the decoder on the rows of X, along with their mu and logsigma.

        A step changes the mu and the logsigma of its own batch only, by an Adam of their own.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        max_epochs : int
        stopping : {"epochs", "lecture"}
            Rows held out would have no mu and no logsigma.
        local_learning_rate : float
            Of each row's mu and logsigma, which take one step an epoch.
        **settings
            Others of `VAE.fit`, but for those that need an encoder (X_test, importance_samples), held-out rows, or
            rows that an epoch leaves out (steps_per_epoch).

        Returns
        -------
        MeanField
            This one.
        """
        validation.check_choice("stopping", stopping, ("epochs", "lecture"))
        if self.backend.name != "numpy":
            raise ValueError(f'MeanField computes in NumPy only, got backend="{self.backend.name}"')
        allowed = ("batch_size", "learning_rate", "tol", "kl", "beta", "warmup_epochs", "normalized", "rng", "progress")
        validation.check_keywords("MeanField.fit", settings, [*allowed, "log_every", "callbacks"])
        self.local_learning_rate = validation.check_number("local_learning_rate", local_learning_rate, 0)
        super().fit(X, max_epochs=max_epochs, stopping=stopping, **settings)
        self.params = {name: array for name, array in self.params.items() if name not in Q}
        return self

    def shapes(self):
        """The shape of every parameter by name: the decoder's."""
        return {name: shape for name, shape in super().shapes().items() if name.startswith("decoder")}

    def objective(self, **settings):
        """As `VAE.objective`; in place of an encoder it has `infer`."""
        return replace(super().objective(**settings), encode=lambda params, x: infer(self, x))

    def _run(self, X, *settings):
        run = LocalRun(self, X.shape[0], self.local_learning_rate, *settings)
        self.mu, self.logsigma = run.tables.values()
        return run


class LocalRun(Run):
    """A run whose batches bring their rows' mu and logsigma along, as parameters like any other."""

    def __init__(self, model, n, learning_rate, objective, *settings):
        super().__init__(model, replace(objective, encode=lambda params, x: tuple(params[k] for k in Q)), *settings)
        self.params, self.local_learning_rate, self.epoch = model.params, learning_rate, 0
        shape, dtype = (n, model.latent_dim), next(iter(model.params.values())).dtype
        self.tables, self.m, self.v = ({name: np.zeros(shape, dtype) for name in Q} for _ in range(3))

    def batches(self, X, epoch):
        self.epoch, order = epoch, generator(self.seed, SHUFFLE, epoch).permutation(X.shape[0])
        return self._lend(self.params, super().batches(X, epoch), order)

    def evaluation(self, X, stream, fresh_noise=False):
        def evaluate(params, epoch):
            params, rng = dict(params), generator(self.seed, stream, epoch if fresh_noise else 0)
            batches = self._noisy(X, CHUNK_ROWS, lambda batch: rng)
            return trainer.evaluate(self.final, params, self._lend(params, batches, np.arange(X.shape[0])))

        return evaluate

    def rehearsal(self, x):
        return {**self.params, **{name: table[: len(x)] for name, table in self.tables.items()}}

    def _lend(self, params, batches, order):
        """The batches; before each its rows of the tables become arrays of ``params``."""
        done = 0
        for x, eps in batches:
            self.rows = order[done : done + len(x)]
            params.update({name: table[self.rows] for name, table in self.tables.items()})
            done += len(x)
            yield x, eps

    def optimizer(self, learning_rate):
        self.adam = Adam(learning_rate)
        return self

    @property
    def t(self):
        """Steps taken."""
        return self.adam.t

    def update(self, params, grads):
        """Take one step: Adam for the decoder, and another for the batch's rows, each of which has a step an epoch."""
        self.adam.update({name: array for name, array in params.items() if name not in Q}, grads)
        local, adam = {name: params[name] for name in Q}, Adam(self.local_learning_rate)
        adam.t = self.epoch - 1
        adam.m, adam.v = ({name: moments[name][self.rows] for name in Q} for moments in (self.m, self.v))
        adam.update(local, grads)
        for tables, updated in ((self.tables, local), (self.m, adam.m), (self.v, adam.v)):
            for name in Q:
                tables[name][self.rows] = updated[name]
