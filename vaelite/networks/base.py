"""What every network has: parameters with names and shapes, their start, and heads."""

import math
from typing import NamedTuple

import numpy as np

from ..ops import affine, full

INITS = "glorot", "torch"


class Head(NamedTuple):
    """One output of a network.

    Attributes
    ----------
    size : int
        How many numbers per example.
    varies : bool
        Whether they depend on the input. If not, they are learned constants, a bias.
    """

    size: int
    varies: bool = True


class Network:
    """A function of named arrays, from an input to one output per head: a base class.

    A derived class needs ``shapes`` and ``__call__``. Both see the network's own names,
    such as ``"0.W"`` and ``"mu.b"``; in a model's ``params`` they have the prefix
    ``"encoder."`` or ``"decoder."``.

    Attributes
    ----------
    init : {"glorot", "torch"}
        How `init_params` draws the first weights.
    """

    init = "glorot"

    def __repr__(self):
        return f"{type(self).__name__}()"

    def shapes(self, n_inputs, heads):
        """Return the shape of every parameter by name.

        Parameters
        ----------
        n_inputs : int
            Columns of the input.
        heads : dict of str to Head
            The outputs that the network should have.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method shapes(n_inputs, heads)")

    def __call__(self, params, h, heads):
        """Return the outputs, a tuple with one array (batch, size) per head.

        Parameters
        ----------
        params : dict of arrays
            The network's own, by the names of `shapes`.
        h : array, shape (batch, n_inputs)
        heads : dict of str to Head
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs a method __call__(params, h, heads)"
        )

    def check_inputs(self, n_inputs, n_conditions):
        """Refuse inputs that do not fit, before training. Here: nothing is refused.

        Parameters
        ----------
        n_inputs : int
            Columns of the input, with those of the condition, which come last.
        n_conditions : int
        """

    def init_params(self, rng, shapes, dtype):
        """Return first parameters, a dict of arrays, for ``shapes``.

        Arrays with one axis are biases, all others are weights. Weights are uniform
        within ``sqrt(6 / (fan_in + fan_out))`` of 0 and biases are 0, as in Flux [1]_;
        or, with ``init = "torch"``, weights and biases are uniform within
        ``1 / sqrt(fan_in)``, as in PyTorch's ``Linear``, which the Pyro tutorial uses.

        Parameters
        ----------
        rng : numpy.random.Generator
        shapes : dict of str to tuple of int
        dtype : dtype

        References
        ----------
        .. [1] Glorot & Bengio (2010), Understanding the difficulty of training deep
           feedforward neural networks, equation 16.
        """

        params = {}
        for name, shape in shapes.items():
            is_bias = len(shape) < 2
            weights = shapes.get(f"{name.rpartition('.')[0]}.W") if is_bias else shape
            if weights is None or (is_bias and self.init != "torch"):
                params[name] = np.zeros(shape, dtype)
                continue
            fan_in, fan_out = _fans(weights)
            limit = math.sqrt(1 / fan_in if self.init == "torch" else 6 / (fan_in + fan_out))
            params[name] = rng.uniform(-limit, limit, shape).astype(dtype)
        return params

    def head_shapes(self, n_inputs, heads):
        """Return the shapes of `outputs`: ``"mu.W"`` and ``"mu.b"`` for a head "mu"."""
        found = {}
        for name, head in heads.items():
            size, varies = head
            if varies:
                found[f"{name}.W"] = n_inputs, size
            found[f"{name}.b"] = (size,)
        return found

    def outputs(self, params, h, heads):
        """Return one output per head, each an affine function of the last layer, h.

        A head that does not vary has no weights: the same row for all.
        """
        found = []
        for name in heads:
            b = params[f"{name}.b"]
            W = params.get(f"{name}.W")
            found.append(b + full(h, (*h.shape[:-1], 1), 0.0) if W is None else affine(h, W, b))
        return tuple(found)


def own_params(params, prefix):
    """Return a network's own parameters, without the prefix in their names."""
    start = len(prefix) + 1
    return {name[start:]: a for name, a in params.items() if name.startswith(f"{prefix}.")}


def _fans(shape):
    """Inputs and outputs of a unit, for weights of shape (..., inputs, outputs)."""
    *window, fan_in, fan_out = shape
    return math.prod(window) * fan_in, math.prod(window) * fan_out
