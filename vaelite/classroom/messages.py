"""Messages between the grader and the process of a submission: bytes, and numbers."""

import base64
import struct

import numpy as np

from .answers import Fault, as_numbers
from .pictures import points_of

SIZE = struct.Struct("!Q")
LARGEST = 2**26  # bytes of a message


def write(file, body):
    """Send bytes, after their number."""
    file.write(SIZE.pack(len(body)) + body)
    file.flush()


def read(file):
    """Receive bytes, or EOFError."""
    head = file.read(SIZE.size)
    if len(head) < SIZE.size:
        raise EOFError
    return file.read(SIZE.unpack(head)[0])


def encoded(value):
    """A result as JSON: a boolean, a number, an array, or only the name of its type."""
    if isinstance(value, bool | np.bool_):
        return {"boolean": bool(value)}
    if isinstance(value, int | float | np.number) and not isinstance(value, complex):
        return {"number": float(value)}
    points = points_of(value)
    try:
        array = np.ascontiguousarray(as_numbers(value if points is None else points))
    except Fault:
        return {"other": type(value).__name__}
    if array.nbytes > LARGEST / 2:
        raise Fault("no numbers", "Its result is too large.")
    text = base64.b64encode(array.astype("<f8").tobytes()).decode("ascii")
    return {"array": text, "shape": array.shape}


def decoded(value):
    """A result that another process encoded; nothing in it is executed."""
    match value:
        case {"boolean": bool() as known}:
            return known
        case {"number": float() as number}:
            return number
        case {"array": str() as text, "shape": list() as shape}:
            try:
                return np.frombuffer(base64.b64decode(text), "<f8").reshape(shape).copy()
            except (ValueError, TypeError):
                raise nonsense() from None
        case {"other": str() as kind}:
            return type(kind, (), {})()
    raise nonsense()


def nonsense():
    """What is said of a message that is no result."""
    return Fault("ended", "The process sent what is no result.")
