"""Whether sources agree with each other, and which of them.

If they do not, what they leave of one another is no measure of a target's noise. If one of several agrees with none,
nothing says that a target will agree with it: it counts less in what is expected before the first reading.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BY_CHANCE = 2.0  # standard errors by which a mean of correlations may differ from 0 by chance
_ENOUGH = 0.25  # mean correlation between sources from which on they are believed in full


def correlations(curves: Tensor) -> Tensor:
    """Return the correlation between the values that pairs of sources give the same configurations.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``.

    Returns:
        Tensor of shape ``(n_source, n_source)``.
    """
    values = curves[:, :, -1]
    apart = values - values.mean(1, keepdim=True)
    apart = apart / torch.linalg.vector_norm(apart, dim=1, keepdim=True).clamp_min(1e-12)
    pairs: Tensor = apart @ apart.T
    return pairs


def shares(curves: Tensor) -> Tensor:
    """Return how much each source counts in their mean: in proportion to its mean correlation with the others.

    None counts for less than such a mean may be by chance, two standard errors, so that sources of which none agrees
    with another count alike. Two sources always do.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.

    Returns:
        Numbers that sum to 1, ``(n_source,)``.

    Example:
        >>> import torch
        >>> up = torch.arange(64.0).double()[:, None].expand(3, 64, 1)
        >>> shares(torch.cat([up, -up[:1]])).mul(100).round().tolist()
        [29.0, 29.0, 29.0, 13.0]
    """
    between = correlations(curves)
    agreed = (between.sum(1) - between.diagonal()) / max(len(between) - 1, 1)
    counted = _counted(agreed, n_source=len(between), n_config=curves.shape[1])
    return counted / counted.sum()


def _counted(agreed: Tensor, *, n_source: int, n_config: int) -> Tensor:
    """How much sources count that agree so much with the others, up to a factor."""
    return agreed.clamp_min(_BY_CHANCE * (n_config * max(n_source - 1, 1)) ** -0.5)


def consensus(curves: Tensor) -> Tensor:
    """Return the mean of the sources, each counting by its share, ``(n_config, n_column)``; see `shares`."""
    return torch.einsum("s,sct->ct", shares(curves), curves)


def consensus_of_others(curves: Tensor) -> Tensor:
    """Return the consensus of the other sources for each one, as if it were the target: its own values do not count.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least two sources.

    Returns:
        Tensor of the same shape.
    """
    between, n = correlations(curves), curves.shape[0]
    agreed = (between.sum(1) - between.diagonal() - between) / max(n - 2, 1)  # a row for each source, without it
    counted = _counted(agreed, n_source=n - 1, n_config=curves.shape[1]).fill_diagonal_(0.0)
    means: Tensor = torch.tensordot(counted / counted.sum(1, keepdim=True), curves, 1)
    return means


def agreement(curves: Tensor, unsure: Tensor | None = None) -> float:
    """Return the mean correlation between the values that pairs of sources give the same configurations.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.
        unsure: What completion left open, a variance, of configurations that a source has never run,
            ``(n_source, n_config)``, 0 of others; None where all were run. What the others say of them goes together on
            several sources by construction; true curves differ by what was left open as well.

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
    pairs = correlations(curves)
    if unsure is not None:
        told = curves[:, :, -1].var(1, correction=0).clamp_min(1e-12)
        known = (told / (told + unsure.mean(1))).sqrt()
        pairs = pairs * torch.outer(known, known)
    return float((pairs.sum() - pairs.diagonal().sum()) / (n * (n - 1)))


def trust(curves: Tensor, unsure: Tensor | None = None) -> float:
    """Return how far what sources leave of one another is believed to be what they would leave of a target.

    Sources whose configuration labels are shuffled have a mean correlation near 0, the nearer the more configurations
    and sources there are. Tasks of one kind that have little to do with each other seldom lie below a quarter.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.
        unsure: What completion left open of configurations that a source has never run, see `agreement`.

    Returns:
        A number in [0, 1].
    """
    return min(max(agreement(curves, unsure) / _ENOUGH, 0.0), 1.0)
