"""Libraries that only some rivals need: told apart from those that are missing, and kept quiet."""

import contextlib
import importlib
import importlib.util
import logging
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from typing import Any

from at2.errors import MissingExtraError


def is_installed(library: str) -> bool:
    """Say whether a library can be imported."""
    return importlib.util.find_spec(library) is not None


def require(library: str, module: str | None = None) -> Any:
    """Import a library, or one of its modules.

    Raises:
        MissingExtraError: If it is not installed; the message says how to get it.

    Example:
        >>> require("nowhere")
        Traceback (most recent call last):
        ...
        at2.errors.MissingExtraError: this rival needs nowhere, which is not installed; pip install 'at2[rivals]'
    """
    try:
        with quiet(library):
            return importlib.import_module(module or library)
    except ModuleNotFoundError as error:
        missing = error.name or library
        raise MissingExtraError(
            f"this rival needs {missing}, which is not installed; pip install 'at2[rivals]'"
        ) from error


def scratch_folder(owner: object) -> str:
    """Make a folder for what a library insists on writing; it goes when its owner does."""
    folder = tempfile.mkdtemp(prefix="at2-")
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextlib.contextmanager
def quiet(library: str) -> Iterator[None]:
    """Hold back warnings, and a library's log below errors, for as long as the block lasts."""
    logger = logging.getLogger(library)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
