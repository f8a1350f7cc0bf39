"""Monotone maps between readings and the line on which predictors work: log of losses, log odds of shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["CurveWarp", "choose_curve_warp"]

Floats = npt.NDArray[np.float64]
Kind = Literal["identity", "log", "logit"]

_EDGE = 0.005  # closer to 0 or 1, log odds go on as a straight line, so that one perfect reading does not decide all
_SLOPE = 1.0 / (_EDGE * (1.0 - _EDGE))  # of the log odds there
_LEAST = 0.01  # below this share of the median loss, the logarithm goes on as a straight line


@dataclass(frozen=True)
class CurveWarp:
    """A monotone increasing map, elementwise.

    Unlike the warps of `at2.surrogate`, which map oriented metrics, this one maps readings as they were measured.

    Args:
        kind: ``"log"`` (of what exceeds nothing, straight below ``low``), ``"logit"`` of the share of (low, high),
            straight within 0.5 % of either end, or ``"identity"``, centred at ``low`` in units of ``high``.
        low: See `kind`.
        high: See `kind`.

    Example:
        >>> import numpy as np
        >>> warp = CurveWarp("log", 1e-6)
        >>> warp.inverse(warp.forward(np.array([0.25, 2.0]))).round(6).tolist()
        [0.25, 2.0]
    """

    kind: Kind = "identity"
    low: float = 0.0
    high: float = 1.0

    def forward(self, values: Floats) -> Floats:
        """Map readings to the line; NaN stays NaN."""
        if self.kind == "log":
            inner = np.maximum(values, self.low)
            return np.asarray(np.log(inner) + (np.maximum(values, 0.0) - inner) / self.low, dtype=np.float64)
        if self.kind == "logit":
            share = np.clip((values - self.low) / (self.high - self.low), 0.0, 1.0)
            inner = np.clip(share, _EDGE, 1 - _EDGE)
            return np.asarray(np.log(inner) - np.log1p(-inner) + _SLOPE * (share - inner), dtype=np.float64)
        return np.asarray((values - self.low) / self.high, dtype=np.float64)

    def inverse(self, latent: Floats) -> Floats:
        """Map the line to readings."""
        if self.kind == "log":
            inner = np.clip(latent, np.log(self.low), 50.0)
            below = self.low * np.minimum(latent - inner, 0.0)
            return np.asarray(np.maximum(np.exp(inner) + below, 0.0), dtype=np.float64)
        if self.kind == "logit":
            most = np.log((1 - _EDGE) / _EDGE)
            inner = np.clip(latent, -most, most)
            share = np.clip(0.5 * (1 + np.tanh(0.5 * inner)) + (latent - inner) / _SLOPE, 0.0, 1.0)
            return np.asarray(self.low + (self.high - self.low) * share, dtype=np.float64)
        return np.asarray(self.low + self.high * latent, dtype=np.float64)

    def log_slope(self, values: Floats) -> Floats:
        """Return the log of the derivative of `forward`."""
        if self.kind == "log":
            return np.asarray(-np.log(np.maximum(values, self.low)), dtype=np.float64)
        if self.kind == "logit":
            width = self.high - self.low
            share = np.clip((values - self.low) / width, _EDGE, 1 - _EDGE)
            return np.asarray(-np.log(share) - np.log1p(-share) - np.log(width), dtype=np.float64)
        return np.full(np.shape(values), -np.log(self.high))


def choose_curve_warp(readings: npt.ArrayLike, *, maximize: bool) -> CurveWarp:
    """Choose a warp from the training readings: log odds of shares, log of positive losses, else a change of unit.

    Args:
        readings: Of any shape, NaN allowed, at least one finite.
        maximize: Whether larger is better; shares in percent are recognized where it is.

    Example:
        >>> choose_curve_warp([0.5, 0.9], maximize=True).kind, choose_curve_warp([0.5, 2.3], maximize=False).kind
        ('logit', 'log')
    """
    values = np.asarray(readings, dtype=np.float64)
    values = values[np.isfinite(values)]
    least, most = float(values.min()), float(values.max())
    if maximize and least >= 0 and most <= 1:
        return CurveWarp("logit", 0.0, 1.0)
    if maximize and least >= 0 and 1.5 < most <= 100:
        return CurveWarp("logit", 0.0, 100.0)
    if not maximize and least >= 0 and most > 0:
        return CurveWarp("log", max(_LEAST * float(np.median(values)), 1e-9))
    unit = float(np.subtract(*np.percentile(values, [90, 10])))
    return CurveWarp("identity", float(np.median(values)), unit if unit > 1e-12 else max(most - least, 1.0))
