"""A VAE as a scikit-learn transformer, for pipelines and searches over settings.

It needs scikit-learn: ``python -m pip install 'vaelite[sklearn]'``.
"""

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "vaelite.sklearn needs scikit-learn 1.6 or later: python -m pip install 'vaelite[sklearn]'"
    ) from error

from .fit.settings import ELBOSettings
from .likelihoods import Gaussian
from .vae import VAE

HELD_OUT = 2  # rows at least, and one more to train on
DTYPES = ["float64", "float32"]
OF_VAE = "backend", "latent_dim", "hidden_dim", "activation", "init", "encoder", "decoder", "prior"
OF_FIT = (
    *("batch_size", "start", "learning_rate", "weight_decay", "max_epochs", "stopping", "tol"),
    *("patience", "kl", "beta", "warmup_epochs", "importance_samples", "progress"),
)


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Reduce data to the codes of a `vaelite.VAE`, as PCA reduces them to its scores.

    Parameters
    ----------
    latent_dim, hidden_dim, activation, init, encoder, decoder, prior, backend
        As for `vaelite.VAE`.
    likelihood : a name or a Likelihood, optional
        As for `vaelite.VAE`. None is ``Gaussian(mean="identity", sigma="shared")``, for
        real numbers, as for probabilistic PCA: scikit-learn's data are not in [0, 1].
    batch_size, start, learning_rate, weight_decay, max_epochs, stopping, tol, patience
        As for `vaelite.VAE.fit`.
    validation_fraction : float, optional
        Part of the rows that ``stopping="heldout"`` holds out, by default a tenth; at
        least 2 rows.
    kl, beta, warmup_epochs, importance_samples, progress
        As for `vaelite.VAE.fit`.
    n_samples : int
        Codes per row for ``score_samples`` and ``score``, an even number. All rows have
        the same noise, so that the score of a row does not depend on the others.
    random_state : int, RandomState instance or None
        The seed of a fit, and of ``sample``.

    Attributes
    ----------
    vae_ : VAE
        The fitted model.
    n_features_in_ : int
    feature_names_in_ : array of str
        Only if X was a table with names of columns.

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> import vaelite
    >>> from vaelite.sklearn import VAETransformer
    >>> X, y = vaelite.load_digits()
    >>> vae = VAETransformer(hidden_dim=64, max_epochs=3, stopping="epochs")
    >>> make_pipeline(MinMaxScaler(), vae).fit_transform(X).shape
    (1797, 2)
    """

    def __init__(
        self,
        latent_dim=2,
        hidden_dim=(512, 256),
        *,
        activation="relu",
        init="glorot",
        encoder=None,
        decoder=None,
        likelihood=None,
        prior=None,
        backend="numpy",
        batch_size=None,
        start="data",
        learning_rate=1e-3,
        weight_decay=0.0,
        max_epochs=1000,
        stopping="heldout",
        tol=None,
        patience=None,
        validation_fraction=None,
        kl="sample",
        beta=1.0,
        warmup_epochs=0,
        importance_samples=1,
        progress=False,
        n_samples=16,
        random_state=None,
    ):
        self.latent_dim = latent_dim
        self.hidden_dim = hidden_dim
        self.activation = activation
        self.init = init
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.prior = prior
        self.backend = backend
        self.batch_size = batch_size
        self.start = start
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.stopping = stopping
        self.tol = tol
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.kl = kl
        self.beta = beta
        self.warmup_epochs = warmup_epochs
        self.importance_samples = importance_samples
        self.progress = progress
        self.n_samples = n_samples
        self.random_state = random_state

    def fit(self, X, y=None):
        """Train on the rows of X, from new random weights.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        y : ignored
            Here because pipelines pass it.

        Returns
        -------
        VAETransformer
            This one.
        """
        X = self._checked(X, reset=True, ensure_min_samples=HELD_OUT + 1)
        likelihood = self.likelihood
        if likelihood is None:
            likelihood = Gaussian(mean="identity", sigma="shared")
        vae = VAE(**{name: getattr(self, name) for name in OF_VAE}, likelihood=likelihood)
        settings = {name: getattr(self, name) for name in OF_FIT}
        settings["rng"] = _seed(self.random_state)
        checked = ELBOSettings(**settings, validation_fraction=self.validation_fraction)
        if checked.rule().holds_out:
            settings["validation_fraction"] = max(checked.held_out_fraction, HELD_OUT / len(X))
        self.vae_ = vae.fit(X, **settings)
        return self

    def _checked(self, X, reset=False, **settings):
        return validate_data(self, X, reset=reset, dtype=DTYPES, **settings)

    @property
    def _n_features_out(self):
        return self.vae_.latent_dim

    def __sklearn_is_fitted__(self):
        return hasattr(self, "vae_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = DTYPES
        return tags

    def _repr_html_inner(self):
        return super()._repr_html_inner() + self._card()

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += self._card()
        return bundle

    def _card(self):
        """The fitted model below scikit-learn's own diagram, in a notebook."""
        return self.vae_._repr_html_() if hasattr(self, "vae_") else ""

    def transform(self, X):
        """Return the mean of q(z|x) for each row, shape (n, latent_dim)."""
        check_is_fitted(self)
        return self.vae_.codes(self._checked(X))

    def inverse_transform(self, X):
        """Return E[x|z] for each code, shape (n, n_features).

        Parameters
        ----------
        X : array-like, shape (n, latent_dim)
            Codes. The name is that of all of scikit-learn's transformers.
        """
        check_is_fitted(self)
        return self.vae_.likelihood.expectation(*self.vae_.decode(X))

    def sample(self, n_samples=1, random_state=None):
        """Generate data: z ~ p(z), then x ~ p(x|z).

        Parameters
        ----------
        n_samples : int
        random_state : int, RandomState instance or None
            None draws other samples each time.

        Returns
        -------
        array, shape (n_samples, n_features)
        """
        check_is_fitted(self)
        return self.vae_.sample(n_samples, _seed(random_state))

    def score_samples(self, X):
        """Return the ELBO of each row in nats, shape (n,): a bound of log p(x)."""
        check_is_fitted(self)
        return self.vae_.score_samples(self._checked(X), n_samples=self.n_samples)

    def score(self, X, y=None):
        """Return the mean of `score_samples`, in nats per example; y is ignored."""
        return float(self.score_samples(X).mean(dtype="float64"))


def _seed(random_state):
    """The seed that a ``random_state`` argument stands for."""
    return check_random_state(random_state).randint(np.iinfo(np.int32).max)
