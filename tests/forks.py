"""Runs tests in forks of this process, each with the text of one module changed.

A fork has all large libraries already, so that a test file takes little more than its tests.
"""

import gc
import importlib.machinery
import os
import re
import resource
import signal
import sys
import tempfile
import traceback
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy; threads would not survive a fork
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the tests need none of the plugins

import pytest

LIBRARIES = """
    autograd.test_util hypothesis.strategies matplotlib.pyplot scipy.integrate scipy.optimize
    scipy.stats sklearn.decomposition sklearn.metrics
"""
for library in LIBRARIES.split():
    importlib.import_module(library)
gc.freeze()  # a fork need not look through all that is imported

ROOT = Path(__file__).resolve().parents[1]
MEMORY = 8 * 2**30  # bytes; a mutant may ask for any number
PASSED = pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED


class Planted(importlib.machinery.PathFinder):
    """Finds a module's changed text, for `sys.meta_path`."""

    def __init__(self, file, text):
        self.module = "vaelite." + file.removesuffix(".py").replace("/", ".")
        self.text = text

    def find_spec(self, name, path=None, target=None):
        """Return the module's usual place, with a loader that compiles the changed text."""
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        code = compile(self.text, spec.origin, "exec", dont_inherit=True)
        spec.loader.get_code = lambda name: code
        return spec


def start(mutant, tests, limit, log):
    """Start a fork that runs tests with a mutant, and return its process id.

    A mutant has ``file``, below vaelite/, and ``source``, its changed text; None changes
    nothing. ``limit`` is in seconds of the processor. The output goes to the file ``log``.
    """
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
            sys.meta_path.insert(0, Planted(mutant.file, mutant.source))
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
    return pytest.main([*options, *(str(ROOT / test) for test in tests)]) in PASSED


def run_all(jobs, workers):
    """Run (mutant, tests, limit) in some processes at a time; yield each with its result.

    The result is (failure or None, seconds of the processor, last lines of the output).
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
        yield job, (failure(status, tail), usage.ru_utime + usage.ru_stime, tail)


def failure(status, tail):
    """What failed, or None."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}: it needs too much time"
    named = re.search(r"^(?:FAILED|ERROR) (\S+)", tail, re.MULTILINE)
    return (named[1] if named else "an error") if status else None
