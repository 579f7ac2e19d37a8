"""The three terms of the negative ELBO, and the sample they share.

For a row x with its code z::

    negelbo = (negloglikelihood(x, mu_x, logsigma_x) + neglogprior(z)
               - neglogposterior(z, mu_z, logsigma_z))

with ``z = reparameterize(mu_z, logsigma_z, eps)``. Every term returns one number per
example, in nats. ``logsigma`` is the log of a standard deviation, not of a variance.
The lecture drops the constants ``log(2 pi)``: ``normalized=False``. Below each term are
its derivatives, where ``g`` is the gradient with respect to its result.
"""

import math

import numpy as np
from autograd.extend import defvjp, defvjp_argnums

from .checks import check_floats, check_normal
from .ops import differentiable, row_sums, sum_of_squares, unbroadcast

HALF_LOG_2PI = math.log(2 * math.pi) / 2  # a Python float: float32 stays float32


@differentiable
def reparameterize(mu, logsigma, eps):
    """A sample of N(mu, sigma^2) that is differentiable in both: ``mu + sigma * eps``.

    Parameters
    ----------
    mu, logsigma : array, shape (batch, latent_dim)
    eps : array, shape (batch, latent_dim) or (samples, batch, latent_dim)
        Standard normal noise.

    Returns
    -------
    z : array, the shape of eps

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, section 2.4.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> mu, logsigma, eps = [[1.0, 2.0]], np.log([[1.0, 3.0]]), [[0.5, -1.0]]
    >>> vaelite.reparameterize(np.array(mu), logsigma, np.array(eps))
    array([[ 1.5, -1. ]])
    """
    check_floats(mu=mu, logsigma=logsigma, eps=eps)
    return mu + np.exp(logsigma) * eps


defvjp(
    reparameterize,
    lambda ans, mu, logsigma, eps: lambda g: unbroadcast(g, mu),
    lambda ans, mu, logsigma, eps: lambda g: unbroadcast(g * np.exp(logsigma) * eps, logsigma),
    lambda ans, mu, logsigma, eps: lambda g: unbroadcast(g * np.exp(logsigma), eps),
)


@differentiable
def negloglikelihood(x, mu, logsigma, *, normalized=True):
    """``-log p(x|z)``: minus the log density of x under the decoder's N(mu, sigma^2).

    Parameters
    ----------
    x, mu : array, shape (batch, D)
    logsigma : array, shape (batch, 1) or (batch, D), or a scalar
        Log standard deviations: one per example, one per element, or one for all. One
        that D elements share counts D times.
    normalized : bool
        False drops the constant ``D/2 log(2 pi)``, as the lecture does.

    Returns
    -------
    array, shape (batch,), in nats; negative where a density exceeds 1

    Raises
    ------
    ValueError, TypeError
        If the shapes are none of those above, or an array is not one of floats.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix C.2.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> x, mu = np.array([[0.0, 1.0]]), np.array([[0.0, 3.0]])
    >>> vaelite.negloglikelihood(x, mu, np.log(2.0))  # -norm(mu, 2).logpdf(x)
    array([3.72417143])
    """
    check_normal("x", x, mu, logsigma)
    u = _standardize(x, mu, logsigma)
    return sum_of_squares(u) / 2 + _sum(logsigma, u) + normalized * u.shape[-1] * HALF_LOG_2PI


@differentiable
def neglogposterior(z, mu, logsigma, *, normalized=True):
    """``-log q(z|x)``: minus the log density of z under the encoder's N(mu, sigma^2).

    q is the *variational* posterior; it approximates the true one, p(z|x).

    Parameters
    ----------
    z, mu, logsigma, normalized
        As for `negloglikelihood`, with K latents in place of D features.

    Returns
    -------
    array, shape (batch,), in nats

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, equation 9.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> vaelite.neglogposterior(*np.zeros((3, 1, 2)))  # log(2 pi)
    array([1.83787707])
    """
    check_normal("z", z, mu, logsigma)
    u = _standardize(z, mu, logsigma)
    return sum_of_squares(u) / 2 + _sum(logsigma, u) + normalized * u.shape[-1] * HALF_LOG_2PI


def _standardize(x, mu, logsigma):
    """``u = (x - mu) / sigma``."""
    return (x - mu) * np.exp(-logsigma)


def _sum(logsigma, u):
    """The sum of logsigma over the elements of u; a shared one counts for each."""
    shape = np.shape(logsigma)
    return u.shape[-1] / (shape or (1,))[-1] * (row_sums(logsigma) if shape else logsigma)


# The derivatives of both Gaussian terms, per element: u / sigma, -u / sigma, 1 - u^2.


def _d_x(g, u, logsigma):
    return u * (g * np.exp(-logsigma))


def _d_mu(g, u, logsigma):
    return u * (-g * np.exp(-logsigma))


def _d_logsigma(g, u, logsigma):
    if getattr(logsigma, "shape", ())[-1:] != u.shape[-1:]:  # one sigma for D elements
        return g * (u.shape[-1] - sum_of_squares(u)[..., None])
    return g * (1 - u * u)


DERIVATIVES = _d_x, _d_mu, _d_logsigma


def _gaussian_vjps(argnums, ans, args, kwargs):
    def vjps(g):
        u = _standardize(*args)  # they share it
        return [unbroadcast(DERIVATIVES[i](g[..., None], u, args[2]), args[i]) for i in argnums]

    return vjps


defvjp_argnums(negloglikelihood, _gaussian_vjps)
defvjp_argnums(neglogposterior, _gaussian_vjps)


@differentiable
def neglogprior(z, *, normalized=True):
    """``-log p(z)``: minus the log density of z under the standard normal prior.

    Parameters
    ----------
    z : array, shape (batch, latent_dim)
    normalized : bool
        False drops the constant ``latent_dim/2 log(2 pi)``, as the lecture does.

    Returns
    -------
    array, shape (batch,), in nats

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix B.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> vaelite.neglogprior(np.array([[3.0, 4.0]]), normalized=False)
    array([12.5])
    """
    check_floats(z=z)
    return sum_of_squares(z) / 2 + normalized * z.shape[-1] * HALF_LOG_2PI


defvjp(neglogprior, lambda ans, z, **_: lambda g: g[..., None] * z)


@differentiable
def kl_divergence(mu, logsigma):
    """KL(q(z|x), p(z)) in closed form: the mean of ``neglogprior - neglogposterior``.

    Parameters
    ----------
    mu : array, shape (batch, latent_dim)
    logsigma : array, shape (batch, 1) or (batch, latent_dim), or a scalar
        The parameters of q(z|x); the prior is the standard normal.

    Returns
    -------
    array, shape (batch,)
        In nats; 0 or more, and 0 only where q is the prior.

    Raises
    ------
    ValueError, TypeError
        If the shapes are none of those above, or an array is not one of floats.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix B.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> vaelite.kl_divergence(np.array([[0.0, 2.0]]), np.zeros((1, 2)))
    array([2.])
    """
    check_normal("mu", mu, mu, logsigma)
    return row_sums((mu * mu + np.exp(2 * logsigma) - 1) / 2 - logsigma)


def _d_kl(ans, mu, logsigma):  # one logsigma of all latents counts for each
    def vjp(g):
        return unbroadcast(g[..., None] * (np.exp(2 * logsigma) - 1 + 0 * mu), logsigma)

    return vjp


defvjp(
    kl_divergence,
    lambda ans, mu, logsigma: lambda g: unbroadcast(g[..., None] * mu, mu),
    _d_kl,
)
