"""Every rival keeps the rules of ask, tell and recommend, on a table and on live training."""

import pytest

from at2.errors import BudgetError
from at2.recommend import Budget, Tuner, build_problem
from at2.rivals.registry import build_rival, cheap_names, make_rival
from tests.contract.tuners import BUDGET, TunerContract
from tests.rivals.conftest import make_table

NATIVE = [name for name in cheap_names() if name not in ("average-rank", "average-regret", "mean-final")]


@pytest.mark.parametrize("name", NATIVE, scope="class")
class TestOnATable(TunerContract):
    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self) -> Tuner:
        problem = build_problem(make_table(), target="target")
        return build_rival(self.name, problem, budget=Budget(epochs=BUDGET), seed=3)


@pytest.mark.parametrize("name", NATIVE, scope="class")
class TestANewTask(TunerContract):
    """The sources' curves are in a table, the target is trained live."""

    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self) -> Tuner:
        return make_rival(self.name, make_table(), target="new", budget=Budget(epochs=BUDGET), seed=3)


@pytest.mark.parametrize(
    "name",
    ["random-search", "successive-halving", "hyperband", "asha", "multi-stage-grid", "population"],
    scope="class",
)
class TestLive(TunerContract):
    """No table: new configurations, nothing known."""

    @pytest.fixture(autouse=True)
    def _named(self, name: str) -> None:
        self.name = name

    def make(self) -> Tuner:
        candidates = [{"lr": 0.1 * (k + 1)} for k in range(7)]
        problem = build_problem(None, target="new", candidates=candidates, n_epoch=4)
        return build_rival(self.name, problem, budget=Budget(epochs=BUDGET), seed=1)


@pytest.mark.parametrize("cost", ["start_cost", "resume_cost"])
def test_costs_that_rivals_do_not_reckon_with_are_refused(cost: str) -> None:
    budget = Budget(epochs=BUDGET, **{cost: 1.0})
    with pytest.raises(BudgetError, match="rivals count epochs or seconds alone"):
        make_rival("random-search", target="mine", candidates=[{"lr": 0.1}], n_epoch=2, budget=budget)
