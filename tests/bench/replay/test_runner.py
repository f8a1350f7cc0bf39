import pytest

from at2.bench.replay.objective import TableObjective
from at2.bench.replay.runner import play
from at2.errors import BudgetError
from at2.recommend import Budget, Query, Recommendation
from at2.rivals.registry import make_rival
from at2.tables import LearningCurveTable


def test_a_run_stands_before_and_after_each_epoch(table: LearningCurveTable) -> None:
    tuner = make_rival("random-search", table, target="target", budget=Budget(epochs=6), seed=0)
    steps = list(play(tuner, TableObjective(table, "target"), budget_epochs=6))
    assert [step.n_epochs for step in steps] == list(range(7))
    assert steps[0].query is None
    assert steps[0].best_seen_regret is None
    assert steps[-1].standing()["n_epochs"] == 6
    seen = [step.best_seen_regret for step in steps[1:]]
    assert seen == sorted(seen, reverse=True)
    assert set(steps[1].seconds) == {"ask", "tell", "recommend"}


def test_a_tuner_that_trains_nothing_has_one_standing(table: LearningCurveTable) -> None:
    steps = list(
        play(
            make_rival("average-rank", table, target="target", sources=["a", "b"], budget=Budget(epochs=6)),
            TableObjective(table, "target"),
            budget_epochs=6,
        )
    )
    assert [step.standing() for step in steps] == [
        {"n_epochs": 0, "config_id": 2, "rank": 2, "regret": pytest.approx(0.2), "best_seen_regret": None}
    ]


def test_the_tuner_is_told_what_the_table_holds(table: LearningCurveTable) -> None:
    objective = TableObjective(table, "target")
    for step in play(
        make_rival("random-search", table, target="target", budget=Budget(epochs=5), seed=1), objective, budget_epochs=5
    ):
        if step.query is not None and step.shown is not None:
            assert step.shown == objective.measure(step.query.config_id, step.query.epoch)
            assert step.observation()["value"] == step.shown.value


class _Asks:
    """Asks for the epochs that it was made with."""

    def __init__(self, *epochs: int) -> None:
        self._left = [Query(config_id=0, config={}, epoch=epoch, number=number) for number, epoch in enumerate(epochs)]

    def ask(self) -> Query | None:
        return self._left.pop(0) if self._left else None

    def tell(
        self, query: Query, value: float | None = None, *, failed: bool = False, seconds: float | None = None
    ) -> None:
        pass

    def recommend(self) -> Recommendation:
        return Recommendation(config_id=0, config={}, mean=0.0, std=0.0, epoch=1, n_epochs_seen=0, n_epochs_spent=0)


@pytest.mark.parametrize(
    ("tuner", "message"),
    [
        (_Asks(2, 4), "query 1 asks for epoch 4 of config 0, which needs 2 epochs of the 1 that are left"),
        (_Asks(1, 1), "query 1 asks for epoch 1 of config 0, which has 1 already"),
    ],
)
def test_a_tuner_that_breaks_the_rules_is_stopped(table: LearningCurveTable, tuner: _Asks, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        list(play(tuner, TableObjective(table, "target"), budget_epochs=3))


def test_epochs_between_two_readings_count(table: LearningCurveTable) -> None:
    steps = list(play(_Asks(2, 3), TableObjective(table, "target"), budget_epochs=3))
    assert [step.n_epochs for step in steps] == [0, 2, 3]
