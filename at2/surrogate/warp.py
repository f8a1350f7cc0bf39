"""Monotone maps between a metric and the line on which Gaussians are a fair description of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from at2.surrogate.belief import Prediction

_EDGE = 0.005  # closer to 0 or 1, log odds go on as a straight line, so that one perfect reading does not decide all
_LOG_ODDS = math.log((1.0 - _EDGE) / _EDGE)  # there
_SLOPE = 1.0 / (_EDGE * (1.0 - _EDGE))  # of the log odds there
_BEST_LOSS = 0.01  # a first loss of 0 is read as this share of the least one in the history
_ZERO_LOSS = 0.5  # where the history has losses of 0, they are read as this share of the least other one: rounded
_ROUNDING = 1e-6  # of the median loss, or the range of a share: what lies outside by less was rounded
_ROUNDED = 0.05  # share of the readings that may have been rounded to below 0; more are no losses
_LEAST_LOSS = 1e-300  # smaller losses may have no logarithm
_LARGEST_LOG = 230.0  # of a loss that is predicted: 1e100, whose square still is a number
_WIDEST_LOG = 2.0  # standard deviation of the log of a loss, beyond which its mean says nothing of where it lies
_BEYOND = 1e-6  # what a loss that is expected below 0 counts there, so that the order is kept
_NODES = 11  # Gauss-Hermite nodes: exact for polynomials up to degree 21


class Warp(Protocol):
    """A monotone increasing map from user units to latent units, and its inverse."""

    def forward(self, values: Tensor) -> Tensor:
        """Map user units to latent units, elementwise; NaN stays NaN."""

    def inverse(self, latent: Tensor) -> Tensor:
        """Map latent units to user units, elementwise."""

    def admits(self, value: float) -> bool:
        """Return whether a value is one that the map was made for, up to rounding."""


@dataclass(frozen=True)
class IdentityWarp:
    """Leaves every value as it is."""

    def forward(self, values: Tensor) -> Tensor:
        """Return the values."""
        return values

    def inverse(self, latent: Tensor) -> Tensor:
        """Return the latent values."""
        return latent

    def admits(self, value: float) -> bool:
        """Return True."""
        return True


@dataclass(frozen=True)
class LogitWarp:
    """Log odds of a bounded metric: the step from 98 to 99 % counts like the step from 1 to 2 %.

    Within 0.5 % of the range from either end they go on as a straight line, with the slope that they have there: a
    perfect reading lies one unit beyond 99.5 %, and metrics that live there keep their order.

    Args:
        low: Least value.
        high: Largest value.

    Example:
        >>> import torch
        >>> warp = LogitWarp(0.0, 100.0)
        >>> warp.forward(torch.tensor([50.0, 90.0], dtype=torch.float64))
        tensor([0.0000, 2.1972], dtype=torch.float64)
    """

    low: float = 0.0
    high: float = 1.0

    def forward(self, values: Tensor) -> Tensor:
        """Return the log odds of the share of the range, straight beyond [0.005, 0.995], the same for all outside."""
        share = ((values - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
        inner = share.clamp(_EDGE, 1.0 - _EDGE)
        return torch.logit(inner) + _SLOPE * (share - inner)

    def inverse(self, latent: Tensor) -> Tensor:
        """Return the value in [low, high]."""
        inner = latent.clamp(-_LOG_ODDS, _LOG_ODDS)
        share = torch.sigmoid(inner) + (latent - inner) / _SLOPE
        return self.low + (self.high - self.low) * share.clamp(0.0, 1.0)

    def admits(self, value: float) -> bool:
        """Return whether the value lies in [low, high], up to rounding."""
        return -_ROUNDING <= (value - self.low) / (self.high - self.low) <= 1.0 + _ROUNDING


@dataclass(frozen=True)
class LogWarp:
    """Log of a positive loss, turned so that larger is better: halving a loss counts the same wherever it starts.

    Args:
        zero: What a loss is read as that is not positive.

    Example:
        >>> import torch
        >>> LogWarp().forward(torch.tensor([-1.0, -0.1], dtype=torch.float64))
        tensor([-0.0000, 2.3026], dtype=torch.float64)
    """

    zero: float = 1e-12
    unit: ClassVar[float] = 1.0

    def forward(self, values: Tensor) -> Tensor:
        """Return minus the log of minus the values."""
        losses = torch.where(values >= 0.0, self.zero, -values)
        return -torch.log(losses.clamp_min(_LEAST_LOSS))

    def inverse(self, latent: Tensor) -> Tensor:
        """Return the value below 0, not below -1e100."""
        return -torch.exp((-latent).clamp_max(_LARGEST_LOG))

    def admits(self, value: float) -> bool:
        """Return whether the value is no more above 0 than what a loss of 0 is read as is below it."""
        return value <= self.zero


@dataclass(frozen=True)
class ShiftedLogWarp:
    """Log of a positive loss plus a constant, turned so that larger is better, in units of its own.

    Far above the constant it is a log, so that a training that diverged lies a few units off; far below it is straight,
    so that no loss can be expected to fall by decades that would not be seen.

    Args:
        centre: Oriented value that maps to 0: minus a loss.
        shift: The constant, above 0.
        unit: Difference of the logs that maps to 1.

    Example:
        >>> import torch
        >>> ShiftedLogWarp(-2.0, shift=2.0).forward(torch.tensor([-2.0, -0.1, 0.0, -2e6], dtype=torch.float64))
        tensor([  0.0000,   0.6444,   0.6931, -13.1224], dtype=torch.float64)
    """

    centre: float
    shift: float
    unit: float = 1.0

    def forward(self, values: Tensor) -> Tensor:
        """Return how far the log of the shifted loss lies below that of the centre, in units."""
        return (math.log(self.shift - self.centre) - torch.log((-values).clamp_min(0.0) + self.shift)) / self.unit

    def inverse(self, latent: Tensor) -> Tensor:
        """Return the value, not below -1e100; beyond a loss of 0, where nothing can be, only the order is kept."""
        log = (math.log(self.shift - self.centre) - self.unit * latent).clamp_max(_LARGEST_LOG)
        value = self.shift - torch.exp(log)
        return torch.where(value > 0.0, _BEYOND * value, value)

    def admits(self, value: float) -> bool:
        """Return whether the value is a loss."""
        return value <= 0.0


@dataclass(frozen=True)
class AffineWarp:
    """A change of unit.

    Args:
        centre: Value that maps to 0.
        unit: Difference that maps to 1.
    """

    centre: float
    unit: float

    def forward(self, values: Tensor) -> Tensor:
        """Return the distance from the centre in units."""
        return (values - self.centre) / self.unit

    def inverse(self, latent: Tensor) -> Tensor:
        """Return the value at that distance."""
        return self.centre + self.unit * latent

    def admits(self, value: float) -> bool:
        """Return True."""
        return True


def choose_warp(*tasks: Tensor) -> Warp:
    """Choose a warp from the oriented values of a history: log odds for shares, log for positive losses, else none.

    Args:
        tasks: Oriented metric of each task, any shapes, NaN allowed.

    Returns:
        A `LogitWarp` over [0, 1] if all finite values lie there, over [0, 100] if they lie there, exceed 20, and no
        task has shares, a `LogWarp` if none lies above 0 by more than rounding (losses), few do at all and at most half
        do not lie below it, else an `IdentityWarp`.

    Example:
        >>> import torch
        >>> choose_warp(torch.tensor([0.1, 0.9]))
        LogitWarp(low=0.0, high=1.0)
        >>> choose_warp(torch.tensor([-2.3, -0.1], dtype=torch.float64))
        LogWarp(zero=0.001)
        >>> choose_warp(torch.tensor([-2.3, -0.1, 0.0], dtype=torch.float64))
        LogWarp(zero=0.05)
        >>> choose_warp(torch.tensor([-2.3, 0.1]))
        IdentityWarp()
    """
    finite = [task[torch.isfinite(task)] for task in tasks]
    told = [task for task in finite if task.numel()]
    if not told:
        return IdentityWarp()
    seen = torch.cat(told)
    low, high = float(seen.min()), float(seen.max())
    if low >= 0.0 and high <= 1.0:
        return LogitWarp(0.0, 1.0)
    if low >= 0.0 and 20.0 < high <= 100.0 and all(float(task.max()) > 1.0 for task in told):  # none is in shares
        return LogitWarp(0.0, 100.0)
    losses = -seen[seen < 0.0]
    few = int((seen > 0.0).sum()) <= max(1.0, _ROUNDED * seen.numel())
    if few and 2 * losses.numel() >= seen.numel() and high <= _ROUNDING * float(losses.median()):
        share = _BEST_LOSS if high < 0.0 else _ZERO_LOSS
        return LogWarp(zero=max(share * float(losses.min()), _LEAST_LOSS))
    return IdentityWarp()


@cache
def gauss_hermite(n_node: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return nodes and weights that average a function over a standard normal; the weights sum to 1.

    Example:
        >>> nodes, weights = gauss_hermite(3)
        >>> round(sum(w * z**2 for z, w in zip(nodes, weights)), 12)
        1.0

    References:
        Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, section 25.4.46.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_node)
    return tuple(nodes.tolist()), tuple((weights / weights.sum()).tolist())


def unwarp_moments(warp: Warp, mean: Tensor, variance: Tensor) -> Prediction:
    """Turn Gaussian moments in latent units into the moments of the metric, by Gauss-Hermite quadrature.

    The mean of a loss that may be anything up to a billion is a matter of what is least likely: there the log counts as
    known to a factor of e^2, and the mean lies no more than e^2 times above the median.

    Args:
        warp: The map to undo.
        mean: Latent means, any shape.
        variance: Latent variances, same shape.

    Returns:
        Moments in user units, same shape.
    """
    if isinstance(warp, IdentityWarp):
        return Prediction(mean=mean, std=variance.clamp_min(0.0).sqrt())
    nodes, weights = gauss_hermite(_NODES)
    std = variance.clamp_min(0.0).sqrt()
    if isinstance(warp, LogWarp | ShiftedLogWarp):
        std = std.clamp_max(_WIDEST_LOG / warp.unit)
    middle = warp.inverse(mean)
    first, second = torch.zeros_like(mean), torch.zeros_like(mean)
    for node, weight in zip(nodes, weights, strict=True):
        step = warp.inverse(mean + node * std) - middle
        first += weight * step
        second += weight * step * step
    return Prediction(mean=middle + first, std=(second - first * first).clamp_min(0.0).sqrt())
