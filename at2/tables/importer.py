"""A table from a long frame, one measured value per row; rows that cannot be used are left out and reported."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from at2.errors import SpaceError, TableError
from at2.tables.schema import Metric, RunStatus, check_length
from at2.tables.storage.frames import config_frame, plain_column, plain_value, task_frame
from at2.tables.storage.sparse import MOST_CELLS, RunValues
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from at2.space import SearchSpace

__all__ = ["ImportReport", "from_frame"]

_log = logging.getLogger(__name__)
_REQUIRED = ("task", "config_id", "epoch", "value")
_MAX_EPOCH = 1_000_000
_MOST_RUNS = 2**30  # that took place or not: a byte each
_MOST_EPOCHS = 10_000  # of a training; more are steps
_MOST_DIVERGED = 0.5  # share of the runs; where more end in NaN, all filled up to one epoch, it says nothing of them
_MANY_EPOCHS = 1_000  # of which more may be steps


@dataclass(frozen=True)
class ImportReport:
    """What an import used and what it left out.

    Args:
        n_rows: Rows that came in.
        n_used: Rows that are in the table.
        reasons: Number of rows left out, by reason.
        examples: For each reason the first row that it hit, as text.
        notes: What else the import did, such as renumbering seeds.
    """

    n_rows: int
    n_used: int
    reasons: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.n_used} of {self.n_rows} rows imported"]
        lines += [f"{n} left out: {reason}, as in {self.examples[reason]}" for reason, n in self.reasons.items()]
        return "; ".join([*lines, *self.notes])


def from_frame(
    curves: pd.DataFrame,
    configs: pd.DataFrame,
    space: SearchSpace | None = None,
    *,
    metric: Metric,
    name: str = "table",
    tasks: pd.DataFrame | None = None,
    bad_rows: Literal["report", "raise"] = "report",
    n_epoch: int | None = None,
) -> LearningCurveTable:
    """Make a table from a long frame.

    Left out, counted by reason and reported: rows without a task or configuration, with an unknown configuration, an
    invalid one, an unknown task, an epoch or a seed that is no whole number in range, a value that is no finite
    number, and repeated rows. A run with an infinite value, or one that ends in NaN, gets the status DIVERGED; what it
    reached before is kept. Where NaN says that nothing was measured, it does not: in a frame in which values follow it,
    or in which all runs are filled up to the same epoch and most of them end in it. Tasks may have different
    configurations, and curves different lengths.

    Args:
        curves: Columns ``task``, ``config_id``, ``epoch`` (completed epochs, counted from 1), ``value``; optionally
            ``seed`` (any labels; numbered from 0 in their order) and ``seconds`` (of each epoch, at least 0).
        configs: Frame of configurations, index or column ``config_id``; NaN or None where one is inactive. Where each
            task counts its configurations for itself, a column ``task`` says so; ids then become ``<task>/<id>``.
        space: Their search space; None infers one. Where given, every configuration is checked against it.
        metric: What ``value`` is.
        name: Name of the table.
        tasks: Facts of the tasks, index or column ``task``; None takes the tasks as they come up in ``curves``.
        bad_rows: ``"report"`` leaves unusable rows out and logs a warning, ``"raise"`` makes any of them an error.
        n_epoch: Length of a full training; None takes the longest curve's.

    Returns:
        The table; what was left out is in its ``report``.

    Raises:
        TableError: If a column is missing, two rows give different values for one epoch, no row is left, any row is
            unusable and ``bad_rows`` is ``"raise"``, or a curve is longer than ``n_epoch``.
    """
    if bad_rows not in ("report", "raise"):
        raise TableError(f"bad_rows must be 'report' or 'raise', not {bad_rows!r}")
    if n_epoch is not None:
        check_length(n_epoch)
    curves, configs = _own_ids(_checked_columns(curves), configs)
    rows = _Rows(curves, config_frame(configs), space, None if tasks is None else task_frame(tasks))
    report = rows.report()
    if report.reasons and bad_rows == "raise":
        raise TableError(f"{report}; correct these rows, or pass bad_rows='report' to leave them out")
    if not report.n_used:
        raise TableError(f"no row can be used: {report}")
    if report.reasons:
        _log.warning("table %r: %s", name, report)
    table = rows.table(metric, name, n_epoch)
    table.report = report
    return table


class _Rows:
    """The rows of one import; `good` marks those that no check has hit yet."""

    def __init__(
        self, curves: pd.DataFrame, configs: pd.DataFrame, space: SearchSpace | None, tasks: pd.DataFrame | None
    ) -> None:
        self.frame = curves
        self.configs, self.space, self.known_tasks = configs, space, tasks
        self.good = np.ones(len(self.frame), dtype=bool)
        self.reasons: dict[str, int] = {}
        self.examples: dict[str, str] = {}
        self.notes: list[str] = []
        self.diverged = self._check()
        self.seed_of = self._number_seeds()
        self._note_steps()

    def report(self) -> ImportReport:
        return ImportReport(len(self.frame), int(self.good.sum()), self.reasons, self.examples, tuple(self.notes))

    def table(self, metric: Metric, name: str, n_epoch: int | None) -> LearningCurveTable:
        rows = self.frame[self.good]
        tasks = task_frame(pd.unique(rows["task"])) if self.known_tasks is None else self.known_tasks
        shape = len(tasks), len(self.seed_of), len(self.configs)
        run, place = np.unique(np.ravel_multi_index(self._runs(rows, tasks), shape), return_inverse=True)
        longest = int(rows["epoch"].max())
        if n_epoch is not None and n_epoch < longest:
            raise TableError(f"a full training has n_epoch={n_epoch} epochs, but a curve has {longest}; leave it out")
        n_epoch = n_epoch or longest
        if len(run) * n_epoch > MOST_CELLS or math.prod(shape) > _MOST_RUNS:
            remedy = (
                "the column 'epoch' seems to count steps, divide it by the steps per epoch"
                if n_epoch > _MOST_EPOCHS
                else "import fewer tasks or configurations"
            )
            raise TableError(
                f"a table of {len(run)} runs of {n_epoch} epochs among {' x '.join(map(str, shape))} (task, seed, "
                f"config) does not fit in memory; {remedy}"
            )
        cell = place, rows["epoch"].to_numpy(dtype=np.int64) - 1

        def spread(column: str) -> RunValues:
            values = np.full((len(run), n_epoch), np.nan)
            values[cell] = rows[column]
            return RunValues(values, run.copy(), shape)

        return LearningCurveTable(
            {metric.name: spread("value")},
            tasks=tasks,
            configs=self.configs,
            metrics=[metric],
            space=self.space,
            seconds=spread("seconds") if "seconds" in rows else None,
            status=self._status(run, shape, tasks),
            name=name,
        )

    def _check(self) -> pd.DataFrame:
        """Apply every check in turn and return the runs that diverged."""
        frame = self.frame
        self._drop(frame["task"].isna(), "no task")
        frame["task"] = _map_distinct(frame["task"], _text_id)
        if self.known_tasks is not None:
            self._drop(~frame["task"].isin(self.known_tasks.index), "task is not in the frame of tasks")
        self._match_ids()
        self._drop(~frame["config_id"].isin(self.configs.index), "no such configuration")
        self._drop_invalid_configs()
        epoch = pd.to_numeric(frame["epoch"], errors="coerce")
        self._drop(epoch.isna() | (epoch % 1 != 0), "epoch is not a whole number")
        self._drop(epoch < 1, "epochs are counted from 1, the first completed one (add 1 to yours if they start at 0)")
        self._drop(epoch > _MAX_EPOCH, f"epoch is beyond {_MAX_EPOCH}")
        frame["epoch"] = epoch
        if "seed" in frame:
            self._drop(frame["seed"].isna(), "no seed")
        values = pd.to_numeric(frame["value"], errors="coerce").astype("float64")
        unread = values.isna()
        unread[unread] = frame.loc[unread, "value"].map(_is_text).astype(bool)
        self._drop(unread, "value is not a number")
        frame["value"] = values
        unmeasured = self._unmeasured()
        if n := int(unmeasured.sum()):
            self.notes.append(f"{n} rows without a value count as not measured")
            self.good &= ~unmeasured
        infinite = ~np.isfinite(frame["value"])
        diverged: pd.DataFrame = frame[self.good & infinite]
        self._drop(infinite, "value is not a finite number (the run counts as diverged)")
        self._check_seconds()
        self._check_repeats()
        return diverged

    def _drop(self, bad: Any, reason: str) -> None:
        hit = self.good & np.asarray(bad, dtype=bool)
        if hit.any():
            self.reasons[reason] = int(hit.sum())
            self.examples[reason] = f"row {int(hit.argmax())}: {_row_text(self.frame.iloc[int(hit.argmax())])}"
            self.good &= ~hit

    def _unmeasured(self) -> np.ndarray:
        """Which rows hold NaN because nothing was measured, not because a training diverged.

        All of them where values follow some, or where most runs of a frame that is filled up to one epoch end in NaN.
        """
        rows = self.frame[self.good]
        missing = rows["value"].isna()
        none = np.zeros(len(self.frame), dtype=bool)
        if not missing.any():
            return none
        run = rows.groupby([c for c in ("task", "seed", "config_id") if c in rows], sort=False)["epoch"]
        last = run.transform("max")
        valued = rows["epoch"].where(~missing).groupby(run.ngroup(), sort=False).transform("max")
        ends_in_it = (missing & (rows["epoch"] == last)).groupby(run.ngroup(), sort=False).any()
        is_filled = last.nunique() == 1 and len(ends_in_it) > 1
        if (missing & (rows["epoch"] < valued)).any() or (is_filled and ends_in_it.mean() > _MOST_DIVERGED):
            none[np.flatnonzero(self.good)[missing.to_numpy()]] = True
        return none

    def _match_ids(self) -> None:
        """Read ids as the configurations have them: ints that came as 7.0 or '7', texts that came as ints."""
        ids = self.frame["config_id"]
        self._drop(ids.isna(), "no configuration")
        if all(isinstance(i, str) for i in self.configs.index):
            self.frame["config_id"] = _map_distinct(ids, _text_id)
        else:
            numbers = pd.to_numeric(ids, errors="coerce")
            self.frame["config_id"] = numbers.where(numbers % 1 == 0)

    def _drop_invalid_configs(self) -> None:
        """Drop the configurations that the given space rejects, and their rows."""
        invalid: dict[Any, str] = {}
        if self.space is not None:
            for config_id, *cells in self.configs.itertuples(name=None):
                try:
                    self.space.validate(dict(zip(self.configs.columns, map(plain_value, cells), strict=True)))
                except SpaceError as error:
                    invalid[config_id] = str(error)
        if invalid:
            config_id, why = next(iter(invalid.items()))
            self.notes.append(f"{len(invalid)} invalid configurations dropped, such as {config_id!r}: {why}")
            self._drop(self.frame["config_id"].isin(list(invalid)), "configuration is not valid in the space")
            self.configs = self.configs.drop(index=list(invalid))

    def _check_seconds(self) -> None:
        if "seconds" in self.frame:
            seconds = pd.to_numeric(self.frame["seconds"], errors="coerce").astype("float64")
            unusable = ~np.isfinite(seconds) | (seconds < 0)
            if n := int((unusable & self.good & self.frame["seconds"].notna()).sum()):
                self.notes.append(f"{n} times were negative or no numbers and are taken as unknown")
            self.frame["seconds"] = seconds.where(~unusable)

    def _check_repeats(self) -> None:
        """Leave out rows that say the same twice; refuse rows that contradict each other."""
        key = [column for column in ("task", "seed", "config_id", "epoch") if column in self.frame]
        rows = self.frame[self.good]
        repeats = rows.duplicated(key, keep=False)
        if not repeats.any():
            return
        several = rows[repeats].groupby(key, sort=False)["value"].transform("nunique") > 1
        if several.any():
            first = rows[repeats][several].iloc[0]
            raise TableError(
                f"{int(several.sum())} rows give different values for one epoch, as in {_row_text(first)}; "
                "keep one of them, or add a column 'seed' that tells the repetitions apart"
            )
        repeated = np.zeros(len(self.frame), dtype=bool)
        repeated[np.flatnonzero(self.good)] = rows.duplicated(key).to_numpy()
        self._drop(repeated, "said before, with the same value")

    def _note_steps(self) -> None:
        epochs = self.frame.loc[self.good, "epoch"]
        apart = int(np.gcd.reduce(epochs.to_numpy(dtype=np.int64)))
        if apart > 1 and epochs.nunique() > 1:
            self.notes.append(
                f"every epoch is a multiple of {apart}, of those between nothing is known; if a reading is taken every "
                f"{apart} epochs, divide the column 'epoch' by {apart} (Optuna's trials: steps_per_epoch={apart}), so "
                "that each epoch of the table has one"
            )
        longest = epochs.max()
        if longest > _MANY_EPOCHS:
            self.notes.append(
                f"trainings have up to {int(longest)} epochs, and a recommender asks for one after the other; if these "
                "are steps, divide the column 'epoch' by the steps per epoch"
            )

    def _number_seeds(self) -> dict[Any, int]:
        """Number the labels of seeds from 0 in their order."""
        if "seed" not in self.frame:
            return {0: 0}
        labels = pd.unique(self.frame.loc[self.good, "seed"]).tolist()
        labels.sort(key=lambda label: (isinstance(label, str), label))
        if labels != list(range(len(labels))):
            self.notes.append(f"seeds {', '.join(map(str, labels[:10]))} are numbered from 0")
        return {label: number for number, label in enumerate(labels)}

    def _runs(self, rows: pd.DataFrame, tasks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the position of each row's run: task, seed, configuration."""
        task = tasks.index.get_indexer(pd.Index(rows["task"]))
        seed = rows["seed"].map(self.seed_of).to_numpy(dtype=np.int64) if "seed" in rows else np.zeros(len(rows), int)
        return task, seed, self.configs.index.get_indexer(pd.Index(rows["config_id"]))

    def _status(self, run: np.ndarray, shape: tuple[int, int, int], tasks: pd.DataFrame) -> np.ndarray:
        """Return OK for runs with values and DIVERGED for those in which a value was not finite."""
        status = np.full(shape, RunStatus.NOT_RUN, dtype=np.int8)
        status.ravel()[run] = RunStatus.OK
        runs = self.diverged[self.diverged["task"].isin(tasks.index)]
        if "seed" in runs:
            runs = runs[runs["seed"].isin(list(self.seed_of))]
        status[self._runs(runs, tasks)] = RunStatus.DIVERGED
        return status


def _is_text(value: Any) -> bool:
    """Whether a cell holds text, and not one of the ways to write that there is no number."""
    return isinstance(value, str) and value.strip().lower() not in ("", "nan", "none", "null", "na", "n/a")


def _map_distinct(column: pd.Series, text: Callable[[Any], str]) -> pd.Series:
    """Return the text of each value, made once for each distinct one: a column has millions of rows and few values."""
    try:
        codes, distinct = pd.factorize(column, use_na_sentinel=False)
    except TypeError:  # lists and the like have no hash, but a text
        return _map_distinct(column.map(lambda value: value if pd.api.types.is_scalar(value) else str(value)), text)
    texts = np.array([text(value) for value in distinct], dtype=object)
    return pd.Series(texts[codes] if len(texts) else [], index=column.index, dtype="str")


def _text_id(value: Any) -> str:
    """Return the name of a task or configuration as text; a whole float is an int that pandas stored beside a NaN."""
    if pd.isna(value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _own_ids(curves: pd.DataFrame, configs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make ids unique where each task counts its configurations for itself."""
    if not isinstance(configs, pd.DataFrame) or "task" not in configs.columns:
        return curves, configs
    configs = configs if "config_id" in configs.columns else configs.rename_axis(index="config_id").reset_index()
    ids = configs["task"].map(_text_id) + "/" + configs["config_id"].map(_text_id)
    kept = curves["config_id"].notna()
    labels = _map_distinct(curves["task"], _text_id) + "/" + _map_distinct(curves["config_id"], _text_id)
    return curves.assign(config_id=labels.where(kept)), configs.drop(columns="task").assign(config_id=ids)


def _checked_columns(curves: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(curves, pd.DataFrame):
        raise TableError(f"curves come as a pandas DataFrame, not as a {type(curves).__name__}")
    missing = [column for column in _REQUIRED if column not in curves.columns]
    if missing:
        raise TableError(
            f"curves need the columns {', '.join(_REQUIRED)} (and may have seed, seconds); {', '.join(missing)} "
            f"missing, these came: {', '.join(map(str, curves.columns))}. Rename yours"
        )
    kept = [column for column in (*_REQUIRED, "seed", "seconds") if column in curves.columns]
    frame = curves[kept].reset_index(drop=True)
    nullable = [column for column in kept if not isinstance(frame[column].dtype, np.dtype)]
    plain: pd.DataFrame = frame.assign(**{column: plain_column(frame[column]) for column in nullable})
    return plain.astype({"task": object})


def _row_text(row: pd.Series[Any]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in row.index)
