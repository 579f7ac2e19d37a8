"""Adam as in the paper, for named arrays and their gradients."""

import copy

import numpy as np

from .arrays.adam_step import adam_step
from .checks import check_number


class Adam:
    """Adaptive moment estimation, in place.

    Parameters
    ----------
    learning_rate : float
        About the largest change of a parameter in one step.
    beta1, beta2 : float
        Decay per step of the means of the gradient and of its square.
    epsilon : float
        Keeps the division defined where the gradient has been 0 throughout.
    weight_decay : float
        Before each step, the weights (arrays with two axes or more, so no biases) are
        multiplied by ``1 - learning_rate * weight_decay``.

    Attributes
    ----------
    t : int
        Steps taken.
    m, v : dict
        The moments by name: decaying means of the gradient and of its square.

    Notes
    -----
    Algorithm 1, with the gradient g of each array ``param``::

        t = t + 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        param = param - learning_rate * m_hat / (sqrt(v_hat) + epsilon)

    References
    ----------
    Kingma & Ba (2015), Adam: A Method for Stochastic Optimization, algorithm 1;
    Loshchilov & Hutter (2019), Decoupled Weight Decay Regularization, algorithm 2.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> vaelite.Adam(learning_rate=0.1).update(params, {"w": np.array([5.0, -0.01])})
    >>> params["w"].round(6)  # the first step has the size of the learning rate
    array([0.9, 2.1])
    """

    def __init__(self, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0):
        self.learning_rate = check_number("learning_rate", learning_rate, 0, low_included=True)
        self.beta1 = check_number("beta1", beta1, 0, 1, low_included=True)
        self.beta2 = check_number("beta2", beta2, 0, 1, low_included=True)
        self.epsilon = check_number("epsilon", epsilon, 0, low_included=True)
        self.weight_decay = check_number("weight_decay", weight_decay, 0, low_included=True)
        self.t, self.m, self.v = 0, {}, {}

    def update(self, params, grads):
        """Take one step, in place: move each array of params against its gradient.

        Parameters
        ----------
        params, grads : dict of arrays
            By name, of the same shapes, and in any order in memory.

        Raises
        ------
        ValueError
            If a gradient has another shape than its array; then nothing changes.
        """
        _check_shapes(params, grads)
        self.t += 1
        for name, param in params.items():
            if name not in self.m:
                self.m[name] = np.zeros_like(param, order="C")
                self.v[name] = np.zeros_like(param, order="C")
            if self.weight_decay and param.ndim > 1:
                param *= 1 - self.learning_rate * self.weight_decay
        # The lines of algorithm 1 for all arrays, in few passes over the memory.
        numbers = self.t, self.learning_rate, self.beta1, self.beta2, self.epsilon
        adam_step(params, grads, self.m, self.v, *numbers)

    def state_dict(self):
        """Return all that a step depends on: numbers, and dicts of arrays."""
        return dict(vars(self))

    def load_state_dict(self, state):
        """Continue from what `state_dict` returned, with copies of its arrays."""
        if state.keys() != vars(self).keys():
            raise ValueError(
                f"the state should have {', '.join(vars(self))}, got {', '.join(state)}"
            )
        vars(self).update(copy.deepcopy(state))


def _check_shapes(params, grads):
    for name, param in params.items():
        if name not in grads:
            raise ValueError(
                f"there is no gradient of {name}: grads should have the names of params"
            )
        if grads[name].shape != param.shape:
            raise ValueError(
                f"the gradient of {name} has shape {grads[name].shape}, expected {param.shape}"
            )
