"""at2/bench/utility.py and its command: utilities, stops and regrets against counting by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.replay.protocols import Protocol
from at2.bench.utility import FIXED, Course, UtilityPlan, judge, measure_utility, metric_range, summarize_utility
from at2.cli.main import cli
from at2.errors import At2Error, BudgetError
from at2.tables import LearningCurveTable

CURVES = np.array([[0.2, 0.6, 0.8, 0.8], [0.1, 0.2, 0.2, np.nan]])


def test_a_run_stops_where_an_epoch_gains_less_than_it_costs() -> None:
    course = Course(best=np.array([0.2, 0.6, 0.7, 0.8]), gain=np.array([0.3, 0.2, 0.04, 0.0]), curves=CURVES)
    stop, regret, never, hindsight, fixed = judge(course, 0.2, 4)
    top, bottom = 0.8 - 0.2 * 3 / 4, 0.2 - 0.2
    assert stop == 3
    assert regret == pytest.approx((top - (0.7 - 0.15)) / (top - bottom))
    assert never == pytest.approx((top - 0.6) / (top - bottom))
    assert hindsight == pytest.approx((top - 0.6) / (top - bottom))
    assert fixed == (never,) * len(FIXED)  # it ends before all of them


def test_without_a_price_nothing_stops() -> None:
    course = Course(best=np.array([0.2, 0.6, 0.7, 0.8]), gain=np.zeros(4), curves=CURVES)
    assert judge(course, 0.0, 4)[:4] == (4, 0.0, 0.0, 0.0)


def test_a_fixed_end_is_where_it_says() -> None:
    best = np.minimum(np.arange(1, 31) / 10.0, 1.0)
    course = Course(best=best, gain=np.ones(30), curves=np.ones((1, 30)))
    fixed = dict(zip(FIXED, judge(course, 0.0, 30).fixed, strict=True))
    assert fixed[5] == pytest.approx(0.5)
    assert fixed[10] == fixed[20] == fixed[200] == pytest.approx(0.0)


def test_the_best_training_alone_has_no_regret() -> None:
    course = Course(best=CURVES[0, :3], gain=np.array([1.0, 1.0, 0.0]), curves=CURVES)
    assert judge(course, 0.25, 4)[:2] == (3, pytest.approx(0.0))


def test_the_range_of_a_metric(table: LearningCurveTable, losses: LearningCurveTable) -> None:
    assert metric_range(table, "target") == (0.0, 1.0)
    low, span = metric_range(losses, "target")
    assert (low, span) == (pytest.approx(0.025), pytest.approx(0.575))


@pytest.mark.parametrize("name", ["table", "losses"])
def test_every_target_and_alpha_has_a_row(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.getfixturevalue(name).to_hdf5(tmp_path / "tiny.h5")
    plan = UtilityPlan(str(tmp_path / "tiny.h5"), Protocol(n_source=2, targets=("a", "target")), budget_epochs=6)
    frame = measure_utility(plan, jobs=0)
    assert len(frame) == 2 * 6
    assert (frame["hindsight"] <= frame[["regret", "never_stop"]].min(axis=1) + 1e-12).all()
    assert frame["stopped_at"].between(1, 6).all()
    assert (frame.loc[frame["alpha"] == 0, "regret"] == frame.loc[frame["alpha"] == 0, "never_stop"]).all()
    assert (frame["hindsight"] <= frame[[f"after_{epochs}" for epochs in FIXED]].min(axis=1) + 1e-12).all()
    summary = summarize_utility(frame)
    assert (summary["fixed"] <= summary["never_stop"] + 1e-12).all()
    assert summary["fixed_at"].isin(FIXED).all()
    assert list(summary["n_run"]) == [2] * 6


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(BudgetError, match="at least 1 epoch, 0 given"):
        UtilityPlan(budget_epochs=0)
    with pytest.raises(At2Error, match=r"every alpha must lie in \[0, 1\]"):
        UtilityPlan(alphas=(0.5, -0.1))
    with pytest.raises(At2Error, match="there must be one"):
        UtilityPlan(alphas=())


def test_the_command_writes_and_shows(table_path: Path, tmp_path: Path) -> None:
    arguments = ["--database", str(table_path), "--sources", "all", "--budget", "5", "--jobs", "0"]
    arguments += ["--targets", "target", "--record", str(tmp_path / "record")]
    result = CliRunner().invoke(cli, ["bench", "utility", *arguments])
    assert result.exit_code == 0, result.output
    assert "1/64" in result.stdout
    assert len(pd.read_csv(tmp_path / "record" / "utility.csv")) == 6


def test_a_wrong_number_of_sources_is_said(table_path: Path) -> None:
    result = CliRunner().invoke(cli, ["bench", "utility", "--database", str(table_path), "--sources", "few"])
    assert result.exit_code == 2
    assert "a number from 1 or 'all' wanted, 'few' came" in result.output
