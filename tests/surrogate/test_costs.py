"""at2/surrogate/costs.py: from one per epoch to seconds per configuration."""

import pytest
import torch

from at2.errors import ShapeError
from at2.surrogate import EpochCosts


def test_an_epoch_costs_one_until_seconds_are_known() -> None:
    costs = EpochCosts(3)
    assert not costs.known
    assert costs.predict().tolist() == [1.0, 1.0, 1.0]
    costs.observe(1, 20.0)
    assert costs.known
    assert costs.predict().tolist() == pytest.approx([20.0] * 3)


def test_sources_say_which_are_slow_and_the_target_how_slow() -> None:
    costs = EpochCosts(3, torch.tensor([[1.0, 4.0, float("nan")], [1.0, 4.0, float("nan")]], dtype=torch.float64))
    assert costs.predict().tolist() == pytest.approx([1.0, 4.0, 2.0])
    costs.observe(0, 10.0)
    assert costs.predict().tolist() == pytest.approx([10.0, 40.0, 20.0])


def test_a_configuration_keeps_what_is_its_own() -> None:
    costs = EpochCosts(2)
    for _ in range(50):
        costs.observe(0, 1.0)
        costs.observe(1, 9.0)
    assert costs.predict().tolist() == pytest.approx([1.0, 9.0], rel=0.05)


def test_a_time_of_zero_is_no_error() -> None:
    costs = EpochCosts(1)
    costs.observe(0, 0.0)
    assert 0.0 < float(costs.predict()[0]) < 1e-5


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match="wanted seconds of 2 configurations"):
        EpochCosts(2, torch.ones(4, 3))
