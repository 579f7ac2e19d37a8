"""The verdict on a training loop: what it does with rows and noise, seen by a spy."""

from dataclasses import dataclass, field

import numpy as np

from .answers import Answer, Fault, as_numbers
from .verdict import Verdict

N_TRAIN, N_TEST, N_FEATURES, LATENT_DIM, BATCH_SIZE, EPOCHS = 43, 17, 4, 3, 8, 5
TOO_MANY = 4 * EPOCHS * (N_TRAIN + N_TEST)  # calls: four times those of batches of one row
DEVIATIONS = 6  # standard errors: one loop in 10^9 has such noise by chance


class _Endless(BaseException):
    """The loop does not end. ``except Exception`` does not catch it."""


@dataclass
class Spy:
    """What a loop calls, and a record of its calls.

    Attributes
    ----------
    steps, evaluations : list of lists of (rows, eps), one list per epoch
        Rows by number; the test rows come after the training rows.
    stops : int
        How often ``should_stop`` was called.
    """

    data: np.ndarray
    steps: list = field(default_factory=lambda: [[]])
    evaluations: list = field(default_factory=lambda: [[]])
    told: list = field(default_factory=list)
    calls: int = 0

    def step(self, x, eps):
        """Record a training step."""
        self.steps[-1].append(self._record("step", x, eps))
        return 0.0

    def evaluate(self, x, eps):
        """Record an evaluation; return a loss per row, the same in every batch."""
        rows, eps = self._record("evaluate", x, eps)
        self.evaluations[-1].append((rows, eps))
        return self.losses(rows, len(self.told))

    def should_stop(self, losses):
        """Record the end of an epoch; true after the last one."""
        self._count()
        self.told.append(as_numbers(losses))
        self.steps.append([])
        self.evaluations.append([])
        return len(self.told) >= EPOCHS

    def losses(self, rows, epoch):
        """The loss of some rows in an epoch."""
        return np.asarray(rows) ** 1.5 + 100.0 / (1 + epoch)

    def _count(self):
        self.calls += 1
        if self.calls > TOO_MANY:
            raise _Endless

    def _record(self, name, x, eps):
        self._count()
        x, eps = as_numbers(x), as_numbers(eps)
        if x.ndim != 2 or x.shape[1] != N_FEATURES or eps.shape != (len(x), LATENT_DIM):
            raise Fault(
                "wrong shape",
                f"{name} was called with x of shape {x.shape} and eps of shape {eps.shape}: for b "
                f"rows they should be (b, {N_FEATURES}) and (b, {LATENT_DIM}).",
            )
        distance = np.abs(x[:, None] - self.data).max(axis=-1)
        if len(x) and distance.min(axis=1).max() > 1e-5:
            raise Fault("rows changed", f"{name} was called with rows that are not in the data.")
        return distance.argmin(axis=1), eps


def verdict_on_loop(function, seed):
    """Run a loop with a spy in place of a model, and judge what it did."""
    rng = np.random.default_rng(seed)
    data = np.round(8 * rng.normal(size=(N_TRAIN + N_TEST, N_FEATURES))) / 8
    data[:, 0] = rng.permutation(len(data))  # no two rows are equal
    spy = Spy(data)
    train, test = data[:N_TRAIN], data[N_TRAIN:]
    given = spy.step, spy.evaluate, train, test, spy.should_stop, LATENT_DIM, BATCH_SIZE, rng
    names = "step", "evaluate", "train", "test", "should_stop"
    answer = None
    try:
        answer = Answer(function, names)
        result = as_numbers(answer(*given))
    except Fault as fault:
        printed = answer.printed if answer else ""
        return Verdict(False, 0.0, fault.mistake, fault.says, printed=printed or "")
    except _Endless:
        says = "After many epochs it still goes on: does it ask should_stop after each epoch?"
        return Verdict(False, 0.0, "never asks should_stop", says)
    return judged(RULES, spy, result, answer.printed)


def judged(rules, spy, result, printed):
    """Every rule, in order: the first that is broken is the diagnosis."""
    broken = []
    for name, says, holds in rules:
        try:
            kept = holds(spy, result)
        except (IndexError, ValueError):  # a rule about what did not happen at all
            kept = False
        if not kept:
            broken.append((name, says))
    if not broken:
        return Verdict(True, 1.0, printed=printed)
    name, says = broken[0]
    return Verdict(False, 1 - len(broken) / len(rules), name, says, printed=printed)


# The rules: of (spy, the losses that were returned)


def _epochs(spy):
    """The row numbers of the steps of each epoch, batch by batch."""
    return [[rows for rows, _ in steps] for steps in spy.steps[: len(spy.told)]]


def _order(batches):
    return np.concatenate(batches)


def _asks(spy, result):
    return len(spy.told) > 0


def _goes_on_until_it_stops(spy, result):
    return len(spy.told) >= EPOCHS


def _ends(spy, result):
    return len(spy.told) == EPOCHS and not spy.steps[-1] and not spy.evaluations[-1]


def _trains(spy, result):
    return all(_epochs(spy))


def _only_training_rows(spy, result):
    return all(_order(batches).max() < N_TRAIN for batches in _epochs(spy))


def _batch_size(spy, result):
    return all(len(rows) <= BATCH_SIZE for batches in _epochs(spy) for rows in batches)


def _full_batches(spy, result):
    few = -(-N_TRAIN // BATCH_SIZE)
    return all(len(batches) <= few for batches in _epochs(spy))


def _no_row_twice(spy, result):
    return all(len(set(_order(batches))) == len(_order(batches)) for batches in _epochs(spy))


def _last_batch(spy, result):
    dropped = N_TRAIN // BATCH_SIZE * BATCH_SIZE
    return not all(len(_order(batches)) == dropped for batches in _epochs(spy))


def _every_row(spy, result):
    return all(set(_order(batches)) >= set(range(N_TRAIN)) for batches in _epochs(spy))


def _shuffles(spy, result):
    return not all(np.all(np.diff(_order(batches)) > 0) for batches in _epochs(spy))


def _shuffles_each_epoch(spy, result):
    first, *others = map(_order, _epochs(spy))
    return not all(np.array_equal(first, other) for other in others)


def _new_batches(spy, result):
    first, *others = [{frozenset(rows) for rows in batches} for batches in _epochs(spy)]
    return not all(first == other for other in others)


def _noise(spy):
    return [eps for steps in spy.steps for _, eps in steps]


def _noise_of_its_own_for_each_row(spy, result):
    return all(len(np.unique(eps, axis=0)) == len(eps) for eps in _noise(spy))


def _new_noise(spy, result):
    noise = np.concatenate(_noise(spy))
    return len(np.unique(noise, axis=0)) == len(noise)


def _standard_normal(spy, result):
    """The first four moments, each within some standard errors."""
    eps = np.concatenate(_noise(spy)).ravel()
    moments = [np.mean(eps**power) for power in (1, 2, 3, 4)]
    errors = np.sqrt(np.array([1, 2, 15, 96]) / len(eps))
    return bool(np.all(np.abs(np.subtract(moments, [0, 1, 0, 3])) < DEVIATIONS * errors))


def _evaluated(spy):
    """The rows and the noise of the evaluations of each epoch."""
    return [
        tuple(np.concatenate(parts) for parts in zip(*evaluations, strict=True))
        for evaluations in spy.evaluations[: len(spy.told)]
    ]


def _evaluates(spy, result):
    return all(spy.evaluations[: len(spy.told)])


def _test_rows_only(spy, result):
    return all(rows.min() >= N_TRAIN for rows, _ in _evaluated(spy))


def _all_test_rows(spy, result):
    return all(len(set(rows)) == N_TEST for rows, _ in _evaluated(spy))


def _same_noise(spy, result):
    first, *others = [eps[np.argsort(rows)] for rows, eps in _evaluated(spy)]
    return all(np.array_equal(first, other) for other in others)


def _epoch_by_epoch(spy, result):
    return all(losses.shape == (epoch,) for epoch, losses in enumerate(spy.told, start=1))


def _means(spy, average):
    return np.array([average(spy, epoch) for epoch in range(len(spy.told))])


def _batch_means(spy, epoch):
    return np.mean([spy.losses(rows, epoch).mean() for rows, _ in spy.evaluations[epoch]])


def _mean_of_rows(spy, epoch):
    return spy.losses(np.arange(N_TRAIN, N_TRAIN + N_TEST), epoch).mean()


def _are_close(found, expected):
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-4)


def _no_mean_of_batch_means(spy, result):
    right = _are_close(result, _means(spy, _mean_of_rows))
    return right or not _are_close(result, _means(spy, _batch_means))


def _returns_test_losses(spy, result):
    return _are_close(result, _means(spy, _mean_of_rows))


RULES = (
    ("never asks should_stop", "It never asked should_stop.", _asks),
    (
        "ends too early",
        "It ended before should_stop returned True.",
        _goes_on_until_it_stops,
    ),
    ("goes on", "It went on after should_stop had returned True.", _ends),
    ("no training", "In some epoch it took no step.", _trains),
    (
        "trains on test rows",
        "It takes steps on test rows. Their loss then says nothing about new data.",
        _only_training_rows,
    ),
    ("batches too large", "Some batches have more than batch_size rows.", _batch_size),
    ("batches too small", "There are more batches than the rows need.", _full_batches),
    (
        "draws rows with replacement",
        "In an epoch, some rows come twice and others never.",
        _no_row_twice,
    ),
    (
        "drops the last batch",
        "The last batch of an epoch, which is smaller, is left out.",
        _last_batch,
    ),
    ("misses rows", "In an epoch, some training rows never come.", _every_row),
    ("never shuffles", "The rows come in the same order as in the data.", _shuffles),
    (
        "shuffles once",
        "Every epoch has the same order: it was shuffled once, before the first epoch.",
        _shuffles_each_epoch,
    ),
    (
        "same batches",
        "Every epoch has the same batches, in another order.",
        _new_batches,
    ),
    (
        "noise shared by rows",
        "Some rows of a batch share their noise.",
        _noise_of_its_own_for_each_row,
    ),
    (
        "reuses its noise",
        "The noise of one step comes again in another: every step needs new noise.",
        _new_noise,
    ),
    (
        "noise is not standard normal",
        "The noise of the steps is not standard normal: its moments are others.",
        _standard_normal,
    ),
    ("no evaluation", "In some epoch it did not evaluate.", _evaluates),
    (
        "evaluates on training rows",
        "The loss of an epoch is that of training rows: test rows show what is new.",
        _test_rows_only,
    ),
    (
        "part of the test rows",
        "Only some of the test rows are evaluated.",
        _all_test_rows,
    ),
    (
        "fresh noise in every evaluation",
        "Each epoch is evaluated with other noise: with the same noise, two epochs differ by "
        "their weights only.",
        _same_noise,
    ),
    (
        "should_stop needs all losses",
        "should_stop should get the losses of all epochs so far, one number per epoch.",
        _epoch_by_epoch,
    ),
    (
        "mean of batch means",
        "The mean of the batches' means is not the mean over the rows: the last batch is smaller, "
        "so the loss depends on batch_size.",
        _no_mean_of_batch_means,
    ),
    (
        "other losses",
        "The losses that it returned are not the mean test losses of the epochs.",
        _returns_test_losses,
    ),
)
