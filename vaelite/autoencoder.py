"""The autoencoder: the same networks as the VAE's, without noise, prior and KL."""

import math

from . import networks
from .model import VAE
from .objectives import Reconstruction
from .ops import ACTIVATIONS, full


class Autoencoder(VAE):
    """An autoencoder: x is compressed into a code z and decoded, and nothing asks the codes to fill the prior.

    To be compared with `VAE`, whose settings and methods it has. Its q(z|x) is a single point: ``encode`` gives a
    logsigma of minus infinity. ``score_samples`` is ``log p(x|z)`` at that point, no bound of log p(x). ``sample``
    decodes codes from N(0, I) as a VAE does, which an autoencoder was never trained for.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> ae = vaelite.fit_autoencoder(X, hidden_dim=64, max_epochs=3, stopping="epochs", rng=0, progress=False)
    >>> ae.reconstruct(X).shape, ae.sample(2, rng=0).shape
    ((1797, 64), (2, 64))
    """

    has_posterior = False

    def shapes(self):
        """The shape of every parameter by name: those of a VAE but for the encoder's logsigma."""
        return {name: shape for name, shape in super().shapes().items() if not name.startswith("encoder.logsigma")}

    def _kind_of_objective(self, kl, beta, importance_samples):
        if (kl, beta, importance_samples) != ("sample", 1.0, 1):
            raise ValueError("an autoencoder has no KL part: kl, beta and importance_samples are for vaelite.fit")
        return Reconstruction

    def _encode(self, params, x):
        mu = networks.encode_mean(params, x, ACTIVATIONS[self.activation])
        return mu, full(mu, mu.shape, -math.inf)
