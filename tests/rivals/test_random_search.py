import math

import pandas as pd
import pytest

from at2.errors import BudgetError, TellError
from at2.recommend import Budget, Tuner
from at2.rivals.random_search import RandomSearch
from at2.tables import LearningCurveTable


@pytest.fixture
def table() -> LearningCurveTable:
    rows = [("a", config, epoch, float(config)) for config in range(4) for epoch in (1, 2)]
    frame = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    return LearningCurveTable.from_frame(
        frame, pd.DataFrame({"lr": [1.0, 2.0, 3.0, 4.0]}), metric="loss", maximize=False
    )


def test_each_configuration_is_trained_to_its_end_in_a_seeded_order(table: LearningCurveTable) -> None:
    orders = []
    for _ in range(2):
        tuner = RandomSearch(table, budget=Budget(epochs=100), seed=3)
        seen = []
        while (query := tuner.ask()) is not None:
            seen.append((query.config_id, query.epoch, query.number))
            tuner.tell(query, 1.0)
        orders.append(seen)
    assert orders[0] == orders[1]
    assert [epoch for _, epoch, _ in seen] == [1, 2] * 4
    assert sorted({config for config, _, _ in seen}) == [0, 1, 2, 3]
    assert [number for *_, number in seen] == list(range(8))


def test_it_recommends_the_best_value_seen_and_stops_at_its_budget(table: LearningCurveTable) -> None:
    tuner = RandomSearch(table, budget=Budget(epochs=5), seed=0)
    assert isinstance(tuner, Tuner)
    first = tuner.recommend()
    assert math.isnan(first.mean)
    queries = []
    for loss in (3.0, 2.0, 1.0, 4.0, 5.0):
        query = tuner.ask()
        assert query is not None
        queries.append(query)
        tuner.tell(query, loss)
    assert tuner.ask() is None
    best = tuner.recommend()
    assert first.config_id == queries[0].config_id
    assert (best.config_id, best.mean, best.epoch) == (queries[2].config_id, 1.0, 1)
    assert (best.n_epochs_seen, best.n_epochs_spent) == (2, 5)


def test_a_failed_training_is_left_for_the_next(table: LearningCurveTable) -> None:
    tuner = RandomSearch(table, budget=Budget(epochs=3), seed=0)
    first = tuner.ask()
    assert first is not None
    tuner.tell(first, failed=True)
    second = tuner.ask()
    assert second is not None
    assert second.config_id != first.config_id
    assert second.epoch == 1


def test_what_may_not_be_told(table: LearningCurveTable) -> None:
    tuner = RandomSearch(table, budget=Budget(epochs=3))
    query = tuner.ask()
    assert query is not None
    with pytest.raises(TellError, match="query 0 was not told yet"):
        tuner.ask()
    for value in (None, math.nan, math.inf):
        with pytest.raises(TellError, match="needs a finite value"):
            tuner.tell(query, value)
    tuner.tell(query, 1.0)
    with pytest.raises(TellError, match="query 0 is not open"):
        tuner.tell(query, 1.0)


def test_a_budget_in_seconds_is_refused(table: LearningCurveTable) -> None:
    with pytest.raises(BudgetError, match="counts epochs"):
        RandomSearch(table, budget=Budget(seconds=10))
