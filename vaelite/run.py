"""What a fit is made of: everything that it takes from its seed, and its callbacks."""

from dataclasses import replace
from functools import partial
from itertools import islice

from . import trainer
from .adam import Adam
from .backend import to_host
from .rehearsal import rehearse
from .streams import CHECK, NOISE, SHUFFLE, generator

CHUNK_ROWS = 1000  # rows that go through the networks at a time: bounds the memory


class Run:
    """What a fit takes from its seed: the objective, batches and evaluations of every epoch."""

    def __init__(self, model, objective, seed, batch_size, samples, warmup, steps):
        self.model, self.final, self.seed = model, objective, seed
        self.batch_size, self.samples, self.warmup, self.steps = batch_size, samples, warmup, steps

    def objective(self, epoch):
        """The epoch's objective: with warm-up its KL weight is still on its way."""
        share = min(1, epoch / self.warmup) if self.warmup else 1
        return replace(self.final, beta=self.final.beta * share)

    def batches(self, X, epoch):
        """The epoch's shuffled batches and their noise."""
        noise = partial(generator, self.seed, NOISE, epoch)
        return islice(self._noisy(X, self.batch_size, noise, generator(self.seed, SHUFFLE, epoch)), self.steps)

    def evaluation(self, X, stream, fresh_noise=False):
        """A function of (params, epoch) that evaluates the rows of X, with the same noise in every epoch or not."""
        rows = max(1, CHUNK_ROWS // self.samples)

        def evaluate(params, epoch):
            rng = generator(self.seed, stream, epoch if fresh_noise else 0)
            return trainer.evaluate(self.final, params, self._noisy(X, rows, lambda batch: rng))

        return evaluate

    def rehearse(self, X):
        """Try the terms on a few rows, as many as no other axis is long."""
        rows = next(n for n in (3, 4, 5) if n not in (X.shape[1], self.model.latent_dim))
        x, eps = next(self._noisy(X, rows, lambda batch: generator(self.seed, CHECK)))
        rehearse(self.final, self.rehearsal(x), x, eps)

    def rehearsal(self, x):
        """The parameters to try the terms with, for the first rows x."""
        return self.model.params

    def optimizer(self, learning_rate):
        """What changes the parameters, by their gradient."""
        return Adam(learning_rate)

    def _noisy(self, X, rows, noise, shuffle=None):
        batches = self.model._noisy_batches(X, rows, noise, shuffle, dtype=self.model._dtype(), samples=self.samples)
        to_device = self.model.backend.to_device
        return ((to_device(x), to_device(eps)) for x, eps in batches)


class Bound:
    """A user's callback, called with the model as it stands in the midst of training."""

    def __init__(self, callback, model):
        self.callback, self.model = callback, model

    def __call__(self, state):
        return self._tell(self.callback, state)

    def on_iteration(self, state):
        self._tell(getattr(self.callback, "on_iteration", None), state)

    def on_end(self, state):
        self._tell(getattr(self.callback, "on_end", None), state)

    def _tell(self, listener, state):
        if listener is not None:
            vars(self.model).update(
                params={name: to_host(array) for name, array in state.params.items()},
                history=state.history, log=state.log, n_epochs=state.epoch, best_epoch=state.best_epoch,
                converged=False, stop_reason="still training",
            )  # fmt: skip
            return listener(self.model, state)
        return None
