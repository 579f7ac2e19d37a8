"""The calls that most users need: `fit` a model, `load` one that was saved."""

import inspect

from . import storage, validation
from .autoencoder import Autoencoder
from .exceptions import ModelFileError
from .likelihoods import LIKELIHOODS
from .meanfield import MeanField
from .model import OWN_TERMS, SOLUTION, VAE


def _keywords(function):
    """The parameters of a method that have defaults, by name, as keyword-only ones."""
    parameters = inspect.signature(function).parameters
    return {
        k: p.replace(kind=p.KEYWORD_ONLY) for k, p in parameters.items() if p.default is not p.empty and k != "X_test"
    }


KINDS = {kind.__name__: kind for kind in (VAE, Autoencoder, MeanField)}
MODEL_SETTINGS, FIT_SETTINGS = _keywords(VAE.__init__), _keywords(VAE.fit)


def fit(X, X_test=None, **settings):
    """Fit a variational autoencoder to the rows of X: ``VAE(...).fit(X, ...)`` in one call.

    Parameters
    ----------
    X : array-like, shape (n, n_features)
        Floats, or uint8 grey levels (255 is read as 1), in memory or on disk (`numpy.memmap`).
    X_test : array-like, shape (m, n_features), optional
        Rows whose loss is recorded after every epoch; they have no influence on training.
    **settings
        Those of `VAE`, which has them in full:

        - ``latent_dim``, ``hidden_dim``, ``activation``, ``init``: the networks.
        - ``likelihood``: what the decoder's outputs say about x.
        - ``negloglikelihood``, ``neglogprior``, ``neglogposterior``, ``reparameterize``: your own terms.
        - ``dtype``, ``backend``: the numbers' precision, and where to compute.

        And those of `VAE.fit`:

        - ``batch_size``, ``learning_rate``: of a training step.
        - ``max_epochs``, ``stopping``, ``tol``, ``patience``, ``validation_fraction``, ``steps_per_epoch``: how long.
        - ``kl``, ``beta``, ``warmup_epochs``, ``importance_samples``: what is minimised.
        - ``rng``: a seed, for the same fit again.
        - ``progress``, ``log_every``, ``callbacks``, ``normalized``: what is told of training.

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
    return _fit(VAE, "fit", X, X_test, settings)


def fit_autoencoder(X, X_test=None, **settings):
    """Fit an autoencoder, the same networks without noise and KL, to compare with `fit`.

    Parameters
    ----------
    X, X_test, **settings
        As for `fit`.

    Returns
    -------
    Autoencoder
        Fitted.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> ae = vaelite.fit_autoencoder(X, hidden_dim=64, max_epochs=2, stopping="epochs", rng=0, progress=False)
    >>> ae
    Autoencoder(latent_dim=2, hidden_dim=(64,), likelihood=Gaussian(...))
    """
    return _fit(Autoencoder, "fit_autoencoder", X, X_test, settings)


def _fit(kind, name, X, X_test, settings):
    validation.check_keywords(name, settings, [*MODEL_SETTINGS, *FIT_SETTINGS])
    model = kind(**{name: value for name, value in settings.items() if name in MODEL_SETTINGS})
    return model.fit(X, X_test, **{name: value for name, value in settings.items() if name in FIT_SETTINGS})


# What help() and editors show in place of **settings.
fit.__signature__ = fit_autoencoder.__signature__ = inspect.Signature(
    [p for p in inspect.signature(fit).parameters.values() if p.kind is not p.VAR_KEYWORD]
    + [*MODEL_SETTINGS.values(), *FIT_SETTINGS.values()]
)


def load(path, *, backend="numpy", **own):
    """Read a model that `VAE.save` wrote.

    Parameters
    ----------
    path : path
    backend : {"numpy", "cupy", "auto"}
        Where it is to compute, wherever it was trained.
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
        vae = KINDS[manifest["kind"]](**manifest["model"], **own, backend=backend)
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
