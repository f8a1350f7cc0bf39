"""Methods beside each other on live training: their runs, a summary with intervals, a table and a figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.live.kept import read_result
from at2.bench.statistics import mean_interval
from at2.bench.sweeps.figures import save_figure
from at2.tables.storage.markdown import markdown_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("method", "label", "test_accuracy", "half_width", "n_seed", "n_epochs", "n_step", "seconds", "relative_cost")


@dataclass(frozen=True)
class CompareRun:
    """One method with one seed on one task.

    Args:
        method: Name of the method.
        task: Name or path of the task.
        history: Name or path of the history.
        budget_epochs: Epochs that a method with a budget may spend; None for the others.
        seed: Seed of weights, batches and choices.
        n_epoch: Length of a full training; None takes the history's.
        record: The folder of all runs.
    """

    method: str
    task: str
    history: str
    budget_epochs: int | None
    seed: int
    n_epoch: int | None
    record: str

    @property
    def path(self) -> Path:
        """The file of the run's result."""
        budget = "" if self.budget_epochs is None else f"-{self.budget_epochs}"
        name = f"{Path(self.task).stem}-{self.method}{budget}-seed-{self.seed}.json"
        return Path(self.record) / "compare" / name

    @property
    def label(self) -> str:
        """The run in a few words."""
        return f"{self.method}, seed {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the result; a history counts by its size, too."""
        path = Path(self.history)
        size = path.stat().st_size if path.is_file() else None
        return {name: v for name, v in asdict(self).items() if name != "record"} | {"history_bytes": size}

    def do(self) -> dict[str, Any]:
        """Run the method; see :func:`at2.bench.live.methods.run_method`."""
        from at2.bench.live.methods import Setting, run_method

        budget = self.budget_epochs or 1  # methods without one do not look
        return run_method(self.method, Setting(self.task, self.history, budget, self.seed, self.n_epoch))


def summarize(runs: Iterable[CompareRun], labels: dict[str, str]) -> pd.DataFrame:
    """Give one row for each method: mean test accuracy with its 95 % t-interval over seeds, and mean costs.

    Returns:
        Frame with the columns method, label, test_accuracy, half_width (NaN with one seed), n_seed, n_epochs, n_step,
        seconds, relative_cost (epochs as a multiple of one full training).
    """
    import pandas as pd

    results: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        found = read_result(run)
        if found is not None:
            results.setdefault(run.method, []).append(found)
    rows = []
    for method, own in results.items():
        frame = pd.DataFrame(own)
        accuracy = mean_interval(frame["test"])
        costs = [float(frame[name].mean()) for name in ("n_epochs", "n_step", "seconds", "relative")]
        rows.append([method, labels[method], accuracy.value, accuracy.half_width, accuracy.n, *costs])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def cells(row: Any) -> list[str]:
    """Write a row of the summary for people.

    Example:
        >>> import pandas as pd
        >>> row = pd.Series({"label": "BOHB", "test_accuracy": 0.91, "half_width": 0.012, "n_seed": 5, "n_step": 1234.4,
        ...                  "seconds": 8.04, "relative_cost": 5.0})
        >>> cells(row)
        ['BOHB', '91.00 ± 1.20', '1,234', '8.0', '5.0']
    """
    spread = f" ± {100 * row['half_width']:.2f}" if row["n_seed"] > 1 else ""
    accuracy = f"{100 * row['test_accuracy']:.2f}{spread}"
    return [row["label"], accuracy, f"{row['n_step']:,.0f}", f"{row['seconds']:.1f}", f"{row['relative_cost']:.1f}"]


HEADER = ("method", "test accuracy, %", "optimizer steps", "seconds", "cost / one training")


def markdown(summary: pd.DataFrame) -> str:
    """Write a summary as a Markdown table."""
    return markdown_table(HEADER, (cells(row) for _, row in summary.iterrows()))


def draw(summary: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw test accuracy with its interval against cost: a point for each method, at2's filled.

    Args:
        summary: Frame of `summarize`.
        path: The PNG file to write, whole or not at all.
        title: What was trained.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.subplots()
    for place, (_, row) in enumerate(summary.iterrows()):
        ours = str(row["method"]).startswith("at2")
        color = "#1f5fa8" if ours else "#6b6b6b"
        half = 100 * row["half_width"] if row["n_seed"] > 1 else 0.0
        x, y = row["relative_cost"], 100 * row["test_accuracy"]
        face = color if row["method"] == "at2" else "white"
        panel.errorbar(x, y, yerr=half, fmt="o", color=color, markerfacecolor=face, capsize=3, label=row["label"])
        panel.annotate(row["method"], (x, y), xytext=(6, 6 if place % 2 else -12), textcoords="offset points")
    panel.set_xscale("log")
    ticks = [1, 2, 5, 10, 20, 30]
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.set_xlabel("epochs trained, as a multiple of one training")
    panel.set_ylabel("test accuracy, % (95 % t-interval)")
    panel.set_title(title)
    panel.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    save_figure(figure, path)
