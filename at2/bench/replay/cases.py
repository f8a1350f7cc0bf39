"""What benches over cases share: playing them one by one or in processes, tables loaded once, checks of a plan."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn, TypeVar

from at2.bench.replay.protocols import Protocol, list_cases
from at2.bench.replay.views import cut_sources
from at2.errors import At2Error
from at2.processes import run_all

if TYPE_CHECKING:
    from at2.bench.replay.protocols import Case
    from at2.tables import LearningCurveTable

Result = TypeVar("Result")


def play_cases(
    work: Callable[[Case], tuple[Case, Result]],
    protocol: Protocol,
    database: str,
    *,
    jobs: int,
    on_case: Callable[[Case], None] | None = None,
) -> Iterator[tuple[Case, Result]]:
    """Do some work for every case of a protocol.

    Args:
        work: Gives the case back with what it came to; importable by name in a new process.
        protocol: Lists the cases.
        database: Name of a table, or the path of an HDF5 file.
        jobs: Processes at a time; 0 works in this process.
        on_case: Called after each case.

    Yields:
        What `work` gave, in the order of completion.

    Raises:
        At2Error: If a process dies.
    """
    cases = list_cases(protocol, cached_table(database), database=database)
    for case, result in run_all(work, cases, jobs=jobs, lost=_lost) if jobs else map(work, cases):
        yield case, result
        if on_case is not None:
            on_case(case)


@functools.cache
def cached_table(database: str) -> LearningCurveTable:
    """Load a table, once a process."""
    from at2.tables import load_table

    return load_table(database)


def left_of(table: LearningCurveTable, case: Case, *, metric: str | None = None) -> LearningCurveTable:
    """Return the table with what a case leaves of its sources' curves.

    Args:
        table: The table; it is left as it is.
        case: The case; its seed of the cut is its draw.
        metric: Name of the metric; None means the table's default.
    """
    if case.history is None:
        return table
    return cut_sources(table, case.sources, history=case.history, seed=case.draw, metric=metric)


def check_chosen(chosen: Sequence[str], known: Sequence[str], *, what: str) -> None:
    """Raise At2Error where nothing is chosen, or something that is not known.

    Example:
        >>> check_chosen(["none"], ["none", "good"], what="arms")
        >>> check_chosen([], ["none", "good"], what="arms")
        Traceback (most recent call last):
        ...
        at2.errors.At2Error: arms are 'none', 'good'; () given
    """
    if not chosen or not set(chosen) <= set(known):
        raise At2Error(f"{what} are {', '.join(map(repr, known))}; {tuple(chosen)} given")


def _lost(case: Case) -> NoReturn:
    raise At2Error(f"the process that played target {case.target!r} died (killed for memory, or a crash)")
