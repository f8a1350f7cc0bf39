"""at2/recommend/recommender.py: what happens in a run, and what is refused."""

import itertools
import math
import pickle
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
import torch

from at2.errors import BudgetError, SpaceError, TableError, TellError, UnknownNameError
from at2.recommend import Budget, Query, Recommender
from at2.surrogate import History, KroneckerGP, MixtureBelief
from at2.tables import LearningCurveTable
from tests.contract.tuners import BUDGET, TunerContract
from tests.recommend.conftest import N_CONFIG, N_EPOCH, TASKS, curves_of, make_table

Measure = Callable[[Query], float]


class Quick:
    """The plain surrogate with few fitting steps, fitted once per history: these tests are not about the fit."""

    _fitted: ClassVar[dict[bytes, MixtureBelief]] = {}

    def fit(self, history: History, *, seed: int = 0) -> MixtureBelief:
        key = history.values.numpy().tobytes() + history.features.numpy().tobytes()
        if key not in self._fitted:
            self._fitted[key] = KroneckerGP(max_iter=3).fit(history, seed=seed)
        return self._fitted[key].fork()


def make(table: LearningCurveTable | None, **changes) -> Recommender:
    settings = {"target": "dogs", "budget": Budget(epochs=BUDGET), "surrogate": Quick(), **changes}
    return Recommender(table, **settings)


def play(recommender: Recommender, measure: Measure) -> list[tuple[object, int]]:
    asked = []
    while (query := recommender.ask()) is not None:
        asked.append((query.config_id, query.epoch))
        recommender.tell(query, measure(query))
    return asked


class TestContract(TunerContract):
    @pytest.fixture(autouse=True)
    def _use(self, table: LearningCurveTable) -> None:
        self.table = table

    def make(self) -> Recommender:
        return make(self.table)


class TestContractForTraining(TestContract):
    def make(self) -> Recommender:
        return make(self.table, goal="train")


class TestContractWithoutHistory(TunerContract):
    def make(self) -> Recommender:
        candidates = [{"lr": 10.0**-k} for k in range(1, 7)]
        return make(None, candidates=candidates, n_epoch=4)


def test_finds_a_good_configuration(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table)
    play(recommender, measure)
    best = recommender.recommend()
    truth = curves_of(3).max(1)
    assert truth[int(best.config_id) - 100] > np.sort(truth)[-3]
    assert best.mean == pytest.approx(truth[int(best.config_id) - 100], abs=0.1)
    assert 0 < best.std < 0.3
    assert 1 <= best.epoch <= N_EPOCH
    assert best.n_epochs_spent == BUDGET
    assert best.config == table.config(best.config_id)


@pytest.mark.parametrize("garbage", [math.nan, 1e30, -7.0])
def test_never_reads_the_targets_own_curves(table: LearningCurveTable, measure: Measure, garbage: float) -> None:
    honest, fooled = make(table), make(make_table(target_curves=garbage))
    assert play(honest, measure) == play(fooled, measure)
    assert honest.recommend() == fooled.recommend()
    assert honest.problem.sha256 == fooled.problem.sha256


def test_the_target_may_be_a_new_name(table: LearningCurveTable, measure: Measure) -> None:
    new = make(table, target="elks", sources=TASKS[:3])
    assert new.sources == TASKS[:3]
    assert play(new, measure) == play(make(table), measure)


def test_losses_work_like_accuracies(measure: Measure) -> None:
    recommender = make(make_table(maximize=False))
    asked = play(recommender, lambda query: 1.0 - measure(query))
    assert len(asked) == BUDGET
    best = recommender.recommend()
    truth = curves_of(3).max(1)
    assert truth[int(best.config_id) - 100] > np.sort(truth)[-3]
    assert best.mean == pytest.approx(1.0 - truth[int(best.config_id) - 100], abs=0.1)


def test_a_failed_training_is_never_proposed_again(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=40))
    failed = set()
    for step in itertools.count():
        query = recommender.ask()
        if query is None:
            break
        assert query.config_id not in failed
        if step % 3 == 0 and len(failed) < N_CONFIG - 1:
            failed.add(query.config_id)
            recommender.tell(query, failed=True)
        else:
            recommender.tell(query, measure(query))
    assert recommender.recommend().config_id not in failed


def test_nothing_is_left_once_all_have_failed(table: LearningCurveTable) -> None:
    recommender = make(table)
    while (query := recommender.ask()) is not None:
        recommender.tell(query, failed=True)
    assert len(recommender.told) == N_CONFIG
    with pytest.raises(TableError, match="every candidate has failed"):
        recommender.recommend()


def test_asking_again_before_telling_gives_other_work(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=20))
    queries = [recommender.ask() for _ in range(5)]
    assert len({q.config_id for q in queries}) == 5
    assert recommender.pending == tuple(queries)
    for query in reversed(queries):
        recommender.tell(query, measure(query))
    assert recommender.pending == ()
    assert recommender.ask().number == 5


def test_pending_work_is_paid_for(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=3))
    queries = [recommender.ask() for _ in range(3)]
    assert recommender.ask() is None
    for query in queries:
        recommender.tell(query, measure(query))
    assert recommender.ask() is None


def test_all_waiting_is_none_and_then_it_goes_on(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=40))
    queries = [recommender.ask() for _ in range(N_CONFIG)]
    assert recommender.ask() is None
    recommender.tell(queries[3], measure(queries[3]))
    assert recommender.ask().config_id == queries[3].config_id


def test_stops_when_every_curve_is_complete(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=1000))
    assert len(play(recommender, measure)) == N_CONFIG * N_EPOCH


def test_says_when_a_training_is_taken_up_again(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=30))
    last, started = None, set()
    while (query := recommender.ask()) is not None:
        assert query.resumed == (query.config_id in started and query.config_id != last)
        started.add(query.config_id)
        last = query.config_id
        recommender.tell(query, measure(query))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "failed=True"),
        (math.inf, "failed=True"),
        ("0.7", "wanted a number"),
        (True, "wanted a number"),
        (None, "wanted a number"),
        ([0.7], "wanted a number"),
        (np.array([0.7]), "wanted a number"),
        (1 + 2j, "wanted a number"),
    ],
)
def test_what_is_no_finite_number_is_refused_and_changes_nothing(table: LearningCurveTable, value, text: str) -> None:
    recommender = make(table)
    query = recommender.ask()
    with pytest.raises(TellError, match=text):
        recommender.tell(query, value)
    assert recommender.pending == (query,)
    assert recommender.told == ()
    recommender.tell(query, 0.5)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), np.int64(1), np.array(0.5), torch.tensor(0.5)])
def test_any_kind_of_number_will_do(table: LearningCurveTable, value) -> None:
    recommender = make(table)
    recommender.tell(recommender.ask(), value)
    assert recommender.told[0].value == float(value)
    assert type(recommender.told[0].value) is float


def test_every_query_is_told_once(table: LearningCurveTable) -> None:
    recommender = make(table)
    query = recommender.ask()
    recommender.tell(query, 0.5)
    with pytest.raises(TellError, match=r"query 0 \(configuration .*, epoch 1\) was told already"):
        recommender.tell(query, 0.5)


def test_a_query_of_someone_else_is_refused(table: LearningCurveTable) -> None:
    recommender = make(table)
    query = recommender.ask()
    with pytest.raises(TellError, match="was not asked by this recommender"):
        make(table).tell(query, 0.5)
    forged = Query(config_id=query.config_id, config=query.config, epoch=query.epoch + 1, number=query.number)
    with pytest.raises(TellError, match="was not asked by this recommender"):
        recommender.tell(forged, 0.5)
    with pytest.raises(TellError, match="tell wants the Query that ask returned, got int"):
        recommender.tell(100, 0.5)
    with pytest.raises(TellError, match="a failed training has no value"):
        recommender.tell(query, 0.5, failed=True)


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, "3", True])
def test_seconds_must_make_sense(table: LearningCurveTable, seconds) -> None:
    recommender = make(table)
    query = recommender.ask()
    with pytest.raises(TellError, match="came with seconds="):
        recommender.tell(query, 0.5, seconds=seconds)


def test_a_budget_in_seconds_prefers_what_is_quick_and_stops(measure: Measure) -> None:
    recommender = make(make_table(seconds=True), budget=Budget(seconds=30.0))
    spent = 0.0
    while (query := recommender.ask()) is not None:
        seconds = 4.0 if int(query.config_id) % 2 else 1.0
        spent += seconds
        recommender.tell(query, measure(query), seconds=seconds)
    assert 20.0 < spent <= 30.0 * 1.05
    assert len(recommender.told) > 30 / 4


def test_a_budget_in_seconds_without_any_timing_starts_with_one_epoch(table: LearningCurveTable) -> None:
    recommender = make(table, budget=Budget(seconds=100.0))
    query = recommender.ask()
    with pytest.raises(TellError, match="pass seconds="):
        recommender.tell(query, 0.5)
    recommender.tell(query, 0.5, seconds=99.5)
    assert recommender.ask() is None


def test_a_failure_without_seconds_costs_what_was_expected(table: LearningCurveTable) -> None:
    recommender = make(make_table(seconds=True), budget=Budget(seconds=1.1))
    query = recommender.ask()
    recommender.tell(query, failed=True)
    assert recommender.ask() is None


@pytest.mark.parametrize("count", [True, 0, -3, 2.5, "9"])
def test_a_budget_is_a_positive_whole_number_of_epochs(count) -> None:
    with pytest.raises(BudgetError, match="whole number above zero"):
        Budget(epochs=count)


def test_a_budget_has_one_unit() -> None:
    for wrong in ({}, {"epochs": 1, "seconds": 1.0}):
        with pytest.raises(BudgetError, match="in one unit"):
            Budget(**wrong)
    for amount in (0.0, math.inf, math.nan, "1"):
        with pytest.raises(BudgetError, match="finite number above zero"):
            Budget(seconds=amount)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"sources": ["ants", "dogs"]}, TableError, "'dogs' is the target and stands among the sources"),
        ({"sources": ["ants", "ants"]}, TableError, "sources name a task twice"),
        ({"sources": "ants"}, TableError, "list of task names"),
        ({"sources": ["anst"]}, UnknownNameError, "ants"),
        ({"metric": "scoer"}, UnknownNameError, "score"),
        ({"maximize": False}, TableError, "the table says maximize=True"),
        ({"n_epoch": 0}, TableError, "whole number above zero, got 0"),
        ({"candidates": []}, TableError, "at least one id or dict"),
        ({"candidates": [99]}, UnknownNameError, "99"),
        ({"candidates": [100, 100]}, TableError, "name a configuration twice"),
        ({"candidates": [{"lr": 0.01, "nesterov": "perhaps"}]}, SpaceError, "nesterov"),
        ({"goal": "win"}, TableError, "goal must be 'recommend' or 'train'"),
        ({"surrogate": "krige"}, UnknownNameError, "no surrogate is named"),
    ],
)
def test_what_does_not_fit_is_refused_at_the_door(table: LearningCurveTable, changes, error, text: str) -> None:
    with pytest.raises(error, match=text):
        make(table, **changes)


def test_without_a_table_candidates_and_length_are_needed() -> None:
    with pytest.raises(TableError, match="pass candidates="):
        make(None)
    with pytest.raises(TableError, match="pass candidates="):
        make(None, candidates=[{"lr": 0.1}])
    with pytest.raises(UnknownNameError, match="there is no table"):
        make(None, candidates=[3], n_epoch=2)
    with pytest.raises(UnknownNameError, match="there is no table"):
        make(None, candidates=[{"lr": 0.1}], n_epoch=2, sources=["ants"])


def test_candidates_narrow_the_table_and_go_beyond_it(table: LearningCurveTable) -> None:
    new = {"lr": 0.02, "nesterov": "yes"}
    recommender = make(table, candidates=[101, 104, new])
    allowed = {101, 104, "new-0"}
    while (query := recommender.ask()) is not None:
        assert query.config_id in allowed
        recommender.tell(query, 0.9 if query.config_id == "new-0" else 0.2)
    best = recommender.recommend()
    assert best.config_id == "new-0"
    assert best.config == new


def test_a_shorter_training_may_be_asked_for(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, n_epoch=2, budget=Budget(epochs=100))
    assert max(epoch for _, epoch in play(recommender, measure)) == 2


def test_goal_train_recommends_the_best_that_was_seen(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, goal="train")
    play(recommender, measure)
    best = max(recommender.told, key=lambda told: told.value)
    assert recommender.recommend().config_id == best.query.config_id


def test_of_equal_values_the_first_one_shown_is_recommended(table: LearningCurveTable) -> None:
    recommender = make(table, goal="train")
    first = recommender.ask()
    recommender.tell(first, 0.5)
    while (query := recommender.ask()) is not None:
        recommender.tell(query, 0.5)
    assert len({told.query.config_id for told in recommender.told}) > 1
    assert recommender.recommend().config_id == first.config_id


@pytest.mark.parametrize("goal", ["recommend", "train"])
def test_what_a_failed_configuration_has_shown_counts_where_a_trained_model_is_wanted(
    table: LearningCurveTable, goal: str
) -> None:
    recommender = make(table, goal=goal, budget=Budget(epochs=100))
    shown: dict[object, float] = {}
    while (query := recommender.ask()) is not None:  # each fails in its second epoch, but for the last one
        if query.epoch > 1 and int(recommender.eligible.sum()) > 1:
            recommender.tell(query, failed=True)
            if goal == "recommend":  # trained again, it would fail again; the model of its first epoch is still there
                shown.pop(query.config_id)
        else:
            value = 0.9 - 0.1 * len(recommender.told)
            shown[query.config_id] = max(value, shown.get(query.config_id, value))
            recommender.tell(query, value)
        ids = recommender.problem.config_ids
        assert recommender.state().best_seen == max(shown.values(), default=-math.inf)
        found = recommender.recommend().config_id
        if goal == "train":
            assert shown[found] == max(shown.values())
        else:
            assert bool(recommender.eligible[ids.index(found)])
    assert int(recommender.eligible.sum()) < N_CONFIG


def test_only_epochs_within_reach_count(table: LearningCurveTable) -> None:
    recommender = make(table, budget=Budget(epochs=2))
    state = recommender.state()
    assert state.horizon.tolist() == [2] * N_CONFIG
    recommender.tell(recommender.ask(), 0.5)
    assert recommender.state().horizon.max() == 1


def test_a_recommender_goes_to_another_process_and_goes_on_alike(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, surrogate="default")
    for _ in range(3):
        query = recommender.ask()
        recommender.tell(query, measure(query))
    recommender.ask()
    twin = pickle.loads(pickle.dumps(recommender))
    assert twin.pending == recommender.pending
    assert twin.recommend() == recommender.recommend()
    assert twin.ask() == recommender.ask()
