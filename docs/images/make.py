"""Draw the pictures of README and docs: python docs/images/make.py [NAME ...].

mnist and tutorial take minutes each, convolution about a quarter of an hour.
"""

import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch
from scipy.special import softmax
from scipy.stats import entropy

import vaelite
from vaelite import plots

FOLDER = Path(__file__).parent


def panels(name, *draw, columns=2, size=(12, 6)):
    """Draw side by side and write NAME.png."""
    figure, axes = plt.subplots(1, columns, figsize=size, layout="constrained")
    for function, ax in zip(draw, axes, strict=True):
        function(ax)
    figure.savefig(FOLDER / f"{name}.png", dpi=80)


def digits():
    """The encoded digits and the decoded grid."""
    X, y = vaelite.load_digits()
    vae = vaelite.fit(X, latent_dim=2, rng=0, progress=False)
    panels(
        "digits",
        lambda ax: plots.latent_means(vae, X, y, ax=ax),
        lambda ax: plots.latent_grid(vae, ax=ax),
    )


def strip():
    """The first picture of docs/reproduction.md: what one fit of the digits shows."""
    X, y = vaelite.load_digits()
    vae = vaelite.fit(X, latent_dim=2, rng=0, progress=False)
    q, nll = vaelite.infer(vae, X[3:4], vae.encode(X[3:4])), nll_of(vae, X[3:4])
    upper_half = np.arange(64) < 32
    panels(
        "strip", lambda ax: plots.latent_means(vae, X, y, ax=ax).set_title("codes"),
        lambda ax: plots.latent_grid(vae, n=10, ax=ax).set_title("decoded grid of codes"),
        lambda ax: plots.completions(vae, X[10:16], upper_half, ax=ax).set_title("half erased, and completed"),
        lambda ax: plots.posterior(vae, X[3], {"best q(z|x)": q}, ax=ax).set_title("the exact posterior, and q"),
        lambda ax: plots.estimator_variances(nll, *in_float64(vae.encode(X[3:4])), ax=ax)
        .legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.45, -0.17), ncols=2),
        columns=5, size=(18, 4.2),
    )  # fmt: skip


def in_float64(arrays):
    """Arrays as float64."""
    return [array.astype(np.float64) for array in arrays]


def nll_of(vae, x):
    """-log p(x|z) of one image as a function of z, as the estimators take it, in float64."""
    params, objective = (
        {name: array.astype(np.float64) for name, array in vae.params.items()},
        vae.objective(),
    )

    def nll(z):
        images = np.broadcast_to(x.astype(np.float64), (*z.shape[:-1], x.shape[1]))
        return objective.negloglikelihood(images, *objective.decode(params, z))

    return nll


def mnist():
    """The lecture's two figures, from its run at the learning rate 1e-3."""
    X, y = vaelite.load_mnist()
    vae = vaelite.fit(X, max_epochs=20, stopping="epochs", rng=4, progress=False)
    panels(
        "mnist", lambda ax: plots.latent_means(vae, X, y, ax=ax),
        lambda ax: plots.average_reconstructions(vae, X, y, ax=ax),
    )  # fmt: skip


def tutorial():
    """The Pyro tutorial's three figures, from its run."""
    (X, _), (X_test, y_test) = vaelite.load_mnist(), vaelite.load_mnist(split="test")
    vae = vaelite.fit(
        X, X_test, likelihood="bernoulli", latent_dim=50, hidden_dim=400, activation="softplus", init="torch",
        batch_size=256, max_epochs=100, stopping="epochs", rng=5, progress=False,
    )  # fmt: skip
    print(
        {
            epoch: [round(vae.history[f"{rows}_loss"][epoch], 2) for rows in ("train", "test")]
            for epoch in (0, 4, 95, 99)
        }
    )
    panels(
        "tutorial", lambda ax: plots.learning_curve(vae, elbo=True, ax=ax), lambda ax: plots.samples(vae, rng=0, ax=ax),
        lambda ax: plots.tsne_means(vae, X_test, y_test, ax=ax), columns=3, size=(16, 5),
    )  # fmt: skip


def convolution(epochs=10):
    """Tutorial 10's figure: convolutional and dense networks on MNIST, by epoch and by time."""
    (X, _), (X_test, _) = vaelite.load_mnist(), vaelite.load_mnist(split="test")
    encoder = vaelite.Convolutional((28, 28), channels=(16, 32))
    networks = {
        "convolutional": {"encoder": encoder, "decoder": encoder.transposed()},
        "dense, 41 units": {"hidden_dim": 41},
        "dense, 512 units": {"hidden_dim": 512},
    }
    settings = {"likelihood": "bernoulli", "latent_dim": 10, "stopping": "epochs", "rng": 0}
    fits, limit = {}, {"max_epochs": epochs}
    for name, network in networks.items():
        vae, seconds = timed_fit(X, X_test, **limit, **network, **settings)
        elbo = -np.array(vae.history["test_loss"])
        fits[name] = vae, seconds, elbo
        print(f"{name}: {sum(map(np.size, vae.params.values())):,} parameters")
        for epoch in sorted({epochs // 2, epochs, len(elbo)}):
            print(
                f"  {epoch:4d} epochs,{seconds[epoch - 1]:6.0f} s: test ELBO {elbo[epoch - 1]:.2f}",
                flush=True,
            )
        if name == "convolutional":  # the others have as much time
            limit = {"max_epochs": 10_000, "seconds": seconds[-1]}

    figure, axes = plt.subplot_mosaic(
        [["epoch", "time"], ["samples 0", "samples 1"], ["rows 0", "rows 1"]],
        figsize=(12, 9.5), height_ratios=[4, 4, 1.9], layout="constrained",
    )  # fmt: skip
    styles = {"color": "k"}, {"color": "C1", "linestyle": "--"}, {"color": "C0", "linestyle": ":"}
    for (name, (_, seconds, elbo)), style in zip(fits.items(), styles, strict=True):
        axes["epoch"].plot(range(1, epochs + 1), elbo[:epochs], marker="o", label=name, **style)
        axes["time"].plot(seconds, elbo, linewidth=2, label=name, **style)
    axes["epoch"].set(xlabel="epoch", title="Test ELBO by epoch", xticks=range(1, epochs + 1))
    axes["time"].set(xlabel="training time (CPU seconds)", title="Test ELBO by time")
    best = max(elbo.max() for _, _, elbo in fits.values())
    for ax in (axes["epoch"], axes["time"]):
        ax.set(ylabel="ELBO (nats per image)", ylim=(best - 50, best + 3))
        ax.legend(frameon=False, loc="lower right")
    for number, (name, (vae, _, _)) in enumerate(list(fits.items())[:2]):
        ax = plots.draw_grid(vae.sample(32, rng=0, mean=True), 8, ax=axes[f"samples {number}"])
        ax.set_title(f"{name}: samples, E[x|z]")
        ax = plots.reconstructions(vae, X_test, 10, ax=axes[f"rows {number}"])
        ax.set_title(f"{name}: test images, and their reconstructions")
    figure.savefig(FOLDER / "convolution.png", dpi=80)


def timed_fit(X, X_test, seconds=None, **settings):
    """A fit, and the CPU seconds until the end of each epoch; it stops after ``seconds``."""
    start, ends = time.process_time(), []

    def clock(_, state):
        ends.append(time.process_time() - start)
        return seconds is not None and ends[-1] >= seconds

    return vaelite.fit(X, X_test, callbacks=[clock], **settings), ends


def autoencoder():
    """Codes and decoded grids of an autoencoder and a VAE with the same networks."""
    X, y = vaelite.load_digits()
    ae, vae = (
        vaelite.fit_autoencoder(X, rng=0, progress=False),
        vaelite.fit(X, rng=0, progress=False),
    )
    draw = [
        (f"{name}: {what}", model, function) for name, model in (("autoencoder", ae), ("VAE", vae))
        for what, function in (("codes", lambda m, ax: plots.latent_means(m, X, y, ax=ax)),
                               ("decoded grid of N(0, I)", lambda m, ax: plots.latent_grid(m, ax=ax)))
    ]  # fmt: skip
    panels(
        "autoencoder",
        *(lambda ax, d=d: (d[2](d[1], ax), ax.set_title(d[0])) for d in draw),
        columns=4,
        size=(18, 4.8),
    )


def categorical():
    """Drawn images beside mean images, and the probabilities of one pixel's levels."""
    X, _ = vaelite.load_digits()
    levels = np.rint(X * 16).astype(np.uint8)
    vae = vaelite.fit(
        levels, likelihood=vaelite.Categorical(17), latent_dim=8, rng=0, progress=False
    )
    images, means = vae.sample(16, rng=1), vae.sample(16, rng=1, mean=True)
    p = softmax(vae.decode(vae.encode(levels[:1])[0])[0][0], axis=1)
    pixel = entropy(p, axis=1).argmax()

    def bars(ax):
        ax.bar(range(17), p[pixel], color="0.4")
        ax.axvline(levels[0, pixel], color="C1", linestyle="--", label="its level")
        ax.set(xlabel="level", ylabel="probability", xticks=range(0, 17, 4))
        ax.set_title("p(level|z) of the least certain pixel of an image")
        ax.margins(y=0.2)  # room for the legend
        ax.legend(frameon=False, loc="upper left")

    panels(
        "categorical", lambda ax: (plots.draw_images(images / 16, ax=ax), ax.set_title("x drawn from p(x|z)")),
        lambda ax: (plots.draw_images(means / 16, ax=ax), ax.set_title("E[x|z] of the same z")), bars,
        columns=3, size=(13, 4),
    )  # fmt: skip


def truth():
    """A posterior and its q, gaps, estimators' variances, completions; prints numbers for docs/reproduction.md."""
    X, _ = vaelite.load_digits()
    vae = vaelite.fit(X, rng=0, progress=False)
    q = vaelite.infer(vae, X[3:4], vae.encode(X[3:4]))
    gaps = vaelite.inference_gaps(vae, X[:200])
    exact, error = vaelite.Quadrature(vae, n_nodes=601).log_evidence(X[:200])
    weighted = vaelite.log_evidence(vae, X[:200], 5000, q=vaelite.infer(vae, X[:200]))
    away = np.abs(weighted.value - exact) / weighted.standard_error
    print(
        gaps,
        f"log p(x) by quadrature: {exact.mean():.3f}, the grid's error at most {error.max():.3f}",
        sep="\n",
    )
    print(
        f"by importance weighting, K = 5000: {weighted}; {np.mean(away < 3):.1%} of rows within 3 standard errors"
    )

    (mu, logsigma), nll = in_float64(vae.encode(X[:1])), nll_of(vae, X[:1])
    exact = vaelite.estimators.exact_gradient(nll, mu, logsigma)
    for name, estimator in vaelite.estimators.ESTIMATORS.items():
        found = vaelite.estimators.measure(
            estimator, nll, mu, logsigma, exact, n_samples=8, repetitions=20_000
        )
        away = np.abs(found.bias / found.standard_error).max()
        print(
            f"{name:22s} variance {found.variance.sum():12.4f}, bias at most {away:.1f} standard errors"
        )
    panels(
        "truth", lambda ax: plots.posterior(vae, X[3], {"best q(z|x)": q}, ax=ax),
        lambda ax: plots.estimator_variances(nll, mu, logsigma, ax=ax), columns=2, size=(12, 5),
    )  # fmt: skip
    panels(
        "inference", lambda ax: plots.inference_gaps(gaps, ax=ax),
        lambda ax: plots.completions(vae, X[:12], np.arange(64) < 32, ax=ax), columns=2, size=(14, 3),
    )  # fmt: skip


def graphical_models():
    """The tutorial's model and guide."""
    panels(
        "graphical_models", lambda ax: plots.graphical_model("model", ax),
        lambda ax: plots.graphical_model("guide", ax), size=(6, 3),
    )  # fmt: skip


def inside():
    """How the library works: one step of training as a circle through the modules, and what stands around it."""
    ax = plt.figure(figsize=(11, 9.2), layout="constrained").add_subplot(
        xlim=(0, 110), ylim=(0, 92)
    )
    ax.set_axis_off()
    column, (top, upper, lower, bottom) = (9.5, 33, 55, 77, 99), (87, 64, 41, 22)
    side, half = 8.75, 4.5  # of a box's width and height

    def frame(x, y, width, height, color, edge="0.5", zorder=0):
        style = {"facecolor": color, "edgecolor": edge, "linewidth": 1.3, "zorder": zorder}
        ax.add_patch(
            FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=1.5", **style)
        )

    def box(x, y, module, text, width=2 * side):
        color = "0.8" if module == "networks" else "white"  # what is trained
        frame(x - width / 2, y - half, width, 2 * half, color, "black", zorder=2)
        ax.text(
            x,
            y + 1.8,
            module,
            ha="center",
            va="center",
            fontsize=12,
            weight="bold",
            family="monospace",
        )
        ax.text(x, y - 1.9, text, ha="center", va="center", fontsize=12)

    def arrow(*points, text="", at=(0, 0), ha="center"):
        *corners, end = points
        ax.plot(*zip(*corners, strict=True), color="black", linewidth=1.6, zorder=1)
        head = {
            "arrowstyle": "-|>,head_width=0.35,head_length=0.6",
            "linewidth": 1.6,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        ax.annotate("", end, corners[-1], arrowprops={**head, "color": "black"}, zorder=1)
        ax.text(*at, text, ha=ha, va="center", fontsize=12, style="italic", linespacing=1.15)

    def onward(y, start, *texts, step=1):
        """Arrows from one box of a row to the next, each with a text: over the arrow, or over the boxes if long."""
        for number, text in enumerate(texts):
            here, there = (column[start + step * (number + k)] for k in (0, 1))
            at = (here + there) / 2 - (start == number), y + (6.4 if len(text) > 1 else 1.8)
            arrow((here + step * side, y), (there - step * side, y), text=text, at=at)

    frame(21.5, 33.5, 88, 43.5, "0.94")
    ax.text(23.5, 74, "trainer.step: once a batch", fontsize=12, weight="bold", va="center")
    frame(43.5, 15.5, 66, 13, "white")
    for x, y, module, text in (
        (column[0], top, "datasets", "X, all rows"), (column[2], top, "streams", "random numbers"),
        (column[0], upper, "data", "a batch"), (column[1], upper, "networks", "encode"),
        (column[2], upper, "terms", "reparameterize"), (column[3], upper, "networks", "decode"),
        (column[4], upper, "likelihoods", "p(x|z)"), (column[4], lower, "terms", "all three"),
        (column[3], lower, "objectives", "sum and mean"), (column[2], lower, "gradient", "by parameter"),
        (column[1], lower, "adam", "a step"), (column[0], lower, "trainer", "batches, epochs"),
        (column[0], bottom, "convergence", "stop, and why"), (column[1], bottom, "model", "a fitted VAE"),
        (column[2], bottom, "storage", "one file"), (column[3], bottom, "diagnostics", "and evidence"),
        (column[4], bottom, "plots", "figures"),
    ):  # fmt: skip
        box(x, y, module, text)
    box(27, 6, "ops", "formulas, each with its derivative", width=52)
    box(82, 6, "backend", "NumPy's arrays, or CuPy's on a GPU", width=54)

    arrow((column[0], top - half), (column[0], upper + half))
    arrow(
        (50, top - half),
        (50, 79.5),
        (14, 79.5),
        (14, upper + half),
        text="order of rows",
        at=(30, 81),
    )
    arrow((column[2], top - half), (column[2], upper + half), text="eps", at=(56, 72), ha="left")
    onward(upper, 0, "x", "mu, logsigma", "z", "outputs")
    arrow(
        (column[4], upper - half),
        (column[4], lower + half),
        text="its parameters",
        at=(98, 54),
        ha="right",
    )
    onward(lower, 4, "nats a row", "loss", "grads", step=-1)
    arrow(
        (column[1], lower + half),
        (column[1], upper - half),
        text="params",
        at=(34, 54.5),
        ha="left",
    )
    arrow((column[1], 52.2), (column[3], 52.2), (column[3], upper - half))
    arrow((column[0] + side, lower), (21.5, lower))
    arrow(
        (column[0], lower - half),
        (column[0], bottom + half),
        text="losses",
        at=(10.5, 31.5),
        ha="left",
    )
    onward(bottom, 0, "")
    arrow((column[1] + side, bottom), (43.5, bottom))
    ax.figure.savefig(FOLDER / "inside.png", dpi=120)


DRAW = {
    function.__name__: function
    for function in (
        strip,
        digits,
        mnist,
        tutorial,
        convolution,
        autoencoder,
        categorical,
        truth,
        graphical_models,
        inside,
    )
}

if __name__ == "__main__":
    for name in sys.argv[1:] or DRAW:
        DRAW[name]()
