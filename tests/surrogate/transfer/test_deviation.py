from __future__ import annotations

import subprocess
import sys

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


def test_fitting_does_not_load_the_compiler_of_torch() -> None:
    code = """
import sys, torch
from at2.surrogate import History
from at2.surrogate.transfer import WeightedSources
curves = torch.rand(3, 1, 8, 5, dtype=torch.float64)
WeightedSources().fit(History(curves, torch.linspace(0, 1, 8, dtype=torch.float64)[:, None])).observe(0, 0, 0.5)
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
