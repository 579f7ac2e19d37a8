"""The names and the types of all settings, for editors and type checkers.

An editor completes the settings of `fit`, and a type checker sees a wrong name or a
wrong value. Nothing here runs in a fit: `settings` describes and checks the values.

Each ``fit`` is declared twice, because a checker knows only one type for all values of
a dict. It would refuse ``fit(X, **{"beta": 2, "rng": 0})``: int is no type for, say,
``stopping``. So every value may also be an ``Other``. In the first declaration, with
"Keywords", this is `Never`. In the second, with "Dict", it is `Any`: this one also
needs an argument ``_unpacked``, which no call has, but any unpacked dict could have. So
only a call with a dict fits it.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, Never, Protocol, TypeAlias, TypedDict, TypeVar

import numpy as np

from ..likelihoods import Likelihood
from ..networks import Network
from ..priors import Prior

Other = TypeVar("Other")
Array: TypeAlias = np.ndarray
Integer: TypeAlias = int | np.integer
Real: TypeAlias = float | np.floating | np.integer
Seed: TypeAlias = Integer | np.random.SeedSequence | np.random.Generator | None
Sizes: TypeAlias = Integer | Sequence[int] | np.ndarray
Activation: TypeAlias = Literal["relu", "tanh", "softplus"]
Init: TypeAlias = Literal["glorot", "torch"]
BackendName: TypeAlias = Literal["numpy", "cupy", "auto"]
LikelihoodName: TypeAlias = Literal["gaussian", "bernoulli", "categorical"]
DType: TypeAlias = Literal["float32", "float64"] | type[np.floating] | type[float] | np.dtype | None
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


class EveryFitArguments(TypedDict, Generic[Other], total=False):
    """The arguments of every fit after the data."""

    condition: Any  # array-like, or None
    batch_size: Integer | Other | None
    start: Literal["data", "network"] | Other
    learning_rate: Real | Callable[[int], float] | Other
    weight_decay: Real | Other
    optimizer: Optimizer | Other | None
    max_epochs: Integer | Other
    stopping: Literal["heldout", "lecture", "epochs"] | StoppingRule | Other
    tol: Real | Other | None
    normalized: bool | Other
    rng: Seed | Other
    progress: bool | Literal["lines", "bar"] | Other
    log_every: Integer | Other
    callbacks: Function | Sequence[Function] | Other
    checkpoint: str | os.PathLike[str] | Other | None
    checkpoint_seconds: Real | Other


class CommonArguments(EveryFitArguments[Other], Generic[Other], total=False):
    """The arguments of every fit with an encoder: also those of held-out rows."""

    condition_test: Any
    patience: Integer | Other | None
    validation_fraction: Real | Other | None
    steps_per_epoch: Integer | Other | None


class FitArguments(CommonArguments[Other], Generic[Other], total=False):
    """The arguments of `Autoencoder.fit`: also those of a model that exists."""

    warm_start: bool | Other


class KLArguments(TypedDict, Generic[Other], total=False):
    """What a model with a q(z|x) minimizes."""

    kl: Literal["sample", "analytic"] | Other
    beta: Real | Other
    warmup_epochs: Integer | Other
    objective: Function | Other | None


class ObjectiveArguments(KLArguments[Other], Generic[Other], total=False):
    """What a VAE minimizes."""

    importance_samples: Integer | Other


class ELBOArguments(FitArguments[Other], ObjectiveArguments[Other], Generic[Other], total=False):
    """The arguments of `VAE.fit` after the data."""


class MeanFieldArguments(EveryFitArguments[Other], KLArguments[Other], Generic[Other], total=False):
    """The arguments of `MeanField.fit` after the data."""

    local_learning_rate: Real | Other
    warm_start: bool | Other


class AutoencoderFitArguments(CommonArguments[Other], Generic[Other], total=False):
    """The arguments of `fit_autoencoder` after the data: also those of the model."""

    latent_dim: Integer | Other
    hidden_dim: Sizes | Other
    activation: Activation | Other
    init: Init | Other
    encoder: Network | Other | None
    decoder: Network | Other | None
    likelihood: LikelihoodName | Likelihood | Other
    negloglikelihood: Function | Other | None
    dtype: DType | Other
    backend: BackendName | Other


class VAEFitArguments(
    ObjectiveArguments[Other], AutoencoderFitArguments[Other], Generic[Other], total=False
):
    """The arguments of `fit` after the data."""

    prior: Prior | Other | None
    neglogprior: Function | Other | None
    neglogposterior: Function | Other | None
    reparameterize: Function | Other | None


class ELBOKeywords(ELBOArguments[Never], total=False):
    """The arguments of `VAE.fit` after the data."""


class ELBODict(ELBOArguments[Any], total=False):
    """The arguments of `VAE.fit` after the data, from a dict."""


class FitKeywords(FitArguments[Never], total=False):
    """The arguments of `Autoencoder.fit` after the data."""


class FitDict(FitArguments[Any], total=False):
    """The arguments of `Autoencoder.fit` after the data, from a dict."""


class MeanFieldKeywords(MeanFieldArguments[Never], total=False):
    """The arguments of `MeanField.fit` after the data."""


class MeanFieldDict(MeanFieldArguments[Any], total=False):
    """The arguments of `MeanField.fit` after the data, from a dict."""


class VAEFitKeywords(VAEFitArguments[Never], total=False):
    """The arguments of `fit` after the data."""


class VAEFitDict(VAEFitArguments[Any], total=False):
    """The arguments of `fit` after the data, from a dict."""


class AutoencoderFitKeywords(AutoencoderFitArguments[Never], total=False):
    """The arguments of `fit_autoencoder` after the data."""


class AutoencoderFitDict(AutoencoderFitArguments[Any], total=False):
    """The arguments of `fit_autoencoder` after the data, from a dict."""
