"""Likelihoods: what the numbers that a decoder puts out say about the data.

One's own takes a small class; what it does not define, `Likelihood` does::

    class Laplace(vaelite.Likelihood):
        def negloglikelihood(self, x, mu):
            return np.sum(abs(x - mu) + np.log(2), axis=-1)  # np is autograd.numpy

        def sample(self, rng, mu):
            return rng.laplace(mu)

    vaelite.fit(X, likelihood=Laplace())
"""

import math
import numbers

import autograd.numpy as np
from autograd.extend import defvjp
from autograd.numpy.numpy_vjps import unbroadcast_f

from . import terms
from .backend import special
from .ops import differentiable, full, logistic, one_hot, reshape, softplus
from .validation import check_count, warn

QUANTIZATION = -math.log(255 * math.sqrt(12))  # log standard deviation of rounding to 8 bits: -6.78
LARGE = 30  # values that far from 0 are not standardised


class Likelihood:
    """p(x|z), from a decoder's outputs. To be derived from; what a derived class needs is ``negloglikelihood``.

    Attributes
    ----------
    grey_levels : bool
        Whether uint8 data are grey levels, to be read as numbers in [0, 1].
    has_constants : bool
        Whether ``negloglikelihood`` takes ``normalized=False``.
    """

    grey_levels = True
    has_constants = False

    def __repr__(self):
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({settings})"

    def heads(self, n_features):
        """The decoder's outputs by name: how many numbers, and whether they depend on z. Here: mu, one a feature."""
        return {"mu": (n_features, True)}

    def parameters(self, *outputs):
        """The parameters of p(x|z) from the decoder's outputs, a tuple. Here: as they are."""
        return outputs

    def negloglikelihood(self, x, *parameters):
        """``-log p(x|z)`` of each example, shape (batch,), in nats."""
        raise NotImplementedError(f"{type(self).__name__} needs a method negloglikelihood(x, *parameters)")

    def expectation(self, *parameters):
        """E[x|z], the mean image, shape (batch, n_features). Here: the first parameter."""
        return parameters[0]

    def sample(self, rng, *parameters):
        """Draw x ~ p(x|z) with the Generator ``rng``."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method sample(rng, *parameters); sample(mean=True) works"
        )

    def encoder_input(self, x):
        """What the encoder sees of x. Here: x."""
        return x

    def check(self, low, high, whole):
        """Refuse data by each feature's smallest and largest value, and by whether all are whole numbers."""

    def advise(self, low, high):
        """Warn of data to fit that can be fitted, but hardly well."""


class Gaussian(Likelihood):
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
        Smooth lower bound of a learned logsigma, ``log(exp(floor) + exp(raw))``. The default is the
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
    has_constants = True
    negloglikelihood = staticmethod(terms.negloglikelihood)

    def __init__(self, mean="logistic", sigma="image", floor=QUANTIZATION):
        if mean not in ("logistic", "identity"):
            raise ValueError(f'mean should be "logistic" (data in [0, 1]) or "identity" (any real data), got {mean!r}')
        if sigma not in ("image", "shared", "pixel") and not (_is_finite(sigma) and sigma > 0):
            raise ValueError(f'sigma should be "image", "shared", "pixel" or a number above 0, got {sigma!r}')
        if floor is not None and not _is_finite(floor):
            raise ValueError(f"floor should be a finite number (a log standard deviation) or None, got {floor!r}")
        self.mean = mean
        self.sigma = sigma if isinstance(sigma, str) else float(sigma)  # NumPy's floats would change the dtype
        self.floor = None if floor is None else float(floor)

    def heads(self, n_features):
        """mu, one an element; logsigma, unless sigma is fixed."""
        heads = {"mu": (n_features, True)}
        if isinstance(self.sigma, str):
            width = n_features if self.sigma == "pixel" else 1
            heads["logsigma"] = (width, self.sigma != "shared")
        return heads

    def parameters(self, mu, logsigma=None):
        """``(mu, logsigma)`` of p(x|z): (n, D), and (n, 1) or (n, D)."""
        if self.mean == "logistic":
            mu = logistic(mu)
        if logsigma is None:
            logsigma = full(mu, (*mu.shape[:-1], 1), math.log(self.sigma))
        elif self.floor is not None:
            logsigma = np.logaddexp(logsigma, self.floor)
        return mu, logsigma

    def sample(self, rng, mu, logsigma):
        """Draw x ~ p(x|z) with the Generator ``rng``."""
        return mu + np.exp(logsigma) * rng.standard_normal(mu.shape, dtype=mu.dtype)

    def check(self, low, high, whole):
        """Refuse data outside [0, 1] for a mean through a logistic."""
        if self.mean == "logistic":
            _check_unit_interval(low, high, "a mean through a logistic lies in (0, 1)", 'Gaussian(mean="identity")')

    def advise(self, low, high):
        """Warn of constant features with a sigma each, and of values far from 1."""
        if self.sigma == "pixel" and (constant := np.flatnonzero(low == high)).size:
            warn(
                f"{constant.size} of {low.size} features are constant, the first is column {constant[0]}; with a "
                'sigma for each, theirs will fall to the floor; drop them, or use Gaussian(sigma="image")'
            )
        if (largest := max(-low.min(), high.max())) > LARGE:
            warn(
                f"X has values up to {largest:g} from 0; networks learn well from values near 1: standardise, "
                "X = (X - X.mean(axis=0)) / X.std(axis=0), where the features vary"
            )


class Bernoulli(Likelihood):
    """p(x|z) = prod of p^x (1 - p)^(1 - x) over the pixels, with p = logistic(logits(z)).

    For binary data it is a probability. For grey pixels in [0, 1] it is what the Pyro tutorial and many others use: a
    cross-entropy, no density of x, that is smallest where p is the grey level.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix C.1.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> vaelite.Bernoulli().negloglikelihood(np.array([[1.0, 0.0]]), np.zeros((1, 2))) / np.log(2)
    array([2.])
    """

    name = "bernoulli"

    def heads(self, n_features):
        """logits, one a pixel."""
        return {"logits": (n_features, True)}

    @staticmethod
    def negloglikelihood(x, logits):
        """``-log p(x|z)``, the sum over pixels of ``softplus(logits) - x * logits``.

        Parameters
        ----------
        x, logits : array, shape (batch, D)
            x in [0, 1]; logits are any real numbers, ``log(p / (1 - p))``.

        Returns
        -------
        array, shape (batch,)
            In nats.
        """
        return _bernoulli(x, logits)

    def expectation(self, logits):
        """E[x|z] = p."""
        return logistic(logits)

    def sample(self, rng, logits):
        """Draw x ~ p(x|z), zeros and ones in the logits' dtype."""
        return (rng.random(logits.shape, dtype=logits.dtype) < logistic(logits)).astype(logits.dtype)

    def check(self, low, high, whole):
        """Refuse data outside [0, 1]."""
        _check_unit_interval(low, high, "a Bernoulli likelihood scores numbers in [0, 1]", "Gaussian")


class Categorical(Likelihood):
    """p(x|z) = softmax(logits(z))[x] for each pixel: one of L levels, whatever their order.

    Parameters
    ----------
    levels : int
        L; data are whole numbers from 0 to L - 1, uint8 as they are. `quantize` makes such data of grey images.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> likelihood = vaelite.Categorical(16)
    >>> likelihood.negloglikelihood(np.array([[3.0, 15.0]]), np.zeros((1, 2, 16))) / np.log(2)  # bits
    array([8.])
    """

    name = "categorical"
    grey_levels = False

    def __init__(self, levels=256):
        self.levels = check_count("levels", levels, minimum=2)

    def heads(self, n_features):
        """logits, L a pixel."""
        return {"logits": (n_features * self.levels, True)}

    def parameters(self, logits):
        """The logits as (batch, D, L)."""
        return (reshape(logits, (*logits.shape[:-1], -1, self.levels)),)

    @staticmethod
    def negloglikelihood(x, logits):
        """``-log p(x|z)``, the sum over pixels of ``logsumexp(logits) - logits[x]``.

        Parameters
        ----------
        x : array, shape (batch, D)
            Whole numbers from 0 to L - 1, in any dtype.
        logits : array, shape (batch, D, L)

        Returns
        -------
        array, shape (batch,)
            In nats.
        """
        return _categorical(x, logits)

    def expectation(self, logits):
        """E[x|z], the mean level of each pixel."""
        return np.matmul(_softmax(logits), np.arange(self.levels, dtype=logits.dtype))

    def sample(self, rng, logits):
        """Draw x ~ p(x|z), whole numbers, by the largest of the logits with Gumbel noise."""
        return np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)

    def encoder_input(self, x):
        """The levels as numbers in [0, 1]."""
        return x / (self.levels - 1)

    def check(self, low, high, whole):
        """Refuse fractions and levels out of range."""
        low, high = low.min(), high.max()
        if not whole:
            raise ValueError(
                f"X has fractions, but a categorical likelihood needs whole numbers from 0 to {self.levels - 1}: "
                f"vaelite.quantize(X, {self.levels}) makes them of numbers in [0, 1]"
            )
        if low < 0 or high >= self.levels:
            raise ValueError(
                f"X has levels from {low:g} to {high:g}, but Categorical({self.levels}) knows 0 to {self.levels - 1}: "
                f"pass likelihood=Categorical({int(high) + 1}), or vaelite.quantize(X, {self.levels}) grey levels"
            )


LIKELIHOODS = {"gaussian": Gaussian, "bernoulli": Bernoulli, "categorical": Categorical}


@differentiable
def _bernoulli(x, logits):
    return np.sum(softplus(logits) - x * logits, axis=-1)


defvjp(
    _bernoulli,
    lambda ans, x, logits: unbroadcast_f(x, lambda g: -g[..., None] * logits),
    lambda ans, x, logits: unbroadcast_f(logits, lambda g: g[..., None] * (logistic(logits) - x)),
)


@differentiable
def _categorical(x, logits):
    chosen = np.take_along_axis(logits, x.astype(np.intp)[..., None], axis=-1)[..., 0]
    return np.sum(special(logits).logsumexp(logits, axis=-1) - chosen, axis=-1)


def _d_categorical(ans, x, logits):
    return lambda g: g[..., None, None] * (_softmax(logits) - one_hot(x, logits.shape[-1]))


defvjp(_categorical, _d_categorical, argnums=[1])


def _softmax(logits):
    exp = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return exp / np.sum(exp, axis=-1, keepdims=True)


def _is_finite(number):
    return isinstance(number, numbers.Real) and not isinstance(number, (bool, np.bool_)) and math.isfinite(number)


def _check_unit_interval(low, high, why, alternative):
    low, high = low.min(), high.max()
    if low < 0 or high > 1:
        advice = f"rescale X, or pass likelihood={alternative}"
        if low >= 0 and high <= 255:
            advice = (
                "divide by 255" if high > 128 else f"divide by the largest value there can be, here perhaps {high:g}"
            )
        raise ValueError(f"X has values from {low:g} to {high:g}, but {why}: {advice}")
