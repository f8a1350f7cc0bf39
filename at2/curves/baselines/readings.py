"""The last reading, and the best one so far."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from at2.curves.batch import Batch
from at2.curves.features import plain_readings
from at2.curves.predictor import CurvePredictor, Floats

__all__ = ["BestReading", "LastReading"]


class LastReading(CurvePredictor):
    """Says that nothing will change; arguments as in `CurvePredictor`."""

    name: ClassVar[str] = "last"

    def _fit_question(self, batch: Batch, answers: Floats) -> Any:
        return None

    def _answer(self, model: Any, batch: Batch) -> Floats:
        return plain_readings(batch)[:, -1]


class BestReading(CurvePredictor):
    """Says that the end will be as good as the best so far; arguments as in `CurvePredictor`."""

    name: ClassVar[str] = "best"

    def _fit_question(self, batch: Batch, answers: Floats) -> Any:
        return None

    def _answer(self, model: Any, batch: Batch) -> Floats:
        readings = plain_readings(batch)
        found: Floats = np.max(readings, axis=1) if self._fitted().maximize else np.min(readings, axis=1)
        return found
