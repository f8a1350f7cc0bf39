"""Regret against what was spent, averaged over runs on few common points, with intervals."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.bench.regret.results import MARKS
from at2.bench.statistics import mean_intervals

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("recommended", "seen")
"""Regret of the recommendation, and of the best value seen so far."""

UNTIMED = "seconds of the tuner itself"
"""Title of the axis where the table has no times of training."""

N_POINT = 28


@dataclass(frozen=True)
class Axis:
    """What regret is drawn against.

    Args:
        name: ``"epochs"`` or ``"seconds"``.
        title: What stands at the axis.
        grid: The points, increasing.
        spent: Gives what a run had spent at each entry of its trace.
    """

    name: str
    title: str
    grid: np.ndarray
    spent: Callable[[dict[str, Any]], np.ndarray]


def epoch_axis(budget: float | None, rows: list[dict[str, Any]]) -> Axis:
    """Give the axis of epochs, up to the budget; None takes the most that any run spent."""
    most = int(max(run["trace"][-1][0] for run in rows) if budget is None else budget)
    marks = [mark for mark in MARKS if mark < most]
    marks += [*range(100 * (MARKS[-1] // 100 + 1), most, 100), most]
    if len(marks) > N_POINT:
        marks = [marks[int(place)] for place in np.unique(np.linspace(0, len(marks) - 1, N_POINT).round())]
    return Axis("epochs", "training epochs spent on the target", np.array(marks, dtype=float), _epochs)


def second_axis(rows: list[dict[str, Any]]) -> Axis | None:
    """Give the axis of seconds; None where some run kept no times.

    Seconds are those of training and of the tuner together; the tuner's alone where training has no times.
    """
    if any(not run["clock"] or len(run["clock"]) != len(run["trace"]) for run in rows):
        return None
    timed = all(pair[0] is not None for run in rows for pair in run["clock"])
    spent = _all_seconds if timed else _own_seconds
    ends = np.array([(spent(run)[0], spent(run)[-1]) for run in rows]).clip(1e-4)
    low, high = float(ends.min()), float(ends.max())
    title = "seconds of training and tuner" if timed else UNTIMED
    return Axis("seconds", title, np.geomspace(low, max(high, 1.01 * low), N_POINT), spent)


def regret_curves(rows: list[dict[str, Any]], axis: Axis) -> dict[str, dict[str, list[Any]]]:
    """Average runs of one rival.

    Every run counts at each point with its standing then, the last one once it has ended; where some run has none yet,
    there is no mean. Draws and seeds of a target are averaged first; intervals are those over targets, or over the runs
    where there is one target.

    Args:
        rows: The runs, in the words of `at2.bench.regret.results.read_results`.
        axis: What to draw against.

    Returns:
        For each of `MEASURES` the lists ``mean``, ``low`` and ``high``, the latter two empty without an interval.
    """
    by_target: dict[str, list[int]] = {}
    for place, run in enumerate(rows):
        by_target.setdefault(run["target"], []).append(place)
    found = {}
    for column, measure in enumerate(MEASURES, 1):
        values = np.stack([_at(run, axis, column) for run in rows])  # (n_run, n_point)
        if len(by_target) > 1:
            values = np.stack([values[places].mean(axis=0) for places in by_target.values()])
        mean, half = mean_intervals(values)
        ends = {"low": [], "high": []} if half is None else {"low": short(mean - half), "high": short(mean + half)}
        found[measure] = {"mean": short(mean), **ends}
    return found


def long_frame(comparisons: list[dict[str, Any]]) -> pd.DataFrame:
    """Give the drawn curves as a frame, one row for each point.

    Args:
        comparisons: What `at2.bench.report.comparisons.compare` gave.
    """
    import pandas as pd

    names = ("database", "protocol", "unit", "budget")
    rows = [
        (*(comparison[name] for name in names), target, rival, axis["name"], measure, *point)
        for comparison in comparisons
        for axis in comparison["axes"]
        for target, rivals in axis["curves"].items()
        for rival, measures in rivals.items()
        for measure, curve in measures.items()
        for point in itertools.zip_longest(axis["grid"], curve["mean"], curve["low"], curve["high"])
        if point[1] is not None
    ]
    columns = [*names, "target", "rival", "against", "regret_of", "spent", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def short(values: np.ndarray) -> list[float | None]:
    """Give numbers in four digits; None stands for what is not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in values.tolist()]


def _at(run: dict[str, Any], axis: Axis, column: int) -> np.ndarray:
    """Give the standing of a run at the points of an axis, NaN before the first, ``(n_point,)``."""
    standing = np.array([np.nan, *(np.nan if mark[column] is None else mark[column] for mark in run["trace"])])
    values: np.ndarray = standing[np.searchsorted(axis.spent(run), axis.grid * (1 + 1e-9), side="right")]
    return values


def _epochs(run: dict[str, Any]) -> np.ndarray:
    return np.array([mark[0] for mark in run["trace"]], dtype=float)


def _own_seconds(run: dict[str, Any]) -> np.ndarray:
    return np.array([pair[1] for pair in run["clock"]], dtype=float)


def _all_seconds(run: dict[str, Any]) -> np.ndarray:
    return np.array([pair[0] + pair[1] for pair in run["clock"]], dtype=float)
