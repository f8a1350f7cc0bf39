"""Whether what is about to be computed fits into this machine's memory: a process that it kills says nothing."""

from __future__ import annotations

import logging
import os

_LOG = logging.getLogger(__name__)


def physical_memory() -> int | None:
    """Return how many bytes of memory this machine has, None where the system does not tell.

    Example:
        >>> memory = physical_memory()
        >>> memory is None or memory > 0
        True
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return memory if memory > 0 else None  # -1 stands for a number that is not known


def warn_if_short(needed: int, what: str, remedy: str) -> None:
    """Log a warning where more memory will be needed than this machine has.

    Args:
        needed: About how many bytes it takes.
        what: What takes them.
        remedy: What takes less.
    """
    there = physical_memory()
    if there is not None and needed > there:
        _LOG.warning("%s takes about %.0f GB, and this machine has %.0f: %s", what, needed / 1e9, there / 1e9, remedy)
