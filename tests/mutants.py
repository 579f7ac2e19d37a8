"""Do the tests notice mistakes? Plants mutants in the source, and runs the tests on each.

``python tests/mutants.py`` plants the mistakes of `planted.py`, and a random sample of the
small changes that `mutations.py` finds. For each it starts a process whose import of one
module finds the changed text; no file is changed. The tests of that module run until one
fails. If none fails, the mutant has survived: a test is missing, or the change is equivalent
and belongs into `planted.EQUIVALENT` with the reason.
"""

import argparse
import difflib
import importlib.machinery
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import pytest
from mutations import mutations
from planted import CORE, EQUIVALENT, FURTHER_TESTS, MODULES, PLANTED

# Imported before the forks, which then need no time for it.
for name in (
    "autograd.test_util",
    "hypothesis.strategies",
    "matplotlib.pyplot",
    "scipy.integrate",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.decomposition",
    "sklearn.metrics",
):
    importlib.import_module(name)

ROOT = Path(__file__).resolve().parents[1]
MEMORY = 8 * 2**30  # bytes; a mutant may ask for any number
NO_TESTS = pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED


@dataclass(frozen=True)
class Mutant:
    """A module's file below ``vaelite/``, its changed text, and what was changed."""

    file: str
    name: str
    source: str
    is_planted: bool


class Planted(importlib.machinery.PathFinder):
    """Finds one module's changed text, for `sys.meta_path`."""

    def __init__(self, mutant):
        self.mutant = mutant
        self.module = "vaelite." + mutant.file.removesuffix(".py").replace("/", ".")

    def find_spec(self, name, path=None, target=None):
        """Return the module's usual place, with a loader that compiles the changed text."""
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        text = self.mutant.source
        spec.loader.get_code = lambda name: compile(text, spec.origin, "exec", dont_inherit=True)
        return spec


# Which mutants there are.


def planted(file):
    """The mutants of `planted.PLANTED` in a file; each old text must occur exactly once."""
    source = read(file)
    for name, (old, new) in PLANTED.get(file, {}).items():
        if (n := source.count(old)) != 1:
            sys.exit(f"planted.py, {file}, {name!r}: the text occurs {n} times, not once:\n{old}")
        yield Mutant(file, name, source.replace(old, new), True)


def generated(file):
    """All mutations of a file, without those that are listed as equivalent."""
    known = dict(EQUIVALENT.get(file, {}))
    for mutation in mutations(read(file)):
        if known.pop((mutation.before, mutation.after), None) is None:
            name = f"line {mutation.line}: {mutation.after}"
            yield Mutant(file, name, mutation.source, False)
    if known:
        sys.exit(f"planted.py, {file}: no such mutant: {list(known)}")


def sample(files, n, seed):
    """n generated mutants; each file has its share of them."""
    ranked = []
    for file in files:
        found = list(generated(file))
        random.Random(f"{seed} {file}").shuffle(found)
        ranked += [((rank + 0.5) / len(found), mutant) for rank, mutant in enumerate(found)]
    return [mutant for _, mutant in sorted(ranked, key=lambda pair: pair[0])[:n]]


def read(file):
    """A module's text."""
    return (ROOT / "vaelite" / file).read_text(encoding="utf-8")


def tests_of(file):
    """A module's tests: the file of its name, its docstrings, and the table's."""
    folder, _, name = file.rpartition("/")
    mirrored = Path("tests", folder, f"test_{name}")
    further = FURTHER_TESTS.get(file, ()) or FURTHER_TESTS.get(f"{folder}/", ())
    found = [str(mirrored)] if (ROOT / mirrored).exists() else []
    return [*found, *(f"tests/{test}" for test in further), f"vaelite/{file}"]


# Processes: each runs some tests with one mutant.


def start(mutant, tests, limit, log):
    """Start the tests of a mutant (None: of the source as it is); return the process id."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        signal.alarm(10 * limit)  # a test that waits takes no time of the processor
        if mutant is not None:
            sys.meta_path.insert(0, Planted(mutant))
        # The module's own file first: most mutants need no other, not even its import.
        parts = filter(None, (tests[:1], tests[1:]))
        code = int(not all(_passes(part) for part in parts))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _passes(tests):
    options = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # hypothesis is imported
    return pytest.main([*options, *(str(ROOT / test) for test in tests)]) in NO_TESTS


def run_all(jobs, workers):
    """Run (mutant, tests, limit) in some processes at a time; yield each with its result.

    The result is (passed, seconds of the processor, last lines of the output).
    """
    waiting, running = list(reversed(jobs)), {}
    while waiting or running:
        while waiting and len(running) < workers:
            job, log = waiting.pop(), tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
            sys.stdout.flush()
            running[start(*job, log)] = job, log
        pid, status, usage = os.wait3(0)
        job, log = running.pop(pid)
        log.seek(0)
        tail = log.read()[-3000:]
        log.close()
        yield job, (status == 0, usage.ru_utime + usage.ru_stime, tail)


def baseline(files, workers):
    """Run every test file without a mutant; return its time, or stop if one fails."""
    tests = sorted({test for file in files for test in tests_of(file)})
    seconds = {}
    for (_, (test,), _), (passed, took, tail) in run_all(
        [(None, [test], 600) for test in tests], workers
    ):
        if not passed:
            sys.exit(f"{test} fails without a mutant:\n{tail}")
        seconds[test] = took
    print(f"{len(tests)} test files pass without a mutant, in {sum(seconds.values()):.0f} s")
    return seconds


def job_of(mutant, seconds):
    """A mutant, its tests (the fast ones first, after its own) and their limit in seconds."""
    own, *others = tests_of(mutant.file)
    tests = [own, *sorted(others, key=seconds.get)]
    return mutant, tests, int(15 + 3 * sum(seconds[test] for test in tests))


# The report.


def diff(mutant):
    """What a mutant changes, as a unified diff."""
    texts = (text.splitlines() for text in (read(mutant.file), mutant.source))
    lines = difflib.unified_diff(*texts, mutant.file, mutant.name, n=1, lineterm="")
    return "\n".join(lines)


def report(mutants, survivors):
    """Print the survivors and a table; return the part of the mutants that was killed."""
    for mutant in survivors:
        print(f"\n{diff(mutant)}")
    print(f"\n{'module':36s}{'planted':>12s}{'generated':>12s}{'score':>8s}")
    for file in [*sorted({mutant.file for mutant in mutants}), None]:
        counts = []
        for group in (mutants, survivors):
            found = [mutant for mutant in group if file in (None, mutant.file)]
            counts.append(Counter(mutant.is_planted for mutant in found))
        of, alive = counts
        cells = [f"{of[kind] - alive[kind]}/{of[kind]}" for kind in (True, False)]
        score = 1 - alive.total() / of.total()
        print(f"{file or 'all':36s}{cells[0]:>12s}{cells[1]:>12s}{score:8.3f}")
    return score


def arguments():
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--core", action="store_true", help="only the modules in planted.CORE")
    add("--only", help="only modules whose file contains this text, such as likelihoods")
    add("--generated", type=int, default=150, help="how many mutants to generate")
    add("--seed", type=int, default=0, help="which ones")
    add("--jobs", type=int, default=2, help="processes at a time")
    add("--minimum", type=float, default=0.95, help="the score below which the command fails")
    return parser.parse_args()


def main():
    """Plant, run, report."""
    options, began = arguments(), time.perf_counter()
    sys.pycache_prefix = tempfile.mkdtemp(prefix="mutants-")
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = sys.pycache_prefix
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    by_hand = [mutant for file in PLANTED for mutant in planted(file)]  # checks all of them
    files = [file for file in (CORE if options.core else MODULES) if (options.only or "") in file]
    mutants = [mutant for mutant in by_hand if mutant.file in files]
    mutants += sample(files, options.generated, options.seed)
    seconds, survivors = baseline(files, options.jobs), []
    jobs = [job_of(mutant, seconds) for mutant in mutants]
    for n, ((mutant, *_), (survived, took, tail)) in enumerate(run_all(jobs, options.jobs), 1):
        by = re.search(r"^(FAILED|ERROR) (\S+)", tail, re.MULTILINE)
        result = "SURVIVED" if survived else f"killed by {by[2] if by else 'an error'}"
        print(f"{n}/{len(jobs)} {took:5.1f} s  {mutant.file}, {mutant.name}: {result}", flush=True)
        survivors += [mutant] if survived else []
    score = report(mutants, survivors)
    print(f"\n{len(mutants)} mutants in {time.perf_counter() - began:.0f} s, score {score:.3f}")
    sys.exit(score < options.minimum)


if __name__ == "__main__":
    main()
