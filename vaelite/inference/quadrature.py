"""log p(x) and p(z|x) of a model with 1 or 2 latents, almost exact, on a grid."""

import numpy as np
from scipy.special import logsumexp

from ..checks import check_count, check_number, warn
from ..data.batches import minibatches
from ..fitting.progress import track
from ..fitting.run import CHUNK_ROWS
from ..models.checks import check_posterior, check_unconditional

TRUSTED = 0.01  # nats that the grids of a quadrature may differ by without a warning
AT_THE_EDGE = 1e-6  # posterior mass at a grid's edge without a warning


class Quadrature:
    """log p(x) and p(z|x) of a model with 1 or 2 latents, from p(x|z) p(z) on a grid.

    Parameters
    ----------
    vae : VAE
        Fitted, with 1 or 2 latents; its decoder may be anything.
    n_nodes : int
        Nodes per latent; an odd number, 5 or more. Their distance should not be above
        the posterior's smallest standard deviation.
    extent : float
        The grid goes from ``-extent`` to ``extent``.

    Attributes
    ----------
    axis : array, shape (n_nodes,)
        The nodes along each latent.

    Notes
    -----
    The trapezoid rule converges faster than any power of the distance for smooth
    densities that vanish at the edges [1]_; the kinks of a relu network leave a
    second-order error.

    References
    ----------
    .. [1] Trefethen & Weideman (2014), The Exponentially Convergent Trapezoidal Rule,
       section 5.

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
        if check_count("n_nodes", n_nodes, minimum=5) % 2 == 0:
            raise ValueError(
                "n_nodes should be odd, so that every second node makes a grid as well, got "
                f"{n_nodes}"
            )
        self.vae, self.n_nodes = vae, n_nodes
        self.extent = check_number("extent", extent, 0)
        self.axis = np.linspace(-extent, extent, n_nodes)

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
            The difference to the result from every second node alone: the error of the
            coarser grid. Where it is small, it is a generous bound of this grid's
            error.

        Warns
        -----
        UserWarning
            If for some row the error is above 0.01, or the posterior reaches the grid's
            edge.
        """
        found = [self._sums(log_joint) for log_joint in self._log_joint(X, progress)]
        value, error, edge = (np.concatenate(parts) for parts in zip(*found, strict=True))
        self._warn(error, edge)
        return value, error

    def _warn(self, error, edge):
        if (error > TRUSTED).any():
            warn(
                f"the grid of {self.n_nodes} nodes per latent is too coarse for "
                f"{np.sum(error > TRUSTED)} of {len(error)} rows (some by {error.max():.2g} nats "
                "or more): raise n_nodes"
            )
        if (edge > AT_THE_EDGE).any():
            warn(
                f"the posterior of {np.sum(edge > AT_THE_EDGE)} of {len(edge)} rows reaches the "
                f"edge of the grid: raise extent above {self.extent:g}"
            )

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
        """
        log_joint = np.concatenate(list(self._log_joint(X)))
        value, error, edge = self._sums(log_joint)
        self._warn(error, edge)
        shape = -1, *[self.n_nodes] * self.vae.latent_dim
        return np.exp(log_joint - value[:, None]).reshape(shape)

    def _sums(self, log_joint):
        """log p(x), its difference to every second node, and the mass at the edge."""
        latent_dim = self.vae.latent_dim
        nodes = np.indices([self.n_nodes] * latent_dim).reshape(latent_dim, -1)
        second = (nodes % 2 == 0).all(axis=0)
        edge = ((nodes == 0) | (nodes == self.n_nodes - 1)).any(axis=0)
        total = logsumexp(log_joint, axis=1)
        log_cell = latent_dim * np.log(self.axis[1] - self.axis[0])
        coarse = logsumexp(log_joint[:, second], axis=1) + latent_dim * np.log(2)
        at_edge = np.exp(logsumexp(log_joint[:, edge], axis=1) - total)
        return total + log_cell, abs(total - coarse), at_edge

    def _log_joint(self, X, progress=False):
        """Yield ``log p(x|z) + log p(z)``, (rows, nodes), for a few rows at a time."""
        objective, params = self.vae.objective(), self.vae.params
        grid = np.meshgrid(*[self.axis] * self.vae.latent_dim, indexing="ij")
        nodes = np.stack(grid, axis=-1).reshape(-1, self.vae.latent_dim)
        batches = self.vae.batches(X, max(1, 10_000 * CHUNK_ROWS // len(nodes)))
        for batch in track(batches, np.shape(X)[0], progress):
            rows = batch.on_host().x
            log_joint, done = np.empty((len(rows), len(nodes))), 0
            for z in minibatches(nodes, CHUNK_ROWS, self.vae.solution.dtype):
                outputs, nlp = objective.decode(params, z), objective.neglogprior(z)
                for row, x in enumerate(rows):
                    x = np.broadcast_to(x, (len(z), len(x)))
                    nll = objective.negloglikelihood(x, *outputs)
                    log_joint[row, done : done + len(z)] = -nll - nlp
                done += len(z)
            yield log_joint
