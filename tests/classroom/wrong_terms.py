"""Students' usual mistakes, each in a copy of the terms.

``python tests/classroom/wrong_terms.py`` prints a table: which theorem of
`vaelite.classroom.theorems` finds which mistake.
"""

import autograd.numpy as np
from autograd.tracer import getval
from scipy import special

from vaelite import terms as ours
from vaelite.classroom.theorems import THEOREMS, Terms, prove

C = ours.HALF_LOG_2PI


def density(z, mu, logsigma, half=0.5, scale=1.0, constant=C):
    """Minus the log of a normal density, written by hand, with one argument for each mistake."""
    u = (z - mu) * np.exp(-scale * logsigma)
    return np.sum(half * u * u + scale * logsigma + constant, axis=-1)


def shared_sigma_counted_once(x, mu, logsigma):
    u = (x - mu) * np.exp(-logsigma)
    own = np.sum(logsigma, axis=-1) if np.ndim(logsigma) else logsigma
    return np.sum(u * u / 2 + C, axis=-1) + own


def sum_over_pixels_times_pixels(x, mu, logsigma):
    u = (x - mu) * np.exp(-logsigma)
    own = np.sum(logsigma, axis=-1) if np.ndim(logsigma) else logsigma
    return np.sum(u * u / 2 + C, axis=-1) + x.shape[-1] * own


def off_the_tape(mu, logsigma, eps):
    return getval(mu) + np.exp(getval(logsigma)) * eps


def sigma_off_the_tape(mu, logsigma, eps):
    return mu + np.exp(getval(logsigma)) * eps


def uniform_noise(mu, logsigma, eps):
    return mu + np.exp(logsigma) * (special.ndtr(eps) - 0.5)


def noise_shared_by_rows(mu, logsigma, eps):
    return mu + np.exp(logsigma) * eps[:1]


def plus_neglogposterior(terms, x, mu, logsigma, decode, eps):
    z = terms.reparameterize(mu, logsigma, eps)
    nll = terms.negloglikelihood(x, *decode(z))
    return nll + terms.neglogprior(z) + terms.neglogposterior(z, mu, logsigma)


def prior_at_mu(terms, x, mu, logsigma, decode, eps):
    z = terms.reparameterize(mu, logsigma, eps)
    nll = terms.negloglikelihood(x, *decode(z))
    return nll + terms.neglogprior(mu) - terms.neglogposterior(z, mu, logsigma)


def mean_over_batch(z):
    return np.mean(ours.neglogprior(z))


def prior_without_constant(z):
    return np.sum(z * z, axis=-1) / 2


def density_without_constant(z, mu, logsigma):
    return density(z, mu, logsigma, constant=0)


def squared_error(x, mu, logsigma):
    return np.sum((x - mu) ** 2, axis=-1) / x.shape[-1]


def mean_over_pixels(x, mu, logsigma):
    return ours.negloglikelihood(x, mu, logsigma) / x.shape[-1]


def log_variance(z, mu, logsigma):
    return density(z, mu, logsigma, scale=0.5)


def sample_with_log_variance(mu, logsigma, eps):
    return mu + np.exp(logsigma / 2) * eps


MUTANTS = {
    "1 constants dropped": Terms(
        negloglikelihood=density_without_constant,
        neglogposterior=density_without_constant,
        neglogprior=prior_without_constant,
    ),
    "2 dropped in the prior only": Terms(neglogprior=prior_without_constant),
    "3 one logsigma for D pixels counted once": Terms(negloglikelihood=shared_sigma_counted_once),
    "4 one logsigma per pixel, still times D": Terms(negloglikelihood=sum_over_pixels_times_pixels),
    "5 missing 1/2": Terms(negloglikelihood=lambda *a: density(*a, half=1)),
    "5 missing 1/2, in the prior": Terms(neglogprior=lambda z: np.sum(z * z + C, axis=-1)),
    "6 mean squared error as the likelihood": Terms(negloglikelihood=squared_error),
    "7 mean over pixels": Terms(negloglikelihood=mean_over_pixels),
    "8 batch mean in one term only": Terms(neglogprior=mean_over_batch),
    "9 log-variance for log-std, in a density": Terms(neglogposterior=log_variance),
    "10 the same, in the sampler": Terms(reparameterize=sample_with_log_variance),
    "11 sample off the tape": Terms(reparameterize=off_the_tape),
    "12 sigma off the tape": Terms(reparameterize=sigma_off_the_tape),
    "13 uniform noise": Terms(reparameterize=uniform_noise),
    "13 noise shared by rows": Terms(reparameterize=noise_shared_by_rows),
    "14 the KL's sign": Terms(kl_divergence=lambda *q: -ours.kl_divergence(*q)),
    "14 + neglogposterior": Terms(negelbo=plus_neglogposterior),
    "15 the prior evaluated at mu": Terms(negelbo=prior_at_mu),
    "16 (n, 1) against (n,)": Terms(neglogposterior=lambda *a: ours.neglogposterior(*a)[:, None]),
}


def seen(mistake, name, max_examples):
    """Whether a theorem finds a mistake within ``max_examples`` random cases."""
    try:
        prove(THEOREMS[name], MUTANTS[mistake], max_examples, shrink=False)
    except Exception:
        return True
    return False


def table(max_examples=300):
    """A Markdown table with a row per mistake and a column per theorem. It takes minutes."""
    rows = [["mistake", *map(str, range(1, len(THEOREMS) + 1))], ["---"] * (len(THEOREMS) + 1)]
    for mistake in MUTANTS:
        marks = ["x" if seen(mistake, name, max_examples) else "" for name in THEOREMS]
        rows.append([mistake, *marks])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


if __name__ == "__main__":
    print(table())
