"""Do the tests notice mistakes? Plants mutants in the source, and runs the tests on each.

``python tests/mutants.py`` plants the mistakes of `planted.py`, and a random sample of the
small changes that `mutations.py` finds. For each it starts a process whose import of one
module finds the changed text (`forks.py`); no file is changed. The tests of that module run
until one fails. If none fails, the mutant has survived: a test is missing, or the change is
equivalent and belongs into `planted.EQUIVALENT` with the reason. ``--changed`` takes only the
modules that differ from the main branch, or on the main branch itself from some commits ago.
"""

import argparse
import difflib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from forks import ROOT, run_all
from mutations import mutations
from planted import CORE, EQUIVALENT, FURTHER_TESTS, MODULES, PLANTED

COMMITS = 10  # back from the main branch's head, for --changed


@dataclass(frozen=True)
class Mutant:
    """A module's file below ``vaelite/``, its changed text, and what was changed."""

    file: str
    name: str
    source: str
    is_planted: bool


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


def git(*arguments):
    """What git prints; also in a folder that belongs to another user."""
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def start_of_change():
    """Where the change began: the merge base with origin/main, or `COMMITS` ago on it."""
    has_main = git("branch", "--remotes", "--list", "origin/main")
    base = git("merge-base", "HEAD", "origin/main").strip() if has_main else None
    if base not in (None, git("rev-parse", "HEAD").strip()):
        return base
    commits = git("rev-list", "--first-parent", f"--max-count={COMMITS + 1}", "HEAD").split()
    if len(commits) > COMMITS:
        return commits[-1]
    if git("rev-parse", "--is-shallow-repository").strip() == "true":
        sys.exit(f"--changed needs the last {COMMITS} commits: git fetch --unshallow")
    return git("hash-object", "-t", "tree", os.devnull).strip()  # before the first commit


def changed_files(since):
    """The modules' files that differ from a revision, also in what is not committed."""
    return git("diff", "--name-only", "--relative=vaelite", since, "--", "vaelite").splitlines()


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


# What the tests find.


def baseline(files, workers):
    """Run every test file without a mutant; return its time, or stop if one fails."""
    tests = sorted({test for file in files for test in tests_of(file)})
    seconds = {}
    jobs = [(None, [test], 600) for test in tests]
    for (_, (test,), _), (failed, took, tail) in run_all(jobs, workers):
        if failed:
            sys.exit(f"{test} fails without a mutant:\n{tail}")
        seconds[test] = took
    print(
        f"{len(tests)} test files pass without a mutant, in {sum(seconds.values()):.0f} s",
        flush=True,
    )
    return seconds


def job_of(mutant, seconds):
    """A mutant, its tests (the fast ones first, after its own) and their limit in seconds."""
    own, *others = tests_of(mutant.file)
    tests = [own, *sorted(others, key=seconds.get)]
    return mutant, tests, int(15 + 3 * sum(seconds[test] for test in tests))


def alive(mutants, seconds, workers):
    """Run all mutants, and yield the survivors."""
    jobs = [job_of(mutant, seconds) for mutant in mutants]
    for n, ((mutant, *_), (failed, took, _)) in enumerate(run_all(jobs, workers), 1):
        result = f"killed by {failed}" if failed else "SURVIVED"
        print(f"{n}/{len(jobs)} {took:5.1f} s  {mutant.file}, {mutant.name}: {result}", flush=True)
        if not failed:
            yield mutant


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
    add("--changed", action="store_true", help="only the modules that have changed")
    add("--since", help="the revision that they differ from; default: where the change began")
    add("--most", type=int, help="a sample of so many mutants")
    add("--only", help="only modules whose file contains this text, such as likelihoods")
    add("--generated", type=int, default=150, help="how many mutants to generate")
    add("--seed", type=int, default=0, help="which ones")
    add("--jobs", type=int, default=2, help="processes at a time")
    add("--minimum", type=float, default=0.95, help="the score below which the command fails")
    return parser.parse_args()


def main():
    """Plant, run, report."""
    options, began = arguments(), time.perf_counter()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    by_hand = [mutant for file in PLANTED for mutant in planted(file)]  # checks all of them
    files = [file for file in (CORE if options.core else MODULES) if (options.only or "") in file]
    if options.changed:
        since = options.since or start_of_change()
        files = sorted({*files} & {*changed_files(since)})
        print(f"changed since {since[:12]}: {', '.join(files) or 'no module that has mutants'}")
        if not files:
            return
    mutants = [mutant for mutant in by_hand if mutant.file in files]
    mutants += sample(files, options.generated, options.seed)
    if options.most and options.most < len(mutants):
        mutants = random.Random(options.seed).sample(mutants, options.most)
        files = sorted({mutant.file for mutant in mutants})
    with tempfile.TemporaryDirectory() as folder:  # for what would be written next to the tests
        sys.pycache_prefix = os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        survivors = list(alive(mutants, baseline(files, options.jobs), options.jobs))
    score = report(mutants, survivors)
    print(f"\n{len(mutants)} mutants in {time.perf_counter() - began:.0f} s, score {score:.3f}")
    sys.exit(score < options.minimum)


if __name__ == "__main__":
    main()
