"""No bench asks for a configuration that the target has never run: nothing can be shown of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from at2.bench.calibration import CalibrationPlan, measure_calibration
from at2.bench.misleading import MisleadingPlan, measure_misleading
from at2.bench.regret.run import Contest, run_regret
from at2.bench.replay.objective import Measurement, TableObjective
from at2.bench.replay.protocols import Protocol
from at2.bench.sweeps.execute import execute
from at2.bench.sweeps.plan import RunConfig, fingerprint
from at2.bench.utility import UtilityPlan, measure_utility
from at2.bench.workers import WorkersPlan, measure_workers
from at2.recommend import Budget
from at2.tables import LearningCurveTable, Metric

N_CONFIG, N_EPOCH = 12, 4
NOT_RUN = (3, 7)  # by the target; the best that there are on its sources
PROTOCOL = Protocol("loo", n_source=2, n_draw=1, targets=("target",))


@pytest.fixture
def path(tmp_path: Path) -> str:
    configs = pd.DataFrame({"lr": np.linspace(0.0, 1.0, N_CONFIG)})
    level = np.linspace(0.2, 0.5, N_CONFIG)
    level[list(NOT_RUN)] = 0.9
    rows = [
        (task, config, epoch, (level[config] + 0.01 * place) * epoch / N_EPOCH)
        for place, task in enumerate(("a", "b", "target"))
        for config in range(N_CONFIG)
        for epoch in range(1, N_EPOCH + 1)
        if task != "target" or config not in NOT_RUN
    ]
    frame = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    file = tmp_path / "ragged.h5"
    LearningCurveTable.from_frame(frame, configs, metric="score", maximize=True, name="ragged").to_hdf5(file)
    return str(file)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> set[object]:
    seen: set[object] = set()
    measure = TableObjective.measure

    def note(self: TableObjective, config_id: object, epoch: int) -> Measurement:
        seen.add(config_id)
        return measure(self, config_id, epoch)

    monkeypatch.setattr(TableObjective, "measure", note)
    return seen


def test_candidates_are_what_was_run(path: str) -> None:
    table = LearningCurveTable.from_hdf5(path)
    assert TableObjective(table, "target").candidates == [c for c in range(N_CONFIG) if c not in NOT_RUN]
    assert TableObjective(table, "a").candidates is None


def test_a_training_that_failed_at_once_was_run() -> None:
    curves = np.full((1, 1, 3, 2), np.nan)
    curves[0, 0, 0] = 0.5
    table = LearningCurveTable(
        {"score": curves},
        tasks=["t"],
        configs=pd.DataFrame({"lr": [0.1, 0.2, 0.3]}),
        metrics=[Metric("score", maximize=True)],
        status=np.array([[[1, 2, 0]]]),
    )
    assert TableObjective(table, "t").candidates == [0, 1]


def _regret(path: str, record: Path) -> None:
    rivals = ("at2", "random-search", "mean-final", "shortlist-5x10", "hyperband")
    run_regret(Contest((path,), PROTOCOL, rivals, (Budget(epochs=20),)), record=record, jobs=0)


def _unseen(path: str, record: Path) -> None:
    protocol = replace(PROTOCOL, name="unseen", n_draw=3)
    run_regret(Contest((path,), protocol, ("at2", "mean-final"), (Budget(epochs=20),)), record=record, jobs=0)


def _sweep(path: str, record: Path) -> None:
    for tuner in ("at2", "average-rank"):
        table = LearningCurveTable.from_hdf5(path)
        run = RunConfig(path, "target", ("a", "b"), tuner, 20, 0, 0, "score", table=fingerprint(table))
        assert execute(run, record=record).status == "done"


def _workers(path: str, _: Path) -> None:
    measure_workers(WorkersPlan(database=path, protocol=PROTOCOL, workers=(1, 3), budget_epochs=20), jobs=0)


def _misleading(path: str, _: Path) -> None:
    measure_misleading(MisleadingPlan(database=path, protocol=PROTOCOL, budgets_epochs=(20,)), jobs=0)


def _utility(path: str, _: Path) -> None:
    measure_utility(UtilityPlan(database=path, protocol=PROTOCOL, budget_epochs=20), jobs=0)


def _calibration(path: str, _: Path) -> None:
    measure_calibration(CalibrationPlan(database=path, protocol=PROTOCOL, n_epochs=20, predictors=("at2",)), jobs=0)


@pytest.mark.parametrize("play", [_regret, _unseen, _sweep, _workers, _misleading, _utility, _calibration])
def test_nothing_else_is_asked_for(
    play: Callable[[str, Path], None], path: str, tmp_path: Path, asked: set[object]
) -> None:
    play(path, tmp_path / "record")
    assert asked
    assert not asked & set(NOT_RUN)
