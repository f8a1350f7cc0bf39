"""A story holds what was trained, expected and true, and recording it changes nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from at2.bench.replay.objective import TableObjective
from at2.bench.replay.runner import play
from at2.bench.story import StoryRecorder, epoch_grid, write_story
from at2.recommend import Budget, Recommender, Tuner
from at2.rivals.registry import make_rival
from at2.tables import LearningCurveTable


def _tell(tuner: Tuner, table: LearningCurveTable, *, predictions: bool = True) -> dict:
    objective = TableObjective(table, "target")
    story = StoryRecorder(objective, predictions=predictions)
    for step in play(tuner, objective, budget_epochs=6):
        story.note(tuner, step.query, step.shown)
    return story.to_json(target="target")


def _at2(table: LearningCurveTable, surrogate: str = "default") -> Recommender:
    return Recommender(table, target="target", budget=Budget(epochs=6), seed=0, surrogate=surrogate)


@pytest.mark.parametrize("surrogate", ["default", "kronecker"])
def test_at2_tells_what_it_expects_at_each_step(table: LearningCurveTable, surrogate: str) -> None:
    story = _tell(_at2(table, surrogate), table)
    assert (story["schema"], story["target"], story["epochs"]) == (1, "target", [1, 2, 3, 4])
    assert len(story["observations"]) == 6
    assert len(story["expected"]) == len(story["standings"]) == 7
    for standing, expected in zip(story["standings"], story["expected"], strict=True):
        assert expected["config_ids"][0] == standing["config_id"]
        low, mean, high = (np.array(expected[name]) for name in ("low", "mean", "high"))
        assert low.shape == (len(expected["config_ids"]), 4)
        assert (low <= high).all()
        assert ((low <= mean + 1e-3) & (mean <= high + 1e-3)).mean() > 0.9  # a skewed mean may lie outside


def test_intervals_of_a_loss_are_the_right_way_round(losses: LearningCurveTable) -> None:
    story = _tell(_at2(losses), losses)
    low, high = (np.array(story["expected"][-1][name]) for name in ("low", "high"))
    assert (low <= high).all()
    assert (high < 0.2).all()  # the tiny losses are negative


def test_the_truth_holds_all_that_occurs_and_the_best(table: LearningCurveTable) -> None:
    story = _tell(_at2(table), table)
    truth = story["truth"]
    assert truth["best"] == 1
    named = {seen["config_id"] for seen in story["observations"]}
    named |= {config_id for expected in story["expected"] for config_id in expected["config_ids"]}
    assert named | {1} == set(truth["config_ids"])
    curves = dict(zip(truth["config_ids"], truth["curves"], strict=True))
    assert curves[1] == pytest.approx([0.15, 0.3, 0.45, 0.6])
    for seen in story["observations"]:
        assert seen["value"] == pytest.approx(curves[seen["config_id"]][seen["epoch"] - 1])


def test_standings_are_those_of_the_run(table: LearningCurveTable) -> None:
    steps = list(play(_at2(table), TableObjective(table, "target"), budget_epochs=6))
    for step, standing in zip(steps, _tell(_at2(table), table)["standings"], strict=True):
        assert standing["config_id"] == step.recommendation.config_id
        assert (standing["rank"], standing["regret"]) == (step.rank, pytest.approx(step.regret, rel=1e-3))


@pytest.mark.parametrize("predictions", [True, False])
def test_recording_changes_no_decision(table: LearningCurveTable, predictions: bool) -> None:
    alone = [step.query for step in play(_at2(table), TableObjective(table, "target"), budget_epochs=6)][1:]
    story = _tell(_at2(table), table, predictions=predictions)
    assert [(q.config_id, q.epoch) for q in alone if q] == [(s["config_id"], s["epoch"]) for s in story["observations"]]
    assert (story["expected"] is not None) == predictions


def test_a_rival_expects_nothing(table: LearningCurveTable) -> None:
    story = _tell(make_rival("asha", table, target="target", budget=Budget(epochs=6)), table)
    assert story["expected"] is None
    assert story["standings"][0]["mean"] is None


def test_a_story_is_one_line_of_json(tmp_path: Path, table: LearningCurveTable) -> None:
    story = _tell(_at2(table), table)
    write_story(tmp_path / "new" / "story.json", story)
    text = (tmp_path / "new" / "story.json").read_text()
    assert text.count("\n") == 1
    assert json.loads(text) == story


@pytest.mark.parametrize("n_epoch", [1, 2, 5, 75, 400])
def test_a_grid_begins_and_ends_with_the_training(n_epoch: int) -> None:
    grid = epoch_grid(n_epoch)
    assert (grid[0], grid[-1]) == (1, n_epoch)
    assert len(grid) <= 24
    assert grid == sorted(set(grid))
