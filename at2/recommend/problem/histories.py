"""Histories as they are: tasks with configurations of their own, curves of any length, other names, other ranges.

A `PastRuns` is what can be learnt from: encoded configurations and oriented curves of the sources, with a report of
what was left out on the way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from at2.errors import TableError, UnknownNameError
from at2.memory import warn_if_short
from at2.recommend.problem.report import Finding
from at2.recommend.query import ConfigId
from at2.tables.schema import RunStatus
from at2.tables.storage.sparse import last_epoch

if TYPE_CHECKING:
    import pandas as pd

    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
MAX_GRID = 1000
"""Configurations of the history that a belief covers at most; those beyond are learnt from, but not recommended."""

_BYTES_OF_CELL = 120  # epoch of a curve, at the peak of a fit; measured where most were never run (docs/benchmarks.md)
LARGEST = 1e100
"""Size of the largest reading that is used; what is larger overflows when squared."""


@dataclass(frozen=True)
class PastRuns:
    """The history in numbers: what each source has run, one entry for every configuration, by source and then by row.

    Args:
        sources: Names of the tasks that have a reading.
        source: Which of them each run is of, shape ``(n_run,)``.
        row: Which configuration it is of, shape ``(n_run,)``.
        values: Oriented curves, shape ``(n_run, n_seed, n_epoch)``, NaN where nothing was run.
        seconds: Mean seconds of an epoch, shape ``(n_run,)``; None where nothing was timed.
        features: Encoded configurations, shape ``(n_row, n_column)``.
        ids: Id of every configuration.
        configs: Every configuration in plain types; None where the space does not allow it.
        raw: Every configuration as the table has it, under its new names.
        findings: What was used and what was not.
    """

    sources: tuple[str, ...]
    source: Integers
    row: Integers
    values: Floats
    seconds: Floats | None
    features: Floats
    ids: tuple[ConfigId, ...]
    configs: tuple[Mapping[str, Any] | None, ...]
    raw: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...]

    @property
    def is_read(self) -> Flags:
        """Which runs have a reading, ``(n_run,)``."""
        return np.asarray(np.isfinite(self.values).any(axis=(1, 2)))

    def on_grid(self, numbers: npt.NDArray[Any], rows: Sequence[int], *, nothing: Any = np.nan) -> npt.NDArray[Any]:
        """Spread a number for each run, ``(n_run, ...)``, over all sources and some rows.

        Returns:
            Shape ``(n_source, len(rows), ...)``, `nothing` where nothing was run.
        """
        place = np.full(len(self.ids), -1)
        place[list(rows)] = np.arange(len(rows))
        inside = place[self.row] >= 0
        grid = np.full((len(self.sources), len(rows), *numbers.shape[1:]), nothing, dtype=numbers.dtype)
        grid[self.source[inside], place[self.row[inside]]] = numbers[inside]
        return grid


def rename_columns(configs: pd.DataFrame, rename: Mapping[str, str] | None) -> pd.DataFrame:
    """Bring hyperparameters that went by several names under one.

    Args:
        configs: One row a configuration.
        rename: Name in the table to the name to use; several may lead to one, as long as no row gives two of them.

    Returns:
        A new frame.

    Raises:
        UnknownNameError: If the table has no such column.
        TableError: If a row gives two values for one name.
    """
    out = configs.copy()
    for old, new in (rename or {}).items():
        if old not in out.columns:
            raise UnknownNameError(f"rename: no hyperparameter {old!r} in the table; there are {list(configs.columns)}")
        if old == new:
            continue
        if new not in out.columns:
            out = out.rename(columns={old: new})
            continue
        both = out[old].notna() & out[new].notna() & (out[old] != out[new])
        if bool(both.any()):
            name = out.index[both][0]
            raise TableError(
                f"rename: configuration {name!r} gives {old!r} and {new!r} different values; rename only one of them"
            )
        out[new] = out[new].where(out[new].notna(), out[old])
        out = out.drop(columns=old)
    return out


def read_history(
    table: LearningCurveTable,
    names: Sequence[str],
    space: SearchSpace,
    *,
    metric: str | None,
    n_epoch: int,
    rename: Mapping[str, str] | None = None,
) -> PastRuns:
    """Read the sources' runs from a table.

    Args:
        table: The history.
        names: The source tasks.
        space: Search space; configurations that it does not allow are learnt from all the same.
        metric: Name of the metric; None takes the default one.
        n_epoch: Length of a full training; longer curves are cut, shorter ones stay open.
        rename: See `rename_columns`.

    Returns:
        What can be used of it.

    Raises:
        UnknownNameError: If `rename` names what is not there.
        TableError: If `rename` contradicts itself.
    """
    frame = rename_columns(table.configs, rename)
    records = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    features, configs, misfits = space.encode_leniently(records)
    rows = [table.task_index(name) for name in names]
    runs = table.runs(rows, metric)
    _mind_memory(len(runs.task), len(rows), len(records), n_epoch)
    values = _fit_length(runs.values if table.get_metric(metric).maximize else -runs.values, n_epoch)
    huge = np.abs(values) > LARGEST
    values[huge] = np.nan
    _keep_diverged(values, (runs.status == RunStatus.DIVERGED) | huge.any(2), runs.task)
    read = np.isfinite(values).any(axis=(1, 2))
    kept: Flags = np.bincount(runs.task[read], minlength=len(rows)) > 0
    used = kept[runs.task]
    findings = [
        *_task_findings(names, values, runs.task, runs.values),
        *_value_findings(table, rows, values, int(huge.sum())),
    ]
    findings += _hyperparameter_findings(frame, space, rename, task=runs.task[read], row=runs.config[read])
    findings += _misfit_findings([(table.configs.index[m.row], m.parameter, m.problem) for m in misfits])
    return PastRuns(
        sources=tuple(name for name, keep in zip(names, kept, strict=True) if keep),
        source=(kept.cumsum() - 1)[runs.task[used]],
        row=runs.config[used],
        values=values[used],
        seconds=None if runs.seconds is None else _mean_seconds(runs.seconds[used]),
        features=features,
        ids=tuple(name.item() if hasattr(name, "item") else name for name in table.configs.index),
        configs=tuple(configs),
        raw=tuple(records),
        findings=tuple(findings),
    )


def _mind_memory(n_run: int, n_source: int, n_row: int, n_epoch: int) -> None:
    """Say so where learning from a history needs more than this machine has."""
    n_curve = max(n_run, n_source * min(n_row, MAX_GRID))  # completed ones are many more than those that were run
    warn_if_short(
        _BYTES_OF_CELL * n_curve * n_epoch,
        f"learning from {n_run} runs of {n_source} tasks over {n_epoch} epochs",
        "pass fewer sources=, or a smaller n_epoch=",
    )


def _fit_length(values: Floats, n_epoch: int) -> Floats:
    """Cut curves to a length, or leave the epochs that nobody reached open."""
    missing = max(n_epoch - values.shape[2], 0)
    return np.pad(values[..., :n_epoch], ((0, 0), (0, 0), (0, missing)), constant_values=np.nan)


def _keep_diverged(values: Floats, diverged: Flags, task: Integers) -> None:
    """Let diverged runs stay as poor as they got, and those without any reading be as poor as the poorest of the task.

    Otherwise they would count as stopped early, and as likely to have gone on as any other.

    Args:
        values: Oriented curves, ``(n_run, n_seed, n_epoch)``; changed in place.
        diverged: Which runs did, ``(n_run, n_seed)``.
        task: Which task each run is of, ``(n_run,)``.
    """
    poorest = np.full(task.max(initial=0) + 1, np.inf)  # inf where nothing was read
    np.minimum.at(poorest, task, np.where(np.isfinite(values), values, np.inf).min(axis=(1, 2)))
    for run, seed in np.argwhere(diverged & np.isfinite(poorest[task])[:, None]):
        curve = values[run, seed]
        seen = np.flatnonzero(np.isfinite(curve))
        if seen.size:
            curve[seen[-1] + 1 :] = curve[seen].min()
        else:
            curve[:] = poorest[task[run]]


def _mean_seconds(seconds: Floats) -> Floats:
    """Mean seconds per epoch of runs ``(n_run, n_seed, n_epoch)``, NaN where nothing was timed."""
    timed = np.nan_to_num(seconds, nan=0.0)
    count = (timed > 0).sum((1, 2))
    mean: Floats = np.where(count > 0, timed.sum((1, 2)) / np.maximum(count, 1), np.nan)
    return mean


def choose_grid(runs: PastRuns, wanted: Sequence[int], *, max_grid: int = MAX_GRID) -> list[int]:
    """Choose the configurations that a belief covers, in the table's order.

    Args:
        runs: The history.
        wanted: Rows that must be covered.
        max_grid: How many there may be, unless `wanted` or those that every source has run are more.

    Returns:
        All rows if they are few enough. Otherwise `wanted`, those that every source has run, and of the rest those with
        the best mean rank on the sources that ran them.
    """
    n_row = len(runs.ids)
    if n_row <= max_grid or not runs.sources:
        return list(range(n_row))
    read = runs.is_read
    source, row = runs.source[read], runs.row[read]
    best = np.nanmax(np.nan_to_num(runs.values[read], nan=-np.inf), axis=(1, 2))
    rank = np.empty(len(best))
    for which in np.split(np.arange(len(best)), np.searchsorted(source, range(1, len(runs.sources)))):
        order = np.argsort(np.argsort(best[which], kind="stable"), kind="stable")
        rank[which] = (order + 1) / max(len(which), 1)
    count = np.bincount(row, minlength=n_row)
    score = np.where(count > 0, np.bincount(row, rank, n_row) / np.maximum(count, 1), -1.0)
    score[count == len(runs.sources)] = np.inf
    score[list(wanted)] = np.inf
    n = max(max_grid, int(np.isinf(score).sum()))
    return sorted(np.argsort(-score, kind="stable")[:n].tolist())


def _task_findings(names: Sequence[str], values: Floats, task: Integers, given: Floats) -> list[Finding]:
    findings = []
    for number, name in enumerate(names):
        mine = slice(*np.searchsorted(task, (number, number + 1)))
        seen = np.isfinite(values[mine])
        length = last_epoch(seen).max(1)  # (n_run,)
        length = length[length > 0]
        if not len(length):
            findings.append(Finding("task", name, False, 0, "no reading of this metric"))
            continue
        note = f"{len(length)} curves of {_plural(int(length.max()), 'epoch')} at most, {int(seen.sum())} readings"
        longest = int(last_epoch(np.isfinite(given[mine])).max(initial=0))
        findings.append(
            Finding("task", name, True, int(seen.sum()), note + _of_other_length(length, values.shape[2], longest))
        )
    return findings


def _of_other_length(length: Integers, n_epoch: int, longest: int) -> str:
    """What a report says of curves that are shorter than a full training, or of a task where that is longer."""
    way_out = "at2.rescale_epochs compares shares of a training"
    if longest > n_epoch:
        return f", cut at epoch {n_epoch} of {longest}; {way_out}"
    if not (cut := int((length < n_epoch).sum())):
        return ""
    alike = longest < n_epoch and (length == longest).sum() > len(length) / 2
    one = f"{_plural(longest, 'epoch')} {'is' if longest == 1 else 'are'} one"
    return f", {cut} shorter than a full training" + (f"; if {one}, {way_out}" if alike else "")


def _value_findings(table: LearningCurveTable, rows: Sequence[int], values: Floats, n_huge: int) -> list[Finding]:
    findings, n_epoch = [], values.shape[2]
    if n_huge:
        findings.append(Finding("reading", "overflow", False, n_huge, f"{n_huge} beyond {LARGEST:.0e}"))
    status = table.status[list(rows)]
    far = "used as far as they went"
    for code, word, use in (
        (RunStatus.DIVERGED, "diverged", "taken to stay as poor as they got"),
        (RunStatus.CRASHED, "crashed", far),
        (RunStatus.TIMEOUT, "timed out", far),
        (RunStatus.STOPPED_EARLY, "stopped early", far),
    ):
        if count := int((status == code).sum()):
            findings.append(Finding("reading", word, True, count, f"{_plural(count, 'run')} {word}; {use}"))
    if n_missing := int(np.isfinite(values).any(axis=(0, 1)).argmax()):
        note = f"no curve has a reading before epoch {n_missing + 1}; what those before it say is left open"
        findings.append(Finding("reading", "epoch 1", False, n_missing, note))
    if n_epoch > table.n_epoch:
        note = f"no curve goes beyond epoch {table.n_epoch}; epochs {table.n_epoch + 1} to {n_epoch} are extrapolated"
        findings.append(Finding("reading", f"epoch {n_epoch}", False, n_epoch - table.n_epoch, note))
    return findings


def _hyperparameter_findings(
    frame: pd.DataFrame, space: SearchSpace, rename: Mapping[str, str] | None, *, task: Integers, row: Integers
) -> list[Finding]:
    """Which hyperparameters are known to which part of the history."""
    findings, n_task = [], len(np.unique(task))
    for name in dict.fromkeys([*frame.columns, *space.names]):
        given = frame[name].notna().to_numpy() if name in frame else np.zeros(len(frame), dtype=bool)
        old = [before for before, after in (rename or {}).items() if after == name and before != name]
        renamed = f", called {' or '.join(old)} in the table" if old else ""
        if name not in space.names:
            findings.append(Finding("hyperparameter", str(name), False, int(given.sum()), "not in the search space"))
        elif not given.any():
            findings.append(Finding("hyperparameter", str(name), False, 0, "no past configuration has it: inactive"))
        else:
            note = f"given by {int(given.sum())} of {len(frame)} configurations"
            tasks = len(np.unique(task[given[row]]))
            only = f" on {tasks} of {n_task} tasks, inactive elsewhere" if tasks < n_task else ""
            findings.append(Finding("hyperparameter", str(name), True, int(given.sum()), note + only + renamed))
    return findings


def _misfit_findings(misfits: Sequence[tuple[Any, str, str]]) -> list[Finding]:
    """Values that the space does not allow, counted by what was made of them."""
    counts = Counter((name, problem) for _, name, problem in misfits)
    examples = {(name, problem): row for row, name, problem in reversed(misfits)}
    findings = []
    for (name, problem), count in counts.items():
        where = f"{_plural(count, 'configuration')} (first {examples[name, problem]!r})"
        note = f"{where}: {name!r} {problem}; learnt from, not recommended" if name else f"{where}: {problem}"
        findings.append(Finding("configuration", name or "forbidden", True, count, note))
    return findings


def _plural(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
