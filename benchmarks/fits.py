"""How near the best a fit with default settings comes: test ELBO and time, by data and seed.

    python benchmarks/fits.py                    # all data sets but MNIST, 5 seeds; some minutes
    python benchmarks/fits.py --grid             # also every setting of a grid; an hour or more
    python benchmarks/fits.py --data mnist10 --grid --seeds 1

Each fit has one thread; two run at a time. Times are seconds of the processor. A fifth of the
rows, or the test images of MNIST, are test rows. "PPCA" is probabilistic PCA with as many latents,
fitted to the same rows: the best linear model, in closed form. It has no number where the
likelihood is Bernoulli.
"""

import argparse
import itertools
import json
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy starts its threads

import numpy as np

import vaelite

GRID = {
    "hidden_dim": [(512,), (512, 256)],
    "batch_size": [32, 128],
    "learning_rate": [3e-4, 1e-3],
    "patience": [20, 50],
}
SMALLER = {"hidden_dim": [(512, 256)], "learning_rate": [1e-3]}
ALL_BUT_MNIST = "digits2 digits8 bernoulli2 cancer rings few outliers linear6 linear10 linear20"
IDENTITY = vaelite.Gaussian(mean="identity", sigma="shared")


def load(name, seed):
    """Return training rows, test rows, and the settings that belong to the data."""
    rng = np.random.default_rng(seed)
    if name == "mnist10":
        X, X_test = (vaelite.load_mnist(split=split)[0] for split in ("train", "test"))
        return X[rng.permutation(len(X))[:10_000]], X_test, {"latent_dim": 10}
    kind = name.rstrip("0123456789")
    X, settings = MAKERS[kind](rng, int(name.removeprefix(kind) or 2))
    order, n = rng.permutation(len(X)), len(X) * 4 // 5
    return X[order[:n]], X[order[n:]], settings


def digits(rng, latent_dim):
    return vaelite.load_digits()[0], {"latent_dim": latent_dim}


def bernoulli(rng, latent_dim):
    return vaelite.load_digits()[0], {"latent_dim": latent_dim, "likelihood": "bernoulli"}


def cancer(rng, latent_dim):
    from sklearn.datasets import load_breast_cancer

    X = load_breast_cancer().data
    return (X - X.mean(axis=0)) / X.std(axis=0), {"likelihood": IDENTITY}


def plane(rng, n, n_features):
    """Rows near a plane through a point: two latents and noise, all normal."""
    W, mean = 2 * rng.standard_normal((2, n_features)), rng.standard_normal(n_features)
    return rng.standard_normal((n, 2)) @ W + mean + 0.5 * rng.standard_normal((n, n_features))


def linear(rng, n_features):
    return plane(rng, 1250, n_features), {"likelihood": IDENTITY, "hidden_dim": ()}


def few(rng, _):
    return plane(rng, 375, 10), {"likelihood": IDENTITY}


def rings(rng, _):
    """Two rings in a plane, bent into 10 dimensions."""
    angle, radius = rng.uniform(0, 2 * np.pi, 3000), rng.choice([1.0, 2.0], 3000)
    circle = radius * np.stack([np.cos(angle), np.sin(angle)])
    bent = np.tanh(circle.T @ rng.standard_normal((2, 10)))
    return bent + 0.05 * rng.standard_normal((3000, 10)), {"likelihood": IDENTITY}


def outliers(rng, _):
    """As `plane`, with smaller values, and one row of a hundred far away."""
    X = 0.2 * plane(rng, 1250, 10)
    X[rng.permutation(1250)[:12]] = 5
    return X, {"likelihood": IDENTITY}


MAKERS = {kind.__name__: kind for kind in (digits, bernoulli, cancer, linear, few, rings, outliers)}


def fit(task):
    """Fit once; return the test ELBO, its CPU time and how it ended."""
    name, seed, chosen = task
    X, X_test, settings = load(name, seed)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vae = vaelite.fit(X, rng=seed, **{**chosen, **settings})
    seconds = time.process_time() - start
    ppca = None
    if settings.get("likelihood") != "bernoulli":
        ppca = vaelite.ProbabilisticPCA.fit(X, vae.latent_dim).score(X_test)
    return {
        "data": name,
        "seed": seed,
        "settings": chosen,
        "elbo": vae.score(X_test),
        "ppca": ppca,
        "seconds": seconds,
        "epochs": vae.n_epochs,
        "converged": vae.converged,
        "warnings": [str(warning.message) for warning in caught],
    }


def grid(name):
    """Yield every setting of the grid; a linear model keeps its networks.

    For MNIST, where a fit takes minutes, it is smaller.
    """
    axes = GRID | (SMALLER if name == "mnist10" else {})
    for values in itertools.product(*axes.values()):
        settings = dict(zip(axes, values, strict=True))
        if not name.startswith("linear") or settings.pop("hidden_dim") == GRID["hidden_dim"][0]:
            yield settings


def table(found):
    """Print one line for each data set, and how many fits lose to a linear model."""
    columns = f"{'data':12}{'PPCA':>9}{'default':>9}{'sd':>7}{'CPU':>7}{'best':>9}{'CPU':>7}"
    print(f"\n{columns}  best of the grid")
    for name in dict.fromkeys(row["data"] for row in found):
        line([row for row in found if row["data"] == name])
    compared = [row for row in found if row["ppca"] is not None and not row["settings"]]
    worse = [row for row in compared if row["converged"] and row["elbo"] < row["ppca"] - 1]
    silent = [row for row in worse if not row["warnings"]]
    print(
        f"\n{len(compared)} default fits with a Gaussian likelihood: {len(worse)} converged to a "
        f"test ELBO that is worse than PPCA's by more than 1 nat, {len(silent)} without a warning"
    )


def line(rows):
    """Print the means over the seeds of one data set."""
    default, by_settings = [row for row in rows if not row["settings"]], {}
    for row in rows:
        if row["settings"]:
            by_settings.setdefault(json.dumps(row["settings"]), []).append(row)
    means = {
        settings: np.mean([row["elbo"] for row in of_these])
        for settings, of_these in by_settings.items()
    }
    best = max(means, key=means.get, default="")
    elbo = np.array([row["elbo"] for row in default])
    ppca = np.mean([row["ppca"] or np.nan for row in default])
    text = f"{rows[0]['data']:12}{ppca:9.2f}{elbo.mean():9.2f}{elbo.std():7.2f}{cpu(default):6.1f}s"
    if best:
        text += f"{means[best]:9.2f}{cpu(by_settings[best]):6.1f}s  {best}"
    print(text)


def cpu(rows):
    """The median CPU time of some fits, in seconds."""
    return np.median([row["seconds"] for row in rows])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=ALL_BUT_MNIST.split(), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--grid", action="store_true", help="also fit with each setting of a grid")
    parser.add_argument("--out", help="a file for all results, as JSON lines")
    args = parser.parse_args()
    tasks = [
        (name, seed, chosen)
        for name in args.data
        for chosen in ({}, *(grid(name) if args.grid else ()))
        for seed in range(args.seeds)
    ]
    found = []
    with ProcessPoolExecutor(2) as pool:
        for done, row in enumerate(pool.map(fit, tasks), start=1):
            found.append(row)
            print(f"\r{done} of {len(tasks)} fits", end="", file=sys.stderr, flush=True)
            if args.out:
                with open(args.out, "a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    table(found)


if __name__ == "__main__":
    main()
