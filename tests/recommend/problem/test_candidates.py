"""at2/recommend/problem/candidates.py: what may be recommended, and that a journal can say so."""

import json
from pathlib import Path

import pandas as pd
import pytest

from at2.errors import SpaceError, TableError
from at2.recommend import Recommender, SampledCandidates
from at2.recommend.problem.candidates import candidates_from_json, candidates_to_json
from at2.space import SearchSpace, lcbench_space
from at2.tables import LearningCurveTable
from tests.recommend.conftest import N_CONFIG, copied
from tests.recommend.journal.test_lines import resume
from tests.recommend.test_recommender import Quick, make, play

NEW = {"lr": 0.02, "nesterov": "yes"}


def allowed(recommender: Recommender) -> list[object]:
    problem = recommender.problem
    return [name for name, may in zip(problem.config_ids, problem.is_candidate.tolist(), strict=True) if may]


def test_sampled_candidates_follow_the_seed(table: LearningCurveTable) -> None:
    first, again, other = (make(table, candidates=SampledCandidates(5), seed=seed) for seed in (1, 1, 2))
    assert allowed(first) == [f"sample-{k}" for k in range(5)]
    assert first.problem.configs == again.problem.configs
    assert first.problem.configs[-5:] != other.problem.configs[-5:]
    assert all(table.space.validate(config) for config in first.problem.configs[-5:])


@pytest.mark.parametrize(
    ("also", "expected"),
    [
        ((), []),
        ("history", list(range(100, 100 + N_CONFIG))),
        ([103, NEW], [103, "new-0"]),
    ],
)
def test_samples_go_with_the_history_and_the_users_own(table: LearningCurveTable, also, expected: list) -> None:
    recommender = make(table, candidates=SampledCandidates(3, also=also))
    assert allowed(recommender) == [*expected, "sample-0", "sample-1", "sample-2"]


def test_samples_need_no_table_but_a_space() -> None:
    with pytest.raises(TableError, match="pass space="):
        make(None, candidates=SampledCandidates(4), n_epoch=3)
    recommender = make(None, candidates=SampledCandidates(4), n_epoch=3, space=lcbench_space())
    asked = play(recommender, lambda query: -float(query.epoch) * 1e6)
    assert {name for name, _ in asked} <= {f"sample-{k}" for k in range(4)}


@pytest.mark.parametrize("candidates", [SampledCandidates(4), SampledCandidates(2, also="history"), [101, NEW]])
def test_a_journal_rebuilds_the_candidates(table: LearningCurveTable, tmp_path: Path, candidates) -> None:
    recommender = make(table, candidates=candidates, journal=tmp_path / "run.jsonl", seed=3)
    query = recommender.ask()
    recommender.tell(query, 0.5)
    again = resume(copied(tmp_path / "run.jsonl"), table)
    assert again.problem.configs == recommender.problem.configs
    assert again.ask() == recommender.ask()


@pytest.mark.parametrize("candidates", [None, [3, "a", NEW], SampledCandidates(7), SampledCandidates(1, also=[3, NEW])])
def test_candidates_go_through_json(candidates) -> None:
    assert candidates_from_json(json.loads(json.dumps(candidates_to_json(candidates)))) == candidates


@pytest.mark.parametrize("n", [0, -1, 2.5, True, "9"])
def test_a_number_of_samples_is_a_whole_number(n) -> None:
    with pytest.raises(TableError, match="whole number above zero"):
        SampledCandidates(n)
    with pytest.raises(TableError, match="also= wants"):
        SampledCandidates(1, also="everything")


def test_own_candidates_widen_an_inferred_space_but_a_declared_one_stands(table: LearningCurveTable) -> None:
    wild = {"lr": 5.0, "nesterov": "no", "warmup": 3}
    recommender = make(table, candidates=[100, wild])
    assert recommender.problem.configs[-1] == wild
    assert "warmup" not in recommender.problem.configs[0]
    with pytest.raises(SpaceError, match="warmup"):
        make(table, candidates=[100, wild], space=table.space)


def test_ids_of_new_candidates_must_be_free(table: LearningCurveTable) -> None:
    configs = pd.DataFrame({"lr": [0.1, 0.2]}, index=pd.Index(["new-0", "b"], name="config_id"))
    curves = pd.DataFrame({"task": "t", "config_id": ["new-0", "b"], "epoch": 1, "value": [0.1, 0.2]})
    named = LearningCurveTable.from_frame(curves, configs)
    with pytest.raises(TableError, match="'new-0', a name kept for new ones"):
        Recommender(named, target="u", candidates=[{"lr": 0.15}], budget=table_budget(), surrogate=Quick())


def table_budget():
    from at2.recommend import Budget

    return Budget(epochs=3)


def test_a_space_of_the_users_own_drops_what_it_forbids_from_the_candidates(table: LearningCurveTable) -> None:
    narrow = SearchSpace.infer(table.configs[table.configs["lr"] < 1e-2])
    recommender = make(table, space=narrow)
    low = [name for name, lr in table.configs["lr"].items() if lr < 1e-2]
    assert allowed(recommender) == low
    assert recommender.problem.history.n_config == N_CONFIG
    assert "'lr' drawn in to the range; learnt from, not recommended" in str(recommender.history_report)
    with pytest.raises(SpaceError, match="lr"):
        make(table, space=narrow, candidates=[100 + N_CONFIG - 1])
