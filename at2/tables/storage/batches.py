"""Series with one value per training batch: ragged, large, and therefore read run by run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from at2.errors import ShapeError, TableError
from at2.tables.schema import Metric

__all__ = ["BatchSeries"]

Run = tuple[int, int, int]


@dataclass(frozen=True)
class BatchSeries:
    """One metric per training batch, for every run (task, seed, configuration) of a table.

    Runs lie behind each other in one long array, so that ten batches and ten thousand take what they need.

    Args:
        metric: What is measured.
        read: Gives values ``start`` to ``stop`` of the long array; from memory or from a file.
        start: Where each run begins, shape ``(n_task, n_seed, n_config)``, int64.
        length: How many batches it has, same shape; 0 where nothing was run.
        per_epoch: How many batches make one epoch, same shape; 0 where nothing was run.

    Raises:
        ShapeError: If the three shapes differ.
        TableError: If a number is negative, or a run has batches but no epochs.
    """

    metric: Metric
    read: Callable[[int, int], np.ndarray]
    start: np.ndarray
    length: np.ndarray
    per_epoch: np.ndarray

    def __post_init__(self) -> None:
        if not self.start.shape == self.length.shape == self.per_epoch.shape or self.start.ndim != 3:
            raise ShapeError(
                f"batch series {self.metric.name!r}: start, length and per_epoch must share one shape "
                f"(n_task, n_seed, n_config), not {self.start.shape}, {self.length.shape}, {self.per_epoch.shape}"
            )
        if min(int(part.min(initial=0)) for part in (self.start, self.length, self.per_epoch)) < 0:
            raise TableError(f"batch series {self.metric.name!r}: start, length and per_epoch must not be negative")
        if np.any((self.length > 0) & (self.per_epoch == 0)):
            raise TableError(f"batch series {self.metric.name!r}: a run with batches needs its batches per epoch")

    @classmethod
    def from_runs(
        cls, metric: Metric, runs: Mapping[Run, Any], *, per_epoch: Mapping[Run, int], shape: Run
    ) -> BatchSeries:
        """Gather runs that are in memory.

        Args:
            metric: What is measured.
            runs: Values of each run, shape ``(n_batch,)``, by its position (task, seed, configuration).
            per_epoch: Batches per epoch of each run.
            shape: Numbers of tasks, seeds and configurations.

        Example:
            >>> loss = Metric("train_cross_entropy", maximize=False)
            >>> runs = {(0, 0, 1): [2.3, 2.1, 1.9, 1.8]}
            >>> series = BatchSeries.from_runs(loss, runs, per_epoch={(0, 0, 1): 2}, shape=(1, 1, 2))
            >>> series.run(0, 0, 1).loc[2].tolist()
            [1.899999976158142, 1.7999999523162842]
        """
        start, length, batches = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        values, n = [], 0
        for run, series in runs.items():
            values.append(np.asarray(series, dtype=np.float32).ravel())
            start[run], length[run], batches[run] = n, values[-1].size, per_epoch[run]
            n += values[-1].size
        joined = np.concatenate(values) if values else np.empty(0, dtype=np.float32)
        return cls(metric, lambda first, last: joined[first:last], start, length, batches)

    def values(self, task: int, seed: int, config: int) -> np.ndarray:
        """Return the values of one run, shape ``(n_batch,)``, float32, by its position in the table."""
        first = int(self.start[task, seed, config])
        return self.read(first, first + int(self.length[task, seed, config]))

    def run(self, task: int, seed: int, config: int) -> pd.Series[float]:
        """Return one run as a series with the index (epoch, batch), both counted from 1."""
        values = self.values(task, seed, config)
        epoch, batch = np.divmod(np.arange(values.size), max(1, int(self.per_epoch[task, seed, config])))
        index = pd.MultiIndex.from_arrays([epoch + 1, batch + 1], names=["epoch", "batch"])
        return pd.Series(values.astype(np.float64), index=index, name=self.metric.name)

    def select(self, tasks: np.ndarray, configs: np.ndarray) -> BatchSeries:
        """Return the series of some tasks and configurations, given by their positions; no value is copied."""
        parts = (part[tasks][:, :, configs] for part in (self.start, self.length, self.per_epoch))
        return BatchSeries(self.metric, self.read, *parts)
