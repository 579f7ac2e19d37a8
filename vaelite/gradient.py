"""autograd: formulas with their own derivatives, and the gradient of an objective.

The gradient is with respect to many named arrays at once. With ``autograd.grad`` of a
function of a dict, each look-up in the dict is an operation on the tape, whose
derivative is a whole dict of zeros. Here each array is a root of the tape by itself, so
a look-up costs nothing. The rest is plain autograd.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from autograd.core import VJPNode, add_outgrads, vspace
from autograd.extend import notrace_primitive, primitive
from autograd.tracer import isbox, new_box, toposort, trace_stack

from .checks import check_callable, typed


def differentiable(function):
    """Decorate with autograd's ``primitive``; help() still shows the signature."""
    return _described(function, primitive(function))


def constant(function):
    """As `differentiable`, for a function whose result has a derivative of 0."""
    return _described(function, notrace_primitive(function))


def _described(function, traced):
    traced.__module__, traced.__qualname__ = function.__module__, function.__qualname__
    traced.__signature__ = inspect.signature(function)
    return traced


class NoDependence(TypeError):
    """The result depends on none of the parameters."""


def value_and_grad(objective: Callable) -> Callable[..., tuple[Any, dict[str, Any]]]:
    """Return a function that computes an objective's value and its gradient.

    Parameters
    ----------
    objective : callable
        ``objective(params, *args)``, a scalar. ``params`` is a mapping from names to
        float arrays.

    Returns
    -------
    callable
        ``(params, *args) -> (value, grads)``. ``grads`` is a dict like ``params``, each
        gradient in its array's dtype. An array that the value does not depend on has a
        gradient of zeros.

    Raises
    ------
    TypeError
        (from the returned function) if the parameters are not named arrays of floats;
        or if the value depends on none of them: somewhere the computation left
        autograd.
    ValueError
        (from the returned function) if the value is not a scalar.

    Examples
    --------
    >>> import numpy as np, vaelite
    >>> def objective(params, x):
    ...     return vaelite.ops.mean(vaelite.negloglikelihood(x, params["mu"], 0.0))
    >>> gradient = vaelite.value_and_grad(objective)
    >>> value, grads = gradient({"mu": np.array([[1.0, 2.0]])}, np.zeros((1, 2)))
    >>> grads["mu"]
    array([[1., 2.]])
    """

    check_callable("objective", objective)

    def gradient(params, *args):
        _check_params(params)
        roots = {name: VJPNode.new_root() for name in params}
        with trace_stack.new_trace() as trace:
            boxes = {name: new_box(params[name], trace, root) for name, root in roots.items()}
            end = objective(boxes, *args)
        _check_depends(end, trace)
        if np.shape(end._value) != ():
            shape = np.shape(end._value)
            raise ValueError(f"the objective should be a scalar, got an array of shape {shape}")
        grads, reached = {}, _backward(end)
        for name, array in params.items():
            grad = reached.get(roots[name])
            is_there = grad is not None
            grads[name] = grad.astype(array.dtype, copy=False) if is_there else np.zeros_like(array)
        return end._value, grads

    return gradient


def _check_params(params):
    if not callable(getattr(params, "items", None)):  # a box of autograd is not a Mapping
        raise TypeError(
            f"the parameters should be a dict of named arrays, such as {{'w': np.zeros(3)}}, got "
            f"{typed(params)}"
        )
    for name, array in params.items():
        if getattr(getattr(array, "dtype", None), "kind", None) != "f":
            raise TypeError(
                f"the parameter {name!r} should be an array of floats, such as np.zeros(3), got "
                f"{typed(array)}"
            )


def dependencies(objective, params, *args):
    """Return the names of the arrays that ``objective(params, *args)`` depends on."""
    roots = {name: VJPNode.new_root() for name in params}
    with trace_stack.new_trace() as trace:
        end = objective({k: new_box(a, trace, roots[k]) for k, a in params.items()}, *args)
    _check_depends(end, trace)
    nodes = set(toposort(end._node))
    return {name for name, root in roots.items() if root in nodes}


def _check_depends(end, trace):
    if not (isbox(end) and end._trace == trace):
        raise NoDependence(
            "the objective depends on none of its parameters; write it with autograd.numpy "
            "(import autograd.numpy as np) and without float(), .item() or assignment into arrays"
        )


def _backward(end):
    """Walk the tape from its end; return the gradients of the roots reached."""
    waiting, reached = {end._node: (vspace(end._value).ones(), False)}, {}
    for node in toposort(end._node):
        outgrad, _ = waiting.pop(node)
        if not node.parents:
            reached[node] = outgrad
        for parent, ingrad in zip(node.parents, node.vjp(outgrad)):  # noqa: B905 (a root's vjp gives ())
            waiting[parent] = add_outgrads(waiting.get(parent), ingrad)
    return reached
