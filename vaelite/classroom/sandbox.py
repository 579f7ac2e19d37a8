"""A submission's function in another process, called as if it were here.

A `ForkServer` is the process of grader_process.py, which forks for every function.
What comes back is numbers. So nothing that a submission does can reach the right
values, or the verdict.
"""

import contextlib
import json
import math
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from autograd.extend import defvjp_argnums, primitive

from .answers import Fault
from .messages import LARGEST, SIZE, decoded, nonsense, write
from .portable import Callback, LinearDecoder, QuadraticLoss

PORTABLE = LinearDecoder, QuadraticLoss
WORKER = Path(__file__).with_name("grader_process.py")
LONGEST_START = 120  # seconds, for the imports of the process that forks
IMPORTED_ONCE = "matplotlib.pyplot", "scipy.special", "scipy.stats"  # before forks that need them
KEPT = "PATH", "PYTHONPATH", "LANG", "VIRTUAL_ENV"  # of the environment


@dataclass(frozen=True)
class Limits:
    """What the code of one answer may use.

    Attributes
    ----------
    seconds : float
        Of the processor, for all calls of the function together.
    waiting : float
        Seconds of the clock, for a function that sleeps.
    megabytes : int
        Of memory, above what NumPy and SciPy need.
    """

    seconds: float = 2.0
    waiting: float = 30.0
    megabytes: int = 256


class ForkServer:
    """The process that forks for every function; use it in a ``with``."""

    def __init__(self, limits=None):
        self.limits = limits or Limits()

    def __enter__(self):
        if not hasattr(socket, "send_fds"):
            raise OSError("the grader needs Linux or macOS: processes with limits; on Windows, WSL")
        self.orders, theirs = socket.socketpair()
        self.folder = tempfile.TemporaryDirectory()
        settings = {name: os.environ[name] for name in KEPT if name in os.environ}
        settings |= {"HOME": self.folder.name, "MPLBACKEND": "Agg", "OPENBLAS_NUM_THREADS": "1"}
        settings |= {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": self.folder.name}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-B", str(WORKER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=self.folder.name,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        return self

    def __exit__(self, *error):
        self.orders.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            self.folder.cleanup()

    def function(self, cells, name, names=None):
        """Load a function of a submission in a process of its own, a `Remote`.

        Parameters
        ----------
        cells : list of (str, str)
            The name and the source of each cell.
        name : str
            Of the function.
        names : sequence of str, optional
            What the exercise calls the arguments.

        Raises
        ------
        Fault
            If there is no such function.
        """
        text = "\n".join(source for _, source in cells)
        modules = [each for each in IMPORTED_ONCE if each.rpartition(".")[2] in text]
        remote = Remote(self, modules)
        try:
            remote.ask("load", cells, name, names)
        except BaseException:
            remote.close()
            raise
        return remote


class Remote:
    """A function in another process. Its results are numbers and arrays.

    autograd can differentiate it: the derivative is computed where the function is.
    """

    def __init__(self, server, modules=()):
        self.limits, self.fault, self.callbacks = server.limits, None, []
        self.start, self.process = math.inf, None  # the first reply waits for imports
        self.replies, theirs_out = os.pipe()
        theirs_in, self.requests = os.pipe()
        order = json.dumps([self.limits.seconds, self.limits.megabytes, modules]).encode()
        socket.send_fds(server.orders, [order], [theirs_in, theirs_out])
        for descriptor in (theirs_in, theirs_out):
            os.close(descriptor)
        self.process = self._receive()["process"]
        self.start = time.monotonic()

    def close(self):
        """End the process."""
        if self.process is not None:
            with contextlib.suppress(OSError):
                os.killpg(self.process, signal.SIGKILL)
        for descriptor in (self.requests, self.replies):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def function(self):
        """Return the function."""

        @primitive
        def answer(*arguments):
            return self._call(arguments)

        def of_arguments(positions, result, arguments, keywords):
            return lambda weights: [self._vjp(arguments, weights, i) for i in positions]

        defvjp_argnums(answer, of_arguments)
        return answer

    def ask(self, *request):
        """Send a request, serve callbacks, and return the reply; or raise a `Fault`."""
        if self.fault is not None:
            raise self.fault
        try:
            self._send(request)
            while "callback" in (reply := self._receive()):
                self._send(("reply", self._serve(reply)))
        except Fault as fault:  # the process is gone, or it is in the middle of a call
            self.fault = fault
            raise
        if reply.get("time_is_up"):
            self.fault = self._too_slow()
            raise self.fault
        if printed := reply.get("printed"):
            print(str(printed))
        if "fault" in reply:
            raise Fault(*map(str, reply["fault"][:2]))
        return reply

    def _call(self, arguments):
        return decoded(self.ask("call", *map(self._portable, arguments)).get("value"))

    def _vjp(self, arguments, weights, position):
        given = [self._portable(argument) for argument in arguments]
        reply = self.ask("vjp", given, weights, position)
        if "value" not in reply:
            raise TypeError("autograd cannot follow the function")
        return decoded(reply["value"])

    def _portable(self, argument):
        """An argument for the other process; a function there asks this one."""
        if not callable(argument) or isinstance(argument, PORTABLE):
            return argument
        self.callbacks.append(argument)
        return Callback(len(self.callbacks) - 1)

    def _serve(self, reply):
        """Call a function of the case."""
        number = reply["callback"]
        if not (isinstance(number, int) and 0 <= number < len(self.callbacks)):
            raise nonsense()
        return self.callbacks[number](*map(decoded, reply.get("arguments", ())))

    def _send(self, request):
        try:
            with os.fdopen(os.dup(self.requests), "wb") as file:
                write(file, pickle.dumps(request))
        except BrokenPipeError:
            raise self._ended() from None

    def _receive(self):
        (size,) = SIZE.unpack(self._bytes(SIZE.size))
        if size > LARGEST:
            raise Fault("no numbers", "Its result is too large.")
        try:
            reply = json.loads(self._bytes(size))
        except (ValueError, RecursionError):
            raise nonsense() from None
        if not isinstance(reply, dict):
            raise nonsense()
        return reply

    def _bytes(self, size):
        """Read so many bytes, before the time is up."""
        parts = []
        while size:
            left = min(self.start + self.limits.waiting - time.monotonic(), LONGEST_START)
            if left <= 0 or not select.select([self.replies], [], [], left)[0]:
                raise self._too_slow()
            part = os.read(self.replies, min(size, 2**16))
            if not part:
                raise self._ended()
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _ended(self):
        if time.monotonic() - self.start >= self.limits.seconds:
            return self._too_slow()
        return Fault("ended", "The process ended in the middle of it: does it call exit or kill?")

    def _too_slow(self):
        return Fault(
            "too slow",
            f"It was stopped: all calls together took more than {self.limits.seconds:g} s of the "
            f"processor, or {self.limits.waiting:g} s in all. Does a loop never end, or go over "
            "elements where arrays would do?",
        )
