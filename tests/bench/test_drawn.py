"""at2/bench/drawn: collections of learning curves drawn at random, and at2 and rivals on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.bench.drawn.contest import DrawnPlan, measure_drawn, summarize_drawn
from at2.bench.drawn.curves import METRIC_OF, TARGET, draw_table
from at2.bench.drawn.traits import COURSES, KEPT, METRICS, Traits, draw_traits
from at2.bench.replay.objective import TableObjective
from at2.cli.main import cli
from at2.errors import At2Error, BudgetError, UnknownNameError
from at2.tables import LearningCurveTable, Metric

SMALL = Traits(seed=5, n_source=3, n_config=40, n_epoch=12)


@pytest.mark.parametrize("course", COURSES)
def test_curves_get_from_where_they_start_to_their_levels(course: str) -> None:
    table = draw_table(replace(SMALL, course=course, noise=0.001))
    curves = table.oriented()[:, 0]
    assert curves.shape == (4, 40, 12)
    assert float((curves.max(2) > curves[:, :, 0]).mean()) > 0.95
    assert float(curves[:, :, -1].std(1).mean()) > 1.2 * float(curves[:, :, 0].std(1).mean())


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_one_of_its_kind(metric: str) -> None:
    table = draw_table(replace(SMALL, metric=metric, noise=0.1, diverging=0.3, diverged="poor"))
    values, of = table.curves(), METRIC_OF[metric]
    assert table.get_metric(None).maximize == of.maximize
    ends = {"accuracy": (0.0, 1.0), "percentage": (0.0, 100.0), "error": (0.0, 1.0), "log loss": (0.0, np.inf)}
    low, high = ends.get(metric, (0.0, np.inf) if metric == "squared error" else (-np.inf, np.inf))
    assert np.isfinite(values).all()
    assert low < values.min()
    assert values.max() < high


def test_diverged_trainings_have_no_readings_any_more_or_poor_ones() -> None:
    whole = draw_table(replace(SMALL, diverging=0.0))
    missing = draw_table(replace(SMALL, diverging=0.3))
    poor = draw_table(replace(SMALL, diverging=0.3, diverged="poor"))
    gone = np.isnan(missing.curves())
    assert 0.1 < float(gone[..., -1].mean()) < 0.6
    assert not gone[..., 0].any()
    assert not (np.diff(gone.astype(int), axis=-1) < 0).any()
    np.testing.assert_array_equal(missing.curves()[~gone], whole.curves()[~gone])
    assert float(poor.curves()[gone].max()) < float(np.quantile(whole.curves(), 0.05))


def test_tasks_are_as_far_apart_as_they_are_said_to_be() -> None:
    def agreement(distance: float) -> float:
        best = draw_table(replace(SMALL, n_config=300, distance=distance, noise=0.001)).oriented()[:, 0].max(2)
        return float(pd.DataFrame(best.T).corr("spearman").to_numpy()[np.triu_indices(4, 1)].mean())

    assert agreement(0.0) > 0.9 > agreement(0.3) > agreement(1.0)
    assert agreement(1.0) < 0.5


@pytest.mark.parametrize("kept", KEPT)
def test_nothing_is_taken_from_the_target(kept: str) -> None:
    whole, left = draw_table(SMALL).curves(), draw_table(replace(SMALL, kept=kept)).curves()
    assert np.isfinite(left[-1]).all()
    assert np.array_equal(left[-1], whole[-1])
    assert np.isnan(left[:-1]).any() == (kept != "whole")


def test_a_seed_decides_all_that_is_drawn() -> None:
    some = [draw_traits(seed) for seed in range(60)]
    assert some == [draw_traits(seed) for seed in range(60)]
    assert {traits.course for traits in some} == set(COURSES)
    assert {traits.metric for traits in some} == set(METRICS)
    ragged = [traits for traits in some if traits.kept != "whole" or traits.diverging]
    assert max(traits.n_source * traits.n_config * traits.n_epoch for traits in ragged) <= 300_000
    np.testing.assert_array_equal(draw_table(SMALL).curves(), draw_table(SMALL).curves())
    assert not np.array_equal(draw_table(SMALL).curves(), draw_table(replace(SMALL, seed=6)).curves())


def test_a_gap_counts_in_units_of_the_median_configuration() -> None:
    finals = np.array([-1e9, 0.0, 2.0, 3.0, 4.0])
    table = LearningCurveTable(
        {"score": finals[None, None, :, None]},
        tasks=[TARGET],
        configs=pd.DataFrame({"lr": np.arange(5.0)}),
        metrics=[Metric("score", maximize=True)],
    )
    objective = TableObjective(table, TARGET)
    assert [objective.gap(config) for config in range(5)] == [1.0, 1.0, 1.0, 0.5, 0.0]


def test_every_collection_is_played_by_all_under_every_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("at2.bench.drawn.contest.draw_traits", lambda seed: replace(SMALL, seed=seed))
    seen: list[Traits] = []
    frame = measure_drawn(DrawnPlan(2, 7, ("at2", "mean-final"), (3, 6)), jobs=0, on_collection=seen.append)
    assert [traits.seed for traits in seen] == [7, 8]
    assert len(frame) == 8
    assert frame["gap"].between(0.0, 1.0).all()
    summary = summarize_drawn(frame, ("course",))
    assert summary[["budget_epochs", "course", "rival"]].to_numpy().tolist() == [
        [3, "power", "at2"],
        [3, "power", "mean-final"],
        [6, "power", "at2"],
        [6, "power", "mean-final"],
    ]
    rule = frame[(frame["rival"] == "mean-final") & (frame["budget_epochs"] == 3)]["gap"].mean()
    own = frame[(frame["rival"] == "at2") & (frame["budget_epochs"] == 3)]["gap"].mean()
    assert summary["difference"][1] == pytest.approx(rule - own)
    assert summary.groupby("budget_epochs")["won"].sum().tolist() == pytest.approx([1.0, 1.0])


def test_sources_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("at2.bench.drawn.contest.draw_traits", lambda seed: replace(SMALL, seed=seed))
    frame = measure_drawn(DrawnPlan(1, 3, budgets_epochs=(30,), with_sources=False), jobs=0)
    assert frame["rival"].tolist() == ["at2", "hyperband", "asha", "successive-halving", "random-search"]
    with pytest.raises(At2Error, match="source"):
        measure_drawn(DrawnPlan(1, 3, ("mean-final",), (30,), with_sources=False), jobs=0)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(BudgetError, match="at least one budget of 1 epoch or more is wanted"):
        DrawnPlan(budgets_epochs=(25, 0))
    with pytest.raises(At2Error, match="at least one collection and one rival are wanted"):
        DrawnPlan(n_collection=0)
    with pytest.raises(UnknownNameError, match="no rival 'gut-feeling'"):
        DrawnPlan(rivals=("at2", "gut-feeling"))


def test_the_command_writes_and_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("at2.bench.drawn.contest.draw_traits", lambda seed: replace(SMALL, seed=seed))
    command = ["bench", "drawn", "--collections", "2", "--budgets", "4", "--jobs", "0", "--record", str(tmp_path)]
    some = ["--rivals", "at2,shortlist-3x1", "--by", "metric", "--summary", str(tmp_path / "summary.csv")]
    result = CliRunner().invoke(cli, [*command, *some])
    assert result.exit_code == 0, result.output
    assert "By metric" in result.stdout
    assert len(pd.read_csv(tmp_path / "drawn.csv")) == 4
    assert pd.read_csv(tmp_path / "summary.csv")["metric"].isna().tolist() == [True, True, False, False]
    result = CliRunner().invoke(cli, [*command, "--by", "colour"])
    assert result.exit_code == 1
    assert "no trait 'colour'" in result.output
