"""The autoencoder: the same networks as the VAE's, without noise, prior and KL."""

from dataclasses import dataclass
from functools import partial

from .. import training
from ..fit.settings import plain_signature
from ..fit.types import Array
from ..objectives import Reconstruction
from ..vae import LatentModel
from .checks import check_fitted


def _code(encode, params, x, condition=None):
    return encode(params, x, condition)[0]


@plain_signature
@dataclass(eq=False, repr=False)
class Autoencoder(LatentModel):
    """An autoencoder: x is compressed to a code z and decoded.

    Nothing makes the codes follow the prior. Use it to compare with `VAE`, whose
    networks and likelihoods it has. Its code is a single point, not a distribution, so
    it has no ELBO. ``sample`` decodes codes from N(0, I) as a VAE does, although an
    autoencoder is not trained for that.

    Parameters
    ----------
    latent_dim, hidden_dim, ...
        The settings of `VAE` that do not concern q(z|x), the prior or the ELBO.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> settings = {"hidden_dim": 64, "max_epochs": 3, "stopping": "epochs", "rng": 0}
    >>> ae = vaelite.fit_autoencoder(X, **settings)
    >>> ae.encode(X).shape, ae.sample(2, rng=0).shape
    ((1797, 2), (2, 64))
    """

    has_posterior = False

    def loss(self, *, normalized=True) -> Reconstruction:
        """Return the loss, ``-log p(x|z)`` at the code, as `VAE.loss` does."""
        check_fitted(self)
        encode, decode = partial(_code, self.encoding()), self.decoding()
        return Reconstruction(encode, decode, **self.terms(normalized))

    def encode(self, X, *, condition=None) -> Array:
        """Return the code of each row, shape (n, latent_dim)."""
        batches, loss = self.batches(X, condition=condition), self.loss()

        def code(params, batch):
            return (loss.given(batch.condition).encode(params, batch.x),)

        return self.by_chunks(code, batches)[0]

    def codes(self, X, *, condition=None) -> Array:
        """Return the code of each row, as `VAE.codes` does."""
        return self.encode(X, condition=condition)

    def reconstruct(self, X, *, condition=None) -> Array:
        """Encode and decode: E[x|z] at the code, shape (n, n_features)."""
        return self.inverse_transform(self.encode(X, condition=condition), condition=condition)

    def reconstruction_loss(self, X, *, condition=None) -> Array:
        """Return ``-log p(x|z)`` of each row at its code, shape (n,), in nats."""
        batches = self.batches(X, condition=condition)  # the loss needs no noise
        return training.evaluate(self.loss(), self.device_params(), batches)[0]
