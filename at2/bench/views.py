"""What tuners may see of a table: whole curves of the sources, turned into what earlier tuning runs would have left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from at2.errors import At2Error

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable

HISTORIES = ("halved", "apart", "few", "sweeps", "units")
"""Each source was tuned by successive halving; ran configurations of its own, or a few, in full; was tuned by halving
some drawn at random; has its own unit."""

_KEPT = 3  # one in so many configurations goes on at each rung
_RUNGS = (27, 9, 3)  # after these fractions of a training
_FEW = 5  # configurations of each source, where they are few
_SWEEP = 27  # configurations that a sweep starts with
_DECADES = 4.0  # a unit is smaller or larger by at most so many powers of ten


def cut_sources(
    table: LearningCurveTable, sources: Sequence[str], *, history: str, seed: int, metric: str | None = None
) -> LearningCurveTable:
    """Make of some tasks' curves what another history of theirs would hold.

    Args:
        table: The table; it is left as it is.
        sources: Tasks whose curves are changed.
        history: ``"halved"``: every configuration was started, and after a 27th, a ninth and a third of a training the
            best third went on (by the best value so far of any seed). ``"apart"``: the configurations are dealt
            out, each to one of the sources. ``"few"``: each source has run five configurations, drawn at random; more
            than one may have run the same. ``"sweeps"``: successive halving among 27 configurations of each source,
            drawn likewise. ``"units"``: the curves of each source are multiplied by a power of ten
            of its own, between -4 and 4, as losses and returns of tasks that differ in kind are.
        seed: Seed of the deal, the drawing, or the units.
        metric: Name of the metric; None means the table's default.

    Returns:
        A table of that metric with the same tasks, configurations and times; NaN where nothing was run.

    Raises:
        At2Error: If the history is unknown.
        UnknownNameError: If a source or the metric is.
    """
    if history not in HISTORIES:
        raise At2Error(f"histories are {', '.join(map(repr, HISTORIES))}; {history!r} given")
    curves = table.curves(metric)
    tasks = [table.task_index(name) for name in sources]
    if history == "halved":
        oriented = table.oriented(metric)
        for task in tasks:
            curves[task][:, ~_halved(oriented[task])] = np.nan
    elif history == "sweeps":
        oriented, rng = table.oriented(metric), np.random.default_rng([seed, 5])
        for task in tasks:
            started = rng.permutation(curves.shape[2])[:_SWEEP]
            run = np.zeros(curves.shape[2:], dtype=bool)
            run[started] = _halved(oriented[task][:, started])
            curves[task][:, ~run] = np.nan
    elif history == "units":
        powers = np.random.default_rng([seed, 3]).uniform(-_DECADES, _DECADES, len(tasks))
        curves[tasks] *= 10.0 ** powers[:, None, None, None]
    elif history == "few":
        rng = np.random.default_rng([seed, 4])
        for task in tasks:
            curves[task][:, rng.permutation(curves.shape[2])[_FEW:]] = np.nan
    else:
        dealt = np.random.default_rng([seed, 2]).permutation(curves.shape[2])
        for number, task in enumerate(tasks):
            others = np.delete(dealt, np.s_[number :: len(tasks)])
            curves[task][:, others] = np.nan
    return with_curves(table, curves, metric=metric)


def with_curves(
    table: LearningCurveTable, curves: np.ndarray, *, metric: str | None = None, timed: bool = True
) -> LearningCurveTable:
    """Give a table of one metric with other curves, all else as it was.

    Args:
        table: The table; it is left as it is.
        curves: Curves of the metric as measured, ``(n_task, n_seed, n_config, n_epoch)``.
        metric: Name of the metric; None means the table's default.
        timed: Whether its times are kept.
    """
    from at2.tables import LearningCurveTable

    known = table.get_metric(metric)
    return LearningCurveTable(
        {known.name: curves},
        tasks=table.tasks,
        configs=table.configs,
        metrics=[known],
        space=table.space,
        seconds=table.kept_seconds if timed else None,
        name=table.name,
    )


def _halved(curves: np.ndarray) -> np.ndarray:
    """Say what successive halving runs of curves ``(n_seed, n_config, n_epoch)``, larger is better."""
    _, n_config, n_epoch = curves.shape
    best = np.maximum.accumulate(np.where(np.isfinite(curves), curves, -np.inf).max(0), axis=1)
    run, live = np.ones((n_config, n_epoch), dtype=bool), np.arange(n_config)
    for rung in _RUNGS:
        epoch = max(1, round(n_epoch / rung))
        ranked = live[np.argsort(-best[live, epoch - 1], kind="stable")]
        live, stopped = np.split(ranked, [max(1, len(ranked) // _KEPT)])
        run[stopped, epoch:] = False
    return run
