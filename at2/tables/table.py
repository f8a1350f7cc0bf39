"""The learning-curve table: what was measured for which configuration, on which task, after how many epochs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from at2.errors import ShapeError, TableError, UnknownNameError
from at2.tables import queries
from at2.tables.schema import Metric, RunStatus, metric_of
from at2.tables.storage.batches import BatchSeries
from at2.tables.storage.frames import close_matches, config_frame, plain_value, position, task_frame
from at2.tables.storage.sparse import Runs, RunValues, read_runs

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables.importer import ImportReport

__all__ = ["LearningCurveTable"]


class LearningCurveTable:
    """Learning curves of many configurations on many tasks, with everything that is needed to ask about them.

    Curves lie in one array per metric, shape ``(n_task, n_seed, n_config, n_epoch)``, as measured, with NaN where
    nothing was run; position ``e`` of the last axis holds the value after ``e + 1`` completed epochs. Curves of
    different length and different configurations per task are thus the same thing: cells that are NaN. What was not run
    takes no room: a thousand studies with configurations of their own are as large as what they ran.

    Args:
        curves: Values of each metric by its name, as arrays or `RunValues`; all of one shape.
        tasks: Names of the tasks, or a frame of facts with the names as index.
        configs: Frame of configurations, index ``config_id``, a column per hyperparameter, NaN where it is inactive.
        metrics: The metrics in ``curves``; the first is the default one.
        space: The search space of the configurations; None infers one from ``configs`` when it is first asked for.
        seconds: Seconds that each epoch took, as the curves and of the same shape; None where they are unknown.
        status: How each run ended (:class:`~at2.tables.RunStatus`), shape ``(n_task, n_seed, n_config)``; None means
            OK where there is a value and not run elsewhere.
        batches: Series with a value per training batch.
        name: Name of the table.
        notes: Anything worth keeping beside the data, as JSON values: origin, split, constants.

    Attributes:
        report: What an import left out, if the table was imported.

    Raises:
        ShapeError: If the arrays do not fit each other, the tasks or the configurations.
        TableError: If a value is infinite, a name occurs twice, or status and curves contradict each other.

    Example:
        >>> configs = pd.DataFrame({"lr": [0.1, 0.01]})
        >>> curves = {"val_acc": [[[[0.2, 0.5, 0.6], [0.1, 0.7, np.nan]]]]}
        >>> LearningCurveTable(curves, tasks=["digits"], configs=configs, metrics=[Metric("val_acc", maximize=True)])
        LearningCurveTable('table': 1 task x 1 seed x 2 configurations x 3 epochs, val_acc (higher is better))
    """

    def __init__(
        self,
        curves: Mapping[str, Any],
        *,
        tasks: pd.DataFrame | Iterable[str],
        configs: pd.DataFrame,
        metrics: Sequence[Metric],
        space: SearchSpace | None = None,
        seconds: Any = None,
        status: Any = None,
        batches: Mapping[str, BatchSeries] | None = None,
        name: str = "table",
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.tasks = task_frame(tasks)
        self.configs = config_frame(configs)
        self.metrics = {metric.name: metric for metric in metrics}
        if set(self.metrics) != set(curves) or len(metrics) != len(curves) or not metrics:
            raise TableError(
                f"every metric needs its curves, and the other way: metrics are {sorted(self.metrics)}, "
                f"curves {sorted(curves)}"
            )
        self.metric = metrics[0].name
        self._curves = {metric: _run_values(curves[metric], metric) for metric in self.metrics}
        self.n_seed, self.n_epoch = self._check_shapes()
        self._seconds = None if seconds is None else self._check_seconds(seconds)
        self.status = self._check_status(status)
        self.batches = dict(batches or {})
        self._check_batches()
        self.notes = dict(notes or {})
        self.report: ImportReport | None = None
        self._space = space

    def __repr__(self) -> str:
        sizes = zip(self.shape, ("task", "seed", "configuration", "epoch"), strict=True)
        shape = " x ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in sizes)
        direction = "higher" if self.metrics[self.metric].maximize else "lower"
        return f"LearningCurveTable({self.name!r}: {shape}, {self.metric} ({direction} is better))"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Numbers of tasks, seeds, configurations and epochs."""
        return len(self.tasks), self.n_seed, len(self.configs), self.n_epoch

    @property
    def space(self) -> SearchSpace:
        """The search space of the configurations, as given, else inferred from their values."""
        if self._space is None:
            from at2.space import SearchSpace

            self._space = SearchSpace.infer(self.configs)
        return self._space

    @property
    def has_space(self) -> bool:
        """True if a search space was given or has been inferred already."""
        return self._space is not None

    def curves(self, metric: str | None = None) -> np.ndarray:
        """Return a copy of all curves of a metric, as measured.

        Args:
            metric: Its name; None takes the default metric.

        Returns:
            Array of shape ``(n_task, n_seed, n_config, n_epoch)``, float64, NaN where nothing was run.

        Raises:
            UnknownNameError: If the table has no such metric.
        """
        return self.raw_curves(metric).astype(np.float64)

    def raw_curves(self, metric: str | None = None) -> np.ndarray:
        """Return the curves of a metric in the float type they were recorded in, read-only.

        Without a copy where every run took place; see :meth:`kept` otherwise.
        """
        return self.kept(metric).spread()

    def kept(self, metric: str | None = None) -> RunValues:
        """Return the curves of a metric as they are kept: those of the runs that took place."""
        return self._curves[self.get_metric(metric).name]

    def runs(self, tasks: Sequence[int], metric: str | None = None) -> Runs:
        """Return what some tasks, given by position, have run, one entry for every configuration."""
        return read_runs(self.kept(metric), self._seconds, self.status, tasks)

    @property
    def seconds(self) -> np.ndarray | None:
        """Seconds that each epoch took, read-only, in the shape of the curves; None where they are unknown."""
        return None if self._seconds is None else self._seconds.spread()

    @property
    def kept_seconds(self) -> RunValues | None:
        """The seconds as they are kept: those of the runs that took place."""
        return self._seconds

    def oriented(self, metric: str | None = None) -> np.ndarray:
        """Return :meth:`curves` turned so that larger is better; the one place where the sign changes."""
        curves = self.curves(metric)
        return curves if self.get_metric(metric).maximize else -curves

    def get_metric(self, metric: str | None = None) -> Metric:
        """Return a metric by its name; None gives the default one."""
        if metric is None:
            return self.metrics[self.metric]
        if metric not in self.metrics:
            raise UnknownNameError(f"no metric {metric!r} in this table; {close_matches(metric, list(self.metrics))}")
        return self.metrics[metric]

    def task_index(self, task: str) -> int:
        """Return the position of a task; :class:`~at2.errors.UnknownNameError` lists close matches."""
        return position(self.tasks.index, task, "task")

    def config_index(self, config_id: Hashable) -> int:
        """Return the position of a configuration; :class:`~at2.errors.UnknownNameError` lists close matches."""
        return position(self.configs.index, config_id, "configuration")

    def config(self, config_id: Hashable) -> dict[str, Any]:
        """Return a configuration as a plain dict of its active hyperparameters.

        Whole numbers in a column of whole numbers are ints, also where NaN made pandas store the column as floats.
        """
        row = self.config_index(config_id)
        values = {str(name): plain_value(self.configs[name].iloc[row]) for name in self.configs.columns}
        whole = queries.whole_columns(self.configs)
        return {name: int(v) if name in whole else v for name, v in values.items() if v is not None}

    def curve(self, task: str, config_id: Hashable, *, seed: int = 0, metric: str | None = None) -> pd.Series[float]:
        """Return one curve against its epochs (counted from 1), without the epochs that were not run.

        Args:
            task: Name of the task.
            config_id: Id of the configuration.
            seed: Which repetition, counted from 0.
            metric: Name of the metric; None takes the default one.

        Raises:
            UnknownNameError: If there is no such task, configuration, seed or metric.
        """
        return queries.curve(self, task, config_id, seed=seed, metric=metric)

    def task_curves(self, task: str, *, seed: int | None = None, metric: str | None = None) -> pd.DataFrame:
        """Return the curves of a task as configurations x epochs; ``seed=None`` gives the mean over seeds."""
        return queries.task_curves(self, task, seed=seed, metric=metric)

    def best(
        self, task: str, n: int = 10, *, metric: str | None = None, by: Literal["max", "final"] = "max"
    ) -> pd.DataFrame:
        """Return the best configurations of a task, best first, by their mean curve over seeds.

        Args:
            task: Name of the task.
            n: How many.
            metric: Name of the metric; None takes the default one. Its direction decides what is best.
            by: ``"max"`` ranks by the best epoch, ``"final"`` by the last one that was run.

        Returns:
            Frame with index ``config_id``: ``value``, ``epoch`` at which it was reached, then the hyperparameters.

        Raises:
            UnknownNameError: If there is no such task or metric.
            TableError: If ``n`` is not positive or ``by`` is unknown.
        """
        return queries.best(self, task, n, metric=metric, by=by)

    def value_at(self, epoch: int, *, metric: str | None = None, task: str | None = None) -> pd.DataFrame:
        """Return the values after an epoch: configurations x tasks (mean over seeds), or of one task x seeds."""
        return queries.value_at(self, epoch, metric=metric, task=task)

    def long(
        self, query: str | None = None, *, tasks: Iterable[str] | None = None, metric: str | None = None
    ) -> pd.DataFrame:
        """Return every measured value that matches, one per row.

        Args:
            query: A pandas query over hyperparameters, ``task``, ``seed``, ``config_id``, ``epoch`` and ``value``,
                such as ``"optimizer == 'adam' and lr < 1e-3 and epoch == 75"``; None takes all. A hyperparameter that
                is called like one of these is "`config.seed`", with the backticks.
            tasks: Only these tasks; None takes all.
            metric: Name of the metric; None takes the default one.

        Returns:
            Frame with columns task, seed, config_id, epoch, value; and seconds, where they are known.

        Raises:
            UnknownNameError: If there is no such task or metric.
            TableError: If the query cannot be evaluated; the message names the columns.
        """
        return queries.long(self, query, tasks=tasks, metric=metric)

    def find_configs(self, query: str) -> pd.Index[Any]:
        """Return the ids of the configurations that match a pandas query over hyperparameters and ``config_id``.

        Raises:
            TableError: If the query cannot be evaluated; the message names the columns.
        """
        return queries.find_configs(self, query)

    def subset(
        self, tasks: Iterable[str] | None = None, configs: Iterable[Hashable] | None = None
    ) -> LearningCurveTable:
        """Return a table of some tasks and configurations, in the order given; None keeps all."""
        return queries.subset(self, tasks, configs)

    def equals(self, other: LearningCurveTable) -> bool:
        """Tell whether another table holds the same data, metrics, names and space; batch series included."""
        return queries.equal(self, other)

    def to_hdf5(self, path: str | Path) -> None:
        """Write the table to one file, whole or not at all; see :mod:`at2.tables.storage.hdf5` for its layout."""
        from at2.tables.storage.hdf5 import write_hdf5

        write_hdf5(self, path)

    @classmethod
    def from_hdf5(cls, path: str | Path) -> LearningCurveTable:
        """Read a table that :meth:`to_hdf5` wrote; see :func:`at2.tables.storage.hdf5.read_hdf5` for the errors."""
        from at2.tables.storage.hdf5 import read_hdf5

        return read_hdf5(path)

    @classmethod
    def from_frame(
        cls,
        curves: pd.DataFrame,
        configs: pd.DataFrame,
        space: SearchSpace | None = None,
        *,
        metric: str | Metric = "value",
        maximize: bool | None = None,
        name: str = "table",
        tasks: pd.DataFrame | None = None,
        bad_rows: Literal["report", "raise"] = "report",
        n_epoch: int | None = None,
    ) -> LearningCurveTable:
        """Make a table from a long frame; see :func:`at2.tables.importer.from_frame` for columns and errors.

        Example:
            >>> curves = pd.DataFrame({"task": "digits", "config_id": [7, 7], "epoch": [1, 2], "value": [0.9, 0.5]})
            >>> configs = pd.DataFrame({"config_id": [7], "lr": [0.1]})
            >>> table = LearningCurveTable.from_frame(curves, configs, metric="val_loss", maximize=False)
            >>> table.curve("digits", 7).to_dict()
            {1: 0.9, 2: 0.5}
        """
        from at2.tables.importer import from_frame

        return from_frame(
            curves,
            configs,
            space,
            metric=metric_of(metric, maximize),
            name=name,
            tasks=tasks,
            bad_rows=bad_rows,
            n_epoch=n_epoch,
        )

    def _check_shapes(self) -> tuple[int, int]:
        """Return the numbers of seeds and epochs once every array has one shape."""
        shapes = {metric: curves.shape for metric, curves in self._curves.items()}
        shape = shapes[self.metric]
        if len(set(shapes.values())) > 1:
            raise ShapeError(
                f"all curves must share one shape (n_task, n_seed, n_config, n_epoch), these have {shapes}"
            )
        if (shape[0], shape[2]) != (len(self.tasks), len(self.configs)) or 0 in shape:
            raise ShapeError(
                f"curves of shape {shape} do not fit {len(self.tasks)} tasks and {len(self.configs)} configurations; "
                "(n_task, n_seed, n_config, n_epoch) is wanted, and none of them 0"
            )
        return shape[1], shape[3]

    def _check_seconds(self, seconds: Any) -> RunValues:
        kept = _run_values(seconds, "seconds")
        if kept.shape != self.shape:
            raise ShapeError(f"seconds have shape {kept.shape}, the curves {self.shape}; give one number per epoch")
        if np.nanmin(kept.values, initial=0.0) < 0:
            raise TableError("seconds of an epoch must not be negative; use NaN where they are unknown")
        return kept

    def _check_status(self, status: Any) -> np.ndarray:
        has_value = np.zeros(self.shape[:3], dtype=bool)
        for kept in self._curves.values():
            has_value.ravel()[kept.run] = True
        if status is None:
            return _frozen(np.where(has_value, RunStatus.OK, RunStatus.NOT_RUN).astype(np.int8))
        array = np.array(status)
        if array.shape != self.shape[:3]:
            raise ShapeError(f"status has shape {array.shape}, but {self.shape[:3]} runs need one each")
        if array.dtype.kind not in "iu" or not np.isin(array, list(RunStatus)).all():
            raise TableError(f"status must be one of {[f'{int(s)} ({s.name})' for s in RunStatus]}; see RunStatus")
        if np.any(has_value & (array == RunStatus.NOT_RUN)):
            raise TableError("a run that has values cannot have status 0 (NOT_RUN); give 1 (OK) or how it ended")
        return _frozen(array.astype(np.int8))

    def _check_batches(self) -> None:
        for name, series in self.batches.items():
            if name != series.metric.name:
                raise TableError(f"batch series {name!r} holds metric {series.metric.name!r}; use one name")
            if series.start.shape != self.shape[:3]:
                raise ShapeError(f"batch series {name!r} has runs {series.start.shape}, the table {self.shape[:3]}")


def _run_values(values: Any, name: str) -> RunValues:
    """Return what took place, float32 kept, everything else as float64."""
    if isinstance(values, RunValues):
        _check_finite(values.values, name)
        return values
    try:
        array = np.asarray(values)
        array = array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise TableError(f"{name!r} must be numbers with NaN where nothing was run ({error})") from error
    _check_finite(array, name)
    if array.ndim != 4:
        raise ShapeError(
            f"{name} have shape {array.shape}; all curves, and the seconds, must share one shape "
            "(n_task, n_seed, n_config, n_epoch)"
        )
    return RunValues.of(array)


def _check_finite(array: np.ndarray, name: str) -> None:
    if np.isinf(array).any():
        raise TableError(f"{name!r} holds infinite values; write NaN there and set the run's status to 2 (DIVERGED)")


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
