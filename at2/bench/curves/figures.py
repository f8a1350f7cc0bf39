"""Figures of curve predictors, drawn without a screen."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.bench.sweeps.record import write_bytes
from at2.curves.data import load_curves, split
from at2.curves.registry import make_predictor
from at2.errors import PredictorError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["draw_predictions", "draw_tuning"]

_BLUE, _ORANGE, _GREEN, _GREY = "#1f5fa8", "#d1612a", "#3a8f4d", "#6b6b6b"


def draw_predictions(
    data: str | Path,
    folder: Path,
    *,
    task: str | None = None,
    predictor: str = "default",
    prefix: int = 10,
    seed: int = 0,
) -> tuple[Path, Path]:
    """Draw predicted against true last readings, and six curves with 50 % and 90 % bands.

    Args:
        data: Curves, cut 60/20/20 as in the results.
        folder: Where ``curves-scatter.png`` and ``curves-bands.png`` go.
        task: Task of the data, where they have several.
        predictor: Name of a predictor that knows uncertainty.
        prefix: Epochs that are known.
        seed: Decides the parts.

    Returns:
        The paths of both figures.

    Raises:
        PredictorError: If the predictor knows no uncertainty.
    """
    model = make_predictor(predictor, prefix=prefix, seed=seed)
    if not model.knows_uncertainty:
        raise PredictorError(f"{predictor!r} knows no uncertainty to draw; use one that does, such as the default")
    curves = load_curves(data, tasks=[task] if task else None)
    trained, _, test = (curves.take(rows) for rows in split(len(curves), seed=seed))
    model.fit(trained)
    found = model.predict(test.configs, test.curves[:, :prefix])
    scatter = folder / "curves-scatter.png"
    _draw_scatter(found, test.curves[:, -1], scatter)
    rows = np.argsort(test.curves[:, -1])[np.linspace(0, len(test) - 1, 6).astype(int)]
    bands = folder / "curves-bands.png"
    _draw_bands(model, test.take(rows), prefix, bands)
    return scatter, bands


def draw_tuning(frame: pd.DataFrame, path: Path) -> None:
    """Draw every configuration's best error, random or proposed by a model, and the best so far against epochs spent.

    Args:
        frame: Frame of `at2.bench.curves.tuning.compare_tuners`; each network has a row of panels.
        path: The PNG file.
    """
    networks = list(frame["network"].unique())
    figure = _figure(10.0, 4.0 * len(networks))
    for network, (left, right) in zip(networks, figure.subplots(len(networks), 2, squeeze=False), strict=True):
        _draw_tuners(frame[frame["network"] == network], left, right)
        for panel, title in ((left, f"{network}: each configuration"), (right, f"{network}: best so far")):
            panel.set_yscale("log")
            panel.set_title(title)
            panel.set_xlabel("training epochs spent")
            panel.legend(framealpha=0.85, edgecolor="none")
        left.set_ylabel("squared error on validation")
    _save(figure, path)


def _draw_tuners(frame: pd.DataFrame, left: Any, right: Any) -> None:
    best = frame.groupby(["tuner", "seed", "config_number"], sort=False).agg(
        spent=("spent", "max"), error=("validation", "min"), is_random=("is_random", "first")
    )
    drawn = best[best["is_random"]]
    if len(drawn):
        left.scatter(drawn["spent"], drawn["error"], s=14, color=_GREY, alpha=0.7, label="drawn at random")
    for tuner, color in zip(frame["tuner"].unique(), (_BLUE, _ORANGE, _GREEN), strict=False):
        proposed = best.loc[[tuner]][~best.loc[[tuner], "is_random"]]
        if len(proposed):
            left.scatter(proposed["spent"], proposed["error"], s=14, color=color, label=f"proposed by {tuner}")
        runs = frame[frame["tuner"] == tuner]
        for _, run in runs.groupby("seed"):
            right.step(run["spent"], run["best_validation"], where="post", color=color, linewidth=0.8, alpha=0.4)
        mean = runs.groupby("spent")["best_validation"].mean()
        right.step(mean.index, mean.to_numpy(), where="post", color=color, linewidth=2, label=str(tuner))


def _draw_scatter(found: Any, truth: Any, path: Path) -> None:
    figure = _figure(5.0, 5.0)
    panel = figure.subplots()
    low, high = found.quantiles[:, 0], found.quantiles[:, -1]
    panel.vlines(truth, low, high, color=_BLUE, alpha=0.25, linewidth=0.8, label="90 % interval")
    panel.scatter(truth, found.mean, s=8, color=_BLUE, label="predicted")
    ends = [float(truth.min()), float(truth.max())]
    panel.plot(ends, ends, color=_GREY, linewidth=0.8)
    panel.set_xlabel("true last reading")
    panel.set_ylabel("predicted last reading")
    panel.legend(frameon=False)
    _save(figure, path)


def _draw_bands(model: Any, curves: Any, prefix: int, path: Path) -> None:
    steps = np.unique(np.linspace(prefix + 1, curves.n_epoch, 6).astype(int))
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    bands = np.stack(
        [model.predict(curves.configs, curves.curves[:, :prefix], int(at), levels=levels).quantiles for at in steps]
    )
    figure = _figure(10.0, 5.5)
    for i, panel in enumerate(figure.subplots(2, 3, sharex=True).ravel()[: len(curves)]):
        epochs = np.arange(1, curves.n_epoch + 1)
        panel.plot(epochs[:prefix], curves.curves[i, :prefix], color="black", linewidth=1.6, label="known")
        panel.plot(epochs[prefix:], curves.curves[i, prefix:], color="black", linewidth=1, linestyle=":", label="true")
        panel.fill_between(steps, bands[:, i, 0], bands[:, i, 4], color=_BLUE, alpha=0.2, linewidth=0, label="90 %")
        panel.fill_between(steps, bands[:, i, 1], bands[:, i, 3], color=_BLUE, alpha=0.4, linewidth=0, label="50 %")
        panel.plot(steps, bands[:, i, 2], color=_BLUE, linewidth=1.2, label="median")
        if i == 0:
            panel.legend(frameon=False, fontsize=8)
        if i >= 3:
            panel.set_xlabel("epoch")
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Any, path: Path) -> None:
    for panel in figure.axes:
        panel.grid(alpha=0.25, linewidth=0.6)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())
