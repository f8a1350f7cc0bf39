"""Limits for readings that lie far out, so that a few of them do not set the scale of all others."""

import torch
from torch import Tensor

_FURTHEST = 4.0  # units beyond the upper limit that no value reaches, not even one of 1e30
_LARGEST_LOG = 1e3  # of a distance in units, which may overflow
_POOR = 3.0  # upper spreads below the median, from which on poor values are drawn in
_ELSEWHERE = 1e5  # times as far from the top as the best tenth lies, from where on a median is no sound value
_SMALLEST = 1e-9  # values that spread less than this, relative to their size, are all alike


def limit(values: Tensor, *, low: Tensor, high: Tensor, unit: Tensor) -> Tensor:
    """Draw values in that lie beyond two limits; larger is better.

    Below the lower one all count alike: how a training fails does not matter. Above the upper one values keep their
    order, so that where few configurations learn anything the best of those is still told from the others: they grow
    with the log of their distance at first, and ever more slowly towards four units.

    Args:
        values: Of any shape, NaN allowed.
        low: Lower limit, of a shape that broadcasts with `values`.
        high: Upper limit, not below `low`, likewise.
        unit: Distance over which values beyond the upper limit begin to be drawn in, not below 0, likewise.

    Returns:
        The values; those above `low` in the same order.

    Example:
        >>> import torch
        >>> low, high, unit = torch.tensor([-1.0, 1.0, 1.0]).unbind()
        >>> limit(torch.tensor([-7.0, 0.5, 2.0, 1e30]), low=low, high=high, unit=unit)
        tensor([-1.0000,  0.5000,  1.5908,  4.7811])
    """
    above = (values - high).clamp_min(0.0)
    steps = torch.log1p(above / unit.clamp_min(torch.finfo(values.dtype).tiny)).clamp_max(_LARGEST_LOG)
    return torch.minimum(torch.maximum(values, low), high) + unit * steps / (1.0 + steps / _FURTHEST)


def draw_in_poor(values: Tensor, *, median: Tensor, spread: Tensor) -> Tensor:
    """Let values far below the median fall with the log of their distance only; larger is better.

    Where a metric has no worst value, how poor the poor ones are says little, and they would set the scale on which the
    good ones are told apart.

    Args:
        values: Of any shape, NaN allowed.
        median: Their median, of a shape that broadcasts with `values`.
        spread: How far the best of them lie above it, likewise; where that is nothing they stay as they are.

    Returns:
        The values, those more than three spreads below the median drawn in, in the same order.

    Example:
        >>> import torch
        >>> draw_in_poor(torch.tensor([-1e6, -2.0, 1.0]), median=torch.tensor(0.0), spread=torch.tensor(1.0))
        tensor([-16.8155,  -2.0000,   1.0000])
    """
    told = spread > _SMALLEST * (1.0 + median.abs())
    spread = torch.where(told, spread, torch.ones_like(spread))
    below = (median - values) / spread
    drawn = median - spread * (_POOR + torch.log1p((below - _POOR).clamp_min(0.0)))
    return torch.where(told & (below > _POOR), drawn, values)


def at_share(ordered: Tensor, share: float) -> Tensor:
    """Return the value at a share of each row of sorted ones ``(n, m)``: at 0 the least, at 1 the largest; ``(n,)``."""
    return ordered[:, round(share * (ordered.shape[1] - 1))]


def sound_median(ordered: Tensor, median: Tensor) -> Tensor:
    """Return the median of each row, or, where that stands for a crash, the median of the sound values.

    Where half of all trainings or more crash and are told as some huge number, that is the median, and sound values
    look all alike beside it.

    Args:
        ordered: Rows of sorted values, shape ``(n, m)``.
        median: Their medians, ``(n,)``.

    Example:
        >>> import torch
        >>> crashed = torch.cat([torch.full((60,), -1e6), torch.linspace(0.0, 1.0, 40)])
        >>> rows = torch.stack([crashed, torch.linspace(-1.0, 1.0, 100)])
        >>> sound_median(rows, rows.median(1).values).round(decimals=1).tolist()
        [0.5, -0.0]
    """
    upper, high = (at_share(ordered, share) for share in (0.9, 0.95))
    nearest = high - _ELSEWHERE * (high - upper)
    is_sound = ordered >= nearest[:, None]
    middle = ordered.shape[1] - 1 - is_sound.sum(1) // 2
    among_sound = ordered.gather(1, middle[:, None])[:, 0]
    return torch.where((median < nearest) & (upper < high), among_sound, median)
