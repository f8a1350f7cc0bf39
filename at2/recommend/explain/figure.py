"""An explanation in four panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from at2.recommend.explain.explanation import Explanation

_COLORS = ("#1f5fa8", "#d1612a", "#3a8f4d", "#8a4fa3", "#b3892b", "#6b6b6b")
_MOST_BARS = 12


def draw_explanation(explanation: Explanation) -> Figure:
    """Draw sources, hyperparameters, leading curves and the next query.

    Args:
        explanation: What to draw.

    Returns:
        A figure on a canvas without a screen; ``figure.savefig(path)`` writes it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    (sources, hyperparameters), (leaders, following) = figure.subplots(2, 2)
    similarity = "weight" if "weight" in explanation.sources else "correlation"
    errors = explanation.sources["std"] if similarity == "weight" else None
    title = f"{similarity} of the sources for {explanation.target}"
    _draw_bars(sources, explanation.sources["source"], explanation.sources[similarity], title=title, errors=errors)
    shares = explanation.hyperparameters
    title = "share of the variance of predicted ranks"
    _draw_bars(hyperparameters, shares["hyperparameter"], shares["share"], title=title)
    _draw_leaders(leaders, explanation.leaders, metric=explanation.metric)
    choices = explanation.next_query
    _draw_bars(following, choices["config_id"], choices["gain_per_cost"], title="next query: gain per cost")
    for panel in (sources, hyperparameters, leaders, following):
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    return figure


def _draw_bars(
    panel: Axes, names: pd.Series, lengths: pd.Series, *, title: str, errors: pd.Series | None = None
) -> None:
    """Horizontal bars, the first on top; where there is none, an empty panel says so."""
    panel.set_title(title, fontsize=10)
    if len(names) == 0:
        panel.text(0.5, 0.5, "none", ha="center", va="center", transform=panel.transAxes)
        panel.set_xticks([])
        panel.set_yticks([])
        return
    labels = [str(name) for name in names.head(_MOST_BARS)]
    places = range(len(labels))
    spread = None if errors is None else errors.head(_MOST_BARS).to_numpy()
    panel.barh(places, lengths.head(_MOST_BARS).fillna(0.0).to_numpy(), xerr=spread, color=_COLORS[0], ecolor="#6b6b6b")
    panel.set_yticks(list(places), labels)
    panel.invert_yaxis()
    panel.axvline(0.0, color="#6b6b6b", linewidth=0.8)


def _draw_leaders(panel: Axes, leaders: pd.DataFrame, *, metric: str) -> None:
    """Predicted curves with 90 % intervals, and what was seen as dots."""
    panel.set_title("leading configurations, 90 % intervals", fontsize=10)
    for place, (_, curve) in enumerate(leaders.groupby("rank", sort=True)):
        color = _COLORS[place % len(_COLORS)]
        panel.fill_between(curve["epoch"], curve["low"], curve["high"], color=color, alpha=0.15, linewidth=0)
        panel.plot(curve["epoch"], curve["mean"], color=color, label=str(curve["config_id"].iloc[0]))
        panel.plot(curve["epoch"], curve["seen"], color=color, marker="o", markersize=3, linestyle="none")
    panel.set_xlabel("epoch")
    panel.set_ylabel(metric)
    panel.legend(frameon=False, fontsize=8)
