"""When to stop training, and why.

A rule is told the losses of every epoch, one number a row that it is evaluated on, and answers
whether training has converged. ``holds_out`` says what it is evaluated on: rows that are kept from
training, always with the same noise, or the training rows, with fresh noise.
"""

import math

import numpy as np

from .validation import check_choice, check_count, check_number


class HeldOut:
    """Stop when rows that training does not see have stopped improving.

    The loss is evaluated with the *same* noise each epoch, so that the difference to the best epoch so
    far is a paired one, row by row. It counts as an improvement when its mean is below
    ``-max(tol, 2 * standard error)``. After ``patience`` epochs without one, training stops, and the best
    epoch's parameters are restored.

    Parameters
    ----------
    tol : float
        Nats an example that an improvement must reach.
    patience : int
        Epochs without an improvement.
    """

    holds_out = True

    def __init__(self, tol=0.1, patience=20):
        self.tol, self.patience = tol, patience
        self.best, self.failures = None, 0

    def improved(self, losses):
        """Note an epoch's losses, shape (rows,); True if they are the best so far."""
        better = self.best is None or self._difference_counts(losses - self.best)
        self.failures = 0 if better else self.failures + 1
        if better:
            self.best = losses
        return better

    def _difference_counts(self, difference):
        standard_error = difference.std(ddof=1) / math.sqrt(len(difference))
        return difference.mean() < -max(self.tol, 2 * standard_error)

    def reason(self):
        """Why training has converged, or None if it has not."""
        if self.failures >= self.patience:
            return (
                f"for {self.patience} epochs the held-out loss has not improved on the best by more than "
                f"{self.tol:g} nats and two standard errors of the difference"
            )
        return None


class Lecture:
    """The lecture's rule, to the letter: stop when the loss is more than ``tol`` above the previous epoch's.

    The lecture evaluates on the training rows, with fresh noise. Its ``min_loss`` is no minimum: every
    epoch that does not stop overwrites it, so that a slow drift upwards never stops.

    Parameters
    ----------
    tol : float
        Nats an example.
    """

    holds_out = False

    def __init__(self, tol=1.0):
        self.tol = tol
        self.min_loss, self.stopped = math.inf, False

    def improved(self, losses):
        """Note an epoch's losses, shape (rows,); the last epoch is always the one that is kept."""
        loss = np.mean(losses)
        self.stopped = bool(loss > self.min_loss + self.tol)
        if not self.stopped:
            self.min_loss = loss
        return True

    def reason(self):
        """Why training has converged, or None if it has not."""
        return f"the loss rose by more than {self.tol:g} nats in an epoch" if self.stopped else None


class Epochs:
    """Run all epochs; the loss is evaluated on the training rows."""

    holds_out = False

    def improved(self, losses):
        """The last epoch is always the one that is kept."""
        return True

    def reason(self):
        """None: it never stops before the cap."""
        return None


STOPPING = {"heldout": HeldOut, "lecture": Lecture, "epochs": Epochs}


def stopping_rule(stopping, tol=None, patience=20):
    """The rule that the same arguments of `VAE.fit` stand for; a tol of None is the rule's own."""
    check_choice("stopping", stopping, STOPPING)
    settings = {"patience": check_count("patience", patience)} if stopping == "heldout" else {}
    if tol is not None:
        settings["tol"] = check_number("tol", tol, 0, low_included=True)
        if stopping == "epochs":
            raise ValueError(f'tol={tol} has no meaning with stopping="epochs", which runs all max_epochs')
    return STOPPING[stopping](**settings)
