"""Regret against epochs, drawn without a screen."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.sweeps.record import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLORS = ("#1f5fa8", "#d1612a", "#3a8f4d", "#8a4fa3", "#6b6b6b", "#b3892b")
_ENDS = ("mean", "low", "high")
_MOST_PANELS = 4


def draw_regret(traces: "pd.DataFrame", path: Path) -> None:
    """Draw the regret of the recommendation against epochs spent: a panel for each database, a colour for each tuner.

    Thin lines are single runs, thick ones their mean. The axis of regret is linear below 0.01 and logarithmic above.

    Args:
        traces: Frame of `at2.bench.sweeps.summary.traces`.
        path: The PNG file to write, whole or not at all.
    """
    databases = list(dict.fromkeys(traces["database"]))
    tuners = list(dict.fromkeys(traces["tuner"]))
    figure, panels = _panels(len(databases), height=4.0)
    for panel, database in zip(panels, databases, strict=True):
        rows = traces[traces["database"] == database]
        for place, tuner in enumerate(tuners):
            _draw_tuner(panel, rows[rows["tuner"] == tuner], color=_COLORS[place % len(_COLORS)], label=tuner)
        _label(panel, f"{database}: {rows['target'].nunique()} targets")
    _scale_regret(panels[0], highest=float(traces["regret"].max()))
    panels[0].legend(frameon=False)
    save_figure(figure, path)


def draw_comparisons(comparisons: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw mean regret against epochs with 95 % intervals: a panel for each comparison, at2 and the best of the others.

    Args:
        comparisons: What `at2.bench.report.comparisons.compare` gave; the first few are drawn.
        path: The PNG file to write, whole or not at all.
    """
    drawn = [comparison for comparison in comparisons if comparison["axes"]][:_MOST_PANELS]
    figure, panels = _panels(len(drawn), height=5.0)
    for panel, comparison in zip(panels, drawn, strict=True):
        axis = comparison["axes"][0]
        curves = next(iter(axis["curves"].values()))
        rivals = [row["rival"] for row in comparison["rows"] if row["rival"] in curves]
        rivals.sort(key=lambda name: name != "at2")
        for place, rival in enumerate(rivals[: len(_COLORS)]):
            color = _COLORS[place]
            _draw_band(
                panel, axis["grid"], curves[rival]["recommended"], color=color, label=rival, front=rival == "at2"
            )
        _label(panel, f"{comparison['title']}\n{comparison['n_target']} targets")
        panel.legend(frameon=False, fontsize="small")
    highest = max(row["regret"] or 0.0 for comparison in drawn for row in comparison["rows"])
    _scale_regret(panels[0], highest=min(1.0, 2 * highest))
    save_figure(figure, path)


def _draw_band(
    panel: "Axes", grid: Sequence[float], curve: Mapping[str, Any], *, color: str, label: str, front: bool
) -> None:
    """Draw one mean with its interval; None is a gap."""
    mean, low, high = ([math.nan if value is None else value for value in curve[name]] for name in _ENDS)
    panel.plot(grid, mean, color=color, linewidth=2.4 if front else 1.3, label=label, zorder=3 if front else 2)
    if low:
        panel.fill_between(grid, low, high, color=color, alpha=0.16 if front else 0.06, linewidth=0)


def _panels(n: int, *, height: float) -> "tuple[Figure, Sequence[Axes]]":
    """Make a figure without a screen, with `n` panels side by side that share the axis of regret."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * n, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, n, sharey=True, squeeze=False)[0])


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def _scale_regret(panel: "Axes", *, highest: float) -> None:
    """Scale the axis that all panels share: linear below 0.01, logarithmic above."""
    panel.set_ylabel("normalized regret of the recommendation")
    panel.set_yscale("symlog", linthresh=0.01)
    ticks = [0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    panel.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    panel.set_ylim(0, max(0.02, 1.15 * highest))


def _draw_tuner(panel: "Axes", rows: "pd.DataFrame", *, color: str, label: str) -> None:
    for _, run in rows.groupby(["target", "seed"], sort=False):
        panel.step(run["n_epochs"], run["regret"], where="post", color=color, alpha=0.3, linewidth=0.8)
    mean = rows.groupby("n_epochs")["regret"].mean()
    panel.step(mean.index, mean.to_numpy(), where="post", color=color, linewidth=2.2, label=f"{label} (mean)")


def _label(panel: "Axes", title: str) -> None:
    panel.set_title(title)
    panel.set_xlabel("training epochs spent on the target")
    panel.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
