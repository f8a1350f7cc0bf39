"""From a table and a target's name to tensors.

The target's own curves are never looked at, even where the table holds them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from at2.errors import TableError, UnknownNameError
from at2.recommend.query import ConfigId
from at2.surrogate import History

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

Candidates = Sequence[ConfigId | Mapping[str, Any]]


@dataclass(frozen=True)
class Problem:
    """One target to tune for, as tensors.

    Args:
        history: Curves of the sources (larger is better) and the encoded configurations.
        config_ids: Name of every configuration, in the order of the tensors.
        configs: Active hyperparameters of every configuration.
        is_candidate: Which of them may be asked for and recommended, shape ``(n_config,)``.
        source_seconds: Mean seconds of an epoch, shape ``(n_source, n_config)``; None where no source was timed.
        sources: Names of the source tasks.
        metric: Name of the metric; None without a table.
        maximize: Whether larger values of the metric are better.
        space: Search space of the configurations.
        sha256: Digest of the sources' curves, the configurations and their encoding.
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

    @cached_property
    def rows(self) -> Mapping[ConfigId, int]:
        """Position of every configuration by its id."""
        return {name: row for row, name in enumerate(self.config_ids)}

    @property
    def sign(self) -> float:
        """What turns a told metric into one where larger is better: 1 or -1."""
        return 1.0 if self.maximize else -1.0


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
) -> Problem:
    """Collect what is known before the target's first reading.

    Args:
        table: Learning curves of earlier tasks; None starts without any.
        target: Name of the new task; it may stand in the table, but its curves are not used.
        sources: Tasks to learn from; None takes all of the table but the target.
        candidates: Ids of the table's configurations, or new configurations as dicts; None takes the table's.
        space: Search space of the configurations; None takes the table's, or infers one from the candidates.
        metric: Metric of the table to use; None takes its default.
        maximize: Whether larger is better; None asks the table (True without one).
        n_epoch: Length of a full training; None takes the table's.

    Returns:
        The problem, complete and checked.

    Raises:
        UnknownNameError: If a source, a candidate or the metric is not in the table.
        TableError: If sources repeat or hold the target, there is no candidate, or the curves are too short.
        SpaceError: If a configuration breaks the rules of the space.
    """
    new, picked = _sort_candidates(table, candidates)
    names = _check_sources(table, target, sources)
    if table is None:
        if n_epoch is None or not new:
            raise TableError(
                "without a table, pass candidates=[{...}, ...] and n_epoch=, the length of a full training"
            )
        values, source_seconds = np.zeros((0, 1, len(new), n_epoch)), None
        ids: list[ConfigId] = []
        configs: list[Mapping[str, Any]] = []
    else:
        maximize = _check_direction(table, metric, maximize)
        values, source_seconds = _curves(table, names, metric, n_epoch, len(new))
        ids = [plain_id(name) for name in table.configs.index]
        configs = [{str(k): v for k, v in row.items()} for row in table.configs.to_dict("records")]
    ids += list(new)
    configs += list(new.values())
    space, features = _encode(table, space, configs)
    is_candidate = torch.tensor([name in picked or name in new for name in ids])
    return Problem(
        history=History(torch.from_numpy(values), torch.from_numpy(features)),
        config_ids=tuple(ids),
        configs=tuple(space.validate(config) for config in configs),
        is_candidate=is_candidate,
        source_seconds=source_seconds,
        sources=tuple(names),
        metric=None if table is None else table.get_metric(metric).name,
        maximize=True if maximize is None else maximize,
        space=space,
        sha256=_digest(values, features, names, ids),
    )


def _sort_candidates(
    table: LearningCurveTable | None, candidates: Candidates | None
) -> tuple[dict[ConfigId, Mapping[str, Any]], set[ConfigId]]:
    """Candidates that are new, under names of their own, and the ids of those that the table knows."""
    known = [] if table is None else [plain_id(name) for name in table.configs.index]
    if candidates is None:
        return {}, set(known)
    if isinstance(candidates, (str, Mapping)) or len(candidates) == 0:
        raise TableError(f"candidates must be a list with at least one id or dict, got {candidates!r}")
    picked = [plain_id(c) for c in candidates if not isinstance(c, Mapping)]
    if table is None and picked:
        raise UnknownNameError(f"candidate {picked[0]!r} is an id, but there is no table; give candidates as dicts")
    for name in picked:
        assert table is not None
        table.config_index(name)
    if len(set(picked)) < len(picked):
        raise TableError(f"candidates name a configuration twice: {sorted(picked, key=str)}")
    added = [dict(c) for c in candidates if isinstance(c, Mapping)]
    return {f"new-{k}": config for k, config in enumerate(added)}, set(picked)


def _check_sources(table: LearningCurveTable | None, target: str, sources: Sequence[str] | None) -> list[str]:
    """Names of the sources, none of them unknown, twice, or the target."""
    if table is None:
        if sources:
            raise UnknownNameError(f"source {sources[0]!r} cannot be found: there is no table")
        return []
    if sources is None:
        return [str(name) for name in table.tasks.index if name != target]
    if isinstance(sources, str):
        raise TableError(
            f"sources must be a list of task names, got the single string {sources!r}; write [{sources!r}]"
        )
    for name in sources:
        table.task_index(name)
    if target in sources:
        raise TableError(f"{target!r} is the target and stands among the sources; leave it out of them")
    if len(set(sources)) < len(sources):
        raise TableError(f"sources name a task twice: {sorted(sources)}")
    return list(sources)


def _check_direction(table: LearningCurveTable, metric: str | None, maximize: bool | None) -> bool:
    known = table.get_metric(metric)
    if maximize is not None and maximize != known.maximize:
        raise TableError(
            f"maximize={maximize}, but the table says maximize={known.maximize} for {known.name!r}; leave it out"
        )
    return known.maximize


def _curves(
    table: LearningCurveTable, names: Sequence[str], metric: str | None, n_epoch: int | None, n_new: int
) -> tuple[np.ndarray, Tensor | None]:
    """Oriented curves of the sources, NaN for new configurations; and mean seconds per epoch."""
    length = table.n_epoch if n_epoch is None else n_epoch
    if not 0 < length <= table.n_epoch:
        raise TableError(
            f"curves of table {table.name!r} have {table.n_epoch} epochs, {length} asked; pass a smaller n_epoch"
        )
    rows = [table.task_index(name) for name in names]
    values = table.oriented(metric)[rows][..., :length]
    values = np.pad(values, ((0, 0), (0, 0), (0, n_new), (0, 0)), constant_values=np.nan)
    if table.seconds is None or not rows:
        return values, None
    seconds = np.nan_to_num(table.seconds[rows], nan=0.0)
    count = (seconds > 0).sum((1, 3))
    mean = np.where(count > 0, seconds.sum((1, 3)) / np.maximum(count, 1), np.nan)
    return values, torch.from_numpy(np.pad(mean, ((0, 0), (0, n_new)), constant_values=np.nan))


def _encode(
    table: LearningCurveTable | None, space: SearchSpace | None, configs: Sequence[Mapping[str, Any]]
) -> tuple[SearchSpace, np.ndarray]:
    """The space and the configurations as rows of numbers."""
    if space is None:
        space = table.space if table is not None else _infer(configs)
    return space, space.encode(configs)


def _infer(configs: Sequence[Mapping[str, Any]]) -> SearchSpace:
    import pandas as pd

    from at2.space import SearchSpace

    return SearchSpace.infer(pd.DataFrame(list(configs)))


def _digest(values: np.ndarray, features: np.ndarray, names: Sequence[str], ids: Sequence[ConfigId]) -> str:
    """SHA-256 of everything that a surrogate is fitted to."""
    digest = hashlib.sha256(repr((list(names), list(ids), values.shape)).encode())
    for array in (values, features):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def plain_id(name: Any) -> ConfigId:
    """An id as a plain int or string, as JSON knows them."""
    plain: ConfigId = name.item() if hasattr(name, "item") else name
    return plain
