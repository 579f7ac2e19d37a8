"""The learning curve."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from ..diagnostics.card import limits
from ..exceptions import NotFittedError
from ..models.checks import check_fitted
from .grid import new_axes


def learning_curve(vae, elbo=False, ax=None):
    """Draw the losses of training and evaluation by epoch, or the ELBOs.

    Parameters
    ----------
    vae : VAE
        Fitted.
    elbo : bool
        Draw the ELBO, minus the loss.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes
    """
    check_fitted(vae)
    if not vae.history:
        raise NotFittedError("this model has no history: it was not trained by fit")
    ax, sign = ax or new_axes(), -1 if elbo else 1
    names = {
        "train_loss": ("training rows, during the epoch", {"color": "0.6", "linewidth": 3}),
        "eval_loss": ("training rows, after it", {"color": "C0"}),
        "val_loss": ("held-out rows, after it", {"color": "C0"}),
        "test_loss": ("test rows, after it", {"color": "C1", "linestyle": "--"}),
    }
    curves = {name: sign * np.array(vae.history[name]) for name in names if name in vae.history}
    for name, curve in curves.items():
        label, style = names[name]
        ax.plot(vae.history["epoch"], curve, label=label, **style)
    if "val_loss" in curves:
        best = curves["val_loss"][vae.best_epoch - 1]
        label = f"kept: {best:.2f}, epoch {vae.best_epoch}".replace("-", "\N{MINUS SIGN}")
        ax.plot(vae.best_epoch, best, "o", color="C0", label=label)
    ax.set_ylim(*sorted(sign * limits(*(sign * curve for curve in curves.values()))))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(
        xlabel="epoch",
        ylabel=f"{'ELBO' if elbo else 'loss'}, nats per example",
        title="Learning curve",
    )
    ax.legend(frameon=False)
    return ax
