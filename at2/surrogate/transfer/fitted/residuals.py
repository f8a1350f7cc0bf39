"""What is left of a source after its best description by the others: samples of a target's own deviation.

What decides is how the leading configurations differ from each other, and deviations are not alike everywhere: near the
best values a curve's early part says less about its end than elsewhere. Configurations therefore count by their rank
on the other sources, and what their deviations have in common, which moves no configuration past another, is split off.
"""

from __future__ import annotations

import torch
from torch import Tensor

from at2.surrogate.transfer.fitted.agreement import consensus_of_others

WEIGHT_SPREAD = 0.75  # prior standard deviation of a source's weight, in units of 1 / sqrt(n_source), for residuals
_ROUNDS = 5
_USUAL = 3.0  # times the median size that a residual may have and count in full
_REACH = 0.2  # ranks over which the weight of a configuration falls by a factor e, as a share of all configurations


def leave_one_out_residuals(curves: Tensor) -> Tensor:
    """Return what is left of each source after its best description by the other sources.

    Each source plays the target: its curves are regressed (ridge, with the prior of the weights) on the curves of the
    others and a constant. What remains is a sample of a target's own deviation.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.

    Returns:
        Tensor of the same shape. With a single source, half of the variance of its curves around their mean over
        configurations counts as its own.
    """
    n, n_config, n_column = curves.shape
    if n == 1:
        return curves.sub(curves.mean(1, keepdim=True)).mul(0.5**0.5)
    basis = torch.cat([curves, curves.new_ones(1, n_config, n_column)]).flatten(1)
    # Readings of one curve are far from independent: a curve counts as one observation of each weight.
    weights = _weights_of_others(basis @ basis.T / n_column, n_reading=n_config)
    return curves - (weights @ basis).reshape(curves.shape)


def _weights_of_others(gram: Tensor, *, n_reading: int) -> Tensor:
    """Return the weights under which the other sources and a constant describe each source best.

    All are found at once: an eigendecomposition inverts what they share for any noise, and of an inverse with a source
    in it one without follows.

    Args:
        gram: Inner products of the sources and, last, the constant, ``(n_source + 1, n_source + 1)``.
        n_reading: Over how many readings they go.

    Returns:
        Tensor of shape ``(n_source, n_source + 1)``; no source describes itself.
    """
    n = len(gram) - 1
    mean = torch.full_like(gram[0], 1.0 / (n - 1))
    spread = torch.full_like(mean, WEIGHT_SPREAD / (n - 1) ** 0.5)
    mean[-1], spread[-1] = 0.0, 1.0
    itself = torch.eye(n, n + 1).to(gram)
    size, vectors = torch.linalg.eigh(spread[:, None] * gram * spread)
    size, vectors = size.clamp_min(0.0), spread[:, None] * vectors
    weights = mean - itself * mean
    for _ in range(_ROUNDS):
        left = itself - weights
        noise = ((left @ gram) * left).sum(1, keepdim=True).div(n_reading).clamp_min(1e-8)
        inverse = 1.0 / (size / noise + 1.0)  # of each source's own system, between the vectors
        known = (gram[:n] / noise + mean / spread.square()) * (1.0 - itself)
        weights = (known @ vectors * inverse) @ vectors.T
        towards = (vectors[:n] * inverse) @ vectors.T
        weights = weights - towards * (weights.diagonal() / towards.diagonal())[:, None]
    return weights


def rank_weights(curves: Tensor) -> Tensor:
    """Return how much each configuration counts when a source plays the target.

    Weights fall by a factor e every fifth of the ranks, in the order of the consensus of the *other* sources: an order
    by the source's own values would pick those whose deviation is high.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.

    Returns:
        Tensor of shape ``(n_source, n_config)``; each row sums to 1. With a single source all weights are equal.

    Example:
        >>> import torch
        >>> values = torch.tensor([[[0.0], [1.0]], [[5.0], [2.0]]], dtype=torch.float64)
        >>> (rank_weights(values) > 0.5).tolist()
        [[True, False], [False, True]]
    """
    n, n_config, _ = curves.shape
    if n == 1:
        return torch.full_like(curves[:, :, -1], 1.0 / n_config)
    return weights_of_ranks(ranks_on_others(curves))


def weights_of_ranks(ranks: Tensor) -> Tensor:
    """Return weights that fall by a factor e every fifth of the ranks, each row summing to 1; see `rank_share`."""
    return torch.softmax(-ranks / _REACH, -1)


def ranks_on_others(curves: Tensor) -> Tensor:
    """Return the rank of each configuration by the consensus of the other sources, 0 the best, as a share of all.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least two sources.

    Returns:
        Tensor of shape ``(n_source, n_config)`` in [0, 1).
    """
    return rank_share(consensus_of_others(curves[:, :, -1:])[:, :, 0])


def rank_share(values: Tensor) -> Tensor:
    """Return ranks along the last dimension, 0 the largest, divided by their number."""
    order = values.argsort(dim=-1, descending=True, stable=True)
    return order.argsort(-1).to(values) / values.shape[-1]


def split_common(residuals: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Split residuals into what all configurations of a source have in common and what is each one's own.

    Args:
        residuals: Shape ``(n_source, n_config, n_column)``.
        weights: How much each configuration counts, ``(n_source, n_config)``, rows summing to 1.

    Returns:
        Weighted means ``(n_source, n_column)``, and what is left, of the shape of the residuals.
    """
    common = torch.einsum("sc,sct->st", weights, residuals)
    return common, residuals - common[:, None]


def usual_part(residuals: Tensor, weights: Tensor) -> Tensor:
    """Return each configuration's own part of residuals, in which those that lie far out hardly count.

    Where a configuration failed on one source and learnt on the others, what they leave of it is no sample of how those
    that learn differ from each other. Residuals of more than three times the median size are drawn in, the further out
    the more, so that one of infinite size counts for nothing.

    Args:
        residuals: Shape ``(n_source, n_config, n_column)``, what all configurations have in common included.
        weights: How much each configuration counts, ``(n_source, n_config)``, rows summing to 1.

    Returns:
        Tensor of the shape of the residuals.

    Example:
        >>> import torch
        >>> left = torch.tensor([[[-1.0], [1.0], [-1.0], [1.0], [100.0]]], dtype=torch.float64)
        >>> even = torch.full((1, 5), 0.2, dtype=torch.float64)
        >>> bool(usual_part(left, even)[0, 4].abs() < 10.0)
        True
    """
    kept = weights
    for _ in range(_ROUNDS):  # what is in common is moved by those that lie far out, as long as they count
        own = split_common(residuals, kept / kept.sum(1, keepdim=True).clamp_min(1e-12))[1]
        size = own.square().mean(-1).sqrt()
        counted = (_USUAL * _weighted_median(size, weights) / size.clamp_min(1e-12)).clamp_max(1.0).square()
        kept = weights * counted
    return own * counted[..., None]


def _weighted_median(sizes: Tensor, weights: Tensor) -> Tensor:
    ordered, order = sizes.flatten().sort()
    share = weights.flatten()[order].cumsum(0)
    return ordered[int((share < 0.5 * share[-1]).sum())]
