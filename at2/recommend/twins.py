"""One configuration under several ids: runs of the same hyperparameters on different tasks belong together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from at2.recommend.histories import PastRuns
from at2.recommend.query import ConfigId
from at2.recommend.report import Finding


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
    run = np.asarray(np.isfinite(runs.values).any(axis=(1, 3)))  # (n_source, n_row)
    leader = _leaders(runs, run, set(keep))
    followers = np.nonzero(leader != np.arange(len(leader)))[0]
    if len(followers) == 0:
        return runs
    values = runs.values.copy()
    seconds = None if runs.seconds is None else runs.seconds.copy()
    for row in followers:
        sources = run[:, row]
        values[sources, :, leader[row]] = values[sources, :, row]
        if seconds is not None:
            seconds[sources, leader[row]] = seconds[sources, row]
    rows = np.nonzero(leader == np.arange(len(leader)))[0]
    first = int(followers[0])
    note = (
        f"{len(followers)} are the same as others that ran on other tasks and count as these "
        f"(such as {runs.ids[first]!r} as {runs.ids[leader[first]]!r})"
    )
    return replace(
        runs,
        values=values[:, :, rows],
        seconds=None if seconds is None else seconds[:, rows],
        features=runs.features[rows],
        ids=tuple(runs.ids[row] for row in rows),
        configs=tuple(runs.configs[row] for row in rows),
        raw=tuple(runs.raw[row] for row in rows),
        findings=(*runs.findings, Finding("configuration", "twins", True, len(followers), note)),
    )


def _leaders(runs: PastRuns, run: npt.NDArray[np.bool_], keep: set[ConfigId]) -> npt.NDArray[np.int64]:
    """For every row the row that it counts as, itself where it stays."""
    leader = np.arange(len(runs.ids))
    groups: dict[object, list[int]] = {}
    covered = run.copy()
    order = sorted(range(len(runs.ids)), key=lambda row: (runs.ids[row] not in keep, row))
    for row in order:
        config = runs.configs[row]
        if config is None or not run[:, row].any():
            continue
        group = groups.setdefault(tuple((name, type(value), value) for name, value in config.items()), [])
        fits = [] if runs.ids[row] in keep else [k for k in group if not (covered[:, k] & run[:, row]).any()]
        if fits:
            leader[row] = fits[0]
            covered[:, fits[0]] |= run[:, row]
        else:
            group.append(row)
    return leader
