"""The process in which a submission's code runs: without library, cases and verdicts.

The grader starts this file as a script. It loads NumPy, autograd and SciPy once, and
forks for every question. A fork gets one function's code and its arguments (as pickles:
the grader is trusted) and returns numbers (as JSON: a submission is not). Whatever a
submission does to its process, it can only return numbers.
"""

import contextlib
import importlib
import json
import linecache
import math
import os
import pickle
import signal
import socket
import sys
import types
import warnings
from pathlib import Path

import autograd.numpy as anp
import numpy as np
from autograd.core import make_vjp

try:
    import resource
except ImportError:  # Windows, where the grader says so
    resource = None

FOLDER = Path(__file__).resolve().parents[1]
OPEN = {  # what a submission may use of vaelite while it is graded, and where it is
    "load_digits": "data.datasets",
    "minibatches": "data.batches",
    "value_and_grad": "gradient",
}
MEGABYTE = 2**20


def bare_packages():
    """Let modules of vaelite be imported without the rest of it."""
    for name, folder in (("vaelite", FOLDER), ("vaelite.classroom", FOLDER / "classroom")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


if __name__ == "__main__":
    bare_packages()

from vaelite.classroom.answers import Answer, Fault, in_words  # noqa: E402
from vaelite.classroom.messages import encoded, read, write  # noqa: E402
from vaelite.classroom.needed_code import needed, statements  # noqa: E402
from vaelite.classroom.portable import Callback  # noqa: E402


class TimeIsUp(BaseException):
    """The submission has used its seconds. ``except Exception`` does not catch it."""


class Library(types.ModuleType):
    """vaelite, as a submission sees it: data and derivatives, and no answers."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in OPEN:
            raise _uses_library(f"vaelite.{name}")
        return getattr(importlib.import_module(f"vaelite.{OPEN[name]}"), name)


class Closed:
    """Finds no module of vaelite that a submission asks for, for `sys.meta_path`."""

    def __init__(self):
        self.is_open = True

    def find_spec(self, name, path=None, target=None):
        """Let other packages be found by others."""
        if name.startswith("vaelite.") and not self._is_used(name):
            raise _uses_library(name)

    def _is_used(self, name):
        """Whether a part of vaelite that is open imports it, not a submission."""
        frame = sys._getframe(2)
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        return frame is not None and frame.f_code.co_filename.startswith(str(FOLDER))


def _uses_library(name):
    says = f"It uses {name}. The exercise is to write it: only data come from the library here."
    return Fault("uses the library", says)


# One function of a submission


class Child:
    """A fork: it loads one function and answers calls of it."""

    def __init__(self, requests, replies):
        self.requests, self.replies = requests, replies
        self.answer = None

    def reply(self, **message):
        """Send a message to the grader."""
        write(self.replies, json.dumps(message).encode())

    def serve(self):
        """Answer requests until there are no more."""
        while True:
            try:
                kind, *details = pickle.loads(read(self.requests))
            except EOFError:
                return
            self.reply(**getattr(self, kind)(*details))

    def load(self, cells, name, names):
        """Execute what a function needs; say why there is none."""
        found, errors = [], []
        for cell, source in cells:
            linecache.cache[cell] = len(source), None, source.splitlines(True), cell
            try:
                found += statements(cell, source)
            except SyntaxError as error:
                errors.append(f"{cell} is not Python: {error.msg} in line {error.lineno}.")
        scope = {"__name__": "submission"}
        try:
            for statement in needed(found, [name]):
                self._run(statement, scope, errors)
            self.answer = Answer(scope[name], names)
        except Fault as fault:
            return {"fault": [fault.mistake, fault.says]}
        except KeyError:
            if errors:
                return {"fault": ["error", errors[0]]}
            return {"fault": ["not written", f"There is no function {name}."]}
        except TimeIsUp:
            return self.too_slow()
        return {"loaded": True}

    def _run(self, statement, scope, errors):
        code = statement.code()
        try:
            with contextlib.redirect_stdout(None), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, scope)
        except Fault:
            raise
        except (Exception, SystemExit) as error:
            says = in_words(error, types.SimpleNamespace(__code__=code))
            errors.append(f"{statement.cell}: {says}")

    def call(self, *arguments):
        """Call the function."""
        is_first = self.answer.printed is None
        try:
            message = {"value": encoded(self.answer(*map(self.local, arguments)))}
        except Fault as fault:
            if isinstance(fault.__cause__, MemoryError):
                return {"fault": ["too much memory", "It needs more memory than it may use."]}
            message = {"fault": [fault.mistake, fault.says]}
        except TimeIsUp:
            return self.too_slow()
        return message | {"printed": self.answer.printed if is_first else ""}

    def vjp(self, arguments, weights, position):
        """The derivative of the weighted result in one argument, if there is one."""
        given = [self.local(argument) for argument in arguments]

        def of_one(value):
            result = self.answer.run(*given[:position], value, *given[position + 1 :])
            return anp.array(result)

        try:
            backward, value = make_vjp(of_one, given[position])
            if np.asarray(value).dtype == object:
                return {"untraceable": True}
            return {"value": encoded(backward(weights))}
        except TimeIsUp:
            return self.too_slow()
        except Exception:  # whatever plain NumPy, SciPy or Python says of a traced array
            return {"untraceable": True}

    def too_slow(self):
        """What is said when the time is up."""
        return {"time_is_up": True}

    def local(self, argument):
        """An argument; a function of the grader as one that asks the grader."""
        if not isinstance(argument, Callback):
            return argument

        def function(*arguments):
            self.reply(callback=argument.number, arguments=[encoded(a) for a in arguments])
            kind, value = pickle.loads(read(self.requests))
            return value

        return function


def limit(seconds, megabytes):
    """Limit this process: seconds of the processor, memory, files, no core dumps."""

    def time_is_up(number, frame):
        raise TimeIsUp

    signal.signal(signal.SIGXCPU, time_is_up)
    seconds = math.ceil(seconds)
    limits = {"RLIMIT_CPU": (seconds, seconds + 1), "RLIMIT_FSIZE": (MEGABYTE, MEGABYTE)}
    if Path("/proc/self/statm").exists():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + megabytes * MEGABYTE
        limits["RLIMIT_AS"] = most, most
    for name, values in (limits | {"RLIMIT_CORE": (0, 0)}).items():
        resource.setrlimit(getattr(resource, name), values)


def run_child(descriptors, seconds, megabytes):
    """Serve one function in this fork, and end it."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(descriptors[0], "rb") as requests, os.fdopen(descriptors[1], "wb") as replies:
        write(replies, json.dumps({"process": os.getpid()}).encode())
        limit(seconds, megabytes)
        sys.modules["vaelite"].__class__ = Library
        sys.meta_path.insert(0, Closed())
        Child(requests, replies).serve()


def main(descriptor):
    """Fork for every pair of pipes that comes through a socket."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets a fork that has ended
    with socket.socket(fileno=descriptor) as orders:
        while True:
            message, descriptors, _, _ = socket.recv_fds(orders, 1024, 2)
            if not message:
                return
            seconds, megabytes, modules = json.loads(message)
            for name in modules:  # once, for all forks
                importlib.import_module(name)
            if os.fork() == 0:
                code = 1
                try:
                    orders.close()
                    run_child(descriptors, seconds, megabytes)
                    code = 0
                finally:
                    os._exit(code)
            for each in descriptors:
                os.close(each)


if __name__ == "__main__":
    main(int(sys.argv[1]))
