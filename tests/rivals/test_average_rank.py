import pytest

from at2.errors import TellError
from at2.recommend import Budget, Problem, Query, Tuner
from at2.rivals.average_rank import AverageRank
from at2.rivals.average_regret import AverageRegret
from at2.rivals.mean_final import MeanFinal
from at2.rivals.zero_shot import ZeroShot


@pytest.mark.parametrize("rule", [AverageRank, AverageRegret, MeanFinal])
def test_it_recommends_what_was_best_on_the_sources_and_trains_nothing(problem: Problem, rule: type[ZeroShot]) -> None:
    tuner = rule(problem, budget=Budget(epochs=5))
    choice = tuner.recommend()
    assert isinstance(tuner, Tuner)
    assert (choice.config_id, choice.n_epochs_spent) == (8, 0)
    assert dict(choice.config) == {"lr": 0.9, "kind": "z"}
    assert tuner.order[:3] == [8, 7, 6]
    assert tuner.ask() is None
    with pytest.raises(TellError, match="asks for no training"):
        tuner.tell(Query(config_id=0, config={}, epoch=1, number=0), 0.5)
