import math

import pytest

from at2.errors import At2Error, TableError, TellError
from at2.recommend import Budget, Problem, Query, build_problem
from at2.rivals.random_search import RandomSearch
from at2.rivals.registry import build_rival, cheap_names, is_rival, make_rival
from at2.rivals.schedule import Schedule, ScheduledTuner
from at2.tables import LearningCurveTable
from tests.rivals.conftest import make_table


def _ask(tuner: ScheduledTuner) -> Query:
    query = tuner.ask()
    assert query is not None
    return query


def test_what_may_not_be_told(problem: Problem) -> None:
    tuner = RandomSearch(problem, budget=Budget(epochs=3))
    query = _ask(tuner)
    with pytest.raises(TellError, match="query 0 was not told yet"):
        tuner.ask()
    for value in (None, math.nan, math.inf):
        with pytest.raises(TellError, match="needs a finite value"):
            tuner.tell(query, value)
    tuner.tell(query, 1.0)
    with pytest.raises(TellError, match="query 0 is not open"):
        tuner.tell(query, 1.0)


def test_a_budget_in_seconds_is_kept(problem: Problem) -> None:
    tuner = RandomSearch(problem, budget=Budget(seconds=10))
    n = 0
    while (query := tuner.ask()) is not None:
        if n == 0:
            with pytest.raises(TellError, match="pass seconds="):
                tuner.tell(query, 1.0)
        tuner.tell(query, 1.0, seconds=3.0)
        n += 1
    assert n == 3  # a fourth epoch would end after 12 seconds


@pytest.mark.parametrize("name", [name for name in cheap_names() if name not in ("average-rank", "average-regret")])
def test_every_rival_knows_budgets_in_seconds_and_lower_is_better(name: str) -> None:
    problem = build_problem(make_table(maximize=False), target="target")
    tuner = build_rival(name, problem, budget=Budget(seconds=20), seed=0)
    seen: dict[object, float] = {}
    while (query := tuner.ask()) is not None:
        loss = 1.0 - float(query.config["lr"]) - 0.01 * query.epoch
        tuner.tell(query, loss, seconds=1.0)
        seen[query.config_id] = min(loss, seen.get(query.config_id, math.inf))
    assert len(seen) <= 20
    if seen:
        assert tuner.recommend().mean == pytest.approx(min(seen.values()))


def test_only_candidates_are_asked_for_and_recommended(table: LearningCurveTable) -> None:
    for name in cheap_names():
        tuner = make_rival(name, table, target="target", candidates=[1, 4], budget=Budget(epochs=8))
        assert tuner.recommend().config_id in (1, 4)
        while (query := tuner.ask()) is not None:
            assert query.config_id in (1, 4)
            tuner.tell(query, 0.5)


def test_when_everything_failed_there_is_nothing_to_recommend(table: LearningCurveTable) -> None:
    tuner = make_rival("random-search", table, target="target", candidates=[1, 4], budget=Budget(epochs=8))
    while (query := tuner.ask()) is not None:
        tuner.tell(query, failed=True)
    with pytest.raises(TableError, match="every candidate has failed"):
        tuner.recommend()


def test_a_paused_training_is_marked_when_it_is_taken_up_again(problem: Problem) -> None:
    class Turns(ScheduledTuner):
        def schedule(self) -> Schedule:
            yield from (0, 1, 1, 0)

    tuner, resumed = Turns(problem, budget=Budget(epochs=9)), []
    while (query := tuner.ask()) is not None:
        resumed.append(query.resumed)
        tuner.tell(query, 0.1)
    assert resumed == [False, False, False, True]


def test_names() -> None:
    assert is_rival("shortlist-20x3")
    assert not is_rival("shortlist-0x3")
    with pytest.raises(At2Error, match=r"no rival 'ahsa'; the rivals are .*asha"):
        make_rival("ahsa", make_table(), target="target", budget=Budget(epochs=1))


@pytest.mark.parametrize("name", ["mean-final", "greedy-portfolio", "shortlist-8x4", "hyperband-warm"])
def test_what_needs_sources_says_so(name: str) -> None:
    with pytest.raises(At2Error, match="needs at least one source"):
        make_rival(name, target="new", candidates=[{"lr": 0.1}], n_epoch=2, budget=Budget(epochs=1))
