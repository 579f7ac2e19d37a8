"""The Gaussian likelihood: the lecture's, with its choices of mean and sigma."""

import math
import numbers
from dataclasses import dataclass

import autograd.numpy as np

from .. import terms
from ..checks import shown, warn
from ..data.checks import LARGE, ROUNDING
from ..networks.base import Head
from ..ops import full, logistic, soft_floor
from .base import Likelihood, check_unit_interval

# The log standard deviation of rounding to 8 bits: -6.78.
QUANTIZATION = -math.log(255 * math.sqrt(12))
SATURATED = 0.01  # nearer to 0 or 1 the derivative of a logistic function is small


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """p(x|z) = N(x; mu(z), sigma(z)^2), with independent elements given z.

    Parameters
    ----------
    mean : {"logistic", "identity"}
        How the decoder's output becomes mu: through a logistic function, for data in
        [0, 1], or unchanged, for any real data.
    sigma : {"image", "shared", "pixel"} or float
        One sigma per image, as in the lecture [1]_; one for all; one per pixel; or a
        fixed number. With one per pixel the likelihood has no upper bound: a pixel that
        is constant in the data drives its sigma to the floor [2]_. One for all is the
        safest [3]_.
    floor : float or None
        Smooth lower bound of a learned logsigma, ``log(exp(floor) + exp(raw))``. The
        default is the standard deviation of rounding to 8 bits, -6.78. None leaves
        logsigma free.

    References
    ----------
    .. [1] Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix C.2.
    .. [2] Mattei & Frellsen (2018), Leveraging the Exact Likelihood of Deep Latent
       Variable Models.
    .. [3] Rybkin, Daniilidis & Levine (2021), Simple and Effective VAE Training with
       Calibrated Decoders.

    Examples
    --------
    >>> import vaelite
    >>> vaelite.Gaussian(mean="identity", sigma="shared")
    Gaussian(mean='identity', sigma='shared', floor=-6.783...)
    """

    mean: str = "logistic"
    sigma: str | float = "image"
    floor: float | None = QUANTIZATION

    name = "gaussian"
    has_constants = True
    negloglikelihood = staticmethod(terms.negloglikelihood)  # the sum of `elements`, in one pass

    def __post_init__(self):
        if self.mean not in ("logistic", "identity"):
            raise ValueError(
                f'mean should be "logistic" (data in [0, 1]) or "identity" (any real data), '
                f"got {shown(self.mean)}"
            )
        if not isinstance(self.sigma, str):
            _set_float(self, "sigma", _is_finite(self.sigma) and self.sigma > 0, "above 0")
        elif self.sigma not in ("image", "shared", "pixel"):
            raise ValueError(
                f'sigma should be "image", "shared", "pixel" or a number above 0, '
                f"got {shown(self.sigma)}"
            )
        if self.floor is not None:
            _set_float(self, "floor", _is_finite(self.floor), "that is finite, or None")

    def heads(self, n_features):
        """Return mu, one per element; and logsigma, unless sigma is fixed."""
        heads = {"mu": Head(n_features)}
        if isinstance(self.sigma, str):
            width = n_features if self.sigma == "pixel" else 1
            heads["logsigma"] = Head(width, varies=self.sigma != "shared")
        return heads

    def parameters(self, mu, logsigma=None):
        """Return ``(mu, logsigma)`` of p(x|z): (n, D), and (n, 1) or (n, D)."""
        if self.mean == "logistic":
            mu = logistic(mu)
        if logsigma is None:
            logsigma = full(mu, (*mu.shape[:-1], 1), math.log(self.sigma))
        elif self.floor is not None:
            logsigma = soft_floor(logsigma, self.floor)
        return mu, logsigma

    def elements(self, x, mu, logsigma):
        """Return ``-log N(x; mu, sigma^2)`` of each element, (batch, D), in nats."""
        u = (x - mu) * np.exp(-logsigma)
        return u * u / 2 + logsigma + terms.HALF_LOG_2PI

    def constant(self, x):
        """Return the mean of each column, and the log standard deviation about it."""
        mean = x.mean(axis=0, dtype=np.float64)
        axis = 0 if self.sigma == "pixel" else None
        sigma = np.sqrt(np.mean((x - mean) ** 2, axis=axis))
        if self.mean == "logistic":
            mean = np.clip(mean, SATURATED, 1 - SATURATED)
            mean = np.log(mean / (1 - mean))
        if not isinstance(self.sigma, str):
            return {"mu": mean}
        floor = 0.0 if self.floor is None else math.exp(self.floor)
        smallest = max(floor, math.exp(QUANTIZATION)) / 10
        return {"mu": mean, "logsigma": np.log(np.maximum(np.atleast_1d(sigma) - floor, smallest))}

    def sample(self, rng, mu, logsigma):
        """Draw x ~ p(x|z) with the Generator ``rng``."""
        return mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=mu.dtype)

    def for_data(self, summary):
        """Return this one, or for real numbers ``Gaussian("identity", "shared")``.

        With its defaults it is the lecture's, for images in [0, 1]. For other data it
        becomes the likelihood of probabilistic PCA. What may be labels in one column,
        or gray levels of another scale, is left to `check`, which refuses it.
        """
        outside = (summary.low < -ROUNDING) | (summary.high > 1 + ROUNDING)
        may_be_labels = outside.sum() == 1 < len(outside)
        low, high = summary.low.min(), summary.high.max()
        may_be_gray = low >= 0 and (summary.whole or abs(high - 255) < ROUNDING * 255)
        if self != Gaussian() or not outside.any() or may_be_labels or may_be_gray:
            return self
        return TABLE

    def check(self, summary):
        """Refuse data outside [0, 1] for a mean through a logistic function."""
        if self.mean == "logistic":
            why = "a mean through a logistic function lies in (0, 1)"
            check_unit_interval(summary, why, 'Gaussian(mean="identity")')

    def advise(self, summary):
        """Warn of constant features with one sigma each, and of values far from 1."""
        low, high = summary.low, summary.high
        if self.sigma == "pixel" and (constant := np.flatnonzero(low == high)).size:
            warn(
                f"{constant.size} of {low.size} features are constant, the first is column "
                f"{constant[0]}; with one sigma per feature, theirs will fall to the floor; drop "
                'them, or use Gaussian(sigma="image")'
            )
        if summary.largest > LARGE:
            warn(
                f"X has values up to {summary.largest:g} from 0; networks learn well from "
                "values near 1: standardize, X = (X - X.mean(axis=0)) / X.std(axis=0), where the "
                "features vary"
            )

    def ledger(self, nll, mu, logsigma):
        """Return the squared term, the sum of logsigma, and the constant."""
        total = np.broadcast_to(logsigma, mu.shape).sum(axis=1)
        constant = np.full(len(nll), mu.shape[1] * terms.HALF_LOG_2PI)
        return {
            "1/2 sum ((x - mu) / sigma)^2": nll - total - constant,
            "sum log(sigma)": total,
            "D/2 log(2 pi)": constant,
        }


def _is_finite(number):
    is_real = isinstance(number, numbers.Real) and not isinstance(number, (bool, np.bool_))
    return is_real and math.isfinite(number)


def _set_float(likelihood, name, is_valid, expected):
    """Store a setting as a Python float: a NumPy scalar would change the dtype."""
    value = getattr(likelihood, name)
    if not is_valid:
        names = '"image", "shared", "pixel" or ' if name == "sigma" else ""
        raise ValueError(f"{name} should be {names}a number {expected}, got {shown(value)}")
    object.__setattr__(likelihood, name, float(value))


TABLE = Gaussian(mean="identity", sigma="shared")  # for real numbers: that of probabilistic PCA
