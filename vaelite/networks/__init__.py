"""Networks: from an input to the parameters of a distribution.

Your own network is a small class, derived from `Network`. It sees only its own
parameters.
"""

from .base import Head, Network
from .convolutional import Convolutional, TransposedConvolutional
from .dense import Dense

NETWORKS = {kind.__name__: kind for kind in (Dense, Convolutional, TransposedConvolutional)}

__all__ = [
    "NETWORKS",
    "Convolutional",
    "Dense",
    "Head",
    "Network",
    "TransposedConvolutional",
]
