"""Exact inference on a complete history: the log marginal likelihood and the target's prior given every source.

| symbol    | meaning                                                      | shape                           |
|-----------|--------------------------------------------------------------|---------------------------------|
| z         | standardized curves of the sources                           | ``(S, N, T)``                   |
| K_config  | kernel between configurations ``= U_c diag(l_c) U_c'``       | ``(N, N)``                      |
| K_epoch   | kernel between epochs ``= U_e diag(l_e) U_e'``               | ``(T, T)``                      |
| K_task    | ``rho 11' + (1 - rho) I = U_s diag(l_s) U_s'``               | ``(S, S)``                      |
| G         | ``(U_s (x) U_c (x) U_e)' z``                                 | ``(S, N, T)``                   |
| D         | ``l_s[r] l_c[a] l_e[b] + noise``                             | ``(S, N, T)``                   |
| d         | variance of the target's prior in the basis of U_c and U_e   | ``(N, T)``                      |

The model is ``z ~ N(0, K_task (x) K_config (x) K_epoch + noise I)``. Cost O(N^3 + T^3 + S N T (S + N + T)), with no
inducing points. The gradient is written by hand: with respect to a whole kernel matrix it needs no gradient of the
eigenvectors, so repeated eigenvalues (equal configurations, identity kernels) do no harm.

References:
    Stegle, Lippert, Mooij, Lawrence, Borgwardt, Efficient inference in matrix-variate Gaussian models with iid
    observation noise, NeurIPS 2011.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from at2.surrogate.kernels.task import exchangeable_values, exchangeable_vectors
from at2.surrogate.kronecker.grid_prior import GridPrior


class _LogMarginal(torch.autograd.Function):
    """Log density of rotated curves, with hand-written gradients for both kernels, task values and noise."""

    @staticmethod
    def forward(ctx: Any, rotated: Tensor, task: Tensor, config: Tensor, epoch: Tensor, noise: Tensor) -> Tensor:
        """Return the log density of ``U_s' z`` under l_s, K_config, K_epoch and the noise."""
        l_c, u_c = torch.linalg.eigh(config)
        l_e, u_e = torch.linalg.eigh(epoch)
        l_c, l_e = l_c.clamp_min(0.0), l_e.clamp_min(0.0)
        projected = u_c.T @ rotated @ u_e
        variance = task[:, None, None] * l_c[:, None] * l_e + noise
        ctx.save_for_backward(task, l_c, u_c, l_e, u_e, projected / variance, variance)
        quadratic = (projected.square() / variance).sum() + variance.log().sum()
        density: Tensor = -0.5 * (quadratic + rotated.numel() * math.log(2.0 * math.pi))
        return density

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return ``1/2 (alpha' dK alpha - tr(K^-1 dK))`` for each argument but the data."""
        task, l_c, u_c, l_e, u_e, alpha, variance = ctx.saved_tensors
        half, inverse = 0.5 * grads[0], 1.0 / variance
        pull = alpha.square() - inverse
        by_config = torch.einsum("r,b,rab,rcb->ac", task, l_e, alpha, alpha)
        by_config -= torch.diag(torch.einsum("r,b,rab->a", task, l_e, inverse))
        by_epoch = torch.einsum("r,a,rab,rac->bc", task, l_c, alpha, alpha)
        by_epoch -= torch.diag(torch.einsum("r,a,rab->b", task, l_c, inverse))
        by_task = torch.einsum("a,b,rab->r", l_c, l_e, pull)
        config, epoch = u_c @ by_config @ u_c.T, u_e @ by_epoch @ u_e.T
        return None, half * by_task, half * config, half * epoch, half * pull.sum()


def rotate_tasks(curves: Tensor) -> Tensor:
    """Return ``U_s' z``: curves of shape ``(S, N, T)`` along the eigenvectors of every exchangeable task kernel."""
    vectors = exchangeable_vectors(curves.shape[0], device=curves.device)
    return torch.einsum("sr,snt->rnt", vectors, curves)


def log_marginal(rotated: Tensor, *, rho: Tensor, config: Tensor, epoch: Tensor, noise: Tensor) -> Tensor:
    """Return the exact log marginal likelihood of the source curves, differentiable in all but the data.

    Args:
        rotated: Curves after `rotate_tasks`, shape ``(S, N, T)``.
        rho: Correlation of two tasks, a scalar tensor in [0, 1).
        config: K_config, shape ``(N, N)``.
        epoch: K_epoch, shape ``(T, T)``.
        noise: Variance of the noise, a positive scalar tensor.

    Returns:
        A scalar tensor.

    Example:
        >>> import torch
        >>> one = torch.ones((), dtype=torch.float64)
        >>> matrix, curve = one.reshape(1, 1), torch.zeros(1, 1, 1, dtype=torch.float64)
        >>> log_marginal(rotate_tasks(curve), rho=0.5 * one, config=matrix, epoch=matrix, noise=one)
        tensor(-1.2655, dtype=torch.float64)
    """
    task = exchangeable_values(rotated.shape[0], rho)
    value: Tensor = _LogMarginal.apply(rotated, task, config, epoch, noise)  # type: ignore[no-untyped-call]
    return value


@dataclass(frozen=True)
class TargetPrior:
    """The target's Gaussian given every source, with what is needed to go beyond the grid.

    Args:
        prior: Over the N configurations of the sources and T epochs, in standardized units.
        config_values: l_c, shape ``(N,)``.
        epoch_values: l_e, shape ``(T,)``.
    """

    prior: GridPrior
    config_values: Tensor
    epoch_values: Tensor


def condition_on_sources(curves: Tensor, *, rho: float, config: Tensor, epoch: Tensor, noise: float) -> TargetPrior:
    """Condition on the sources once; afterwards the target's prior is N T numbers in a Kronecker eigenbasis.

    Args:
        curves: Standardized curves z, shape ``(S, N, T)``; S may be 0.
        rho: Correlation of two different tasks, the target included.
        config: K_config, shape ``(N, N)``.
        epoch: K_epoch, shape ``(T, T)``.
        noise: Variance of the noise.

    Returns:
        The target's prior; by exchangeability only the mean over the sources enters it.
    """
    n_source = curves.shape[0]
    l_c, u_c = torch.linalg.eigh(config)
    l_e, u_e = torch.linalg.eigh(epoch)
    l_c, l_e = l_c.clamp_min(0.0), l_e.clamp_min(0.0)
    product = torch.outer(l_c, l_e)
    mean, spectrum = torch.zeros_like(product), product
    if n_source:
        first = u_c.T @ (curves.sum(0) * n_source**-0.5) @ u_e  # G along the constant eigenvector of K_task
        overlap = rho * n_source**0.5  # U_s' k(target, sources) is zero along all others
        variance = (1.0 + (n_source - 1) * rho) * product + noise
        mean = u_c @ (overlap * product * first / variance) @ u_e.T
        spectrum = (product - (overlap * product).square() / variance).clamp_min(0.0)
    no_features = mean.new_zeros((0, *mean.shape))
    prior = GridPrior(mean, u_c, u_e, spectrum, no_features, noise)
    return TargetPrior(prior, l_c, l_e)


def extend(target: TargetPrior, *, cross: Tensor, own: Tensor) -> GridPrior:
    """Add configurations outside the grid: what the grid explains by projection, the rest as a variance of its own.

    Args:
        target: The prior over the grid.
        cross: K_config between new and grid configurations, shape ``(n_new, N)``.
        own: K_config among the new configurations, shape ``(n_new, n_new)``.

    Returns:
        A prior over the N grid configurations followed by the new ones.
    """
    prior, l_c = target.prior, target.config_values
    kept = torch.where(l_c > l_c.max() * 1e-12, 1.0 / l_c, torch.zeros_like(l_c))
    factor = (cross @ prior.config_factor) * kept  # rows of the new configurations in the grid's basis
    mean = factor @ (prior.config_factor.T @ prior.mean)
    unexplained = own - (factor * l_c) @ factor.T
    values, vectors = torch.linalg.eigh(0.5 * (unexplained + unexplained.T))
    n_grid, n_new = prior.config_factor.shape[0], cross.shape[0]
    top = torch.cat([prior.config_factor, prior.config_factor.new_zeros((n_grid, n_new))], dim=1)
    spectrum = torch.cat([prior.spectrum, torch.outer(values.clamp_min(0.0), target.epoch_values)])
    return GridPrior(
        torch.cat([prior.mean, mean]),
        torch.cat([top, torch.cat([factor, vectors], dim=1)]),
        prior.epoch_factor,
        spectrum,
        prior.features.new_zeros((0, n_grid + n_new, prior.mean.shape[1])),
        prior.noise,
        prior.value_column,
    )
