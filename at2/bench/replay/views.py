"""What tuners may see of a table: whole curves of the sources, turned into what earlier tuning runs would have left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from at2.errors import At2Error

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable

_KEPT = 3  # one in so many configurations goes on at each rung
_RUNGS = (27, 9, 3)  # after these fractions of a training
_FEW = 5  # configurations of each source, where they are few
_SWEEP = 27  # configurations that a sweep starts with
_EVERY = 5  # epochs from one reading to the next, where not every one was logged
_DECADES = 4.0  # a unit is smaller or larger by at most so many powers of ten

Shown = np.ndarray  # which readings a history holds, (n_source, n_config, n_epoch)


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
            drawn likewise. ``"thinned"``: every fifth epoch was logged. ``"finals"``: the last reading of each
            training is all that was kept. ``"units"``: the curves of each source are multiplied by a power of ten
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
    if history == "units":
        powers = np.random.default_rng([seed, 3]).uniform(-_DECADES, _DECADES, len(tasks))
        curves[tasks] *= 10.0 ** powers[:, None, None, None]
    else:
        shown = _SHOWN[history](table.oriented(metric)[tasks], seed)
        curves[tasks] = np.where(shown[:, None], curves[tasks], np.nan)
    return with_curves(table, curves, metric=metric)


def _show_halved(curves: np.ndarray, seed: int) -> Shown:
    return np.stack([_halved(source) for source in curves])


def _show_swept(curves: np.ndarray, seed: int) -> Shown:
    rng, shown = np.random.default_rng([seed, 5]), _nothing(curves)
    for source, run in zip(curves, shown, strict=True):
        started = rng.permutation(source.shape[1])[:_SWEEP]
        run[started] = _halved(source[:, started])
    return shown


def _show_few(curves: np.ndarray, seed: int) -> Shown:
    rng, shown = np.random.default_rng([seed, 4]), _nothing(curves)
    for run in shown:
        run[rng.permutation(len(run))[:_FEW]] = True
    return shown


def _show_dealt(curves: np.ndarray, seed: int) -> Shown:
    shown = _nothing(curves)
    dealt = np.random.default_rng([seed, 2]).permutation(shown.shape[1])
    for number, run in enumerate(shown):
        run[dealt[number :: len(shown)]] = True
    return shown


def _show_thinned(curves: np.ndarray, seed: int) -> Shown:
    shown = _nothing(curves)
    shown[:, :, _EVERY - 1 :: _EVERY] = True
    return shown


def _show_finals(curves: np.ndarray, seed: int) -> Shown:
    read = np.isfinite(curves).any(1)
    last: Shown = read & (read[:, :, ::-1].cumsum(2)[:, :, ::-1] == 1)
    return last


def _nothing(curves: np.ndarray) -> Shown:
    n_source, _, n_config, n_epoch = curves.shape
    return np.zeros((n_source, n_config, n_epoch), dtype=bool)


_SHOWN: dict[str, Callable[[np.ndarray, int], Shown]] = {
    "halved": _show_halved,
    "apart": _show_dealt,
    "few": _show_few,
    "sweeps": _show_swept,
    "thinned": _show_thinned,
    "finals": _show_finals,
}
HISTORIES = (*_SHOWN, "units")
"""Each source was tuned by successive halving; ran configurations of its own, or a few, in full; was tuned by halving
some drawn at random; logged few epochs; kept the last reading of each training; has its own unit."""


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
