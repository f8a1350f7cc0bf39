"""What a target's curves are made of before its own deviation: the source curves, and bends of their mean."""

from __future__ import annotations

import torch
from torch import Tensor

KNOTS = (0.3, 0.5, 0.7, 0.9)
BEND_SPREAD = 0.5  # prior standard deviation of the weight of a bend
WEIGHT_SPREAD = 0.75  # prior standard deviation of a source's weight, in units of 1 / sqrt(n_source), for residuals
_ROUNDS = 5


def bends(mean: Tensor) -> Tensor:
    """Return hinges of a mean curve, with which a linear model learns a bent link between source and target.

    Tasks differ in how far apart their good configurations lie compared with their bad ones; a weighted sum of source
    curves cannot express that, a weighted sum of ``max(mean - knot, 0)`` can.

    Args:
        mean: Mean of the source curves, shape ``(n_config, n_column)``; its last column is the best of the curve.

    Returns:
        Hinges at the 30, 50, 70 and 90 % quantiles of the last column, shape ``(4, n_config, n_column)``.
    """
    knots = torch.quantile(mean[:, -1], mean.new_tensor(KNOTS))
    hinges: Tensor = (mean[None] - knots[:, None, None]).clamp_min(0.0)
    return hinges


def leave_one_out_residuals(curves: Tensor) -> Tensor:
    """Return what is left of each source after its best description by the other sources.

    Each source plays the target: its curves are regressed (ridge, with the prior of the weights) on the curves of the
    others, the bends of their mean and a constant. What remains is a sample of a target's own deviation.

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
    basis = torch.cat([others, bends(others.mean(0)), curve.new_ones(1, n_config, n_column)]).flatten(1)
    mean = curve.new_zeros(basis.shape[0])
    mean[:n_other] = 1.0 / n_other
    spread = torch.full_like(mean, BEND_SPREAD)
    spread[:n_other], spread[-1] = WEIGHT_SPREAD / n_other**0.5, 1.0
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
