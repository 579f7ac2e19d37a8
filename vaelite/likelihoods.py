"""Likelihoods: what the numbers that a decoder puts out say about the data."""

import math
import warnings

import numpy as np

from . import terms
from .ops import logistic, softplus

QUANTIZATION = -math.log(255 * math.sqrt(12))  # log standard deviation of rounding to 8 bits: -6.78


class Gaussian:
    """p(x|z) = N(x; mu(z), sigma(z)^2), independent elements given z.

    Parameters
    ----------
    mean : {"logistic", "identity"}
        How the decoder's output becomes mu: through a logistic, for data in [0, 1], or as it is, for
        any real data.
    sigma : {"image", "shared", "pixel"} or float
        One sigma an example, as the lecture has it; one for all; one an element; or a fixed number.
        With one an element the likelihood has no upper bound: an element that is constant in the data
        drives its sigma to the floor [2]_. One for all is the safest [3]_.
    floor : float or None
        Smooth lower bound of a learned logsigma, ``floor + softplus(raw - floor)``. The default is the
        standard deviation of rounding to 8 bits, -6.78; None leaves logsigma free.

    References
    ----------
    .. [1] Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix C.2.
    .. [2] Mattei & Frellsen (2018), Leveraging the Exact Likelihood of Deep Latent Variable Models.
    .. [3] Rybkin, Daniilidis & Levine (2021), Simple and Effective VAE Training with Calibrated Decoders.

    Examples
    --------
    >>> import vaelite
    >>> vaelite.Gaussian(mean="identity", sigma="shared")
    Gaussian(mean='identity', sigma='shared', floor=-6.783...)
    """

    name = "gaussian"
    negloglikelihood = staticmethod(terms.negloglikelihood)

    def __init__(self, mean="logistic", sigma="image", floor=QUANTIZATION):
        if mean not in ("logistic", "identity"):
            raise ValueError(f'mean should be "logistic" (data in [0, 1]) or "identity" (any real data), got {mean!r}')
        if sigma not in ("image", "shared", "pixel") and not _is_positive(sigma):
            raise ValueError(f'sigma should be "image", "shared", "pixel" or a number above 0, got {sigma!r}')
        if floor is not None and not (isinstance(floor, (int, float)) and math.isfinite(floor)):
            raise ValueError(f"floor should be a finite number (a log standard deviation) or None, got {floor!r}")
        self.mean, self.sigma, self.floor = mean, sigma, floor

    def __repr__(self):
        return f"Gaussian(mean={self.mean!r}, sigma={self.sigma!r}, floor={self.floor!r})"

    def heads(self, n_features):
        """The decoder's outputs by name: how many numbers, and whether they depend on z."""
        heads = {"mu": (n_features, True)}
        if isinstance(self.sigma, str):
            width = n_features if self.sigma == "pixel" else 1
            heads["logsigma"] = (width, self.sigma != "shared")
        return heads

    def parameters(self, mu, logsigma=None):
        """``(mu, logsigma)`` of p(x|z) from the decoder's raw outputs: (n, D), and (n, 1) or (n, D)."""
        if self.mean == "logistic":
            mu = logistic(mu)
        if logsigma is None:
            logsigma = np.full((*mu.shape[:-1], 1), math.log(self.sigma), mu.dtype)
        elif self.floor is not None:
            logsigma = self.floor + softplus(logsigma - self.floor)
        return mu, logsigma

    def expectation(self, mu, logsigma):
        """E[x|z], the mean image."""
        return mu

    def sample(self, rng, mu, logsigma):
        """Draw x ~ p(x|z) with the Generator ``rng``."""
        return mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=mu.dtype)

    def check(self, low, high):
        """Refuse data that this likelihood cannot fit, given the smallest and largest value of each feature."""
        low_, high_ = low.min(), high.max()
        if self.mean == "logistic" and (low_ < 0 or high_ > 1):
            advice = "divide by 255" if low_ >= 0 and high_ <= 255 else 'pass likelihood=Gaussian(mean="identity")'
            raise ValueError(
                f"X has values from {low_:g} to {high_:g}, but a mean through a logistic lies in (0, 1): {advice}"
            )
        if self.sigma == "pixel" and (constant := np.flatnonzero(low == high)).size:
            warnings.warn(
                f"{constant.size} of {low.size} features are constant, the first is column {constant[0]}; with a "
                'sigma for each, theirs will fall to the floor; drop them, or use Gaussian(sigma="image")',
                stacklevel=3,
            )


def _is_positive(number):
    return isinstance(number, (int, float)) and not isinstance(number, bool) and 0 < number < math.inf


LIKELIHOODS = {"gaussian": Gaussian}
