"""A predicted reading: a Student distribution on a warped line, seen in the metric's own units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from at2.curves.warp import CurveWarp

__all__ = ["LEVELS", "CurvePrediction"]

Floats = npt.NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Levels of the quantiles where none are asked for; the outer two bound the 90 % interval."""

_GRID = (np.arange(99) + 1) / 100.0


@dataclass(frozen=True)
class CurvePrediction:
    """What is predicted for n readings; unpacks to mean, std and quantiles.

    Where there is a distribution, the mean is its centre: predictors place it for the least squared error in the
    metric's own units, and a Student distribution on a log scale has no finite expectation.

    Args:
        mean: Expected readings, as measured, shape ``(n,)``.
        std: Standard deviations, shape ``(n,)``; NaN from a predictor that knows no uncertainty.
        quantiles: Shape ``(n, n_level)``; NaN likewise.
        levels: Levels of the quantiles.
        law: The distribution itself; None from a predictor that knows no uncertainty.

    Example:
        >>> import numpy as np
        >>> mean, std, quantiles = CurvePrediction.point(np.array([0.3]), LEVELS)
        >>> mean, std
        (array([0.3]), array([nan]))
    """

    mean: Floats
    std: Floats
    quantiles: Floats
    levels: tuple[float, ...] = LEVELS
    law: Law | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Floats]:
        return iter((self.mean, self.std, self.quantiles))

    def __len__(self) -> int:
        return len(self.mean)

    @classmethod
    def point(cls, mean: Floats, levels: Sequence[float]) -> CurvePrediction:
        """Return a prediction without uncertainty."""
        unknown = np.full(len(mean), np.nan)
        return cls(mean, unknown, np.full((len(mean), len(levels)), np.nan), tuple(levels))

    @classmethod
    def from_law(cls, law: Law, levels: Sequence[float]) -> CurvePrediction:
        """Return mean, standard deviation and quantiles of a distribution."""
        grid = law.quantile(_GRID)
        mean = law.quantile(np.array([0.5]))[:, 0]
        std = np.sqrt(np.maximum(np.square(grid - mean[:, None]).mean(axis=1), 1e-24))
        return cls(mean, std, law.quantile(np.asarray(levels, dtype=np.float64)), tuple(levels), law)


@dataclass(frozen=True)
class Law:
    """Student distributions on the warped line.

    Args:
        location: Their centres, shape ``(n,)``.
        scale: Their scales, positive, shape ``(n,)``.
        freedom: Degrees of freedom, shape ``(n,)``.
        warp: The map between the metric and the line.
        low: Ends of the line beyond which readings are not believed to go, shape ``(n,)``; quantiles stay within.
        high: See `low`.
    """

    location: Floats
    scale: Floats
    freedom: Floats
    warp: CurveWarp
    low: Floats
    high: Floats

    def quantile(self, levels: Floats) -> Floats:
        """Return quantiles in the metric's units, shape ``(n, n_level)``."""
        line = self.location[:, None] + self.scale[:, None] * self._steps(levels)
        return self.warp.inverse(np.clip(line, self.low[:, None], self.high[:, None]))

    def probability_below(self, values: npt.ArrayLike) -> Floats:
        """Return the probability that each reading is below a value, shape ``(n,)``."""
        from scipy.special import stdtr

        z = (self.warp.forward(np.asarray(values, dtype=np.float64)) - self.location) / self.scale
        return np.asarray(stdtr(self.freedom, z), dtype=np.float64)

    def log_density(self, values: Floats) -> Floats:
        """Return the log density at readings, per unit of the metric, shape ``(n,)``."""
        from scipy.stats import t

        z = (self.warp.forward(values) - self.location) / self.scale
        density = t.logpdf(z, self.freedom) - np.log(self.scale) + self.warp.log_slope(values)
        return np.asarray(density, dtype=np.float64)

    def crps(self, values: Floats) -> Floats:
        """Return the continuous ranked probability score, as the mean of twice the pinball loss at 99 levels."""
        gap = values[:, None] - self.quantile(_GRID)
        return np.asarray(2 * np.maximum(_GRID * gap, (_GRID - 1) * gap).mean(axis=1), dtype=np.float64)

    def _steps(self, levels: Floats) -> Floats:
        """Return standard quantiles, one row per distribution; equal degrees of freedom are looked up once."""
        from scipy.special import stdtrit

        kinds, place = np.unique(self.freedom, return_inverse=True)
        return np.asarray(stdtrit(kinds[:, None], levels[None, :]), dtype=np.float64)[place]
