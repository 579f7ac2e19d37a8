"""The variational autoencoder: its settings, its networks, and what it minimizes."""

from collections.abc import Callable
from typing import Self, Unpack, overload

from .checks import explain_keywords
from .fit.settings import ELBOSettings, with_settings
from .fit.types import (
    Activation,
    BackendName,
    DType,
    ELBODict,
    ELBOKeywords,
    Init,
    Integer,
    LikelihoodName,
    Sizes,
)
from .likelihoods import Likelihood
from .models.base import encoder_width, run_encoder
from .models.checks import check_fitted, check_network
from .models.variational import VariationalModel
from .networks import Head, Network
from .networks.dense import dense_unless_given
from .objectives import objective_class
from .priors import Prior


class VAE(VariationalModel):
    """A variational autoencoder.

    Parameters
    ----------
    latent_dim : int
        Size of the code z.
    hidden_dim, activation, init
        The short form of ``encoder=Dense(hidden_dim, activation, init)``, and of a
        decoder with the hidden layers in reverse.
    encoder, decoder : Network, optional
        Such as `Dense` or `Convolutional`, or your own, derived from `Network`.
    likelihood : str or Likelihood
        What the decoder's outputs say about x. "gaussian", "bernoulli",
        "continuous_bernoulli" and "categorical" are `Gaussian()`, `Bernoulli()`,
        `ContinuousBernoulli()` and `Categorical()`; your own is derived from
        `Likelihood`.
    prior : Prior, optional
        p(z), such as `Mixture`, or your own, derived from `Prior`; by default N(0, I).
    negloglikelihood, neglogprior, neglogposterior, reparameterize : callable, optional
        Your own terms in place of `vaelite.terms`, with the same arguments and one
        number per example. Write them with autograd's NumPy:
        ``import autograd.numpy as np``.
    dtype : {None, "float32", "float64"}
        Of all computation. None takes the data's, and float32 for integers.
    backend : {"numpy", "cupy", "auto"}
        Where to train, encode, decode, sample and score: NumPy; a GPU, by CuPy; or a
        GPU if there is one. All results are NumPy arrays.

    Attributes
    ----------
    params : dict of arrays
        The networks' weights and biases by name, such as ``params["encoder.mu.W"]``.
    history, log, scores, converged, stop_reason, n_epochs, best_epoch, n_features,
    n_conditions
        What training found, as in `Solution`.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.VAE(latent_dim=2, hidden_dim=64)
    >>> mu, logsigma = vae.fit(X, max_epochs=3, stopping="epochs", rng=0).encode(X)
    >>> mu.shape, vae.sample(16, rng=1).shape
    ((1797, 2), (16, 64))
    """

    settings_class = ELBOSettings

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
        prior: Prior | None = None,
        negloglikelihood: Callable | None = None,
        neglogprior: Callable | None = None,
        neglogposterior: Callable | None = None,
        reparameterize: Callable | None = None,
        dtype: DType = None,
        backend: BackendName = "numpy",
    ):
        own_terms = {
            "negloglikelihood": negloglikelihood,
            "neglogprior": neglogprior,
            "neglogposterior": neglogposterior,
            "reparameterize": reparameterize,
        }
        dense = hidden_dim, activation, init
        encoder, decoder = dense_unless_given(*dense, encoder, decoder)
        self.encoder = check_network("encoder", encoder)
        super().__init__(latent_dim, decoder, likelihood, own_terms, dtype, backend, prior)

    @overload
    def fit(self, X, X_test=None, **settings: Unpack[ELBOKeywords]) -> Self: ...

    @overload  # for an unpacked dict; see `keywords`
    def fit(self, X, X_test=None, *, _unpacked, **settings: Unpack[ELBODict]) -> Self: ...

    @with_settings(ELBOSettings)
    def fit(self, X, X_test=None, *, condition=None, condition_test=None, **settings) -> Self:
        """Train on the rows of X, from new random weights.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
            Floats, or uint8 gray levels (255 is read as 1), in memory or on disk
            (`numpy.memmap`).
        X_test : array-like, shape (m, n_features), optional
            Rows whose loss is recorded after every epoch; they do not influence
            training.
        condition, condition_test : array-like, shape (n, n_conditions), optional
            What is known of each row of X and of X_test, such as its class as zeros and
            a one. Encoder and decoder see it: the model is p(x|z, c) and q(z|x, c).
        {settings}

        Returns
        -------
        VAE
            This one.

        Raises
        ------
        ValueError, TypeError
            For data or settings that cannot work; the message says what to do.
        TrainingError
            If a loss or a gradient is not finite, also after three retries with a
            smaller learning rate; the message names the epoch, the batch and the array.

        Warns
        -----
        ConvergenceWarning
            If ``max_epochs`` ends a run with held-out rows that was still improving.

        Notes
        -----
        Ctrl-C ends training after the first epoch as a stopping rule would, with a
        warning: the model is that of a whole epoch. A fit that fails leaves the model
        as it was; the error's attribute ``model`` is the model as trained so far.
        """
        settings = ELBOSettings.checked(self, settings)
        objective_class(settings.kl, settings.beta, settings.importance_samples, self.changed_terms)
        return self._fit(settings, X, X_test, condition, condition_test)

    def networks(self):
        """Return each network by name, with its number of inputs and its heads."""
        n_inputs = encoder_width(self)
        return {"encoder": (self.encoder, n_inputs, self._heads()), **super().networks()}

    def _heads(self):
        return {"mu": Head(self.latent_dim), "logsigma": Head(self.latent_dim)}

    def objective(self, *, normalized=True, kl="sample", beta=1.0, importance_samples=1):
        """Return the negative ELBO or a variant of it: a function of (params, x, eps).

        Parameters
        ----------
        normalized : bool
            False drops the log(2 pi) constants of vaelite's terms.
        kl, beta, importance_samples
            As for `fit`.

        Returns
        -------
        NegELBO or ImportanceWeighted
            With your own terms, if you passed any.
        """
        check_fitted(self)
        kind = objective_class(kl, beta, importance_samples, self.changed_terms)
        terms, is_analytic = self._terms(normalized), kl == "analytic"
        return kind(self._encode, self._decode, **terms, beta=float(beta), analytic_kl=is_analytic)

    def _encode(self, params, x, condition=None):
        return run_encoder(self, params, self._heads(), x, condition)
