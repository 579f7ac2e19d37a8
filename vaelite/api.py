"""The two calls that most users need: `fit` a model, `load` one that was saved."""

import inspect

from . import storage, validation
from .exceptions import ModelFileError
from .likelihoods import LIKELIHOODS
from .model import OWN_TERMS, SOLUTION, VAE


def _keywords(function):
    """The parameters of a method that have defaults, by name, as keyword-only ones."""
    parameters = inspect.signature(function).parameters
    return {k: p.replace(kind=p.KEYWORD_ONLY) for k, p in parameters.items() if p.default is not p.empty}


MODEL_SETTINGS, FIT_SETTINGS = _keywords(VAE.__init__), _keywords(VAE.fit)


def fit(X, **settings):
    """Fit a variational autoencoder to the rows of X: ``VAE(...).fit(X, ...)`` in one call.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Floats, or uint8 grey levels (255 is read as 1), in memory or on disk (`numpy.memmap`).
    **settings
        Those of `VAE` (``latent_dim``, ``hidden_dim``, ``activation``, ``likelihood``, your own terms, ``dtype``)
        and of `VAE.fit` (``batch_size``, ``learning_rate``, ``max_epochs``, ``stopping``, ``rng``, ...).

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
    >>> vae = vaelite.fit(X, hidden_dim=64, max_epochs=2, stopping="epochs", rng=0, progress=False)
    >>> vae.stop_reason
    'max_epochs: ran all 2'
    """
    validation.check_keywords("fit", settings, [*MODEL_SETTINGS, *FIT_SETTINGS])
    model = VAE(**{name: value for name, value in settings.items() if name in MODEL_SETTINGS})
    return model.fit(X, **{name: value for name, value in settings.items() if name in FIT_SETTINGS})


# What help() and editors show in place of **settings.
fit.__signature__ = inspect.Signature(
    [inspect.Parameter("X", inspect.Parameter.POSITIONAL_OR_KEYWORD), *MODEL_SETTINGS.values(), *FIT_SETTINGS.values()]
)


def load(path, **own):
    """Read a model that `VAE.save` wrote.

    Parameters
    ----------
    path : path
    **own : callable or object
        The terms (``negloglikelihood=``, ...) and the ``likelihood=`` of your own that the model was fitted with.

    Returns
    -------
    VAE

    Raises
    ------
    OSError
        If there is no such file.
    ModelFileError
        If the file is no saved model, is damaged or of a newer format, or needs terms that were not given.
    """
    validation.check_keywords("load", own, [*OWN_TERMS, "likelihood"])
    manifest, params = storage.load(path)
    try:
        _check_own(path, manifest, own)
        if manifest["likelihood"] is not None:
            name, settings = manifest["likelihood"]
            own["likelihood"] = LIKELIHOODS[name](**settings)
        vae = VAE(**manifest["model"], **own)
        vae.n_features = validation.check_count("n_features", manifest["n_features"])
        vars(vae).update({key: manifest["solution"][key] for key in SOLUTION})
        _check_params(vae, params)
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} is no vaelite model, or a damaged one ({error})") from error
    vae.params = params
    return vae


def _check_own(path, manifest, own):
    needed = {*manifest["own_terms"], *(["likelihood"] if manifest["likelihood"] is None else [])}
    for what, names in (("needs", needed - set(own)), ("was not fitted with", set(own) - needed)):
        if names:
            raise ModelFileError(f"{path} {what} {', '.join(sorted(names))} of your own: load(path, {min(names)}=...)")


def _check_params(vae, params):
    expected, found = vae.shapes(), {name: array.shape for name, array in params.items()}
    if found != expected or len({array.dtype for array in params.values()}) != 1:
        different = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        raise ModelFileError(f"the arrays {', '.join(different)} do not fit the settings that are saved with them")
