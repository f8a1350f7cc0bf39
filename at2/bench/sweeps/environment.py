"""What a run ran on: versions and the machine's size, kept beside each result."""

import importlib.metadata
import os
import platform
import sys
from typing import Any

import at2

_PACKAGES = ("torch", "gpytorch", "botorch", "numpy", "scipy", "pandas", "h5py", "ConfigSpace")


def describe_environment() -> dict[str, Any]:
    """Give versions of at2, Python and the packages that decide numbers, the processor and the thread settings."""
    return {
        "at2": at2.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")},
        "arguments": sys.argv[1:],
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
