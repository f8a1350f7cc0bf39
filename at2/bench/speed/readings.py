"""How long at2 takes and how much memory, beside a fixed piece of linear algebra timed in the same process.

Seconds differ from machine to machine; the ratio to the reference differs less: compare that between versions.
"""

import functools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from at2.errors import At2Error
from at2.processes import run_all

REFERENCE = "Cholesky factor of a 2000 x 2000 matrix, one thread"


@dataclass(frozen=True)
class Reading:
    """One measured number.

    Args:
        name: What was measured.
        value: The number.
        unit: Its unit: s, ms or MB.
        limit: What it should stay below, in the same unit; None where nothing was promised.
        ratio: A time as a multiple of the reference's; None for memory.
    """

    name: str
    value: float
    unit: str
    limit: float | None
    ratio: float | None


@dataclass(frozen=True)
class _Case:
    """One recommender to time: a target and its sources; no sources means all other tasks."""

    name: str
    database: str
    target: str
    sources: tuple[str, ...] | None
    budget_epochs: int
    fit_limit_s: float


def measure_speed(databases: Sequence[str] = ("hyperrec", "lcbench"), *, budget_epochs: int = 100) -> Iterator[Reading]:
    """Time fit, step and sweep, each in a fresh process with one thread.

    Fit is the time from building a `Recommender` to its first query; a step is one ``ask`` and one ``tell``.

    Args:
        databases: Published tables to measure on; they must be at hand.
        budget_epochs: Steps to take the median of.

    Yields:
        One reading after the other.

    Raises:
        At2Error: If a measured process dies.
    """
    for case in _cases(databases, budget_epochs):
        (readings,) = run_all(_measure_case, [case], jobs=1, lost=_lost)
        yield from readings
    yield from _measure_sweep(databases, budget_epochs)


def _cases(databases: Sequence[str], budget_epochs: int) -> Iterator[_Case]:
    from at2.tables import published_pairs

    for database in databases:
        pair = published_pairs(database)[0]
        few = functools.partial(_Case, database=database, target=pair.target, budget_epochs=budget_epochs)
        yield few(name=f"{database}, 4 sources", sources=tuple(pair.sources), fit_limit_s=2.0)
        yield few(name=f"{database}, all sources", sources=None, fit_limit_s=10.0)


def _lost(item: object) -> NoReturn:
    raise At2Error(f"the process that measured {item} died")


def _measure_case(case: _Case) -> list[Reading]:
    """Fit and play one recommender in this process."""
    from at2.bench.replay.objective import TableObjective
    from at2.recommend import Budget, Recommender
    from at2.tables import load_table

    table = load_table(case.database)
    objective = TableObjective(table, case.target)
    reference_s = time_reference()
    start = time.perf_counter()
    sources = None if case.sources is None else list(case.sources)
    tuner = Recommender(table, target=case.target, sources=sources, budget=Budget(epochs=case.budget_epochs), seed=0)
    query = tuner.ask()
    fit_s = time.perf_counter() - start
    steps_s, answers_s = [], []
    while query is not None:
        shown = objective.measure(query.config_id, query.epoch)
        start = time.perf_counter()
        tuner.tell(query, shown.value, failed=shown.failed)
        query = tuner.ask()
        steps_s.append(time.perf_counter() - start)
        start = time.perf_counter()
        tuner.recommend()
        answers_s.append(time.perf_counter() - start)
    step_s, answer_s = statistics.median(steps_s), statistics.median(answers_s)
    return [
        Reading(f"fit ({case.name})", fit_s, "s", case.fit_limit_s, fit_s / reference_s),
        Reading(f"step, median ({case.name})", 1e3 * step_s, "ms", 10.0, step_s / reference_s),
        Reading(f"recommend, median ({case.name})", 1e3 * answer_s, "ms", None, answer_s / reference_s),
        Reading(f"peak memory ({case.name})", peak_memory_mb(), "MB", 1500.0, None),
    ]


def _measure_sweep(databases: Sequence[str], budget_epochs: int) -> Iterator[Reading]:
    """Time the published pairs from nothing, two processes at a time."""
    from at2.bench.sweeps.plan import plan_pairs
    from at2.bench.sweeps.run import run_sweep

    (reference_s,) = run_all(time_reference, [5], jobs=1, lost=_lost)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        plan = plan_pairs(databases, tuners=("at2", "average-rank"), budget_epochs=budget_epochs)
        outcomes = run_sweep(plan, record=Path(folder), jobs=2)
        sweep_s = time.perf_counter() - start
    failed = [outcome for outcome in outcomes if outcome.status != "done"]
    if failed:
        raise At2Error(
            f"{len(failed)} runs of the sweep failed, first {failed[0].run.folder_name}: {failed[0].message}"
        )
    yield Reading(f"sweep of {len(plan)} runs, 2 processes", sweep_s, "s", 120.0, sweep_s / reference_s)


def time_reference(repeats: int = 5) -> float:
    """Give the median time of the reference in this process, in seconds."""
    size = 2000
    root = np.random.default_rng(0).standard_normal((size, size))
    matrix = root @ root.T + size * np.eye(size)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        np.linalg.cholesky(matrix)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory_mb() -> float:
    """Give the most memory that this process has held so far, in megabytes (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # bytes there, kibibytes elsewhere
