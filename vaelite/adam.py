"""Adam, for named arrays and their gradients; it does not depend on models."""

import math

import numpy as np

from .arrays.dispatch import elementwise
from .checks import check_number

SMALL = 4096  # elements: arrays of at most so many are updated together
BLOCK = 65_536  # elements: five blocks of this size stay in a core's cache
TINY = 1e-30  # far below what can move a parameter, far above float32's denormal numbers
FLUSH_EVERY = 32  # steps; from TINY a moment cannot decay to a denormal number in so few


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
        The moments by name, as sums with decaying weights. The bias-corrected mean of
        the gradient is ``m / (1 - beta1**t) * (1 - beta1)``; likewise ``v`` for its
        square.

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
        # These two numbers hold the textbook's weights (1 - beta) and bias corrections.
        scale_m = (1 - self.beta1) / (1 - self.beta1**self.t)
        scale_v = math.sqrt((1 - self.beta2) / (1 - self.beta2**self.t))
        step_size, epsilon = self.learning_rate * scale_m / scale_v, self.epsilon / scale_v
        numbers = self.beta1, self.beta2, step_size, epsilon
        for names in _groups(params):
            for name in names:
                self._prepare(name, params[name])
            changed = [[table[name] for name in names] for table in (params, self.m, self.v)]
            g, p, m, v = map(_join, ([grads[name] for name in names], *changed))
            _update(g, *numbers, p, m, v)
            for arrays, joined in zip(changed, (p, m, v), strict=True):
                _split(joined, arrays)

    def _prepare(self, name, param):
        """Create the moments; decay the weights; flush moments close to 0."""
        if name not in self.m:
            self.m[name], self.v[name] = (np.zeros_like(param, order="C") for _ in "mv")
        if self.weight_decay and param.ndim > 1:
            param *= 1 - self.learning_rate * self.weight_decay
        if self.t % FLUSH_EVERY == 0 and param.dtype == np.float32:
            for moment in self.m[name], self.v[name]:
                moment *= abs(moment) > TINY  # denormal numbers make every later step slow


def _groups(params):
    """The names of small arrays of one dtype together, and all others one by one.

    Each operation on an array costs a microsecond of Python, however small the array.
    """
    small = {}
    for name, param in params.items():
        if param.size > SMALL:
            yield [name]
        else:
            small.setdefault(param.dtype, []).append(name)
    yield from small.values()


def _join(arrays):
    """The elements of several arrays as one vector; of one array without a copy."""
    flat = [array.reshape(-1) for array in arrays]
    return flat[0] if len(flat) == 1 else np.concatenate(flat)


def _split(joined, arrays):
    """Write the elements of a vector back, unless it shares them with its one array."""
    if len(arrays) == 1 and arrays[0].flags.c_contiguous:
        return
    start = 0
    for array in arrays:
        array[...] = joined[start : start + array.size].reshape(array.shape)
        start += array.size


def _check_shapes(params, grads):
    if missing := ", ".join(name for name in params if name not in grads):
        raise ValueError(
            f"there is no gradient of {missing}: grads should have the names of params"
        )
    for name, param in params.items():
        if grads[name].shape != param.shape:
            raise ValueError(
                f"the gradient of {name} has shape {grads[name].shape}, expected {param.shape}"
            )


# The same three lines for a GPU, for numba, and for NumPy.


def _loop(g, beta1, beta2, step_size, epsilon, p, m, v):
    for i in range(p.size):
        m[i] = beta1 * m[i] + g[i]
        v[i] = beta2 * v[i] + g[i] * g[i]
        p[i] -= m[i] / (np.sqrt(v[i]) + epsilon) * step_size


@elementwise(
    "T g, float64 beta1, float64 beta2, float64 step_size, float64 epsilon",
    "T p, T m, T v",
    """
    m = (T)beta1 * m + g;
    v = (T)beta2 * v + g * g;
    p -= m / (sqrt(v) + (T)epsilon) * (T)step_size;
    """,
    loop=_loop,
)
def _update(g, beta1, beta2, step_size, epsilon, p, m, v):
    for start in range(0, p.size, BLOCK):
        block = slice(start, start + BLOCK)
        parts = p[block], m[block], v[block]
        _update_block(g[block], beta1, beta2, step_size, epsilon, *parts)


def _update_block(g, beta1, beta2, step_size, epsilon, p, m, v):
    m *= beta1
    m += g
    change = g * g
    v *= beta2
    v += change
    np.sqrt(v, out=change)
    change += epsilon
    np.divide(m, change, out=change)
    change *= step_size
    p -= change
