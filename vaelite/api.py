"""The calls that most users need: `fit` a model, `load` a saved one."""

import inspect
from typing import Any, Unpack, overload

from .checks import check_keywords, check_path
from .fit.types import AutoencoderFitDict, AutoencoderFitKeywords, VAEFitDict, VAEFitKeywords
from .models.autoencoder import Autoencoder
from .models.meanfield import MeanField
from .saving import files
from .saving.files import OWN_TERMS
from .vae import VAE

KINDS = {kind.__name__: kind for kind in (VAE, Autoencoder, MeanField)}
OWN_PARTS = (*OWN_TERMS, "likelihood", "prior", "encoder", "decoder")


@overload
def fit(X, X_test=None, **settings: Unpack[VAEFitKeywords]) -> VAE: ...


@overload  # for an unpacked dict; see `keywords`
def fit(X, X_test=None, *, _unpacked, **settings: Unpack[VAEFitDict]) -> VAE: ...


def fit(X, X_test=None, **settings) -> VAE:
    """Fit a variational autoencoder to the rows of X: ``VAE(...).fit(X, ...)``.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Floats, or uint8 gray levels (255 is read as 1), in memory or on disk
        (`numpy.memmap`).
    X_test : array-like, shape (m, n_features), optional
        Rows whose loss is recorded after every epoch; they do not influence training.
    **settings
        Those of `VAE`, where they are described:

        - ``latent_dim``, ``hidden_dim``, ``activation``, ``init``: sizes of the
          networks.
        - ``encoder``, ``decoder``: other networks, as objects.
        - ``likelihood``: what the decoder's outputs say about x.
        - ``prior``: what codes are like before x is seen.
        - ``negloglikelihood``, ``neglogprior``, ``neglogposterior``,
          ``reparameterize``: your own terms.
        - ``dtype``, ``backend``: the precision of the numbers, and where to compute.

        And those of `VAE.fit`:

        - ``condition``, ``condition_test``: what is known of each row, such as its
          class.
        - ``batch_size``, ``learning_rate``, ``weight_decay``, ``optimizer``: of a
          training step.
        - ``start``: the first parameters.
        - ``max_epochs``, ``stopping``, ``tol``, ``patience``, ``validation_fraction``,
          ``steps_per_epoch``: how long to train.
        - ``kl``, ``beta``, ``warmup_epochs``, ``importance_samples``, ``objective``:
          what is minimized.
        - ``rng``: a seed, for the same fit again.
        - ``progress``, ``log_every``, ``callbacks``, ``normalized``: what is reported.
        - ``checkpoint``, ``checkpoint_seconds``: the file that a stopped fit goes on
          from.

    Returns
    -------
    VAE
        Fitted.

    Raises
    ------
    ValueError, TypeError, TrainingError
        As `VAE` and `VAE.fit`.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=2, stopping="epochs", rng=0)
    >>> vae.stop_reason
    'max_epochs: ran all 2'
    """
    return _fit(VAE, fit, X, X_test, settings)


@overload
def fit_autoencoder(X, X_test=None, **settings: Unpack[AutoencoderFitKeywords]) -> Autoencoder: ...


@overload  # for an unpacked dict; see `keywords`
def fit_autoencoder(
    X, X_test=None, *, _unpacked, **settings: Unpack[AutoencoderFitDict]
) -> Autoencoder: ...


def fit_autoencoder(X, X_test=None, **settings) -> Autoencoder:
    """Fit an autoencoder: the same networks as in `fit`, without noise and KL.

    Parameters
    ----------
    X, X_test
        As for `fit`.
    **settings
        Those of `Autoencoder` and of `Autoencoder.fit`.

    Returns
    -------
    Autoencoder
        Fitted.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> settings = {"hidden_dim": 64, "max_epochs": 2, "stopping": "epochs", "rng": 0}
    >>> vaelite.fit_autoencoder(X, **settings)
    Autoencoder(latent_dim=2, encoder=Dense(hidden_dim=(64,), ...), ...)
    """
    return _fit(Autoencoder, fit_autoencoder, X, X_test, settings)


def _keywords(function):
    """The parameters of a method that have defaults, keyword-only, by name."""
    parameters = inspect.signature(function).parameters
    return {
        name: parameter.replace(kind=parameter.KEYWORD_ONLY)
        for name, parameter in parameters.items()
        if parameter.default is not parameter.empty and name not in ("X_test", "warm_start")
    }


def new_model(kind, function, settings):
    """Return a new model, and the settings of its fit.

    Parameters
    ----------
    kind : type
        `VAE` or `Autoencoder`.
    function : str
        What error messages call the function that got the settings.
    settings : dict
        Those of the model and of its fit together.
    """
    of_model = _keywords(kind.__init__)
    of_vae = {**_keywords(VAE.__init__), **_keywords(VAE.fit)}
    known, where = {**of_model, **_keywords(kind.fit)}, "vaelite.fit, which trains a VAE"
    check_keywords(function, settings, known, of_vae, where)
    model = kind(**{name: value for name, value in settings.items() if name in of_model})
    others = {name: value for name, value in settings.items() if name not in of_model}
    return model, others


def _fit(kind, function, X, X_test, settings):
    model, others = new_model(kind, function.__name__, settings)
    return model.fit(X, X_test, **others)


for _function, _kind in ((fit, VAE), (fit_autoencoder, Autoencoder)):
    # What help() and editors show in place of **settings.
    _first = list(inspect.signature(_function).parameters.values())[:2]
    _settings = {**_keywords(_kind.__init__), **_keywords(_kind.fit)}
    _function.__signature__ = inspect.Signature([*_first, *_settings.values()])


def load(path, *, backend="numpy", **own) -> Any:
    """Read a model that ``save`` wrote.

    Parameters
    ----------
    path : path
    backend : {"numpy", "cupy", "auto"}
        Where the model computes; this need not be where it was trained.
    **own : callable or object
        The parts of your own that the model was fitted with: terms
        (``negloglikelihood=``, ...), ``likelihood=``, ``prior=``, ``encoder=`` and
        ``decoder=``.

    Returns
    -------
    VAE, Autoencoder or MeanField

    Raises
    ------
    OSError
        If there is no such file.
    ModelFileError
        If the file is not a saved model, is damaged or of a newer format, or needs
        parts of your own that were not passed.
    """
    check_path("path", path)
    check_keywords("load", own, OWN_PARTS)
    return files.load(path, KINDS, own, backend)
