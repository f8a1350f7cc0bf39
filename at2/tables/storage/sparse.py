"""Values per epoch of the runs that took place; those that did not take no room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from at2.errors import ShapeError, TableError
from at2.tables.schema import RunStatus

__all__ = ["MOST_CELLS", "RunValues", "Runs", "last_epoch"]

MOST_CELLS = 2**28
"""Cells (task, seed, configuration, epoch) that are spread out at most: 2 GiB."""


@dataclass(frozen=True)
class RunValues:
    """Values per epoch of those runs of a table that have any.

    Args:
        values: Shape ``(n_run, n_epoch)``, NaN where nothing was run.
        run: Position of each in an array of shape ``(n_task, n_seed, n_config)``, counted in C order; rising.
        runs: That shape.

    Raises:
        ShapeError: If the arrays do not fit each other, or a position is out of range or comes twice.

    Example:
        >>> kept = RunValues.of(np.array([[[[0.1, 0.2], [np.nan, np.nan], [0.3, np.nan]]]]))
        >>> kept.run.tolist(), kept.values.shape, kept.spread().shape, kept.of_run(0, 0, 2).tolist()
        ([0, 2], (2, 2), (1, 1, 3, 2), [0.3, nan])
    """

    values: np.ndarray
    run: np.ndarray
    runs: tuple[int, int, int]

    def __post_init__(self) -> None:
        """Check what nobody below can check, and make the arrays read-only."""
        if self.values.ndim != 2 or self.run.shape != self.values.shape[:1]:
            raise ShapeError(
                f"wanted values (n_run, n_epoch) and a position for each run; "
                f"got {self.values.shape} and {self.run.shape}"
            )
        if len(self.run) and (
            self.run[0] < 0 or self.run[-1] >= math.prod(self.runs) or (np.diff(self.run) <= 0).any()
        ):
            raise ShapeError(f"positions of runs must rise from 0 to {math.prod(self.runs) - 1}, each at most once")
        self.values.flags.writeable = self.run.flags.writeable = False

    @classmethod
    def of(cls, array: np.ndarray) -> RunValues:
        """Copy the runs that have a value out of an array ``(n_task, n_seed, n_config, n_epoch)``."""
        flat = array.reshape(-1, array.shape[3])
        run = np.flatnonzero(np.isfinite(flat).any(axis=1))
        return cls(flat.copy() if len(run) == len(flat) else flat[run], run, array.shape[:3])

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of tasks, seeds, configurations and epochs."""
        return *self.runs, self.values.shape[1]

    @property
    def is_full(self) -> bool:
        """Whether every run has a value."""
        return len(self.run) == math.prod(self.runs)

    def spread(self) -> np.ndarray:
        """Return the array ``(n_task, n_seed, n_config, n_epoch)``, NaN where nothing was run.

        Returns:
            Read-only and without a copy where every run has a value.

        Raises:
            TableError: If it is too large.
        """
        if not self.is_full and math.prod(self.shape) > MOST_CELLS:
            raise TableError(
                f"{' x '.join(map(str, self.shape))} (task, seed, configuration, epoch) are too many to be spread out "
                "with all that were not run; ask for one task, or for long()"
            )
        return self._spread(slice(0, len(self.run)), 0, self.runs)

    def of_task(self, task: int) -> np.ndarray:
        """Return the values of one task, ``(n_seed, n_config, n_epoch)``, as `spread`."""
        return self._spread(self._where(task), task * math.prod(self.runs[1:]), self.runs[1:])

    def of_run(self, task: int, seed: int, config: int) -> np.ndarray:
        """Return the values of one run, ``(n_epoch,)``."""
        row: np.ndarray = self.rows(np.array([(task * self.runs[1] + seed) * self.runs[2] + config]))[0]
        return row

    def rows(self, run: np.ndarray) -> np.ndarray:
        """Return the values of some runs, given by position, ``(n, n_epoch)``; NaN for those without any."""
        found = np.searchsorted(self.run, run)
        known = found < len(self.run)
        known[known] = self.run[found[known]] == run[known]
        out = np.full((len(run), self.values.shape[1]), np.nan, dtype=self.values.dtype)
        out[known] = self.values[found[known]]
        return out

    def of_configs(self, task: int, configs: np.ndarray) -> np.ndarray:
        """Return the values of some configurations, in rising order, on one task, ``(n, n_seed, n_epoch)``, float64."""
        where = self._where(task)
        seed, config = np.divmod(self.run[where] - task * math.prod(self.runs[1:]), self.runs[2])
        asked = np.flatnonzero(np.isin(config, configs))
        out = np.full((len(configs), self.runs[1], self.values.shape[1]), np.nan)
        out[np.searchsorted(configs, config[asked]), seed[asked]] = self.values[where][asked]
        return out

    def at_epoch(self, epoch: int) -> np.ndarray:
        """Return what an epoch, counted from 0, showed, ``(n_task, n_seed, n_config)``, float64."""
        out = np.full(math.prod(self.runs), np.nan)
        out[self.run] = self.values[:, epoch]
        return out.reshape(self.runs)

    def places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return task, seed and configuration of every run, ``(n_run,)`` each."""
        task, seed, config = np.unravel_index(self.run, self.runs)
        return task, seed, config

    def select(self, tasks: np.ndarray, configs: np.ndarray) -> RunValues:
        """Return those of some tasks and configurations, in the order given."""
        if self.is_full:
            return RunValues.of(self.spread()[tasks][:, :, configs])
        place = np.full(self.runs[2], -1)
        place[configs] = np.arange(len(configs))
        runs = len(tasks), self.runs[1], len(configs)
        values, position = [self.values[:0]], [self.run[:0]]
        for number, task in enumerate(tasks):
            where = self._where(int(task))
            seed, config = np.divmod(self.run[where] - task * math.prod(self.runs[1:]), self.runs[2])
            kept = np.flatnonzero(place[config] >= 0)
            moved = (number * runs[1] + seed[kept]) * runs[2] + place[config[kept]]
            order = np.argsort(moved)
            values.append(self.values[where][kept[order]])
            position.append(moved[order])
        return RunValues(np.concatenate(values), np.concatenate(position), runs)

    def equals(self, other: RunValues) -> bool:
        """Tell whether the same runs have the same values."""
        return (
            self.shape == other.shape
            and np.array_equal(self.run, other.run)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def _where(self, task: int) -> slice:
        each = math.prod(self.runs[1:])
        first, last = np.searchsorted(self.run, (task * each, (task + 1) * each))
        return slice(int(first), int(last))

    def _spread(self, where: slice, start: int, shape: tuple[int, ...]) -> np.ndarray:
        values, n_epoch = self.values[where], self.values.shape[1]
        if len(values) < math.prod(shape):
            flat = np.full((math.prod(shape), n_epoch), np.nan, dtype=self.values.dtype)
            flat[self.run[where] - start] = values
            flat.flags.writeable = False
            values = flat
        return values.reshape(*shape, n_epoch)


def last_epoch(known: np.ndarray) -> np.ndarray:
    """Return the last epoch, counted from 1, of which something is known, ``(...)`` of ``(..., n_epoch)``; 0 for none.

    Example:
        >>> last_epoch(np.array([[True, False, True, False], [False] * 4])).tolist()
        [3, 0]
    """
    n_epoch = known.shape[-1]
    return np.where(known.any(axis=-1), n_epoch - np.argmax(known[..., ::-1], axis=-1), 0)


@dataclass(frozen=True)
class Runs:
    """What some tasks have run, one entry for every configuration, by task and then by configuration.

    Args:
        task: Which of the tasks asked for, counted in their order, shape ``(n_run,)``.
        config: Which configuration, shape ``(n_run,)``.
        values: The metric as measured, float64, shape ``(n_run, n_seed, n_epoch)``, NaN where nothing was run.
        status: How each ended (:class:`~at2.tables.RunStatus`), shape ``(n_run, n_seed)``.
        seconds: Seconds of each epoch, same shape as the values; None where the table has none.
    """

    task: np.ndarray
    config: np.ndarray
    values: np.ndarray
    status: np.ndarray
    seconds: np.ndarray | None = None


def read_runs(values: RunValues, seconds: RunValues | None, status: np.ndarray, tasks: Sequence[int]) -> Runs:
    """Collect what some tasks have run: all with a value, a time, or a status."""
    n_seed, n_epoch = values.runs[1], values.values.shape[1]
    parts = [_of_task(values, seconds, status[task], task) for task in tasks]
    lengths = [len(part["config"]) for part in parts]
    empty: dict[str, Any] = {
        "config": np.zeros(0, dtype=np.int64),
        "values": np.zeros((0, n_seed, n_epoch)),
        "seconds": np.zeros((0, n_seed, n_epoch)),
        "status": np.zeros((0, n_seed), dtype=status.dtype),
    }
    if seconds is None:
        del empty["seconds"]
    joined = {name: np.concatenate([nothing, *(part[name] for part in parts)]) for name, nothing in empty.items()}
    return Runs(task=np.repeat(np.arange(len(parts)), lengths), **joined)


def _of_task(values: RunValues, seconds: RunValues | None, status: np.ndarray, task: int) -> dict[str, np.ndarray]:
    """The parts of `Runs` of one task; status is its own, ``(n_seed, n_config)``."""
    config = np.flatnonzero((status != RunStatus.NOT_RUN).any(axis=0))
    parts = {"config": config, "status": status[:, config].T, "values": values.of_configs(task, config)}
    return parts if seconds is None else {**parts, "seconds": seconds.of_configs(task, config)}
