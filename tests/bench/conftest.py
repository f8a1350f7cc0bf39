"""A tiny table with a known best configuration, and runs on it."""

from pathlib import Path

import pandas as pd
import pytest

from at2.bench.sweeps.plan import RunConfig, fingerprint
from at2.tables import LearningCurveTable

FINALS = {"a": [0.2, 0.5, 0.9], "b": [0.3, 0.4, 0.8], "target": [0.1, 0.6, 0.5]}  # of configs 0, 1, 2 after 4 epochs


def _tiny_table(*, maximize: bool = True) -> LearningCurveTable:
    sign = 1 if maximize else -1
    rows = [
        (task, config_id, epoch, sign * final * epoch / 4)
        for task, finals in FINALS.items()
        for config_id, final in enumerate(finals)
        for epoch in range(1, 5)
    ]
    curves = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    configs = pd.DataFrame({"lr": [0.1, 0.2, 0.3]}, index=[0, 1, 2])
    return LearningCurveTable.from_frame(curves, configs, metric="score", maximize=maximize, name="tiny")


@pytest.fixture
def table() -> LearningCurveTable:
    return _tiny_table()


@pytest.fixture
def losses() -> LearningCurveTable:
    return _tiny_table(maximize=False)


@pytest.fixture
def table_path(table: LearningCurveTable, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.h5"
    table.to_hdf5(path)
    return path


@pytest.fixture
def run(table: LearningCurveTable, table_path: Path) -> RunConfig:
    return RunConfig(
        database=str(table_path),
        target="target",
        sources=("a", "b"),
        tuner="random-search",
        budget_epochs=6,
        seed=0,
        curve_seed=0,
        metric="score",
        table=fingerprint(table),
    )
