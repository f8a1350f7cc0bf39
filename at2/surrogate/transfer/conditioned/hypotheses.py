"""The grid of hypotheses about a target, and the covariance of its curves under each."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from at2.surrogate.transfer.fitted.prior import TargetPrior

_LOG_SPREAD = 1.0  # prior standard deviation of the log of levels and shapes
_FREE_WEIGHT = 0.375  # standard deviation of a source's weight under which one of many may take the whole say
_SCALE_REACH = 2.5  # the grid over the scale reaches this many prior standard deviations to both sides
_UNIT_REACH = 4.0  # where each task has a unit of its own, the target's may lie this many of their spreads away,
_LARGEST_UNIT_REACH = 60.0  # at most this far in logs,
_UNIT_STEP = 0.5  # in steps of this
_UNIT_SPREAD = 1.0  # standard deviation of the log of its scale around the likely one


@dataclass(frozen=True)
class Grid:
    """Values over which the model averages.

    Args:
        weight_spreads: ``tau``: how far the weights of the sources may lie from equal ones, in units of
            ``1 / sqrt(n_source)``, so that many sources together may say no more than few. Where a weight's standard
            deviation falls below 0.375 under all of them, because there are many sources, one more is added under which
            it is that.
        levels: ``delta``: variance of the target's own deviation in the values of configurations, relative to that of
            the sources.
        shapes: ``gamma``: variance of its deviation in how curves get to those values, likewise.
        n_scale: Number of points over the scale ``s``.

    Raises:
        ValueError: If a spread or deviation is not positive, or there is no value of something.
    """

    weight_spreads: tuple[float, ...] = (0.25, 0.75)
    levels: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)
    shapes: tuple[float, ...] = (0.25, 1.0, 4.0)
    n_scale: int = 11

    def __post_init__(self) -> None:
        """Check the values."""
        if not (self.weight_spreads and self.levels and self.shapes) or self.n_scale < 1:
            raise ValueError(f"every part of the grid needs at least one value, got {self}")
        if min(*self.weight_spreads, *self.levels, *self.shapes) <= 0:
            raise ValueError(f"weight_spreads, levels and shapes must be positive, got {self}")


class Hypotheses:
    """Covariances under every hypothesis at once; the leading dimension is always the hypothesis.

    Args:
        prior: What they share.
        grid: The values to combine.
    """

    def __init__(self, prior: TargetPrior, grid: Grid) -> None:
        like = prior.mean
        spreads = grid.weight_spreads if prior.sources.shape[0] else (1.0,)
        widest, free = max(spreads), _FREE_WEIGHT * math.sqrt(prior.sources.shape[0])
        spreads = (*spreads, free) if free > widest else spreads
        ways = torch.eye(len(prior.way_probabilities)).tolist()
        combined = list(itertools.product(spreads, ways, grid.levels, grid.shapes))
        spread, way, level, shape = (like.new_tensor(column) for column in zip(*combined, strict=True))
        self.prior = prior
        self.weight_variance = spread.square()
        self.bound = spread <= widest  # under these no single one of many sources may take the whole say
        self.level, self.shape = level, shape
        between = prior.epoch_covariances
        loading = between[:, :, -1] / between[:, -1:, -1].sqrt()
        levels = loading[:, :, None] * loading[:, None, :]  # of columns, as far as the value of a curve says it
        self._own = torch.cat([levels, between - levels])  # the rest is of columns, given the value
        self._curves = torch.cat([levels, between - levels - torch.diag_embed(prior.epoch_noise)])  # without noise
        self._values = prior.sources[:, :, -1].contiguous()
        self._sizes = torch.cat([self.weight_variance[:, None], way * level[:, None], way * shape[:, None]], 1)
        self._shows = _shown(prior, way) if any(prior.way_silent) and len(self._values) else None
        self.log_prior = -0.5 * (level.log().square() + shape.log().square()) / _LOG_SPREAD**2
        self.log_prior = self.log_prior + way @ like.new_tensor(prior.way_probabilities).log()
        steps = torch.linspace(-_SCALE_REACH, _SCALE_REACH, grid.n_scale) if grid.n_scale > 1 else torch.zeros(1)
        steps = steps.to(like)
        around = _UNIT_SPREAD if prior.has_own_unit else prior.log_scale_spread
        self.scales = (prior.log_scale + around * steps).exp()  # (n_scale,)
        self.log_prior_scale = -0.5 * steps.square()
        self.unit_reach = min(_UNIT_REACH * prior.log_scale_spread, _LARGEST_UNIT_REACH) if prior.has_own_unit else 0.0
        half = math.ceil(self.unit_reach / _UNIT_STEP)
        units = _UNIT_STEP * torch.arange(-half, half + 1).to(like)
        self.units = units.exp()  # (n_unit,), in units of the prior's scale
        self.log_prior_unit = -torch.log1p((units / prior.log_scale_spread).square())  # few sources: heavy tails

    def __len__(self) -> int:
        """Number of hypotheses, the scale not counted."""
        return self.level.shape[0]

    def covariance(
        self,
        rows: tuple[Tensor, Tensor],
        columns: tuple[Tensor, Tensor],
        which: Tensor | slice = slice(None),
        *,
        noisy: bool = True,
    ) -> Tensor:
        """Return covariances between cells in units of ``s^2``.

        Args:
            rows: Configurations and columns of n cells, each shape ``(n,)``.
            columns: The same of m cells.
            which: Hypotheses to compute.
            noisy: Whether all are readings, with their noise; otherwise some are of the curves themselves.

        Returns:
            Tensor of shape ``(n_hypothesis, n, m)``.
        """
        p, (i, t), (j, u) = self.prior, rows, columns
        from_sources = p.sources[:, i, t].T @ p.sources[:, j, u]
        own = p.together.between(i, j) * (self._own if noisy else self._curves)[:, t][:, :, u]
        alike = p.common_covariance[t][:, u] + p.location_variance
        alike = alike + p.rise[i, t][:, None] * p.rise[j, u] * p.rise_covariance[t][:, u]
        if self._shows is not None:
            shows = self._shows[which]
            told = self.weight_variance[which, None, None] * shows[:, t, None] * shows[:, None, u] * from_sources
            varied: Tensor = told + torch.tensordot(self._sizes[which, 1:], own, 1) + alike
            return varied
        parts = torch.cat([from_sources[None], own])
        scaled: Tensor = torch.tensordot(self._sizes[which], parts, 1)  # one pass over the cells
        return scaled + alike

    def with_values(self, counted: Tensor, cells: tuple[Tensor, Tensor], tried: tuple[Tensor, Tensor]) -> Tensor:
        """Return the covariance of sums of cells with the value of every configuration, in units of ``s^2``.

        Args:
            counted: How much each of n cells counts in the sum under each hypothesis, ``(n_hypothesis, n)``.
            cells: Their configurations and columns, each ``(n,)``.
            tried: ``Kc`` between the distinct configurations among them and every one, ``(n_tried, n_config)``, and
                which of those each cell is of, ``(n,)``.

        Returns:
            Tensor of shape ``(n_hypothesis, n_config)``. Values rise no further, so that rises do not count.
        """
        p, (i, t), (together, of) = self.prior, cells, tried
        shown = counted if self._shows is None else counted * self._shows[:, t]
        from_sources = (shown * self.weight_variance[:, None]) @ p.sources[:, i, t].T
        own = counted * (self._sizes[:, 1:] @ self._own[:, t, -1])
        own = own.new_zeros(len(own), len(together)).index_add(1, of, own)
        alike = counted @ (p.common_covariance[t, -1] + p.location_variance)
        values: Tensor = from_sources @ self._values + own @ together + alike[:, None]
        return values

    def variance(self, configs: Tensor, columns: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """Return the diagonal of `covariance` for n cells, ``(n_hypothesis, n)``."""
        return self._along(configs, columns, columns, which)

    def rise_variance(
        self, configs: Tensor, columns: Tensor, start: Tensor, which: Tensor | slice = slice(None)
    ) -> Tensor:
        """Return how uncertain it is how far curves rise from one column to another, ``(n_hypothesis, n)``.

        Args:
            configs: Configurations, shape ``(n,)``.
            columns: Up to which column, ``(n,)``.
            start: From which on, ``(n,)``; negative where the whole height counts.
            which: Hypotheses to compute.
        """
        begun, first = start >= 0, start.clamp_min(0)
        below = self._along(configs, first, first, which, noisy=False)
        below = below - 2.0 * self._along(configs, first, columns, which, noisy=False)
        return self._along(configs, columns, columns, which, noisy=False) + begun * below

    def _along(
        self, configs: Tensor, columns: Tensor, others: Tensor, which: Tensor | slice, *, noisy: bool = True
    ) -> Tensor:
        """Covariance of each of n cells with another one of its curve, ``(n_hypothesis, n)``."""
        p = self.prior
        from_sources = (p.sources[:, configs, columns] * p.sources[:, configs, others]).sum(0)
        own = p.together.variance(configs) * (self._own if noisy else self._curves)[:, columns, others]
        alike = p.common_covariance[columns, others]
        alike = alike + p.rise[configs, columns] * p.rise[configs, others] * p.rise_covariance[columns, others]
        if self._shows is not None:
            shows = self._shows[which]
            told = self.weight_variance[which, None] * shows[:, columns] * shows[:, others] * from_sources
            return p.location_variance + (told + self._sizes[which, 1:] @ own + alike)
        return p.location_variance + (self._sizes[which] @ torch.cat([from_sources[None], own]) + alike)

    def mean(self, configs: Tensor, columns: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """Return the prior mean of n cells, in units of ``s`` above the location.

        Returns:
            Tensor of shape ``(n,)`` where all hypotheses say the same, else ``(n_hypothesis, n)``.
        """
        mean = self.prior.mean[configs, columns]
        return mean if self._shows is None else self._shows[which][:, columns] * mean

    def source_features(self, configs: Tensor, columns: Tensor, which: Tensor | slice = slice(None)) -> Tensor:
        """Return how sources count in n cells, ``(n, n_source)``, or by hypothesis ``(n_hypothesis, n, n_source)``."""
        features = self.prior.sources[:, configs, columns].T
        return features if self._shows is None else self._shows[which][:, columns, None] * features


def _shown(prior: TargetPrior, way: Tensor) -> Tensor:
    """Whether what sources say shows in each column, 1 or 0, ``(n_hypothesis, n_column)``."""
    columns = torch.arange(prior.n_epoch + 1, device=way.device)
    return way @ torch.stack([(columns >= n).to(way) for n in prior.way_silent])
