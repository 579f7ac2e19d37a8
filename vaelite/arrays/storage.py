"""Named arrays and a manifest in one .npz file, without pickle or partial writes."""

import contextlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from ..exceptions import ModelFileError

FORMAT = 2  # what `save` writes; `load` also reads format 1
MANIFEST = "manifest.json"


def save(path, manifest, arrays):
    """Write a file. At any time ``path`` has all of its old or all of its new content.

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
    path = Path(path).expanduser()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} to save {path.name} in")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; pass the name of a file in it")
    specs = {name: [array.dtype.str, array.shape] for name, array in arrays.items()}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(
                    MANIFEST, json.dumps({"format": FORMAT, "arrays": specs, **manifest})
                )
                for name, array in arrays.items():
                    archive.writestr(f"{name}.npy", _npy_bytes(array))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
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
    with open(Path(path).expanduser(), "rb") as file:
        try:
            return _read(file)
        except ModelFileError as error:
            raise ModelFileError(f"{path} cannot be loaded: {error}") from None
        except Exception as error:  # zipfile, json and NumPy raise many kinds of errors
            raise ModelFileError(
                f"{path} is not a vaelite model, or it is damaged ({error})"
            ) from error


def _read(file):
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(info.file_size for info in members) > size or any(
            info.compress_type for info in members
        ):
            raise ModelFileError(
                "its parts are compressed or larger than the file; vaelite writes no such files"
            )
        manifest = json.loads(archive.read(MANIFEST))
        if manifest["format"] not in range(1, FORMAT + 1):
            raise ModelFileError(
                f"this version of vaelite reads formats 1 to {FORMAT}, but the file has format "
                f"{manifest['format']}; upgrade vaelite"
            )
        specs = manifest.pop("arrays")
        if sorted(archive.namelist()) != sorted([MANIFEST, *(f"{name}.npy" for name in specs)]):
            raise ModelFileError("its arrays are not those that its manifest lists")
        return manifest, {
            name: _parse_npy(name, archive.read(f"{name}.npy"), *spec)
            for name, spec in specs.items()
        }


def _npy_bytes(array):
    stream = io.BytesIO()
    np.lib.format.write_array(
        stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False
    )
    return stream.getvalue()


def _parse_npy(name, content, dtype, shape):
    stream = io.BytesIO(content)
    np.lib.format.read_magic(stream)
    found_shape, fortran_order, found_dtype = np.lib.format.read_array_header_1_0(stream)
    found = found_dtype.str, list(found_shape), fortran_order
    if found != (dtype, shape, False) or found_dtype.kind != "f":
        raise ModelFileError(
            f"array {name} has dtype {found_dtype} and shape {found_shape}, expected {dtype} and "
            f"{tuple(shape)}"
        )
    array = np.frombuffer(content, found_dtype, offset=stream.tell()).reshape(shape).copy()
    if not np.isfinite(array).all():
        raise ModelFileError(f"array {name} has numbers that are not finite")
    return array


def _sync_folder(folder):
    """Make a rename in a folder survive a power failure, if the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
