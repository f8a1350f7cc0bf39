"""Quantiles and densities of mixtures of Gaussians, cell by cell."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from at2.surrogate.numerics.normal import normal_share

_HALVINGS = 40  # from a bracket of some standard deviations to 1e-12 of it
_LEAST_VARIANCE = 1e-24


def mixture_quantile(weights: Tensor, mean: Tensor, variance: Tensor, probability: float) -> Tensor:
    """Return the value below which a mixture of Gaussians lies with a probability, by bisection.

    Args:
        weights: Weights of the parts, shape ``(n_part,)``, summing to 1.
        mean: Their means, shape ``(n_part, ...)``.
        variance: Their variances, same shape.
        probability: In (0, 1).

    Returns:
        Tensor of shape ``(...)``.

    Raises:
        ValueError: If the probability lies outside (0, 1).

    Example:
        >>> import torch
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> mixture_quantile(one, 3 * one[None], 4 * one[None], 0.975)
        tensor([6.9199], dtype=torch.float64)
    """
    if not 0.0 < probability < 1.0:
        raise ValueError(f"a probability between 0 and 1 is wanted, got {probability}")
    share = _column(weights, mean)
    std = variance.clamp_min(_LEAST_VARIANCE).sqrt()
    ends = mean + std * torch.special.ndtri(torch.tensor(probability, dtype=mean.dtype, device=mean.device))
    low, high = ends.amin(0), ends.amax(0)  # the quantile of a mixture lies among those of its parts
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = (share * normal_share((middle - mean) / std)).sum(0) < probability
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    result: Tensor = 0.5 * (low + high)
    return result


def mixture_log_density(weights: Tensor, mean: Tensor, variance: Tensor, values: Tensor) -> Tensor:
    """Return the log density of a mixture of Gaussians at given values, elementwise; NaN stays NaN.

    Args:
        weights: Weights of the parts, shape ``(n_part,)``, summing to 1.
        mean: Their means, shape ``(n_part, ...)``.
        variance: Their variances, same shape.
        values: Where to take it, shape ``(...)``.

    Example:
        >>> import torch
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> mixture_log_density(one, one[None], one[None], one)
        tensor([-0.9189], dtype=torch.float64)
    """
    variance = variance.clamp_min(_LEAST_VARIANCE)
    part = -0.5 * ((values - mean).square() / variance + variance.log() + math.log(2.0 * math.pi))
    return torch.logsumexp(part + _column(weights, mean).log(), 0)


def _column(weights: Tensor, like: Tensor) -> Tensor:
    """Weights with as many dimensions as what they weigh."""
    return weights.reshape(-1, *[1] * (like.ndim - 1))
