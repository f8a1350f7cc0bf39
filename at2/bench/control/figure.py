"""Learning rates chosen and losses reached, drawn without a screen."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.bench.sweeps.record import write_bytes

if TYPE_CHECKING:
    import pandas as pd


def draw_control(episodes: pd.DataFrame, path: Path) -> None:
    """Draw every controller's learning rates and validation losses against steps: medians, and quartiles as a band.

    Args:
        episodes: Frame of `at2.bench.control.controllers.read_episodes`.
        path: The PNG file to write, whole or not at all.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    rates, losses = figure.subplots(1, 2)
    names = sorted(episodes["controller"].unique())
    colors = dict(zip(names, colormaps["tab20"].colors, strict=False))  # type: ignore[attr-defined]
    for name, own in episodes.groupby("controller"):
        for panel, column in ((rates, "learning_rates"), (losses, "validation_losses")):
            _band(panel, own[column], color=colors[str(name)], label=str(name))
    for panel, label in ((rates, "learning rate"), (losses, "validation loss")):
        panel.set_yscale("log")
        panel.set_xlabel("epoch")
        panel.set_ylabel(f"{label}, median and quartiles")
        panel.grid(alpha=0.25, linewidth=0.6)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    figure.legend(*losses.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def _band(panel: Any, series: pd.Series, *, color: Any, label: str) -> None:
    """Draw the median of series of unequal length, and its quartiles."""
    rows = [np.maximum(np.asarray(values, dtype=float), 1e-8) for values in series]
    table = np.full((len(rows), max(map(len, rows))), np.nan)
    for place, row in enumerate(rows):
        table[place, : len(row)] = row
    low, middle, high = np.nanquantile(table, [0.25, 0.5, 0.75], axis=0)
    steps = np.arange(1, table.shape[1] + 1)
    panel.plot(steps, middle, color=color, label=label, linewidth=1.6)
    panel.fill_between(steps, low, high, color=color, alpha=0.08, linewidth=0)
