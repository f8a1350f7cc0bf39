"""Scaling of readings before they enter a network or a regression; fitted on training readings only."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from at2.errors import PredictorError

__all__ = ["Scaling", "ScalingKind", "fit_scaling"]

Floats = npt.NDArray[np.float64]
ScalingKind = Literal["none", "min-max", "standard", "log"]


@dataclass(frozen=True)
class Scaling:
    """A map from readings to the numbers that a model sees, ``(f(x) - shift) / unit``, and back.

    Args:
        kind: ``"none"``, ``"min-max"`` (to [0, 1]), ``"standard"`` (mean 0, deviation 1), or ``"log"`` (of the distance
            to ``floor``, then standard).
        shift: What becomes 0.
        unit: What becomes 1.
        floor: For ``"log"``: a value below every training reading.
        least: For ``"log"``: distances below this are read as this.
    """

    kind: ScalingKind = "none"
    shift: float = 0.0
    unit: float = 1.0
    floor: float = 0.0
    least: float = 1e-12

    def forward(self, readings: Floats) -> Floats:
        """Scale readings; NaN stays NaN."""
        values = np.log(np.maximum(readings - self.floor, self.least)) if self.kind == "log" else readings
        return np.asarray((values - self.shift) / self.unit, dtype=np.float64)

    def inverse(self, scaled: Floats) -> Floats:
        """Undo `forward`."""
        values = self.shift + self.unit * np.asarray(scaled, dtype=np.float64)
        return np.asarray(self.floor + np.exp(np.minimum(values, 50.0)) if self.kind == "log" else values)

    def to_json(self) -> dict[str, Any]:
        """Return the scaling as JSON values, for ``Scaling(**saved)``."""
        return asdict(self)


def fit_scaling(kind: str, readings: npt.ArrayLike) -> Scaling:
    """Fit a scaling to training readings.

    Args:
        kind: Which one.
        readings: Of any shape, NaN allowed, at least one finite.

    Raises:
        PredictorError: If there is no such scaling.

    Example:
        >>> fit_scaling("min-max", [1.0, 3.0]).forward(np.array([2.0])).tolist()
        [0.5]
    """
    if kind not in get_args(ScalingKind):
        raise PredictorError(f"no scaling {kind!r}; there are {', '.join(get_args(ScalingKind))}")
    values = np.asarray(readings, dtype=np.float64)
    values = values[np.isfinite(values)]
    floor, least = 0.0, 1e-12
    if kind == "none":
        return Scaling("none")
    if kind == "min-max":
        return Scaling("min-max", float(values.min()), _positive(float(np.ptp(values))))
    if kind == "log":
        spread = _positive(float(np.ptp(values)))
        floor = 0.0 if values.min() >= 0 else float(values.min()) - 0.01 * spread
        least = 1e-4 * spread
        values = np.log(np.maximum(values - floor, least))
    return Scaling(kind, float(values.mean()), _positive(float(values.std())), floor, least)  # type: ignore[arg-type]


def _positive(unit: float) -> float:
    """A unit to divide by; 1 where all readings are equal."""
    return unit if unit > 1e-12 else 1.0
