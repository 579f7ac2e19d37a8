"""vaelite: a small, exact variational autoencoder in NumPy and autograd.

``vaelite.fit(X)`` trains one; the modules, in the order of the data's way through them, are datasets,
data, networks, terms, likelihoods, objectives, gradient, adam, convergence, trainer, model and plots.
"""

import importlib

from . import estimators, ops
from .adam import Adam
from .api import fit, fit_autoencoder, load
from .autoencoder import Autoencoder
from .convergence import Epochs, HeldOut, Lecture
from .data import minibatches, quantize
from .datasets import load_digits, load_idx, load_mnist
from .decompositions import ELBOParts, Gaps, KLSplit, active_units, elbo_parts, inference_gaps, kl_split
from .diagnostics import Ledger, ledger
from .evidence import Estimate, Quadrature, elbo, log_evidence
from .exceptions import ConvergenceWarning, ModelFileError, NotFittedError, TrainingError
from .gradient import value_and_grad
from .likelihoods import Bernoulli, Categorical, Gaussian, Likelihood
from .meanfield import MeanField, infer
from .model import VAE
from .objectives import ImportanceWeighted, NegELBO, Reconstruction
from .ppca import ProbabilisticPCA
from .progress import State
from .terms import kl_divergence, negloglikelihood, neglogposterior, neglogprior, reparameterize
from .trainer import Solution

__version__ = "0.1.0"

__all__ = [
    "VAE", "Adam", "Autoencoder", "Bernoulli", "Categorical", "ConvergenceWarning", "ELBOParts", "Epochs",
    "Estimate", "Gaps", "Gaussian", "HeldOut", "ImportanceWeighted", "KLSplit", "Lecture", "Ledger", "Likelihood",
    "MeanField", "ModelFileError", "NegELBO", "NotFittedError", "ProbabilisticPCA", "Quadrature", "Reconstruction",
    "Solution", "State", "TrainingError", "active_units", "elbo", "elbo_parts", "estimators", "fit",
    "fit_autoencoder", "infer", "inference_gaps", "kl_divergence", "kl_split", "ledger", "load", "load_digits",
    "load_idx", "load_mnist", "log_evidence", "minibatches", "negloglikelihood", "neglogposterior", "neglogprior",
    "ops", "plots", "quantize", "reparameterize", "value_and_grad",
]  # fmt: skip


def __getattr__(name):
    if name == "plots":  # imported when first used: matplotlib takes longer to load than all the rest
        return importlib.import_module(".plots", __name__)
    raise AttributeError(f"module 'vaelite' has no attribute {name!r}")
