"""Early stopping in a plain training loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from at2.curves.predictor import CurvePredictor
from at2.errors import StoppingError

__all__ = ["StopHopeless"]


class StopHopeless:
    """Is told every reading of one training, and says when to give up.

    Args:
        predictor: A fitted predictor that knows uncertainty.
        config: The training's configuration.
        best_so_far: Best final reading of any training so far; None never stops, for the first training.
        probability: Give up when the probability of beating that is at most this.
        first: Epoch of the first decision.
        every: Decide after every so many epochs.
        at: Epoch at which the training would end; None is the last of the predictor's training curves.
        task: Name of the task.

    Attributes:
        readings: What was told.
        series: The extra series that were told.
        chance: The probability of beating the best so far at the latest decision; NaN before the first.

    Raises:
        StoppingError: If a number is out of its range.

    Example:
        A training loop with it, where ``predictor`` was fitted to earlier curves::

            stop = StopHopeless(predictor, config, best_so_far=0.31)
            for epoch in range(1, n_epoch + 1):
                train_one_epoch(model)
                if stop(evaluate(model)):
                    break
    """

    def __init__(
        self,
        predictor: CurvePredictor,
        config: Mapping[str, Any] | npt.ArrayLike,
        *,
        best_so_far: float | None,
        probability: float = 0.05,
        first: int = 5,
        every: int = 5,
        at: int | None = None,
        task: str | None = None,
    ) -> None:
        if first < 1 or every < 1:
            raise StoppingError(f"first and every are epochs from 1, got {first} and {every}")
        if not 0 <= probability < 1:
            raise StoppingError(f"probability must lie in [0, 1), got {probability}")
        self.predictor, self.config, self.best_so_far = predictor, config, best_so_far
        self.probability, self.first, self.every = probability, first, every
        self.at, self.task = at, task
        self.readings: list[float] = []
        self.series: list[npt.NDArray[np.float64]] = []
        self.chance = math.nan

    def __call__(self, reading: float, extra: npt.ArrayLike | None = None) -> bool:
        """Take the reading after one more epoch; return True where the training should stop.

        A reading that is not finite is a training that diverged: it should stop.

        Args:
            reading: A number, or a tensor with one.
            extra: The extra series after this epoch, ``(n_series,)``, where the predictor was trained with some.
        """
        self.readings.append(float(reading))
        if extra is not None:
            self.series.append(np.asarray(extra, dtype=np.float64).ravel())
        if not math.isfinite(reading):
            return True
        epoch = len(self.readings)
        curves = self.predictor.curves_
        last = self.at if self.at is not None else (curves.n_epoch if curves is not None else epoch + 1)
        due = epoch >= self.first and (epoch - self.first) % self.every == 0 and epoch < last
        if self.best_so_far is None or not due:
            return False
        self.chance = self.predictor.probability_of_beating(
            self.config, self.readings, self.best_so_far, at=self.at, task=self.task, extra=self._extra()
        )
        return self.chance <= self.probability

    def _extra(self) -> npt.NDArray[np.float64] | None:
        """Return the extra series so far, ``(n_epoch, n_series)``; None where none were told."""
        if not self.series:
            return None
        if len(self.series) != len(self.readings):
            raise StoppingError(
                f"{len(self.readings)} readings came, {len(self.series)} of them with extra series; give them each time"
            )
        return np.stack(self.series)
