"""at2/recommend/acquisition/finish.py: what a budget reaches, and the best trained model at its end."""

from typing import cast

import numpy as np
import pandas as pd
import pytest
import torch

from at2.recommend import Budget, Query, Recommender, SearchState
from at2.recommend.acquisition.finish import FinishIncumbent, best_within, within_budget
from at2.recommend.acquisition.knowledge_gradient import ExpectedBest
from at2.surrogate import Belief, IdentityWarp
from at2.tables import LearningCurveTable, Metric

READINGS = torch.tensor([[0.1, 0.5, 0.6], [0.4, 0.45, 0.9]], dtype=torch.float64)
ROWS = torch.arange(2)


class Expected:
    """A belief that expects these readings and is sure of them."""

    def __init__(self, readings: torch.Tensor) -> None:
        self.readings, self.n_epoch = readings, readings.shape[1]

    warp = IdentityWarp()

    def best_by(self, configs: torch.Tensor, epochs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        reached = self.readings[configs, epochs]
        return reached, torch.zeros_like(reached)


def within(state: SearchState, left: float, *, rows: torch.Tensor = ROWS) -> tuple[float, int, int]:
    return best_within(cast(Belief, Expected(READINGS)), rows, within_budget(state, left))


def state(*, done: list[int], best_seen: float = 0.0, entry: float = 0.0, left: float = 9.0) -> SearchState:
    ones = torch.ones(2, dtype=torch.float64)
    horizon = 3 - torch.tensor(done)
    return SearchState(torch.tensor(done), horizon, ones > 0, ones, entry * ones, best_seen, left)


@pytest.mark.parametrize(
    ("left", "expected"), [(9.0, (0.9, 1, 3)), (3.0, (0.9, 1, 3)), (2.0, (0.5, 0, 2)), (1.0, (0.4, 1, 1))]
)
def test_the_best_reading_is_sought_within_the_budget(left: float, expected: tuple[float, int, int]) -> None:
    assert within(state(done=[0, 0]), left) == pytest.approx(expected)


def test_nothing_is_reached_without_budget_or_above_what_was_seen() -> None:
    assert within(state(done=[0, 0]), 0.5) == (0.0, -1, 0)
    assert within(state(done=[0, 0], best_seen=0.95), 9.0) == (0.95, -1, 0)
    assert within(state(done=[3, 3]), 9.0) == (0.0, -1, 0)


def test_entering_is_paid_first_and_done_epochs_do_not_count() -> None:
    assert within(state(done=[0, 0], entry=1.0), 3.0) == pytest.approx((0.5, 0, 2))
    assert within(state(done=[0, 2]), 1.0) == pytest.approx((0.9, 1, 1))


def test_only_some_rows_are_looked_at_and_their_numbers_stay() -> None:
    assert within(state(done=[0, 0]), 9.0, rows=torch.tensor([0])) == pytest.approx((0.6, 0, 3))
    assert within(state(done=[0, 0]), 2.0, rows=torch.tensor([1])) == pytest.approx((0.45, 1, 2))
    assert within(state(done=[0, 0]), 9.0, rows=ROWS[:0]) == (0.0, -1, 0)


def test_the_end_of_a_long_curve_is_within_reach() -> None:
    rising = torch.linspace(0.0, 1.0, 1000, dtype=torch.float64)[None]
    one = torch.ones(1, dtype=torch.float64)
    here = SearchState(torch.zeros(1, dtype=torch.long), torch.tensor([1000]), one > 0, one, 0 * one, 0.0, 5000.0)
    belief = cast(Belief, Expected(rising))
    assert best_within(belief, ROWS[:1], here) == pytest.approx((1.0, 0, 1000))
    assert best_within(belief, ROWS[:1], within_budget(here, 700.0)) == pytest.approx((699 / 999, 0, 700))


def test_of_many_new_configurations_only_promising_ones_are_weighed_and_all_that_were_tried() -> None:
    table, _ = make_tasks(0, n_config=30)
    recommender = Recommender(table, target="v", budget=Budget(epochs=16), goal="train")
    belief, worst = recommender.belief, int(recommender.belief.values().mean.argmin())
    belief.observe(worst, 0, 0.1)
    done = torch.zeros(30, dtype=torch.long)
    done[worst] = 1
    ones = torch.ones(30, dtype=torch.float64)
    rows = FinishIncumbent(n_new=4)._weighed(belief, SearchState(done, 12 - done, ones > 0, ones, 0 * ones, 0.1, 15.0))
    assert len(rows) == 5
    assert worst in rows.tolist()
    assert int(belief.values().mean.argmax()) in rows.tolist()
    assert rows.tolist() == sorted(rows.tolist())


def make_tasks(seed: int, *, n_config: int = 10, n_epoch: int = 12) -> tuple[LearningCurveTable, np.ndarray]:
    """Four tasks whose configurations learn at different rates to different heights; the last is the target."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(n_config, 2))
    values = np.empty((4, 1, n_config, n_epoch))
    for task in range(4):
        height = 0.9 - 0.8 * np.square(x - 0.5 - 0.12 * rng.standard_normal(2)).sum(1)
        height = height + 0.02 * rng.standard_normal(n_config)
        shape = 1 - 0.7 * np.exp(-(0.1 + 0.4 * x[:, :1]) * np.arange(1, n_epoch + 1))
        values[task, 0] = height[:, None] * shape + 0.003 * rng.standard_normal((n_config, n_epoch))
    configs = pd.DataFrame({"a": x[:, 0], "b": x[:, 1]}, index=range(n_config))
    metrics = [Metric("acc", maximize=True)]
    table = LearningCurveTable({"acc": values}, tasks=list("stuv"), configs=configs, metrics=metrics, name="made")
    return table, values[-1, 0]


def best_seen(goal: str, seed: int) -> float:
    """Best reading at the end, as a share of the way from the worst configuration to the best."""
    table, truth = make_tasks(seed)
    recommender = Recommender(table, target="v", budget=Budget(epochs=16), goal=goal)
    while (query := recommender.ask()) is not None:
        recommender.tell(query, float(truth[int(query.config_id), query.epoch - 1]))
    shown = max(told.value for told in recommender.told if told.value is not None)
    return (shown - truth.max(1).min()) / (truth.max() - truth.max(1).min())


def test_training_ends_with_a_better_model_than_recommending() -> None:
    seeds = range(3)
    trained = np.mean([best_seen("train", seed) for seed in seeds])
    assert trained >= np.mean([best_seen("recommend", seed) for seed in seeds])
    assert trained > 0.85


def test_the_answer_was_trained_to_its_end_and_is_not_the_only_one_tried() -> None:
    table, truth = make_tasks(0)
    recommender = Recommender(table, target="v", budget=Budget(epochs=20), goal="train")
    asked: list[Query] = []
    while (query := recommender.ask()) is not None:
        asked.append(query)
        recommender.tell(query, float(truth[int(query.config_id), query.epoch - 1]))
    assert recommender.recommend().n_epochs_seen >= 10
    assert len({query.config_id for query in asked}) > 1


def test_a_price_makes_it_improve_step_by_step() -> None:
    table, _ = make_tasks(0)
    plain = Recommender(table, target="v", budget=Budget(epochs=20), goal="train")
    priced = Recommender(table, target="v", budget=Budget(epochs=20), goal="train", utility=0.001)
    assert isinstance(plain._acquisition, FinishIncumbent)
    assert isinstance(priced._acquisition, ExpectedBest)
