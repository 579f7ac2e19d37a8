"""All that takes hours, and a table of what became of it: ``python tests/exhaustive.py``.

It fails if a step does. The steps are mutants of all modules, the slow tests with many more cases
(the corpus with many seeds among them), and the fast tests on the oldest and the newest versions.
``.ci/run`` has the rest.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST, NEWEST = ("3.11",), ("3.14", "3.13", "3.12", "3.11")  # the first that can be had
PYTEST = "-m", "pytest", "-q", "-rs", "-n"


def mutants(folder, options):
    """Mutants of every module."""
    how = "--generated", str(options.mutants), "--seed", str(options.seed), "--jobs", options.jobs
    return run(sys.executable, "tests/mutants.py", *how)


def cases(folder, options):
    """The slow tests with many more cases."""
    return run(sys.executable, *PYTEST, options.jobs, "-m", "exhaustive")


def oldest(folder, options):
    """The fast tests on the oldest Python and the oldest versions of its packages."""
    python = environment(folder / "oldest", OLDEST)
    install(folder, python, "--constraint", "tests/oldest.txt")
    return run(python, *PYTEST, options.jobs)


def newest(folder, options):
    """The fast tests on the newest Python and the newest versions of its packages."""
    python = environment(folder / "newest", NEWEST)
    install(folder, python, "--upgrade")
    return run(python, *PYTEST, options.jobs)


STEPS = {step.__name__: step for step in (mutants, cases, oldest, newest)}


def environment(folder, versions):
    """The interpreter of a new environment, of the first version of Python that uv finds."""
    tools, errors = folder.with_name("uv"), []
    if not tools.exists():
        run(sys.executable, "-m", "venv", tools)
        run(tools / "bin" / "python", "-m", "pip", "install", "--quiet", "uv")
    for version in versions:
        try:
            run(tools / "bin" / "uv", "venv", "--quiet", "--clear", "--python", version, folder)
            print(f"Python {version}", flush=True)
            return folder / "bin" / "python"
        except RuntimeError as error:
            errors.append(str(error))
    raise RuntimeError(f"no Python {' or '.join(versions)}: {errors}")


def install(folder, python, *how):
    """Install vaelite with what its tests need."""
    uv = folder / "uv" / "bin" / "uv"
    run(uv, "pip", "install", "--quiet", "--python", python, *how, ".[test]")


def run(*command):
    """Run a command, show what it prints, and return its last line; RuntimeError if it fails."""
    command = [str(part) for part in command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    last = ""
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    if process.returncode:
        raise RuntimeError(last or f"exit status {process.returncode}")
    return last


def main():
    """Run the steps one by one, and print what became of each."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    add = parser.add_argument
    add("steps", nargs="*", metavar="STEP", help=f"{', '.join(STEPS)}; default: all")
    add("--mutants", type=int, default=600, help="how many mutants to generate")
    add("--seed", type=int, default=0, help="which mutants")
    add("--jobs", default="2", help="processes at a time")
    options, rows = parser.parse_args(), []
    if unknown := set(options.steps) - set(STEPS):
        parser.error(f"no such step: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.steps or STEPS:
            print(f"\n=== {name}: {STEPS[name].__doc__}", flush=True)
            start, result = time.perf_counter(), "passed"
            try:
                last = STEPS[name](Path(folder), options)
            except RuntimeError as error:
                result, last = "FAILED", str(error)
            rows.append((name, result, (time.perf_counter() - start) / 60, last))
    print(f"\n{'step':10s}{'result':8s}{'minutes':>9s}  last line")
    for name, result, minutes, last in rows:
        print(f"{name:10s}{result:8s}{minutes:9.1f}  {last}")
    sys.exit(any(result == "FAILED" for _, result, *_ in rows))


if __name__ == "__main__":
    main()
