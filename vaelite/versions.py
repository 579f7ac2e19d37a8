"""What a computation runs on: packages, processor, matrix kernels; and advice."""

import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path

import numpy as np

CORE = "vaelite", "numpy", "autograd", "scipy", "matplotlib"
EXTRAS = "numba", "threadpoolctl", "scikit-learn", "pooch", "tqdm", "cupy-cuda12x", "cupy-cuda13x"
AVX2_KERNELS = "Haswell", "Zen"  # OpenBLAS's names
SLOW_KERNELS = (
    "OpenBLAS uses AVX2 kernels on a processor with AVX-512. Set OPENBLAS_CORETYPE=SkylakeX before "
    "Python starts: matrix products will be faster"
)
BUSY = (
    "the machine has {cores} cores and {load:.1f} running processes, and this one computes with "
    "{threads} threads, which wait for each other. For several processes at once, set "
    "OPENBLAS_NUM_THREADS=1 before Python starts"
)


def show_versions():
    """Print versions, the processor, and what computes matrix products; and advice.

    Advice is given where it is sure. Which kernels OpenBLAS uses is known only if
    threadpoolctl is installed.

    Examples
    --------
    >>> import vaelite
    >>> vaelite.show_versions()
    System
      Python           ...
      system           ...
      processor        ...
      cores            ...
    Packages
      vaelite          ...
    Matrix products
    ...
    """
    print("System")
    for name, value in system().items():
        _line(name, value)
    print("Packages")
    for name in (*CORE, *EXTRAS):
        _line(name, version(name))
    print("Matrix products")
    for name, value in products().items():
        _line(name, value)
    for sentence in advice():
        print(f"Advice: {sentence}.")


def _line(name, value):
    print(f"  {name:17s}{value}")


def system():
    """Return Python, operating system, processor, and the cores that may be used."""
    return {
        "Python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": n_cores(),
    }


def version(package):
    """Return the version of an installed package, as text."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def processor():
    """Return the processor's name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.split(": ")[1] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def n_cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def blas():
    """Return what threadpoolctl says of NumPy's BLAS, a dict, or None without it."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return None
    from threadpoolctl import threadpool_info

    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    numpys = [library for library in found if "numpy" in library["filepath"]]
    return (numpys or found or [None])[0]


def products():
    """Return the library of matrix products, its kernels and its threads, as texts."""
    built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    found = blas() or {}
    unknown = "unknown; python -m pip install threadpoolctl"
    return {
        "library": f"{built['name']} {built['version']}",
        "kernels": found.get("architecture", unknown),
        "threads": found.get("num_threads", unknown),
        "AVX-512": "yes" if has_avx512(simd()) else "no",
    }


def simd():
    """Return NumPy's names of the vector instructions that this processor has."""
    return np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])


def has_avx512(found):
    """Whether NumPy's names of vector instructions include AVX-512."""
    return any(name == "X86_V4" or name.startswith("AVX512") for name in found)


def advice():
    """Return sentences on what would make this process faster, where that is sure."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return advice_on(blas(), has_avx512(simd()), n_cores(), load)


def advice_on(blas, avx512, cores, load):
    """Return the advice for a BLAS as `blas` describes it, or None.

    Parameters
    ----------
    blas : dict or None
    avx512 : bool
        Whether the processor has it.
    cores : int
    load : float
        Running processes and threads, as `os.getloadavg` counts them.

    Returns
    -------
    list of str
    """
    found = []
    if blas is None:
        return found
    is_openblas = blas["internal_api"] == "openblas"
    if avx512 and is_openblas and blas.get("architecture") in AVX2_KERNELS:
        found.append(SLOW_KERNELS)
    if blas["num_threads"] > 1 and load > cores:
        found.append(BUSY.format(cores=cores, load=load, threads=blas["num_threads"]))
    return found
