"""A target whose curves are already known: what a training would have shown, and how good a choice truly is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.errors import TableError
from at2.tables.schema import RunStatus
from at2.tables.storage.frames import plain_value

if TYPE_CHECKING:
    from at2.recommend import Tuner
    from at2.tables import LearningCurveTable


@dataclass(frozen=True)
class Measurement:
    """What one training epoch showed.

    Args:
        value: The metric as measured, or None where the training failed.
        failed: Whether the training diverged, crashed or was never finished.
        seconds: What the epoch took, or None where the table has no times.
    """

    value: float | None
    failed: bool = False
    seconds: float | None = None


class TableObjective:
    """Replays one task of a table as if its configurations were trained now.

    Regret of a configuration is ``(best - its best) / (best - worst configuration's best)``, where a configuration's
    best is the best value of its curve and ``best`` is the best of the task: 0 for the best configuration, 1 for
    the worst. Only curves of the replayed seed count. Ranks start at 1 and are shared by equals.

    Args:
        table: The table that holds the target.
        target: Name of the task to replay.
        seed: Which of the recorded training seeds to replay, counted from 0.
        metric: Name of the metric; None means the table's default.

    Raises:
        UnknownNameError: If the table has no such task or metric.
        TableError: If the table has no such seed, or nothing was recorded for the task.
    """

    def __init__(self, table: "LearningCurveTable", target: str, *, seed: int = 0, metric: str | None = None) -> None:
        if not 0 <= seed < table.n_seed:
            raise TableError(f"table {table.name!r} has training seeds 0 to {table.n_seed - 1}, {seed} asked")
        task = table.task_index(target)
        self.target = target
        self.n_epoch, self.n_config = table.n_epoch, len(table.configs)
        self._table = table
        self._sign = 1.0 if table.get_metric(metric).maximize else -1.0
        self._values = table.kept(metric).of_task(task)[seed].astype(np.float64)  # (n_config, n_epoch), as measured
        self._oriented = self._sign * self._values  # the same, larger is better
        self._was_run = table.status[task, seed] != RunStatus.NOT_RUN
        self._seconds = None if table.kept_seconds is None else table.kept_seconds.of_task(task)[seed]
        self._best_of_config = _best_of_rows(self._oriented)  # (n_config,), NaN where nothing was run
        if np.isnan(self._best_of_config).all():
            raise TableError(
                f"task {target!r} of table {table.name!r} has no curve with seed {seed}; replay another task"
            )
        self._best = float(np.nanmax(self._best_of_config))
        self._spread = self._best - float(np.nanmin(self._best_of_config))

    def measure(self, config_id: object, epoch: int) -> Measurement:
        """Give what the given completed epoch (from 1) of a configuration showed; a hole in the table is a failure.

        Raises:
            UnknownNameError: If the table has no such configuration.
            TableError: If the epoch lies outside the recorded ones.
        """
        if not 1 <= epoch <= self.n_epoch:
            raise TableError(f"epochs of table {self._table.name!r} run from 1 to {self.n_epoch}, {epoch} asked")
        row = self._table.config_index(config_id)
        value = float(self._values[row, epoch - 1])
        seconds = None if self._seconds is None else float(self._seconds[row, epoch - 1])
        seconds = None if seconds is None or np.isnan(seconds) else seconds
        if not np.isfinite(value):
            return Measurement(None, failed=True, seconds=seconds)
        return Measurement(value, seconds=seconds)

    @property
    def candidates(self) -> list[Any] | None:
        """Ids of the configurations that were run, whatever came of it; None where all were.

        Nothing can be shown of the others: they are not to choose from when the task is replayed.
        """
        if self._was_run.all():
            return None
        return [plain_value(config_id) for config_id in self._table.configs.index[self._was_run]]

    @property
    def best_config(self) -> object:
        """Id of the best configuration, the earliest among equals."""
        return self._table.configs.index[int(np.nanargmax(self._best_of_config))]

    def curve(self, config_id: object) -> np.ndarray:
        """Give the whole curve of a configuration as measured, ``(n_epoch,)``, NaN where it was not run."""
        curve: np.ndarray = self._values[self._table.config_index(config_id)].copy()
        return curve

    def regret(self, config_id: object) -> float:
        """Give the normalized regret of choosing a configuration; 1 where nothing of it was recorded."""
        best = float(self._best_of_config[self._table.config_index(config_id)])
        return 1.0 if np.isnan(best) else self._normalize(best)

    def gap(self, config_id: object) -> float:
        """Give how far a configuration lies below the best one, in units of how far the median one does; at most 1.

        Where the worst diverged to a billion, nothing else is as plain in units of that.
        """
        own = float(self._best_of_config[self._table.config_index(config_id)])
        unit = self._best - float(np.nanmedian(self._best_of_config))
        gap = self._best - own
        if np.isnan(own) or gap >= unit > 0.0:
            return 1.0
        return gap / unit if unit > 0.0 else float(gap > 0.0)

    def regret_of_value(self, value: float) -> float:
        """Give the normalized regret of stopping with a measured value of the metric."""
        return self._normalize(self._sign * value)

    def rank(self, config_id: object) -> int:
        """Give the true rank of a configuration by the best of its curve, 1 for the best."""
        best = self._best_of_config[self._table.config_index(config_id)]
        return int(np.sum(self._best_of_config > (-np.inf if np.isnan(best) else best))) + 1

    def is_better(self, value: float, than: float | None) -> bool:
        """Say whether a measured value beats another; anything beats None."""
        return than is None or self._sign * value > self._sign * than

    def _normalize(self, oriented: float) -> float:
        return 0.0 if self._spread == 0 else (self._best - oriented) / self._spread


def play(tuner: "Tuner", objective: TableObjective) -> None:
    """Ask, measure and tell until the tuner has enough.

    Args:
        tuner: Who tunes.
        objective: The target.
    """
    while (query := tuner.ask()) is not None:
        shown = objective.measure(query.config_id, query.epoch)
        tuner.tell(query, shown.value, failed=shown.failed, seconds=shown.seconds)


def _best_of_rows(oriented: np.ndarray) -> np.ndarray:
    """Give the largest finite value of each row, NaN for a row without any."""
    best = np.where(np.isfinite(oriented), oriented, -np.inf).max(axis=1)
    return np.where(np.isneginf(best), np.nan, best)
