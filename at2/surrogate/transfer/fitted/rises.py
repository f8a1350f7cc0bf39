"""How far what configurations gain by further training on the sources says what they gain on a target.

Some configurations rise late and others early. How much of that a new task repeats differs from one collection of
curves to the next, and from task to task: late rises on the sources may be all but absent on a target that learns
faster. The mean curves are therefore bent by what the sources repeat of one another, and the rest is left open.

======== ============================================================= =====================================
symbol   meaning                                                       shape
======== ============================================================= =====================================
``g``    mean further rise from a column to the best of the curve,     ``(n_config, n_column)``
         less that of the leading configurations
``b``    share of ``g`` that a target is expected to repeat            ``(n_column,)``
``B``    covariance of that share between columns                      ``(n_column, n_column)``
======== ============================================================= =====================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.surrogate.transfer.fitted.agreement import consensus, consensus_of_others
from at2.surrogate.transfer.fitted.residuals import rank_share, rank_weights, weights_of_ranks

_SPREAD = 0.5  # prior standard deviation of a target's share; counts like one source beside what the sources show
_LASTING = 0.5  # part of its variance that is the same at all columns; the rest is forgotten along the log of the epoch
_SLOPE_VARIANCE = 0.5  # prior variance of what is left of a share in the residuals of a source
_CURVES = 10.0  # curves of a source that count as independent
_LEAST, _LARGEST = 0.05, 1.5  # shares beyond are drawn in


@dataclass(frozen=True)
class Rises:
    """What is expected of the rises of a target.

    Args:
        rise: ``g``, shape ``(n_config, n_column)``; 0 in the last column.
        share: ``b``, shape ``(n_column,)``.
        covariance: ``B``, shape ``(n_column, n_column)``.
    """

    rise: Tensor
    share: Tensor
    covariance: Tensor

    def bend(self, mean: Tensor) -> Tensor:
        """Return mean curves ``(n_config, n_column)`` whose rises are as large as expected; values stay."""
        return mean + (1.0 - self.share) * self.rise

    def doubted(self, doubt: float) -> Rises:
        """Return rises of which less was learnt: at a doubt of 1 all of them are expected, and nothing is left open.

        Rises of curves that broke off are mostly what completion put in; how sources repeat those says nothing.

        Args:
            doubt: In [0, 1].
        """
        return replace(self, share=self.share + doubt * (1.0 - self.share), covariance=(1.0 - doubt) * self.covariance)


def learn_rises(curves: Tensor, residuals: Tensor) -> Rises:
    """Learn from the sources how much of their mean rises a target repeats.

    Each source plays the target: the rises of its residuals are regressed (ridge, column by column) on the mean rises
    of the other sources. A mean of all sources is less noisy than one of all but one, which the share allows for.

    Args:
        curves: ``Z``, shape ``(n_source, n_config, n_column)``, at least one source.
        residuals: What is left of each source after its description by the others, same shape.

    Returns:
        The rises. A single source is expected to be repeated in full: how far it is not is left to ``Ke``. Without a
        second one a share would take what all configurations have in common for a difference between them, and promise
        great rises to configurations that never rose.

    Example:
        >>> import torch
        >>> early, late = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
        >>> rises = learn_rises(torch.stack([early, late]).expand(3, 2, 3), torch.zeros(3, 2, 3, dtype=torch.float64))
        >>> rises.share.tolist()
        [1.0, 1.0, 1.0]
    """
    n, _, n_column = curves.shape
    mean = consensus(curves)
    rise = _rise(mean, weights_of_ranks(rank_share(mean[:, -1])))
    if n == 1:
        return Rises(rise, torch.ones_like(mean[0]), mean.new_zeros(n_column, n_column))
    missing = torch.stack(
        [_slope(*parts) for parts in zip(residuals, consensus_of_others(curves), rank_weights(curves), strict=True)]
    )
    share = (1.0 + missing.mean(0)).clamp(_LEAST, _LARGEST)
    share = 1.0 / (1.0 + (n - 1) / n * (1.0 / share - 1.0))
    variance = (_SPREAD**2 + n * missing.var(0).mean()) / (1 + n)
    return Rises(rise, share, variance * _correlation(n_column, mean))


def _rise(curves: Tensor, weights: Tensor) -> Tensor:
    """Rises to the last column, less their weighted mean over configurations, ``(n_config, n_column)``."""
    rise = curves[:, -1:] - curves
    return rise - weights @ rise


def _slope(residual: Tensor, others: Tensor, weights: Tensor) -> Tensor:
    """Slope of a source's rises, beyond what its residuals are taken from, on those of the others, ``(n_column,)``."""
    g, left = _rise(others, weights), _rise(residual, weights)
    ridge = weights @ left.square() / (_CURVES * _SLOPE_VARIANCE)
    slope: Tensor = weights @ (g * left) / (weights @ g.square() + ridge).clamp_min(1e-12)
    return slope


def _correlation(n_column: int, like: Tensor) -> Tensor:
    """Correlation of shares between columns; the last column goes with the last epoch."""
    t = torch.arange(1, n_column + 1, dtype=like.dtype, device=like.device).clamp_max(max(n_column - 1, 1)).log()
    return _LASTING + (1.0 - _LASTING) * torch.exp(-(t[:, None] - t).abs())
