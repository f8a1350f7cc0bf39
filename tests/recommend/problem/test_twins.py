"""at2/recommend/problem/twins.py: runs of one configuration under several ids."""

import numpy as np
import pandas as pd
import pytest
import torch

from at2.recommend import Problem, SampledCandidates
from at2.recommend.problem.problem import build_problem
from at2.space import SearchSpace
from at2.tables import LearningCurveTable, Metric, RunStatus

NAN = float("nan")


def table(lr: list[float], run: list[list[int]]) -> LearningCurveTable:
    """A table whose task k has run the configurations `run[k]`; a value says which task and configuration it is of."""
    values = np.full((len(run), 1, len(lr), 2), NAN)
    seconds = np.full_like(values, NAN)
    for task, configs in enumerate(run):
        for config in configs:
            values[task, 0, config] = 10 * task + config
            seconds[task, 0, config] = 1.0 + config
    return LearningCurveTable(
        {"m": values},
        tasks=[f"t{k}" for k in range(len(run))],
        configs=pd.DataFrame({"lr": lr}, index=pd.RangeIndex(len(lr), name="config_id")),
        metrics=[Metric("m", maximize=True)],
        seconds=seconds,
    )


def finals(problem: Problem) -> np.ndarray:
    return problem.history.values[:, 0, :, -1].numpy()


def test_runs_of_equal_configurations_on_different_tasks_are_one() -> None:
    problem = build_problem(table([0.1, 0.2, 0.1, 0.2], [[0, 1], [2, 3]]), target="new")
    assert problem.config_ids == (0, 1)
    np.testing.assert_array_equal(finals(problem), [[0, 1], [12, 13]])
    assert problem.source_seconds.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert "2 are the same as others" in str(problem.report)


def test_two_that_one_task_has_run_both_stay_apart() -> None:
    problem = build_problem(table([0.1, 0.1, 0.1], [[0, 1], [2]]), target="new")
    assert problem.config_ids == (0, 1)
    np.testing.assert_array_equal(finals(problem), [[0, 1], [12, NAN]])


@pytest.mark.parametrize("picked", [[2], [2, 0]])
def test_an_id_that_was_asked_for_stays(picked: list[int]) -> None:
    problem = build_problem(table([0.1, 0.2, 0.1, 0.2], [[0, 1], [2, 3]]), target="new", candidates=picked)
    assert set(picked) <= set(problem.config_ids)
    names = [name for name, may in zip(problem.config_ids, problem.is_candidate.tolist(), strict=True) if may]
    assert set(names) == set(picked)


def test_what_no_source_has_run_and_what_is_alone_stays() -> None:
    lonely = table([0.1, 0.1, 0.3], [[0], [2], [1]])
    problem = build_problem(lonely, target="t2")
    assert problem.config_ids == (0, 1, 2)
    assert torch.isnan(problem.history.values[:, :, 1]).all()


def test_a_run_without_a_reading_gives_way_to_its_twins() -> None:
    """Task t0 has crashed with one id before its first epoch, and has run the other; t1 has run the first."""
    plain = table([0.1, 0.1], [[1], [0]])
    status = plain.status.copy()
    status[0, 0, 0] = RunStatus.CRASHED
    crashed = LearningCurveTable(
        {"m": plain.curves()}, tasks=plain.tasks, configs=plain.configs, metrics=[plain.get_metric()],
        seconds=plain.seconds, status=status,
    )  # fmt: skip
    problem = build_problem(crashed, target="new")
    assert problem.config_ids == (0,)
    np.testing.assert_array_equal(finals(problem), [[1], [10]])
    assert problem.source_seconds.tolist() == [[2.0], [1.0]]


class TestNewCandidates:
    def test_that_are_past_configurations_count_as_these(self) -> None:
        past = table([0.1, 0.2, 0.3], [[0, 1], [2]])
        problem = build_problem(past, target="new", candidates=[{"lr": 0.2}, {"lr": 0.25}])
        names = [name for name, may in zip(problem.config_ids, problem.is_candidate.tolist(), strict=True) if may]
        assert names == [1, "new-1"]
        assert finals(problem)[0, problem.rows[1]] == 1.0
        assert "1 new ones are past configurations and go by their ids (such as 'new-0' by 1)" in str(problem.report)
        assert "1 to choose from" in str(problem.report)

    def test_a_grid_tried_before_is_the_history_itself(self) -> None:
        past = table([0.1, 0.2, 0.3], [[0, 1, 2], [0, 1, 2]])
        listed = build_problem(past, target="new", candidates=[{"lr": lr} for lr in (0.3, 0.1, 0.2)])
        plain = build_problem(past, target="new")
        assert listed.config_ids == plain.config_ids
        assert listed.sha256 == plain.sha256
        assert listed.history.is_complete

    def test_of_several_past_ones_that_are_alike_it_is_the_first(self) -> None:
        problem = build_problem(table([0.2, 0.2], [[0, 1]]), target="new", candidates=[{"lr": 0.2}])
        assert problem.is_candidate.tolist() == [True, False]

    def test_samples_beside_the_history_are_there_once(self) -> None:
        space = SearchSpace.infer(pd.DataFrame({"kind": ["a", "b", "c"]}))
        curves = pd.DataFrame({"task": "t", "config_id": ["x", "y"], "epoch": 1, "value": [0.1, 0.2]})
        past = LearningCurveTable.from_frame(curves, pd.DataFrame({"config_id": ["x", "y"], "kind": ["a", "b"]}), space)
        problem = build_problem(past, target="new", candidates=SampledCandidates(30, also="history"))
        kinds = [config["kind"] for config, name in zip(problem.configs, problem.config_ids, strict=True)]
        assert kinds.count("a") == kinds.count("b") == 1
