"""Parametric curves, fitted to each prefix alone by least squares and extrapolated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from at2.curves.batch import Batch
from at2.curves.features import plain_readings
from at2.curves.predictor import CurvePredictor, Floats
from at2.errors import PredictorError

__all__ = ["FAMILIES", "ParametricCurve"]


def _rates(low: float, high: float, n: int = 60) -> Floats:
    return np.geomspace(low, high, n)


def _grid(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    a, b = np.meshgrid(first, second, indexing="ij")
    return a.ravel(), b.ravel()


def _power(x: Floats) -> Floats:
    return x ** -_rates(0.01, 5.0)[:, None]


def _exponential(x: Floats) -> Floats:
    return np.exp(-_rates(0.003, 3.0)[:, None] * (x - 1))


def _logarithmic(x: Floats) -> Floats:
    return np.log(x)[None]


def _inverse_logarithmic(x: Floats) -> Floats:
    return 1 / np.log(x + 1)[None]


def _weibull(x: Floats) -> Floats:
    scale, shape = _grid(_rates(0.3, 300.0, 24), _rates(0.2, 4.0, 12))
    return np.exp(-((x / scale[:, None]) ** shape[:, None]))


def _hill(x: Floats) -> Floats:
    scale, shape = _grid(_rates(0.3, 300.0, 24), _rates(0.3, 6.0, 12))
    return 1 / (1 + (x / scale[:, None]) ** shape[:, None])


FAMILIES: dict[str, Callable[[Floats], Floats]] = {
    "power-law": _power,
    "exponential": _exponential,
    "logarithmic": _logarithmic,
    "inverse-log": _inverse_logarithmic,
    "weibull": _weibull,
    "hill": _hill,
}
"""Shapes f of the curves ``c + a f(epoch)``: from epochs ``(m,)`` all shapes on a family's grid, ``(n_shape, m)``."""


class ParametricCurve(CurvePredictor):
    """The curve ``c + a f(epoch; theta)`` that is nearest to a prefix.

    For each theta of a grid, a and c have a closed form; the theta of the least squares is taken. No start value is
    needed, and no local minimum can catch it. Fewer than three readings, or a curve that leaves the range of the
    training readings, fall back on the last reading and the nearest end of the range.

    Args:
        family: One of `FAMILIES`, or ``"any"`` for the family of the least squares.
        prefix: See `CurvePredictor`.
        at: See `CurvePredictor`.
        seed: Not used.

    Raises:
        PredictorError: If there is no such family.

    References:
        Domhan, Springenberg, Hutter, Speeding up automatic hyperparameter optimization of deep neural networks by
        extrapolation of learning curves, IJCAI 2015; Golub, Pereyra, variable projection, 1973.
    """

    name: ClassVar[str] = "parametric"

    def __init__(self, *, family: str = "power-law", prefix: int = 10, at: int | None = None, seed: int = 0) -> None:
        super().__init__(prefix=prefix, at=at, seed=seed)
        if family != "any" and family not in FAMILIES:
            raise PredictorError(f"no family {family!r}; there are {', '.join(FAMILIES)} and 'any'")
        self.family = family

    def _fit_question(self, batch: Batch, answers: Floats) -> Any:
        return None

    def _answer(self, model: Any, batch: Batch) -> Floats:
        readings, at = plain_readings(batch), int(batch.at[0])
        if readings.shape[1] < 3:
            return readings[:, -1]
        families = list(FAMILIES.values()) if self.family == "any" else [FAMILIES[self.family]]
        found = [_extrapolate(shapes, readings, at) for shapes in families]
        errors = np.stack([error for error, _ in found])  # (n_family, n)
        ends = np.stack([end for _, end in found])
        best = np.take_along_axis(ends, errors.argmin(axis=0)[None], axis=0)[0]
        trained = self._fitted().curves
        clipped: Floats = np.clip(best, float(np.nanmin(trained)), float(np.nanmax(trained)))
        return clipped


def _extrapolate(shapes: Callable[[Floats], Floats], readings: Floats, at: int) -> tuple[Floats, Floats]:
    """Return the least sum of squares of each prefix, and that curve's value at an epoch, ``(n,)`` each."""
    length = readings.shape[1]
    basis = shapes(np.arange(1.0, length + 1))  # (n_shape, length)
    middle = basis.mean(axis=1, keepdims=True)
    centred, gaps = basis - middle, readings - readings.mean(axis=1, keepdims=True)
    power = np.maximum(np.square(centred).sum(axis=1), 1e-15)
    slope = gaps @ centred.T / power  # (n, n_shape)
    error = np.square(gaps).sum(axis=1)[:, None] - np.square(slope) * power
    best, rows = error.argmin(axis=1), np.arange(len(readings))
    step = shapes(np.array([float(at)]))[:, 0] - middle[:, 0]
    return error[rows, best], readings.mean(axis=1) + slope[rows, best] * step[best]
