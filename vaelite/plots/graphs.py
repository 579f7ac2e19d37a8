"""Graphs of what depends on what, and where a gradient passes."""

import numpy as np
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle
from matplotlib.pyplot import get_cmap

from ..arrays.streams import Stream, sampling_generator
from ..checks import check_choice
from ..data.batches import to_float
from ..models.checks import check_posterior
from .grid import check_image_shape, new_axes

OPEN, BLOCKED = "C0", "C3"  # colors of a gradient's arrows
Z_GRAPH = {  # of `gradient_graph`: where each node is
    "$f$": (2.0, 4.6),
    "$z$": (2.0, 2.7),
    r"$\phi$": (0.4, 0.8),
    "$x$": (2.0, 0.8),
    r"$\epsilon$": (3.6, 0.8),
}
MOST_WRITTEN = 3  # numbers of a code
WHOLE_VAE = (  # of `vae_diagram`: each arrow, from where to where
    ((2.5, 3.7), (3.1, 3.7)),
    ((4.7, 3.7), (5.5, 5.0)),
    ((4.7, 3.7), (5.5, 2.4)),
    ((6.3, 5.0), (8.4, 4.1)),
    ((6.3, 2.4), (8.4, 3.5)),
    ((7.75, 1.2), (8.6, 3.15)),
    ((9.2, 3.8), (10.0, 3.7)),
    ((11.6, 3.7), (12.2, 3.7)),
)


def graphical_model(kind="model", ax=None):
    """Draw the graphical model of a VAE, or of its guide.

    A plate surrounds the nodes that exist N times.

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
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, figure 1: the solid and
    the dashed lines.
    """
    check_choice("kind", kind, ("model", "guide"))
    parameter, (cause, effect) = (r"$\theta$", "zx") if kind == "model" else (r"$\phi$", "xz")
    places = {"$z_i$": (1.0, 2.6), "$x_i$": (1.0, 1.0), parameter: (-0.9, 1.8)}
    edges = [(f"${cause}_i$", f"${effect}_i$"), (parameter, f"${effect}_i$")]
    ax = graph(places, edges, observed=["$x_i$"], bare=[parameter], ax=ax or new_axes((3.2, 3.2)))
    ax.add_patch(
        FancyBboxPatch((0.3, 0.15), 1.4, 3.1, boxstyle="round,pad=0.1", fill=False, linewidth=1.2)
    )
    ax.text(1.68, 0.2, "N", ha="right", va="bottom", fontsize=12)
    ax.set(xlim=(-1.4, 2.2), ylim=(-0.2, 3.6))
    ax.set_title(r"model: $p_\theta(x|z)\,p(z)$" if kind == "model" else r"guide: $q_\phi(z|x)$")
    return ax


def graph(places, edges, *, observed=(), computed=(), bare=(), ax=None):
    """Draw a graph with random nodes (round), computed ones (square), observed (gray).

    Parameters
    ----------
    places : dict of str to pair of float
        Position of each node by its name; a node is 0.84 wide.
    edges : sequence of pairs of str
        Each goes from the first node to the second.
    observed, computed, bare : sequences of str
        Nodes that are gray; that are square; that have no outline.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax, nodes = ax or new_axes(), {}
    for name, (x, y) in places.items():
        color, width = "0.8" if name in observed else "white", 0 if name in bare else 1.5
        style = {"facecolor": color, "edgecolor": "black", "linewidth": width}
        if name in computed:
            node = Rectangle((x - 0.42, y - 0.42), 0.84, 0.84, **style)
        else:
            node = Circle((x, y), 0.42, **style)
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


def gradient_graph(kind="reparameterized", ax=None):
    """Draw how the ELBO depends on phi, and where its gradient comes back.

    f(z) is the ELBO's value at one sample z. Thin arrows lead from causes to effects,
    thick ones show the gradient on its way back to phi, the encoder's parameters.

    Parameters
    ----------
    kind : {"sampled", "reparameterized"}
        "sampled": z is drawn from q(z|x). A drawn number has no derivative, so the
        gradient is blocked at z. "reparameterized": z = mu + sigma eps is computed, and
        only eps is drawn. The gradient passes.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    References
    ----------
    Kingma & Welling (2014), Auto-Encoding Variational Bayes, section 2.4.
    """
    check_choice("kind", kind, ("sampled", "reparameterized"))
    passes, places = kind == "reparameterized", dict(Z_GRAPH)
    if not passes:
        del places[r"$\epsilon$"]
    edges = [(name, "$z$") for name in places if name not in ("$f$", "$z$")] + [("$z$", "$f$")]
    computed, look = ["$f$", "$z$"] if passes else ["$f$"], {"bare": [r"$\phi$"]}
    ax = graph(
        places, edges, observed=["$x$"], computed=computed, **look, ax=ax or new_axes((4.8, 3.6))
    )
    _gradient(ax, places["$f$"], places["$z$"], r"$\partial f\,/\,\partial z$")
    if passes:
        _gradient(ax, places["$z$"], places[r"$\phi$"], r"$\partial z\,/\,\partial\phi$")
        text = r"$z = \mu_\phi(x) + \sigma_\phi(x)\,\epsilon$"
    else:
        _gradient(ax, places["$z$"], places[r"$\phi$"], "blocked", is_open=False)
        text = r"$z \sim q_\phi(z|x)$"
    ax.text(2.6, 2.7, text, va="center", fontsize=14)
    ax.set(xlim=(-1.9, 6.4), ylim=(0.2, 5.2))
    ax.set_title("z is computed: the gradient passes" if passes else "z is drawn: it is blocked")
    return ax


def _gradient(ax, start, end, text, is_open=True):
    """Draw the way of a gradient, beside the edge that it goes back along."""
    color, line = (OPEN, "-") if is_open else (BLOCKED, (0, (2, 1)))
    way = np.subtract(end, start) / np.hypot(*np.subtract(end, start))
    side = 0.3 * np.array([way[1], -way[0]])  # to the left of the edge
    start, end = start + 0.5 * way + side, end - 0.5 * way + side
    arrow = {"arrowstyle": "-|>,head_width=0.4,head_length=0.8", "color": color}
    arrow |= {"linewidth": 3, "linestyle": line, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=end, xytext=start, arrowprops=arrow)
    middle = (start + end) / 2
    if not is_open:
        ax.plot(*middle, "x", color=color, markersize=16, markeredgewidth=4)
    ax.text(
        *(middle + (1.0 if is_open else 1.6) * side),
        text,
        color=color,
        ha="right",
        va="center",
        fontsize=14,
    )


def vae_diagram(vae, x, rng=0, image_shape=None, ax=None):
    """Draw a whole VAE at work: image, mu and sigma, eps, z, and the decoded image.

    All numbers are those of the model. A code is a column of cells, blue below 0 and
    red above; codes of up to 3 numbers are also written.

    Parameters
    ----------
    vae : VAE
        Fitted.
    x : array-like, shape (n_features,)
    rng : None, int, SeedSequence or Generator
        For eps.
    image_shape : (rows, columns), optional
        Shape of an image; square by default.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_posterior(vae)
    x = np.asarray(x).reshape(1, -1)
    mu, logsigma = vae.encode(x)
    eps = sampling_generator(rng, Stream.RECONSTRUCT).standard_normal(mu.shape, dtype=mu.dtype)
    z = vae.loss().reparameterize(mu, logsigma, eps)
    decoded = vae.likelihood.expectation(*vae.decode(z))
    ax, shape = ax or new_axes((8, 3.6)), check_image_shape(x, image_shape)
    given = to_float(x, mu.dtype, vae.likelihood.grey_levels)
    _picture(ax, given.reshape(shape), 0, "$x$")
    _network(ax, 3.1, "encoder", (1.3, 0.6))
    _network(ax, 10.0, "decoder", (0.6, 1.3))
    _picture(ax, decoded.reshape(shape), 12.2, "$E[x|z]$")
    _code(ax, r"$\mu$", mu[0], (5.9, 5.0))
    _code(ax, r"$\sigma$", np.exp(logsigma[0]), (5.9, 2.4))
    _code(ax, r"$\epsilon$", eps[0], (7.3, 0.9))
    _code(ax, r"$z = \mu + \sigma\,\epsilon$", z[0], (8.8, 3.8))
    for start, end in WHOLE_VAE:
        ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "-|>", "color": "black"})
    ax.set(xlim=(-0.1, 14.7), ylim=(-0.2, 6.6), aspect="equal")
    ax.set_axis_off()
    return ax


def _picture(ax, image, left, name):
    """Draw an image, 2.4 units high, in a frame, and its name below."""
    width = 2.4 * image.shape[1] / image.shape[0]
    extent = (left, left + width, 2.5, 4.9)
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    ax.add_patch(Rectangle((left, 2.5), width, 2.4, fill=False, linewidth=1.2))
    ax.text(left + width / 2, 2.1, name, ha="center", va="top", fontsize=14)


def _network(ax, left, name, heights):
    """Draw a network as a trapezoid, with the half heights of its two ends."""
    first, last = heights
    corners = [(left, 3.7 - first), (left, 3.7 + first)]
    corners += [(left + 1.6, 3.7 + last), (left + 1.6, 3.7 - last)]
    ax.add_patch(Polygon(corners, facecolor="0.85", edgecolor="black", linewidth=1.2))
    ax.text(left + 0.8, 3.7, name, ha="center", va="center", fontsize=10.5)


def _code(ax, name, code, middle):
    """Draw a code as a column of colored cells, and its name above."""
    height = min(0.6, 1.6 / len(code))
    bottom = middle[1] - height * len(code) / 2
    colors = get_cmap("RdBu_r")(0.5 + np.clip(code, -3, 3) / 7.5)  # light: the text is black
    for row, (number, color) in enumerate(zip(code, colors, strict=True)):
        y = bottom + height * (len(code) - 1 - row)
        ax.add_patch(Rectangle((middle[0] - 0.4, y), 0.8, height, facecolor=color))
        if len(code) <= MOST_WRITTEN:
            text = f"{number:.2f}".replace("-", "\N{MINUS SIGN}")
            ax.text(middle[0], y + height / 2, text, ha="center", va="center", fontsize=9)
    top = bottom + height * len(code)
    ax.add_patch(Rectangle((middle[0] - 0.4, bottom), 0.8, top - bottom, fill=False))
    ax.text(middle[0], top + 0.1, name, ha="center", va="bottom", fontsize=14)
