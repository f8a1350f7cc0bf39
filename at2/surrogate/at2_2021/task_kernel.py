"""AT2's kernel between tasks: how far their curves are apart where both were observed."""

from __future__ import annotations

from typing import Any

import torch
from gpytorch.kernels import Kernel
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

_UNKNOWN = 0.5  # distance of two tasks with at most one common cell: the authors' choice
_START_U = 1.5


def compare_tasks(one: Tensor, other: Tensor) -> tuple[float, float]:
    """Return the distance of two tasks and the share of their cells that both have observed.

    Args:
        one: Curves of a task, shape ``(n_config, n_epoch)``, NaN where not observed.
        other: Those of another, in the same shape.

    Returns:
        Mean square of the centred differences (0.5 where at most one cell is common), and a share in [0, 1].

    Example:
        >>> compare_tasks(torch.tensor([[0.1, 0.5, 0.9]]), torch.tensor([[0.3, 0.7, float("nan")]]))[1]
        0.6666666666666666
    """
    both = torch.isfinite(one) & torch.isfinite(other)
    n_common = int(both.sum())
    difference = one[both] - other[both]
    distance = float(difference.var(correction=0)) if n_common > 1 else _UNKNOWN
    return distance, n_common / one.numel()


class TaskKernel(Kernel):
    """``v exp(-d / (l g)^2)`` with ``g = U / (1 + (U - 1) r)``; see the table of the package for the symbols.

    The last column but one of its inputs is the number of the task.

    Args:
        curves: Curves of all tasks, shape ``(n_task, n_config, n_epoch)``, NaN where not observed.
    """

    distance: Tensor
    share: Tensor

    def __init__(self, curves: Tensor) -> None:
        super().__init__()
        n_task = curves.shape[0]
        self.register_buffer("distance", torch.zeros(n_task, n_task, dtype=curves.dtype))
        self.register_buffer("share", torch.ones(n_task, n_task, dtype=curves.dtype))
        for task in range(n_task):
            self.update(curves, task)
        self.raw_variance = nn.Parameter(torch.zeros(()))
        self.raw_lengthscale = nn.Parameter(torch.zeros(()))
        self.raw_u = nn.Parameter(torch.tensor(_START_U - 1.0).expm1().log())

    @torch.no_grad()
    def update(self, curves: Tensor, task: int) -> None:
        """Compare one task with all others anew."""
        for other in range(curves.shape[0]):
            if other != task:
                distance, share = compare_tasks(curves[task], curves[other])
                self.distance[task, other] = self.distance[other, task] = distance
                self.share[task, other] = self.share[other, task] = share

    def matrix(self) -> Tensor:
        """Return the covariance of all tasks, ``(n_task, n_task)``, positive semi-definite."""
        u = 1.0 + softplus(self.raw_u)
        reach = softplus(self.raw_lengthscale) * u / (1.0 + (u - 1.0) * self.share)
        covariance = softplus(self.raw_variance) * torch.exp(-self.distance / reach.square())
        lowest = torch.linalg.eigvalsh(covariance.detach())[0]
        return covariance + torch.diag_embed((-lowest).clamp_min(0.0).expand(covariance.shape[0]))

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        """Return the covariance of the tasks of two lists of rows, ``(n, m)``, or its diagonal ``(n,)``."""
        matrix = self.matrix()
        if diag:
            return matrix.diagonal()[x1[:, -2].long()]
        left, right = (one_hot(x[:, -2].long(), matrix.shape[0]).to(matrix) for x in (x1, x2))
        return left @ matrix @ right.T  # several times faster than indexing, backwards above all
