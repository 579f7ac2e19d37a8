"""Decompositions of the ELBO: by example, by latent, and its gaps to log p(x)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from ..arrays.streams import Stream, sampling_generator
from ..checks import check_number
from ..models.checks import check_posterior, check_unconditional
from ..terms import kl_divergence, neglogposterior, neglogprior, reparameterize
from .estimate import NORMAL_95, Estimate
from .importance import elbo, log_evidence
from .infer import infer

ACTIVE = 0.01  # a latent is active if its mean has a larger variance over the data
NEAR_LIMIT = 0.1  # nats below log n: mutual information that more rows would raise
BLOCK = 1_000_000  # densities that are computed at a time, for pairs of a code and a row


@dataclass(frozen=True)
class ELBOParts:
    """The ELBO of each example, in nats: ``elbo = -reconstruction - kl.sum(axis=1)``.

    Attributes
    ----------
    reconstruction : array, shape (n,)
        ``-log p(x|z)`` at one sample of z.
    kl : array, shape (n, latent_dim)
        KL(q(z_k|x), p(z_k)) of each latent, in closed form; 0 where x says nothing
        about the latent.
    """

    reconstruction: np.ndarray
    kl: np.ndarray

    @property
    def elbo(self):
        """The ELBO of each example, shape (n,)."""
        return -self.reconstruction - self.kl.sum(axis=1)


def elbo_parts(vae, X, rng=0, *, condition=None):
    """Return the reconstruction and the KL of each latent, for each example.

    Parameters
    ----------
    vae : VAE
        Fitted, with vaelite's own prior and posterior.
    X : array-like, shape (n, n_features)
    rng : int, SeedSequence, Generator or None
    condition : optional
        As for `VAE.encode`.

    Returns
    -------
    ELBOParts
    """
    _check_normal(vae)
    mu, logsigma = vae.encode(X, condition=condition)
    noise = sampling_generator(rng, Stream.SCORE)
    nll, noisy = [], vae.noisy_batches(X, noise, condition=condition)
    for x, eps, rows, c in (batch.on_host() for batch in noisy):
        objective = vae.loss().given(c)
        z = reparameterize(mu[rows], logsigma[rows], eps)
        nll.append(objective.negloglikelihood(x, *objective.decode(vae.params, z)))
    return ELBOParts(np.concatenate(nll), kl_divergence(mu[..., None], logsigma[..., None]))


def active_units(vae, X, threshold=ACTIVE, *, condition=None):
    """Return which latents the encoder uses: those whose mean varies over the data.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
    threshold : float
        For the variance of mu over the rows of X.
    condition : optional
        As for `VAE.encode`.

    Returns
    -------
    array of bool, shape (latent_dim,)

    References
    ----------
    Burda, Grosse & Salakhutdinov (2016), Importance Weighted Autoencoders, section 5.2.
    """
    check_number("threshold", threshold, 0, low_included=True)
    return vae.codes(X, condition=condition).var(axis=0, dtype=np.float64) > threshold


@dataclass(frozen=True)
class KLSplit:
    """The two parts of the mean KL(q(z|x), p(z)) over a data set, in nats.

    ``kl = mutual_information + marginal_kl``.

    Attributes
    ----------
    mutual_information : float
        Between a row's number and its code, at most ``log n``: how well a code
        identifies its row.
    marginal_kl : float
        KL(q(z), p(z)), where q(z) is the mean of q(z|x) over all rows: how far the
        codes are from the prior that samples come from.
    standard_error : float
        Of both, from the samples of z. Their errors are nearly opposite, so ``kl`` has
        a smaller one.
    n : int
        Rows.

    Notes
    -----
    If every code identifies its row, the mutual information is ``log n`` for any model:
    it is that of these n rows only. With more rows it would rise and ``marginal_kl``
    would fall, so that the latter is an upper estimate for the whole data distribution.
    `is_bound_by_n` says when this is so.
    """

    mutual_information: float
    marginal_kl: float
    standard_error: float
    n: int

    @property
    def is_bound_by_n(self):
        """Whether the mutual information is within 0.1 nats of its limit, ``log n``."""
        return self.mutual_information > np.log(self.n) - NEAR_LIMIT

    @property
    def kl(self):
        """The mean over the rows of KL(q(z|x), p(z))."""
        return self.mutual_information + self.marginal_kl

    def __str__(self):
        half = NORMAL_95 * self.standard_error
        lines = [
            f"KL(q(z|x), p(z)), the mean over {self.n} examples: {self.kl:.3f} nats",
            f"  mutual information      {self.mutual_information:8.3f} +- {half:.3f}",
            f"  KL(q(z), p(z))          {self.marginal_kl:8.3f} +- {half:.3f}  (95 % intervals)",
        ]
        if self.is_bound_by_n:
            lines.append(
                f"  The mutual information is at its limit, log n = {np.log(self.n):.3f}: with "
                "more rows\n  it would be larger, and KL(q(z), p(z)) smaller."
            )
        return "\n".join(lines)


def kl_split(vae, X, rng=0):
    """Split the KL part into mutual information and the KL of all codes from the prior.

    Parameters
    ----------
    vae : VAE
        Fitted, with vaelite's own prior and posterior, without a condition.
    X : array-like, shape (n, n_features)
        Both parts are those of these n rows. The time is that of ``n * n`` densities.
    rng : int, SeedSequence, Generator or None

    Returns
    -------
    KLSplit

    References
    ----------
    Hoffman & Johnson (2016), ELBO surgery: yet another way to carve up the variational
    evidence lower bound, equation 8.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=9, stopping="epochs", rng=0)
    >>> split = vaelite.kl_split(vae, X)
    >>> bool(0 < split.mutual_information < split.kl)
    True
    """
    _check_normal(vae)
    check_unconditional(vae, "kl_split")
    mu, logsigma = (array.astype(np.float64) for array in vae.encode(X))
    n = len(mu)
    noise = sampling_generator(rng, Stream.KL_SPLIT)
    z = reparameterize(mu, logsigma, noise.standard_normal(mu.shape))
    rows = max(1, BLOCK // n)
    blocks = (z[start : start + rows] for start in range(0, n, rows))
    log_marginal = np.concatenate([_log_mixture(block, mu, logsigma) for block in blocks])
    information = -neglogposterior(z, mu, logsigma) - log_marginal
    marginal = log_marginal + neglogprior(z)
    error = max(information.std(), marginal.std()) / np.sqrt(n - 1) if n > 1 else np.nan
    return KLSplit(float(information.mean()), float(marginal.mean()), float(error), n)


def _log_mixture(z, mu, logsigma):
    """The log density at each z of the mean of all rows' q."""
    shape = (len(z), *mu.shape)
    nlq = neglogposterior(np.broadcast_to(z[:, None], shape), mu[None], logsigma[None])
    return logsumexp(-nlq, axis=1) - np.log(len(mu))


@dataclass(frozen=True)
class Gaps:
    """The gaps between the ELBO and log p(x) for each example, in nats.

    Attributes
    ----------
    elbo, refined_elbo, log_evidence : Estimate
        With the encoder's q; with the best q of its family for each example, from
        `infer`; and log p(x) itself.
    """

    elbo: Estimate
    refined_elbo: Estimate
    log_evidence: Estimate

    @property
    def amortization(self):
        """The loss of each example because an encoder computes its q, shape (n,)."""
        return self.refined_elbo.value - self.elbo.value

    @property
    def approximation(self):
        """The loss of each example because q has independent normal latents, (n,)."""
        return self.log_evidence.value - self.refined_elbo.value

    def __str__(self):
        lines = [f"Means over {len(self.elbo.value)} examples, in nats per example"]
        for name, value, sources in (
            ("ELBO of the encoder", self.elbo.value, [self.elbo]),
            ("+ amortization gap", self.amortization, [self.elbo, self.refined_elbo]),
            ("+ approximation gap", self.approximation, [self.refined_elbo, self.log_evidence]),
            ("= log p(x)", self.log_evidence.value, [self.log_evidence]),
        ):
            lines.append(f"  {name:22s}{value.mean():10.3f} {_interval(sources)}")
        unsure = [one for one in (self.elbo, self.refined_elbo, self.log_evidence) if one.why_not]
        lines += ["  +-: half of a 95 % interval"] + [f"  no interval: {o.why_not}" for o in unsure]
        return "\n".join(lines)


def _interval(estimates):
    """``+-`` and half the 95 % interval of a sum or difference of means."""
    if any(one.interval is None for one in estimates):
        return "(no interval)"
    errors = np.concatenate([one.standard_error for one in estimates])
    return f"+- {NORMAL_95 * np.sqrt(np.sum(errors**2)) / len(estimates[0].value):.3f}"


def inference_gaps(
    vae,
    X,
    n_samples=1000,
    rng=0,
    *,
    condition=None,
    n_steps=300,
    learning_rate=0.1,
    progress=False,
):
    """Split ``log p(x) - ELBO`` into the cost of amortization and of q's family.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
    n_samples : int
        For each of the three estimates.
    rng : int, SeedSequence, Generator or None
    condition : optional
        As for `VAE.encode`.
    n_steps, learning_rate
        Of `infer`, which starts at the encoder's q and at the best of some codes from
        the prior: an encoder's q may be near a small mode.
    progress : {False, True, "lines", "bar"}
        Of each pass over the rows.

    Returns
    -------
    Gaps
        ``print`` shows their means and 95 % intervals. Those of the gaps are generous:
        they do not use that the estimates have the same noise.

    References
    ----------
    Cremer, Li & Duvenaud (2018), Inference Suboptimality in Variational Autoencoders,
    section 3.
    """
    check_posterior(vae)
    if not vae.is_amortized:
        raise ValueError(
            f"a {type(vae).__name__} model has no encoder, and so no amortization gap; "
            "log_evidence and elbo work"
        )
    # The same noise for both ELBOs: their difference has less noise.
    shared = {"condition": condition, "progress": progress}
    seed = sampling_generator(rng, Stream.GAPS).integers(2**32)
    how = {"n_steps": n_steps, "learning_rate": learning_rate, "rng": seed}
    refined = infer(vae, X, **how, **shared)
    estimates = (elbo(vae, X, n_samples, seed, q, **shared) for q in (None, refined))
    return Gaps(*estimates, log_evidence(vae, X, n_samples, seed, refined, **shared))


def _check_normal(vae):
    check_posterior(vae)
    own = sorted({"neglogprior", "neglogposterior", "reparameterize"} & vae.changed_terms)
    if own:
        raise ValueError(
            "this needs vaelite's normal prior and posterior, but the model has its own "
            f"{', '.join(own)}"
        )
