"""How often the 95 % interval of `vaelite.log_evidence` covers the truth.

    python benchmarks/calibration.py                  # about ten minutes
    python benchmarks/calibration.py --repeats 20     # a quick look
    python benchmarks/calibration.py --only digits    # one of the models

Each repeat has its own noise. The interval is that of the mean over 50 digits. The truth is known:
of linear models as probabilistic PCA, of a model with 2 latents by quadrature. An interval is
withheld if a row has too few effective samples, or a heavy tail; "covered" counts the others.
"""

import argparse

import numpy as np

import vaelite

ROWS = 50
SETTINGS = {"max_epochs": 100, "stopping": "epochs", "rng": 0}


def models(X, only=""):
    """Yield a name, a fitted model, and log p(x) of each row of X."""
    for latent_dim in (2, 8):
        name = f"linear, {latent_dim} latents"
        if not name.startswith(only):
            continue
        likelihood = vaelite.Gaussian(mean="identity", sigma="shared")
        settings = {"latent_dim": latent_dim, "hidden_dim": (), "likelihood": likelihood}
        vae = vaelite.fit(X, **settings, **SETTINGS)
        exact = vaelite.ProbabilisticPCA.of(vae).score_samples(X[:ROWS])
        yield name, vae, exact
    if not "digits".startswith(only):
        return
    vae = vaelite.fit(X, hidden_dim=128, **SETTINGS)
    exact, error = vaelite.Quadrature(vae).log_evidence(X[:ROWS])
    assert error.max() < 1e-3
    yield "digits, 2 latents", vae, exact


def calibrate(estimate, truth, repeats):
    """The share of intervals that cover the truth, those withheld, bias and width."""
    found = [estimate(rng) for rng in range(repeats)]
    intervals = [one.interval for one in found if one.interval is not None]
    covered = np.mean([low <= truth <= high for low, high in intervals]) if intervals else np.nan
    width = np.mean([high - low for low, high in intervals]) / 2 if intervals else np.nan
    bias = np.mean([one.value.mean() for one in found]) - truth
    return covered, repeats - len(intervals), bias, width


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    repeats = args.repeats
    X, _ = vaelite.load_digits()
    print("| model | samples | covered | withheld | bias | half-width |\n|---|---|---|---|---|---|")
    for name, vae, exact in models(X, args.only):
        for n_samples in (100, 300, 1000):

            def estimate(rng, vae=vae, n_samples=n_samples):
                return vaelite.log_evidence(vae, X[:ROWS], n_samples, rng)

            covered, withheld, bias, width = calibrate(estimate, exact.mean(), repeats)
            print(
                f"| {name} | {n_samples:,} | {covered:.1%} | {withheld} of {repeats} | "
                f"{bias:+.4f} | {width:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
