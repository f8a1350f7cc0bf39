"""Small networks beside each other under cyclical learning rates, and a longer run with cycles that double."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.live.kept import read_result
from at2.bench.statistics import mean_interval
from at2.bench.sweeps.figures import save_figure
from at2.tables.storage.markdown import markdown_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from at2.training import Training

FOUR = ("patch-2x3", "patch-4x10", "patch-8x40", "patch-16x160")
LONGER = ("patch-4x40",)
LOW, HIGH, N_S, CYCLES = 1e-5, 1e-1, 800, 3
L2, LABEL_SMOOTHING, BATCH_SIZE = 0.003, 0.1, 100
EVERY = 100
"""Updates between two evaluations."""

_COLORS = ("#1f5fa8", "#d1612a", "#3a8f4d", "#8a4fa3", "#6b6b6b", "#b3892b")


@dataclass(frozen=True)
class ArchitectureRun:
    """One network with one seed on one task.

    Args:
        network: Name of the network.
        doubling: Whether each half-cycle is twice as long as that of the cycle before, or all are equal.
        task: Name or path of the task.
        seed: Seed of weights and batches.
        n_s: Updates of the first half-cycle.
        cycles: Number of cycles.
        record: The folder of all runs.
        device: Where to train.
    """

    network: str
    doubling: bool
    task: str
    seed: int
    n_s: int
    cycles: int
    record: str
    device: str = "cpu"

    @property
    def name(self) -> str:
        """The network, and whether its cycles double."""
        return f"{self.network}, doubling" if self.doubling else self.network

    @property
    def label(self) -> str:
        """The run in a few words."""
        return f"{self.name}, seed {self.seed}"

    @property
    def path(self) -> Path:
        """The file of the run's result."""
        kind = "doubling" if self.doubling else "equal"
        name = f"{Path(self.task).stem}-{self.network}-{kind}-{self.n_s}x{self.cycles}-seed-{self.seed}.json"
        return Path(self.record) / "architectures" / name

    @property
    def n_update(self) -> int:
        """Updates of the whole run.

        Example:
            >>> run = ArchitectureRun("patch-4x40", True, "digits32", 0, n_s=800, cycles=3, record="record")
            >>> run.n_update
            11200
        """
        return 2 * self.n_s * ((1 << self.cycles) - 1 if self.doubling else self.cycles)

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the result."""
        return {name: value for name, value in asdict(self).items() if name != "record"}

    def do(self) -> dict[str, Any]:
        """Train; gives curves against updates, test accuracy, size, and the processor's seconds of training alone."""
        training = self._build()
        task, curves = training.task, []
        seconds = 0.0
        for update in range(self.n_update + 1):
            if update % EVERY == 0 or update == self.n_update:
                train, validation = training.evaluate(task.train), training.evaluate(task.validation)
                curves.append([update, train.loss, train.top1, validation.loss, validation.top1])
            if update < self.n_update:
                start = time.process_time()
                training.run_batch()
                seconds += time.process_time() - start
        test = training.evaluate(task.test)
        n_parameter = sum(p.numel() for p in training.network.parameters())
        return {"curves": curves, "test": test.top1, "seconds": seconds, "n_parameter": n_parameter}

    def _build(self) -> Training:
        import torch

        from at2.training import Training, build_network, load_task

        task = load_task(self.task)
        network = build_network(
            self.network, channels=task.channels, size=task.size, n_classes=task.n_classes, seed=self.seed
        ).to(self.device)
        optimizer = torch.optim.SGD(network.parameters(), lr=LOW)
        return Training(
            task,
            network,
            optimizer,
            scheduler=self._schedule(optimizer),
            per_batch_schedule=True,
            batch_size=BATCH_SIZE,
            seed=self.seed,
            device=self.device,
            label_smoothing=LABEL_SMOOTHING,
            l2=L2,
        )

    def _schedule(self, optimizer: Optimizer) -> LRScheduler:
        from torch.optim.lr_scheduler import CyclicLR

        from at2.training import DoublingTriangular

        if self.doubling:
            return DoublingTriangular(optimizer, low=LOW, high=HIGH, n_s=self.n_s, cycles=self.cycles)
        return CyclicLR(optimizer, base_lr=LOW, max_lr=HIGH, step_size_up=self.n_s, cycle_momentum=False)


def curves_of(runs: Iterable[ArchitectureRun]) -> pd.DataFrame:
    """Give the curves of complete runs.

    Returns:
        Frame with the columns network, seed, update, train_loss, train_accuracy, validation_loss and
        validation_accuracy; losses are mean cross-entropies, without smoothing and penalty.
    """
    import pandas as pd

    names = ["update", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    frames = []
    for run in runs:
        found = read_result(run)
        if found is not None:
            frame = pd.DataFrame(found["curves"], columns=names)
            frame.insert(0, "seed", run.seed)
            frame.insert(0, "network", run.name)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["network", "seed", *names])


def summarize(runs: Iterable[ArchitectureRun]) -> pd.DataFrame:
    """Give a row for each network: size, updates, mean test accuracy with its 95 % t-interval over seeds, seconds.

    Returns:
        Frame with the columns network, n_parameter, n_update, test_accuracy, half_width (NaN with one seed), n_seed and
        seconds (of the processor, training alone).
    """
    import pandas as pd

    found: dict[str, list[tuple[ArchitectureRun, dict[str, Any]]]] = {}
    for run in runs:
        result = read_result(run)
        if result is not None:
            found.setdefault(run.name, []).append((run, result))
    rows = []
    for name, own in found.items():
        accuracy = mean_interval([result["test"] for _, result in own])
        seconds = sum(result["seconds"] for _, result in own) / len(own)
        first, result = own[0]
        spread = (accuracy.value, accuracy.half_width, accuracy.n)
        rows.append([name, result["n_parameter"], first.n_update, *spread, seconds])
    names = ["network", "n_parameter", "n_update", "test_accuracy", "half_width", "n_seed", "seconds"]
    return pd.DataFrame(rows, columns=names)


HEADER = ("network", "parameters", "updates", "test accuracy, %", "seconds")


def cells(row: Any) -> list[str]:
    """Write a row of the summary for people."""
    spread = f" ± {100 * row['half_width']:.2f}" if row["n_seed"] > 1 else ""
    accuracy = f"{100 * row['test_accuracy']:.2f}{spread}"
    return [row["network"], f"{row['n_parameter']:,}", f"{row['n_update']:,}", accuracy, f"{row['seconds']:.1f}"]


def markdown(summary: pd.DataFrame) -> str:
    """Write a summary as a Markdown table."""
    return markdown_table(HEADER, (cells(row) for _, row in summary.iterrows()))


def draw_curves(curves: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw loss and accuracy against updates, a column for each network: training thin, validation thick.

    Args:
        curves: Frame of `curves_of`; seeds are averaged.
        path: The PNG file to write, whole or not at all.
        title: What was trained on.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    networks = list(dict.fromkeys(curves["network"]))
    figure = Figure(figsize=(2.9 * len(networks), 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    panels = figure.subplots(2, len(networks), sharey="row", squeeze=False)
    for place, network in enumerate(networks):
        own = curves[curves["network"] == network].groupby("update").mean(numeric_only=True)
        color = _COLORS[place % len(_COLORS)]
        for panel, what in zip(panels[:, place], ("loss", "accuracy"), strict=True):
            panel.plot(own.index, own[f"train_{what}"], color=color, linewidth=0.9, alpha=0.7, label="training")
            panel.plot(own.index, own[f"validation_{what}"], color=color, linewidth=2.0, label="validation")
            _tidy(panel)
        panels[0, place].set_title(network)
        panels[1, place].set_xlabel("updates")
    panels[0, 0].set_ylabel("cross-entropy")
    panels[1, 0].set_ylabel("accuracy")
    panels[0, 0].legend(frameon=False)
    save_figure(figure, path)


def draw_bars(summary: pd.DataFrame, path: Path, *, title: str) -> None:
    """Draw test accuracy with its interval, and the time that training took.

    Args:
        summary: Frame of `summarize`.
        path: The PNG file to write, whole or not at all.
        title: What was trained on.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    left, right = figure.subplots(1, 2, sharey=True)
    places, colors = range(len(summary)), [_COLORS[k % len(_COLORS)] for k in range(len(summary))]
    accuracy = 100 * summary["test_accuracy"]
    left.barh(places, accuracy, xerr=100 * summary["half_width"].fillna(0.0), color=colors, capsize=3)
    low = float((accuracy - 100 * summary["half_width"].fillna(0.0)).min())
    left.set_xlim(max(0.0, 10 * ((low - 5) // 10)), 100)
    left.set_yticks(list(places), list(summary["network"]))
    left.invert_yaxis()
    left.set_xlabel("test accuracy, % (95 % t-interval)")
    right.barh(places, summary["seconds"], color=colors)
    right.set_xlabel("seconds of one core")
    for panel in (left, right):
        _tidy(panel)
    save_figure(figure, path)


def _tidy(panel: Axes) -> None:
    panel.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def plan(
    networks: Sequence[str], longer: Sequence[str], *, task: str, seeds: Sequence[int], record: Path, **cycles: Any
) -> list[ArchitectureRun]:
    """Give the runs: equal cycles for `networks`, doubling ones for `longer`, each with every seed."""
    kinds = [(name, False) for name in networks] + [(name, True) for name in longer]
    return [
        ArchitectureRun(name, doubling, task, seed, record=str(record), **cycles)
        for name, doubling in kinds
        for seed in seeds
    ]
