"""Source curves in one unit: standardized task by task, outliers drawn in, the best of each curve appended."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_REACH = 3.0  # readings further out than this many central ranges are drawn in to that distance
_SMALLEST = 1e-9  # a task whose curves spread less than this, relative to their size, says nothing about configurations


@dataclass(frozen=True)
class Sources:
    """Complete curves of the source tasks, each task with mean 0 and standard deviation 1 over its cells.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_epoch + 1)``; the last column is the best of the curve.
        location: Mean of each task in latent units, shape ``(n_source,)``.
        log_scale: Log standard deviation of each task in latent units, shape ``(n_source,)``.
        unsure: Variance of each configuration's curve that completion left open, in standardized units, averaged over
            tasks and epochs, shape ``(n_config,)``; 0 where every task has run it.
        kept: Which of the given tasks are among them, shape ``(n_given,)``.
    """

    curves: Tensor
    location: Tensor
    log_scale: Tensor
    unsure: Tensor
    kept: Tensor

    @property
    def n_source(self) -> int:
        """Number of tasks."""
        return self.curves.shape[0]


def standardize(curves: Tensor, variance: Tensor | None = None) -> Sources:
    """Standardize complete latent curves task by task.

    Tasks whose curves are all alike are left out: they say nothing about configurations.

    Args:
        curves: Latent curves, shape ``(n_source, n_config, n_epoch)``, finite.
        variance: What completion left open, same shape; None for observed curves.

    Returns:
        The sources.

    Example:
        >>> import torch
        >>> sources = standardize(torch.tensor([[[0.0, 1.0], [2.0, 5.0]], [[1.0, 1.0], [1.0, 1.0]]]).double())
        >>> sources.kept.tolist(), bool(sources.curves.mean().abs() < 1e-12)
        ([True, False], True)
    """
    drawn = draw_in(curves)
    full = torch.cat([drawn, drawn.amax(-1, keepdim=True)], -1)
    location = full.mean((1, 2))
    scale = full.flatten(1).std(1, correction=0) if full.shape[0] else location
    kept = scale > _SMALLEST * (1.0 + location.abs())
    z = (full[kept] - location[kept, None, None]) / scale[kept, None, None]
    unsure = torch.zeros(curves.shape[1], dtype=curves.dtype, device=curves.device)
    if variance is not None and bool(kept.any()):
        unsure = (variance[kept] / scale[kept, None, None].square()).mean((0, 2))
    return Sources(z, location[kept], scale[kept].log(), unsure, kept)


def draw_in(curves: Tensor) -> Tensor:
    """Limit outliers of each task, so that one diverged training does not set the scale of all others.

    Args:
        curves: Latent curves, shape ``(n_source, n_config, n_epoch)``.

    Returns:
        The curves, limited to three central 90 % ranges beyond the 5 and 95 % quantiles of their task.
    """
    if curves.numel() == 0:
        return curves
    ordered = curves.flatten(1).sort(1).values
    n = ordered.shape[1]
    low, high = ordered[:, round(0.05 * (n - 1))], ordered[:, round(0.95 * (n - 1))]
    reach = _REACH * (high - low)
    reach = torch.where(reach > 0, reach, (ordered[:, -1] - ordered[:, 0]))
    return torch.clamp(curves, (low - reach)[:, None, None], (high + reach)[:, None, None])
