"""A page of facts about a table: how hard its tasks are, how much they have in common, how much of it is missing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from at2.tables.queries import mean_known
from at2.tables.schema import RunStatus
from at2.tables.storage.markdown import markdown_table

if TYPE_CHECKING:
    from pathlib import Path

    from at2.tables.table import LearningCurveTable

__all__ = ["best_values", "draw_curves", "facts_page", "random_search_regret", "rank_correlation"]

Floats = npt.NDArray[np.float64]

_DRAWS = (1, 2, 4, 8, 16, 32)


def best_values(table: LearningCurveTable, *, metric: str | None = None) -> Floats:
    """Return the best value of each configuration's curve, the mean over seeds.

    Args:
        table: The table.
        metric: Name of the metric; None takes the default one.

    Returns:
        Array of shape ``(n_task, n_config)``, turned so that larger is better, the mean over those seeds in which
        anything was measured; -inf where in none.
    """
    oriented = table.oriented(metric)
    best = np.where(np.isnan(oriented), -np.inf, oriented).max(axis=3)
    values: Floats = np.nan_to_num(mean_known(np.where(np.isneginf(best), np.nan, best), axis=1), nan=-np.inf)
    return values


def random_search_regret(best: npt.ArrayLike, n_draw: int) -> float:
    """Return the expected normalized regret of the best of some configurations, drawn at random and trained in full.

    0 is the best configuration of a task, 1 the worst one that has a value; NaN where none has.

    Args:
        best: Best value of each configuration on a task, shape ``(n_config,)``, larger is better.
        n_draw: How many are drawn, without replacement.

    Example:
        >>> random_search_regret([0.0, 0.5, 1.0], 1), round(random_search_regret([0.0, 0.5, 1.0], 2), 4)
        (0.5, 0.1667)
    """
    values = np.sort(np.asarray(best, dtype=np.float64))[::-1]
    if not np.isfinite(values).any():
        return math.nan
    lowest = values[np.isfinite(values)].min()
    regret = (values[0] - np.maximum(values, lowest)) / max(values[0] - lowest, np.finfo(float).tiny)
    n = len(values)
    none_better, expected = 1.0, 0.0  # probability that none of the better ones was drawn
    for i in range(n):
        none_left = none_better * max(0, n - i - n_draw) / (n - i)
        expected += (none_better - none_left) * regret[i]
        none_better = none_left
    return float(expected)


def rank_correlation(table: LearningCurveTable, *, metric: str | None = None) -> pd.DataFrame:
    """Return Spearman's correlation of the configurations' best values between all tasks, tasks x tasks."""
    best = np.where(np.isfinite(values := best_values(table, metric=metric)), values, -1e300)
    frame = pd.DataFrame(best.T, columns=table.tasks.index)
    return frame.corr(method="spearman")


def seed_correlation(table: LearningCurveTable, *, metric: str | None = None) -> float | None:
    """Return Spearman's correlation of best values between the first two seeds, the mean over tasks that have both.

    None where no task does.
    """
    if table.n_seed < 2:
        return None
    best = np.nan_to_num(table.oriented(metric)[:, :2], nan=-1e300).max(axis=3)
    pairs = [pd.DataFrame(task.T) for task in best if (np.ptp(task, axis=1) > 0.0).all()]
    each = [float(pair.corr(method="spearman").to_numpy()[0, 1]) for pair in pairs]
    return float(np.mean(each)) if each else None


def facts_page(table: LearningCurveTable, *, title: str, figure: str | None = None, command: str | None = None) -> str:
    """Return the page, as Markdown.

    Args:
        table: The table.
        title: Its heading.
        figure: Address of the figure of `draw_curves`; None leaves it out.
        command: What was called to make the page; None leaves it out.
    """
    metric = table.get_metric()
    direction = "higher" if metric.maximize else "lower"
    n_task, n_seed, n_config, n_epoch = table.shape
    parts = [
        f"# {title}",
        f"{n_task} tasks, {n_config} configurations, {n_epoch} epochs, {n_seed} seeds; {metric.name} ({direction} is "
        f"better). {_endings(table)} {_timing(table)}".strip(),
        "## Tasks",
        "Best value of a curve, the mean over seeds: of the best configuration, the median one and the worst.",
        _markdown(_task_rows(table)),
        "## Random search",
        "Expected normalized regret of the best of n configurations, drawn at random and trained in full; 0 is the "
        "best configuration of the table, 1 the worst.",
        _markdown(_regret_rows(table)),
        "## What tasks have in common",
        _correlation_words(table),
        _markdown(rank_correlation(table).round(2).rename_axis(index="task", columns=None)),
    ]
    if figure is not None:
        parts += ["## Curves", f"![Learning curves of every configuration on every task]({figure})"]
    if command is not None:
        parts.append(f"Made by `{command}`.")
    return "\n\n".join(parts) + "\n"


def draw_curves(table: LearningCurveTable, path: Path) -> None:
    """Draw all mean curves of every task, the best configuration's in front, into a picture file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from at2.tables.storage.files import whole_file

    n_column = min(3, len(table.tasks))
    n_row = -(-len(table.tasks) // n_column)
    figure = Figure(figsize=(3.2 * n_column, 2.2 * n_row), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(n_row, n_column, squeeze=False, sharex=True).ravel()
    best = best_values(table)
    for panel in panels[len(table.tasks) :]:
        panel.set_axis_off()
    for number, (task, panel) in enumerate(zip(table.tasks.index, panels, strict=False)):
        curves = table.task_curves(task).to_numpy()
        epochs = np.arange(1, table.n_epoch + 1)
        panel.plot(epochs, curves.T, color="0.6", linewidth=0.5, alpha=0.6)
        panel.plot(epochs, curves[int(best[number].argmax())], color="C0", linewidth=1.5)
        panel.set_title(task, fontsize=9)
        panel.tick_params(labelsize=7)
    figure.supxlabel("epoch", fontsize=9)
    figure.supylabel(table.get_metric().name, fontsize=9)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", dpi=110)


def _endings(table: LearningCurveTable) -> str:
    counts = np.bincount(table.status.ravel(), minlength=len(RunStatus))
    n_run = int(counts.sum() - counts[RunStatus.NOT_RUN])
    shares = [
        f"{counts[status] / max(n_run, 1):.1%} {status.name.lower().replace('_', ' ')}"
        for status in (RunStatus.DIVERGED, RunStatus.CRASHED, RunStatus.TIMEOUT, RunStatus.STOPPED_EARLY)
        if counts[status] or status is RunStatus.DIVERGED
    ]
    return f"Of {n_run:,} runs {', '.join(shares)}."


def _timing(table: LearningCurveTable) -> str:
    if table.kept_seconds is None:
        return ""
    seconds = table.kept_seconds.values
    median_s, total_s = np.nanmedian(seconds), np.nansum(seconds)
    return f"An epoch took {median_s * 1e3:.3g} ms (median), all of them {total_s / 60:.3g} min."


def _task_rows(table: LearningCurveTable) -> pd.DataFrame:
    best = best_values(table)
    sign = 1 if table.get_metric().maximize else -1
    numbers = [fact for fact in ("n_train", "n_images", "n_classes") if fact in table.tasks.columns]
    rows = table.tasks[numbers].copy()
    rows["best"] = (sign * best.max(axis=1)).round(3)
    rows["median"] = (sign * np.median(best, axis=1)).round(3)
    rows["worst"] = (sign * np.where(np.isfinite(best), best, np.inf).min(axis=1)).round(3)
    rows["best configuration"] = [table.configs.index[i] for i in best.argmax(axis=1)]
    rows["diverged"] = [f"{share:.1%}" for share in (table.status == RunStatus.DIVERGED).mean(axis=(1, 2))]
    return rows


def _regret_rows(table: LearningCurveTable) -> pd.DataFrame:
    best = best_values(table)
    draws = [n for n in _DRAWS if n <= best.shape[1]]
    rows = {
        task: [round(random_search_regret(values, n), 3) for n in draws]
        for task, values in zip(table.tasks.index, best, strict=True)
    }
    frame = pd.DataFrame(rows, index=[f"n = {n}" for n in draws]).T.rename_axis("task")
    frame.loc["mean"] = frame.mean().round(3)
    return frame


def _correlation_words(table: LearningCurveTable) -> str:
    matrix = rank_correlation(table).to_numpy()
    pairs = matrix[np.triu_indices(len(matrix), k=1)]
    within = seed_correlation(table)
    words = "Spearman's correlation of the configurations' best values between tasks"
    if not len(pairs):
        return f"{words}: there is one task only."
    words += f": mean {pairs.mean():.2f}, from {pairs.min():.2f} to {pairs.max():.2f}."
    return words if within is None else f"{words} Between two seeds of one task it is {within:.2f} on average."


def _markdown(frame: pd.DataFrame) -> str:
    flat = frame.reset_index()
    rows = ([_text(cell) for cell in row] for row in flat.itertuples(index=False))
    return markdown_table([str(name) for name in flat.columns], rows)


def _text(cell: Any) -> str:
    return f"{cell:g}" if isinstance(cell, float) else str(cell)
