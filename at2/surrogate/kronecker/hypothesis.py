"""One Gaussian hypothesis about the target: a grid prior at an unknown location and an unknown scale.

A reading in latent units is ``y = m0 + s (f + noise)`` with ``f`` from a grid prior. The unknown part of the location
is a constant feature of that prior, so it is inferred by generalized least squares within every update. The scale ``s``
has a log-normal prior on a grid of points: means are affine in it, so its posterior weights follow in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from at2.surrogate.kronecker.grid_prior import GridPrior
from at2.surrogate.kronecker.posterior import GridPosterior


@dataclass(frozen=True)
class ScalePrior:
    """What is believed about location and scale of the target before its first reading, in latent units.

    Args:
        location: Expected location m0.
        location_spread: Standard deviation of the location, in units of the scale.
        log_scale: Expected log scale.
        log_scale_spread: Standard deviation of the log scale; 0 takes the scale as known.
        n_point: Points of the grid over the log scale, spread over 2.5 standard deviations each way.
    """

    location: float
    location_spread: float
    log_scale: float
    log_scale_spread: float
    n_point: int = 25

    def grid(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return scales and their log prior weights, each ``(n_point,)``, on the device of `like`."""
        n_point = self.n_point if self.log_scale_spread > 0 else 1
        steps = torch.linspace(-2.5, 2.5, n_point, dtype=like.dtype, device=like.device)
        steps = steps if n_point > 1 else torch.zeros_like(steps)
        scales = (self.log_scale + self.log_scale_spread * steps).exp()
        return scales, torch.log_softmax(-0.5 * steps.square(), dim=0)


class Hypothesis:
    """A grid prior at unknown location and scale, given some readings; a `Component` of a belief.

    Args:
        prior: Gaussian over the curves in standardized units.
        scale_prior: What is known of location and scale.
        n_epoch: Number of columns that are epochs; further columns are never read.
    """

    def __init__(self, prior: GridPrior, scale_prior: ScalePrior, *, n_epoch: int) -> None:
        constant = torch.full_like(prior.mean, scale_prior.location_spread)[None]
        located = replace(prior, features=torch.cat([prior.features, constant]))
        self.posterior = GridPosterior(located)
        self.scale_prior = scale_prior
        self.n_epoch = n_epoch
        self._column = prior.value_column % prior.mean.shape[1]
        self._scales, self._log_prior = scale_prior.grid(prior.mean)
        self._update_scale()

    def _update_scale(self) -> None:
        """Posterior of the scale on its grid, its two moments, and the evidence with the scale summed out."""
        joint = self._log_prior + self.posterior.log_evidence(self._scales)
        self.log_evidence = float(torch.logsumexp(joint, 0))
        weights = torch.softmax(joint, 0)
        self.scale = float((weights * self._scales).sum())
        self.scale_square = float((weights * self._scales.square()).sum())
        self._scale_variance = max(self.scale_square - self.scale**2, 0.0)

    @property
    def noise(self) -> float:
        """Variance of the noise of a reading, in latent units."""
        return self.scale_square * self.posterior.prior.noise

    def observe(self, config: int, epoch: int, value: float) -> None:
        """Condition on one reading in latent units."""
        self.posterior.observe(config, epoch, value - self.scale_prior.location)
        self._update_scale()

    def fork(self) -> Hypothesis:
        """Return an independent copy."""
        twin = Hypothesis.__new__(Hypothesis)
        twin.__dict__.update(self.__dict__)
        twin.posterior = self.posterior.fork()
        return twin

    def mean(self) -> Tensor:
        """Return the latent mean of every column, ``(n_config, n_column)``."""
        return self.scale_prior.location + self.posterior.pull + self.scale * self.posterior.rest

    def variance(self) -> Tensor:
        """Return the noise-free latent variance of every column, ``(n_config, n_column)``."""
        own = self.scale_square * self.posterior.variance
        return own + self._scale_variance * self.posterior.rest.square()

    def reading_mean(self) -> Tensor:
        """Return the mean of every cell, ``(n_config, n_epoch)``."""
        return self.mean()[:, : self.n_epoch]

    def reading_variance(self) -> Tensor:
        """Return the variance of a reading of every cell, noise included, ``(n_config, n_epoch)``."""
        return self.variance()[:, : self.n_epoch] + self.noise

    def value_mean(self) -> Tensor:
        """Return the mean value of every configuration, ``(n_config,)``."""
        pull, rest = self.posterior.pull[:, self._column], self.posterior.rest[:, self._column]
        return self.scale_prior.location + pull + self.scale * rest

    def value_variance(self) -> Tensor:
        """Return the variance of the value of every configuration, ``(n_config,)``."""
        own = self.scale_square * self.posterior.variance[:, self._column]
        return own + self._scale_variance * self.posterior.rest[:, self._column].square()

    def value_covariance(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Tensor:
        """Return the covariance of the values of `n` configurations with the readings of `m` cells, ``(n, m)``."""
        own = self.scale_square * self.posterior.column_covariance(rows, self._column, configs, epochs)
        rest = self.posterior.rest
        return own + self._scale_variance * rest[rows, self._column, None] * rest[configs, epochs]

    def covariance_row(self, config: int, epoch: int) -> Tensor:
        """Return the noise-free covariance of one cell with every cell, ``(n_config, n_epoch)``."""
        rest = self.posterior.rest
        own = self.scale_square * self.posterior.row(config, epoch)
        return (own + self._scale_variance * rest[config, epoch] * rest)[:, : self.n_epoch]


def pooled_scale_prior(locations: Tensor, scales: Tensor) -> ScalePrior:
    """Turn locations and scales of the source tasks into a prior for the target's.

    Args:
        locations: Mean of each source in latent units, shape ``(n_source,)``, at least one.
        scales: Standard deviation of each source, shape ``(n_source,)``, positive.

    Returns:
        Centred on the sources' means, as wide as the sources differ, and never narrower than half a log unit of scale
        (one unit where a single source cannot show any spread).
    """
    log_scales = scales.log()
    several = locations.numel() > 1
    center = float(log_scales.mean())
    spread = max(float(log_scales.std()), 0.5) if several else 1.0
    location_spread = max(float(locations.std()) / math.exp(center), 1.0) if several else 3.0
    return ScalePrior(float(locations.mean()), location_spread, center, spread)
