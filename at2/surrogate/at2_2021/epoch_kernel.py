"""AT2's kernel between epochs: a mixture of exponential decays that all begin at nothing."""

from __future__ import annotations

from typing import Any

import torch
from gpytorch.kernels import Kernel
from torch import Tensor, nn
from torch.nn.functional import softplus


class EpochKernel(Kernel):
    """``w [1 + (b / (t + t' + b))^a - (b / (t + b))^a - (b / (t' + b))^a]`` of the last column of its inputs.

    ``(b / (t + t' + b))^a`` is the mean of ``exp(-c t) exp(-c t')`` over rates c with a gamma distribution (shape a,
    rate b); the bracket is the same mean of ``(1 - exp(-c t)) (1 - exp(-c t'))``: curves that rise from 0 and level
    off. It is thus positive semi-definite, and 0 at epoch 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw_alpha = nn.Parameter(torch.zeros(()))
        self.raw_beta = nn.Parameter(torch.zeros(()))
        self.raw_variance = nn.Parameter(torch.zeros(()))

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        """Return the covariance of the epochs of two lists of rows, ``(n, m)``, or its diagonal ``(n,)``."""
        one, other = x1[:, -1], x2[:, -1]
        both = one + other if diag else one[:, None] + other
        first = self._decay(one) if diag else self._decay(one)[:, None]
        return softplus(self.raw_variance) * (1.0 + self._decay(both) - first - self._decay(other))

    def _decay(self, time: Tensor) -> Tensor:
        """``(b / (t + b))^a``, elementwise."""
        alpha, beta = softplus(self.raw_alpha), softplus(self.raw_beta)
        return torch.exp(-alpha * torch.log1p(time / beta))
