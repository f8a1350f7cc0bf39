"""at2/recommend/stopping.py: probabilities against counting, rules at the door, and runs that stop and say why."""

import math
from pathlib import Path

import pytest
import torch

from at2.errors import StoppingError
from at2.recommend import Budget, Query, Recommender, SearchState
from at2.recommend.acquisition.knowledge_gradient import ExpectedBest, KnowledgeGradient
from at2.recommend.journal.ledger import Told
from at2.recommend.stopping import (
    Gauge,
    StoppingRule,
    draw_values,
    metric_per_latent,
    probability_within,
    share_that_came,
)
from at2.surrogate import Outlook, Prediction
from at2.surrogate.warp import AffineWarp, LogitWarp, Warp
from at2.tables import LearningCurveTable
from tests.recommend.conftest import N_CONFIG, N_EPOCH
from tests.recommend.test_recommender import Measure, Quick, make, play


class Known:
    """A belief whose values have a given mean and covariance, in latent units half as large as the metric's."""

    n_epoch = 4
    warp: Warp = AffineWarp(centre=0.0, unit=2.0)

    def __init__(self, mean: list[float], covariance: torch.Tensor) -> None:
        self.mean, self.covariance = torch.tensor(mean, dtype=torch.float64), covariance.double()

    def values(self) -> Prediction:
        return Prediction(self.mean, self.covariance.diagonal().sqrt())

    def latent_values(self) -> tuple[torch.Tensor, torch.Tensor]:
        return 0.5 * self.mean, 0.25 * self.covariance.diagonal()

    def outlook(self, rows: torch.Tensor, configs: torch.Tensor, epochs: torch.Tensor) -> Outlook:
        moved = self.covariance[rows][:, configs] / self.covariance.diagonal()[configs].sqrt()
        mean, variance = (part[rows] for part in self.latent_values())
        return Outlook(mean, variance, torch.full_like(mean, -torch.inf), 0.5 * moved)


def state_of(n: int) -> SearchState:
    ones = torch.ones(n, dtype=torch.float64)
    return SearchState(torch.zeros(n).long(), torch.full((n,), 4), torch.ones(n) > 0, ones, 0 * ones, 0.0)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.9])
@pytest.mark.parametrize("tolerance", [0.0, 0.3])
def test_two_configurations_are_compared_as_the_normal_distribution_says(correlation: float, tolerance: float) -> None:
    covariance = torch.tensor([[1.0, correlation * 0.5], [correlation * 0.5, 0.25]])
    found = probability_within(
        Known([1.0, 0.6], covariance),
        state_of(2),
        config=0,
        seen=torch.full((2,), -torch.inf).double(),
        tolerance=tolerance,
    )
    spread = (1.0 + 0.25 - correlation) ** 0.5
    expected = float(torch.special.ndtr(torch.tensor((0.4 + tolerance) / spread)))
    assert found == pytest.approx(expected, abs=0.02)


def test_what_was_seen_is_certain() -> None:
    belief, never = Known([0.0, 0.0], torch.eye(2)), -torch.inf
    seen = torch.tensor([5.0, never]).double()
    assert probability_within(belief, state_of(2), config=0, seen=seen, tolerance=0.0) == pytest.approx(1.0, abs=0.01)
    assert probability_within(belief, state_of(2), config=1, seen=seen, tolerance=0.1) < 0.01
    trained = probability_within(belief, state_of(2), config=0, seen=seen / 5, tolerance=0.0, trained=True)
    assert trained == pytest.approx(0.84 * 0.84, abs=0.03)


def test_equal_seeds_draw_alike_and_moments_are_kept() -> None:
    covariance = torch.tensor([[4.0, 1.0, 0.0], [1.0, 1.0, 0.2], [0.0, 0.2, 1.0]])
    belief, rows = Known([0.0, 1.0, 2.0], covariance), torch.tensor([2, 0, 1])
    draws = draw_values(belief, rows, n_sample=20_000, seed=3)
    assert torch.equal(draws, draw_values(belief, rows, n_sample=20_000, seed=3))
    torch.testing.assert_close(draws.mean(0), belief.mean[rows], atol=0.05, rtol=0)
    torch.testing.assert_close(draws.T.cov(), covariance[rows][:, rows].double(), atol=0.12, rtol=0)


def test_latent_gains_are_turned_into_the_metric_where_the_best_lies() -> None:
    belief = Known([0.0, 1.0, 3.0], torch.eye(3))  # in the metric, twice as large as in latent units
    assert metric_per_latent(belief, state_of(3)) == pytest.approx(2.0)
    belief.warp = LogitWarp()
    accuracy = 1.0 / (1.0 + math.exp(-1.5))
    assert metric_per_latent(belief, state_of(3)) == pytest.approx(accuracy * (1.0 - accuracy))
    doubtful = Known([0.5, 0.4, 0.3], torch.diag(torch.tensor([25.0, 1e-6, 1e-6])))
    doubtful.warp = LogitWarp()
    assert metric_per_latent(doubtful, state_of(3)) > 0.2  # what is in doubt is worth something, too


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ({"utility": -0.1}, "utility must be a finite number that is not negative, got -0.1"),
        ({"utility": float("nan")}, "utility must be"),
        ({"utility": float("inf")}, "utility must be"),
        ({"utility": "1"}, "utility must be"),
        ({"utility": True}, "utility must be"),
        ({"tolerance": -1}, "tolerance must be"),
        ({"tolerance": 0.1, "confidence": 0.0}, "confidence must lie between 0 and 1"),
        ({"tolerance": 0.1, "confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"tolerance": 0.1, "confidence": float("nan")}, "confidence must lie between 0 and 1"),
        ({"tolerance": 0.1, "confidence": "0.9"}, "confidence must lie between 0 and 1"),
        ({"confidence": 0.9}, "came without tolerance="),
    ],
)
def test_numbers_without_sense_are_refused(table: LearningCurveTable, numbers: dict[str, float], text: str) -> None:
    with pytest.raises(StoppingError, match=text):
        make(table, **numbers)


@pytest.mark.parametrize("goal", ["recommend", "train"])
def test_a_dear_epoch_stops_a_run_earlier_than_a_cheap_one(
    table: LearningCurveTable, measure: Measure, goal: str
) -> None:
    lengths = []
    for utility in (0.0, 0.005, 1e6):
        recommender = make(table, budget=Budget(epochs=40), utility=utility, goal=goal)
        lengths.append(len(play(recommender, measure)))
    assert lengths[0] == 40
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] == 0
    assert recommender.stopped_because.startswith("the next epochs are expected to gain ")
    assert recommender.stopped_because.endswith("of score per epoch, less than the 1e+06 that one epoch is worth")
    assert recommender.ask() is None


def test_close_enough_stops_a_run(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=48), tolerance=0.05, confidence=0.8)
    n_asked = len(play(recommender, measure))
    assert n_asked < 48
    best = recommender.recommend().config_id
    assert recommender.stopped_because.startswith(f"configuration {best} is within 0.05 of")
    assert recommender.stopped_because.endswith("more than 0.8")
    strict = make(table, budget=Budget(epochs=48), tolerance=0.05, confidence=0.99)
    assert len(play(strict, measure)) >= n_asked


def test_the_gain_is_what_the_rule_compares(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=48))
    gains = []
    for _ in range(10):
        gains.append(recommender.expected_gain())
        query = recommender.ask()
        recommender.tell(query, measure(query))
    limit = sorted(gains)[5]
    stopped = make(table, budget=Budget(epochs=48), utility=limit)
    expected = next(k for k, gain in enumerate(gains) if gain < limit)
    assert len(play(stopped, measure)) == expected


def told(*steps: tuple[float | None, float | None]) -> list[Told]:
    """Results of these values, of queries that were expected to gain that much."""
    return [
        Told(Query("a", {}, epoch=k + 1, number=k, expected_gain=gain), value, None)
        for k, (value, gain) in enumerate(steps)
    ]


def test_what_came_of_expectations_is_counted_over_the_later_half() -> None:
    flat = told((0.5, 0.1), (0.9, 0.1), *[(0.9, 0.1)] * 20)
    assert share_that_came(flat, sign=1.0) == pytest.approx(10 / (11 + 10))  # 21 count, the later 11 gained nothing
    assert share_that_came(flat[:1], sign=1.0) == share_that_came([], sign=1.0) == 1.0
    as_expected = told(*((0.1 * k, 0.1) for k in range(20)))
    assert share_that_came(as_expected, sign=1.0) == pytest.approx(1.0)
    assert share_that_came(told(*((0.3 * k, 0.1) for k in range(20))), sign=1.0) == 1.0  # more is no reason to hope
    falling = told(*((1.0 - 0.1 * k, 0.1) for k in range(8)))
    assert share_that_came(falling, sign=-1.0) == pytest.approx(1.0)  # a loss
    assert share_that_came(falling, sign=1.0) == pytest.approx(10 / 14)
    failed = told((0.5, 0.1), (None, 0.1), (None, 0.1), (0.5, None))  # failures count, what was not expected does not
    assert share_that_came(failed, sign=1.0) == pytest.approx(10 / 11)
    assert share_that_came(told((0.5, 0.0), (0.5, 0.0), (0.5, 0.0)), sign=1.0) == 1.0


def test_only_what_shows_is_held_against_expectations() -> None:
    flat = told((0.9, 0.1), *[(0.9, 0.1)] * 20)
    assert Gauge(trained=False, asked=KnowledgeGradient()).share(flat, sign=1.0) == 1.0
    assert Gauge(trained=True, asked=KnowledgeGradient()).share(flat, sign=1.0) == pytest.approx(10 / 20)


def test_a_run_with_a_price_lowers_expectations_that_do_not_come_true(
    table: LearningCurveTable, measure: Measure, tmp_path: Path
) -> None:
    gains = []
    for utility in (0.0, None):  # without a price nothing is expected, so that nothing is lowered
        rules = {"goal": "train", "utility": utility, "acquisition": ExpectedBest(), "budget": Budget(epochs=40)}
        run = make(table, journal=tmp_path / f"{utility}.jsonl", **rules)
        for _ in range(8):
            query = run.ask()
            assert (query.expected_gain is None) == (utility is None)
            run.tell(query, 0.5 + 0.001 * query.epoch)
        gains.append(run.expected_gain())
    assert 0.0 < gains[0] < 0.9 * gains[1]
    again = Recommender.resume(tmp_path / "0.0.jsonl", table, surrogate=Quick(), acquisition=ExpectedBest())
    assert again.expected_gain() == gains[0]
    assert again.told[-1].query.expected_gain > 0.0


def test_a_stop_is_kept_and_final(table: LearningCurveTable, measure: Measure, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    recommender = make(table, budget=Budget(epochs=40), utility=0.004, journal=path)
    play(recommender, measure)
    assert recommender.stopped_because is not None
    again = Recommender.resume(path, table, surrogate=Quick())
    assert again.stopped_because == recommender.stopped_because
    assert again.stopping == StoppingRule(utility=0.004)
    assert again.ask() is None
    assert again.recommend() == recommender.recommend()


def test_a_run_resumed_just_before_its_stop_stops_there(
    table: LearningCurveTable, measure: Measure, tmp_path: Path
) -> None:
    path = tmp_path / "run.jsonl"
    recommender = make(table, budget=Budget(epochs=40), tolerance=0.05, confidence=0.8, journal=path)
    play(recommender, measure)
    lines = path.read_bytes().splitlines(keepends=True)
    assert b'"stop"' in lines[-1]
    path.write_bytes(b"".join(lines[:-1]))
    again = Recommender.resume(path, table, surrogate=Quick())
    assert again.stopped_because is None
    assert again.ask() is None
    assert again.stopped_because == recommender.stopped_because
    assert path.read_bytes() == b"".join(lines)


def test_no_stop_while_a_worker_is_out(table: LearningCurveTable, measure: Measure) -> None:
    recommender = make(table, budget=Budget(epochs=40), utility=0.0)
    query = recommender.ask()
    recommender.stopping = StoppingRule(utility=1e6)
    assert recommender.ask() is None
    assert recommender.stopped_because is None
    recommender.tell(query, measure(query))
    assert recommender.ask() is None
    assert "1e+06" in recommender.stopped_because


def test_every_end_has_its_reason(table: LearningCurveTable, measure: Measure) -> None:
    spent = make(table, budget=Budget(epochs=3))
    assert spent.stopped_because is None
    play(spent, measure)
    assert spent.stopped_because == "the budget is spent: 3 of 3 epochs, no further epoch fits"
    complete = make(table, budget=Budget(epochs=1000), candidates=[100, 101])
    play(complete, measure)
    assert complete.stopped_because == "every curve is complete"
    failed = make(table, budget=Budget(epochs=1000))
    while (query := failed.ask()) is not None:
        failed.tell(query, failed=True)
    assert failed.stopped_because == "every candidate has failed"
    waiting = make(table, budget=Budget(epochs=1))
    waiting.ask()
    assert waiting.ask() is None
    assert waiting.stopped_because is None


def test_without_a_rule_everything_is_spent(table: LearningCurveTable, measure: Measure) -> None:
    assert len(play(make(table, budget=Budget(epochs=1000)), measure)) == N_CONFIG * N_EPOCH
