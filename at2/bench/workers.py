"""The workers bench: what several trainings at a time cost in regret, and save in time.

A run is simulated. Whenever a worker is free the default recommender is asked; an epoch takes a random time of mean 1,
so that results come back in another order than they were asked for. Everybody spends the same number of epochs.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from at2.bench.replay.cases import cached_table, play_cases
from at2.bench.replay.protocols import Protocol
from at2.errors import BudgetError

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.replay.objective import TableObjective
    from at2.bench.replay.protocols import Case
    from at2.recommend import Query, Tuner

_SHAPE = 20.0  # of the gamma distribution of the time that an epoch takes: a standard deviation of 22 %


@dataclass(frozen=True)
class WorkersPlan:
    """What is measured.

    Args:
        database: Name of a table, or the path of an HDF5 file.
        protocol: Targets and sources.
        budget_epochs: Epochs of all workers together.
        workers: Numbers of workers; each is a run by itself.

    Raises:
        BudgetError: If a number is not positive, or there is no number of workers.
    """

    database: str = "lcbench"
    protocol: Protocol = field(default_factory=Protocol)
    budget_epochs: int = 100
    workers: tuple[int, ...] = (1, 4, 8, 16)

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.workers or min(*self.workers, self.budget_epochs) < 1:
            raise BudgetError(
                f"at least 1 worker and 1 epoch are wanted, {self.workers} and {self.budget_epochs} given"
            )


@dataclass(frozen=True)
class Course:
    """How a run with several workers went.

    Args:
        duration: When the last result came back, in mean times of an epoch.
        n_epochs: Epochs trained.
        n_configs: Configurations trained.
        most_at_once: The largest number of trainings at a time.
    """

    duration: float
    n_epochs: int
    n_configs: int
    most_at_once: int


def measure_workers(plan: WorkersPlan, *, jobs: int = 1, on_case: Callable[[Case], None] | None = None) -> pd.DataFrame:
    """Play every target with every number of workers.

    Args:
        plan: What is measured.
        jobs: Processes at a time; 0 plays in this process.
        on_case: Called after each target.

    Returns:
        A row for each target and number of workers: ``target``, ``draw``, ``workers``, ``regret`` of the
        recommendation, and the fields of `Course`.

    Raises:
        At2Error: If a process dies.
    """
    import pandas as pd

    work = functools.partial(_play_all, plan)
    rows = []
    for case, results in play_cases(work, plan.protocol, plan.database, jobs=jobs, on_case=on_case):
        rows += [{"target": case.target, "draw": case.draw, **result} for result in results]
    return pd.DataFrame(rows).sort_values(["draw", "target", "workers"], ignore_index=True)


def play_with_workers(tuner: Tuner, objective: TableObjective, *, n_worker: int, seed: int) -> Course:
    """Let several workers train what a tuner asks for, until it has enough.

    Args:
        tuner: A tuner that may be asked again before it was told; None from ``ask`` leaves a worker idle until the
            next result.
        objective: The target.
        n_worker: Trainings at a time.
        seed: Seed of the times that epochs take.
    """
    rng = np.random.default_rng(seed)
    running: list[tuple[float, int, Query]] = []  # when it ends; the number tells apart what ends together
    now, n_epochs, most, trained = 0.0, 0, 0, set()
    while True:
        while len(running) < n_worker and (query := tuner.ask()) is not None:
            heapq.heappush(running, (now + float(rng.gamma(_SHAPE, 1.0 / _SHAPE)), n_epochs, query))
            trained.add(query.config_id)
            n_epochs += 1
        if not running:
            return Course(now, n_epochs, len(trained), most)
        most = max(most, len(running))
        now, _, query = heapq.heappop(running)
        shown = objective.measure(query.config_id, query.epoch)
        tuner.tell(query, shown.value, failed=shown.failed, seconds=shown.seconds)


def summarize_workers(frame: pd.DataFrame) -> pd.DataFrame:
    """Give means over targets and draws for each number of workers.

    Args:
        frame: What `measure_workers` gave.

    Returns:
        A row for each number of ``workers``: ``regret`` and its standard error ``error``, ``difference`` from the
        smallest number of workers and the standard error ``difference_error`` of the paired difference, ``duration``,
        ``n_epochs``, ``n_configs`` and ``n_run``.
    """
    import pandas as pd

    wide = frame.pivot_table(index=["draw", "target"], columns="workers", values="regret")
    rows = []
    for workers, part in frame.groupby("workers", sort=True):
        difference = wide[workers] - wide.iloc[:, 0]
        row = {"workers": workers, "regret": part["regret"].mean(), "error": part["regret"].sem()}
        row |= {"difference": difference.mean(), "difference_error": difference.sem()}
        row |= {name: part[name].mean() for name in ("duration", "n_epochs", "n_configs")}
        rows.append(row | {"n_run": len(part)})
    return pd.DataFrame(rows)


def _play_all(plan: WorkersPlan, case: Case) -> tuple[Case, list[dict[str, float]]]:
    """Regret and course for each number of workers."""
    from at2.bench.replay.objective import TableObjective
    from at2.recommend import Budget, Recommender

    table = cached_table(plan.database)
    objective = TableObjective(table, case.target, seed=case.seed % table.n_seed)
    results = []
    for n_worker in plan.workers:
        budget = Budget(epochs=plan.budget_epochs)
        tuner = Recommender(
            table,
            target=case.target,
            sources=list(case.sources),
            candidates=objective.candidates,
            budget=budget,
            seed=case.tuner_seed,
        )
        course = play_with_workers(tuner, objective, n_worker=n_worker, seed=case.tuner_seed)
        regret = objective.regret(tuner.recommend().config_id)
        results.append({"workers": n_worker, "regret": regret, **vars(course)})
    return case, results
