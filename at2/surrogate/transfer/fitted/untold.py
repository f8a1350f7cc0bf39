"""Deviations that sources do not show, because they have never run the configurations.

Where a source has never run a configuration, completion puts in what is expected of it. Those expectations lie closer
to one another than true curves do, and what sources leave of one another is smaller than what they would leave of a
target: with five configurations on each of many sources, ten times as small. A covariance learnt from incomplete data
therefore counts what is expected of them and, beside it, the covariance that they had left (the M-step of Dempster,
Laird and Rubin, Maximum likelihood from incomplete data via the EM algorithm, 1977). The latter says, too, how
deviations of such configurations go together.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.kernels import ConfigKernel
from at2.surrogate.transfer.fitted.sources import Sources
from at2.surrogate.transfer.fitted.together import Together


@dataclass(frozen=True)
class Untold:
    """What is missing from the covariances that residuals of completed sources show.

    Args:
        covariance: What is missing from ``Ke``, shape ``(n_column, n_column)``.
        kernel: How that goes together between configurations, with variance 1; None where nothing is missing.
    """

    covariance: Tensor
    kernel: ConfigKernel | None = None

    def share(self, shown: Tensor) -> float:
        """Return how much of the variance over all epochs is missing, in [0, 1).

        Args:
            shown: ``Ke`` as the residuals show it.
        """
        missing, there = (float(between.diagonal()[:-1].mean()) for between in (self.covariance, shown))
        return missing / (missing + there)

    def with_missing(self, factor: Tensor, shown: Tensor) -> Tensor:
        """Return how far configurations deviate relative to what is shown and missing; the missing does alike for all.

        Args:
            factor: The same relative to what is shown, as factors of the standard deviation, ``(n_config,)``.
            shown: ``Ke`` as the residuals show it.
        """
        if self.kernel is None:
            return factor
        share = self.share(shown)
        return ((1.0 - share) * factor.square() + share).sqrt()

    def add_to(self, together: Together, shown: Tensor) -> Together:
        """Return how deviations go together, shown and missing ones."""
        if self.kernel is None or self.kernel.length_scales.numel() != together.points.shape[1]:
            return together  # the grid does not tell all patterns of activity apart that the history holds
        share = self.share(shown)
        kernels = [kernel.scaled(1.0 - share) for kernel in together.kernels]
        return Together.plain(together.points, *kernels, self.kernel.scaled(share))


def untold_of(sources: Sources, weights: Tensor, *, put_in: float = 0.0) -> Untold:
    """Collect what completion left open of configurations that sources have never run.

    Where curves were stopped, completion hardly knows how they go on, and leaves open what it was told to: it then goes
    over the epochs as the evidence of readings says, in the size that it has at the best of the curve.

    Args:
        sources: The sources.
        weights: How much each configuration counts, ``(n_source, n_config)``, rows summing to 1.
        put_in: How far completion, not the sources, says how curves that were run go on, in [0, 1].
    """
    told, n_source, n_column = sources.never_run, sources.n_source, sources.curves.shape[2]
    if told is None:
        return Untold(weights.new_zeros(n_column, n_column))
    counted = (weights * told.which).sum(1) / n_source
    covariance = torch.einsum("s,stu->tu", counted, told.covariance)
    if told.own is not None and put_in > 0.0:
        covariance = (1.0 - put_in) * covariance + put_in * covariance[-1, -1] * told.own
    return Untold(covariance, told.kernel)
