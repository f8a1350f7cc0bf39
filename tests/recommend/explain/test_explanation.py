"""at2/recommend/explain/explanation.py: shares and correlations against known truths, and what an explanation holds."""

import json
from pathlib import Path

import numpy as np
import pytest

from at2.errors import FileError, TableError
from at2.recommend import Budget, Recommender
from at2.recommend.explain.explanation import main_effect_shares, rank_correlation
from at2.tables import LearningCurveTable
from tests.recommend.conftest import N_CONFIG, N_EPOCH, TASKS, make_table
from tests.recommend.test_recommender import Measure, make, play


def grid(n: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(0)
    return [
        {"lr": float(rng.uniform()), "kind": "abc"[rng.integers(3)], "none": float(rng.uniform())} for _ in range(n)
    ]


def test_shares_are_those_of_the_truth() -> None:
    configs = grid(4000)
    lr = np.array([c["lr"] for c in configs])
    kind = np.array([{"a": -1.0, "b": 0.0, "c": 1.0}[c["kind"]] for c in configs])
    values = (
        np.sqrt(12 * 0.6) * lr + np.sqrt(1.5 * 0.3) * kind + np.sqrt(0.1) * np.random.default_rng(1).normal(size=4000)
    )
    shares = main_effect_shares(configs, values)
    assert shares["lr"] == pytest.approx(0.6, abs=0.04)
    assert shares["kind"] == pytest.approx(0.3, abs=0.04)
    assert shares["none"] == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("n", [8, 30, 100])
def test_what_does_not_matter_gets_no_share_by_chance(n: int) -> None:
    rng = np.random.default_rng(n)
    shares = [main_effect_shares(grid(n), rng.normal(size=n))["none"] for _ in range(60)]
    assert np.mean(shares) < 0.5 / np.sqrt(n)


def test_inactive_is_a_group_of_its_own() -> None:
    configs = [{"a": 1.0 * k} for k in range(10)] + [{} for _ in range(10)]
    values = np.array([1.0] * 10 + [0.0] * 10)
    assert main_effect_shares(configs, values) == {"a": pytest.approx(1.0)}


def test_constants_have_no_share() -> None:
    assert main_effect_shares([{"a": 1, "b": k} for k in range(6)], np.ones(6)) == {"b": 0.0}
    assert main_effect_shares([{"a": 1}], np.ones(1)) == {}
    assert main_effect_shares([{"a": "x"}, {"a": "y"}], np.array([0.0, 1.0])) == {"a": 0.0}
    assert main_effect_shares([{"a": True}] * 3 + [{"a": False}] * 3, np.arange(6.0) // 3)["a"] == pytest.approx(1.0)


def test_rank_correlation_knows_only_order() -> None:
    one = np.array([1.0, 5.0, 2.0, np.nan, -np.inf])
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1.0)
    assert rank_correlation(one, -one) == pytest.approx(-1.0)
    assert np.isnan(rank_correlation(one, np.ones(5)))
    assert np.isnan(rank_correlation(one[:2], one[:2]))


@pytest.fixture
def played(table: LearningCurveTable, measure: Measure) -> Recommender:
    recommender = make(table, budget=Budget(epochs=40), surrogate="default")
    for _ in range(12):
        query = recommender.ask()
        recommender.tell(query, measure(query))
    return recommender


def test_an_explanation_holds_all_four_parts(played: Recommender) -> None:
    found = played.explain(n_leading=2, n_runner_up=2)
    assert set(found.frames) == {"sources", "hyperparameters", "leaders", "next_query"}
    assert sorted(found.sources["source"]) == sorted(TASKS[:3])
    assert {"weight", "std", "correlation"} <= set(found.sources)
    assert found.sources["weight"].is_monotonic_decreasing
    assert found.hyperparameters["hyperparameter"].iloc[0] == "lr"
    assert found.hyperparameters["share"].between(0, 1).all()
    assert len(found.leaders) == 2 * N_EPOCH
    assert (found.leaders["low"] < found.leaders["mean"]).all()
    assert (found.leaders["mean"] < found.leaders["high"]).all()
    assert found.leaders["config_id"].iloc[0] == played.recommend().config_id
    told = {(t.query.config_id, t.query.epoch): t.value for t in played.told}
    for row in found.leaders.itertuples():
        assert (
            np.isnan(row.seen) if (row.config_id, row.epoch) not in told else row.seen == told[row.config_id, row.epoch]
        )


def test_the_next_query_is_the_one_that_is_asked(played: Recommender) -> None:
    found = played.explain(n_runner_up=3)
    query = played.ask()
    first = found.next_query.iloc[0]
    assert (first["config_id"], first["epoch"]) == (query.config_id, query.epoch)
    assert found.next_query["config_id"].is_unique
    assert len(found.next_query) == 4
    assert found.next_query["gain_per_cost"].is_monotonic_decreasing
    assert f"configuration {query.config_id}" in found.reason
    assert (found.next_query["gain"] == found.next_query["gain_per_cost"] * found.next_query["cost"]).all()


def test_explaining_changes_nothing(table: LearningCurveTable, measure: Measure) -> None:
    quiet, talkative = make(table), make(table)
    for _ in range(6):
        talkative.explain()
        one, two = quiet.ask(), talkative.ask()
        assert one == two
        for recommender in (quiet, talkative):
            recommender.tell(one, measure(one))


def test_a_surrogate_without_weights_is_told_by_correlation(table: LearningCurveTable) -> None:
    found = make(table).explain()
    assert list(found.sources) == ["source", "correlation"]
    assert found.sources["correlation"].between(-1, 1).all()
    assert found.sources["correlation"].is_monotonic_decreasing


def test_losses_are_shown_as_losses(measure: Measure) -> None:
    recommender = make(make_table(maximize=False), budget=Budget(epochs=20))
    play(recommender, lambda query: 1.0 - measure(query))
    leaders = recommender.explain(n_leading=N_CONFIG).leaders
    assert (leaders["low"] < leaders["high"]).all()
    best = leaders[leaders["rank"] == 1].dropna()
    assert (best["mean"] - best["seen"]).abs().max() < 0.1


def test_without_history_and_with_one_candidate() -> None:
    found = Recommender(target="t", candidates=[{"lr": 0.1}], n_epoch=2, budget=Budget(epochs=2)).explain()
    assert found.sources.empty
    assert found.hyperparameters.empty
    assert len(found.leaders) == 2
    assert "no source tasks" in found.text
    assert "none that varies" in found.text
    found.figure()


def test_text_names_every_part(played: Recommender) -> None:
    text = played.explain().text
    for part in (
        "is recommended: score",
        "Similarity of the sources",
        "lr",
        "Leading configurations",
        "Next query: epoch",
    ):
        assert part in text
    assert "nan" not in text.lower()


def test_waiting_and_ending_are_said(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=1))
    query = recommender.ask()
    assert "none before one of the 1 queries that are still out is told" in recommender.explain().reason
    recommender.tell(query, measure(query))
    found = recommender.explain()
    assert found.reason == "none, because the budget is spent: 1 of 1 epochs, no further epoch fits."
    assert found.next_query.empty
    assert "nothing to ask for" in found.text
    found.figure()


def test_json_and_the_long_frame_hold_the_same(played: Recommender) -> None:
    found = played.explain()
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert values["target"] == "dogs"
    assert [row["source"] for row in values["sources"]] == list(found.sources["source"])
    long = found.long()
    assert list(long) == ["section", "row", "name", "value"]
    assert len(long) == sum(frame.size for frame in found.frames.values())


def test_the_figure_has_four_panels_and_is_written_whole(played: Recommender, tmp_path: Path) -> None:
    found = played.explain()
    assert len(found.figure().axes) == 4
    for ending in ("png", "svg"):
        found.save_figure(tmp_path / f"a.{ending}")
        assert (tmp_path / f"a.{ending}").stat().st_size > 1000
    with pytest.raises(FileError, match=r"ends in \.png, \.pdf or \.svg, got 'a\.gif'"):
        found.save_figure(tmp_path / "a.gif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_nothing_to_explain_once_all_have_failed(table: LearningCurveTable) -> None:
    recommender = make(table)
    while (query := recommender.ask()) is not None:
        recommender.tell(query, failed=True)
    with pytest.raises(TableError, match="every candidate has failed"):
        recommender.explain()


def test_numbers_of_what_is_shown_are_checked(played: Recommender) -> None:
    for numbers in ({"n_leading": 0}, {"n_leading": 2.0}, {"n_runner_up": -1}):
        with pytest.raises(TableError, match="wanted at least 1 leading configuration"):
            played.explain(**numbers)
