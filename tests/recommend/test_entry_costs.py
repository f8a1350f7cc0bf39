"""Budgets with one-off costs: starting, resuming, and who has which training in hand."""

import itertools

import pytest
import torch

from at2.errors import BudgetError
from at2.recommend import Budget, Recommender
from at2.tables import LearningCurveTable
from tests.recommend.conftest import N_CONFIG, make_table
from tests.recommend.journal.test_lines import resume
from tests.recommend.test_recommender import Measure, make, play


@pytest.mark.parametrize("name", ["start_cost", "resume_cost"])
@pytest.mark.parametrize("cost", [-1, float("nan"), float("inf"), "1", True, None])
def test_a_one_off_cost_is_a_number_from_zero(name: str, cost: object) -> None:
    with pytest.raises(BudgetError, match=f"{name} must be a finite number that is not negative"):
        Budget(epochs=10, **{name: cost})


def test_a_budget_that_pays_for_no_epoch_is_refused() -> None:
    with pytest.raises(BudgetError, match="leaves nothing of 10 epochs for a first epoch"):
        Budget(epochs=10, start_cost=9.5)
    with pytest.raises(BudgetError, match="leaves nothing of 10 seconds"):
        Budget(seconds=10.0, start_cost=11.0)
    assert Budget(epochs=10, start_cost=9).amount == 10


def test_state_says_what_entering_costs(table: LearningCurveTable) -> None:
    recommender = make(table, budget=Budget(epochs=40, start_cost=2.0, resume_cost=0.5))
    first = recommender.ask()
    row = recommender.problem.rows[first.config_id]
    assert recommender.state().entry_cost[row] == 0.5  # still out: nobody idle has it in hand
    recommender.tell(first, 0.5)
    state = recommender.state()
    assert state.entry_cost[row] == 0.0
    assert state.entry_cost.sum() == 2.0 * (N_CONFIG - 1)
    assert recommender.spent == 3.0
    assert float(state.price(torch.tensor([row]), torch.tensor([3]))) == 3.0
    other = (row + 1) % N_CONFIG
    assert float(state.price(torch.tensor([other]), torch.tensor([3]))) == 5.0
    assert state.horizon.max() <= 37


@pytest.mark.parametrize(
    "budget", [Budget(epochs=20, start_cost=1.5, resume_cost=0.25), Budget(epochs=7, start_cost=6)]
)
def test_entering_is_paid_from_the_budget(table: LearningCurveTable, measure: Measure, budget: Budget) -> None:
    recommender = make(table, budget=budget)
    asked = []
    while (query := recommender.ask()) is not None:
        asked.append(query)
        recommender.tell(query, measure(query))
    started = sum(query.epoch == 1 for query in asked)
    resumed = sum(query.resumed for query in asked)
    spent = len(asked) + started * budget.start_cost + resumed * budget.resume_cost
    assert recommender.spent == pytest.approx(spent)
    assert spent <= budget.epochs
    assert "the budget is spent" in recommender.stopped_because


def test_dear_starts_make_fewer_of_them(table: LearningCurveTable, measure: Measure) -> None:
    def n_started(start_cost: float) -> int:
        asked = play(make(table, budget=Budget(epochs=24, start_cost=start_cost)), measure)
        return sum(epoch == 1 for _, epoch in asked)

    assert n_started(8.0) < n_started(0.0)


def test_seconds_of_entering_count_beside_those_told(measure: Measure) -> None:
    table = make_table(seconds=True)
    recommender = make(table, budget=Budget(seconds=40.0, start_cost=5.0, resume_cost=2.0))
    total = 0.0
    while (query := recommender.ask()) is not None:
        total += (5.0 if query.epoch == 1 else 2.0 if query.resumed else 0.0) + 1.0
        recommender.tell(query, measure(query), seconds=1.0)
        assert recommender.spent == pytest.approx(total)
    assert 20.0 < total <= 40.0


def test_a_worker_that_goes_on_resumes_nothing(table: LearningCurveTable, measure: Measure) -> None:
    """Two workers, told and asked in turn: each may go on with what it has in hand."""
    recommender = make(table, candidates=[100, 101], budget=Budget(epochs=12, resume_cost=0.1))
    first, second = recommender.ask(), recommender.ask()
    for _ in range(4):
        recommender.tell(first, measure(first))
        first = recommender.ask()
        recommender.tell(second, measure(second))
        second = recommender.ask()
        assert not first.resumed
        assert not second.resumed


def test_what_a_worker_let_go_of_is_resumed(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=40))
    in_hand, started = None, set()
    for _ in itertools.repeat(None):
        query = recommender.ask()
        if query is None:
            break
        assert query.resumed == (query.config_id in started and query.config_id != in_hand)
        in_hand = query.config_id
        started.add(in_hand)
        recommender.tell(query, measure(query))


def test_costs_of_entering_come_back_from_the_journal(table: LearningCurveTable, measure: Measure, tmp_path) -> None:
    budget = Budget(epochs=20, start_cost=1.5, resume_cost=0.25)
    whole = make(table, budget=budget)
    expected = play(whole, measure)
    broken = make(table, budget=budget, journal=tmp_path / "run.jsonl")
    for _ in range(4):
        query = broken.ask()
        broken.tell(query, measure(query))
    again: Recommender = resume(tmp_path / "run.jsonl", table)
    assert again.budget == budget
    assert again.spent == broken.spent
    assert expected[:4] + play(again, measure) == expected
    assert again.spent == whole.spent
