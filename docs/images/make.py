"""Draw the pictures of README and docs: ``python docs/images/make.py [NAME ...]``.

``tutorial``, ``mnist`` and ``convolution`` need MNIST. The first two take minutes each,
``convolution`` about a quarter of an hour. Pictures with images or many points are PNG files
with 200 dots per inch and 256 colors; diagrams are SVG files.
"""

import io
import re
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import climb
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch
from PIL import Image
from scipy.special import softmax
from scipy.stats import entropy

import vaelite
from vaelite import gradient_estimators, plots

FOLDER = Path(__file__).parent
DPI, COLORS = 200, 256
THREE = 3  # the image of the posterior and of the gradients, a three
UPPER_HALF = np.arange(64) < 32  # of an 8x8 image
SIX, START = 161, ([2.2, 2.2], [-0.7, -0.7])  # of the staircase: x, the first mu and logsigma


def panels(name, draw, size=(12, 6), rows=1):
    """Draw functions of an axes side by side, in rows, and write NAME.png."""
    columns = -(-len(draw) // rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    for function, ax in zip(draw, axes.flat, strict=False):
        function(ax)
    for ax in axes.flat[len(draw) :]:
        ax.set_axis_off()
    write(figure, name)


def write(figure, name):
    """Write a figure as NAME.png, in a palette of colors."""
    rendered(figure, DPI).save(FOLDER / f"{name}.png", optimize=True, dpi=(DPI, DPI))
    plt.close(figure)


def rendered(figure, dpi):
    """A figure as an image with a palette of colors."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    whole = Image.open(stream).convert("RGB")
    how = {"method": Image.Quantize.MAXCOVERAGE, "dither": Image.Dither.NONE}
    return whole.quantize(COLORS, kmeans=1, **how)  # without k-means, grays have a tint


def write_svg(figure, name):
    """Write a diagram as NAME.svg, the same bytes each time."""
    with plt.rc_context({"svg.hashsalt": name}):
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def titled(title, function, *arguments, **settings):
    """A function of an axes that draws with a function of `plots`, and sets a title."""
    return lambda ax: function(*arguments, **settings, ax=ax).set_title(title)


def plain(function, *arguments, **settings):
    """A function of an axes that draws with a function of `plots`."""
    return lambda ax: function(*arguments, **settings, ax=ax)


def digits():
    """The encoded digits and the decoded grid."""
    X, y = vaelite.load_digits()
    vae = vaelite.fit(X, latent_dim=2, rng=0)
    panels("digits", [plain(plots.latent_means, vae, X, y), plain(plots.latent_grid, vae)])


def strip():
    """The first picture of docs/reproduction.md: what one fit of the digits shows."""
    X, y = vaelite.load_digits()
    vae = vaelite.fit(X, latent_dim=2, rng=0)
    image = X[THREE : THREE + 1]
    best = {"best q(z|x)": vaelite.infer(vae, image, vae.encode(image))}

    def variances(ax):
        plots.estimator_variances(nll_of(vae, image), *in_float64(vae.encode(image)), ax=ax)
        # in the free sixth place, which the layout need not make wider
        legend = ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
        legend.set_in_layout(False)

    draw = [
        titled("codes", plots.latent_means, vae, X, y),
        titled("decoded grid of codes", plots.latent_grid, vae, n=10),
        titled("half erased, and completed", plots.completions, vae, X[10:16], UPPER_HALF),
        titled("the exact posterior, and q", plots.posterior, vae, X[THREE], best),
        variances,
    ]
    panels("strip", draw, size=(12, 8), rows=2)


def in_float64(arrays):
    """Arrays as float64."""
    return [array.astype(np.float64) for array in arrays]


def nll_of(vae, x):
    """-log p(x|z) of one image as a function of z, as the estimators need it, in float64."""
    params = {name: array.astype(np.float64) for name, array in vae.params.items()}
    objective = vae.loss()

    def nll(z):
        images = np.broadcast_to(x.astype(np.float64), (*z.shape[:-1], x.shape[1]))
        return objective.negloglikelihood(images, *objective.decode(params, z))

    return nll


def mnist():
    """The lecture's two figures, from its run at the learning rate 1e-3."""
    X, y = vaelite.load_mnist()
    lecture = {"hidden_dim": 512, "batch_size": 128, "start": "network"}
    vae = vaelite.fit(X, max_epochs=20, stopping="epochs", rng=4, **lecture)
    figures = plots.latent_means, plots.average_reconstructions
    panels("mnist", [plain(figure, vae, X, y) for figure in figures])


def tutorial():
    """The Pyro tutorial's three figures, from its run."""
    (X, _), (X_test, y_test) = vaelite.load_mnist(), vaelite.load_mnist(split="test")
    networks = {"hidden_dim": 400, "activation": "softplus", "init": "torch", "start": "network"}
    training = {"batch_size": 256, "max_epochs": 100, "stopping": "epochs", "rng": 5}
    model = {"likelihood": "bernoulli", "latent_dim": 50, **networks}
    vae = vaelite.fit(X, X_test, **model, **training)
    losses = [vae.history[name] for name in ("train_loss", "test_loss")]
    print({epoch: [round(loss[epoch], 2) for loss in losses] for epoch in (0, 4, 95, 99)})
    draw = [
        plain(plots.learning_curve, vae, elbo=True),
        plain(plots.samples, vae, rng=0),
        plain(plots.tsne_means, vae, X_test, y_test),
    ]
    panels("tutorial", draw, size=(16, 5))


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
    settings |= {"batch_size": 128, "start": "network"}
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

    mosaic = [["epoch", "time"], ["samples 0", "samples 1"], ["rows 0", "rows 1"]]
    size = {"figsize": (12, 9.5), "height_ratios": [4, 4, 1.9]}
    figure, axes = plt.subplot_mosaic(mosaic, **size, layout="constrained")
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
    write(figure, "convolution")


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
    draw = []
    for name, fit in (("autoencoder", vaelite.fit_autoencoder), ("VAE", vaelite.fit)):
        model = fit(X, rng=0)
        draw.append(titled(f"{name}: codes", plots.latent_means, model, X, y))
        draw.append(titled(f"{name}: decoded grid of N(0, I)", plots.latent_grid, model))
    panels("autoencoder", draw, size=(18, 4.8))


def categorical():
    """Drawn images next to mean images, and the probabilities of one pixel's levels."""
    X, _ = vaelite.load_digits()
    levels = np.rint(X * 16).astype(np.uint8)
    vae = vaelite.fit(levels, likelihood=vaelite.Categorical(17), latent_dim=8, rng=0)
    images, means = vae.sample(16, rng=1), vae.sample(16, rng=1, mean=True)
    p = softmax(vae.decode(vae.codes(levels[:1]))[0][0], axis=1)
    pixel = entropy(p, axis=1).argmax()

    def bars(ax):
        ax.bar(range(17), p[pixel], color="0.4")
        ax.axvline(levels[0, pixel], color="C1", linestyle="--", label="its level")
        ax.set(xlabel="level", ylabel="probability", xticks=range(0, 17, 4))
        ax.set_title("p(level|z) of an image's least certain pixel")
        ax.margins(y=0.2)  # room for the legend
        ax.legend(frameon=False, loc="upper left")

    draw = [
        titled("x drawn from p(x|z)", plots.draw_images, images / 16),
        titled("E[x|z] of the same z", plots.draw_images, means / 16),
        bars,
    ]
    panels("categorical", draw, size=(13, 4))


def truth():
    """A posterior and its q, gaps, variances, completions; prints numbers for the docs."""
    X, _ = vaelite.load_digits()
    vae = vaelite.fit(X, rng=0)
    gaps = vaelite.inference_gaps(vae, X[:200])
    print(gaps)
    print_evidence(vae, X[:200])
    (mu, logsigma), nll = in_float64(vae.encode(X[:1])), nll_of(vae, X[:1])
    print_variances(nll, mu, logsigma)
    print_comparison(vae, X[:60])
    image = X[THREE : THREE + 1]
    best = {"best q(z|x)": vaelite.infer(vae, image, vae.encode(image))}
    draw = [
        plain(plots.posterior, vae, X[THREE], best),
        plain(plots.estimator_variances, nll, mu, logsigma),
    ]
    panels("truth", draw, size=(12, 5))
    draw = [
        plain(plots.inference_gaps, gaps),
        plain(plots.completions, vae, X[:12], UPPER_HALF),
    ]
    panels("inference", draw, size=(14, 3))


def print_evidence(vae, X):
    """Print log p(x) by quadrature and by importance weighting."""
    exact, error = vaelite.Quadrature(vae).log_evidence(X)
    print(f"log p(x) by quadrature: {exact.mean():.3f}, with an error of at most {error.max():.3f}")
    weighted = vaelite.log_evidence(vae, X)
    near = np.mean(np.abs(weighted.value - exact) < 3 * weighted.standard_error)
    print(f"by importance weighting: {weighted}")
    print(f"{near:.1%} of rows are within 3 standard errors of the quadrature")


def print_variances(nll, mu, logsigma):
    """Print the variance and the bias of each gradient estimator."""
    # many nodes: a network of ReLUs is no polynomial
    exact = gradient_estimators.exact_gradient(nll, mu, logsigma, n_nodes=256)
    how = {"exact": exact, "n_samples": 8, "repetitions": 20_000}
    for name, estimator in gradient_estimators.ESTIMATORS.items():
        found = gradient_estimators.measure(estimator, nll, mu, logsigma, **how)
        bias = np.abs(found.bias / found.standard_error).max()
        variance = found.variance.sum()
        print(f"{name:22s} variance {variance:12.4f}, bias at most {bias:.1f} standard errors")


def print_comparison(vae, X):
    """Print how the variances of two estimators compare over images."""
    names, found = ("pathwise", "score_function", "score_with_baseline"), []
    for row in range(len(X)):
        q, nll = in_float64(vae.encode(X[row : row + 1])), nll_of(vae, X[row : row + 1])
        of_row = [
            gradient_estimators.measure(getattr(gradient_estimators, name), nll, *q, n_samples=8)
            for name in names
        ]
        found.append([statistics.variance.sum() for statistics in of_row])
    path, score, baseline = np.transpose(found)
    for name, other in (("score function", score), ("score with baseline", baseline)):
        low, median, high = np.quantile(other / path, [0.1, 0.5, 0.9])
        print(f"{name} / pathwise, {len(X)} images: median {median:.3g}, ", end="")
        print(f"80 % between {low:.2g} and {high:.3g}; below 1 for {np.mean(other < path):.0%}")


def graphical_models():
    """The tutorial's model and guide."""
    diagrams("graphical_models", plots.graphical_model, ("model", "guide"), size=(6, 3))


def gradient_graphs():
    """The blocked gradient, and the open one."""
    kinds = "sampled", "reparameterized"
    diagrams("gradient_graphs", plots.gradient_graph, kinds, size=(9.6, 3.6))


def diagrams(name, function, kinds, size):
    """Draw both kinds of a diagram side by side, and write NAME.svg."""
    figure, axes = plt.subplots(1, len(kinds), figsize=size, layout="constrained")
    for kind, ax in zip(kinds, axes, strict=True):
        function(kind, ax=ax)
    write_svg(figure, name)


def whole_vae():
    """Every number on its way through the included model of MNIST."""
    X, _ = vaelite.load_mnist_sample()
    ax = plots.vae_diagram(vaelite.load_pretrained("mnist-gaussian"), X[413])
    write_svg(ax.figure, "whole_vae")


def staircase():
    """The first picture, and the same as an animation: an ELBO climbs to the exact log p(x)."""
    X, _ = vaelite.load_mnist_sample()
    vae, x = vaelite.load_pretrained("mnist-gaussian"), X[SIX : SIX + 1] / np.float32(255)
    found = climb.climb(vae, x, *START)
    first, *_, last = climb.SHOWN
    elbos = f"ELBO {found.elbo[first]:.2f}, after {last} steps {found.elbo[last]:.2f} nats"
    print(f"{elbos}; log p(x) {found.log_evidence:.2f}")
    write(climb.draw(vae, x, found, last), "staircase")
    frames = [rendered(climb.draw(vae, x, found, step), dpi=80) for step in climb.SHOWN]
    seconds = {"duration": [1500, *[500] * (len(frames) - 2), 4000], "loop": 0}
    frames[0].save(FOLDER / "staircase.gif", save_all=True, append_images=frames[1:], **seconds)


def gallery():
    """The pictures of docs/gallery.md, each by the code that stands above it."""
    page = (FOLDER.parent / "gallery.md").read_text(encoding="utf-8")
    (FOLDER / "gallery").mkdir(exist_ok=True)
    namespace = {}
    for code, after in re.findall(r"```python\n(.*?)```(.*?)(?=```python|\Z)", page, re.DOTALL):
        exec(code, namespace)
        if picture := re.match(r"\s*!\[[^]]+\]\(images/(gallery/\w+)\.png\)", after):
            write(plt.gcf(), picture[1])


class Diagram:
    """Boxes and arrows for `inside`, on a grid of columns and rows."""

    columns = 9.5, 33, 55, 77, 99
    side, half = 8.75, 4.5  # half of a box's width and height

    def __init__(self):
        self.ax = plt.figure(figsize=(11, 9.2), layout="constrained").add_subplot()
        self.ax.set(xlim=(0, 110), ylim=(0, 92))
        self.ax.set_axis_off()

    def frame(self, x, y, width, height, color, edge="0.5", zorder=0):
        shape = {"boxstyle": "round,pad=0,rounding_size=1.5", "linewidth": 1.3, "zorder": zorder}
        patch = FancyBboxPatch((x, y), width, height, facecolor=color, edgecolor=edge, **shape)
        self.ax.add_patch(patch)

    def box(self, x, y, module, text, width=2 * side):
        color = "0.8" if module == "networks" else "white"  # what is trained
        self.frame(x - width / 2, y - self.half, width, 2 * self.half, color, "black", zorder=2)
        center = {"ha": "center", "va": "center", "fontsize": 12}
        self.ax.text(x, y + 1.8, module, weight="bold", family="monospace", **center)
        self.ax.text(x, y - 1.9, text, **center)

    def arrow(self, *points, text="", at=(0, 0), ha="center"):
        *corners, end = points
        self.ax.plot(*zip(*corners, strict=True), color="black", linewidth=1.6, zorder=1)
        arrow = {"arrowstyle": "-|>,head_width=0.35,head_length=0.6", "color": "black"}
        arrow |= {"linewidth": 1.6, "shrinkA": 0, "shrinkB": 0}
        self.ax.annotate("", end, corners[-1], arrowprops=arrow, zorder=1)
        self.ax.text(*at, text, ha=ha, va="center", fontsize=12, style="italic")

    def onward(self, y, start, *texts, step=1):
        """Arrows between neighboring boxes of a row; a long text is above the boxes."""
        for column, text in enumerate(texts):
            ends = [self.columns[start + step * (column + k)] for k in (0, 1)]
            here, there = ends[0] + step * self.side, ends[1] - step * self.side
            at = sum(ends) / 2 - (start == column), y + (6.4 if len(text) > 1 else 1.8)
            self.arrow((here, y), (there, y), text=text, at=at)


def inside():
    """How a fit works: one training step as a circle through the modules, and what is around it."""
    diagram = Diagram()
    column, half, side = diagram.columns, diagram.half, diagram.side
    rows = top, upper, lower, bottom = 87, 64, 41, 22
    boxes = [
        ["dataset  X, checked", "settings  checked", "plan  each epoch", "streams  random numbers"],
        [
            "batches  a batch",
            "networks  encoder",
            "terms  reparameterize",
            "networks  decoder",
            "likelihoods  p(x|z)",
        ],
        [
            "training  batches, epochs",
            "adam  a step",
            "gradient  by parameter",
            "objectives  sum and mean",
            "terms  all three",
        ],
        [
            "stopping  stop, and why",
            "vae  a fitted model",
            "files  one file",
            "inference  log p(x), gaps",
            "plots  figures",
        ],
    ]
    diagram.frame(21.5, 33.5, 88, 43.5, "0.94")
    bold = {"fontsize": 12, "weight": "bold", "va": "center"}
    diagram.ax.text(23.5, 74, "training.step: once per batch", **bold)
    diagram.frame(43.5, 15.5, 66, 13, "white")
    for y, row in zip(rows, boxes, strict=True):
        for x, label in zip(column, row, strict=False):
            diagram.box(x, y, *label.split("  "))
    diagram.box(27, 6, "ops", "formulas, each with its derivative", width=52)
    diagram.box(82, 6, "arrays", "NumPy's arrays, or CuPy's on a GPU", width=54)

    arrow, onward = diagram.arrow, diagram.onward
    arrow((column[0], top - half), (column[0], upper + half))
    arrow((column[1] + side, top), (column[2] - side, top))
    arrow((column[3] - side, top), (column[2] + side, top))
    order = (50, top - half), (50, 79.5), (14, 79.5), (14, upper + half)
    arrow(*order, text="order of rows", at=(30, 81))
    arrow((column[2], top - half), (column[2], upper + half), text="eps", at=(56, 72), ha="left")
    onward(upper, 0, "x", "mu, logsigma", "z", "outputs")
    down = (column[4], upper - half), (column[4], lower + half)
    arrow(*down, text="its parameters", at=(98, 54), ha="right")
    onward(lower, 4, "nats per row", "loss", "grads", step=-1)
    up = (column[1], lower + half), (column[1], upper - half)
    arrow(*up, text="params", at=(34, 54.5), ha="left")
    arrow((column[1], 52.2), (column[3], 52.2), (column[3], upper - half))
    arrow((column[0] + side, lower), (21.5, lower))
    down = (column[0], lower - half), (column[0], bottom + half)
    arrow(*down, text="losses", at=(10.5, 31.5), ha="left")
    onward(bottom, 0, "Solution")
    arrow((column[1] + side, bottom), (43.5, bottom))
    write_svg(diagram.ax.figure, "inside")


DRAWINGS = (
    strip,
    digits,
    mnist,
    tutorial,
    convolution,
    autoencoder,
    categorical,
    truth,
    graphical_models,
    gradient_graphs,
    whole_vae,
    inside,
    staircase,
    gallery,
)
DRAW = {function.__name__: function for function in DRAWINGS}


if __name__ == "__main__":
    for name in sys.argv[1:] or DRAW:
        DRAW[name]()
