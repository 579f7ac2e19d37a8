"""vaelite: a small, exact variational autoencoder in NumPy and autograd.

``vaelite.fit(X)`` trains one; the modules, in the order of the data's way through them, are datasets,
data, networks, terms, likelihoods, objectives, gradient, adam, convergence, trainer, model and plots.
"""

import importlib

from . import ops
from .adam import Adam
from .api import fit, fit_autoencoder, load
from .autoencoder import Autoencoder
from .convergence import Epochs, HeldOut, Lecture
from .data import minibatches, quantize
from .datasets import load_digits, load_idx, load_mnist
from .diagnostics import Ledger, ledger
from .exceptions import ConvergenceWarning, ModelFileError, NotFittedError, TrainingError
from .gradient import value_and_grad
from .likelihoods import Bernoulli, Categorical, Gaussian, Likelihood
from .model import VAE
from .objectives import ImportanceWeighted, NegELBO, Reconstruction
from .progress import State
from .terms import kl_divergence, negloglikelihood, neglogposterior, neglogprior, reparameterize
from .trainer import Solution

__version__ = "0.1.0"

__all__ = [
    "VAE", "Adam", "Autoencoder", "Bernoulli", "Categorical", "ConvergenceWarning", "Epochs", "Gaussian", "HeldOut",
    "ImportanceWeighted", "Lecture", "Ledger", "Likelihood", "ModelFileError", "NegELBO", "NotFittedError",
    "Reconstruction", "Solution", "State", "TrainingError", "fit", "fit_autoencoder", "kl_divergence", "ledger",
    "load", "load_digits", "load_idx", "load_mnist", "minibatches", "negloglikelihood", "neglogposterior",
    "neglogprior", "ops", "plots", "quantize", "reparameterize", "value_and_grad",
]  # fmt: skip


def __getattr__(name):
    if name == "plots":  # imported when first used: matplotlib takes longer to load than all the rest
        return importlib.import_module(".plots", __name__)
    raise AttributeError(f"module 'vaelite' has no attribute {name!r}")
