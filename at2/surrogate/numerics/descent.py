"""Fit a handful of numbers by L-BFGS, no further from their start than makes sense."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor


def minimize_near(loss: Callable[[Tensor], Tensor], start: Tensor, *, reach: float, max_iter: int) -> Tensor:
    """Minimize a differentiable loss.

    Args:
        loss: Maps numbers of the shape of `start` to a scalar tensor, both on the CPU.
        start: Where to begin, shape ``(n,)``, float64.
        reach: How far each number may get from there.
        max_iter: Iterations of L-BFGS.

    Returns:
        Tensor of shape ``(n,)`` on the CPU.

    Example:
        >>> import torch
        >>> start = torch.zeros(2, dtype=torch.float64)
        >>> minimize_near(lambda at: (at - torch.tensor([1.0, 9.0])).square().sum(), start, reach=2.0, max_iter=20)
        tensor([1., 2.], dtype=torch.float64)
    """

    @torch.enable_grad()
    def evaluate(at: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        raw = torch.from_numpy(at).requires_grad_()
        value = loss(raw)
        (slope,) = torch.autograd.grad(value, raw)
        return float(value.detach()), slope.numpy()

    bounds = [(float(s) - reach, float(s) + reach) for s in start]
    found = minimize(evaluate, start.numpy(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": max_iter})
    return torch.from_numpy(found.x)
