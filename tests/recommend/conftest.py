"""A small table of learning curves, made by a formula."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from at2.recommend import Query
from at2.tables import LearningCurveTable, Metric

TASKS = ("ants", "bees", "cats", "dogs")
N_CONFIG, N_EPOCH = 8, 6


def curves_of(task: int, *, seed: int = 0) -> np.ndarray:
    """Accuracies of one task, ``(n_config, n_epoch)``; the best learning rate moves a little from task to task."""
    rates = np.linspace(0, 1, N_CONFIG)
    level = 0.9 - (rates - 0.5 - 0.05 * task) ** 2 - 0.1 * task
    noise = 0.002 * np.random.default_rng([task, seed]).standard_normal((N_CONFIG, N_EPOCH))
    return level[:, None] * (1 - 0.5 / np.arange(1, N_EPOCH + 1)) + noise


def copied(journal: Path) -> Path:
    """A copy of a journal, so that two recommenders can write on."""
    return Path(shutil.copy(journal, journal.with_name("copy.jsonl")))


def make_table(
    *, maximize: bool = True, seconds: bool = False, target_curves: float | None = None
) -> LearningCurveTable:
    """The four tasks; `target_curves` overwrites those of the last one."""
    values = np.stack([np.stack([curves_of(t, seed=s) for s in range(2)]) for t in range(len(TASKS))])
    values = values if maximize else 1.0 - values
    if target_curves is not None:
        values[-1] = target_curves
    configs = pd.DataFrame(
        {"lr": np.logspace(-4, -1, N_CONFIG), "nesterov": ["yes", "no"] * (N_CONFIG // 2)},
        index=pd.Index(range(100, 100 + N_CONFIG), name="config_id"),
    )
    slow = np.broadcast_to(np.where(np.arange(N_CONFIG) % 2, 4.0, 1.0)[:, None], values.shape)
    return LearningCurveTable(
        {"score": values},
        tasks=list(TASKS),
        configs=configs,
        metrics=[Metric("score", maximize=maximize)],
        seconds=slow if seconds else None,
        name="small",
    )


@pytest.fixture(scope="session")
def table() -> LearningCurveTable:
    return make_table()


@pytest.fixture
def measure() -> Callable[[Query], float]:
    """The target's true curves, as a training would give them."""
    truth = curves_of(len(TASKS) - 1)

    def read(query: Query) -> float:
        row = int(query.config_id) - 100 if not isinstance(query.config_id, str) else int(query.config_id[4:])
        return float(truth[row, query.epoch - 1])

    return read
