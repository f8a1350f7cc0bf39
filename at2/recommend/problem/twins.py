"""One configuration under several ids: runs of the same hyperparameters on different tasks belong together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from at2.recommend.problem.candidates import Chosen
from at2.recommend.problem.histories import PastRuns
from at2.recommend.problem.report import Finding
from at2.recommend.query import ConfigId

if TYPE_CHECKING:
    from at2.space import SearchSpace


def merge_twins(runs: PastRuns, keep: Collection[ConfigId] = ()) -> PastRuns:
    """Bring runs of equal configurations under one id, where no source has run both.

    Logs often number every run anew, so that the same configuration has another id on every task; only once merged do
    its curves inform each other. Two ids that one source has run both are left alone: they may be told apart by what
    the table does not say.

    Args:
        runs: The history.
        keep: Ids that must not disappear.

    Returns:
        The history with fewer rows, or as it was.
    """
    leader = _leaders(runs, set(keep))
    followers = np.nonzero(leader != np.arange(len(leader)))[0]
    if len(followers) == 0:
        return runs
    rows = np.nonzero(leader == np.arange(len(leader)))[0]
    row = np.searchsorted(rows, leader[runs.row])
    key = runs.source * len(rows) + row
    order = np.lexsort((~runs.is_read, key))  # of two runs that now count as one, at most one has a reading
    order = order[np.unique(key[order], return_index=True)[1]]
    first = int(followers[0])
    note = (
        f"{len(followers)} are the same as others that ran on other tasks and count as these "
        f"(such as {runs.ids[first]!r} as {runs.ids[leader[first]]!r})"
    )
    return replace(
        runs,
        source=runs.source[order],
        row=row[order],
        values=runs.values[order],
        seconds=None if runs.seconds is None else runs.seconds[order],
        features=runs.features[rows],
        ids=tuple(runs.ids[row] for row in rows),
        configs=tuple(runs.configs[row] for row in rows),
        raw=tuple(runs.raw[row] for row in rows),
        findings=(*runs.findings, Finding("configuration", "twins", True, len(followers), note)),
    )


def match_new(
    runs: PastRuns, chosen: Chosen, new: Mapping[ConfigId, Mapping[str, Any]], space: SearchSpace
) -> tuple[PastRuns, Chosen, dict[ConfigId, Mapping[str, Any]]]:
    """Take new candidates that are past configurations for these, so that what was run of them counts.

    Args:
        runs: The history.
        chosen: The candidates.
        new: The new ones among them, own and sampled, by their ids.
        space: Their search space.

    Returns:
        The history, which notes how many there were; the candidates, past ones included; and what is new.

    Raises:
        SpaceError: If a new candidate breaks the rules of the space.
    """
    past = {
        _content(config): name
        for name, config in zip(reversed(runs.ids), reversed(runs.configs), strict=True)
        if config
    }
    same = {name: past[key] for name, config in new.items() if (key := _content(space.validate(config))) in past}
    if not same:
        return runs, chosen, dict(new)
    first = next(iter(same))
    note = f"{len(same)} new ones are past configurations and go by their ids (such as {first!r} by {same[first]!r})"
    runs = replace(runs, findings=(*runs.findings, Finding("candidate", "twins", True, len(same), note)))
    if chosen.known is not None:
        chosen = replace(chosen, known=chosen.known | set(same.values()))
    return runs, chosen, {name: config for name, config in new.items() if name not in same}


def _content(config: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    return frozenset(config.items())


def _leaders(runs: PastRuns, keep: set[ConfigId]) -> npt.NDArray[np.int64]:
    """For every row the row that it counts as, itself where it stays."""
    leader = np.arange(len(runs.ids))
    groups: dict[object, list[int]] = {}
    ran_by: list[set[int]] = [set() for _ in runs.ids]  # which sources have run each row, and those that count as it
    for run in np.flatnonzero(runs.is_read):
        ran_by[runs.row[run]].add(int(runs.source[run]))
    order = sorted(range(len(runs.ids)), key=lambda row: (runs.ids[row] not in keep, row))
    for row in order:
        config = runs.configs[row]
        if config is None or not ran_by[row]:
            continue
        group = groups.setdefault(tuple((name, type(value), value) for name, value in config.items()), [])
        fits = [] if runs.ids[row] in keep else [k for k in group if ran_by[k].isdisjoint(ran_by[row])]
        if fits:
            leader[row] = fits[0]
            ran_by[fits[0]] |= ran_by[row]
        else:
            group.append(row)
    return leader
