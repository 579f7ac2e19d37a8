"""When to stop training, and why.

A rule gets the losses of every epoch, one number per evaluated row, and says whether
training has converged. ``holds_out`` says which rows are evaluated: rows that are held
out of training, with the same noise in every epoch; or the training rows, with fresh
noise. ``needs_losses`` says whether the rule looks at them at all. A rule may have a
``learning_rate_scale``: where it falls, training goes on from the best epoch.
"""

import copy
import math

import numpy as np

from .checks import check_choice, check_count, check_number

TRIMMED = 0.1  # part of the rows that the trimmed mean leaves out at either end
LEARNED = 1.0  # nats: less below the baseline, and training may be about to leave a collapse
LONGER = 5  # times the patience, to wait for that


class HeldOut:
    """Stop when the loss of held-out rows no longer improves.

    The loss is evaluated with the *same* noise in each epoch, so that two epochs differ
    by their weights only. Two numbers are followed: the mean over rows, and the mean
    without the tenth of the rows with the largest and the tenth with the smallest loss,
    which a few outlying rows do not change. It is an improvement if one of them falls
    by more than ``tol`` below its lowest value so far. After ``patience`` epochs
    without an improvement, training goes on from the best epoch with a lower learning
    rate, and waits half as long, because the loss is less noisy then; after ``drops``
    such reductions it stops. The best epoch, which is kept, is the one with the lowest
    mean.

    A posterior collapse is a saddle: training may need many epochs to leave it. Before
    the first reduction, five times the patience applies while the mean is not 1 nat
    below ``baseline``.

    Parameters
    ----------
    tol : float
        Nats per example that an improvement must reach.
    patience : int
        Epochs without an improvement; half of them after a reduction.
    drops : int
        How often the learning rate falls before training stops.
    factor : float
        By what the learning rate is multiplied each time; between 0 and 1.

    Attributes
    ----------
    baseline : float or None
        The loss of the best model without latents, which `VAE.fit` sets if it knows it.

    References
    ----------
    Prechelt (1998), Early Stopping -- But When?
    """

    holds_out = True
    needs_losses = True

    def __init__(self, tol=0.1, patience=30, drops=2, factor=0.3):
        self.tol = check_number("tol", tol, 0, low_included=True)
        self.patience = check_count("patience", patience)
        self.drops = check_count("drops", drops, minimum=0)
        self.factor = check_number("factor", factor, 0, 1)
        self.best, self.dropped, self.failures, self.baseline = math.inf, 0, 0, None
        self.lowest = np.full(2, np.inf)  # of the mean and of the trimmed mean

    def __repr__(self):
        return (
            f"HeldOut(tol={self.tol:g}, patience={self.patience}, drops={self.drops}, "
            f"factor={self.factor:g})"
        )

    @property
    def learning_rate_scale(self):
        """What the learning rate is multiplied by from now on."""
        return self.factor**self.dropped

    @property
    def waits(self):
        """The epochs without an improvement that it allows now."""
        if self.dropped:
            return math.ceil(self.patience / 2)
        learned = self.baseline is None or self.best < self.baseline - LEARNED
        return self.patience if learned else LONGER * self.patience

    def update(self, losses):
        """Take an epoch's losses, shape (rows,); return True if they are the best."""
        mean = np.mean(losses, dtype=np.float64)
        means = np.array([mean, trimmed_mean(losses)])
        improves = means < self.lowest - self.tol
        self.lowest = np.where(improves, means, self.lowest)
        self.failures = 0 if improves.any() else self.failures + 1
        is_best = bool(mean < self.best)
        self.best = mean if is_best else self.best
        if self.failures >= self.waits and self.dropped < self.drops:
            self.dropped, self.failures = self.dropped + 1, 0
        return is_best

    def reason(self):
        """Return why training has converged, or None if it has not."""
        if self.failures < self.waits:
            return None
        s = "s" if self.drops > 1 else ""
        lower = f", also after {self.drops} reduction{s} of the learning rate" if self.drops else ""
        return (
            f"for {self.waits} epochs the held-out loss has not improved by more than "
            f"{self.tol:g} nats{lower}"
        )


def trimmed_mean(losses):
    """The mean without the largest and the smallest tenth of the rows."""
    cut = int(TRIMMED * len(losses))
    return np.sort(losses)[cut : len(losses) - cut].mean(dtype=np.float64)


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
