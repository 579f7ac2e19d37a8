"""A variational autoencoder on one page, which runs: no checks, no tricks.

Everything that `vaelite.fit` does to train is here, as a lecturer would write it on
four blackboards. The library computes the same numbers, faster and with explanations
for what goes wrong; a test holds it to this page. Copy what you need.

    python -m vaelite.textbook
"""

import autograd.numpy as np
from autograd import value_and_grad

# 1. Terms: minus the log of three normal densities, one number per row, in nats.


def neglognormal(x, mu, logsigma):
    """-log N(x; mu, sigma^2) of each row, summed over its columns."""
    u = (x - mu) / np.exp(logsigma)
    return np.sum(u**2 / 2 + logsigma + np.log(2 * np.pi) / 2, axis=1)


def negloglikelihood(x, mu, logsigma):
    """-log p(x|z): how badly the code z explains x."""
    return neglognormal(x, mu, logsigma + 0 * x)  # one sigma per row, for each pixel


def neglogprior(z):
    """-log p(z): how unusual the code is."""
    return neglognormal(z, 0 * z, 0 * z)


def neglogposterior(z, mu, logsigma):
    """-log q(z|x): the lower, the more the encoder claims to know."""
    return neglognormal(z, mu, logsigma)


def reparameterize(mu, logsigma, eps):
    """A sample of q(z|x), differentiable in mu and logsigma."""
    return mu + np.exp(logsigma) * eps


# 2. Networks: from an image to where its code may be, and from a code back to an image.

FLOOR = -np.log(255 * np.sqrt(12))  # the log sigma of rounding to 8 bits: no pixel is surer


def init(rng, n_pixels, n_hidden, n_latents):
    """Random weights, and biases of 0."""
    sizes = {
        **{"encoder.0": (n_pixels, n_hidden), "encoder.mu": (n_hidden, n_latents)},
        **{"encoder.logsigma": (n_hidden, n_latents), "decoder.0": (n_latents, n_hidden)},
        **{"decoder.mu": (n_hidden, n_pixels), "decoder.logsigma": (n_hidden, 1)},
    }
    params = {}
    for name, (a, b) in sizes.items():
        limit = np.sqrt(6 / (a + b))  # Glorot and Bengio, 2010
        params[f"{name}.W"], params[f"{name}.b"] = rng.uniform(-limit, limit, (a, b)), np.zeros(b)
    return params


def affine(params, name, h):
    """One layer, before its nonlinearity."""
    return np.dot(h, params[f"{name}.W"]) + params[f"{name}.b"]


def encode(params, x):
    """mu and log sigma of q(z|x), one of each per latent."""
    h = np.maximum(affine(params, "encoder.0", x), 0)
    return affine(params, "encoder.mu", h), affine(params, "encoder.logsigma", h)


def decode(params, z):
    """mu and log sigma of p(x|z): one mu per pixel, one sigma per image."""
    h = np.maximum(affine(params, "decoder.0", z), 0)
    mu = 1 / (1 + np.exp(-affine(params, "decoder.mu", h)))
    return mu, np.logaddexp(affine(params, "decoder.logsigma", h), FLOOR)


# 3. What is minimized, and how: the negative ELBO, its gradient, and Adam.


def negelbo(params, x, eps):
    """The negative ELBO of a batch, per image, with one sample of z for each."""
    mu, logsigma = encode(params, x)
    z = reparameterize(mu, logsigma, eps)
    nll = negloglikelihood(x, *decode(params, z))
    return np.mean(nll + neglogprior(z) - neglogposterior(z, mu, logsigma))


def adam(params, grads, m, v, t, rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Step t of Adam: algorithm 1 of Kingma and Ba, 2015."""
    for name, g in grads.items():
        m[name] = beta1 * m[name] + (1 - beta1) * g
        v[name] = beta2 * v[name] + (1 - beta2) * g**2
        m_hat, v_hat = m[name] / (1 - beta1**t), v[name] / (1 - beta2**t)
        params[name] = params[name] - rate * m_hat / (np.sqrt(v_hat) + epsilon)


# 4. The loop: batches in a new order, until rows that are held out no longer gain.


def fit(X, n_hidden=128, n_latents=2, batch=32, patience=10, seed=0, report=print):
    """Train on images in [0, 1]; return the best parameters, and all losses."""
    rng = np.random.default_rng(seed)
    X = X[rng.permutation(len(X))]
    held_out, X = X[: len(X) // 10], X[len(X) // 10 :]
    noise = rng.standard_normal((len(held_out), n_latents))  # the same in every epoch
    params, t = init(rng, X.shape[1], n_hidden, n_latents), 0
    m, v = ({name: 0 * array for name, array in params.items()} for _ in "mv")
    best, losses = dict(params), []
    while len(losses) - np.argmin(losses or [0]) <= patience:  # early stopping
        for rows in np.array_split(rng.permutation(len(X)), len(X) // batch):
            eps, t = rng.standard_normal((len(rows), n_latents)), t + 1
            loss, grads = value_and_grad(negelbo)(params, X[rows], eps)
            adam(params, grads, m, v, t)
        losses.append(negelbo(params, held_out, noise))
        best = dict(params) if losses[-1] == min(losses) else best
        report(f"epoch {len(losses)}: {losses[-1]:.2f} nats per held-out image")
    return best, losses


if __name__ == "__main__":
    import vaelite

    fit(vaelite.load_digits()[0].astype(float))
