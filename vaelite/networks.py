"""Encoder and decoder: fully connected networks as functions of named arrays.

The arrays' names tell the architecture: ``encoder.0.W``, ``encoder.0.b`` and so on for the hidden
layers, ``encoder.mu.W`` for a head. A head without weights is a constant: ``decoder.logsigma.b``
alone is one sigma for all.
"""

from itertools import pairwise

import numpy as np

from .ops import affine, full

INITS = "glorot", "torch"


def shapes(n_features, latent_dim, hidden_dim, heads):
    """The shape of every parameter by name.

    Parameters
    ----------
    n_features, latent_dim : int
    hidden_dim : sequence of int
        Sizes of the encoder's hidden layers; the decoder has them in reverse.
    heads : dict
        The decoder's outputs: name to (size, whether it depends on z), as `Gaussian.heads` gives.

    Returns
    -------
    dict of str to tuple of int
    """
    encoder, decoder = [n_features, *hidden_dim], [latent_dim, *reversed(hidden_dim)]
    encoder_heads = {"mu": (latent_dim, True), "logsigma": (latent_dim, True)}
    return {**_network("encoder", encoder, encoder_heads), **_network("decoder", decoder, heads)}


def _network(name, sizes, heads):
    layers = {f"{name}.{i}": pair for i, pair in enumerate(pairwise(sizes))}
    outputs = {f"{name}.{head}": (sizes[-1] if varies else None, size) for head, (size, varies) in heads.items()}
    found = {}
    for layer, (fan_in, fan_out) in {**layers, **outputs}.items():
        if fan_in is not None:
            found[f"{layer}.W"] = fan_in, fan_out
        found[f"{layer}.b"] = (fan_out,)
    return found


def init_params(rng, shapes, dtype, init="glorot"):
    """New parameters.

    Parameters
    ----------
    rng : numpy.random.Generator
    shapes : dict of str to tuple of int
        From `shapes`.
    dtype : numpy.dtype
    init : {"glorot", "torch"}
        Weights uniform within ``sqrt(6 / (fan_in + fan_out))`` of 0 and biases 0, as Flux does [1]_; or weights and
        biases uniform within ``1 / sqrt(fan_in)``, as PyTorch's ``Linear`` does, and so the Pyro tutorial.

    Returns
    -------
    dict of str to array

    References
    ----------
    .. [1] Glorot & Bengio (2010), Understanding the difficulty of training deep feedforward neural networks, eq. 16.
    """

    def limit(name):
        weights = shapes.get(f"{name.rpartition('.')[0]}.W")
        if init == "torch":
            return 1 / np.sqrt(weights[0]) if weights else 0
        return np.sqrt(6 / sum(weights)) if name.endswith(".W") else 0

    def draw(name, shape):
        return rng.uniform(-limit(name), limit(name), shape).astype(dtype) if limit(name) else np.zeros(shape, dtype)

    return {name: draw(name, shape) for name, shape in shapes.items()}


def hidden(params, name, h, activation):
    """The hidden layers of the network called ``name``: ``activation(h @ W + b)``, one after the other."""
    layer = 0
    while f"{name}.{layer}.W" in params:
        h = activation(affine(h, params[f"{name}.{layer}.W"], params[f"{name}.{layer}.b"]))
        layer += 1
    return h


def head(params, name, h):
    """One output of a network, an affine function of its last hidden layer ``h``, or a constant a row."""
    if f"{name}.W" in params:
        return affine(h, params[f"{name}.W"], params[f"{name}.b"])
    return params[f"{name}.b"] + full(h, (*h.shape[:-1], 1), 0.0)


def encode(params, x, activation):
    """The parameters of q(z|x): ``(mu, logsigma)``, each (batch, latent_dim)."""
    h = hidden(params, "encoder", x, activation)
    return head(params, "encoder.mu", h), head(params, "encoder.logsigma", h)


def encode_mean(params, x, activation):
    """The mean of q(z|x) alone: an autoencoder's code, (batch, latent_dim)."""
    return head(params, "encoder.mu", hidden(params, "encoder", x, activation))


def decode(params, z, activation, heads):
    """The decoder's raw outputs for the codes z, (batch, latent_dim), one for each of ``heads``."""
    h = hidden(params, "decoder", z, activation)
    return tuple(head(params, f"decoder.{name}", h) for name in heads)
