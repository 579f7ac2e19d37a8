"""What every model with a q(z|x) can do: encode, reconstruct, and score by its ELBO."""

import math

import numpy as np

from .. import training
from ..arrays.streams import Stream, sampling_generator
from ..checks import check_flag
from .base import LatentModel


class VariationalModel(LatentModel):
    """A latent-variable model with a q(z|x), and so with an ELBO: a base class."""

    def encode(self, X, *, condition=None):
        """Return the parameters of q(z|x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        condition : array-like, shape (n, n_conditions) or (n_conditions,), optional
            For a model that was fitted with one; a single row is used for all.

        Returns
        -------
        mu, logsigma : arrays, shape (n, latent_dim)

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If X has other columns than the data of the fit.
        """
        batches, objective = self.batches(X, condition=condition), self.objective()

        def q(params, batch):
            return objective.given(batch.condition).encode(params, batch.x)

        return self._by_chunks(q, batches)

    def codes(self, X, *, condition=None):
        """Return the mean of q(z|x) for each row, shape (n, latent_dim)."""
        return self.encode(X, condition=condition)[0]

    def reconstruct(self, X, *, sample=False, rng=None, condition=None):
        """Encode and decode: E[x|z] at the mean code, or at a code drawn from q(z|x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        sample : bool
            Draw the code from q(z|x).
        rng : None, int, SeedSequence or Generator
            For the draw.
        condition : optional
            As for `encode`.

        Returns
        -------
        array, shape (n, n_features)
        """
        if not check_flag("sample", sample) and rng is not None:
            raise ValueError("rng is for a code drawn from q(z|x): pass sample=True as well")
        z, logsigma = self.encode(X, condition=condition)
        if sample:
            noise = sampling_generator(rng, Stream.RECONSTRUCT)
            eps = noise.standard_normal(z.shape, dtype=z.dtype)
            z = self.objective().reparameterize(z, logsigma, eps)
        return self.likelihood.expectation(*self.decode(z, condition=condition))

    def score_samples(self, X, rng=0, *, condition=None):
        """Return the ELBO of each row: on average, a lower bound of log p(x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : int, SeedSequence, Generator or None
            For the one code per row; by default the same noise in every call, so that
            scores can be compared.
        condition : optional
            As for `encode`.

        Returns
        -------
        array, shape (n,)
            In nats, with all constants.
        """
        noise = sampling_generator(rng, Stream.SCORE)
        batches = self.noisy_batches(X, noise, condition=condition)
        return -training.evaluate(self.objective(), self.device_params(), batches)[0]

    def score(self, X, rng=0, *, condition=None):
        """Return the mean of `score_samples`, a float, in nats per example."""
        return float(self.score_samples(X, rng, condition=condition).mean(dtype=np.float64))

    def bits_per_dim(self, X, rng=0, *, condition=None):
        """Return minus `score` in bits per feature: ``-score / (n_features * log(2))``.

        For `Categorical` these are bits of compression; a decoder that has learned
        nothing needs ``log2(levels)``. For `Gaussian`, p(x|z) is a density: the value
        depends on the unit of the data and may be negative.
        """
        return -self.score(X, rng, condition=condition) / (self.n_features * math.log(2))
