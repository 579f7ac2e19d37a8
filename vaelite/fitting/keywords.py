"""The names of all settings, for editors and type checkers; nothing here runs in a fit.

An editor completes the settings of `fit`, and a type checker sees a wrong name. The
values have no types here: a checker would refuse ``fit(X, **(settings | more))``, whose
values are of several types. `settings` describes and checks them.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypedDict

import numpy as np

Array: TypeAlias = np.ndarray
Seed: TypeAlias = int | np.random.SeedSequence | np.random.Generator | None
Sizes: TypeAlias = int | Sequence[int]
Activation: TypeAlias = Literal["relu", "tanh", "softplus"]
Init: TypeAlias = Literal["glorot", "torch"]
BackendName: TypeAlias = Literal["numpy", "cupy", "auto"]


class EveryFitKeywords(TypedDict, total=False):
    """The settings of every fit."""

    batch_size: Any
    start: Any
    learning_rate: Any
    weight_decay: Any
    optimizer: Any
    max_epochs: Any
    stopping: Any
    tol: Any
    normalized: Any
    rng: Any
    progress: Any
    log_every: Any
    callbacks: Any
    checkpoint: Any
    checkpoint_seconds: Any


class CommonKeywords(EveryFitKeywords, total=False):
    """The settings of every fit with an encoder: also those of held-out rows."""

    patience: Any
    validation_fraction: Any
    steps_per_epoch: Any


class FitKeywords(CommonKeywords, total=False):
    """The settings of `FitSettings`: also those of a model that exists."""

    warm_start: Any


class KLKeywords(TypedDict, total=False):
    """What a model with a q(z|x) minimizes."""

    kl: Any
    beta: Any
    warmup_epochs: Any
    objective: Any


class ObjectiveKeywords(KLKeywords, total=False):
    """What a VAE minimizes."""

    importance_samples: Any


class ELBOKeywords(FitKeywords, ObjectiveKeywords, total=False):
    """The settings of `ELBOSettings`."""


class MeanFieldKeywords(EveryFitKeywords, KLKeywords, total=False):
    """The settings of `MeanFieldSettings`: without held-out rows."""

    local_learning_rate: Any
    warm_start: Any


class AutoencoderFitKeywords(CommonKeywords, total=False):
    """The settings of `fit_autoencoder`: also those of the model, and the condition."""

    latent_dim: Any
    hidden_dim: Any
    activation: Any
    init: Any
    encoder: Any
    decoder: Any
    likelihood: Any
    negloglikelihood: Any
    dtype: Any
    backend: Any
    condition: Any
    condition_test: Any


class VAEFitKeywords(ObjectiveKeywords, AutoencoderFitKeywords, total=False):
    """The settings of `fit`."""

    prior: Any
    neglogprior: Any
    neglogposterior: Any
    reparameterize: Any
