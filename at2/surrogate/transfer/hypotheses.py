"""The grid of hypotheses about a target, and the covariance of its curves under each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.transfer.prior import TargetPrior

_DEVIATION_LOG_SPREAD = 2.0
_PROFILE_SPREAD = 0.5
_SCALE_REACH = 2.5  # the grid over the scale reaches this many prior standard deviations to both sides


@dataclass(frozen=True)
class Grid:
    """Values over which the model averages.

    Args:
        weight_spreads: ``tau``: how far the weights of the sources may lie from equal ones, in units of
            ``1 / sqrt(n_source)``, so that many sources together may say no more than few.
        deviations: ``delta``: variance of the target's own deviation, relative to that of the sources.
        profiles: ``kappa``: power of the epoch by which effects grow (above 0) or shrink (below 0) over the training.
        n_scale: Number of points over the scale ``s``.

    Raises:
        ValueError: If a spread or deviation is not positive, or there is no value of something.
    """

    weight_spreads: tuple[float, ...] = (0.25, 0.75, 2.0)
    deviations: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)
    profiles: tuple[float, ...] = (-0.25, 0.0, 0.25, 0.5)
    n_scale: int = 11

    def __post_init__(self) -> None:
        """Check the values."""
        if not (self.weight_spreads and self.deviations and self.profiles) or self.n_scale < 1:
            raise ValueError(f"every part of the grid needs at least one value, got {self}")
        if min(self.weight_spreads) <= 0 or min(self.deviations) <= 0:
            raise ValueError(f"weight_spreads and deviations must be positive, got {self}")


class Hypotheses:
    """Covariances under every hypothesis at once; the leading dimension is always the hypothesis.

    Args:
        prior: What they share.
        grid: The values to combine.
    """

    def __init__(self, prior: TargetPrior, grid: Grid) -> None:
        like = prior.mean
        spreads = grid.weight_spreads if prior.sources.shape[0] else (1.0,)
        combined = list(itertools.product(grid.profiles, spreads, grid.deviations))
        profile, spread, deviation = (like.new_tensor(column) for column in zip(*combined, strict=True))
        t = torch.arange(1, prior.n_epoch + 1, dtype=like.dtype, device=like.device) / prior.n_epoch
        t = torch.cat([t, t.new_ones(1)])
        self.prior = prior
        self.weight_variance = spread.square()
        self.deviation = deviation
        self.profile = t[None, :] ** profile[:, None]  # (n_hypothesis, n_column)
        self.log_prior = -0.5 * ((deviation.log() / _DEVIATION_LOG_SPREAD).square() + (profile / _PROFILE_SPREAD) ** 2)
        steps = torch.linspace(-_SCALE_REACH, _SCALE_REACH, grid.n_scale) if grid.n_scale > 1 else torch.zeros(1)
        steps = steps.to(like)
        self.scales = (prior.log_scale + prior.log_scale_spread * steps).exp()  # (n_scale,)
        self.log_prior_scale = -0.5 * steps.square()

    def __len__(self) -> int:
        """Number of hypotheses, the scale not counted."""
        return self.deviation.shape[0]

    def covariance(
        self, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor], which: Tensor | slice = slice(None)
    ) -> Tensor:
        """Return covariances between cells in units of ``s^2``, noise of readings included in their variance.

        Args:
            rows: Configurations and columns of n cells, each shape ``(n,)``.
            columns: The same of m cells.
            which: Hypotheses to compute.

        Returns:
            Tensor of shape ``(n_hypothesis, n, m)``.
        """
        p, (i, t), (j, u) = self.prior, rows, columns
        from_sources = p.sources[:, i, t].T @ p.sources[:, j, u]
        from_bends = p.bends[:, i, t].T @ p.bends[:, j, u]
        own = p.config_covariance[i][:, j] * p.epoch_covariance[t][:, u]
        total = self.weight_variance[which][:, None, None] * from_sources + from_bends
        total = total + self.deviation[which][:, None, None] * own
        profile = self.profile[which]
        return p.location_variance + profile[:, t][:, :, None] * profile[:, u][:, None, :] * total

    def variance(self, configs: Tensor, columns: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """Return the diagonal of `covariance` for n cells, ``(n_hypothesis, n)``."""
        p = self.prior
        from_sources = p.sources[:, configs, columns].square().sum(0)
        from_bends = p.bends[:, configs, columns].square().sum(0)
        own = p.config_covariance[configs, configs] * p.epoch_covariance[columns, columns]
        total = self.weight_variance[which][:, None] * from_sources + from_bends
        total = total + self.deviation[which][:, None] * own
        return p.location_variance + self.profile[which][:, columns].square() * total

    def mean(self, configs: Tensor, columns: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """Return the prior mean of n cells, in units of ``s`` above the location, ``(n_hypothesis, n)``."""
        return self.profile[which][:, columns] * self.prior.mean[configs, columns]
