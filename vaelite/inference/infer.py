"""Mean-field inference: a mu and a logsigma for each row by itself, without an encoder.

An encoder amortizes this: it learns to compute in one pass what is optimized here row
by row, for a decoder that is already trained.
"""

from dataclasses import replace

import autograd.numpy as np

from ..adam import Adam
from ..arrays.streams import Stream, sampling_generator
from ..checks import check_count, check_number, check_pairs
from ..exceptions import TrainingError
from ..fit.plan import CHUNK_ROWS
from ..fit.progress import track
from ..gradient import value_and_grad
from ..models.checks import check_columns, check_posterior, check_q
from ..ops import copies

Q = "q.mu", "q.logsigma"
CANDIDATES = 100  # codes from the prior; inference starts at the best one
COMPARED = 100  # samples for the ELBO that decides between two results


def infer(
    vae,
    X,
    q=None,
    *,
    condition=None,
    observed=None,
    n_steps=300,
    n_samples=8,
    learning_rate=0.1,
    rng=0,
    progress=False,
):
    """Find the best q(z|x) for each row by itself: mean-field variational inference.

    Parameters
    ----------
    vae : VAE or MeanField
        Fitted; it does not change.
    X : array-like, shape (n, n_features)
    q : pair of arrays, shape (n, latent_dim), optional
        Mu and logsigma to start with, such as ``vae.encode(X)``. Without it, inference
        starts at the best of 100 codes from the prior, and, if the model has an encoder
        and all features are observed, also at the encoder's q. Each row keeps the
        result with the larger ELBO.
    condition : optional
        As for `VAE.encode`.
    observed : array of bool, shape (n_features,), optional
        Which features to learn from, the same for all rows; the values of X elsewhere
        are not used. This is for likelihoods whose features are independent given z:
        the term sees the observed columns only.
    n_steps : int
        Steps of Adam for each row.
    n_samples : int
        Samples of z per row for each step's gradient, in pairs of eps and -eps: an even
        number.
    learning_rate : float
        At the start; it falls evenly to 0.
    rng : None, int, SeedSequence or Generator
    progress : {False, True, "lines", "bar"}
        True prints how many rows are done; in a terminal with tqdm installed, a bar.

    Returns
    -------
    mu, logsigma : arrays, shape (n, latent_dim)

    References
    ----------
    .. [1] Hoffman, Blei, Wang & Paisley (2013), Stochastic Variational Inference,
       section 2.
    .. [2] Cremer, Li & Duvenaud (2018), Inference Suboptimality in Variational
       Autoencoders, section 4.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=5, stopping="epochs", rng=0)
    >>> q = vaelite.infer(vae, X[:50], vae.encode(X[:50]), n_steps=50)
    >>> refined, encoders = vaelite.elbo(vae, X[:50], q=q), vaelite.elbo(vae, X[:50])
    >>> bool(refined.value.mean() > encoders.value.mean())
    True
    """
    check_settings(n_steps, n_samples, learning_rate)
    check_posterior(vae)
    rng = sampling_generator(rng, Stream.INFER)
    own = {"neglogprior", "neglogposterior"} & vae.changed_terms
    objective = vae.loss(kl="sample" if own else "analytic")
    if observed is not None:
        X, objective = _observe(vae, X, observed, objective)
    starts = [check_q(vae, X, q)] if q is not None else [None]
    if q is None and observed is None and vae.is_amortized:
        starts.append(vae.encode(X, condition=condition))
    batches = vae.batches(X, max(1, CHUNK_ROWS // n_samples), condition=condition)
    found = []
    for batch in track(batches, np.shape(X)[0], progress):
        batch = batch.on_host()
        given, x, ends = objective.given(batch.condition), batch.x, []
        for start in starts:
            if start is None:
                begin = _best_of_the_prior(given, vae, x, rng)
            else:
                begin = [array[batch.rows].copy() for array in start]
            settings = n_steps, n_samples, learning_rate
            ends.append(_optimize(given, vae.params, x, begin, *settings, rng))
        found.append(ends[0] if len(ends) == 1 else _better(given, vae.params, x, ends, rng))
    return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))


def check_settings(n_steps, n_samples, learning_rate):
    """Refuse settings of `infer` that cannot work."""
    check_pairs("n_samples", n_samples)
    check_count("n_steps", n_steps)
    check_number("learning_rate", learning_rate, 0)


def _optimize(objective, decoder, x, start, n_steps, n_samples, learning_rate, rng):
    """Mu and logsigma of each row of x after ``n_steps`` of Adam from ``start``."""
    q, adam = dict(zip(Q, start, strict=True)), Adam(learning_rate)
    gradient = value_and_grad(_loss_of_q(objective, decoder, n_samples))
    x, half = copies(x, n_samples), (n_samples // 2 * len(x), start[0].shape[1])
    with np.errstate(over="ignore", invalid="ignore"):  # checked afterwards
        for step in range(n_steps):
            eps = rng.standard_normal(half, dtype=x.dtype)
            _, grads = gradient(q, x, np.concatenate([eps, -eps]))
            adam.learning_rate = learning_rate * (1 - step / n_steps)
            adam.update(q, grads)
    if not all(np.isfinite(array).all() for array in q.values()):
        raise TrainingError(
            "inference reached a mu or a logsigma that is not finite; a smaller learning_rate "
            "may help"
        )
    return tuple(q.values())


def _loss_of_q(objective, decoder, n_samples):
    """The objective as a function of each row's own q, with samples of z for each."""

    def encode(params, x):
        return tuple(copies(params[name], n_samples) for name in Q)

    objective = replace(objective, encode=encode)
    return lambda q, x, eps: objective({**decoder, **q}, x, eps)


def _better(objective, decoder, x, ends, rng):
    """For each row, the q with the larger ELBO."""
    losses = np.zeros((len(ends), len(x)))
    for _ in range(COMPARED):
        eps = rng.standard_normal(ends[0][0].shape, dtype=x.dtype)
        for j, q in enumerate(ends):
            of_q = replace(objective, encode=lambda params, x, q=q: q)
            losses[j] += of_q.parts(decoder, x, eps)[0]
    best, rows = np.argmin(losses, axis=0), np.arange(len(x))
    return tuple(np.stack(arrays)[best, rows] for arrays in zip(*ends, strict=True))


def _best_of_the_prior(objective, vae, x, rng):
    """For each row, the best of some codes from the prior, and logsigma = 0."""
    z = rng.standard_normal((CANDIDATES, vae.latent_dim), dtype=x.dtype)
    if vae.n_conditions:
        return _best_given_condition(objective, vae, x, z)
    outputs = objective.decode(vae.params, z)

    def loss(row):
        return objective.negloglikelihood(np.broadcast_to(row, (len(z), len(row))), *outputs)

    best = [np.argmin(loss(row)) for row in x]
    return z[best], np.zeros_like(z[best])


def _best_given_condition(objective, vae, x, z):
    """As `_best_of_the_prior`, for a decoder that depends on each row's condition."""
    losses = []
    for code in z:
        outputs = objective.decode(vae.params, np.tile(code, (len(x), 1)))
        losses.append(objective.negloglikelihood(x, *outputs))
    best = np.argmin(np.stack(losses), axis=0)
    return z[best], np.zeros_like(z[best])


def check_observed(vae, observed):
    """Return which features are observed, an array of bool, shape (n_features,)."""
    observed = np.asarray(observed)
    if observed.dtype != bool or observed.shape != (vae.n_features,) or not observed.any():
        raise ValueError(
            f"observed should be {vae.n_features} booleans, one per feature and the same for all "
            f"rows, with at least one True, got an array of {observed.dtype} of shape "
            f"{observed.shape}"
        )
    return observed


def _observe(vae, X, observed, objective):
    """X without its values in unobserved features, and the objective of the others."""
    observed = check_observed(vae, observed)
    X = np.asarray(check_columns(vae, X))

    def visible(array):
        has_columns = np.ndim(array) > 1 and array.shape[1] == len(observed)
        return array[:, observed] if has_columns else array

    def negloglikelihood(x, *outputs):
        return objective.negloglikelihood(visible(x), *map(visible, outputs))

    X = np.where(observed, X, X.dtype.type(0))
    return X, replace(objective, negloglikelihood=negloglikelihood)
