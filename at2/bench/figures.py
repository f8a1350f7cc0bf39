"""Regret against epochs, drawn without a screen."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from at2.bench.record import write_bytes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLORS = ("#1f5fa8", "#d1612a", "#3a8f4d", "#8a4fa3", "#6b6b6b", "#b3892b")


def draw_regret(traces: "pd.DataFrame", path: Path) -> None:
    """Draw the regret of the recommendation against epochs spent: a panel for each database, a colour for each tuner.

    Thin lines are single runs, thick ones their mean. The axis of regret is linear below 0.01 and logarithmic above.

    Args:
        traces: Frame of `at2.bench.summary.traces`.
        path: The PNG file to write, whole or not at all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    databases = list(dict.fromkeys(traces["database"]))
    tuners = list(dict.fromkeys(traces["tuner"]))
    figure = Figure(figsize=(5.2 * len(databases), 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(databases), sharey=True, squeeze=False)[0]
    for panel, database in zip(panels, databases, strict=True):
        rows = traces[traces["database"] == database]
        for place, tuner in enumerate(tuners):
            _draw_tuner(panel, rows[rows["tuner"] == tuner], color=_COLORS[place % len(_COLORS)], label=tuner)
        _label(panel, f"{database}: {rows['target'].nunique()} targets")
    _scale_regret(panels[0], highest=float(traces["regret"].max()))
    panels[0].legend(frameon=False)
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
