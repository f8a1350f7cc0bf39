"""Several tables as one: what was tuned last month, last week and just now, for the next task."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from at2.errors import SpaceError, TableError
from at2.tables.schema import Metric, RunStatus
from at2.tables.storage.frames import ids_of_one_kind, plain_value
from at2.tables.storage.sparse import RunValues
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from at2.space import SearchSpace

__all__ = ["concat"]


def concat(
    tables: Iterable[LearningCurveTable], *, metric: str | None = None, name: str = "history"
) -> LearningCurveTable:
    """Make one table of several.

    Tasks of one name are one task. Configurations of one id are one if their hyperparameters are equal; if not, those
    of the later table are called ``<table>/<id>``. Where two tables have the same run (task, seed, configuration) with
    other values, the later one counts as a further seed. Hyperparameters that a table does not have are inactive there.
    Series per training batch are left out.

    Args:
        tables: At least one; each may have tasks, configurations, seeds and epochs of its own.
        metric: The one metric to keep; a table that has none of that name takes part with its default metric. None
            keeps the metrics that all tables have.
        name: Name of the new table.

    Returns:
        The table. Its search space is the first of the tables' that all configurations belong to, else none is given.

    Raises:
        TableError: If there is no table, no metric that all have, or one whose direction differs.

    Example:
        >>> configs = pd.DataFrame({"config_id": ["a", "b"], "lr": [0.1, 0.01]})
        >>> def tuned(task, value):
        ...     curves = pd.DataFrame({"task": task, "config_id": ["a", "b"], "epoch": 1, "value": value})
        ...     return LearningCurveTable.from_frame(curves, configs, metric="accuracy", name=task)
        >>> concat([tuned("digits", 0.9), tuned("letters", 0.7)])
        LearningCurveTable('history': 2 tasks x 1 seed x 2 configurations x 1 epoch, accuracy (higher is better))
    """
    parts = _checked(tables)
    metrics = _metrics(parts, metric)
    ids, contents = _name_configs(parts)
    facts = _facts(parts)
    runs = _Runs.of(parts, ids, list(facts), list(contents)).without_clashes([names for _, names in metrics])
    return LearningCurveTable(
        {
            wanted.name: runs.gather([t.kept(has) for t, has in zip(parts, names, strict=True)])
            for wanted, names in metrics
        },
        tasks=_frame(facts, [table.tasks for table in parts]),
        configs=_frame(contents, [table.configs for table in parts]),
        metrics=[wanted for wanted, _ in metrics],
        space=_space(parts),
        seconds=_seconds(parts, runs),
        status=runs.status(),
        name=name,
        notes={"joined": [table.name for table in parts]},
    )


@dataclass(frozen=True)
class _Runs:
    """Where the runs of several tables go in one, an entry for every run of any of them.

    Args:
        parts: The tables.
        place: Frame with a row for every run: which of the tables (``part``), its position there in C order (``of``),
            and ``task``, ``seed`` and ``config`` in the new table.
        n_task: Number of tasks of the new table.
        n_config: Number of its configurations.
    """

    parts: Sequence[LearningCurveTable]
    place: pd.DataFrame
    n_task: int
    n_config: int

    @classmethod
    def of(
        cls,
        parts: Sequence[LearningCurveTable],
        ids: Sequence[Sequence[Hashable]],
        tasks: list[str],
        configs: list[Any],
    ) -> _Runs:
        """Find the runs of all tables; two of them may go to one place."""
        row, column = pd.Index(tasks), pd.Index(configs)
        frames = []
        for number, (table, names) in enumerate(zip(parts, ids, strict=True)):
            of = np.flatnonzero(table.status != RunStatus.NOT_RUN)
            task, seed, config = np.unravel_index(of, table.status.shape)
            frames.append(
                pd.DataFrame(
                    {
                        "part": number,
                        "of": of,
                        "task": row.get_indexer(table.tasks.index)[task],
                        "seed": seed,
                        "config": column.get_indexer(pd.Index(list(names)))[config],
                    }
                )
            )
        return cls(parts, pd.concat(frames, ignore_index=True), len(tasks), len(configs))

    def without_clashes(self, metrics: Sequence[Sequence[str]]) -> _Runs:
        """Leave out runs that an earlier table has as well, and make further seeds of those that differ.

        Args:
            metrics: For every metric that is kept, what each table calls it.
        """
        twice = self.place[self.place.duplicated(["task", "config", "seed"], keep=False)]
        if twice.empty:
            return self
        seed, kept = self.place["seed"].to_numpy().copy(), np.ones(len(self.place), dtype=bool)
        runs = self.place[["part", "of"]].to_numpy()
        clashing = self.place.set_index(["task", "config"]).index.isin(twice.set_index(["task", "config"]).index)
        for _, group in self.place[clashing].groupby(["task", "config"], sort=False):
            seen: dict[int, list[list[np.ndarray]]] = {}  # by the seed that the tables call it
            used: set[int] = set()
            for at in group.index:
                content, called = [self._values(runs[at], names) for names in metrics], int(seed[at])
                kept[at] = not any(_same(content, other) for other in seen.get(called, []))
                if kept[at]:
                    seen.setdefault(called, []).append(content)
                    seed[at] = called if called not in used else 1 + max(int(group["seed"].max()), *used)
                    used.add(int(seed[at]))
        return replace(self, place=self.place.assign(seed=seed)[kept])

    def _values(self, run: np.ndarray, names: Sequence[str]) -> np.ndarray:
        part, of = run
        return _longer(self.parts[part].kept(names[part]).rows(np.array([of])), self.n_epoch)

    @property
    def n_epoch(self) -> int:
        """Epochs of the new table."""
        return max(table.n_epoch for table in self.parts)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Tasks, seeds and configurations of the new table."""
        n_seed = max([1 + int(seed) for seed in self.place["seed"].unique()] + [table.n_seed for table in self.parts])
        return self.n_task, n_seed, self.n_config

    def to(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the runs of a table, there and in the new one, ``(n_run,)`` each."""
        rows = self.place[self.place["part"] == part]
        columns = tuple(rows[name].to_numpy() for name in ("task", "seed", "config"))
        return rows["of"].to_numpy(), np.ravel_multi_index(columns, self.shape)

    def status(self) -> np.ndarray:
        """How every run of the new table ended, ``(n_task, n_seed, n_config)``."""
        status = np.full(self.shape, RunStatus.NOT_RUN, dtype=np.int8)
        for number, table in enumerate(self.parts):
            of, to = self.to(number)
            status.ravel()[to] = table.status.ravel()[of]
        return status

    def gather(self, kept: Sequence[RunValues | None]) -> RunValues:
        """Bring together what the tables have of one metric, or of the seconds; None where one has nothing."""
        values, positions = [], []
        for number, part in enumerate(kept):
            if part is not None:
                of, to = self.to(number)
                values.append(_longer(part.rows(of), self.n_epoch))
                positions.append(to)
        rows, position = np.concatenate(values), np.concatenate(positions)
        known = np.flatnonzero(np.isfinite(rows).any(axis=1))
        order = known[np.argsort(position[known])]
        return RunValues(rows[order], position[order], self.shape)


def _checked(tables: Iterable[LearningCurveTable]) -> list[LearningCurveTable]:
    parts: list[LearningCurveTable] = list(tables) if isinstance(tables, Iterable) else [tables]
    wrong = [part for part in parts if not isinstance(part, LearningCurveTable)]
    if wrong or not parts:
        got = f"a {type(wrong[0]).__name__}" if wrong else "none"
        raise TableError(f"concat wants at least one LearningCurveTable, got {got}; load_table reads one from a file")
    return parts


def _metrics(parts: Sequence[LearningCurveTable], metric: str | None) -> list[tuple[Metric, list[str]]]:
    """The metrics of the new table, each with what the tables call it."""
    if metric is not None:
        called = {metric: [metric if metric in table.metrics else table.metric for table in parts]}
    else:
        shared = [name for name in parts[0].metrics if all(name in table.metrics for table in parts)]
        called = {name: [name] * len(parts) for name in shared}
    if not called:
        have = "; ".join(f"{table.name!r} has {', '.join(table.metrics)}" for table in parts)
        raise TableError(f"no metric is in all tables: {have}. Pass metric= to take the default of each under one name")
    return [(_one_metric(parts, name, names), names) for name, names in called.items()]


def _one_metric(parts: Sequence[LearningCurveTable], name: str, names: Sequence[str]) -> Metric:
    found = [table.metrics[has] for table, has in zip(parts, names, strict=True)]
    if len({metric.maximize for metric in found}) > 1:
        up = ", ".join(repr(table.name) for table, has in zip(parts, found, strict=True) if has.maximize)
        raise TableError(f"metric {name!r} is maximized in {up} and minimized elsewhere; join tables of one direction")
    units = {metric.unit for metric in found}
    return Metric(name, found[0].maximize, units.pop() if len(units) == 1 else "")


def _name_configs(
    parts: Sequence[LearningCurveTable],
) -> tuple[list[list[Hashable]], dict[Hashable, dict[str, Any]]]:
    """Ids of each table's configurations in the new one, and what each of these is."""
    ids = ids_of_one_kind([list(table.configs.index) for table in parts])
    named, contents = _named(parts, ids)
    if any(isinstance(name, str) for name in contents) and not all(isinstance(name, str) for name in contents):
        named, contents = _named(parts, [[str(name) for name in names] for names in ids])
    return named, contents


def _named(
    parts: Sequence[LearningCurveTable], ids: Sequence[Sequence[Hashable]]
) -> tuple[list[list[Hashable]], dict[Hashable, dict[str, Any]]]:
    contents: dict[Hashable, dict[str, Any]] = {}
    named = []
    for table, names in zip(parts, ids, strict=True):
        cells = _cells(table.configs)
        named.append([_claim(contents, table.name, name, cell) for name, cell in zip(names, cells, strict=True)])
    return named, contents


def _claim(contents: dict[Hashable, dict[str, Any]], table: str, name: Hashable, cell: dict[str, Any]) -> Hashable:
    """The first free name of a configuration, or the one that an equal one has."""
    further = (f"{table}/{name}" if number == 1 else f"{table}/{name}-{number}" for number in count(1))
    return next(each for each in chain([name], further) if contents.setdefault(each, cell) == cell)


def _facts(parts: Sequence[LearningCurveTable]) -> dict[str, dict[str, Any]]:
    """What is known of every task; where tables differ, the first one counts."""
    facts: dict[str, dict[str, Any]] = {}
    for table in parts:
        for task, cell in zip(table.tasks.index, _cells(table.tasks), strict=True):
            facts[task] = {**cell, **facts.get(task, {})}
    return facts


def _cells(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as plain values, without those that are missing."""
    rows = ({str(name): plain_value(value) for name, value in row.items()} for row in frame.to_dict("records"))
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _frame(rows: Mapping[Any, dict[str, Any]], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = list(dict.fromkeys(column for frame in frames for column in frame.columns))
    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows)), columns=columns)


def _space(parts: Sequence[LearningCurveTable]) -> SearchSpace | None:
    """The first space of a table that the configurations of all others belong to."""
    for table in parts:
        if table.has_space and all(_belong(other, table.space) for other in parts):
            return table.space
    return None


def _belong(table: LearningCurveTable, space: SearchSpace) -> bool:
    if table.has_space and table.space == space:
        return True
    try:
        for cell in _cells(table.configs):
            space.validate(cell)
    except SpaceError:
        return False
    return True


def _seconds(parts: Sequence[LearningCurveTable], runs: _Runs) -> RunValues | None:
    kept = [table.kept_seconds for table in parts]
    return None if all(part is None for part in kept) else runs.gather(kept)


def _longer(values: np.ndarray, n_epoch: int) -> np.ndarray:
    """Add epochs that were not run, from ``(n_run, n)`` to ``(n_run, n_epoch)``."""
    missing = n_epoch - values.shape[1]
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan) if missing else values


def _same(ones: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(one, other, equal_nan=True) for one, other in zip(ones, others, strict=True))
