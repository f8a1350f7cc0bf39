"""Gaussians that are known to lie above something."""

from __future__ import annotations

import torch
from torch import Tensor

from at2.surrogate.numerics.normal import normal_density, normal_share


def at_least(floor: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of ``max(X, floor)`` for Gaussian X, elementwise; a floor of minus infinity changes nothing."""
    std = variance.clamp_min(1e-24).sqrt()
    u = ((mean - floor) / std).clamp(-30.0, 30.0)
    density, share = normal_density(u), normal_share(u)
    rise = std * (u * share + density)  # E max(X - floor, 0)
    square = variance * ((1.0 + u.square()) * share + u * density)
    limited = torch.isfinite(floor) & (u < 8.0)
    bounded = torch.where(torch.isfinite(floor), floor, 0.0) + rise
    return (
        torch.where(limited, bounded, torch.where(torch.isfinite(floor), torch.maximum(mean, floor), mean)),
        torch.where(limited, (square - rise.square()).clamp_min(1e-24), variance),
    )


def at_most(ceiling: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of ``min(X, ceiling)`` for Gaussian X, elementwise; a ceiling of infinity changes nothing."""
    mean, variance = at_least(-ceiling, -mean, variance)
    return -mean, variance
