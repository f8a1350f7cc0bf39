"""What completing the curves of sources comes to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.kernels import ConfigKernel


@dataclass(frozen=True)
class NeverRun:
    """What completion left open of configurations that a source has never run.

    Args:
        which: Which those are, shape ``(n_source, n_config)``.
        covariance: Covariance between columns of their curves, averaged over the configurations, in units of the
            curves, shape ``(n_source, n_column, n_column)``; 0 for a source that has run them all.
        kernel: How it goes together between configurations, with variance 1.
        own: How it goes over the epochs by the evidence of what was measured, the best of the curve as a last column,
            see `own_curves.own_covariance`; None where no curve broke off, or curves are not of the best reading so
            far.
    """

    which: Tensor
    covariance: Tensor
    kernel: ConfigKernel
    own: Tensor | None = None


@dataclass(frozen=True)
class Completed:
    """Every source's curves on the whole grid, in the units of the warped metric.

    Args:
        mean: Expected values, shape ``(n_source, n_config, n_epoch)``; the mean over seeds where that was measured.
        variance: Their variances without the noise of a reading, same shape; 0 where measured.
        exact: Whether all was measured.
        broken_off: Share of each curve after its last reading, ``(n_source, n_config)``; 0 where there is none.
        never_run: What goes together in the variances of configurations without any reading on a source; None where
            every source has run them all.
        n_unlogged: How many first epochs no source has logged of most of its curves: what is expected there is made up.
    """

    mean: Tensor
    variance: Tensor
    exact: bool
    broken_off: Tensor
    never_run: NeverRun | None = None
    n_unlogged: int = 0

    @property
    def variance_where_logged(self) -> Tensor:
        """The variances, but 0 at first epochs that no source has logged."""
        if self.n_unlogged == 0:
            return self.variance
        return self.variance.index_fill(2, torch.arange(self.n_unlogged, device=self.variance.device), 0.0)
