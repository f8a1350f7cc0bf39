import numpy as np
import pytest

from at2.errors import At2Error
from at2.rivals.scores import (
    average_rank,
    average_regret,
    best_of_curves,
    final_of_curves,
    ranking,
    standardized_final,
)

NAN = np.nan


def test_equals_share_their_rank_and_what_no_source_ran_comes_last() -> None:
    ranks = average_rank(np.array([[0.5, 0.5, NAN, 0.1], [NAN, 0.9, NAN, 0.1]]))
    assert ranks == pytest.approx([0.5, 0.5, np.inf, 1.0])


def test_best_and_final_of_a_curve_are_averaged_over_the_seeds_that_ran() -> None:
    # (1 task, 2 seeds, 2 configs, 2 epochs)
    curves = np.array([[[[0.5, 0.1], [0.2, NAN]], [[0.7, 0.2], [NAN, NAN]]]])
    assert best_of_curves(curves) == pytest.approx(np.array([[0.6, 0.2]]))
    assert final_of_curves(curves) == pytest.approx(np.array([[0.15, 0.2]]))


def test_scores_do_not_depend_on_a_task_s_unit_and_stay_finite_where_all_are_equal() -> None:
    values = np.array([[1.0, 2.0, 4.0], [10.0, 30.0, 20.0], [5.0, 5.0, 5.0]])
    for score in (average_rank, standardized_final, average_regret):
        found = score(values)
        assert np.isfinite(found).all()
        assert score(values * [[3.0], [0.1], [7.0]]) == pytest.approx(found)


def test_regret_is_averaged_over_the_tasks_that_ran_it() -> None:
    found = average_regret(np.array([[0.0, 1.0, 0.5], [0.0, NAN, 1.0]]))
    assert found == pytest.approx([1.0, 0.0, 0.25])


def test_a_new_configuration_stands_behind_its_nearest() -> None:
    features = np.array([[0.0], [1.0], [0.9], [0.2]])
    assert ranking(np.array([1.0, 0.0, NAN, np.inf]), features).tolist() == [1, 2, 0, 3]


def test_without_any_source_there_is_no_ranking() -> None:
    with pytest.raises(At2Error, match="at least one source"):
        ranking(np.full(3, NAN), np.zeros((3, 1)))
