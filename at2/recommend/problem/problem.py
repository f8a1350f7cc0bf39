"""From a table and a target's name to tensors.

The target's own curves are never looked at, even where the table holds them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from at2.errors import TableError, UnknownNameError
from at2.memory import physical_memory
from at2.recommend.problem.candidates import Candidates, Chosen, SampledCandidates, own_space, plain_id, sort_candidates
from at2.recommend.problem.histories import LARGEST, MAX_GRID, PastRuns, choose_grid, read_history, rename_columns
from at2.recommend.problem.report import Finding, HistoryReport
from at2.recommend.problem.twins import match_new, merge_twins
from at2.recommend.query import ConfigId
from at2.recommend.settings import as_task_name
from at2.space.parameters import is_missing
from at2.surrogate import History, RunCurves
from at2.tables.schema import check_length, direction_of

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

__all__ = ["Candidates", "Problem", "SampledCandidates", "build_problem", "plain_id"]

_log = logging.getLogger(__name__)

_BYTES_OF_EPOCHS = 250  # that a belief takes for each pair of epochs

INFERRED = "inferred"
"""Name of a space that was guessed from a table; it gives way to the user's own candidates."""


@dataclass(frozen=True)
class Problem:
    """One target to tune for, as tensors.

    Args:
        history: Curves of the sources (larger is better) and the encoded configurations.
        config_ids: Name of every configuration, in the order of the tensors.
        configs: Active hyperparameters of every configuration; as in the table where the space does not allow it.
        is_candidate: Which of them may be asked for and recommended, shape ``(n_config,)``.
        source_seconds: Mean seconds of an epoch, shape ``(n_source, n_config)``; None where no source was timed.
        sources: Names of the source tasks.
        metric: Name of the metric; None without a table.
        maximize: Whether larger values of the metric are better.
        space: Search space of the configurations.
        sha256: Digest of the sources' curves, the configurations and their encoding.
        report: What of the history was used, what was skipped, and why.
        rename: Names of hyperparameters in the table to the names used here.
    """

    history: History
    config_ids: tuple[ConfigId, ...]
    configs: tuple[Mapping[str, Any], ...]
    is_candidate: Tensor
    source_seconds: Tensor | None
    sources: tuple[str, ...]
    metric: str | None
    maximize: bool
    space: SearchSpace
    sha256: str
    report: HistoryReport
    rename: Mapping[str, str] | None = None

    @cached_property
    def rows(self) -> Mapping[ConfigId, int]:
        """Position of every configuration by its id."""
        return {name: row for row, name in enumerate(self.config_ids)}

    @property
    def sign(self) -> float:
        """What turns a told metric into one where larger is better: 1 or -1."""
        return 1.0 if self.maximize else -1.0

    def oriented(self, value: float) -> float:
        """Return a metric that was told as one where larger is better, and no larger than can be reckoned with."""
        return self.sign * min(max(value, -LARGEST), LARGEST)


def build_problem(
    table: LearningCurveTable | None,
    *,
    target: str,
    sources: Sequence[str] | None = None,
    candidates: Candidates | None = None,
    space: SearchSpace | None = None,
    metric: str | None = None,
    maximize: bool | None = None,
    n_epoch: int | None = None,
    rename: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Problem:
    """Collect what is known before the target's first reading.

    Args:
        table: Learning curves of earlier tasks; None starts without any.
        target: Name of the new task; it may stand in the table, but its curves are not used.
        sources: Tasks to learn from; None takes all of the table but the target. Tasks without a reading are skipped.
        candidates: Ids of the table's configurations, new configurations as dicts, or `SampledCandidates`; None takes
            all of the table's that the space allows.
        space: Search space of the candidates; None takes the table's, or infers one from table and candidates.
        metric: Metric of the table to use; None takes its default.
        maximize: Whether larger is better; None asks the table (True without one).
        n_epoch: Length of a full training; None takes the table's. Epochs beyond the history's are extrapolated.
        rename: Names of hyperparameters in the table to the names used here.
        seed: Draws the candidates that are sampled.

    Returns:
        The problem, complete and checked.

    Raises:
        UnknownNameError: If a source, a candidate, the metric or a name in `rename` is not in the table.
        TableError: If sources repeat or hold the target, or there is no candidate.
        SpaceError: If a candidate breaks the rules of the space.
    """
    chosen = sort_candidates(table, candidates)
    names = _check_sources(table, target, sources)
    if table is None and (n_epoch is None or candidates is None):
        raise TableError("without a table, pass candidates=[{...}, ...] and n_epoch=, the length of a full training")
    length = _check_length(table, n_epoch)
    toward = direction_of(metric or "", maximize) if table is None else _check_direction(table, metric, maximize)
    space = _find_space(table, space, chosen, rename)
    new = {**chosen.own, **chosen.sample(space, seed)}
    runs = _no_runs(space, length)
    if table is not None:
        runs = read_history(table, names, space, metric=metric, n_epoch=length, rename=rename)
        runs = merge_twins(runs, keep=chosen.known or ())
        runs, chosen, new = match_new(runs, chosen, new, space)
    return _assemble(
        runs,
        chosen,
        new,
        space,
        metric=None if table is None else table.get_metric(metric).name,
        maximize=toward,
        rename=rename,
    )


def _find_space(
    table: LearningCurveTable | None, space: SearchSpace | None, chosen: Chosen, rename: Mapping[str, str] | None
) -> SearchSpace:
    """The space as given, the table's, or one that spans the history and the user's own configurations."""
    if space is not None:
        return space
    if table is not None and not rename and (table.space.name != INFERRED or not chosen.own):
        return table.space
    configs = None if table is None else rename_columns(table.configs, rename)
    return own_space(configs, chosen)


def _no_runs(space: SearchSpace, n_epoch: int) -> PastRuns:
    nothing = np.zeros((0, len(space.columns)))
    none = np.zeros(0, dtype=np.int64)
    return PastRuns((), none, none, np.zeros((0, 1, n_epoch)), None, nothing, (), (), (), ())


def _assemble(
    runs: PastRuns,
    chosen: Chosen,
    new: Mapping[ConfigId, Mapping[str, Any]],
    space: SearchSpace,
    *,
    metric: str | None,
    maximize: bool,
    rename: Mapping[str, str] | None,
) -> Problem:
    """Put the rows that a belief covers together: those of the history, then the new ones."""
    rows = {name: row for row, name in enumerate(runs.ids)}
    wanted = [] if chosen.known is None else [rows[name] for name in chosen.known]
    for row in wanted:
        if runs.configs[row] is None:
            space.validate(_raw(runs, row))
    grid = choose_grid(runs, wanted)
    ids = [*(runs.ids[row] for row in grid), *new]
    raw = [runs.configs[row] or _raw(runs, row) for row in grid]
    is_candidate = [_is_candidate(runs, chosen, row) for row in grid] + [True] * len(new)
    if not any(is_candidate):
        raise TableError(
            "the space allows no past configuration, so that there is no candidate; pass candidates= or another space="
        )
    history = _history(runs, grid, space.encode(list(new.values())))
    return Problem(
        history=history,
        config_ids=tuple(ids),
        configs=(*raw, *(space.validate(config) for config in new.values())),
        is_candidate=torch.tensor(is_candidate),
        source_seconds=_seconds(runs, grid, len(new)),
        sources=runs.sources,
        metric=metric,
        maximize=maximize,
        space=space,
        sha256=_digest(history, runs.sources, ids),
        report=_report(runs, grid, chosen, new, is_candidate),
        rename=dict(rename) if rename else None,
    )


def _raw(runs: PastRuns, row: int) -> Mapping[str, Any]:
    return {name: value for name, value in runs.raw[row].items() if not is_missing(value)}


def _is_candidate(runs: PastRuns, chosen: Chosen, row: int) -> bool:
    if chosen.known is None:
        return runs.configs[row] is not None
    return runs.ids[row] in chosen.known


def _history(runs: PastRuns, grid: Sequence[int], new: np.ndarray) -> History:
    """Rows of the grid, then the new ones; what was run on other configurations stands elsewhere."""
    values = runs.on_grid(runs.values, grid).swapaxes(1, 2)
    values = np.pad(values, ((0, 0), (0, 0), (0, len(new)), (0, 0)), constant_values=np.nan)
    features = np.concatenate([runs.features[grid], new.reshape(len(new), -1)]) if len(new) else runs.features[grid]
    return History(torch.from_numpy(values), torch.from_numpy(features), _elsewhere(runs, grid))


def _elsewhere(runs: PastRuns, grid: Sequence[int]) -> RunCurves | None:
    others = np.setdiff1d(np.arange(len(runs.ids)), grid)
    if not len(others):
        return None
    which = np.isin(runs.row, others)
    config = np.searchsorted(others, runs.row[which])
    parts = (runs.values[which], runs.source[which], config, runs.features[others])
    return RunCurves(*(torch.from_numpy(part) for part in parts))


def _seconds(runs: PastRuns, grid: Sequence[int], n_new: int) -> Tensor | None:
    if runs.seconds is None:
        return None
    known = runs.on_grid(runs.seconds, grid)
    return torch.from_numpy(np.pad(known, ((0, 0), (0, n_new)), constant_values=np.nan))


def _report(
    runs: PastRuns, grid: Sequence[int], chosen: Chosen, new: Collection[ConfigId], is_candidate: Sequence[bool]
) -> HistoryReport:
    """What was found in the history, and where the candidates come from."""
    findings = list(runs.findings)
    if n_other := len(runs.ids) - len(grid):
        note = f"{n_other} past configurations are learnt from, but not recommended: more than {MAX_GRID} are too many"
        findings.append(Finding("candidate", "history", False, n_other, note))
    known = sum(is_candidate[: len(grid)])
    own = sum(name in chosen.own for name in new)
    for name, count in (("history", known), ("own", own), ("sampled", len(new) - own)):
        if count:
            findings.append(Finding("candidate", name, True, count, f"{count} to choose from"))
    return HistoryReport(tuple(findings))


def _check_sources(table: LearningCurveTable | None, target: str, sources: Sequence[str] | None) -> list[str]:
    """Names of the sources, none of them unknown, twice, or the target."""
    if table is None:
        if sources is not None and len(sources):
            raise UnknownNameError(f"source {next(iter(sources))!r} cannot be found: there is no table")
        return []
    if sources is None:
        others = [str(name) for name in table.tasks.index if name != target]
        if not others:
            _log.warning(
                "table %r has no task but %r, the target, whose curves are not looked at: there is nothing to learn "
                "from; if this is a new task, give it another name (target=)",
                table.name,
                target,
            )
        return others
    if isinstance(sources, str):
        raise TableError(
            f"sources must be a list of task names, got the single string {sources!r}; write [{sources!r}]"
        )
    names = [as_task_name(name) for name in sources]
    names = sorted(names) if isinstance(sources, Set) else names  # a set has no order that would be the same again
    for name in names:
        table.task_index(name)
    if target in names:
        raise TableError(f"{target!r} is the target and stands among the sources; leave it out of them")
    if len(set(names)) < len(names):
        raise TableError(f"sources name a task twice: {sorted(names)}")
    return names


def _check_direction(table: LearningCurveTable, metric: str | None, maximize: bool | None) -> bool:
    known = table.get_metric(metric)
    if maximize is not None and direction_of(known.name, maximize) != known.maximize:
        raise TableError(
            f"maximize={maximize}, but the table says maximize={known.maximize} for {known.name!r}; leave it out"
        )
    return known.maximize


def _check_length(table: LearningCurveTable | None, n_epoch: int | None) -> int:
    """Length of a full training."""
    length = n_epoch if n_epoch is not None else table.n_epoch if table is not None else 0
    check_length(length)
    needed, there = _BYTES_OF_EPOCHS * int(length) ** 2, physical_memory()
    if there is not None and needed > there:
        raise TableError(
            f"trainings of {length:,} epochs would take about {needed / 1e9:,.0f} GB, and this machine has "
            f"{there / 1e9:,.0f}: let one epoch stand for several (table.rescale_epochs, n_epoch=)"
        )
    return int(length)


def _digest(history: History, names: Sequence[str], ids: Sequence[ConfigId]) -> str:
    """SHA-256 of everything that a surrogate is fitted to."""
    digest = hashlib.sha256(repr((list(names), list(ids), tuple(history.values.shape))).encode())
    parts, runs = [history.values, history.features], history.elsewhere
    if runs is not None:
        parts += [runs.values, runs.source, runs.config, runs.features]
    for tensor in parts:
        digest.update(np.ascontiguousarray(tensor.numpy(), dtype="<f8").tobytes())
    return digest.hexdigest()
