"""The calls that most users need: `fit` a model, `load` a saved one."""

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, overload

from .checks import check_keywords, check_path
from .models.autoencoder import Autoencoder
from .models.meanfield import MeanField
from .objectives import OWN_TERMS
from .saving import files
from .vae import VAE

KINDS = {kind.__name__: kind for kind in (VAE, Autoencoder, MeanField)}
OWN_PARTS = (*OWN_TERMS, "likelihood", "prior", "encoder", "decoder")

Settings = ParamSpec("Settings")
Model = TypeVar("Model", covariant=True)


class Fit(Protocol[Settings, Model]):
    """A function that fits a model: its data, then the settings of the constructor."""

    @overload
    def __call__(
        self,
        X: Any,
        X_test: Any = None,
        condition: Any = None,
        condition_test: Any = None,
        *args: Settings.args,
        **settings: Settings.kwargs,
    ) -> Model:
        return VAE(**settings)  # type: ignore -- editors that follow calls find the settings here

    @overload  # an unpacked dict: no other call has a value for this argument
    def __call__(self, X: Any, X_test: Any = None, *, _unpacked: Any, **settings: Any) -> Model: ...


def takes_settings_of(kind: Callable[Settings, Model]) -> Callable[[Any], Fit[Settings, Model]]:
    """Decorate ``fit(X, ..., **settings)``: its signature names the settings."""

    def decorate(function):
        data = list(inspect.signature(function).parameters.values())[:-1]
        settings = inspect.signature(kind).parameters.values()
        named = [setting.replace(kind=inspect.Parameter.KEYWORD_ONLY) for setting in settings]
        function.__signature__ = inspect.Signature([*data, *named], return_annotation=kind)
        return function

    return decorate


@takes_settings_of(VAE)
def fit(X, X_test=None, *, condition=None, condition_test=None, **settings):
    """Fit a variational autoencoder to the rows of X: ``VAE(**settings).fit(X, ...)``.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Floats, or uint8 gray levels (255 is read as 1), in memory or on disk
        (`numpy.memmap`).
    X_test : array-like, shape (m, n_features), optional
        Rows whose loss is recorded after every epoch; they do not influence training.
    condition, condition_test : array-like, shape (n, n_conditions), optional
        What is known of each row of X and of X_test, such as its class as zeros and a
        one.
    **settings
        Those of `VAE`, where they are described.

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
    check_keywords("fit", settings, VAE.__dataclass_fields__)
    data = {"X_test": X_test, "condition": condition, "condition_test": condition_test}
    return VAE(**settings).fit(X, **data)


@takes_settings_of(Autoencoder)
def fit_autoencoder(X, X_test=None, *, condition=None, condition_test=None, **settings):
    """Fit an autoencoder: the same networks as in `fit`, without noise and KL.

    Parameters
    ----------
    X, X_test, condition, condition_test
        As for `fit`.
    **settings
        Those of `Autoencoder`.

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
    known, elsewhere = Autoencoder.__dataclass_fields__, VAE.__dataclass_fields__
    check_keywords("fit_autoencoder", settings, known, elsewhere, "vaelite.fit, which trains a VAE")
    data = {"X_test": X_test, "condition": condition, "condition_test": condition_test}
    return Autoencoder(**settings).fit(X, **data)


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
