"""How deviations of configurations go together, asked for some of them at a time.

A history may hold tens of thousands of configurations, and a budget reaches some hundred: no matrix between all of them
is ever stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.kernels import ConfigKernel


@dataclass(frozen=True)
class Together:
    """``Kc``, the covariance of deviations between configurations.

    Args:
        points: Embedded configurations, shape ``(n_config, n_embedded)``.
        kernels: What it is a sum of.
        unsure: What is added to the variance of each configuration for what completion left open of it,
            ``(n_config,)``.
        size: How far each deviates, all of this included, as a factor of the standard deviation, ``(n_config,)``.

    Example:
        >>> import torch
        >>> one, points = torch.ones((), dtype=torch.float64), torch.tensor([[0.1], [0.1], [0.9]], dtype=torch.float64)
        >>> kernel = ConfigKernel(one[None], constant=0 * one, smooth=0.8 * one, own=0.2 * one)
        >>> together = Together.plain(points, kernel)
        >>> together.between(torch.tensor([0]), torch.tensor([0, 1])).tolist()
        [[1.0, 0.8]]
    """

    points: Tensor
    kernels: tuple[ConfigKernel, ...]
    unsure: Tensor
    size: Tensor

    @classmethod
    def plain(cls, points: Tensor, *kernels: ConfigKernel) -> Together:
        """Return the sum of some kernels, with nothing left open and all configurations deviating alike."""
        return cls(points, kernels, unsure=torch.zeros_like(points[:, 0]), size=torch.ones_like(points[:, 0]))

    def between(self, configs: Tensor, others: Tensor) -> Tensor:
        """Return the covariance of n configurations with m, ``(n, m)``; each may be named several times."""
        (rows, row), (columns, column) = (torch.unique(some, return_inverse=True) for some in (configs, others))
        return self._between(rows, columns)[row][:, column]

    def with_all(self, config: Tensor) -> Tensor:
        """Return the covariance of n configurations with every one, ``(n, n_config)``."""
        return self._between(config, torch.arange(len(self.points), device=config.device))

    def variance(self, configs: Tensor) -> Tensor:
        """Return the variance of n configurations, ``(n,)``."""
        alike = sum((k.constant + k.smooth + k.own for k in self.kernels), torch.zeros_like(self.unsure[configs]))
        return (alike + self.unsure[configs]) * self.size[configs].square()

    def _between(self, rows: Tensor, columns: Tensor) -> Tensor:
        same = (rows[:, None] == columns).to(self.points)
        total = self.unsure[rows][:, None] * same
        for kernel in self.kernels:
            total = total + kernel.cross(self.points[rows], self.points[columns]) + kernel.own * same
        return total * (self.size[rows][:, None] * self.size[columns])
