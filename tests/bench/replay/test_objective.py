import numpy as np
import pandas as pd
import pytest

from at2.bench.replay.objective import Measurement, TableObjective
from at2.errors import TableError, UnknownNameError
from at2.tables import LearningCurveTable


def test_it_shows_the_recorded_value_of_a_completed_epoch(table: LearningCurveTable) -> None:
    objective = TableObjective(table, "target")
    assert objective.measure(1, 2) == Measurement(pytest.approx(0.3))
    assert objective.n_epoch == 4


def test_regret_is_zero_for_the_best_and_one_for_the_worst(table: LearningCurveTable) -> None:
    objective = TableObjective(table, "target")
    assert [objective.regret(config) for config in (0, 1, 2)] == pytest.approx([1.0, 0.0, 0.2])
    assert [objective.rank(config) for config in (0, 1, 2)] == [3, 1, 2]


def test_regret_of_a_value(table: LearningCurveTable) -> None:
    assert TableObjective(table, "target").regret_of_value(0.35) == pytest.approx(0.5)


def test_a_loss_is_judged_the_other_way_round() -> None:
    frame = pd.DataFrame({"task": "t", "config_id": [0, 1], "epoch": 1, "value": [2.0, 3.0]})
    table = LearningCurveTable.from_frame(frame, pd.DataFrame({"lr": [0.1, 0.2]}), metric="loss", maximize=False)
    objective = TableObjective(table, "t")
    assert [objective.rank(0), objective.rank(1)] == [1, 2]
    assert objective.regret_of_value(2.5) == pytest.approx(0.5)
    assert objective.is_better(2.0, 3.0)
    assert not objective.is_better(3.0, 2.0)
    assert objective.is_better(9.0, None)


def test_a_hole_is_a_failed_training_and_a_config_without_curve_is_as_bad_as_the_worst() -> None:
    frame = pd.DataFrame({"task": "t", "config_id": [0, 0, 1], "epoch": [1, 2, 1], "value": [0.5, 0.6, 0.1]})
    table = LearningCurveTable.from_frame(frame, pd.DataFrame({"lr": [0.1, 0.2, 0.3]}), metric="acc", maximize=True)
    objective = TableObjective(table, "t")
    assert objective.measure(1, 2) == Measurement(None, failed=True)
    assert objective.regret(2) == 1.0
    assert objective.rank(2) == 3


def test_equal_configurations_have_no_regret() -> None:
    frame = pd.DataFrame({"task": "t", "config_id": [0, 1], "epoch": 1, "value": [0.5, 0.5]})
    table = LearningCurveTable.from_frame(frame, pd.DataFrame({"lr": [0.1, 0.2]}), metric="acc", maximize=True)
    objective = TableObjective(table, "t")
    assert [objective.regret(0), objective.regret(1)] == [0.0, 0.0]
    assert [objective.rank(0), objective.rank(1)] == [1, 1]


def test_what_the_table_does_not_have(table: LearningCurveTable) -> None:
    with pytest.raises(UnknownNameError, match="tagret"):
        TableObjective(table, "tagret")
    with pytest.raises(TableError, match="training seeds 0 to 0, 1 asked"):
        TableObjective(table, "target", seed=1)
    with pytest.raises(TableError, match="run from 1 to 4, 5 asked"):
        TableObjective(table, "target").measure(0, 5)
    with pytest.raises(UnknownNameError):
        TableObjective(table, "target").measure(17, 1)


def test_it_agrees_with_the_formula_on_random_curves() -> None:
    values = np.random.default_rng(0).random((5, 7))  # (n_config, n_epoch)
    rows = [("t", config, epoch + 1, values[config, epoch]) for config in range(5) for epoch in range(7)]
    frame = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    table = LearningCurveTable.from_frame(frame, pd.DataFrame({"lr": np.arange(1.0, 6.0)}), metric="acc", maximize=True)
    best = values.max(axis=1)
    wanted = (values.max() - best) / (best.max() - best.min())
    objective = TableObjective(table, "t")
    assert [objective.regret(config) for config in range(5)] == pytest.approx(wanted)
