"""Graphs of what depends on what."""

from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from ..checks import check_choice
from .grid import new_axes


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
