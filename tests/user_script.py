"""A script as users write one: `test_types.py` runs it, and checks its types."""

from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import gammaln
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import vaelite
from vaelite.sklearn import VAETransformer

X, y = vaelite.load_digits()
counts = np.rint(X * 16)


class Poisson(vaelite.Likelihood):
    grey_levels = False

    def heads(self, n_features):
        return {"lograte": vaelite.Head(n_features)}

    def elements(self, x, lograte):
        return anp.exp(lograte) - x * lograte + gammaln(x + 1)

    def expectation(self, lograte):
        return np.exp(lograte)

    def sample(self, rng, lograte):
        return rng.poisson(np.exp(lograte))


class Laplace(vaelite.Prior):
    def neglogprior(self, z):
        return anp.sum(anp.abs(z) + anp.log(2.0), axis=-1)

    def sample(self, rng, shape, dtype):
        return rng.laplace(size=shape).astype(dtype)


def report(vae, state):
    print(f"epoch {state.epoch}: {state.eval_loss:.2f}, {vae.encode(X[:1])[0]}")
    return state.epoch == 2


sizes = {"latent_dim": 3, "hidden_dim": 16}
quick: dict[str, Any] = {"max_epochs": 2, "stopping": "epochs", "rng": 0}
vae = vaelite.fit(X, hidden_dim=(32, 16), likelihood=vaelite.Gaussian(sigma=0.1), **quick)
poisson = vaelite.fit(counts, likelihood=Poisson(), prior=Laplace(), **sizes, **quick)
vaelite.fit(X, callbacks=report, progress="bar", learning_rate=lambda step: 1e-3, **(sizes | quick))
print(poisson.sample(2, rng=0).shape, vaelite.doctor(vae, X).names)

scores = {}
for beta in np.linspace(0.5, 2, 2):
    for kl in "sample", "analytic":
        fitted = vaelite.VAE(hidden_dim=16, beta=beta, kl=kl, **{**quick, "max_epochs": 1}).fit(X)
        scores[beta, kl] = fitted.score(X, n_samples=2)
print(max(scores, key=lambda settings: scores[settings]))

vae.save("model.npz")
same = vaelite.load("model.npz")
print(np.array_equal(same.reconstruct(X), vae.reconstruct(X)), vae.summary())
evidence = vaelite.log_evidence(vae, X[:20], 10, rng=0)
print(evidence.value.mean(), evidence.standard_error.mean())

autoencoder = vaelite.fit_autoencoder(X, X[:100], hidden_dim=16, activation="tanh", **quick)
mean_field = vaelite.MeanField(hidden_dim=16, max_epochs=1, local_learning_rate=0.5).fit(X[:100])
print(autoencoder.encode(X).shape, mean_field.summary())

transformer = VAETransformer(hidden_dim=16, max_epochs=1, stopping="epochs", random_state=0)
pipeline = make_pipeline(transformer, KNeighborsClassifier()).fit(X, y)
axes = vaelite.plots.learning_curve(vae)
print(pipeline.score(X, y), axes.get_title())
