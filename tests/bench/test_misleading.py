from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.misleading import (
    ARMS,
    MisleadingPlan,
    measure_misleading,
    most_helpful,
    shuffle_sources,
    summarize_misleading,
)
from at2.bench.replay.protocols import Protocol
from at2.cli.main import cli
from at2.errors import At2Error, BudgetError
from at2.tables import LearningCurveTable


def test_shuffling_moves_whole_curves_of_the_named_tasks_only(table: LearningCurveTable) -> None:
    shuffled = shuffle_sources(table, ["a"], seed=0)
    before, after = table.curves(), shuffled.curves()
    a = table.task_index("a")
    assert not np.array_equal(before[a], after[a])
    assert sorted(before[a, 0].tolist()) == sorted(after[a, 0].tolist())
    others = [row for row in range(3) if row != a]
    np.testing.assert_array_equal(before[others], after[others])
    np.testing.assert_array_equal(after, shuffle_sources(table, ["a"], seed=0).curves())


def test_the_most_helpful_source_ranks_like_the_target(table: LearningCurveTable) -> None:
    curves = table.curves()
    curves[table.task_index("b")] = curves[table.task_index("target")] + 0.01
    alike = LearningCurveTable(
        {"score": curves}, tasks=table.tasks, configs=table.configs, metrics=[table.metrics["score"]]
    )
    assert most_helpful(alike, "target") == "b"
    with pytest.raises(At2Error, match="a helpful source needs a second one"):
        most_helpful(table.subset(tasks=["a"]), "a")


@pytest.mark.parametrize("name", ["table", "losses"])
def test_every_arm_and_budget_is_played(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.getfixturevalue(name).to_hdf5(tmp_path / "tiny.h5")
    plan = MisleadingPlan(str(tmp_path / "tiny.h5"), Protocol(n_source=2, targets=("target",)), (2, 4))
    frame = measure_misleading(plan, jobs=0)
    assert len(frame) == len(ARMS) * 2
    assert frame["regret"].between(0.0, 1.0).all()
    assert frame["found"].notna().equals(frame["arm"].isin(["shuffled", "good among shuffled"]))
    summary = summarize_misleading(frame)
    assert list(summary["arm"]) == [*ARMS, *ARMS]
    assert (summary.loc[summary["arm"] == "none", "difference"] == 0.0).all()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(BudgetError, match="at least one budget of 1 epoch or more is wanted"):
        MisleadingPlan(budgets_epochs=(100, 0))
    with pytest.raises(At2Error, match="arms are 'none', 'shuffled'"):
        MisleadingPlan(arms=("all",))
    with pytest.raises(At2Error, match="protocols of misleading sources are 'loo', 'pairs'"):
        MisleadingPlan(protocol=Protocol("halved"))


def test_the_command_writes_and_shows(table_path: Path, tmp_path: Path) -> None:
    arguments = ["--database", str(table_path), "--sources", "2", "--budgets", "3", "--jobs", "0"]
    arguments += ["--targets", "target", "--record", str(tmp_path / "record")]
    result = CliRunner().invoke(cli, ["bench", "misleading", *arguments])
    assert result.exit_code == 0, result.output
    assert "good among shuffled" in result.stdout
    assert len(pd.read_csv(tmp_path / "record" / "misleading.csv")) == len(ARMS)
