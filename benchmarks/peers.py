"""The same training step as users of other libraries write it, and the matrix products alone.

Each class takes a `Work` and starting weights with vaelite's names. Its method ``step(x, eps)``
takes a step and returns the loss before the step; ``evaluate(x, eps)`` returns the loss only. All
classes compute the same numbers: the Gaussian loss without its constants and with one sigma per
image, or the Bernoulli loss, with one sample of z or importance-weighted; then Adam.
"""

import math
from dataclasses import dataclass

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.scipy.special import logsumexp
from by_hand import NumpyByHand, NumpyByHandFast

import vaelite
from vaelite.arrays import compiled
from vaelite.arrays.backend import get_backend
from vaelite.training import keep_freed_memory, step

LEARNING_RATE = 1e-3
FLOOR = vaelite.Gaussian().floor


@dataclass(frozen=True)
class Work:
    """A network, a likelihood, a batch size, samples of z per image; training or evaluation."""

    pixels: int = 784
    hidden_dim: tuple = (512,)
    latent_dim: int = 2
    batch_size: int = 128
    likelihood: str = "gaussian"
    activation: str = "relu"
    backend: str = "numpy"
    samples: int = 1
    training: bool = True

    def vae(self):
        """A vaelite model with new random weights."""
        settings = {"likelihood": self.likelihood, "activation": self.activation}
        return vaelite.VAE(self.latent_dim, self.hidden_dim, **settings).build(self.pixels, rng=0)

    def layers(self, name):
        """The names of a network's hidden layers."""
        return [f"{name}.{i}" for i in range(len(self.hidden_dim))]


class Vaelite:
    """vaelite's own step."""

    def __init__(self, work, params):
        keep_freed_memory()
        settings = {"normalized": False, "importance_samples": work.samples}
        self.objective = work.vae().loss(**settings)
        self.adam = vaelite.Adam(LEARNING_RATE)
        self.to_device = get_backend(work.backend).to_device
        self.params = {name: self.to_device(array) for name, array in params.items()}

    def step(self, x, eps):
        x, eps = self.to_device(x), self.to_device(eps)
        return float(step(self.objective, self.params, self.adam, x, eps))

    def evaluate(self, x, eps):
        return float(self.loss(self.params, self.to_device(x), self.to_device(eps)))


class VaeliteFast(Vaelite):
    """The same with Adam compiled by numba from the first step, as in longer fits."""

    def __init__(self, work, params):
        compiled.WORTH = 0
        super().__init__(work, params)


class Formulas:
    """The loss, for libraries whose arrays have operators; subclasses define what differs."""

    def loss(self, params, x, eps):
        """The mean over the images; eps is (batch, latent_dim) or (samples, batch, latent_dim)."""
        if self.work.samples == 1:
            return self.negelbo(params, x, eps).mean()
        log_w = -self.negelbo(params, x, eps)
        return math.log(self.work.samples) - self.logsumexp(log_w, 0).mean()

    def negelbo(self, params, x, eps):
        """The negative ELBO of each image, or the log weight of each sample with a minus."""

        def affine(name, h):
            return self.matmul(h, params[f"{name}.W"]) + params[f"{name}.b"]

        h, work = x, self.work
        for layer in work.layers("encoder"):
            h = self.activation(affine(layer, h))
        mu, logsigma = affine("encoder.mu", h), affine("encoder.logsigma", h)
        z = mu + self.exp(logsigma) * eps
        h = z
        for layer in work.layers("decoder"):
            h = self.activation(affine(layer, h))
        if work.likelihood == "bernoulli":
            logits = affine("decoder.logits", h)
            nll = (self.softplus(logits) - x * logits).sum(-1)
        else:
            mu_x = self.sigmoid(affine("decoder.mu", h))
            logsigma_x = FLOOR + self.softplus(affine("decoder.logsigma", h) - FLOOR)
            u = (x - mu_x) / self.exp(logsigma_x)
            nll = x.shape[1] * logsigma_x[..., 0] + (u**2).sum(-1) / 2
        nlq = logsigma.sum(-1) + (((z - mu) / self.exp(logsigma)) ** 2).sum(-1) / 2
        return nll + (z**2).sum(-1) / 2 - nlq


class PlainAutograd(Formulas):
    """autograd with a dict of parameters, `value_and_grad`, and an Adam with temporary arrays."""

    matmul, exp = staticmethod(anp.matmul), staticmethod(anp.exp)

    def __init__(self, work, params):
        self.work, self.params = work, params
        self.m, self.v = ({name: 0 * array for name, array in params.items()} for _ in range(2))
        self.activation = self.softplus if work.activation == "softplus" else self.relu
        self.gradient, self.t = autograd.value_and_grad(self.loss), 0

    def relu(self, x):
        return anp.maximum(x, 0)

    def softplus(self, x):
        return anp.logaddexp(0, x)

    def sigmoid(self, x):
        return 1 / (1 + anp.exp(-x))

    def logsumexp(self, x, axis):
        return logsumexp(x, axis)

    def evaluate(self, x, eps):
        return float(self.loss(self.params, x, eps))

    def step(self, x, eps):
        self.t += 1
        loss, grads = self.gradient(self.params, x, eps)
        for name, g in grads.items():
            m = self.m[name] = 0.9 * self.m[name] + 0.1 * g
            v = self.v[name] = 0.999 * self.v[name] + 0.001 * g**2
            change = (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)
            self.params[name] = self.params[name] - LEARNING_RATE * change
        return float(loss)


class MatrixProducts:
    """The matrix products of the wide layers, forward and backward: every step needs them."""

    def __init__(self, work, params):
        outputs = "decoder.logits" if work.likelihood == "bernoulli" else "decoder.mu"
        # without the layers to and from the codes
        names = [*work.layers("encoder"), *work.layers("decoder")[1:], outputs]
        self.weights = [params[f"{name}.W"] for name in names]
        self.samples, self.first_of_decoder = work.samples, len(work.hidden_dim)

    def evaluate(self, x, eps):
        self.forward(x)
        return np.nan

    def forward(self, x):
        inputs = [x]
        for i, W in enumerate(self.weights):
            if i == self.first_of_decoder:  # every sample of z goes through the decoder
                inputs[-1] = np.concatenate([inputs[-1]] * self.samples)
            inputs.append(inputs[-1] @ W)
        return inputs

    def step(self, x, eps):
        inputs = self.forward(x)
        g = inputs.pop()
        for W, h in zip(reversed(self.weights), reversed(inputs), strict=True):
            g = g[: len(h)]  # the encoder sees each image once
            h.T @ g
            if h is not x:
                g = g @ W.T
        return np.nan


class PyTorch(Formulas):
    """PyTorch as its users write it: eager, with the default Adam."""

    adam = {}

    def __init__(self, work, params):
        import torch

        self.torch, self.work = torch, work
        self.device = "cuda" if work.backend == "cupy" else "cpu"
        self.matmul, self.exp, self.sigmoid = torch.matmul, torch.exp, torch.sigmoid
        self.softplus, self.logsumexp = torch.nn.functional.softplus, torch.logsumexp
        self.activation = self.softplus if work.activation == "softplus" else torch.relu
        self.params = {
            name: torch.tensor(array, requires_grad=True, device=self.device)
            for name, array in params.items()
        }
        self.optimizer = torch.optim.Adam(self.params.values(), LEARNING_RATE, **self.adam)

    def evaluate(self, x, eps):
        x, eps = (self.torch.from_numpy(array).to(self.device) for array in (x, eps))
        with self.torch.no_grad():
            return self.loss(self.params, x, eps).item()

    def step(self, x, eps):
        self.optimizer.zero_grad()
        x, eps = (self.torch.from_numpy(array).to(self.device) for array in (x, eps))
        loss = self.loss(self.params, x, eps)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class PyTorchFused(PyTorch):
    """PyTorch, eager, with its fused Adam."""

    adam = {"fused": True}


class PyTorchCompiled(PyTorchFused):
    """PyTorch with a compiled loss and its fused Adam."""

    def __init__(self, work, params):
        super().__init__(work, params)
        self.loss = self.torch.compile(self.loss)


class JAX(Formulas):
    """JAX with the whole step, Adam inside, in one jit whose arrays are reused."""

    def __init__(self, work, params):
        import jax
        import jax.numpy as jnp

        self.work, self.matmul, self.exp = work, jnp.matmul, jnp.exp
        self.sigmoid, self.softplus = jax.nn.sigmoid, jax.nn.softplus
        self.logsumexp = jax.nn.logsumexp
        self.activation = jax.nn.softplus if work.activation == "softplus" else jax.nn.relu
        params = {name: jnp.asarray(array) for name, array in params.items()}
        m, v = ({n: jnp.zeros_like(a) for n, a in params.items()} for _ in range(2))
        self.state, self.t = [params, m, v], 0

        def update(params, m, v, t, x, eps):
            loss, grads = jax.value_and_grad(self.loss)(params, x, eps)
            m = {name: 0.9 * m[name] + 0.1 * g for name, g in grads.items()}
            v = {name: 0.999 * v[name] + 0.001 * g * g for name, g in grads.items()}
            size = LEARNING_RATE / (1 - 0.9**t)
            change = {
                name: m[name] / (jnp.sqrt(v[name] / (1 - 0.999**t)) + 1e-8) for name in params
            }
            return {name: array - size * change[name] for name, array in params.items()}, m, v, loss

        self.update = jax.jit(update, donate_argnums=(0, 1, 2))
        self.compiled_loss = jax.jit(self.loss)

    def evaluate(self, x, eps):
        return float(self.compiled_loss(self.state[0], x, eps))

    def step(self, x, eps):
        self.t += 1
        *self.state, loss = self.update(*self.state, float(self.t), x, eps)
        return float(loss)


class Pyro(Formulas):
    """Pyro, as in its tutorial: model, guide, Trace_ELBO."""

    def __init__(self, work, params):
        import pyro
        import torch

        pyro.clear_param_store()
        pyro.enable_validation(False)
        self.torch, self.pyro, self.work = torch, pyro, work
        self.params = torch.nn.ParameterDict()
        for name, array in params.items():
            self.params[name.replace(".", "_")] = torch.nn.Parameter(torch.tensor(array))
        adam = pyro.optim.Adam({"lr": LEARNING_RATE})
        self.svi = pyro.infer.SVI(self.model, self.guide, adam, loss=pyro.infer.Trace_ELBO())

    def affine(self, name, h):
        name = name.replace(".", "_")
        W, b = self.params[f"{name}_W"], self.params[f"{name}_b"]
        return self.torch.nn.functional.linear(h, W.T, b)

    def activation(self, x):
        if self.work.activation == "softplus":
            return self.torch.nn.functional.softplus(x)
        return self.torch.relu(x)

    def model(self, x):
        pyro, dist = self.pyro, self.pyro.distributions
        pyro.module("vae", self.params)
        with pyro.plate("data", len(x)):
            zeros = x.new_zeros(len(x), self.work.latent_dim)
            h = pyro.sample("z", dist.Normal(zeros, self.torch.ones_like(zeros)).to_event(1))
            for layer in self.work.layers("decoder"):
                h = self.activation(self.affine(layer, h))
            logits = self.affine("decoder.logits", h)
            pyro.sample("x", dist.Bernoulli(logits=logits, validate_args=False).to_event(1), obs=x)

    def guide(self, x):
        pyro, dist = self.pyro, self.pyro.distributions
        pyro.module("vae", self.params)
        with pyro.plate("data", len(x)):
            h = x
            for layer in self.work.layers("encoder"):
                h = self.activation(self.affine(layer, h))
            mu = self.affine("encoder.mu", h)
            sigma = self.torch.exp(self.affine("encoder.logsigma", h))
            pyro.sample("z", dist.Normal(mu, sigma).to_event(1))

    def step(self, x, eps):
        """One step. Pyro draws its own noise, so its losses are close to the others, not equal."""
        return self.svi.step(self.torch.from_numpy(x)) / len(x)


PEERS = {
    "Vaelite": Vaelite,
    "VaeliteFast": VaeliteFast,
    "MatrixProducts": MatrixProducts,
    "NumpyByHand": NumpyByHand,
    "NumpyByHandFast": NumpyByHandFast,
    "PlainAutograd": PlainAutograd,
    "PyTorch": PyTorch,
    "PyTorchFused": PyTorchFused,
    "PyTorchCompiled": PyTorchCompiled,
    "JAX": JAX,
    "Pyro": Pyro,
}
NEEDS = {
    "VaeliteFast": "numba",
    "NumpyByHandFast": "numba",
    "PyTorch": "torch",
    "PyTorchFused": "torch",
    "PyTorchCompiled": "torch",
    "JAX": "jax",
    "Pyro": "pyro",
}
