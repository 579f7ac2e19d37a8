"""Estimates from samples: a value per row, and an interval only if it is honest."""

from dataclasses import dataclass

import numpy as np

from .pareto import FEWEST

NORMAL_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """An estimate for each row. ``print`` shows the mean and its 95 % interval.

    Attributes
    ----------
    value, standard_error : arrays, shape (n,), in nats
    effective_samples : array, shape (n,)
        How many independent samples from the posterior the weighted ones are worth.
    pareto_k : array, shape (n,)
        Pareto k-hat: how heavy the tail is of the numbers whose mean is estimated. NaN
        for fewer than 25 samples.
    n_samples : int
    k_limit : float
        The k-hat up to which a standard error can be trusted. For `log_evidence` it is
        0.7, and less for fewer than 2,200 samples. `elbo` has no limit: under a normal
        q, log weights have light tails.
    """

    value: np.ndarray
    standard_error: np.ndarray
    effective_samples: np.ndarray
    pareto_k: np.ndarray
    n_samples: int
    k_limit: float

    @property
    def is_trusted(self):
        """Which rows have a standard error that means something, (n,) of bool."""
        is_light = (self.k_limit == np.inf) | (self.pareto_k <= self.k_limit)
        are_enough = (self.k_limit == np.inf) | (self.effective_samples >= FEWEST)
        return is_light & are_enough & np.isfinite(self.standard_error)

    @property
    def interval(self):
        """The 95 % interval of the mean over the rows, (low, high).

        None if a row is not trusted: no interval is honest then.
        """
        if not self.is_trusted.all():
            return None
        mean, error = self.value.mean(), np.sqrt(np.sum(self.standard_error**2)) / len(self.value)
        return float(mean - NORMAL_95 * error), float(mean + NORMAL_95 * error)

    @property
    def why_not(self):
        """Why there is no interval, a text; empty if there is one."""
        fewest = 2 if self.k_limit == np.inf else FEWEST
        if self.n_samples < fewest:
            return f"it needs {fewest} samples or more"
        if self.is_trusted.all():
            return ""
        heavy, limit = np.sum(~self.is_trusted), f"Pareto k-hat above {self.k_limit:.2g}"
        return (
            f"{heavy} of {len(self.value)} rows have fewer than {FEWEST} effective samples, or "
            f"weights with a heavy tail ({limit}); raise n_samples"
        )

    def __str__(self):
        n, mean = len(self.value), f"{self.value.mean():.3f}"
        if self.why_not:
            return f"{mean} nats per example (mean over {n}; no interval: {self.why_not})"
        half = (self.interval[1] - self.interval[0]) / 2
        return f"{mean} +- {half:.3f} nats per example (mean over {n}, 95 % interval)"
