"""vaelite: a small, exact variational autoencoder in NumPy and autograd.

``vaelite.fit(X)`` trains one. The story, in reading order: terms, likelihoods,
objectives, ops, gradient, adam, stopping, training, vae. Everything else is in folders
by subject.
"""

import importlib
from typing import TYPE_CHECKING

from . import ops
from .adam import Adam
from .api import fit, fit_autoencoder, load
from .data.batches import minibatches, quantize
from .data.datasets import load_digits, load_idx, load_mnist, load_mnist_sample
from .diagnostics import card as _card  # noqa: F401 -- what a notebook shows of a model
from .diagnostics.doctor import doctor
from .diagnostics.findings import Diagnosis, Finding
from .diagnostics.ledger import Ledger, ledger
from .exceptions import (
    ConvergenceWarning,
    FitWarning,
    ModelFileError,
    NotFittedError,
    TrainingError,
)
from .gradient import value_and_grad
from .inference import gradient_estimators
from .inference.decompositions import (
    ELBOParts,
    Gaps,
    KLSplit,
    active_units,
    elbo_parts,
    inference_gaps,
    kl_split,
)
from .inference.estimate import Estimate
from .inference.importance import elbo, log_evidence
from .inference.infer import infer
from .inference.quadrature import Quadrature
from .likelihoods import Bernoulli, Categorical, ContinuousBernoulli, Gaussian, Likelihood
from .models.autoencoder import Autoencoder
from .models.meanfield import MeanField
from .models.ppca import ProbabilisticPCA
from .models.pretrained import load_pretrained
from .networks import Convolutional, Dense, Head, Network, TransposedConvolutional
from .objectives import ImportanceWeighted, NegELBO, Reconstruction
from .priors import Mixture, Prior, StandardNormal
from .state import Solution, State
from .stopping import Epochs, HeldOut, Lecture
from .terms import kl_divergence, negloglikelihood, neglogposterior, neglogprior, reparameterize
from .vae import VAE
from .versions import show_versions

__version__ = "0.1.0"

__all__ = [
    "VAE",
    "Adam",
    "Autoencoder",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "ConvergenceWarning",
    "Convolutional",
    "Dense",
    "Diagnosis",
    "ELBOParts",
    "Epochs",
    "Estimate",
    "Finding",
    "FitWarning",
    "Gaps",
    "Gaussian",
    "Head",
    "HeldOut",
    "ImportanceWeighted",
    "KLSplit",
    "Lecture",
    "Ledger",
    "Likelihood",
    "MeanField",
    "Mixture",
    "ModelFileError",
    "NegELBO",
    "Network",
    "NotFittedError",
    "Prior",
    "ProbabilisticPCA",
    "Quadrature",
    "Reconstruction",
    "Solution",
    "StandardNormal",
    "State",
    "TrainingError",
    "TransposedConvolutional",
    "active_units",
    "doctor",
    "elbo",
    "elbo_parts",
    "fit",
    "fit_autoencoder",
    "gradient_estimators",
    "infer",
    "inference_gaps",
    "kl_divergence",
    "kl_split",
    "ledger",
    "load",
    "load_digits",
    "load_idx",
    "load_mnist",
    "load_mnist_sample",
    "load_pretrained",
    "log_evidence",
    "minibatches",
    "negloglikelihood",
    "neglogposterior",
    "neglogprior",
    "ops",
    "plots",
    "quantize",
    "reparameterize",
    "show_versions",
    "value_and_grad",
]


if TYPE_CHECKING:  # for editors
    from . import plots


def __getattr__(name):
    if name == "plots":  # imported when first used: matplotlib takes longer than all the rest
        return importlib.import_module(".plots", __name__)
    raise AttributeError(f"module 'vaelite' has no attribute {name!r}")
