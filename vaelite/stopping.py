"""When to stop training, and why.

A rule gets the losses of every epoch, one number per evaluated row, and says whether
training has converged. ``holds_out`` says which rows are evaluated: rows that are held
out of training, with the same noise in every epoch; or the training rows, with fresh
noise. ``needs_losses`` says whether the rule looks at them at all.
"""

import copy
import math

import numpy as np

from .checks import check_choice, check_count, check_number


class HeldOut:
    """Stop when the loss of held-out rows no longer improves.

    The loss is evaluated with the *same* noise in each epoch, so that the difference to
    the best epoch so far is a paired one, row by row. It counts as an improvement when
    its mean is below ``-max(tol, 2 * standard error)``. After ``patience`` epochs
    without one, training stops, and the best epoch's parameters are restored.

    Parameters
    ----------
    tol : float
        Nats per example that an improvement must reach.
    patience : int
        Epochs without an improvement.
    """

    holds_out = True
    needs_losses = True

    def __init__(self, tol=0.1, patience=20):
        self.tol = check_number("tol", tol, 0, low_included=True)
        self.patience = check_count("patience", patience)
        self.best, self.failures = None, 0

    def __repr__(self):
        return f"HeldOut(tol={self.tol:g}, patience={self.patience})"

    def update(self, losses):
        """Take an epoch's losses, shape (rows,); return True if they are the best."""
        better = self.best is None or self._is_improvement(losses - self.best)
        self.failures = 0 if better else self.failures + 1
        if better:
            self.best = losses
        return better

    def _is_improvement(self, difference):
        standard_error = difference.std(ddof=1) / math.sqrt(len(difference))
        return difference.mean() < -max(self.tol, 2 * standard_error)

    def reason(self):
        """Return why training has converged, or None if it has not."""
        if self.failures < self.patience:
            return None
        return (
            f"for {self.patience} epochs the held-out loss has not improved on the best by more "
            f"than {self.tol:g} nats and two standard errors of the difference"
        )


class Lecture:
    """The lecture's rule: stop when the loss rises by more than ``tol`` in an epoch.

    The lecture evaluates on the training rows, with fresh noise. Its ``min_loss`` is
    not a minimum: every epoch that does not stop overwrites it, so a slow increase
    never stops training.

    Parameters
    ----------
    tol : float
        Nats per example.
    """

    holds_out = False
    needs_losses = True

    def __init__(self, tol=1.0):
        self.tol = check_number("tol", tol, 0, low_included=True)
        self.min_loss, self.stopped = math.inf, False

    def __repr__(self):
        return f"Lecture(tol={self.tol:g})"

    def update(self, losses):
        """Take an epoch's losses, shape (rows,); return True: keep the last epoch."""
        loss = np.mean(losses)
        self.stopped = bool(loss > self.min_loss + self.tol)
        if not self.stopped:
            self.min_loss = loss
        return True

    def reason(self):
        """Return why training has converged, or None if it has not."""
        return f"the loss rose by more than {self.tol:g} nats in an epoch" if self.stopped else None


class Epochs:
    """Run all epochs; the loss is evaluated on the training rows."""

    holds_out = False
    needs_losses = False

    def __repr__(self):
        return "Epochs()"

    def update(self, losses):
        """Return True: keep the last epoch."""
        return True

    def reason(self):
        """Return None: it never stops before ``max_epochs``."""
        return None


STOPPING = {"heldout": HeldOut, "lecture": Lecture, "epochs": Epochs}


def stopping_rule(stopping, tol=None, patience=None):
    """Return a new rule for the settings of `VAE.fit`.

    Parameters
    ----------
    stopping : {"heldout", "lecture", "epochs"}, HeldOut, Lecture or Epochs
        An instance is copied, so that it can be used for several fits.
    tol, patience : optional
        None is the rule's own default.
    """
    given = {"tol": tol, "patience": patience}
    settings = {name: value for name, value in given.items() if value is not None}
    if callable(getattr(stopping, "update", None)) and not isinstance(stopping, type):
        if settings:
            passed = " and ".join(f"{name}={value}" for name, value in settings.items())
            raise ValueError(f"pass {passed} to the rule itself, which is {stopping!r} now")
        for name in ("reason", "holds_out", "needs_losses"):
            if not hasattr(stopping, name):
                raise TypeError(
                    f"a stopping rule needs {name}, as HeldOut has; {stopping!r} lacks it"
                )
        return copy.deepcopy(stopping)
    if isinstance(stopping, type):
        raise TypeError(f"stopping should be an object, got a class; pass {stopping.__name__}()")
    kind = STOPPING[check_choice("stopping", stopping, STOPPING)]
    unused = set(settings) - {"heldout": {"tol", "patience"}, "lecture": {"tol"}}.get(
        stopping, set()
    )
    if unused:
        name = min(unused)
        raise ValueError(f'{name}={settings[name]} has no meaning with stopping="{stopping}"')
    return kind(**settings)
