"""at2/recommend/acquisition/subset.py: without sources a run looks at as many as its budget could try."""

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest
import torch

from at2.recommend import Budget, Choice, Recommender, SearchState
from at2.recommend.acquisition.subset import RandomSubset
from at2.surrogate import Belief
from tests.recommend.acquisition.test_pilot import make_state


@dataclass
class Length:
    """A belief of which nothing but the length of a training is asked."""

    n_epoch: int


@dataclass
class Spy:
    """Keeps what could be asked for, and takes the first of it."""

    seen: list[torch.Tensor] = field(default_factory=list)

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        self.seen.append(state.horizon > 0)
        return Choice(int(torch.nonzero(state.horizon > 0)[0, 0]), 1.0, 1)


def offered(
    done: list[int], *, left: float, n_epoch: int = 50, failed: tuple[int, ...] = (), seed: int = 0
) -> set[int]:
    spy = Spy()
    state = replace(make_state(done, n_epoch=n_epoch, failed=failed), left=left)
    RandomSubset(spy, least=5, seed=seed).choose(Length(n_epoch), state)  # type: ignore[arg-type]
    return set(torch.nonzero(spy.seen[0])[:, 0].tolist())


def test_as_many_as_the_budget_has_epochs() -> None:
    assert len(offered([0] * 100, left=30.0)) == 30
    assert offered([0] * 20, left=30.0) == set(range(20))
    assert offered([0] * 20, left=float("inf")) == set(range(20))


def test_the_seed_draws_them() -> None:
    assert offered([0] * 100, left=30.0, seed=1) == offered([0] * 100, left=30.0, seed=1)
    assert offered([0] * 100, left=30.0, seed=1) != offered([0] * 100, left=30.0, seed=2)


def test_it_stays_the_same_as_the_run_goes_on() -> None:
    first = offered([0] * 100, left=30.0)
    done = [0] * 100
    for row in sorted(first)[:4]:
        done[row] = 2
    assert offered(done, left=22.0) == first


def test_failed_ones_are_replaced() -> None:
    first = offered([0] * 100, left=30.0)
    lost = min(first)
    done = [int(row == lost) for row in range(100)]
    later = offered(done, left=29.0, failed=(lost,))
    assert first - {lost} < later
    assert len(later) == 30


def test_short_trainings_allow_for_more() -> None:
    assert len(offered([0] * 100, left=10.0, n_epoch=1)) == 80
    assert len(offered([0] * 100, left=10.0, n_epoch=8)) == 10


def test_what_was_started_may_go_on_where_nothing_new_may_start() -> None:
    assert {0, 1} < offered([3, 3] + [0] * 98, left=4.0)
    assert offered([1] * 10 + [0] * 90, left=0.0) == set(range(10))


def test_where_nothing_else_is_left_anything_may_start() -> None:
    spy, state = Spy(), replace(make_state([1] * 3 + [0] * 9), left=0.0)
    busy = replace(state, horizon=state.horizon.index_fill(0, torch.arange(3), 0))
    RandomSubset(spy, least=3).choose(Length(50), busy)  # type: ignore[arg-type]
    assert set(torch.nonzero(spy.seen[0])[:, 0].tolist()) == set(range(3, 12))


@pytest.mark.parametrize("budget", [Budget(epochs=12), Budget(seconds=12.0)])
def test_a_run_keeps_to_it(budget: Budget) -> None:
    configs = [{"lr": 10.0 ** -(1 + row / 100)} for row in range(300)]
    rec = Recommender(target="mine", candidates=configs, n_epoch=20, budget=budget, seed=5)
    tried = set()
    while (query := rec.ask()) is not None:
        tried.add(query.config_id)
        rec.tell(query, 0.5 + 0.01 * query.epoch, seconds=1.0)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(5)).tolist()
    ids = list(rec.problem.config_ids)
    assert tried <= {ids[row] for row in order[:100]}
    assert len(tried) > 1


def test_a_small_budget_has_a_hundred_to_choose_from() -> None:
    spy = Spy()
    RandomSubset(spy).choose(Length(50), replace(make_state([0] * 300), left=30.0))  # type: ignore[arg-type]
    assert int(spy.seen[0].sum()) == 100


def test_an_empty_subset_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one configuration, got least=0"):
        RandomSubset(Spy(), least=0)


@pytest.mark.parametrize("goal", ["recommend", "train"])
def test_what_epochs_may_gain_is_judged_within_it(goal: Literal["recommend", "train"]) -> None:
    configs = [{"lr": 10.0 ** -(1 + row / 100)} for row in range(300)]
    rec = Recommender(
        target="mine", candidates=configs, n_epoch=20, budget=Budget(epochs=40), seed=5, goal=goal, utility=1e-9
    )
    expected = []
    while (query := rec.ask()) is not None:
        expected.append(query.expected_gain)
        rec.tell(query, 0.9 - 0.1 * abs(math.log10(query.config["lr"]) + 3) - 0.3 / query.epoch)
    assert len(expected) == 40
    assert None not in expected[16:]  # once the pilot is over, the rule that is asked is the one that judges


def test_what_somebody_kept_is_in_it() -> None:
    spy = Spy()
    rule = RandomSubset(spy, least=5, begin_with=(40, 3, 17))
    state = replace(make_state([0] * 50, n_epoch=50), left=5.0)
    rule.choose(Length(50), state)  # type: ignore[arg-type]
    kept = set(torch.nonzero(spy.seen[0])[:, 0].tolist())
    assert len(kept) == 5
    assert {40, 3, 17} <= kept
