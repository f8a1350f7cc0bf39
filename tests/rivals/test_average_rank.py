import numpy as np
import pandas as pd
import pytest

from at2.errors import At2Error, TellError, UnknownNameError
from at2.recommend import Query, Tuner
from at2.rivals.average_rank import AverageRank, average_rank, best_of_curves
from at2.tables import LearningCurveTable


@pytest.fixture
def table() -> LearningCurveTable:
    """Config 1 is best on both sources, config 0 on the target; the curves of 1 fall again at the end."""
    values = {"a": ([0.1, 0.2], [0.9, 0.1], [0.5, 0.6]), "b": ([0.2, 0.1], [0.8, 0.2], [0.1, 0.3])}
    values["target"] = ([1.0, 1.0], [0.0, 0.0], [0.0, 0.0])
    rows = [
        (task, config, epoch + 1, value)
        for task, curves in values.items()
        for config, curve in enumerate(curves)
        for epoch, value in enumerate(curve)
    ]
    frame = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    configs = pd.DataFrame({"lr": [0.1, 0.2, 0.3]}, index=["x", "y", "z"])
    frame["config_id"] = frame["config_id"].map(dict(enumerate(configs.index)))
    return LearningCurveTable.from_frame(frame, configs, metric="acc", maximize=True)


def test_it_recommends_what_ranks_best_on_the_sources(table: LearningCurveTable) -> None:
    rule = AverageRank(table, sources=["a", "b"])
    choice = rule.recommend()
    assert (choice.config_id, dict(choice.config), choice.n_epochs_spent) == ("y", {"lr": 0.2}, 0)
    assert rule.average_rank == pytest.approx([1.0, 1 / 3, 2 / 3])
    assert isinstance(rule, Tuner)


def test_it_asks_for_nothing_and_takes_nothing(table: LearningCurveTable) -> None:
    rule = AverageRank(table, sources=["a"])
    assert rule.ask() is None
    with pytest.raises(TellError, match="asks for no training"):
        rule.tell(Query(config_id="x", config={}, epoch=1, number=0), 0.5)


def test_sources_that_cannot_be(table: LearningCurveTable) -> None:
    with pytest.raises(At2Error, match="at least one source task"):
        AverageRank(table, sources=[])
    with pytest.raises(UnknownNameError, match="no task 'c'"):
        AverageRank(table, sources=["c"])


def test_equals_share_their_rank_and_what_no_source_ran_comes_last() -> None:
    ranks = average_rank(np.array([[0.5, 0.5, np.nan, 0.1], [np.nan, 0.9, np.nan, 0.1]]))
    assert ranks == pytest.approx([0.5, 0.5, np.inf, 1.0])


def test_the_best_of_a_curve_is_averaged_over_the_seeds_that_ran() -> None:
    curves = np.array(
        [[[[0.1, 0.5], [0.2, np.nan]], [[0.7, 0.2], [np.nan, np.nan]]]]
    )  # (1 task, 2 seeds, 2 configs, 2)
    assert best_of_curves(curves) == pytest.approx(np.array([[0.6, 0.2]]))
