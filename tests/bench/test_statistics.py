import math

import numpy as np
import pytest

from at2.bench.statistics import average_ranks, mean_interval, paired_comparison, shares_won, standard_error
from at2.errors import ShapeError


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([84.68, 85.05, 85.13, 85.13, 85.13], "85.02 +- 0.24"),
        ([69.46, 70.37, 69.61, 69.14, 69.54], "69.62 +- 0.56"),
        ([3.0], "3.00 (one value, no interval)"),
    ],
)
def test_the_known_intervals(values: list[float], text: str) -> None:
    assert str(mean_interval(values)) == text


def test_one_value_has_no_interval() -> None:
    assert mean_interval([1.5]).half_width is None
    assert math.isnan(standard_error([1.5]))
    alone = paired_comparison([1.0], [0.5])
    assert (alone.difference, alone.low, alone.high, alone.p_value) == (0.5, None, None, None)


def test_an_interval_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        mean = mean_interval(rng.standard_normal(5), confidence=0.9)
        assert mean.half_width is not None
        hits += abs(mean.value) <= mean.half_width
    assert 0.85 <= hits / 400 <= 0.95


def test_a_paired_comparison_sees_what_two_means_hide() -> None:
    level = np.linspace(0, 100, 20)
    gap = np.random.default_rng(0).uniform(0.5, 1.5, 20)
    found = paired_comparison(level + gap, level)
    assert found.low is not None
    assert found.high is not None
    assert 0.5 < found.low < found.difference < found.high < 1.5
    assert found.p_value == pytest.approx(2 / 2**20)
    turned = paired_comparison(level, level + gap)
    assert turned.difference == pytest.approx(-found.difference)
    assert paired_comparison(level + gap, level) == found  # the same resamples


def test_equal_contestants_do_not_differ() -> None:
    found = paired_comparison([1.0, 2.0], [1.0, 2.0])
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_ranks_with_their_critical_difference() -> None:
    costs = np.random.default_rng(0).uniform(size=(10, 5))
    costs[:, 0] -= 1.0
    found = average_ranks(costs)
    assert found.average[0] == 1.0
    assert found.average.sum() == pytest.approx(15)
    # Demsar 2006, table 5: q = 2.728 for five classifiers
    assert found.critical_difference == pytest.approx(2.728 * math.sqrt(5 * 6 / 60), abs=2e-3)
    assert found.p_value is not None
    assert found.p_value < 0.05


def test_one_case_has_no_critical_difference() -> None:
    found = average_ranks([[0.1, 0.2, 0.2]])
    assert found.average.tolist() == [1.0, 2.5, 2.5]
    assert found.critical_difference is None
    assert average_ranks([[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]).p_value is None


def test_ties_share_a_win() -> None:
    assert shares_won([[0.1, 0.1, 0.4], [0.0, 0.5, 0.5]]).tolist() == [0.75, 0.25, 0.0]


def test_numbers_that_cannot_be() -> None:
    for values in ([], [[1.0]], [math.nan], [math.inf, 1.0]):
        with pytest.raises(ShapeError, match="finite numbers"):
            mean_interval(values)
    with pytest.raises(ShapeError, match="the same cases, 2 and 1 given"):
        paired_comparison([1.0, 2.0], [1.0])
    with pytest.raises(ShapeError, match=r"finite costs \(n_case, n_contestant\)"):
        average_ranks([1.0, 2.0])
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, 95 given"):
        mean_interval([1.0, 2.0], confidence=95)
