"""log p(x) and p(z|x) of a model with 1 or 2 latents, almost exact, by quadrature."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp, roots_legendre

from ..checks import check_count, check_number, warn
from ..data.batches import minibatches
from ..fit.plan import CHUNK_ROWS
from ..fit.progress import track
from ..models.checks import check_posterior, check_unconditional

TRUSTED = 0.01  # nats that a row's error may be without a warning
GOAL = 1e-4  # nats: a sum of errors of all cells that needs no smaller cells
RULES = 5, 4  # Gauss-Legendre nodes per cell and latent: the result, and its check
STEEP = 40  # nats that log p(x, z) may vary in a cell: a narrower mode could hide
NEGLIGIBLE = 25  # nats below log p(x): what a cell may hide without being divided
MOST_CELLS = 20_000  # per row, besides those of the first rule


class Quadrature:
    """log p(x) and p(z|x) of a model with 1 or 2 latents, from p(x|z) p(z).

    Parameters
    ----------
    vae : VAE
        Fitted, with 1 or 2 latents; its decoder may be anything.
    n_nodes : int
        Nodes per latent, 5 or more: of the grid of `posterior`, and about as many of
        the first rule of `log_evidence`, before cells are divided.
    extent : float
        The integral goes from ``-extent`` to ``extent``.

    Attributes
    ----------
    axis : array, shape (n_nodes,)
        The nodes of `posterior` along each latent.

    Notes
    -----
    `log_evidence` divides the square of all codes into cells, with a Gauss-Legendre
    rule in each. A cell is divided in halves along each latent while a rule with other
    nodes disagrees, or while log p(x, z) is so steep in it that a mode could be between
    the nodes [1]_. All numbers are float64, also for a model in float32.

    References
    ----------
    .. [1] Genz & Malik (1980), Remarks on Algorithm 006: An Adaptive Algorithm for
       Numerical Integration over an N-dimensional Rectangular Region.

    Examples
    --------
    >>> import vaelite
    >>> X, y = vaelite.load_digits()
    >>> vae = vaelite.fit(X, hidden_dim=32, max_epochs=5, stopping="epochs", rng=0)
    >>> value, error = vaelite.Quadrature(vae, n_nodes=101).log_evidence(X[:3])
    >>> bool((error < 0.01).all())
    True
    """

    def __init__(self, vae, n_nodes=201, extent=6.0):
        check_posterior(vae)
        check_unconditional(vae, "Quadrature")
        if vae.latent_dim > 2:
            raise ValueError(
                f"quadrature is for 1 or 2 latents, the model has {vae.latent_dim}: use "
                "log_evidence"
            )
        self.vae, self.n_nodes = vae, check_count("n_nodes", n_nodes, minimum=5)
        self.extent = check_number("extent", extent, 0)
        self.axis = np.linspace(-extent, extent, n_nodes)
        self._params = {name: array.astype(np.float64) for name, array in vae.params.items()}

    def log_evidence(self, X, progress=False):
        """``log p(x)`` of each row.

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        progress : {False, True, "lines", "bar"}
            As for the function `log_evidence`.

        Returns
        -------
        value : array, shape (n,), in nats
        error : array, shape (n,), in nats
            The sum over all cells of the difference of two rules with different nodes,
            plus the mass of the cells at the edge, because as much may be outside.

        Warns
        -----
        UserWarning
            If the error of a row is above 0.01.
        """
        first, found = self._first_cells(), []
        z = _nodes(*first, self.vae.latent_dim)
        for x, log_joint in self._log_joints(X, z, progress):
            cells = _integrate(log_joint, *first)
            cells = cells._replace(log_error=cells.log_integral)  # none has been compared
            found.append(self._evidence(cells, lambda z, x=x: self._log_joint(x[None], z)))
        value, error, edge = np.array(found).reshape(-1, 3).T
        self._warn(error, edge)
        return value, error

    def posterior(self, X):
        """The exact posterior p(z|x) on the grid.

        Parameters
        ----------
        X : array-like, shape (n, n_features)

        Returns
        -------
        array, shape (n, n_nodes) or (n, n_nodes, n_nodes)
            Densities, which sum to 1 times the cell's size; the second axis is the
            first latent.

        Warns
        -----
        UserWarning
            If the grid's sum is not p(x): the distance of nodes should not be above the
            posterior's smallest standard deviation.
        """
        latent_dim = self.vae.latent_dim
        grid = np.meshgrid(*[self.axis] * latent_dim, indexing="ij")
        nodes = np.stack(grid, axis=-1).reshape(-1, latent_dim)
        log_joint = np.array([row for _, row in self._log_joints(X, nodes)])
        value = logsumexp(log_joint, axis=1, keepdims=True)
        log_cell = latent_dim * np.log(self.axis[1] - self.axis[0])
        wrong = np.abs(value[:, 0] + log_cell - self.log_evidence(X)[0])
        if (wrong > TRUSTED).any():
            warn(
                f"the grid of {self.n_nodes} nodes per latent is too coarse for "
                f"{np.sum(wrong > TRUSTED)} of {len(wrong)} rows (log p(x) is wrong by up to "
                f"{wrong.max():.2g} nats): raise n_nodes"
            )
        density = np.exp(log_joint - value - log_cell)
        return density.reshape(-1, *[self.n_nodes] * latent_dim)

    def _first_cells(self):
        """Centers, (m, latent_dim), and half widths, (m,), of cells of one size."""
        number = -(-self.n_nodes // RULES[0])
        half = self.extent / number
        axis = half * (2 * np.arange(number) + 1) - self.extent
        grid = np.meshgrid(*[axis] * self.vae.latent_dim, indexing="ij")
        centers = np.stack(grid, axis=-1).reshape(-1, self.vae.latent_dim)
        return centers, np.full(len(centers), half)

    def _evidence(self, cells, log_joint):
        """log p(x) of one row, its error, and the mass of cells at the edge."""
        most = len(cells.half) + MOST_CELLS
        while True:
            log_total = logsumexp(cells.log_integral)
            with np.errstate(over="ignore"):  # a mode may be at a node of one rule only
                errors = np.exp(cells.log_error - log_total)
            hides = cells.log_hidden > log_total - NEGLIGIBLE
            divide = hides & (cells.range > STEEP)
            if errors.sum() > GOAL:
                divide |= errors > GOAL / 100
            if not divide.any() or len(cells.half) >= most:
                break
            smaller = _halves(cells.center[divide], cells.half[divide])
            values = log_joint(_nodes(*smaller, self.vae.latent_dim))
            smaller = _compared(_integrate(values, *smaller), cells.log_integral[divide])
            cells = _Cells(*map(np.concatenate, zip(cells.only(~divide), smaller, strict=True)))
        reach = np.abs(cells.center) + cells.half[:, None]
        at_edge = (reach > self.extent * (1 - 1e-9)).any(axis=1)
        edge = np.exp(logsumexp(cells.log_integral, b=at_edge) - log_total)
        with np.errstate(over="ignore"):
            hidden = np.exp(cells.log_hidden[divide] - log_total).sum()
        return log_total, errors.sum() + edge + hidden, edge

    def _warn(self, error, edge):
        if (edge > TRUSTED).any():
            warn(
                f"the posterior of {np.sum(edge > TRUSTED)} of {len(edge)} rows reaches the "
                f"edge: raise extent above {self.extent:g}"
            )
        rough = (error > TRUSTED) & (edge <= TRUSTED)
        if rough.any():
            warn(
                f"quadrature needs too many cells for {np.sum(rough)} of {len(error)} rows; their "
                f"log p(x) may be wrong by up to {error[rough].max():.2g} nats: raise n_nodes"
            )

    def _log_joints(self, X, z, progress=False):
        """Yield x and ``log p(x, z)`` at all z, for each row."""
        batches = self.vae.batches(X, max(1, 10_000 * CHUNK_ROWS // len(z)))
        for batch in track(batches, np.shape(X)[0], progress):
            rows = np.asarray(batch.on_host().x, np.float64)
            yield from zip(rows, self._log_joint(rows, z), strict=True)

    def _log_joint(self, rows, z):
        """``log p(x, z)`` of some rows at all z, (rows, len(z))."""
        objective = self.vae.loss()
        log_joint, done = np.empty((len(rows), len(z))), 0
        for part in minibatches(z, CHUNK_ROWS, np.float64):
            outputs = objective.decode(self._params, part)
            nlp = objective.neglogprior(part, *objective.prior(self._params))
            for row, x in enumerate(rows):
                nll = objective.negloglikelihood(np.broadcast_to(x, (len(part), len(x))), *outputs)
                log_joint[row, done : done + len(part)] = -nll - nlp
            done += len(part)
        return log_joint


class _Cells(NamedTuple):
    """Squares, or intervals, of codes; the logs of what is in them."""

    center: np.ndarray  # (m, latent_dim)
    half: np.ndarray  # half their width, (m,)
    log_integral: np.ndarray
    log_error: np.ndarray  # of the difference of the two rules
    log_hidden: np.ndarray  # what a mode between the nodes might add
    range: np.ndarray  # of log p(x, z) over the nodes

    def only(self, which):
        return _Cells(*(array[which] for array in self))


def _rule(latent_dim):
    """The nodes of both rules between -1 and 1, and the logs of their weights."""
    nodes, log_weights = [], []
    for axis, weights in map(roots_legendre, RULES):
        grid = np.meshgrid(*[axis] * latent_dim, indexing="ij")
        nodes.append(np.stack(grid, axis=-1).reshape(-1, latent_dim))
        grid = np.meshgrid(*[np.log(weights)] * latent_dim, indexing="ij")
        log_weights.append(np.sum(grid, axis=0).ravel())
    return nodes, log_weights


def _nodes(center, half, latent_dim):
    """The nodes of both rules in all cells, (m * nodes, latent_dim)."""
    unit = np.concatenate(_rule(latent_dim)[0])
    return (center[:, None] + half[:, None, None] * unit).reshape(-1, latent_dim)


def _integrate(log_joint, center, half):
    """What is in each cell, from log p(x, z) at its nodes."""
    latent_dim = center.shape[1]
    log_weights = _rule(latent_dim)[1]
    log_joint = log_joint.reshape(len(center), -1)
    log_half, size = latent_dim * np.log(half), len(log_weights[0])
    fine = logsumexp(log_joint[:, :size] + log_weights[0], axis=1) + log_half
    check = logsumexp(log_joint[:, size:] + log_weights[1], axis=1) + log_half
    log_error = _log_difference(fine, check)
    top, bottom = log_joint.max(axis=1), log_joint.min(axis=1)
    # A parabola with its top between the nodes rises above them by less than its range.
    log_hidden = 2 * top - bottom + log_half + latent_dim * np.log(2)
    return _Cells(center, half, fine, log_error, log_hidden, top - bottom)


def _compared(cells, log_integral):
    """The parts of divided cells; their errors with what the division has changed."""
    parts = cells.log_integral.reshape(len(log_integral), -1)
    n = parts.shape[1]
    changed = _log_difference(logsumexp(parts, axis=1), log_integral) - np.log(n)
    return cells._replace(log_error=np.maximum(cells.log_error, np.repeat(changed, n)))


def _log_difference(a, b):
    """``log |exp(a) - exp(b)|``."""
    with np.errstate(divide="ignore"):
        return np.maximum(a, b) + np.log(-np.expm1(-np.abs(a - b)))


def _halves(center, half):
    """The cells divided in halves along each latent."""
    latent_dim = center.shape[1]
    signs = np.stack(np.meshgrid(*[[-0.5, 0.5]] * latent_dim), axis=-1).reshape(-1, latent_dim)
    smaller = center[:, None] + half[:, None, None] * signs
    return smaller.reshape(-1, latent_dim), np.repeat(half / 2, len(signs))
