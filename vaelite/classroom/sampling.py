"""The verdict on a function that generates images: a spy sees where codes come from."""

from dataclasses import dataclass, field

import numpy as np

from .answers import Answer, Fault, as_numbers
from .loops import DEVIATIONS, judged
from .verdict import Verdict

N_DATA, N_FEATURES, LATENT_DIM, N_SAMPLES = 50, 7, 3, 400
FAR = 5.0  # the mean of the codes of the data: no sample of N(0, I) is there
MOST_CALLS = 4 * N_SAMPLES


@dataclass
class SamplingSpy:
    """An encoder and a decoder, and a record of their calls.

    Attributes
    ----------
    weights : array, shape (latent_dim, n_features)
        Of the decoder, which is linear.
    encoded : int
        How often the encoder was called.
    codes : list of arrays
        What the decoder was called with.
    """

    weights: np.ndarray
    encoded: int = 0
    codes: list = field(default_factory=list)

    def encode(self, x):
        """Return mean and logsigma of codes far from the prior."""
        self.encoded += 1
        x = as_numbers(x)
        if self.encoded > MOST_CALLS or x.ndim != 2 or x.shape[1] != N_FEATURES:
            raise Fault("wrong shape", f"encode was called with an array of shape {x.shape}.")
        mu = FAR + x[:, :LATENT_DIM]
        return mu, np.full_like(mu, -1.0)

    def decode(self, z):
        """Return images."""
        z = as_numbers(z)
        if len(self.codes) > MOST_CALLS or z.ndim != 2 or z.shape[1] != LATENT_DIM:
            raise Fault(
                "wrong shape",
                f"decode was called with an array of shape {z.shape}: for b codes it should be "
                f"(b, {LATENT_DIM}).",
            )
        self.codes.append(z)
        return z @ self.weights


def verdict_on_samples(function, seed):
    """Call a generating function twice, with a spy as the model, and judge it."""
    rng = np.random.default_rng(seed)
    data, weights = rng.random((N_DATA, N_FEATURES)), rng.normal(size=(LATENT_DIM, N_FEATURES))
    first, second = SamplingSpy(weights), SamplingSpy(weights)
    names, answer = ("encode", "decode", "x", "n", "latent_dim", "rng"), None
    try:
        answer = Answer(function, names)
        results = [
            as_numbers(answer(spy.encode, spy.decode, data, N_SAMPLES, LATENT_DIM, source))
            for spy, source in zip((first, second), rng.spawn(2), strict=True)
        ]
    except Fault as fault:
        printed = (answer.printed if answer else "") or ""
        return Verdict(False, 0.0, fault.mistake, fault.says, printed=printed)
    return judged(RULES, (first, second), results, answer.printed)


# The rules: of (both spies, both results)


def _codes(spies):
    return [np.concatenate(spy.codes) for spy in spies]


def _standard_normal(spies, results):
    """The first four moments of every latent, each within some standard errors."""
    z = np.concatenate(_codes(spies))
    moments = np.array([np.mean(z**power, axis=0) for power in (1, 2, 3, 4)])
    errors = np.sqrt(np.array([1, 2, 15, 96]) / len(z))
    off = np.abs(moments - np.array([0, 1, 0, 3])[:, None])
    return bool(np.all(off < DEVIATIONS * errors[:, None]))


def _codes_differ(spies, results):
    return all(len(np.unique(z, axis=0)) == len(z) for z in _codes(spies))


def _is_decoded(spies, results):
    images = [z @ spies[0].weights for z in _codes(spies)]
    pairs = zip(images, results, strict=True)
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in pairs)


RULES = (
    ("no decoder", "It never calls the decoder.", lambda spies, _: all(s.codes for s in spies)),
    (
        "samples come from the encoder",
        "The codes come from the encoder. Then the images are reconstructions of data. A sample "
        "of the model needs no data: its code comes from the prior.",
        lambda spies, _: not any(spy.encoded for spy in spies),
    ),
    (
        "another number of samples",
        "The number of codes is not n.",
        lambda spies, _: all(len(z) == N_SAMPLES for z in _codes(spies)),
    ),
    ("one code for several samples", "Some samples have the same code.", _codes_differ),
    (
        "the same samples every time",
        "Two calls with different rng return the same samples.",
        lambda spies, _: not np.array_equal(*_codes(spies)),
    ),
    (
        "codes are not standard normal",
        "The codes are not those of the prior: their moments are others.",
        _standard_normal,
    ),
    ("other images", "It does not return what the decoder returned for the codes.", _is_decoded),
)
