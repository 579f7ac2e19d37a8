"""The types of settings, arguments and results, for editors and type checkers."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Integer: TypeAlias = int | np.integer
Real: TypeAlias = float | np.floating | np.integer
Seed: TypeAlias = Integer | np.random.SeedSequence | np.random.Generator | None
Sizes: TypeAlias = Integer | Sequence[int] | np.ndarray
Activation: TypeAlias = Literal["relu", "tanh", "softplus"]
Init: TypeAlias = Literal["glorot", "torch"]
BackendName: TypeAlias = Literal["numpy", "cupy", "auto"]
LikelihoodName: TypeAlias = Literal["gaussian", "bernoulli", "continuous_bernoulli", "categorical"]
DType: TypeAlias = Literal["float32", "float64"] | type[np.floating] | type[float] | np.dtype
Function: TypeAlias = Callable[..., Any]


class Optimizer(Protocol):
    """An object that changes parameters in place, such as `Adam`."""

    def update(self, params: Any, grads: Any, /) -> Any:
        """Take one step."""


class StoppingRule(Protocol):
    """An object that says when to stop, such as `HeldOut`."""

    def update(self, losses: Any, /) -> Any:
        """Take an epoch's losses, shape (rows,); return True if they are the best."""

    def reason(self) -> str | None:
        """Return why training has converged, or None if it has not."""


Rule: TypeAlias = Literal["heldout", "lecture", "epochs"] | StoppingRule
