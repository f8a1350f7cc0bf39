"""at2/recommend/acquisition/promotion.py: no configuration goes far ahead of all others."""

from dataclasses import dataclass, replace

import pandas as pd
import pytest
import torch

from at2.recommend import Budget, Recommender
from at2.recommend.acquisition.promotion import Promotion
from at2.tables import LearningCurveTable
from tests.recommend.acquisition.test_pilot import First, make_state
from tests.recommend.acquisition.test_subset import Spy
from tests.recommend.conftest import N_CONFIG, N_EPOCH, TASKS, curves_of, make_table


@dataclass
class Doubtful:
    """A belief of which nothing but its doubt is asked."""

    doubt: float = 1.0


def offered(
    done: list[int], *, failed: tuple[int, ...] = (), n_config: int = 3, share: float = 0.5, doubt: float = 1.0
) -> set[int]:
    spy = Spy()
    state = make_state(done, n_epoch=20, failed=failed)
    Promotion(spy, n_config=n_config, share=share).choose(Doubtful(doubt), state)  # type: ignore[arg-type]
    return set(torch.nonzero(spy.seen[0])[:, 0].tolist())


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        ([7, 4, 4, 0], {0, 1, 2, 3}),  # the eighth epoch: three have read half of eight
        ([8, 4, 4, 0], {1, 2, 3}),  # the ninth: none but itself has read five
        ([8, 5, 4, 0], {1, 2, 3}),
        ([8, 5, 5, 0], {0, 1, 2, 3}),
        ([9, 9, 3, 0], {2, 3}),
        ([0, 0, 0, 0], {0, 1, 2, 3}),
        ([1, 0, 0, 0], {0, 1, 2, 3}),  # a second reading needs no company
        ([2, 0, 0, 0], {1, 2, 3}),
    ],
)
def test_two_others_have_come_half_as_far(done: list[int], expected: set[int]) -> None:
    assert offered(done) == expected


def test_share_and_number_are_arguments() -> None:
    assert offered([8, 3, 3, 0], share=1 / 3) == {0, 1, 2, 3}
    assert offered([8, 5, 0, 0], n_config=2) == {0, 1, 2, 3}
    assert offered([8, 0, 0, 0], n_config=1) == {0, 1, 2, 3}


def test_what_sources_say_takes_from_it() -> None:
    assert offered([8, 0, 0, 0], doubt=0.0) == {0, 1, 2, 3}
    assert offered([8, 2, 2, 0], doubt=0.4) == {0, 1, 2, 3}  # a fifth of nine
    assert offered([8, 2, 2, 0], doubt=0.5) == {1, 2, 3}


@pytest.mark.parametrize(
    ("sources", "turned", "expected"),
    [
        ([], False, 1.0),
        (["ants"], False, 0.0),  # nothing speaks against a single one
        (["ants", "bees", "cats"], False, 0.0),
        (["ants", "bees"], True, 1.0),
    ],
)
def test_sources_that_do_not_agree_leave_doubt(sources: list[str], turned: bool, expected: float) -> None:
    curves = [curves_of(task) for task in range(4)]
    curves[1] = -curves[1] if turned else curves[1]
    table = LearningCurveTable.from_frame(
        pd.DataFrame(
            [
                (task, config, epoch + 1, curves[number][config, epoch])
                for number, task in enumerate(TASKS)
                for config in range(N_CONFIG)
                for epoch in range(N_EPOCH)
            ],
            columns=["task", "config_id", "epoch", "value"],
        ),
        pd.DataFrame({"config_id": range(N_CONFIG), "lr": [10.0**-config for config in range(N_CONFIG)]}),
        metric="score",
        maximize=True,
    )
    rec = Recommender(table, target="dogs", sources=sources, budget=Budget(epochs=30))
    assert rec.belief.doubt == expected


def test_the_kronecker_process_has_no_doubt_but_without_sources() -> None:
    runs = [
        Recommender(make_table(), target="dogs", sources=sources, budget=Budget(epochs=30), surrogate="kronecker")
        for sources in ([], ["ants", "bees"])
    ]
    assert [rec.belief.doubt for rec in runs] == [1.0, 0.0]


def test_what_has_failed_is_no_company() -> None:
    assert offered([8, 5, 5, 0], failed=(2,)) == {3}
    assert offered([8, 5, 5, 5], failed=(2,)) == {0, 1, 3}


def test_few_candidates_are_company_for_each_other() -> None:
    assert offered([9, 5]) == {0, 1}
    assert offered([10, 5]) == {1}
    assert offered([10]) == {0}


def test_where_nothing_else_may_be_asked_the_rule_is_free() -> None:
    spy = Spy()
    state = make_state([8, 2, 2], n_epoch=20)
    busy = replace(state, horizon=torch.tensor([12, 0, 0]))  # the others are being trained
    assert Promotion(spy).choose(Doubtful(), busy).config == 0  # type: ignore[arg-type]


def test_a_run_without_sources_keeps_to_it() -> None:
    rec = Recommender(make_table(), target="dogs", sources=[], budget=Budget(epochs=30))
    done: dict[object, int] = {}
    while (query := rec.ask()) is not None:
        done[query.config_id] = query.epoch
        assert 2 * sorted(done.values())[-3:][0] >= query.epoch or query.epoch <= 2
        rec.tell(query, 0.1 * query.epoch)
    assert len(done) > 2


@pytest.mark.parametrize(("n_config", "share"), [(0, 0.5), (3, 0.0), (3, 1.5)])
def test_numbers_out_of_range_are_refused(n_config: int, share: float) -> None:
    with pytest.raises(ValueError, match="at least one configuration and a share in"):
        Promotion(First(), n_config=n_config, share=share)
