"""Trainings of different lengths on one axis: epochs as shares of a full training."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from at2.errors import TableError
from at2.tables.schema import check_length
from at2.tables.storage.sparse import MOST_CELLS, RunValues, last_epoch
from at2.tables.table import LearningCurveTable

__all__ = ["rescale_epochs"]

_SOME = 1e-9  # of an epoch


def rescale_epochs(
    table: LearningCurveTable, n_epoch: int, *, lengths: Mapping[str, int] | None = None, name: str | None = None
) -> LearningCurveTable:
    """Bring the full trainings of all tasks to one number of epochs.

    A schedule that ends with the training makes a tenth of a training comparable between tasks, not the tenth epoch.
    Epoch k of the new table is the share k / `n_epoch` of each task's training. Between two readings lies a straight
    line, what the first own epoch showed stands for the shares before its end, unless it is the whole training, whose
    end is all that is known then, and after the last reading of a curve there is nothing: curves that were cut off end
    at the same share as before. Series per training batch are left out.

    Args:
        table: The table; it stays as it is.
        n_epoch: Epochs of a full training in the new one.
        lengths: Epochs of a full training on a task; one that is not named takes its longest curve for a full training.
        name: Name of the new table; None keeps the old one.

    Returns:
        The table. Seconds are those that each of the new epochs takes, so that a training takes as long as before.

    Raises:
        UnknownNameError: If a task is unknown.
        TableError: If a length is not a positive whole number, or a curve of the task goes on after it; if the new
            table is too large.

    Example:
        >>> import pandas as pd
        >>> curves = pd.DataFrame({"task": ["a"] * 4 + ["b"] * 2, "config_id": "x", "epoch": [1, 2, 3, 4, 1, 2],
        ...                        "value": [0.1, 0.2, 0.3, 0.4, 0.5, 0.7]})
        >>> configs = pd.DataFrame({"config_id": ["x"], "lr": [0.1]})
        >>> short = LearningCurveTable.from_frame(curves, configs, metric="accuracy")
        >>> rescale_epochs(short, 4).curves()[:, 0, 0].round(3).tolist()
        [[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.6, 0.7]]
    """
    check_length(n_epoch, "n_epoch")
    length = _lengths(table, lengths or {})
    of_metric = {name: table.kept(name) for name in table.metrics}
    seconds = table.kept_seconds
    return LearningCurveTable(
        {name: _each_task(kept, length, n_epoch, _values_at) for name, kept in of_metric.items()},
        tasks=table.tasks,
        configs=table.configs,
        metrics=list(table.metrics.values()),
        space=table.space if table.has_space else None,
        seconds=None if seconds is None else _each_task(seconds, length, n_epoch, _seconds_at),
        status=table.status,
        name=name or table.name,
        notes={**table.notes, "rescaled_from": dict(zip(table.tasks.index, length.tolist(), strict=True))},
    )


def _lengths(table: LearningCurveTable, given: Mapping[str, int]) -> np.ndarray:
    """Epochs of a full training on each task, ``(n_task,)``; 1 where nothing was run."""
    longest = np.ones(len(table.tasks), dtype=np.int64)
    for name in table.metrics:
        kept = table.kept(name)
        np.maximum.at(longest, kept.places()[0], last_epoch(np.isfinite(kept.values)))
    if not isinstance(given, Mapping):
        raise TableError(
            f"lengths= gives each task its own, such as {{{str(table.tasks.index[0])!r}: 50}}; got {given!r}"
        )
    length = longest.copy()
    for task, epochs in given.items():
        at = table.task_index(task)
        check_length(epochs, f"the length of task {task!r}")
        if epochs < longest[at]:
            raise TableError(
                f"task {task!r} has a curve of {longest[at]} epochs, more than the {epochs} given as a full training"
            )
        length[at] = epochs
    return length


def _each_task(
    kept: RunValues, length: np.ndarray, n_epoch: int, at: Callable[[np.ndarray, int, int], np.ndarray]
) -> RunValues:
    """Bring the runs of each task, ``(n, n_own)``, to the new epochs by `at`, and leave out those that have none."""
    if len(kept.run) * n_epoch > MOST_CELLS:
        raise TableError(f"{len(kept.run)} runs of {n_epoch} epochs do not fit in memory; take a smaller n_epoch")
    values, (task, _, _) = np.full((len(kept.run), n_epoch), np.nan), kept.places()
    for number in np.unique(task):
        values[task == number] = at(kept.values[task == number], int(length[number]), n_epoch)
    some = np.isfinite(values).any(axis=1)
    return RunValues(values[some], kept.run[some], kept.runs)


def _between(curves: np.ndarray, length: int, n_epoch: int) -> np.ndarray:
    """Values at the ends of the new epochs on straight lines between those at the own epochs 0, 1, ...

    Args:
        curves: Shape ``(n, n_known)``, NaN where unknown, as all epochs after these are.
        length: Epochs of a full training.
        n_epoch: The same in new epochs.

    Returns:
        Shape ``(n, n_epoch)``, NaN on lines to or from an unknown value.
    """
    epoch, rest = np.divmod(np.arange(1, n_epoch + 1) * length, n_epoch)
    padded, unknown = np.pad(curves, ((0, 0), (0, 1)), constant_values=np.nan), curves.shape[1]
    before, after = (padded[:, np.minimum(at, unknown)] for at in (epoch, epoch + 1))
    share = rest / n_epoch
    return np.where(rest == 0, before, before * (1.0 - share) + after * share)


def _values_at(values: np.ndarray, length: int, n_epoch: int) -> np.ndarray:
    start = values[:, :1] if length > 1 else np.full((len(values), 1), np.nan)  # of final values alone nothing is known
    return _between(_from_the_start(values, start), length, n_epoch)


def _seconds_at(seconds: np.ndarray, length: int, n_epoch: int) -> np.ndarray:
    """Seconds of each new epoch; unknown where those of an own epoch in it are."""

    def spent(each: np.ndarray) -> np.ndarray:
        total = _between(
            _from_the_start(np.cumsum(each, axis=1, dtype=float), np.zeros((len(each), 1))), length, n_epoch
        )
        return np.diff(total, prepend=0.0, axis=1)

    known = np.isfinite(seconds)
    return np.where(spent(~known) > _SOME, np.nan, spent(np.where(known, seconds, 0.0)))


def _from_the_start(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Values at the epochs 0, 1, ..., shape ``(n, n_known + 1)``."""
    return np.concatenate([start, values], axis=1)
