"""AT2's kernel between nested configurations: a polynomial of codes that a small network learns."""

from __future__ import annotations

from typing import Any

import torch
from gpytorch.kernels import Kernel, PolynomialKernel
from torch import Tensor, nn


class ConfigKernel(Kernel):
    """``(h(x) . h(x') + o)^2`` of the learnt codes h.

    The leading columns of its inputs are numbers (0 where inactive), the next ones numbers of choices; what follows is
    left alone. A choice is embedded in as many numbers as there are choices.

    Args:
        n_numeric: How many columns are numbers.
        n_choices: How many choices each following column has.
    """

    def __init__(self, n_numeric: int, n_choices: tuple[int, ...]) -> None:
        super().__init__()
        width = n_numeric + sum(n_choices)
        self.n_numeric = n_numeric
        self.embeddings = nn.ModuleList([nn.Embedding(n, n) for n in n_choices])
        self.encoder = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width))
        self.polynomial = PolynomialKernel(power=2)

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes of rows, ``(n, width)``."""
        parts = [x[:, : self.n_numeric]]
        for column, embedding in enumerate(self.embeddings, start=self.n_numeric):
            parts.append(embedding(x[:, column].long()))
        codes: Tensor = self.encoder(torch.cat(parts, dim=1))
        return codes

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        """Return the covariance of the configurations of two lists of rows, ``(n, m)``, or its diagonal ``(n,)``."""
        covariance: Tensor = self.polynomial.forward(self.encode(x1), self.encode(x2), diag=diag)
        return covariance
