"""Curves of trainings that failed: told from all others, and how likely a configuration is to fail by its neighbours.

A training that diverged, or whose worker broke, lies so far below all others that it would decide how configurations
go together: one in ten of them, at whatever hyperparameters, and nothing is left of what the others say. They are
therefore left out where curves are completed from one another. Where failures come in some region, its configurations
are expected to fail there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from at2.surrogate.completion.curve_list import CurveList
from at2.surrogate.kernels.matern import matern52

_FAR = 4.0  # standard deviations of the good ones below the median, from which on a curve has failed
_HIGH, _HIGH_DEVIATIONS = 0.75, 0.6745  # a quantile that good curves alone decide, and where it lies for a Gaussian
_MEDIAN_DISTANCE = 0.84  # of a Gaussian from there, in standard deviations
_GAP = 2.5  # standard deviations of the good ones, between the last of them and the first that failed
_STRAYS = 0.15  # curves within the gap, at most, for each one beyond it
_FEW = 8  # curves, of fewer it cannot be said what stands apart
_LEARNT_FROM = 1000  # curves that tell where failures come
_SHARES = (0.0, 0.3, 0.6, 0.9)  # of the variance of failing that is smooth in the hyperparameters
_STRETCHES = (0.5, 1.0, 2.0)  # of the length scales


def find_failed(ends: Tensor, curves: CurveList) -> Tensor:
    """Find the trainings that failed: those that end far below the others of their source, with a gap between them.

    Where poor ones lie at any distance, they are the poor end of what hyperparameters do, and say so.

    Args:
        ends: Where each curve is expected to end, in units of its source, shape ``(n_curve,)``.
        curves: The curves. Of one that was stopped it is not known whether it would have stayed as poor.

    Returns:
        Which failed, ``(n_curve,)``.
    """
    if len(curves) < _FEW:
        return torch.zeros_like(ends, dtype=torch.bool)
    high = torch.stack([torch.quantile(ends[which], _HIGH) for which in curves.by_source])
    below = high[curves.source] - ends
    deviation = below.abs().median() / _MEDIAN_DISTANCE
    threshold = _beyond_the_gap(below, gap=_GAP * deviation, far=(_FAR + _HIGH_DEVIATIONS) * deviation)
    return (below > threshold) & torch.isfinite(curves.values[:, -1])


def _beyond_the_gap(below: Tensor, *, gap: Tensor, far: Tensor) -> Tensor:
    """Return where the first gap ends that lies far enough below, infinity if there is none."""
    edges = below.sort().values
    ends = torch.maximum(edges + gap, far)
    n_to_edge, n_to_end = (torch.searchsorted(edges, at, right=True) for at in (edges, ends))
    n_beyond = len(edges) - n_to_end
    is_gap = (n_beyond > 0) & (n_to_end - n_to_edge <= _STRAYS * n_beyond)
    return torch.where(is_gap, ends, torch.inf).min()


def excess_of_failing(failed: Tensor, points: Tensor, asked: Tensor, length_scales: Tensor, *, seed: int) -> Tensor:
    """Return by how much likelier some configurations are to fail than all are on average, ``(n_asked,)``, in [0, 1].

    A Gaussian process over the hyperparameters, whose smooth share and length scales are averaged by their evidence.

    Args:
        failed: Which curves failed, shape ``(n_curve,)``.
        points: Embedded configuration of each curve, ``(n_curve, n_embedded)``.
        asked: Embedded configurations, ``(n_asked, n_embedded)``.
        length_scales: Of the curves that did not fail, ``(n_embedded,)``.
        seed: Draws the curves that tell, where there are many.
    """
    some = torch.randperm(len(failed), generator=torch.Generator().manual_seed(seed))[:_LEARNT_FROM].to(failed.device)
    told = failed[some].to(points)
    rate = (told.sum() + 0.5) / (len(told) + 1.0)
    size = (rate * (1.0 - rate)).sqrt()
    left, eye = (told - rate) / size, torch.eye(len(told)).to(points)
    evidence, means = [], []
    for stretch in _STRETCHES:
        scales = stretch * length_scales
        within = matern52(points[some] / scales, points[some] / scales)
        across = matern52(asked / scales, points[some] / scales)
        for share in _SHARES:
            factor = torch.linalg.cholesky(share * within + (1.0 - share) * eye)
            solved = torch.cholesky_solve(left[:, None], factor)[:, 0]
            evidence.append(-0.5 * (left @ solved) - factor.diagonal().log().sum())
            means.append(share * across @ solved)
    weights = torch.softmax(torch.stack(evidence), 0)
    return (size * (weights @ torch.stack(means))).clamp(0.0, 1.0 - float(rate))


def lower(mean: Tensor, variance: Tensor, *, fallen: Tensor, excess: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Expect of some curves that they fail with some probability.

    Args:
        mean: Of the curves if they do not, shape ``(n_source, n_config, n_epoch)``.
        variance: Their variance, likewise.
        fallen: What is expected of a curve that fails, ``(n_source, n_epoch)``.
        excess: Probability that a configuration does, ``(n_config,)``.
        where: Which curves, ``(n_source, n_config)``.

    Returns:
        Mean and variance of both together.
    """
    share = (excess * where)[:, :, None]
    gap = (mean - fallen[:, None]).clamp_min(0.0)
    return mean - share * gap, variance + share * (1.0 - share) * gap.square()
