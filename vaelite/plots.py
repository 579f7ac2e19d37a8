"""Figures. Each function draws into ``ax`` or a new figure, returns it, and never shows it.

Importing this module imports matplotlib.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle
from matplotlib.ticker import MaxNLocator
from scipy.special import ndtri

from .data import to_float
from .drawing import GAP, check_image_shape, draw_grid, draw_images, new_axes
from .exceptions import NotFittedError
from .inference_plots import completions, estimator_variances, inference_gaps, posterior
from .validation import check_choice, check_count, check_fitted

__all__ = [
    "average_reconstructions", "completions", "draw_grid", "draw_images", "estimator_variances", "graph",
    "graphical_model", "inference_gaps", "latent_grid", "latent_means", "learning_curve", "posterior",
    "reconstructions", "samples",
    "tsne_means",
]  # fmt: skip


def learning_curve(vae, elbo=False, ax=None):
    """The losses of training and evaluation by epoch, or minus them: the ELBO.

    Parameters
    ----------
    vae : VAE
        Fitted.
    elbo : bool
        Draw minus the losses.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_fitted(vae)
    if not vae.history:
        raise NotFittedError("this model has no history: it was not trained by fit")
    ax = ax or new_axes()
    sign, held_out = -1 if elbo else 1, vae.stopping == "heldout"
    names = {
        "train_loss": ("training rows, during the epoch", {"color": "0.6", "linewidth": 3}),
        "eval_loss": (f"{'held-out' if held_out else 'training'} rows, after it", {"color": "C0"}),
        "test_loss": ("test rows, after it", {"color": "C1", "linestyle": "--"}),
    }
    curves = {name: sign * np.array(vae.history[name]) for name in names if name in vae.history}
    for name, curve in curves.items():
        label, style = names[name]
        ax.plot(vae.history["epoch"], curve, label=label, **style)
    if held_out:
        best = curves["eval_loss"][vae.best_epoch - 1]
        ax.plot(vae.best_epoch, best, "o", color="C0", label=f"kept: {best:.2f}, epoch {vae.best_epoch}")
    ax.set_ylim(*sorted(sign * np.array(_steep_part_left_out(*(sign * curve for curve in curves.values())))))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="epoch", ylabel=f"{'ELBO' if elbo else 'loss'}, nats an example", title="Learning curve")
    ax.legend(frameon=False)
    return ax


def latent_means(vae, X, y, axes=(0, 1), ax=None):
    """The means of q(z|x) as points, coloured and marked by class.

    Parameters
    ----------
    vae : VAE
        Fitted, with a latent_dim of 2 or more.
    X : array-like, shape (n, n_features)
    y : array-like, shape (n,)
        Class of each row.
    axes : pair of int
        The latents to draw, counted from 0.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    y, (first, second) = _check_labels(X, y), axes
    if max(axes) >= vae.latent_dim:
        raise ValueError(f"latent_dim is {vae.latent_dim}, so that latents {first} and {second} cannot be drawn")
    mu, _ = vae.encode(X)
    ax = _draw_classes(mu[:, [first, second]], y, ax or new_axes((6, 6)))
    ax.set(xlabel=f"mean of z{first + 1}", ylabel=f"mean of z{second + 1}", title="Encoded images, by class")
    return ax


def tsne_means(vae, X, y, rng=0, ax=None):
    """The means of q(z|x) of any number of latents, laid out in a plane by t-SNE, coloured and marked by class.

    Parameters
    ----------
    vae : VAE
        Fitted.
    X : array-like, shape (n, n_features)
        Some thousand rows take a minute.
    y : array-like, shape (n,)
        Class of each row.
    rng : int or None
        Seed of the layout.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    References
    ----------
    van der Maaten & Hinton (2008), Visualizing Data using t-SNE.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise ImportError("t-SNE needs scikit-learn: python -m pip install 'vaelite[tsne]'") from None
    y = _check_labels(X, y)
    layout = TSNE(n_components=2, init="pca", random_state=rng).fit_transform(vae.encode(X)[0])
    ax = _draw_classes(layout, y, ax or new_axes((6, 6)))
    ax.set(
        xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2", title="t-SNE of the encoded images' means, by class"
    )
    return ax


def average_reconstructions(vae, X, y, image_shape=None, ax=None):
    """The mean of the reconstructions of each class's images, side by side.

    Parameters
    ----------
    vae : VAE
    X : array-like, shape (n, n_features)
    y : array-like, shape (n,)
    image_shape : (rows, columns), optional
        Of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    y = _check_labels(X, y)
    reconstructions, classes = vae.reconstruct(X), np.unique(y)
    images = np.stack([reconstructions[y == label].mean(axis=0) for label in classes])
    ax = draw_grid(images, min(5, len(classes)), image_shape, ax)
    ax.set_title(f"Average reconstruction of {', '.join(map(str, classes))}")
    return ax


def reconstructions(vae, X, n=10, image_shape=None, rng=None, ax=None):
    """The first n images, each above its reconstruction.

    Parameters
    ----------
    vae : VAE
    X : array-like, shape (rows, n_features)
    n : int
    image_shape : (rows, columns), optional
        Of an image; square by default.
    rng : optional
        As for `VAE.reconstruct`: None decodes the mean code.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    X = X[: check_count("n", n)]
    images = np.concatenate([to_float(X, np.dtype(np.float32), vae.likelihood.grey_levels), vae.reconstruct(X, rng)])
    ax = draw_grid(images, len(X), image_shape, ax)
    ax.set_title("Images, and below them their reconstructions")
    return ax


def samples(vae, n=64, rng=None, image_shape=None, ax=None):
    """The mean images of n codes that are drawn from the prior.

    Parameters
    ----------
    vae : VAE
    n : int
    rng : None, int, SeedSequence or Generator
    image_shape : (rows, columns), optional
        Of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = draw_images(vae.sample(check_count("n", n), rng, mean=True), image_shape, ax)
    ax.set_title("Samples: E[x|z] for z from the prior")
    return ax


def latent_grid(vae, n=15, image_shape=None, ax=None):
    """The mean images of a grid of codes, spaced to hold equal parts of the prior's probability.

    Parameters
    ----------
    vae : VAE
        With a latent_dim of 2.
    n : int
        Images a side.
    image_shape : (rows, columns), optional
        Of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    if vae.latent_dim != 2:
        raise ValueError(f"a grid of codes can be drawn for latent_dim=2, this model has {vae.latent_dim}")
    quantiles = ndtri((np.arange(check_count("n", n)) + 0.5) / n)
    z1, z2 = np.meshgrid(quantiles, quantiles[::-1])  # z2 grows upwards
    images = vae.likelihood.expectation(*vae.decode(np.column_stack([z1.ravel(), z2.ravel()])))
    ax = draw_grid(images, n, image_shape, ax or new_axes((6, 6)))
    height, width = check_image_shape(images, image_shape)
    ticks = np.unique(np.linspace(0, n - 1, 5).round().astype(int))
    labels = [f"{quantiles[tick]:.1f}" for tick in ticks]
    ax.set_axis_on()
    ax.set_xticks(GAP + ticks * (width + GAP) + (width - 1) / 2, labels)
    ax.set_yticks(GAP + (n - 1 - ticks) * (height + GAP) + (height - 1) / 2, labels)
    ax.set(xlabel="z1, quantiles of N(0, 1)", ylabel="z2, quantiles of N(0, 1)", title="Decoded grid of codes")
    return ax


def graphical_model(kind="model", ax=None):
    """The graphical model of a VAE, or of its guide: what depends on what, with a plate around what is there N times.

    Parameters
    ----------
    kind : {"model", "guide"}
        p(x|z) p(z) with its parameters theta, or q(z|x) with its parameters phi.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, figure 1: the solid and the dashed lines.
    """
    check_choice("kind", kind, ("model", "guide"))
    parameter, (cause, effect) = (r"$\theta$", "zx") if kind == "model" else (r"$\phi$", "xz")
    places = {"$z_i$": (1.0, 2.6), "$x_i$": (1.0, 1.0), parameter: (-0.9, 1.8)}
    edges = [(f"${cause}_i$", f"${effect}_i$"), (parameter, f"${effect}_i$")]
    ax = graph(places, edges, observed=["$x_i$"], bare=[parameter], ax=ax or new_axes((3.2, 3.2)))
    ax.add_patch(FancyBboxPatch((0.3, 0.15), 1.4, 3.1, boxstyle="round,pad=0.1", fill=False, linewidth=1.2))
    ax.text(1.68, 0.2, "N", ha="right", va="bottom", fontsize=12)
    ax.set(xlim=(-1.4, 2.2), ylim=(-0.2, 3.6))
    ax.set_title(r"model: $p_\theta(x|z)\,p(z)$" if kind == "model" else r"guide: $q_\phi(z|x)$")
    return ax


def graph(places, edges, *, observed=(), computed=(), bare=(), ax=None):
    """A graph: round nodes are random, square ones are computed from what leads to them, grey ones are observed.

    Parameters
    ----------
    places : dict of str to pair of float
        Where each node is, by its name; a node is 0.84 wide.
    edges : sequence of pairs of str
        From the first node to the second.
    observed, computed, bare : sequences of str
        Nodes that are grey; that are square; that have no outline.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, nodes = ax or new_axes(), {}
    for name, (x, y) in places.items():
        style = {"facecolor": "0.8" if name in observed else "white", "edgecolor": "black", "linewidth": 1.5}
        style |= {"linewidth": 0} if name in bare else {}
        square = name in computed
        node = Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, **style) if square else Circle((x, y), 0.42, **style)
        nodes[name] = ax.add_patch(node)
        ax.text(x, y, name, ha="center", va="center", fontsize=16)
    for start, end in edges:
        ends = {"patchA": nodes[start], "patchB": nodes[end], "shrinkA": 0, "shrinkB": 1}
        style = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.5} | ends
        ax.annotate("", xy=places[end], xytext=places[start], arrowprops=style)
    ax.set(aspect="equal")
    ax.autoscale_view()
    ax.set_axis_off()
    return ax


def _draw_classes(points, y, ax):
    """Points in a plane, coloured by class, with each class's name at its median: legible without colours."""
    classes = np.unique(y)
    colors = plt.get_cmap("tab10" if len(classes) <= 10 else "turbo", len(classes))
    dots = {"s": float(np.clip(20_000 / len(points), 1.5, 12)), "alpha": 0.5, "linewidths": 0}
    for index, label in enumerate(classes):
        ax.scatter(*points[y == label].T, color=colors(index), label=str(label), **dots)
    for index, label in enumerate(classes):  # on top of all points
        box = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": colors(index), "linewidth": 2}
        centre = np.median(points[y == label], axis=0)
        ax.text(*centre, str(label), ha="center", va="center", weight="bold", bbox=box)
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def _check_labels(X, y):
    y = np.asarray(y)
    if y.shape != (len(X),):
        raise ValueError(f"y should have one label a row, shape ({len(X)},), got {y.shape}")
    return y


def _steep_part_left_out(*losses):
    """Limits for falling curves that leave out their first part where it would flatten all the rest."""
    low = min(map(min, losses))
    high = max(np.quantile(curve, 0.95) if len(curve) > 5 else max(curve) for curve in losses)
    margin = (high - low) or 1.0
    return low - 0.1 * margin, high + 0.3 * margin
