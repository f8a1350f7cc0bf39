"""at2/surrogate/transfer/deviation.py: the fit of the kernel between configurations, and what readings say."""

import pytest
import torch

from at2.surrogate.transfer import deviation


def test_the_descent_takes_the_steps_of_adam() -> None:
    generator = torch.Generator().manual_seed(0)
    goal = torch.randn(5, generator=generator, dtype=torch.float64)
    ours, theirs = (torch.zeros(5, dtype=torch.float64, requires_grad=True) for _ in range(2))

    def loss(at: torch.Tensor) -> torch.Tensor:
        return (at - goal).square().sum() + (3.0 * at[0] * at[1]).sin()

    deviation._descend(lambda: loss(ours), [ours])
    adam = torch.optim.Adam([theirs], lr=deviation._RATE)
    for _ in range(deviation._STEPS):
        theirs.grad = torch.autograd.grad(loss(theirs), theirs)[0]
        adam.step()
    assert float((ours - theirs).detach().abs().max()) < 1e-9
    assert float(ours.detach().abs().max()) > 0.1


@pytest.mark.parametrize("doubt", [0.0, 0.3, 1.0])
def test_readings_that_say_less_of_the_best_leave_a_covariance(doubt: float) -> None:
    root = torch.randn(6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    root[-2] = root[-1] + 0.3 * root[-2]  # the last epoch goes with the best of the curve, others as they like
    between = root @ root.T
    less = deviation.less_of_readings(between, doubt)
    torch.testing.assert_close(less.diagonal(), between.diagonal())
    assert float(torch.linalg.eigvalsh(less)[0]) > -1e-9
    assert bool((less[-1].abs() <= between[-1].abs() + 1e-12).all())
    torch.testing.assert_close(less, less.T)
    assert doubt > 0.0 or torch.allclose(less, between)
