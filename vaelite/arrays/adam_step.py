"""One step of Adam for many arrays: the paper's lines, in few passes over the memory.

With ``s = 1 - beta2**t`` and ``step = learning_rate * sqrt(s) / (1 - beta1**t)``, the
paper's ``learning_rate * m_hat / (sqrt(v_hat) + epsilon)`` is
``step * m / (sqrt(v) + epsilon * sqrt(s))``: one division less per element. What stands
below for a GPU, for numba and for NumPy makes the same operations in the same order.
"""

import math

import numpy as np

from .dispatch import elementwise

SMALL = 4096  # elements: arrays of at most so many are updated together
BLOCK = 65_536  # elements: five blocks of this size stay in a core's cache
TINY = 1e-34  # far below what can move a parameter, far above float32's denormal numbers
FLUSH_EVERY = 32  # steps; from TINY a moment cannot decay to a denormal number in so few


def adam_step(params, grads, m, v, t, learning_rate, beta1, beta2, epsilon):
    """Change params, m and v in place: algorithm 1 of Kingma & Ba (2015), step t.

    Parameters
    ----------
    params, grads, m, v : dict of arrays
        By name, of the same shapes; m and v in C order.
    t : int
        From 1.
    learning_rate, beta1, beta2, epsilon : float
    """
    s = math.sqrt(1 - beta2**t)
    step = learning_rate * s / (1 - beta1**t)
    numbers = beta1, 1 - beta1, beta2, 1 - beta2, step, epsilon * s
    for names in _groups(params):
        if len(names) == 1 and params[names[0]].flags.c_contiguous:
            arrays = [table[names[0]].reshape(-1) for table in (grads, params, m, v)]
            _update(arrays[0], *numbers, *arrays[1:])
        else:  # one operation for all: each costs a microsecond of Python, however small
            joined = [
                np.concatenate([table[name].reshape(-1) for name in names])
                for table in (grads, params, m, v)
            ]
            _update(joined[0], *numbers, *joined[1:])
            _write_back(names, joined[1:], (params, m, v))
    if t % FLUSH_EVERY == 0:
        _flush(m, v)


def _groups(params):
    """The names of small arrays of one dtype together, and all others one by one."""
    small = {}
    for name, param in params.items():
        small.setdefault(param.dtype if param.size <= SMALL else name, []).append(name)
    return small.values()


def _write_back(names, joined, tables):
    start = 0
    for name in names:
        shape, stop = tables[0][name].shape, start + tables[0][name].size
        for vector, table in zip(joined, tables, strict=True):
            table[name][...] = vector[start:stop].reshape(shape)
        start = stop


def _flush(m, v):
    """Set moments close to 0 to 0: denormal numbers make every later step slow."""
    for moment in (*m.values(), *v.values()):
        if moment.dtype == np.float32:
            moment *= abs(moment) > TINY


def _loop(g, beta1, rest1, beta2, rest2, step, epsilon, p, m, v):
    for i in range(p.size):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * (g[i] * g[i])
        p[i] -= m[i] / (np.sqrt(v[i]) + epsilon) * step


@elementwise(
    "T g, float64 beta1, float64 rest1, float64 beta2, float64 rest2, float64 step, "
    "float64 epsilon",
    "T p, T m, T v",
    """
    m = (T)beta1 * m + (T)rest1 * g;
    v = (T)beta2 * v + (T)rest2 * (g * g);
    p -= m / (sqrt(v) + (T)epsilon) * (T)step;
    """,
    loop=_loop,
)
def _update(g, beta1, rest1, beta2, rest2, step, epsilon, p, m, v):
    for start in range(0, p.size, BLOCK):
        block = slice(start, start + BLOCK)
        gb, pb, mb, vb = g[block], p[block], m[block], v[block]
        change = rest1 * gb
        mb *= beta1
        mb += change
        np.multiply(gb, gb, out=change)
        change *= rest2
        vb *= beta2
        vb += change
        np.sqrt(vb, out=change)
        change += epsilon
        np.divide(mb, change, out=change)
        change *= step
        pb -= change
