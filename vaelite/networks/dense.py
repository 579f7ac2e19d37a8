"""Fully connected networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ..checks import check_choice, check_sizes
from ..ops import ACTIVATIONS, layer
from .base import INITS, Network


@dataclass(frozen=True)
class Dense(Network):
    """Fully connected layers: ``activation(h @ W + b)``, one after the other.

    Parameters
    ----------
    hidden_dim : int or sequence of int
        Sizes of the hidden layers; ``()`` has none and makes the outputs affine.
    activation : {"relu", "tanh", "softplus"}
        Of the hidden layers.
    init : {"glorot", "torch"}
        How weights start; see `Network.init_params`.

    Examples
    --------
    >>> import vaelite
    >>> vaelite.Dense((500, 300)).shapes(784, {"mu": vaelite.Head(2)})["1.W"]
    (500, 300)
    """

    hidden_dim: int | Sequence[int] = (512, 256)
    activation: str = "relu"
    init: str = "glorot"

    def __post_init__(self):
        object.__setattr__(self, "hidden_dim", check_sizes("hidden_dim", self.hidden_dim))
        check_choice("activation", self.activation, ACTIVATIONS)
        check_choice("init", self.init, INITS)

    def shapes(self, n_inputs, heads):
        """Return ``"0.W"``, ``"0.b"``, ... for the layers, then those of the heads."""
        sizes, found = (n_inputs, *self.hidden_dim), {}
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            found |= {f"{i}.W": (fan_in, fan_out), f"{i}.b": (fan_out,)}
        return found | self.head_shapes(sizes[-1], heads)

    def __call__(self, params, h, heads):
        """Return the outputs, one per head."""
        for i in range(len(self.hidden_dim)):
            h = layer(h, params[f"{i}.W"], params[f"{i}.b"], self.activation)
        return self.outputs(params, h, heads)


@lru_cache
def dense(hidden_dim, activation, init):
    """Return a `Dense` of settings that were checked; the same one for the same."""
    return Dense(hidden_dim, activation, init)
