"""The first picture: q(z|x) of one image moves to the exact posterior, and the ELBO climbs.

The decoder is that of a trained model and stays as it is. Only mu and logsigma of this one q are
trained, by Adam, from a start far away. Everything is exact: log p(x) and the posterior are
computed by quadrature, and the ELBO of each q by Gauss-Hermite nodes in place of samples.
"""

from dataclasses import dataclass

import autograd.numpy as np
import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse
from numpy.polynomial.hermite_e import hermegauss

import vaelite

EXTENT, IMAGES = 3.0, 15  # of the plane that is drawn, and images per side
NODES = 8, 40  # per latent, for the expectation over q: of a gradient, and of an ELBO that is shown
N_STEPS, LEARNING_RATE = 150, 0.1
SHOWN = 0, 3, 6, 10, 14, 18, 23, 29, 36, 45, 60, 80, 110, 150  # steps of the staircase
CIRCLE = 2 * np.sqrt(-2 * np.log(0.05))  # diameter of a circle with 95 % of N(0, I)
RED, BLUE = "#d1242f", "#0b62c4"


@dataclass(frozen=True)
class Climb:
    """Each step's q, the ELBO at the steps that are shown, and what they climb to.

    Attributes
    ----------
    mu, logsigma : arrays, shape (steps + 1, 2)
    elbo : dict of int to float
        In nats, by step.
    log_evidence : float
        The exact log p(x).
    """

    mu: np.ndarray
    logsigma: np.ndarray
    elbo: dict
    log_evidence: float


def exact_elbo(vae, x, n_nodes):
    """The ELBO of one image as a function of mu and logsigma, each (1, 2), by quadrature."""
    nodes, weights = hermegauss(n_nodes)
    eps = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    weights = np.outer(weights, weights).ravel() / (2 * np.pi)
    params = {name: array.astype(np.float64) for name, array in vae.params.items()}
    images, objective = np.repeat(x.astype(np.float64), len(eps), axis=0), vae.loss()

    def elbo(mu, logsigma):
        z = mu + np.exp(logsigma) * eps
        log_joint = -objective.negloglikelihood(images, *objective.decode(params, z))
        log_joint = log_joint - vaelite.neglogprior(z)
        log_q = -vaelite.neglogposterior(z, mu + 0 * z, logsigma + 0 * z)
        return np.sum(weights * (log_joint - log_q))

    return elbo


def climb(vae, x, mu, logsigma):
    """Follow Adam from a first q of one image, shape (1, n_features), to the best one."""
    elbo, precise_elbo = (exact_elbo(vae, x, n) for n in NODES)
    gradient = vaelite.value_and_grad(lambda q: -elbo(q["mu"], q["logsigma"]))
    q, path = {"mu": np.array([mu]), "logsigma": np.array([logsigma])}, []
    adam = vaelite.Adam(LEARNING_RATE)
    for step in range(N_STEPS + 1):
        path.append((q["mu"].copy(), q["logsigma"].copy()))
        adam.learning_rate = LEARNING_RATE * (1 - step / N_STEPS)
        adam.update(q, gradient(q)[1])
    evidence, error = vaelite.Quadrature(vae, n_nodes=401).log_evidence(x)
    assert error[0] < 1e-3
    shown = {step: float(precise_elbo(*path[step])) for step in SHOWN}
    mu, logsigma = (np.concatenate(arrays) for arrays in zip(*path, strict=True))
    return Climb(mu, logsigma, shown, float(evidence[0]))


def draw_plane(ax, vae, found, step):
    """Draw the decoded plane of codes, and q as it was at some steps."""
    half = EXTENT / IMAGES
    axis = np.linspace(-EXTENT + half, EXTENT - half, IMAGES)
    z1, z2 = np.meshgrid(axis, axis[::-1])
    images = vae.likelihood.expectation(*vae.decode(np.column_stack([z1.ravel(), z2.ravel()])))
    side = int(np.sqrt(images.shape[1]))
    canvas = images.reshape(IMAGES, IMAGES, side, side).transpose(0, 2, 1, 3)
    canvas = canvas.reshape(IMAGES * side, IMAGES * side)
    corners = (-EXTENT, EXTENT, -EXTENT, EXTENT)
    ax.imshow(canvas, cmap="gray_r", vmin=0, vmax=1.6, extent=corners)  # pale: q is on top
    ax.plot(*found.mu[: step + 1].T, color=RED, linewidth=2)
    for k in (k for k in SHOWN[::2] if k < step):
        draw_q(ax, found, k, linewidth=1.5, alpha=0.4)
    draw_q(ax, found, step)
    ax.plot(*found.mu[step], "o", color=RED, markersize=5)
    ticks = (-2, 0, 2)
    ax.set(xlim=corners[:2], ylim=corners[2:], xticks=ticks, yticks=ticks, aspect="equal")
    ax.set(xlabel="z1", ylabel="z2", title="q(z|x) on the decoded plane")


def draw_q(ax, found, step, linewidth=2.5, alpha=1):
    """Draw the ellipse with 95 % of a step's q."""
    size, line = CIRCLE * np.exp(found.logsigma[step]), {"linewidth": linewidth, "alpha": alpha}
    ax.add_patch(Ellipse(found.mu[step], *size, fill=False, edgecolor=RED, **line))


def draw_stairs(ax, found, step):
    """Draw the ELBO by step as nats below the exact log p(x), on a logarithmic scale beyond 1."""
    gaps = np.array([found.log_evidence - found.elbo[step] for step in SHOWN])
    last = sum(k <= step for k in SHOWN)
    ax.plot(range(len(SHOWN)), gaps, drawstyle="steps-post", color="0.85", linewidth=3)
    ax.plot(range(last), gaps[:last], drawstyle="steps-post", color=RED, linewidth=3)
    ax.plot(last - 1, gaps[last - 1], "o", color=RED)
    ax.axhline(0, color=BLUE, linewidth=3)
    ax.text(0, 0.1, f"log p(x) = {found.log_evidence:.2f}, exact", color=BLUE, va="top")
    ax.set_yscale("symlog", linthresh=1)  # linear below 1 nat, so that 0 has a place
    ax.set(ylim=(gaps.max() * 2, -0.3), xlabel=f"steps of Adam, now {step}")
    ax.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
    ax.set_xticks(range(len(SHOWN)), [str(k) if i % 3 == 0 else "" for i, k in enumerate(SHOWN)])
    value = f"{found.elbo[step]:.2f}".replace("-", "\N{MINUS SIGN}")
    ax.set(ylabel="nats below log p(x)", title=f"ELBO: {value} nats")


def draw_zoom(ax, vae, x, found, step, size=4.5):
    """Draw the exact posterior in shades of gray, and q as it is now."""
    sigma = np.exp(found.logsigma[-1])
    axes = [m + s * np.linspace(-size, size, 121) for m, s in zip(found.mu[-1], sigma, strict=True)]
    z = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    params = {name: array.astype(np.float64) for name, array in vae.params.items()}
    images, objective = np.repeat(x.astype(np.float64), len(z), axis=0), vae.loss()
    log_joint = -objective.negloglikelihood(images, *objective.decode(params, z))
    log_joint = log_joint - vaelite.neglogprior(z)
    density = np.exp(log_joint - log_joint.max()).reshape(121, 121)
    ax.contourf(*axes, density, levels=np.linspace(0.02, 1, 10), cmap="Greys")
    draw_q(ax, found, step)
    radius = size * sigma.max()
    (a, b) = found.mu[-1]
    ax.set(xlim=(a - radius, a + radius), ylim=(b - radius, b + radius), aspect="equal")
    ax.set(xticks=[], yticks=[])
    ax.set_title("exact p(z|x), and q", fontsize=11)


def draw(vae, x, found, step):
    """Draw one frame; return its figure."""
    with plt.rc_context({"font.size": 14}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4.5), layout="constrained")
        draw_plane(left, vae, found, step)
        draw_stairs(right, found, step)
        draw_zoom(right.inset_axes([0.04, 0.38, 0.4, 0.4]), vae, x, found, step)
    return figure
