"""Whether sources agree with each other: if not, what they leave of one another is no measure of a target's noise."""

from __future__ import annotations

import torch
from torch import Tensor

_ENOUGH = 0.25  # mean correlation between sources from which on they are believed in full


def agreement(curves: Tensor) -> float:
    """Return the mean correlation between the values that pairs of sources give the same configurations.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.

    Returns:
        A number in [-1, 1]; 0 for a single source, which nothing confirms.

    Example:
        >>> import torch
        >>> values = torch.tensor([[[0.0], [1.0], [2.0]], [[5.0], [7.0], [9.0]]], dtype=torch.float64)
        >>> round(agreement(values), 6)
        1.0
    """
    n = curves.shape[0]
    if n == 1:
        return 0.0
    values = curves[:, :, -1]
    apart = values - values.mean(1, keepdim=True)
    apart = apart / torch.linalg.vector_norm(apart, dim=1, keepdim=True).clamp_min(1e-12)
    pairs = apart @ apart.T
    return float((pairs.sum() - pairs.diagonal().sum()) / (n * (n - 1)))


def trust(curves: Tensor) -> float:
    """Return how far what sources leave of one another is believed to be what they would leave of a target.

    Sources whose configuration labels are shuffled have a mean correlation near 0, the nearer the more configurations
    and sources there are. Tasks of one kind that have little to do with each other seldom lie below a quarter.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.

    Returns:
        A number in [0, 1].
    """
    return min(max(agreement(curves) / _ENOUGH, 0.0), 1.0)
