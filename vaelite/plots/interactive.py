"""A web page of a model: move a code, draw an image, see what the model computes."""

import base64
import json
from importlib.resources import files as resources
from pathlib import Path

import numpy as np

from ..checks import check_path, shown
from ..data.batches import to_float
from ..likelihoods import Categorical
from ..models.checks import check_posterior, check_unconditional
from ..saving.provenance import is_own, plain
from .grid import check_image_shape, check_labels

PAGE = resources(__package__) / "page"
MOST_WEIGHTS = 8_000_000  # 43 MB in the page
MOST_CODES, MOST_IMAGES = 1500, 60  # dots in the plane, and images to choose from
WORKS = "the page shows a VAE with 1 or 2 latents, Dense networks, and vaelite's own likelihoods"


def explorer(vae, path, X=None, y=None, image_shape=None):
    """Write a web page in which a reader plays with a model: one file, for any browser.

    In the page, a reader moves the code z and sees p(x|z), draws an image x and sees
    q(z|x), the exact posterior and the three terms of the ELBO. It needs no network, no
    Python and no other file.

    Parameters
    ----------
    vae : VAE
        Fitted, with 1 or 2 latents, `Dense` networks, and a likelihood and a prior of
        vaelite.
    path : str or path
        Of the page, such as ``"digits.html"``. A file that exists is replaced.
    X : array-like, shape (n, n_features), optional
        Images to show: the first 1500 as dots at the means of their q(z|x), and 60 of
        them to choose from in place of a drawing.
    y : array-like, shape (n,), optional
        Class of each row of X, for the colors of the dots.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.

    Returns
    -------
    pathlib.Path
        Of the page.

    Raises
    ------
    ValueError
        For a model that the page cannot show; the message says what works.

    Notes
    -----
    The page computes in float64, with the weights as float32. Its posterior is the sum
    over a grid, as in `Quadrature.posterior`, which becomes finer where the mass is.

    Examples
    --------
    >>> import tempfile, vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=32, max_epochs=5, stopping="epochs", rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = vaelite.plots.explorer(vae, f"{folder}/digits.html", X, y)
    ...     page.name
    'digits.html'
    """
    check_path("path", path)
    model = _checked(vae)
    model["image_shape"] = check_image_shape(np.empty((1, vae.n_features)), image_shape)
    if y is not None and X is None:
        raise ValueError("y was passed without X, the images that it is of; pass both")
    model |= {} if X is None else _examples(vae, X, y)
    model["range"] = _range(vae, X)
    text = (PAGE / "page.html").read_text(encoding="utf-8")
    for name in ("page.css", "model.js", "page.js"):
        text = text.replace(f"/* {name} */", (PAGE / name).read_text(encoding="utf-8"))
    text = text.replace("{model}", json.dumps(model).replace("<", "\\u003c"))
    path = Path(path)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _checked(vae):
    """What the page knows of a model; an error if it cannot show it."""
    check_posterior(vae)
    check_unconditional(vae, "the page")
    networks = {name: plain(vae.part(name)) for name in ("encoder", "decoder")}
    spec = {name: plain(getattr(vae, name)) for name in ("likelihood", "prior")}
    found = [
        (vae.latent_dim > 2, f"this model has {vae.latent_dim} latents"),
        (not vae.is_amortized, f"{type(vae).__name__} has no encoder"),
        (bool(vae.own_terms), f"this model has its own {', '.join(sorted(vae.own_terms))}"),
        (is_own(spec["likelihood"]), f"its likelihood is {shown(vae.likelihood)}"),
        (is_own(spec["prior"]), f"its prior is {shown(vae.prior)}"),
    ]
    for name, network in networks.items():
        found.append(("Dense" not in network, f"its {name} is {shown(vae.part(name))}"))
    if problem := next((problem for is_wrong, problem in found if is_wrong), None):
        raise ValueError(f"{WORKS}; {problem}")
    n_weights = sum(array.size for array in vae.params.values())
    if n_weights > MOST_WEIGHTS:
        raise ValueError(
            f"this model has {n_weights:,} weights, and the page would be too large; fit one with "
            f"fewer hidden units, with at most {MOST_WEIGHTS:,} weights"
        )
    spec |= {"networks": networks, "n_features": vae.n_features, "latent_dim": vae.latent_dim}
    return {"spec": spec, "arrays": {name: _packed(a) for name, a in vae.params.items()}}


def _examples(vae, X, y):
    """The first rows as codes, labels, and images."""
    labels = None if y is None else [str(label) for label in check_labels(X, y)[:MOST_CODES]]
    images = to_float(X[:MOST_CODES], np.dtype(np.float32), vae.likelihood.grey_levels)
    found = {"codes": _packed(vae.codes(X[:MOST_CODES])), "labels": labels}
    return found | {"images": _packed(images[:MOST_IMAGES])}


def _range(vae, X):
    """What white and black mean in the units of the data."""
    likelihood = vae.likelihood
    if isinstance(likelihood, Categorical):
        return [0, likelihood.levels - 1]
    if X is None or getattr(likelihood, "mean", "logistic") == "logistic":
        return [0, 1]
    return [float(np.min(X)), float(np.max(X))]


def _packed(array):
    """An array as its shape and the base64 of its numbers, as float32."""
    data = np.ascontiguousarray(array, "<f4").tobytes()
    return {"shape": array.shape, "data": base64.b64encode(data).decode()}
