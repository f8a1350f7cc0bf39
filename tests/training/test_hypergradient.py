import math

import pytest
import torch
from torch import Tensor, nn

from at2.training.hypergradient import Hypergradient


def descend(optimizer: torch.optim.Optimizer, weight: nn.Parameter, n: int, curvature: float = 1.0) -> list[float]:
    rates = []
    for _ in range(n):
        optimizer.zero_grad()
        (0.5 * curvature * weight**2).sum().backward()
        optimizer.step()
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


def test_additive_is_the_papers_rule_for_sgd() -> None:
    weight = parameter(2.0, -1.0)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    Hypergradient(optimizer, rate=0.01, mode="additive")
    rates = descend(optimizer, weight, 3)
    w, lr, last, wanted = torch.tensor([2.0, -1.0], dtype=torch.float64), 0.1, None, []
    for _ in range(3):
        gradient = w.clone()
        if last is not None:
            lr += 0.01 * float(gradient @ last)
        w, last = w - lr * gradient, gradient
        wanted.append(lr)
    assert rates == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("mode", ["additive", "multiplicative"])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
def test_it_is_the_derivative_of_the_loss_with_respect_to_the_rate(kind: type, mode: str) -> None:
    def loss_after(lr: float) -> Tensor:
        weight = parameter(1.0, 2.0)
        optimizer = kind([weight], lr=lr)
        descend(optimizer, weight, 1)
        return (0.5 * weight.detach() ** 2).sum()

    slope = float(loss_after(0.05 + 1e-6) - loss_after(0.05 - 1e-6)) / 2e-6
    weight = parameter(1.0, 2.0)
    optimizer = kind([weight], lr=0.05)
    Hypergradient(optimizer, rate=1e-3, mode=mode)
    rates = descend(optimizer, weight, 2)
    if mode == "additive":
        assert rates[1] - rates[0] == pytest.approx(-1e-3 * slope, rel=1e-5)
    else:
        assert (rates[1] > rates[0]) == (slope < 0)


def test_a_rate_that_is_too_low_grows_and_one_that_is_too_high_shrinks() -> None:
    for start, grows in ((1e-3, True), (1.9, False)):
        weight = parameter(1.0)
        optimizer = torch.optim.SGD([weight], lr=start)
        Hypergradient(optimizer, rate=0.1)
        assert (descend(optimizer, weight, 5)[-1] > start) is grows


def test_rates_stay_within_their_limits_and_not_finite_gradients_change_nothing() -> None:
    weight = parameter(1.0)
    optimizer = torch.optim.SGD([weight], lr=0.01)
    Hypergradient(optimizer, rate=10.0, high=0.02)
    assert max(descend(optimizer, weight, 4)) == 0.02
    weight.grad = torch.tensor([math.nan], dtype=torch.float64)
    optimizer.step()
    assert optimizer.param_groups[0]["lr"] == 0.02


def test_removed_it_leaves_the_optimizer_alone() -> None:
    weight = parameter(1.0)
    optimizer = torch.optim.SGD([weight], lr=0.01)
    Hypergradient(optimizer, rate=0.5).remove()
    assert descend(optimizer, weight, 3)[-1] == 0.01


def test_its_state_goes_on_in_another_object() -> None:
    rates = []
    for split in (False, True):
        weight = parameter(1.0, 3.0)
        optimizer = torch.optim.SGD([weight], lr=0.01, momentum=0.5)
        first = Hypergradient(optimizer, rate=0.1)
        descend(optimizer, weight, 2)
        if split:
            first.remove()
            Hypergradient(optimizer, rate=0.1).load_state_dict(first.state_dict())
        rates.append(descend(optimizer, weight, 3))
    assert rates[0] == rates[1]


@pytest.mark.parametrize(
    "wrong", [{"rate": 0.0}, {"rate": math.nan}, {"low": 0.0}, {"low": 2.0, "high": 1.0}, {"mode": "x"}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"wanted|must be"):
        Hypergradient(torch.optim.SGD([parameter(1.0)], lr=0.1), **wrong)
