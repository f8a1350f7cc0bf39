"""What every kernel must do: symmetric, positive semi-definite, the right diagonal, true and finite gradients."""

from abc import ABC, abstractmethod

import pytest
import torch
from torch import Tensor


class KernelContract(ABC):
    """Inherit, say how to build a matrix, and the rest is tested.

    `raw` are unconstrained parameters, `size` the number of rows; a kernel that cannot have so many skips none: it gets
    what it is asked for.
    """

    sizes = (1, 2, 9)
    atol = 1e-10

    @abstractmethod
    def parameters(self) -> Tensor:
        """Unconstrained parameters to build from."""

    @abstractmethod
    def matrix(self, raw: Tensor, size: int) -> Tensor:
        """Kernel matrix of `size` points."""

    @abstractmethod
    def diagonal(self, raw: Tensor, size: int) -> Tensor:
        """What its diagonal must be."""

    @pytest.mark.parametrize("index", range(3))
    def test_is_symmetric_and_positive_semi_definite(self, index: int) -> None:
        matrix = self.matrix(self.parameters(), self.sizes[index])
        assert matrix.dtype == torch.float64
        torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=self.atol)
        lowest = torch.linalg.eigvalsh(matrix).min()
        assert lowest > -self.atol * matrix.diagonal().max()

    @pytest.mark.parametrize("index", range(3))
    def test_has_the_diagonal_it_promises(self, index: int) -> None:
        raw, size = self.parameters(), self.sizes[index]
        torch.testing.assert_close(self.matrix(raw, size).diagonal(), self.diagonal(raw, size), rtol=0, atol=self.atol)

    def test_has_true_gradients_also_where_points_coincide(self) -> None:
        raw = self.parameters().requires_grad_()
        weights = torch.linspace(-1.0, 2.0, self.sizes[-1] ** 2, dtype=torch.float64).reshape(self.sizes[-1], -1)

        def total(raw: Tensor) -> Tensor:
            return (weights * self.matrix(raw, self.sizes[-1])).sum()

        (analytic,) = torch.autograd.grad(total(raw), raw)
        step = 1e-6
        for i in range(raw.numel()):
            ahead, behind = raw.detach().clone(), raw.detach().clone()
            ahead[i] += step
            behind[i] -= step
            numeric = (total(ahead) - total(behind)) / (2 * step)
            torch.testing.assert_close(analytic[i], numeric, rtol=1e-5, atol=1e-7)
