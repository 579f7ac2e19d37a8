"""What a fitted model's numbers mean."""

from dataclasses import dataclass

import numpy as np

from .likelihoods import Gaussian
from .streams import sampling_generator
from .terms import HALF_LOG_2PI, kl_divergence

KERAS_EPSILON = 1e-7  # Keras clips probabilities this far from 0 and 1
PYTORCH_VAE_WEIGHT = 0.00025  # of the KL, in the configurations of the repository PyTorch-VAE


@dataclass(frozen=True)
class Ledger:
    """What a loss is made of; ``print`` shows it as a table.

    Attributes
    ----------
    terms : dict of float
        What adds up to the loss, in nats an image, means over the images.
    loss : dict of float
        The sum: "nats an image", "nats a pixel" and "bits a dimension".
    others : dict of float
        What others would print for the same fit, each in its own unit.
    n, n_features : int
        Images, and numbers an image.
    """

    terms: dict
    loss: dict
    others: dict
    n: int
    n_features: int

    def __str__(self):
        parts = {
            f"The loss, a mean over {self.n} images of {self.n_features} numbers, in nats an image": self.terms,
            "Their sum": self.loss,
            "The same fit, as others print it": self.others,
        }
        lines = []
        for title, rows in parts.items():
            lines += [title, *(f"  {name:58s}{value:12.4f}" for name, value in rows.items())]
        return "\n".join(lines)


def ledger(vae, X, rng=0, kl_weight=PYTORCH_VAE_WEIGHT):
    """Every term and constant of a loss, and what others would call it.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
    rng : optional
        As for `VAE.score_samples`.
    kl_weight : float
        The weight of the KL in PyTorch-VAE's loss.

    Returns
    -------
    Ledger
        The lecture drops the log(2 pi) constants; Pyro prints minus the ELBO; Keras the binary cross-entropy of x and
        E[x|z], a mean over pixels (left out where E[x|z] leaves [0, 1]), without KL; PyTorch-VAE the squared error, a
        mean over pixels, plus ``kl_weight`` times the closed-form KL.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=9, stopping="epochs", rng=0, progress=False)
    >>> found = vaelite.ledger(vae, X)
    >>> abs(sum(found.terms.values()) + vae.score(X)) < 1e-3
    True
    """
    batches = vae.noisy_batches(X, sampling_generator(rng))
    columns = [_columns(vae, x, eps) for x, eps in batches]
    means = {name: float(np.concatenate([c[name] for c in columns]).mean(dtype=np.float64)) for name in columns[0]}
    others = {name: means.pop(name) for name in ("squared error", "cross-entropy", "KL") if name in means}
    total, D, dropped = sum(means.values()), vae.n_features, means.get("D/2 log(2 pi)", 0)
    names = {
        "the lecture (no log(2 pi)), nats an image": total - dropped,
        "Pyro (minus the ELBO), nats an image": total,
        "Keras (binary cross-entropy), nats a pixel": others["cross-entropy"],
        f"PyTorch-VAE (squared error a pixel + {kl_weight:g} KL)": others["squared error"]
        + kl_weight * others.get("KL", 0),
    }
    return Ledger(
        means,
        {"nats an image": total, "nats a pixel": total / D, "bits a dimension": total / D / np.log(2)},
        {name: float(value) for name, value in names.items() if np.isfinite(value)},
        np.shape(X)[0],
        D,
    )


def _columns(vae, x, eps):
    """The terms of each row of a batch by name, and what others' losses need."""
    objective, K = vae.objective(), vae.latent_dim
    mu, logsigma = objective.encode(vae.params, x)
    z = objective.reparameterize(mu, logsigma, eps)
    outputs = objective.decode(vae.params, z)
    columns = _reconstruction(vae, objective.negloglikelihood(x, *outputs), outputs)
    if np.isfinite(logsigma).all():  # an autoencoder's q is a point, and its loss has no such terms
        nlp, nlq = objective.neglogprior(z), objective.neglogposterior(z, mu, logsigma)
        constant = np.full(len(x), K * HALF_LOG_2PI)
        columns |= {
            "1/2 sum z^2": nlp - constant, "K/2 log(2 pi)": constant,
            "- 1/2 sum eps^2 - sum log(sigma of q)": constant - nlq, "- K/2 log(2 pi)": -constant,
            "KL": kl_divergence(mu, logsigma),
        }  # fmt: skip
    image, mean = (vae.likelihood.encoder_input(a) for a in (x, vae.likelihood.expectation(*outputs)))
    p = np.clip(mean, KERAS_EPSILON, 1 - KERAS_EPSILON)
    inside = (mean >= 0).all() and (mean <= 1).all()
    cross_entropy = -(image * np.log(p) + (1 - image) * np.log1p(-p)).mean(axis=1)
    columns["cross-entropy"] = cross_entropy if inside else np.full(len(x), np.nan)
    columns["squared error"] = ((image - mean) ** 2).mean(axis=1)
    return columns


def _reconstruction(vae, nll, outputs):
    """-log p(x|z) by its parts, where they are known."""
    if not isinstance(vae.likelihood, Gaussian) or "negloglikelihood" in vae.own_terms:
        return {"-log p(x|z)": nll}
    logsigma = np.broadcast_to(outputs[1], outputs[0].shape).sum(axis=1)
    constant = np.full(len(nll), vae.n_features * HALF_LOG_2PI)
    return {
        "1/2 sum ((x - mu) / sigma)^2": nll - logsigma - constant, "sum log(sigma)": logsigma, "D/2 log(2 pi)": constant
    }  # fmt: skip
