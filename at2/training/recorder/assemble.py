"""From what every run has shown to one table, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from at2.tables import BatchSeries, LearningCurveTable, Metric, RunStatus
from at2.training.recorder.plan import Recipe
from at2.training.recorder.series import BATCH_METRICS, METRICS, Series, thin

Cell = tuple[str, int, int]
"""Task, seed, configuration."""

_TIMES = ("train_time_s", "val_time_s", "test_time_s")


def assemble(
    runs: Mapping[Cell, Series], *, recipe: Recipe, facts: pd.DataFrame, n_seed: int, extra: tuple[Metric, ...] = ()
) -> LearningCurveTable:
    """Put runs into a table.

    Args:
        runs: What each run has shown; cells that are missing were not run.
        recipe: How they were made.
        facts: Facts about the tasks, index ``task``; their order is that of the table.
        n_seed: Number of seeds.
        extra: Further metrics that the runs have.
    """
    places = {cell: (facts.index.get_loc(cell[0]), cell[1], cell[2]) for cell in runs}
    shape = (len(facts), n_seed, recipe.n_config)
    metrics = (*METRICS, *extra)
    curves = {metric.name: np.full((*shape, recipe.n_epoch), np.nan, dtype=np.float32) for metric in metrics}
    status = np.zeros(shape, dtype=np.int8)
    for cell, series in runs.items():
        status[places[cell]] = series.status
        for name, values in series.epochs.items():
            if name in curves:
                curves[name][places[cell]][: len(values)] = values
    return LearningCurveTable(
        curves,
        tasks=facts,
        configs=pd.DataFrame(recipe.configs, columns=list(recipe.search_space.names)),
        metrics=metrics,
        space=recipe.search_space,
        seconds=sum(curves[name].astype(np.float64) for name in _TIMES).astype(np.float32),  # type: ignore[union-attr]
        status=status,
        batches=_batches(runs, places, shape, recipe),
        name="recording",
        notes={"recording": recipe.to_json(), "crashes": _crashes(runs)},
    )


def disassemble(table: LearningCurveTable) -> dict[Cell, Series]:
    """Return the runs of a recorded table that are through; the others are in files of their own, or have crashed."""
    runs: dict[Cell, Series] = {}
    for place in zip(*np.nonzero(np.isin(table.status, [RunStatus.OK, RunStatus.DIVERGED])), strict=True):
        task, seed, config = map(int, place)
        curves = {name: table.kept(name).of_run(task, seed, config) for name in table.metrics}
        series = Series(RunStatus(int(table.status[place])))
        series.epochs = {name: curve[np.isfinite(curve)].tolist() for name, curve in curves.items()}
        for name, batches in table.batches.items():
            series.batches[name] = [batches.values(task, seed, config)]
            series.per_epoch = int(batches.per_epoch[place])
        runs[str(table.tasks.index[task]), seed, config] = series
    return runs


def _batches(
    runs: Mapping[Cell, Series],
    places: Mapping[Cell, tuple[Any, int, int]],
    shape: tuple[int, int, int],
    recipe: Recipe,
) -> dict[str, BatchSeries]:
    if recipe.batch_values == 0:
        return {}
    kept = {}
    for metric in BATCH_METRICS:
        values, per_epoch = {}, {}
        for cell, series in runs.items():
            if series.batches:
                joined, n = np.concatenate(series.batches[metric.name]), series.per_epoch
                if recipe.batch_values is not None:
                    joined, n = thin(joined, per_epoch=n, keep=recipe.batch_values), min(n, recipe.batch_values)
                values[places[cell]], per_epoch[places[cell]] = joined, n
        kept[metric.name] = BatchSeries.from_runs(metric, values, per_epoch=per_epoch, shape=shape)
    return kept


def _crashes(runs: Mapping[Cell, Series]) -> dict[str, str]:
    """Say why runs crashed, by task, seed and configuration."""
    return {
        f"{task}, seed {seed}, configuration {config}": s.message
        for (task, seed, config), s in runs.items()
        if s.message
    }
