"""Predictions for the curves of one task of a table, as a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from at2.curves.data import CurveSet
from at2.curves.predictor import CurvePredictor
from at2.curves.registry import load_predictor, make_predictor
from at2.errors import ShapeError
from at2.tables import LearningCurveTable, load_table

__all__ = ["predict_task"]


def predict_task(
    data: str,
    task: str,
    *,
    prefix: int,
    at: int | None = None,
    metric: str | None = None,
    predictor: str = "default",
    seed: int = 0,
    load_path: Path | None = None,
    save_path: Path | None = None,
) -> pd.DataFrame:
    """Predict the curves of a task from their first epochs.

    Args:
        data: A table's name, or the path of an ``.h5`` file.
        task: The task.
        prefix: Epochs that are known; curves that are shorter are known as far as they go.
        at: The wanted epoch; None is the last.
        metric: Metric of the table; None takes the default one.
        predictor: Name of the predictor, trained on the other tasks, or on the task's own complete curves where there
            is no other task.
        seed: Seed of the fit.
        load_path: A saved predictor to use instead.
        save_path: Where to save the predictor.

    Returns:
        A row per curve, best prediction first: ``config_id``, ``known`` epochs, ``last`` reading, ``mean``, ``std``,
        ``low`` and ``high`` (the 90 % interval), and ``true`` where the table has the reading.
    """
    table = load_table(data)
    table.task_index(task)
    own = CurveSet.from_table(table, metric=metric, tasks=[task], seed=0)
    if load_path is not None:
        model = load_predictor(load_path)
    else:
        model = make_predictor(predictor, prefix=prefix, at=at, seed=seed).fit(
            _training_curves(table, task, metric, own)
        )
    if save_path is not None:
        model.save(save_path)
    return _frame(model, own, _ids(table, task, metric), task, prefix, at)


def _training_curves(table: LearningCurveTable, task: str, metric: str | None, own: CurveSet) -> CurveSet:
    others = [str(name) for name in table.tasks.index if name != task]
    if others:
        return CurveSet.from_table(table, metric=metric, tasks=others)
    complete = np.isfinite(own.curves[:, -1])
    if complete.sum() < 2:
        raise ShapeError(f"task {task!r} is the only one, and has {int(complete.sum())} complete curves to learn from")
    return own.take(complete)


def _ids(table: LearningCurveTable, task: str, metric: str | None) -> list[object]:
    runs = np.isfinite(table.curves(metric)[table.task_index(task), 0]).any(axis=-1)
    return [config_id for config_id, found in zip(table.configs.index, runs, strict=True) if found]


def _frame(
    model: CurvePredictor, own: CurveSet, ids: list[object], task: str, prefix: int, at: int | None
) -> pd.DataFrame:
    trained = model.curves_
    last_epoch = at or (trained.n_epoch if trained is not None else own.n_epoch)
    known = own.curves[:, :prefix]
    prediction = model.predict(own.configs, known, last_epoch, tasks=task, levels=(0.05, 0.95))
    truth = own.curves[:, last_epoch - 1] if last_epoch <= own.n_epoch else np.full(len(own), np.nan)
    seen = np.isfinite(known)
    last = [row[np.flatnonzero(mask)[-1]] if mask.any() else np.nan for row, mask in zip(known, seen, strict=True)]
    frame = pd.DataFrame(
        {
            "config_id": ids,
            "known": seen.sum(axis=1),
            "last": last,
            "mean": prediction.mean,
            "std": prediction.std,
            "low": prediction.quantiles[:, 0],
            "high": prediction.quantiles[:, 1],
            "true": truth,
        }
    ).sort_values("mean", ascending=not own.maximize, ignore_index=True)
    frame.attrs["at"] = last_epoch
    return frame
