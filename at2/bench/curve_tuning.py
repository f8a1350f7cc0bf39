"""Tuners of the curve networks side by side: the best error reached against training epochs spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from at2.curves.data import CurveSet, load_curves
from at2.curves.tune import NetworkTask, make_history, tune_network
from at2.errors import PredictorError
from at2.tables.markdown import markdown_table

__all__ = ["compare_tuners", "summarize_tuning", "tuning_markdown"]


def compare_tuners(
    data: str,
    *,
    network: str,
    tuners: Sequence[str],
    budget_epochs: int,
    task: str | None = None,
    n_epoch: int = 27,
    prefix: int = 10,
    max_runs: int = 100,
    history: str | None = None,
    sources: Sequence[str] | None = None,
    n_source: int = 6,
    seeds: Sequence[int] = (0,),
    on_step: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Tune a network with several tuners on the same parts of the same curves.

    Args:
        data: Curves to tune on.
        network: ``"cnn"`` or ``"lstm"``.
        tuners: ``"bohb"``, ``"random"``, ``"at2"``.
        budget_epochs: Training epochs of each tuner.
        task: Task of the data, where they have several.
        n_epoch: Training epochs of a full run.
        prefix: Epochs of a curve that are known.
        max_runs: Configurations at most.
        history: Table whose tasks at2 is warm-started from; None starts cold.
        sources: Its tasks; None takes the first few that are not the task itself.
        n_source: How many.
        seeds: Repetitions.
        on_step: Is told what happens.

    Returns:
        The rows of `tune_network` for each tuner and seed.

    Raises:
        PredictorError: If the history has no other task.
    """
    curves = load_curves(data, tasks=[task] if task else None)
    past = None
    if history is not None and "at2" in tuners:
        parts = _sources(history, sources, n_source, exclude=task or "Fashion-MNIST")
        on_step(f"training {network} configurations on {', '.join(parts)}")
        past = make_history(parts, network, n_epoch=n_epoch, prefix=prefix)
    frames = []
    for seed in seeds:
        for tuner in tuners:
            work = NetworkTask(curves, network, n_epoch=n_epoch, prefix=prefix, seed=seed)
            found = tune_network(
                work, tuner=tuner, budget_epochs=budget_epochs, seed=seed, history=past, max_runs=max_runs
            )
            on_step(f"{tuner}, seed {seed}: best validation error {found['best_validation'].iloc[-1]:.4g}")
            frames.append(found.assign(tuner=tuner, seed=seed, network=network))
    return pd.concat(frames, ignore_index=True)


def summarize_tuning(frame: pd.DataFrame, *, marks: Sequence[float] = (0.1, 0.25, 0.5, 1.0)) -> pd.DataFrame:
    """Give what each tuner had reached after shares of its budget, averaged over seeds.

    Returns:
        A row per network, tuner and share: ``spent``, ``n_config`` tried so far, ``validation`` and ``test`` errors.
    """
    rows = []
    for (network, tuner), runs in frame.groupby(["network", "tuner"], sort=False):
        budget = int(runs.groupby("seed")["spent"].max().min())
        for mark in marks:
            spent = max(1, int(np.ceil(mark * budget)))
            until = runs[runs["spent"] <= spent]
            last = until.groupby("seed").tail(1)
            rows.append(
                {
                    "network": network,
                    "tuner": tuner,
                    "spent": spent,
                    "n_config": float(until.groupby("seed")["run"].nunique().mean()),
                    "validation": float(last["best_validation"].mean()),
                    "test": float(last["its_test"].mean()),
                }
            )
    return pd.DataFrame(rows)


def tuning_markdown(summary: pd.DataFrame) -> str:
    """Write a summary as a Markdown table."""
    header = ["network", "tuner", "epochs spent", "configurations", "validation", "test"]
    numbers = ("n_config", "validation", "test")
    rows = [
        [str(row[name]) for name in ("network", "tuner", "spent")] + [f"{row[name]:.3g}" for name in numbers]
        for row in summary.to_dict("records")
    ]
    return markdown_table(header, rows, n_left=2)


def _sources(history: str, names: Sequence[str] | None, n_source: int, *, exclude: str) -> dict[str, CurveSet]:
    curves = load_curves(history)
    known = [name for name in sorted(set(curves.tasks)) if name != exclude]
    chosen = list(names) if names else known[:n_source]
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise PredictorError(f"no task {unknown} to learn from in {history!r}; it has {', '.join(known)}")
    tasks = np.array(curves.tasks)
    return {name: curves.take(tasks == name) for name in chosen}
