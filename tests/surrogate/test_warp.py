"""at2/surrogate/warp."""

import math

import pytest
import torch

from at2.surrogate.warp import IdentityWarp, LogitWarp, LogWarp, Warp, unwarp_moments


@pytest.mark.parametrize("warp", [IdentityWarp(), LogitWarp(), LogWarp()])
@pytest.mark.parametrize("mean", [-2000.0, -300.0, 0.0, 300.0, 2000.0])
@pytest.mark.parametrize("variance", [0.0, 1.0, 1e6])
def test_moments_are_finite_however_wild_the_belief(warp: Warp, mean: float, variance: float) -> None:
    moments = unwarp_moments(warp, torch.tensor([mean]).double(), torch.tensor([variance]).double())
    assert math.isfinite(float(moments.mean))
    assert math.isfinite(float(moments.std))


def test_the_moments_of_a_loss_are_those_of_a_log_normal() -> None:
    moments = unwarp_moments(LogWarp(), torch.tensor([0.7]).double(), torch.tensor([0.04]).double())
    mean = -math.exp(-0.7 + 0.02)
    assert float(moments.mean) == pytest.approx(mean, rel=1e-7)
    assert float(moments.std) == pytest.approx(-mean * math.sqrt(math.exp(0.04) - 1.0), rel=1e-4)
