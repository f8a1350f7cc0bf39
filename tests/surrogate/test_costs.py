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
    assert costs.predict().tolist() == pytest.approx([20.0] * 3, rel=1e-3)


def test_sources_say_which_are_slow_and_the_target_how_slow() -> None:
    costs = EpochCosts(3, torch.tensor([[1.0, 4.0, float("nan")], [1.0, 4.0, float("nan")]], dtype=torch.float64))
    assert costs.predict().tolist() == pytest.approx([1.0, 4.0, 2.0], rel=1e-3)
    costs.observe(0, 10.0)
    assert costs.predict().tolist() == pytest.approx([10.0, 40.0, 20.0], rel=0.05)


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
    with pytest.raises(ShapeError, match="wanted features of 2 configurations"):
        EpochCosts(2, None, torch.ones(4, 3))


def simulate(seed: int, *, n_source: int = 6, n_config: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Log seconds of several tasks and the target (last), made by the model: half of the variance is in a column."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)

    features = torch.rand(n_config, 3, generator=generator, dtype=torch.float64)
    lasting = 2.0 * features[:, 0] + normal(n_config, scale=0.4)
    return normal(n_source + 1, 1, scale=1.0) + lasting + normal(n_source + 1, n_config, scale=0.2), features


def rmse(costs: EpochCosts, truth: torch.Tensor) -> float:
    return float((costs.log_seconds().mean - truth).square().mean().sqrt())


def test_a_configuration_that_only_the_slow_task_ran_is_not_taken_for_slow() -> None:
    seconds = torch.tensor([[1.0, 1.0, float("nan")], [100.0, 100.0, 100.0]], dtype=torch.float64)
    assert EpochCosts(3, seconds).predict().tolist() == pytest.approx([10.0] * 3, rel=0.01)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_columns_tell_what_nobody_timed_costs(seed: int) -> None:
    logs, features = simulate(seed)
    sources = logs[:-1].exp()
    sources[:, 20:] = float("nan")
    with_columns, without = EpochCosts(40, sources, features), EpochCosts(40, sources)
    for costs in (with_columns, without):
        for config in range(5):
            costs.observe(config, float(logs[-1, config].exp()))
    assert rmse(with_columns, logs[-1]) < 0.8 * rmse(without, logs[-1])


def test_columns_that_say_nothing_are_left_out() -> None:
    logs, features = simulate(3)
    noise = torch.rand(features.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    sources = logs[:-1].exp()
    sources[:, 20:] = float("nan")
    assert rmse(EpochCosts(40, sources, noise), logs[-1]) < 1.15 * rmse(EpochCosts(40, sources), logs[-1])


def test_columns_help_without_any_source() -> None:
    logs, features = simulate(4)
    costs, blind = EpochCosts(40, None, features), EpochCosts(40)
    for config in range(20):
        for each in (costs, blind):
            each.observe(config, float(logs[-1, config].exp()))
    assert rmse(costs, logs[-1]) < rmse(blind, logs[-1])


def test_intervals_of_ninety_percent_hold_nine_of_ten() -> None:
    inside = []
    for seed in range(30):
        logs, features = simulate(seed)
        sources = logs[:-1].exp()
        sources[1, ::2] = sources[3, 30:] = float("nan")
        costs = EpochCosts(40, sources, features)
        for config in range(3):
            costs.observe(config, float(logs[-1, config].exp()))
        found = costs.log_seconds()
        inside.append(((logs[-1, 3:] - found.mean[3:]).abs() < 1.645 * found.std[3:]).double().mean())
    assert 0.85 < float(torch.stack(inside).mean()) < 0.96


def test_a_stalled_epoch_does_not_count() -> None:
    costs = EpochCosts(1)
    for seconds in (2.0, 2.0, 900.0, 2.0, 2.0):
        costs.observe(0, seconds)
    assert float(costs.predict()[0]) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("seconds", [0.0, -3.0, float("nan"), float("inf")])
def test_timings_that_cannot_be_are_not_believed(seconds: float) -> None:
    table = torch.tensor([[1.0, seconds], [seconds, seconds]], dtype=torch.float64)
    costs = EpochCosts(2, table)
    assert costs.known
    assert costs.predict().tolist() == pytest.approx([1.0, 1.0], rel=1e-3)
    assert not EpochCosts(2, table[1:]).known


@pytest.mark.parametrize("n_config", [1, 2, 300])
def test_any_number_of_configurations_stays_finite(n_config: int) -> None:
    features = torch.ones(n_config, 4, dtype=torch.float64)
    costs = EpochCosts(n_config, torch.ones(1, n_config, dtype=torch.float64), features)
    costs.observe(0, 1e-9)
    costs.observe(n_config - 1, 1e30)
    found = costs.log_seconds()
    assert bool(torch.isfinite(found.mean).all())
    assert bool((found.std > 0).all())
