"""The order in which configurations are trained, halved and promoted."""

from itertools import groupby

import numpy as np
import pytest

from at2.errors import BudgetError
from at2.recommend import Budget, Problem
from at2.rivals.asha import ASHA
from at2.rivals.halving import SuccessiveHalving, bracket_cost, bracket_size
from at2.rivals.hyperband import Hyperband
from at2.rivals.multi_stage import MultiStageGrid
from at2.rivals.population import PopulationBasedTraining
from at2.rivals.portfolio import GreedyPortfolio, greedy_order
from at2.rivals.rungs import rungs
from at2.rivals.schedule import ScheduledTuner
from at2.rivals.shortlist import Shortlist


def play(tuner: ScheduledTuner, *, failing: frozenset[object] = frozenset()) -> list[tuple[object, int]]:
    """Runs of epochs of one configuration: its id and how many; the value is the id, so that the largest is best."""
    asked = []
    while (query := tuner.ask()) is not None:
        asked.append(query.config_id)
        if query.config_id in failing:
            tuner.tell(query, failed=True)
        else:
            tuner.tell(query, float(query.config_id) + 0.01 * query.epoch)
    return [(config, len(list(run))) for config, run in groupby(asked)]


def test_a_shortlist_is_halved_and_its_last_one_finished(problem: Problem) -> None:
    tuner = Shortlist(problem, budget=Budget(epochs=99), n_config=5, n_epoch_each=1)
    assert play(tuner) == [(8, 1), (7, 1), (6, 1), (5, 1), (4, 1), (8, 1), (7, 1), (8, 3)]
    assert tuner.recommend().config_id == 8


def test_a_shortlist_goes_on_without_those_that_failed(problem: Problem) -> None:
    tuner = Shortlist(problem, budget=Budget(epochs=99), n_config=4, n_epoch_each=2)
    assert play(tuner, failing=frozenset({8, 6})) == [(8, 1), (7, 2), (6, 1), (5, 2), (7, 3)]
    assert tuner.recommend().config_id == 7


def test_a_shortlist_that_fails_altogether_falls_back_on_the_ranking(problem: Problem) -> None:
    tuner = Shortlist(problem, budget=Budget(epochs=99), n_config=2, n_epoch_each=2)
    assert play(tuner, failing=frozenset({8, 7})) == [(8, 1), (7, 1)]
    assert tuner.recommend().config_id == 6


def test_the_sizes_of_brackets() -> None:
    assert rungs(52, 3) == [2, 6, 17, 52]
    assert rungs(1, 3) == [1]
    assert bracket_cost(9, [1, 3, 9], eta=3) == 9 + 3 * 2 + 6
    assert bracket_size(21, [1, 3, 9], eta=3) == 9
    assert bracket_size(5, [1, 3, 9], eta=3) == 0


def test_successive_halving_starts_with_as_many_as_the_budget_pays_for(problem: Problem) -> None:
    # levels 2 and 5: five cost 10 + 3; what is left starts a new bracket
    tuner = SuccessiveHalving(problem, budget=Budget(epochs=15), warm=True)
    assert play(tuner) == [(8, 2), (7, 2), (6, 2), (5, 2), (4, 2), (8, 3), (3, 2)]


def test_hyperband_goes_from_short_trainings_to_long_ones(problem: Problem) -> None:
    runs = play(Hyperband(problem, budget=Budget(epochs=99), warm=True))
    assert runs == [(8, 2), (7, 2), (6, 2), (8, 3), (5, 5), (4, 5), (3, 2), (2, 2), (1, 2), (3, 3), (0, 5)]


def test_asha_promotes_as_soon_as_it_can(problem: Problem) -> None:
    tuner = ASHA(problem, budget=Budget(epochs=18), warm=True)
    assert play(tuner) == [(8, 2), (7, 2), (6, 2), (8, 3), (5, 2), (4, 2), (3, 2), (7, 3)]


def test_the_portfolio_covers_sources_before_it_repeats_itself(problem: Problem) -> None:
    regret = np.array([[0.0, 0.1, 0.9, np.nan], [0.9, 0.8, 0.0, 0.5]])
    assert greedy_order(regret, [1, 0, 2, 3]) == [1, 2, 0, 3]
    tuner = GreedyPortfolio(problem, budget=Budget(epochs=7))
    assert play(tuner) == [(8, 5), (7, 2)]


def test_the_grid_gets_finer_around_the_best(problem: Problem) -> None:
    tuner = MultiStageGrid(problem, budget=Budget(epochs=30), n_config=4)
    runs = play(tuner)
    assert [length for _, length in runs[:4]] == [2] * 4
    assert len({config for config, _ in runs}) > 4
    assert sum(length for _, length in runs) <= 30


def test_newcomers_of_a_population_start_at_their_first_epoch(problem: Problem) -> None:
    tuner = PopulationBasedTraining(problem, budget=Budget(epochs=25), n_member=4, seed=1)
    runs = play(tuner)
    assert [length for _, length in runs[:4]] == [1] * 4
    assert len({config for config, _ in runs}) > 4


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: Shortlist(p, budget=Budget(epochs=1), n_config=0), "0 x 4 given"),
        (lambda p: SuccessiveHalving(p, budget=Budget(epochs=1), eta=1), "at least 2; 1 given"),
        (lambda p: ASHA(p, budget=Budget(epochs=1), eta=1), "at least 2; 1 given"),
        (lambda p: MultiStageGrid(p, budget=Budget(epochs=1), n_stage=0), "needs stages"),
        (lambda p: PopulationBasedTraining(p, budget=Budget(epochs=1), n_member=1), "two members"),
    ],
)
def test_shapes_that_cannot_be(problem: Problem, make: object, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        make(problem)  # type: ignore[operator]
