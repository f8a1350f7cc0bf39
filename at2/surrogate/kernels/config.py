"""The kernel between nested configurations: a constant, a smooth ARD part and an identity of each configuration.

``K_config = constant + smooth * Matern-5/2(E) + own * I`` where E embeds an encoded configuration: an active column
keeps its value, an inactive one (NaN) gets the middle of its range, and every distinct pattern of activity adds one 0/1
column with a length scale of its own. Two configurations are so compared value by value where both are active, and pay
a learnt distance where only one is. Distances are Euclidean in E, hence every such kernel is positive semi-definite.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.surrogate.kernels.matern import matern52

_MIDDLE = 0.5  # stands in for an inactive value: encoded columns lie in [0, 1]


def embed(features: Tensor) -> Tensor:
    """Turn encoded configurations into points of a Euclidean space.

    Args:
        features: Encoded configurations, shape ``(n_config, n_column)``, NaN where inactive.

    Returns:
        Tensor of shape ``(n_config, n_column + n_pattern)`` without NaN; one further column for every distinct
        pattern of activity that is not the same for all configurations.

    Example:
        >>> import torch
        >>> nan = float("nan")
        >>> embed(torch.tensor([[0.2, nan, nan], [0.4, 0.1, 0.9]], dtype=torch.float64))
        tensor([[0.2000, 0.5000, 0.5000, 0.0000],
                [0.4000, 0.1000, 0.9000, 1.0000]], dtype=torch.float64)
    """
    active = ~torch.isnan(features)
    values = torch.where(active, features, torch.full_like(features, _MIDDLE))
    varies = active.any(0) & ~active.all(0)
    patterns = torch.unique(active[:, varies].T, dim=0).T.to(features.dtype)
    return torch.cat([values, patterns], dim=1) if varies.any() else values


@dataclass(frozen=True)
class ConfigKernel:
    """Covariance between configurations, up to the scale of the curves.

    Args:
        length_scales: One per embedded column, shape ``(n_embedded,)``.
        constant: Variance of what all configurations share, a scalar tensor.
        smooth: Variance of what the hyperparameters explain, a scalar tensor.
        own: Variance of what is a configuration's own (its identity), a scalar tensor.
    """

    length_scales: Tensor
    constant: Tensor
    smooth: Tensor
    own: Tensor

    def scaled(self, share: float) -> ConfigKernel:
        """Return the kernel with all variances times a number."""
        return replace(self, constant=share * self.constant, smooth=share * self.smooth, own=share * self.own)

    def apart(self) -> ConfigKernel:
        """Return the kernel of what is not common to all configurations, with variance 1."""
        return replace(self, constant=torch.zeros_like(self.constant)).scaled(1.0 / float(self.smooth + self.own))

    def cross(self, points: Tensor, others: Tensor) -> Tensor:
        """Return the covariance of configurations with *other* ones (identities never match), ``(..., n, m)``."""
        return self.constant + self.smooth * matern52(points / self.length_scales, others / self.length_scales)

    def matrix(self, points: Tensor) -> Tensor:
        """Return the covariance of embedded configurations with themselves, ``(..., n, n)``."""
        eye = torch.eye(points.shape[-2], dtype=points.dtype, device=points.device)
        return self.cross(points, points) + self.own * eye
