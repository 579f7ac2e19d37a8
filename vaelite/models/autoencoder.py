"""The autoencoder: the same networks as the VAE's, without noise, prior and KL."""

from collections.abc import Callable
from typing import Self, Unpack, overload

from .. import training
from ..checks import explain_keywords
from ..fit.settings import FitSettings, with_settings
from ..fit.types import (
    Activation,
    Array,
    BackendName,
    DType,
    FitDict,
    FitKeywords,
    Init,
    Integer,
    LikelihoodName,
    Sizes,
)
from ..likelihoods import Likelihood
from ..networks import Head, Network
from ..networks.dense import dense_unless_given
from ..objectives import Reconstruction
from .base import encoder_width, run_encoder
from .checks import check_fitted, check_network
from .trained import TrainedModel


class Autoencoder(TrainedModel):
    """An autoencoder: x is compressed to a code z and decoded.

    Nothing makes the codes follow the prior. Use it to compare with `VAE`, whose
    networks and likelihoods it has. Its code is a single point, not a distribution, so
    it has no ELBO. ``sample`` decodes codes from N(0, I) as a VAE does, although an
    autoencoder is not trained for that.

    Parameters
    ----------
    latent_dim, hidden_dim, activation, init, encoder, decoder
        As for `VAE`.
    likelihood, dtype, backend
        As for `VAE`.
    negloglikelihood : callable, optional
        Your own term in place of the likelihood's.

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

    @explain_keywords
    def __init__(
        self,
        latent_dim: Integer = 2,
        hidden_dim: Sizes = (512, 256),
        *,
        activation: Activation = "relu",
        init: Init = "glorot",
        encoder: Network | None = None,
        decoder: Network | None = None,
        likelihood: LikelihoodName | Likelihood = "gaussian",
        negloglikelihood: Callable | None = None,
        dtype: DType = None,
        backend: BackendName = "numpy",
    ):
        dense = hidden_dim, activation, init
        encoder, decoder = dense_unless_given(*dense, encoder, decoder)
        self.encoder = check_network("encoder", encoder)
        own_terms = {"negloglikelihood": negloglikelihood}
        super().__init__(latent_dim, decoder, likelihood, own_terms, dtype, backend)

    @overload
    def fit(self, X, X_test=None, **settings: Unpack[FitKeywords]) -> Self: ...

    @overload  # for an unpacked dict; see `keywords`
    def fit(self, X, X_test=None, *, _unpacked, **settings: Unpack[FitDict]) -> Self: ...

    @with_settings(FitSettings)
    def fit(self, X, X_test=None, *, condition=None, condition_test=None, **settings) -> Self:
        """Train on the rows of X, from new random weights.

        Parameters
        ----------
        X, X_test, condition, condition_test
            As for `VAE.fit`.
        {settings}

        Returns
        -------
        Autoencoder
            This one.
        """
        settings = FitSettings.checked(self, settings)
        return self._fit(settings, X, X_test, condition, condition_test)

    def networks(self):
        """Return each network by name, with its number of inputs and its heads."""
        n_inputs = encoder_width(self)
        return {"encoder": (self.encoder, n_inputs, self._heads()), **super().networks()}

    def _heads(self):
        return {"mu": Head(self.latent_dim)}

    def objective(self, *, normalized=True):
        """Return the loss, ``-log p(x|z)`` at the code, as `VAE.objective` does."""
        check_fitted(self)
        return Reconstruction(self._encode, self._decode, **self._terms(normalized))

    def _encode(self, params, x, condition=None):
        (z,) = run_encoder(self, params, self._heads(), x, condition)
        return z

    def encode(self, X, *, condition=None) -> Array:
        """Return the code of each row, shape (n, latent_dim)."""
        batches, objective = self.batches(X, condition=condition), self.objective()

        def code(params, batch):
            return (objective.given(batch.condition).encode(params, batch.x),)

        return self._by_chunks(code, batches)[0]

    def codes(self, X, *, condition=None) -> Array:
        """Return the code of each row, as `VAE.codes` does."""
        return self.encode(X, condition=condition)

    def reconstruct(self, X, *, condition=None) -> Array:
        """Encode and decode: E[x|z] at the code, shape (n, n_features)."""
        z = self.encode(X, condition=condition)
        return self.likelihood.expectation(*self.decode(z, condition=condition))

    def reconstruction_loss(self, X, *, condition=None) -> Array:
        """Return ``-log p(x|z)`` of each row at its code, shape (n,), in nats."""
        batches = self.batches(X, condition=condition)  # the loss needs no noise
        return training.evaluate(self.objective(), self.device_params(), batches)[0]
