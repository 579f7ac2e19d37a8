"""Named arrays and a manifest in one .npz file, without pickle or partial writes."""

import contextlib
import errno
import io
import json
import math
import os
import secrets
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np

from ..exceptions import ModelFileError

FORMAT = 4  # of a manifest and its arrays
MANIFEST = "manifest.json"
DTYPES = "?bhilqBHILQfd"  # NumPy's letters of the dtypes that a file may have
# Limits that are checked before anything is read. Objects in memory need far more space
# than their text: a list of 3 bytes needs 64.
LARGEST_MANIFEST = 2**22  # bytes
MOST_OBJECTS = 100_000  # lists and dicts in the manifest
LARGEST_DIRECTORY = 2**20  # bytes of the archive's list of members
LONGEST_HEADER = 1024  # bytes before an array's numbers


def save(path, manifest, arrays):
    """Write a file. At any time ``path`` has all of its old or all of its new content.

    A link stays a link, and a file that is replaced keeps its permissions.

    Parameters
    ----------
    path : path
    manifest : dict
        Anything that JSON can hold.
    arrays : dict of arrays
        ``np.load(path)`` reads them under the same names.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path = _target(path)
    arrays = {name: _storable(name, array) for name, array in arrays.items()}
    specs = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    content = json.dumps({"format": FORMAT, "arrays": specs, **manifest}).encode()
    _check_manifest_size(content)
    temporary = path.with_name(f".vaelite-{secrets.token_hex(8)}")  # a long name still fits
    try:
        with open(temporary, "xb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(MANIFEST, content)
                for name, array in arrays.items():
                    archive.writestr(f"{name}.npy", _npy_bytes(array))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def load(path):
    """Read what `save` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    manifest : dict
        With the file's "format".
    arrays : dict of arrays

    Raises
    ------
    OSError
        If the file does not exist or cannot be opened.
    ModelFileError
        If the file is of another kind, is damaged, or has a newer format.
    """
    path = Path(path).expanduser()
    if not path.is_dir() and not stat.S_ISREG(path.stat().st_mode):
        raise ModelFileError(f"{path} cannot be loaded: it is a device or a pipe")
    with open(path, "rb") as file:
        try:
            return _read(file)
        except ModelFileError as error:
            raise ModelFileError(f"{path} cannot be loaded: {error}") from None
        except Exception as error:  # zipfile, json and NumPy raise many kinds of errors
            raise ModelFileError(
                f"{path} is not a vaelite model, or it is damaged ({error})"
            ) from error


def pack(tree, name):
    """Split nested dicts and lists into what JSON can hold, and arrays.

    Parameters
    ----------
    tree : object
        Dicts with texts as keys, lists, arrays, numbers, texts, True, False and None.
    name : str
        Of the tree; the arrays get names like ``"state.adam.m"``.

    Returns
    -------
    plain : object
        For JSON, with the name of an array in its place.
    arrays : dict of arrays
        Also a long list of numbers is stored as an array.

    Raises
    ------
    TypeError
        For any other object, also of a derived class: `unpack` returns the same.
    """
    if type(tree) is dict:
        _check_keys(tree, name)
        parts = {key: pack(value, f"{name}.{key}") for key, value in tree.items()}
        arrays = {k: array for _, found in parts.values() for k, array in found.items()}
        return {"dict": {key: plain for key, (plain, _) in parts.items()}}, arrays
    if type(tree) is np.ndarray or isinstance(tree, np.generic):
        array = np.asarray(tree)  # the order of its axes in memory decides how a sum is rounded
        axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        array, plain = (
            array.transpose(axes),
            {"array": name, "scalar": type(tree) is not np.ndarray},
        )
        return plain | {"axes": np.argsort(axes).tolist()}, {name: array}
    if type(tree) in (list, tuple):
        return _pack_sequence(tree, name)
    if tree is not None and type(tree) not in (bool, int, float, str):
        raise TypeError(f"{name} is a {type(tree).__name__}, which a file cannot hold")
    return tree, {}


def _check_keys(tree, name):
    for key in tree:
        if type(key) is not str:
            raise TypeError(f"{name} has the key {key!r}; a file holds texts as keys only")


def _pack_sequence(tree, name):
    plain, kinds = {"tuple": type(tree) is tuple}, {type(value) for value in tree}
    if kinds in ({int}, {float}) and np.array(tree).dtype != object:  # of 2**70
        return plain | {"numbers": name}, {name: np.array(tree)}
    parts = [pack(value, f"{name}.{i}") for i, value in enumerate(tree)]
    arrays = {k: array for _, found in parts for k, array in found.items()}
    return plain | {"list": [part for part, _ in parts]}, arrays


def unpack(plain, arrays):
    """Return the tree that `pack` split."""
    if not isinstance(plain, dict):
        return plain
    if "dict" in plain:
        return {key: unpack(value, arrays) for key, value in plain["dict"].items()}
    if "array" in plain:
        array = arrays[plain["array"]].transpose(plain["axes"])
        return array[()] if plain["scalar"] else array
    numbers = arrays[plain["numbers"]].tolist() if "numbers" in plain else plain["list"]
    values = [unpack(value, arrays) for value in numbers]
    return tuple(values) if plain["tuple"] else values


def _target(path):
    """The path of the regular file to write, behind links."""
    path = Path(os.path.realpath(Path(path).expanduser()))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to save {path.name} in")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; pass the name of a file in it")
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "a device or a pipe, not a file to save in", str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only", str(path))
    return path


def _storable(name, array):
    """An array in C order and in this machine's order of bytes."""
    if array.dtype.char not in DTYPES:
        raise TypeError(f"array {name} has dtype {array.dtype}, which a file cannot hold")
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def _read(file):
    size = file.seek(0, os.SEEK_END)
    _check_directory(file, size)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(info.file_size for info in members) > size or any(
            info.compress_type or info.compress_size != info.file_size for info in members
        ):
            raise ModelFileError(
                "its parts are compressed or larger than the file; vaelite writes no such files"
            )
        manifest = _manifest(archive)
        specs = manifest.pop("arrays")
        if sorted(archive.namelist()) != sorted([MANIFEST, *(f"{name}.npy" for name in specs)]):
            raise ModelFileError("its arrays are not those that its manifest lists")
        return manifest, {name: _array(archive, name, *spec) for name, spec in specs.items()}


def _check_directory(file, size):
    """Refuse a list of members that would need much memory, before zipfile reads it."""
    file.seek(max(0, size - 98))
    end = file.read()[-98:]  # ends with the zip64 record (56 bytes), its locator, the end record
    if end[-22:-18] != b"PK\5\6":
        raise ModelFileError("it is not a vaelite model, or its end is missing")
    (length,) = struct.unpack("<I", end[-10:-6])
    if end[-42:-38] == b"PK\6\7":
        (length,) = struct.unpack("<Q", end[-58:-50])
    if length > LARGEST_DIRECTORY:
        raise ModelFileError("it has far more parts than a model")


def _manifest(archive):
    if archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST:
        raise ModelFileError(f"its manifest has more than {LARGEST_MANIFEST} bytes")
    content = archive.read(MANIFEST)
    _check_manifest_size(content)
    manifest = json.loads(content)
    if manifest["format"] != FORMAT or type(manifest["format"]) is not int:
        raise ModelFileError(
            f"this version of vaelite reads format {FORMAT}, but the file has format "
            f"{manifest['format']}; use the version of vaelite that wrote it"
        )
    return manifest


def _check_manifest_size(content):
    if len(content) > LARGEST_MANIFEST or content.count(b"[") + content.count(b"{") > MOST_OBJECTS:
        raise ModelFileError(
            f"a manifest should have at most {LARGEST_MANIFEST} bytes and {MOST_OBJECTS} lists"
        )


def _npy_bytes(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def _array(archive, name, dtype, shape):
    """Read one array, if its dtype, shape and size are those of the manifest."""
    if len(dtype) > 3 or np.dtype(dtype).char not in DTYPES:
        raise ModelFileError(f"array {name} has dtype {dtype}; vaelite writes no such arrays")
    dtype, info = np.dtype(dtype), archive.getinfo(f"{name}.npy")
    if not 0 < info.file_size - math.prod(shape) * dtype.itemsize <= LONGEST_HEADER:
        raise ModelFileError(f"array {name} has not the size of its shape {tuple(shape)}")
    content = archive.read(info)
    if struct.unpack("<H", content[8:10])[0] > LONGEST_HEADER:
        raise ModelFileError(f"array {name} has too long a header")
    stream = io.BytesIO(content)
    np.lib.format.read_magic(stream)
    found_shape, fortran_order, found = np.lib.format.read_array_header_1_0(stream)
    if (found, list(found_shape), fortran_order) != (dtype, shape, False):
        raise ModelFileError(
            f"array {name} has dtype {found} and shape {found_shape}, expected {dtype} and "
            f"{tuple(shape)}"
        )
    array = np.frombuffer(content, dtype, offset=stream.tell()).reshape(shape)
    return array.astype(dtype.newbyteorder("="))  # a copy


def _sync_folder(folder):
    """Make a rename in a folder survive a power failure, if the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
