"""Your own objective: any function of (params, x, eps), where an ELBO is expected."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import autograd.numpy as np

from .checks import check_callable
from .objectives import NegELBO
from .ops import cast, full, mean


@dataclass(frozen=True)
class PlainObjective:
    """A function that is minimized, with the methods that training calls.

    Parameters
    ----------
    function : callable
        ``function(params, x, eps)``, in a conditional model
        ``function(params, x, eps, condition)``. It returns a scalar, or one number per
        example, shape (batch,), whose mean is minimized.
    elbo : NegELBO, optional
        Of the model: its reconstruction and KL parts are reported. Without it they are
        NaN.
    """

    function: Callable
    elbo: NegELBO | None = None

    def given(self, condition):
        """Return the objective for the rows of a batch, as `NegELBO.given` does."""
        if condition is None:
            return self
        of_rows = lambda params, x, eps: self.function(params, x, eps, condition)
        return PlainObjective(of_rows, self.elbo and self.elbo.given(condition))

    def losses(self, params, x, eps):
        """What the function returns, in the dtype of x.

        Raises
        ------
        ValueError
            For another shape than () or (batch,).
        """
        found = self.function(params, x, eps)
        if found is None or np.shape(found) not in ((), (len(x),)):
            got = "None; does it end in a return?" if found is None else f"shape {np.shape(found)}"
            raise ValueError(
                f"the objective should return a scalar, or one number per example, shape "
                f"({len(x)},), got {got}"
            )
        return cast(found, x.dtype) if hasattr(found, "dtype") else found

    def __call__(self, params, x, eps):
        """The loss: a scalar."""
        found = self.losses(params, x, eps)
        return mean(found) if np.ndim(found) else found

    def parts(self, params, x, eps):
        """The loss of each example, and its ELBO's reconstruction and KL parts.

        A scalar is the loss of each example of its batch.
        """
        loss = self.losses(params, x, eps) + full(x, (len(x),), 0.0)
        unknown = loss * np.nan
        return loss, *(self.elbo.parts(params, x, eps)[1:] if self.elbo else (unknown, unknown))

    def intermediates(self, params, x, eps):
        """Arrays on the way to the loss, by name and in order, to find a fault."""
        found = self.elbo.intermediates(params, x, eps) if self.elbo else {}
        return found | {"the objective": self.losses(params, x, eps)}


def as_objective(objective, elbo=None):
    """Return an objective with the methods that training calls.

    Parameters
    ----------
    objective : NegELBO, type or callable
        An objective, which is returned as it is; a class derived from `NegELBO`, which
        gets the networks, terms and settings of ``elbo``; or any function of
        (params, x, eps).
    elbo : NegELBO, optional
        The model's own.

    Returns
    -------
    NegELBO or PlainObjective
    """
    if isinstance(objective, type) and issubclass(objective, NegELBO):
        return objective(**{part.name: getattr(elbo, part.name) for part in fields(NegELBO)})
    if hasattr(objective, "parts"):
        return objective
    return PlainObjective(check_callable("objective", objective), elbo)
