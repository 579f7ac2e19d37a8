"""The autoencoder: the same networks as the VAE's, without noise, prior and KL."""

from dataclasses import fields

import autograd.numpy as np

from . import networks
from .model import VAE
from .objectives import NegELBO, Reconstruction
from .ops import ACTIVATIONS


class Autoencoder(VAE):
    """An autoencoder: x is compressed into a code z and decoded, and nothing asks the codes to fill the prior.

    To be compared with `VAE`, whose settings and methods it has. Its q(z|x) is a single point: `encode` gives a
    logsigma of minus infinity. `score_samples` is ``log p(x|z)`` at that point, no bound of log p(x). `sample` decodes
    codes from N(0, I) as a VAE does, which an autoencoder was never trained for.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> ae = vaelite.fit_autoencoder(X, hidden_dim=64, max_epochs=3, stopping="epochs", rng=0, progress=False)
    >>> ae.reconstruct(X).shape, ae.sample(2, rng=0).shape
    ((1797, 64), (2, 64))
    """

    def shapes(self):
        """The shape of every parameter by name: those of a VAE but for the encoder's logsigma."""
        return {name: shape for name, shape in super().shapes().items() if not name.startswith("encoder.logsigma")}

    def objective(self, *, normalized=True, kl="sample", beta=1.0, importance_samples=1):
        """Minus ``log p(x|z)`` at the code of x, a function of (params, x, eps); eps is not used."""
        if (kl, beta, importance_samples) != ("sample", 1.0, 1):
            raise ValueError("an autoencoder has no KL part: kl, beta and importance_samples are for vaelite.fit")
        elbo = super().objective(normalized=normalized)
        return Reconstruction(**{field.name: getattr(elbo, field.name) for field in fields(NegELBO)})

    def _encode(self, params, x):
        mu = networks.encode_mean(params, x, ACTIVATIONS[self.activation])
        return mu, np.full(mu.shape, -np.inf, dtype=mu.dtype)
