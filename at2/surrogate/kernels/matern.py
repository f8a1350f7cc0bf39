"""Matern kernels as functions of scaled points; both are exact at distance zero, gradients included."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY = 1e-30  # squared distance below which two points are one: keeps the square root differentiable


def squared_distance(x1: Tensor, x2: Tensor) -> Tensor:
    """Squared Euclidean distances between the rows of two matrices, without an ``(n, m, p)`` intermediate.

    Args:
        x1: Points, shape ``(..., n, p)``.
        x2: Points, shape ``(..., m, p)``.

    Returns:
        Tensor of shape ``(..., n, m)``, never negative.
    """
    cross = x1 @ x2.mT
    return ((x1 * x1).sum(-1)[..., :, None] + (x2 * x2).sum(-1)[..., None, :] - 2.0 * cross).clamp_min(_TINY)


def matern52(x1: Tensor, x2: Tensor) -> Tensor:
    """Matern kernel of smoothness 5/2 between points already divided by their length scales.

    Args:
        x1: Points, shape ``(..., n, p)``.
        x2: Points, shape ``(..., m, p)``.

    Returns:
        Tensor of shape ``(..., n, m)``, 1 where two points coincide.

    Example:
        >>> import torch
        >>> x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        >>> matern52(x, x)
        tensor([[1.0000, 0.5240],
                [0.5240, 1.0000]], dtype=torch.float64)

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.17.
    """
    scaled = torch.sqrt(5.0 * squared_distance(x1, x2))
    return (1.0 + scaled + scaled * scaled / 3.0) * torch.exp(-scaled)


def exponential(x1: Tensor, x2: Tensor) -> Tensor:
    """Matern kernel of smoothness 1/2 (Ornstein-Uhlenbeck) between points already divided by their length scales.

    Args:
        x1: Points, shape ``(n, p)``.
        x2: Points, shape ``(m, p)``.

    Returns:
        Tensor of shape ``(n, m)``, 1 where two points coincide.

    References:
        Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.18.
    """
    return torch.exp(-torch.sqrt(squared_distance(x1, x2)))
