"""Figures. Each function draws into ``ax`` or a new figure, and returns the axes.

Importing this package imports matplotlib.
"""

from .graphs import gradient_graph, graph, graphical_model, vae_diagram
from .grid import draw_grid, draw_images
from .images import average_reconstructions, reconstructions, samples
from .inference import completions, estimator_variances, inference_gaps, posterior
from .interactive import explorer
from .latent import latent_grid, latent_means, tsne_means
from .training import learning_curve

__all__ = [
    "average_reconstructions",
    "completions",
    "draw_grid",
    "draw_images",
    "estimator_variances",
    "explorer",
    "gradient_graph",
    "graph",
    "graphical_model",
    "inference_gaps",
    "latent_grid",
    "latent_means",
    "learning_curve",
    "posterior",
    "reconstructions",
    "samples",
    "tsne_means",
    "vae_diagram",
]
