"""Features against values worked out by hand."""

import math

import pytest
import torch

from at2.control.features import SMALLEST_VARIANCE, Discounted, log_variance, sign_agreement
from at2.errors import ShapeError


def test_the_variance_is_that_of_a_population() -> None:
    # mean 3, squared deviations 4 + 0 + 4, divided by 3
    assert log_variance(torch.tensor([1.0, 3.0, 5.0])) == pytest.approx(math.log(8 / 3))


def test_samples_that_agree_have_the_smallest_variance() -> None:
    assert log_variance(torch.tensor([2.0, 2.0])) == math.log(SMALLEST_VARIANCE)
    assert log_variance(torch.tensor([2.0])) == math.log(SMALLEST_VARIANCE)


def test_huge_values_do_not_overflow_and_nan_stays_nan() -> None:
    assert log_variance(torch.tensor([0.0, 2e30])) == pytest.approx(2 * math.log(1e30))
    assert math.isnan(log_variance(torch.tensor([math.nan, 1.0])))


def test_values_must_be_one_row() -> None:
    with pytest.raises(ShapeError, match=r"needs one row of values, shape \(2, 2\) came"):
        log_variance(torch.zeros(2, 2))
    with pytest.raises(ShapeError, match=r"shape \(0,\) came"):
        log_variance(torch.zeros(0))


def test_running_statistics_by_hand() -> None:
    statistic = Discounted(discount=0.9)
    assert statistic.add(1.0) == (pytest.approx(1.0), pytest.approx(0.0))
    # m = 0.9 * 0.1 + 0.1 * 2 = 0.29, average 0.29 / 0.19; u = 0.1 * (2 - average)^2, uncertainty u / 0.19
    average = 0.29 / 0.19
    assert statistic.add(2.0) == (pytest.approx(average), pytest.approx(0.1 * (2 - average) ** 2 / 0.19))


def test_a_constant_feature_is_its_own_average_and_certain() -> None:
    statistic = Discounted()
    for _ in range(20):
        average, uncertainty = statistic.add(-3.5)
    assert (average, uncertainty) == (pytest.approx(-3.5), pytest.approx(0.0, abs=1e-20))


@pytest.mark.parametrize("discount", [-0.1, 1.0, math.nan])
def test_a_discount_lies_in_0_to_1(discount: float) -> None:
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\)"):
        Discounted(discount)


def test_signs_agree_by_hand() -> None:
    before = torch.tensor([0.5, -0.5, 2.0, 1.0]).sign()
    assert sign_agreement(torch.tensor([9.0, -9.0, 1.0, 1.0]).sign(), before) == 1.0
    assert sign_agreement(-before, before) == -1.0
    assert sign_agreement(torch.tensor([1.0, 1.0, 1.0, 0.0]).sign(), before) == 0.25
    with pytest.raises(ShapeError, match="cannot be compared"):
        sign_agreement(torch.zeros(3), torch.zeros(4))
