"""The step in NumPy with every derivative written by hand: as fast as NumPy gets, or nearly so.

Every array is reused from step to step, most operations write into one that exists, and no tape is
recorded. Adam is vaelite's. It is for the Gaussian likelihood and relu only.
"""

import numpy as np

from vaelite import Adam, Gaussian
from vaelite.arrays import compiled
from vaelite.training import keep_freed_memory

FLOOR = Gaussian().floor
LEARNING_RATE = 1e-3


class NumpyByHand:
    """The lecture's step."""

    def __init__(self, work, params):
        keep_freed_memory()
        self.work, self.params, self.arrays = work, params, {}
        self.grads = {name: np.empty_like(array) for name, array in params.items()}
        self.adam = Adam(LEARNING_RATE)
        self.ones = np.ones(work.batch_size, np.float32)

    def array(self, name, *shape):
        """The array of this name, which keeps its place in memory."""
        if name not in self.arrays:
            self.arrays[name] = np.empty(shape, np.float32)
        return self.arrays[name]

    def forward(self, name, h, relu=True):
        """``h @ W + b``, and relu."""
        W = self.params[f"{name}.W"]
        out = np.matmul(h, W, out=self.array(name, len(h), W.shape[1]))
        out += self.params[f"{name}.b"]
        return np.maximum(out, 0, out=out) if relu else out

    def backward(self, name, h, g, to_h=True):
        """The gradients of W and b from that of the output; return that of h."""
        np.matmul(h.T, g, out=self.grads[f"{name}.W"])
        np.matmul(self.ones, g, out=self.grads[f"{name}.b"])
        W = self.params[f"{name}.W"]
        return np.matmul(g, W.T, out=self.array(f"{name}, h", len(h), len(W))) if to_h else None

    def hidden(self, network, h):
        """The input and the outputs of a network's hidden layers."""
        found = [h]
        for name in self.work.layers(network):
            found.append(self.forward(name, found[-1]))
        return found

    def backward_hidden(self, network, layers, g, to_input):
        """The gradients of a network's hidden layers; return that of its input."""
        for i, name in reversed(list(enumerate(self.work.layers(network)))):
            g *= layers[i + 1] > 0
            g = self.backward(name, layers[i], g, to_h=i > 0 or to_input)
        return g

    def loss_and_gradients(self, x, eps):
        """The loss; the gradients are left in ``grads``."""
        share, D = np.float32(1 / len(x)), x.shape[1]
        encoder = self.hidden("encoder", x)
        mu = self.forward("encoder.mu", encoder[-1], relu=False)
        logsigma = self.forward("encoder.logsigma", encoder[-1], relu=False)
        noise = np.exp(logsigma) * eps
        z = mu + noise
        decoder = self.hidden("decoder", z)
        raw = self.forward("decoder.logsigma", decoder[-1], relu=False)
        logsigma_x = np.logaddexp(raw, np.float32(FLOOR))
        inverse = np.exp(-logsigma_x)
        mu_x = self.forward("decoder.mu", decoder[-1], relu=False)
        mu_x *= 0.5  # the logistic function is (1 + tanh(x / 2)) / 2
        np.tanh(mu_x, out=mu_x)
        mu_x += 1
        mu_x *= 0.5
        u = np.subtract(x, mu_x, out=self.array("u", *x.shape))
        u *= inverse
        squares = np.einsum("ij,ij->i", u, u)
        kl = ((z * z - eps * eps) / 2 - logsigma).sum(axis=1)
        loss = np.mean(squares / 2 + D * logsigma_x[:, 0] + kl)

        u *= -share * inverse
        u *= mu_x
        np.subtract(1, mu_x, out=mu_x)
        u *= mu_x
        g_raw = (share * (D - squares))[:, None] * np.exp(raw - logsigma_x)
        g = self.backward("decoder.mu", decoder[-1], u)
        g += self.backward("decoder.logsigma", decoder[-1], g_raw)
        g = self.backward_hidden("decoder", decoder, g, to_input=True) + share * z
        g_h = self.backward("encoder.mu", encoder[-1], g)
        g_h += self.backward("encoder.logsigma", encoder[-1], g * noise - share)
        self.backward_hidden("encoder", encoder, g_h, to_input=False)
        return loss

    def step(self, x, eps):
        """Take a step; return the loss before it."""
        loss = self.loss_and_gradients(x, eps)
        self.adam.update(self.params, self.grads)
        return float(loss)


class NumpyByHandFast(NumpyByHand):
    """The same with Adam compiled by numba from the first step."""

    def __init__(self, work, params):
        compiled.WORTH = 0
        super().__init__(work, params)
