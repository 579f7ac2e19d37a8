"""The ledger: every term and constant of a loss, and the losses of other libraries."""

from dataclasses import dataclass

import numpy as np

from ..arrays.streams import Stream, sampling_generator
from ..models.checks import check_fitted
from ..terms import HALF_LOG_2PI, kl_divergence

KERAS_EPSILON = 1e-7  # Keras clips probabilities this far from 0 and 1
PYTORCH_VAE_WEIGHT = 0.00025  # of the KL, in the configurations of the repository PyTorch-VAE


@dataclass(frozen=True)
class Ledger:
    """What a loss consists of; ``print`` shows it as a table.

    Attributes
    ----------
    terms : dict of float
        The parts of the loss, in nats per image, means over the images.
    loss : dict of float
        Their sum: "nats per image", "nats per pixel" and "bits per dimension".
    others : dict of float
        What other libraries would print for the same fit, each in its own unit.
    n, n_features : int
        Images, and numbers per image.
    """

    terms: dict
    loss: dict
    others: dict
    n: int
    n_features: int

    def __str__(self):
        size = f"{self.n} images of {self.n_features} numbers"
        parts = {
            f"The loss, a mean over {size}, in nats per image": self.terms,
            "The sum": self.loss,
            "The same fit, as others print it": self.others,
        }
        lines = []
        for title, rows in parts.items():
            lines += [title, *(f"  {name:58s}{value:12.4f}" for name, value in rows.items())]
        return "\n".join(lines)


def ledger(vae, X, rng=0, kl_weight=PYTORCH_VAE_WEIGHT, *, condition=None):
    """List every term and constant of a loss, and what other libraries would print.

    Parameters
    ----------
    vae : VAE or Autoencoder
        Fitted.
    X : array-like, shape (n, n_features)
    rng : optional
        As for `VAE.score_samples`.
    kl_weight : float
        The weight of the KL in PyTorch-VAE's loss.
    condition : optional
        As for `VAE.encode`.

    Returns
    -------
    Ledger
        The lecture drops the log(2 pi) constants. Pyro prints minus the ELBO. Keras
        prints the binary cross-entropy of x and E[x|z], a mean over pixels, without KL;
        it is left out where E[x|z] leaves [0, 1]. PyTorch-VAE prints the squared error,
        a mean over pixels, plus ``kl_weight`` times the closed-form KL.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=9, stopping="epochs", rng=0)
    >>> found = vaelite.ledger(vae, X)
    >>> abs(sum(found.terms.values()) + vae.score(X)) < 1e-3
    True
    """
    check_fitted(vae)
    batches = vae.noisy_batches(X, sampling_generator(rng, Stream.SCORE), condition=condition)
    columns = [_columns(vae, batch) for batch in batches]
    means = {
        name: float(np.concatenate([c[name] for c in columns]).mean(dtype=np.float64))
        for name in columns[0]
    }
    of_others = "squared error", "cross-entropy", "KL"
    others = {name: means.pop(name) for name in of_others if name in means}
    total, D, dropped = sum(means.values()), vae.n_features, means.get("D/2 log(2 pi)", 0)
    pytorch_vae = others["squared error"] + kl_weight * others.get("KL", 0)
    names = {
        "the lecture (no log(2 pi)), nats per image": total - dropped,
        "Pyro (minus the ELBO), nats per image": total,
        "Keras (binary cross-entropy), nats per pixel": others["cross-entropy"],
        f"PyTorch-VAE (squared error per pixel + {kl_weight:g} KL)": pytorch_vae,
    }
    per_dimension = total / D / np.log(2)
    return Ledger(
        means,
        {"nats per image": total, "nats per pixel": total / D, "bits per dimension": per_dimension},
        {name: float(value) for name, value in names.items() if np.isfinite(value)},
        np.shape(X)[0],
        D,
    )


def _columns(vae, batch):
    """The terms of each row of a batch by name, and what the losses of others need."""
    x, eps, _, condition = batch.on_host()
    objective = vae.loss().given(condition)
    z = objective.encode(vae.params, x)
    columns = {}
    if vae.has_posterior:
        mu, logsigma = z
        z = objective.reparameterize(mu, logsigma, eps)
        nlp = objective.neglogprior(z, *objective.prior(vae.params))
        nlq = objective.neglogposterior(z, mu, logsigma)
        is_normal = "neglogprior" not in vae.changed_terms
        columns = (_of_normal if is_normal else _of_own)(z, nlp, nlq)
        columns["KL"] = kl_divergence(mu, logsigma)
    outputs = objective.decode(vae.params, z)
    nll = objective.negloglikelihood(x, *outputs)
    is_own = "negloglikelihood" in vae.own_terms
    parts = {"-log p(x|z)": nll} if is_own else vae.likelihood.ledger(nll, *outputs)
    return {**parts, **columns, **_of_others(vae.likelihood, x, outputs)}


def _of_own(z, nlp, nlq):
    """-log p(z) of another prior, and log q(z|x)."""
    return {"-log p(z)": nlp, "log q(z|x)": -nlq}


def _of_normal(z, nlp, nlq):
    """The parts of -log p(z) + log q(z|x) for the standard normal prior."""
    constant = np.full(len(z), z.shape[1] * HALF_LOG_2PI)
    return {
        "1/2 sum z^2": nlp - constant,
        "K/2 log(2 pi)": constant,
        "- 1/2 sum eps^2 - sum log(sigma of q)": constant - nlq,
        "- K/2 log(2 pi)": -constant,
    }


def _of_others(likelihood, x, outputs):
    """Binary cross-entropy and squared error of x and E[x|z], means over pixels."""
    images = likelihood.encoder_input(x), likelihood.encoder_input(likelihood.expectation(*outputs))
    image, mean = images
    p = np.clip(mean, KERAS_EPSILON, 1 - KERAS_EPSILON)
    cross_entropy = -(image * np.log(p) + (1 - image) * np.log1p(-p)).mean(axis=1)
    is_inside = (mean >= 0).all() and (mean <= 1).all()
    return {
        "cross-entropy": cross_entropy if is_inside else np.full(len(x), np.nan),
        "squared error": ((image - mean) ** 2).mean(axis=1),
    }
