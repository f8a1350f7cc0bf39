"""at2/recommend/acquisition/pilot.py: how a run without any source starts."""

from dataclasses import replace

import pytest
import torch

from at2.recommend import Acquisition, Budget, Choice, Recommender, SearchState
from at2.recommend.acquisition.pilot import Pilot
from at2.surrogate import Belief, WeightedSources
from tests.recommend.conftest import make_table


class First:
    """Takes the first row that may be asked for."""

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        return Choice(int(torch.nonzero(state.horizon > 0)[0, 0]), 1.0, 1)


def make_state(done: list[int], *, n_epoch: int = 4, failed: tuple[int, ...] = ()) -> SearchState:
    counts, ones = torch.tensor(done), torch.ones(len(done), dtype=torch.float64)
    eligible = torch.tensor([row not in failed for row in range(len(done))])
    return SearchState(counts, torch.where(eligible, n_epoch - counts, 0), eligible, ones, 0 * ones, 0.0)


@pytest.mark.parametrize(
    ("done", "failed", "expected"),
    [
        ([0, 1, 0, 0], (), 1),  # its second reading comes next
        ([0, 2, 0, 0], (), 0),  # then another one starts
        ([0, 2, 1, 0], (), 2),
        ([3, 0, 2, 0], (), 0),  # two of two are through: the rule is free
        ([1, 2, 2, 0], (), 0),  # a third was started: likewise
        ([1, 0, 2, 0], (0,), 1),  # what has failed says nothing
    ],
)
def test_two_configurations_are_read_twice(done: list[int], failed: tuple[int, ...], expected: int) -> None:
    rule = Pilot(First(), n_config=2)
    assert rule.choose(None, make_state(done, failed=failed)).config == expected  # type: ignore[arg-type]


def test_the_first_is_drawn_by_the_seed() -> None:
    state = make_state([0] * 20, failed=(3,))
    rules = [Pilot(First(), seed=seed) for seed in range(40)]
    picked = [rule.choose(None, state).config for rule in rules]  # type: ignore[arg-type]
    assert picked == [rule.choose(None, state).config for rule in rules]  # type: ignore[arg-type]
    assert len(set(picked)) > 10
    assert 3 not in picked


def test_short_curves_and_workers_do_not_block_it() -> None:
    rule, belief = Pilot(First(), n_config=2), WeightedSources()
    assert rule.choose(belief, make_state([1, 0, 0], n_epoch=1)).config == 1  # type: ignore[arg-type]
    assert rule.choose(belief, make_state([1, 1, 0], n_epoch=1)).config == 2  # type: ignore[arg-type]
    busy = make_state([1, 0, 0])
    busy = replace(busy, horizon=torch.tensor([0, 4, 4]))  # its first epoch is still out
    assert rule.choose(belief, busy).config == 1  # type: ignore[arg-type]
    assert rule.choose(belief, replace(busy, horizon=torch.tensor([3, 0, 0]))).config == 0  # type: ignore[arg-type]


def play(rec: Recommender, n: int) -> list[tuple[object, int]]:
    asked = []
    for _ in range(n):
        query = rec.ask()
        assert query is not None
        asked.append((query.config_id, query.epoch))
        rec.tell(query, 0.5 + 0.01 * (hash((query.config_id, query.epoch)) % 7))
    return asked


def test_a_run_without_sources_starts_with_it() -> None:
    rec = Recommender(make_table(), target="dogs", sources=[], budget=Budget(epochs=30))
    asked = play(rec, 16)
    assert [epoch for _, epoch in asked] == [1, 2] * 8
    assert [config for config, _ in asked[::2]] == [config for config, _ in asked[1::2]]
    assert len({config for config, _ in asked}) == 8


def test_it_is_left_out_with_a_rule_of_ones_own() -> None:
    own: Acquisition = First()
    rec = Recommender(make_table(), target="dogs", sources=[], budget=Budget(epochs=30), acquisition=own)
    assert play(rec, 4) == [(100, 1), (100, 2), (100, 3), (100, 4)]


def test_choices_in_line_are_different_ones() -> None:
    rec = Recommender(make_table(), target="dogs", sources=[], budget=Budget(epochs=30))
    play(rec, 1)
    choices = rec.ranked_choices(4)
    assert len({choice.config for choice in choices}) == 4


@pytest.mark.parametrize(("n_config", "n_epoch"), [(0, 2), (8, 0)])
def test_an_empty_pilot_is_refused(n_config: int, n_epoch: int) -> None:
    with pytest.raises(ValueError, match="at least one configuration and epoch"):
        Pilot(First(), n_config=n_config, n_epoch=n_epoch)


def test_what_may_be_asked_for_is_narrowed_but_not_to_nothing() -> None:
    state = make_state([0, 1, 4, 2])  # the third is complete
    assert state.only(torch.tensor([False, True, True, False])).horizon.tolist() == [0, 3, 0, 0]
    assert state.only(torch.tensor([False, False, True, False])) is state


def test_configurations_that_somebody_kept_come_first() -> None:
    rule, belief = Pilot(First(), n_config=3, begin_with=(4, 2)), WeightedSources()
    done, started = [0] * 6, []
    for _ in range(6):
        row = rule.choose(belief, make_state(done)).config  # type: ignore[arg-type]
        done[row] += 1
        started.append(row)
    assert sorted(started[:4]) == [2, 2, 4, 4]
    assert started[4:] == [0, 0]
    assert rule.choose(belief, make_state([0] * 6, failed=(2, 4))).config in (0, 1, 3, 5)  # type: ignore[arg-type]
