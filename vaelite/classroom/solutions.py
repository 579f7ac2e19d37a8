"""What a notebook goes on with until the answer to an exercise is right.

Most exercises ask for a function that the library has. These are the others, of the
tutorials and of the assignment.
"""

import numpy as np
from scipy import special

from vaelite import Bernoulli, minibatches
from vaelite.terms import HALF_LOG_2PI

from .questions.losses import NEGELBO
from .questions.optimizer import ADAM

negelbo, adam = NEGELBO.expected, ADAM.expected


def fit(step, evaluate, train, test, should_stop, latent_dim, batch_size, rng):
    """The training loop; its arguments are those of the exercise `check.fit`."""
    noise, losses = rng.normal(size=(len(test), latent_dim)), []
    while not losses or not should_stop(losses):
        for x in minibatches(train, batch_size, train.dtype, shuffle=True, rng=rng):
            step(x, rng.normal(size=(len(x), latent_dim)))
        losses.append(float(np.mean(evaluate(test, noise))))
    return losses


def samples(encode, decode, x, n, latent_dim, rng):
    """n images from the prior; the arguments are those of `check.samples`."""
    return decode(rng.normal(size=(n, latent_dim)))


def latent_plot(mu, labels):
    """The codes in the plane, a color for each label; as for `check.latent_plot`."""
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    for number, label in enumerate(np.unique(labels)):
        ax.plot(*mu[labels == label].T, ".", color=f"C{number}", label=label)
    ax.legend(frameon=False)
    ax.set(xlabel="mean of z1", ylabel="mean of z2")
    return ax


def restore(loss, D, K):
    """Minus the ELBO in nats from a loss without constants (tutorial 06).

    Parameters
    ----------
    loss : float or array
        Without the log(2 pi) of any term.
    D, K : int
        Numbers of pixels and of latent variables.
    """
    return loss + D * HALF_LOG_2PI  # the constants of prior and posterior cancel


def floor(x):
    """The least Bernoulli loss of gray images in nats: (n, D) to (n,) (tutorial 07)."""
    return np.sum(special.entr(x) + special.entr(1 - x), axis=-1)


def log_probability(level, mu, logsigma):
    """log P of what a Gaussian rounds to level / 16, elementwise (tutorial 08).

    Parameters
    ----------
    level, mu, logsigma : array
        Of shapes that broadcast. Levels 0 and 16 have open bins.
    """
    low = np.where(level == 0, -np.inf, (level - 0.5) / 16 - mu) / np.exp(logsigma)
    high = np.where(level == 16, np.inf, (level + 0.5) / 16 - mu) / np.exp(logsigma)
    # the tail that is not near 1 keeps its digits
    low, high = np.where(low > 0, -high, low), np.where(low > 0, -low, high)
    log_low, log_high = special.log_ndtr(low), special.log_ndtr(high)
    return log_high + np.log1p(-np.exp(log_low - log_high))


def binomial(x, logits):
    """-log p(x|z) of counts out of 16, in nats: two (n, D) to (n,) (tutorial 08)."""
    ways = special.gammaln(17) - special.gammaln(x + 1) - special.gammaln(17 - x)
    return 16 * Bernoulli().negloglikelihood(x / 16, logits) - np.sum(ways, axis=-1)


def sharpness(images, power, shape=(8, 8)):
    """Mean abs(difference)**power of neighboring pixels (tutorial 09).

    Parameters
    ----------
    images : array-like, shape (n, H * W)
    power : int
        1 or 2.
    shape : (H, W)
    """
    grid = np.asarray(images, dtype=np.float64).reshape(-1, *shape)
    differences = [np.diff(grid, axis=axis).reshape(len(grid), -1) for axis in (1, 2)]
    return np.mean(np.abs(np.concatenate(differences, axis=1)) ** power, axis=1)
