"""What every model with a q(z|x) can do: encode, reconstruct, and score by its ELBO."""

import math
from dataclasses import replace

import numpy as np

from ..arrays.streams import Stream, sampling_generator
from ..checks import check_flag, check_pairs
from ..fit.types import Array, Seed
from .trained import TrainedModel


class VariationalModel(TrainedModel):
    """A latent-variable model with a q(z|x), and so with an ELBO: a base class."""

    def encode(self, X, *, condition=None) -> tuple[Array, Array]:
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

    def codes(self, X, *, condition=None) -> Array:
        """Return the mean of q(z|x) for each row, shape (n, latent_dim)."""
        return self.encode(X, condition=condition)[0]

    def reconstruct(self, X, *, sample=False, rng: Seed = None, condition=None) -> Array:
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

    def score_samples(
        self, X, rng: Seed = 0, *, n_samples: int | None = None, condition=None
    ) -> Array:
        """Return the ELBO of each row: on average, a lower bound of log p(x).

        Parameters
        ----------
        X : array-like, shape (n, n_features)
        rng : int, SeedSequence, Generator or None
            For the codes; by default the same noise in every call, so that scores can
            be compared.
        n_samples : int, optional
            None draws one code per row, with other noise for each row. An even number
            takes the mean over that many codes, with the same noise for every row, in
            pairs of eps and -eps. Then the score of a row does not depend on its
            position or on the other rows, and it has less noise.
        condition : optional
            As for `encode`.

        Returns
        -------
        array, shape (n,)
            In nats, with all constants.

        Notes
        -----
        With ``n_samples`` the errors of the rows are not independent. They are smaller,
        also in the mean over the rows, but the spread over rows does not show their
        size. `vaelite.elbo` returns a mean with its standard error.
        """
        objective, to_device = self.objective(), self.backend.to_device
        draws = self._draws(sampling_generator(rng, Stream.SCORE), n_samples)

        def elbo(params, batch):
            given = objective.given(batch.condition)
            q = given.encode(params, batch.x)
            of_q = replace(given, encode=lambda params, x: q)
            losses = [of_q.parts(params, batch.x, to_device(e))[0] for e in draws(len(batch.x))]
            return (-sum(losses) / len(losses),)

        return self._by_chunks(elbo, self.batches(X, condition=condition))[0]

    def _draws(self, noise, n_samples):
        """A function of a number of rows: their noise, (samples, rows, latent_dim)."""
        dtype, K = self.solution.dtype, self.latent_dim
        if n_samples is None:
            return lambda rows: noise.standard_normal((1, rows, K), dtype=dtype)
        half = noise.standard_normal((check_pairs("n_samples", n_samples) // 2, 1, K), dtype=dtype)
        eps = np.concatenate([half, -half])
        return lambda rows: np.repeat(eps, rows, axis=1)

    def score(self, X, rng: Seed = 0, *, n_samples: int | None = None, condition=None) -> float:
        """Return the mean of `score_samples`, a float, in nats per example."""
        scores = self.score_samples(X, rng, n_samples=n_samples, condition=condition)
        return float(scores.mean(dtype=np.float64))

    def bits_per_dim(self, X, rng: Seed = 0, *, condition=None) -> float:
        """Return minus `score` in bits per feature: ``-score / (n_features * log(2))``.

        For `Categorical` these are bits of compression; a decoder that has learned
        nothing needs ``log2(levels)``. For `Gaussian`, p(x|z) is a density: the value
        depends on the unit of the data and may be negative.
        """
        return -self.score(X, rng, condition=condition) / (self.n_features * math.log(2))
