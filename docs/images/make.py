"""Draw the README's pictures: python docs/images/make.py [NAME ...]; tutorial and mnist take minutes each."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
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
    panels("digits", lambda ax: plots.latent_means(vae, X, y, ax=ax), lambda ax: plots.latent_grid(vae, ax=ax))


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


def autoencoder():
    """Codes and decoded grids of an autoencoder and a VAE with the same networks."""
    X, y = vaelite.load_digits()
    ae, vae = vaelite.fit_autoencoder(X, rng=0, progress=False), vaelite.fit(X, rng=0, progress=False)
    draw = [
        (f"{name}: {what}", model, function) for name, model in (("autoencoder", ae), ("VAE", vae))
        for what, function in (("codes", lambda m, ax: plots.latent_means(m, X, y, ax=ax)),
                               ("decoded grid of N(0, I)", lambda m, ax: plots.latent_grid(m, ax=ax)))
    ]  # fmt: skip
    panels(
        "autoencoder", *(lambda ax, d=d: (d[2](d[1], ax), ax.set_title(d[0])) for d in draw), columns=4, size=(18, 4.8)
    )


def categorical():
    """Drawn images beside mean images, and the probabilities of one pixel's levels."""
    X, _ = vaelite.load_digits()
    levels = np.rint(X * 16).astype(np.uint8)
    vae = vaelite.fit(levels, likelihood=vaelite.Categorical(17), latent_dim=8, rng=0, progress=False)
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
    """A posterior and its q, the gaps, the estimators' variances, completed images; prints what the README quotes."""
    X, _ = vaelite.load_digits()
    vae = vaelite.fit(X, rng=0, progress=False)
    q = vaelite.infer(vae, X[3:4], vae.encode(X[3:4]))
    gaps = vaelite.inference_gaps(vae, X[:200])
    exact, error = vaelite.Quadrature(vae, n_nodes=601).log_evidence(X[:200])
    weighted = vaelite.log_evidence(vae, X[:200], 5000, q=vaelite.infer(vae, X[:200]))
    away = np.abs(weighted.value - exact) / weighted.standard_error
    print(gaps, f"log p(x) by quadrature: {exact.mean():.3f}, the grid's error at most {error.max():.3f}", sep="\n")
    print(f"by importance weighting, K = 5000: {weighted}; {np.mean(away < 3):.1%} of rows within 3 standard errors")

    mu, logsigma = (array.astype(np.float64) for array in vae.encode(X[:1]))
    params = {name: array.astype(np.float64) for name, array in vae.params.items()}
    objective = vae.objective()

    def nll(z):
        images = np.broadcast_to(X[:1].astype(np.float64), (*z.shape[:-1], X.shape[1]))
        return objective.negloglikelihood(images, *objective.decode(params, z))

    exact = vaelite.estimators.exact_gradient(nll, mu, logsigma)
    for name, estimator in vaelite.estimators.ESTIMATORS.items():
        found = vaelite.estimators.measure(estimator, nll, mu, logsigma, exact, n_samples=8, repetitions=20_000)
        away = np.abs(found.bias / found.standard_error).max()
        print(f"{name:22s} variance {found.variance.sum():12.4f}, bias at most {away:.1f} standard errors")
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


DRAW = {
    function.__name__: function
    for function in (digits, mnist, tutorial, autoencoder, categorical, truth, graphical_models)
}

if __name__ == "__main__":
    for name in sys.argv[1:] or DRAW:
        DRAW[name]()
