"""A VAE as a scikit-learn transformer that checks data as scikit-learn does.

`VAE` itself works in pipelines and searches. `VAETransformer` also has what
scikit-learn's own checks ask for: names of its outputs, ``set_output`` and
``random_state``. It needs scikit-learn: ``python -m pip install 'vaelite[sklearn]'``.
"""

import inspect

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "vaelite.sklearn needs scikit-learn 1.6 or later: python -m pip install 'vaelite[sklearn]'"
    ) from error

from .checks import check_keywords
from .likelihoods import Gaussian
from .likelihoods.gaussian import TABLE
from .vae import VAE

HELD_OUT = 2  # rows at least, and one more to train on
DTYPES = ["float64", "float32"]
OTHER = {"n_samples": 16, "random_state": None}  # settings in place of VAE's rng
SETTINGS = {
    name: setting.default
    for name, setting in inspect.signature(VAE).parameters.items()
    if name not in ("rng", "warm_start")
} | OTHER


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Reduce data to the codes of a `vaelite.VAE`, as PCA reduces them to its scores.

    Parameters
    ----------
    **settings
        Those of `vaelite.VAE`, with the same defaults, without ``warm_start``. If X has
        few rows, at least 2 are held out.
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

    def __init__(self, **settings):
        check_keywords("VAETransformer", settings, SETTINGS)
        vars(self).update(SETTINGS | settings)

    __init__.__signature__ = inspect.Signature(
        [
            inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
            *(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
                for name, default in SETTINGS.items()
            ),
        ]
    )

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
        settings = {name: getattr(self, name) for name in SETTINGS if name not in OTHER}
        vae = VAE(**settings, rng=_seed(self.random_state))
        if vae.likelihood == Gaussian() and (X.min() < 0 or X.max() > 1):
            vae.likelihood = TABLE  # whole numbers, too: these are no gray levels
        if vae.rule().holds_out:
            share = 0.1 if vae.validation_fraction is None else vae.validation_fraction
            vae.validation_fraction = max(share, HELD_OUT / len(X))
        self.vae_ = vae.fit(X)
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
        return self.vae_.inverse_transform(X)

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
