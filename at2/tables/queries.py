"""Questions to a table, answered as pandas frames; the methods of LearningCurveTable call these."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from at2.errors import SpaceError, TableError, UnknownNameError
from at2.scalars import is_whole

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables.storage.sparse import RunValues
    from at2.tables.table import LearningCurveTable

_log = logging.getLogger(__name__)

__all__ = ["best", "curve", "equal", "find_configs", "long", "subset", "task_curves", "value_at", "whole_columns"]


def curve(
    table: LearningCurveTable, task: str, config_id: Hashable, *, seed: int = 0, metric: str | None = None
) -> pd.Series[float]:
    """See :meth:`LearningCurveTable.curve`."""
    run = table.task_index(task), _seed_index(table, seed), table.config_index(config_id)
    values = table.kept(metric).of_run(*run).astype(np.float64)
    series = pd.Series(values, index=_epochs(table), name=table.get_metric(metric).name)
    return series.dropna()


def task_curves(
    table: LearningCurveTable, task: str, *, seed: int | None = None, metric: str | None = None
) -> pd.DataFrame:
    """See :meth:`LearningCurveTable.task_curves`."""
    curves = table.kept(metric).of_task(table.task_index(task)).astype(np.float64)  # (n_seed, n_config, n_epoch)
    values = mean_known(curves, axis=0) if seed is None else curves[_seed_index(table, seed)]
    return pd.DataFrame(values, index=table.configs.index, columns=_epochs(table))


def best(
    table: LearningCurveTable,
    task: str,
    n: int = 10,
    *,
    metric: str | None = None,
    by: Literal["max", "final"] = "max",
) -> pd.DataFrame:
    """See :meth:`LearningCurveTable.best`."""
    if by not in ("max", "final"):
        raise TableError(f"by must be 'max' (the best epoch) or 'final' (the last one), not {by!r}")
    if not is_whole(n) or n < 1:
        raise TableError(f"n must be a positive whole number of configurations, not {n!r}")
    sign = 1 if table.get_metric(metric).maximize else -1
    score = sign * task_curves(table, task, metric=metric).to_numpy()  # (n_config, n_epoch)
    known = np.isfinite(score)
    rows = np.flatnonzero(known.any(axis=1))
    if by == "max":
        columns = np.where(known, score, -np.inf)[rows].argmax(axis=1)
    else:
        columns = score.shape[1] - 1 - known[rows, ::-1].argmax(axis=1)
    order = np.argsort(-score[rows, columns], kind="stable")[:n]
    rows, columns = rows[order], columns[order]
    frame = table.configs.iloc[rows].rename(columns={name: f"config.{name}" for name in ("value", "epoch")})
    frame.insert(0, "value", sign * score[rows, columns])
    frame.insert(1, "epoch", columns + 1)
    return frame


def value_at(
    table: LearningCurveTable, epoch: int, *, metric: str | None = None, task: str | None = None
) -> pd.DataFrame:
    """See :meth:`LearningCurveTable.value_at`."""
    if not is_whole(epoch) or not 1 <= epoch <= table.n_epoch:
        raise TableError(f"curves of table {table.name!r} have epochs 1 to {table.n_epoch}, {epoch!r} asked")
    values = table.kept(metric).at_epoch(int(epoch) - 1)  # (n_task, n_seed, n_config)
    if task is None:
        return pd.DataFrame(mean_known(values, axis=1).T, index=table.configs.index, columns=table.tasks.index)
    seeds = pd.RangeIndex(table.n_seed, name="seed")
    return pd.DataFrame(values[table.task_index(task)].T, index=table.configs.index, columns=seeds)


def long(
    table: LearningCurveTable,
    query: str | None = None,
    *,
    tasks: Iterable[str] | None = None,
    metric: str | None = None,
) -> pd.DataFrame:
    """See :meth:`LearningCurveTable.long`."""
    kept = table.kept(metric)
    place, shown = kept.places(), np.isfinite(kept.values)
    if tasks is not None:
        asked = np.zeros(len(table.tasks), dtype=bool)
        asked[[table.task_index(task) for task in _names(tasks, "tasks")]] = True
        shown &= asked[place[0]][:, None]
    run, epoch = np.nonzero(shown)
    task, seed, config = (part[run] for part in place)
    frame = pd.DataFrame(
        {
            "task": table.tasks.index.take(task),
            "seed": seed,
            "config_id": table.configs.index.take(config),
            "epoch": epoch + 1,
            "value": kept.values[run, epoch].astype(np.float64),
        }
    )
    if table.kept_seconds is not None:
        frame["seconds"] = table.kept_seconds.rows(kept.run)[run, epoch].astype(np.float64)
    return frame if query is None else frame[_matches(table, frame, query, config)].reset_index(drop=True)


def find_configs(table: LearningCurveTable, query: str) -> pd.Index[Any]:
    """See :meth:`LearningCurveTable.find_configs`."""
    frame = table.configs.reset_index()
    return table.configs.index[_matches(table, frame, query, np.arange(len(frame)))]


def _matches(table: LearningCurveTable, frame: pd.DataFrame, query: str, config: np.ndarray) -> np.ndarray:
    """Tell for each row of a frame whether the query holds; joins only the hyperparameters it mentions."""
    joined = frame
    for name in [str(name) for name in table.configs.columns if name in query]:
        other = f"config.{name}" if name in frame.columns else name
        if other in query:
            joined = joined.assign(**{other: table.configs[name].take(config).array})
        elif "value" in frame.columns:  # a row is a reading
            _log.warning("query %r: %s is of the rows, not the hyperparameter: that is `%s`", query, name, other)
    try:
        # No variables of this function, and none of the caller's, can be reached from the query.
        found = joined.eval(query, local_dict={}, global_dict={})
    except Exception as error:  # pandas raises a dozen kinds here, its own NameError and SyntaxError among them
        names = ", ".join(dict.fromkeys([*joined.columns, *table.configs.columns]))
        raise TableError(f"query {query!r} cannot be evaluated ({error}); the columns are {names}") from error
    if not isinstance(found, pd.Series) or not pd.api.types.is_bool_dtype(found.dtype):
        raise TableError(f"query {query!r} must be true or false for each row; compare a column, as in 'epoch == 3'")
    return found.fillna(False).to_numpy(dtype=bool)


def subset(
    table: LearningCurveTable, tasks: Iterable[str] | None, configs: Iterable[Hashable] | None
) -> LearningCurveTable:
    """See :meth:`LearningCurveTable.subset`."""
    from at2.tables.table import LearningCurveTable

    rows = _positions(tasks, table.task_index, len(table.tasks), "tasks")
    columns = _positions(configs, table.config_index, len(table.configs), "configs")
    return LearningCurveTable(
        {name: table.kept(name).select(rows, columns) for name in table.metrics},
        tasks=table.tasks.iloc[rows],
        configs=table.configs.iloc[columns],
        metrics=list(table.metrics.values()),
        space=known_space(table),
        seconds=None if table.kept_seconds is None else table.kept_seconds.select(rows, columns),
        status=table.status[rows][:, :, columns],
        batches={name: series.select(rows, columns) for name, series in table.batches.items()},
        name=table.name,
        notes=table.notes,
    )


def equal(table: LearningCurveTable, other: LearningCurveTable) -> bool:
    """See :meth:`LearningCurveTable.equals`."""
    return (
        (table.name, table.notes, table.shape) == (other.name, other.notes, other.shape)
        and list(table.metrics.items()) == list(other.metrics.items())
        and table.tasks.equals(other.tasks)
        and table.configs.equals(other.configs)
        and known_space(table) == known_space(other)
        and all(table.kept(metric).equals(other.kept(metric)) for metric in table.metrics)
        and _equal_seconds(table.kept_seconds, other.kept_seconds)
        and np.array_equal(table.status, other.status)
        and _equal_batches(table, other)
    )


def _equal_seconds(seconds: RunValues | None, others: RunValues | None) -> bool:
    return seconds is others if seconds is None or others is None else seconds.equals(others)


def _equal_batches(table: LearningCurveTable, other: LearningCurveTable) -> bool:
    if table.batches.keys() != other.batches.keys():
        return False
    for name, series in table.batches.items():
        twin = other.batches[name]
        if series.metric != twin.metric or not np.array_equal(series.length, twin.length):
            return False
        if not np.array_equal(series.per_epoch, twin.per_epoch):
            return False
        runs = zip(*np.nonzero(series.length), strict=True)
        if not all(np.array_equal(series.values(*run), twin.values(*run), equal_nan=True) for run in runs):
            return False
    return True


def known_space(table: LearningCurveTable) -> SearchSpace | None:
    """Return the table's space, or None where none was given and none can be inferred."""
    try:
        return table.space
    except SpaceError:
        return None


def mean_known(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the mean over an axis of what is not NaN, and NaN where nothing is."""
    known = np.isfinite(values)
    n_known = known.sum(axis=axis)
    mean: np.ndarray = np.where(known, values, 0.0).sum(axis=axis) / np.maximum(n_known, 1)
    return np.where(n_known > 0, mean, np.nan)


def whole_columns(frame: pd.DataFrame) -> set[str]:
    """Return the numeric columns in which every known value is a whole number."""
    names = set()
    for name in frame.columns:
        values = frame[name]
        if values.dtype.kind == "i":
            names.add(str(name))
        elif values.dtype.kind == "f":
            known = values.dropna().to_numpy()
            if known.size and np.array_equal(known, np.round(known)):
                names.add(str(name))
    return names


def _epochs(table: LearningCurveTable) -> pd.RangeIndex:
    return pd.RangeIndex(1, table.n_epoch + 1, name="epoch")


def _seed_index(table: LearningCurveTable, seed: int) -> int:
    if not is_whole(seed) or not 0 <= seed < table.n_seed:
        raise UnknownNameError(f"no seed {seed!r} in this table; seeds are 0 to {table.n_seed - 1}")
    return int(seed)


def _names(names: Iterable[Any], what: str) -> list[Any]:
    if isinstance(names, str):
        raise TableError(f"{what} must be a list of names, not the single text {names!r}; write [{names!r}]")
    return list(names)


def _positions(names: Iterable[Any] | None, find: Any, n: int, what: str) -> np.ndarray:
    if names is None:
        return np.arange(n)
    found = [find(name) for name in _names(names, what)]
    if not found:
        raise TableError(f"a table needs at least one of its {what}; none was named")
    return np.array(found)
