"""The dense twin: the same Gaussians with every covariance written out, in plain linear algebra."""

import math

import torch
from torch import Tensor


def log_density(y: Tensor, covariance: Tensor, mean: Tensor | None = None) -> Tensor:
    """Log density of a multivariate normal, by Cholesky."""
    residual = y if mean is None else y - mean
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, residual[:, None], upper=False)[:, 0]
    return -0.5 * (white @ white) - factor.diagonal().log().sum() - 0.5 * len(y) * math.log(2 * math.pi)


def condition(mean: Tensor, covariance: Tensor, cells: list[int], y: Tensor, noise: float) -> tuple[Tensor, Tensor]:
    """Mean and covariance of every cell given noisy readings of some (a cell may occur twice)."""
    cross = covariance[:, cells]
    gram = covariance[cells][:, cells] + noise * torch.eye(len(cells), dtype=y.dtype)
    gain = torch.linalg.solve(gram, cross.T).T
    return mean + gain @ (y - mean[cells]), covariance - gain @ cross.T


def random_psd(n: int, generator: torch.Generator, *, rank: int | None = None) -> Tensor:
    """A random covariance, singular where `rank` is below `n`."""
    root = torch.randn(n, rank or n, dtype=torch.float64, generator=generator)
    return root @ root.T / n
