"""What is left of a source after its best description by the others: samples of a target's own deviation."""

from __future__ import annotations

import torch
from torch import Tensor

WEIGHT_SPREAD = 0.75  # prior standard deviation of a source's weight, in units of 1 / sqrt(n_source), for residuals
_ROUNDS = 5


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
    n = curves.shape[0]
    if n == 1:
        return curves.sub(curves.mean(1, keepdim=True)).mul(0.5**0.5)
    residuals = [_residual(curves[s], torch.cat([curves[:s], curves[s + 1 :]])) for s in range(n)]
    return torch.stack(residuals)


def _residual(curve: Tensor, others: Tensor) -> Tensor:
    n_other, n_config, n_column = others.shape
    basis = torch.cat([others, curve.new_ones(1, n_config, n_column)]).flatten(1)
    mean = torch.full_like(basis[:, 0], 1.0 / n_other)
    spread = torch.full_like(mean, WEIGHT_SPREAD / n_other**0.5)
    mean[-1], spread[-1] = 0.0, 1.0
    flat = curve.flatten()
    # Readings of one curve are far from independent: a curve counts as one observation of each weight.
    gram, moment = basis @ basis.T / n_column, basis @ flat / n_column
    precision = spread.square().reciprocal()
    weights = mean
    for _ in range(_ROUNDS):
        noise = (flat - weights @ basis).square().mean().clamp_min(1e-8)
        weights = torch.linalg.solve(gram / noise + torch.diag(precision), moment / noise + precision * mean)
    residual: Tensor = curve - (weights @ basis).reshape(n_config, n_column)
    return residual
