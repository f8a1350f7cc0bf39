"""Configurations of a network, trained on some curves and judged on others after every training epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from at2.curves.batch import Question, training_batch
from at2.curves.data import CurveSet, split
from at2.curves.networks.base import NetworkPredictor
from at2.curves.networks.cnn import CnnPredictor
from at2.curves.networks.lstm import LstmPredictor
from at2.errors import FitError, PredictorError

__all__ = ["WORST", "NetworkTask"]

_log = logging.getLogger(__name__)
WORST = 1e6
"""What a diverged training reads."""


@dataclass(frozen=True)
class NetworkTask:
    """Curves that configurations of a network are judged on, cut 60/20/20.

    Args:
        curves: The curves.
        network: ``"cnn"`` or ``"lstm"``.
        n_epoch: Training epochs of a full run.
        prefix: Epochs of a curve that are known.
        scaling: Scaling of the readings.
        seed: Decides the parts and the weights.
    """

    curves: CurveSet
    network: str
    n_epoch: int = 40
    prefix: int = 10
    scaling: str = "log"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that there is something left to predict."""
        if not 0 < self.prefix < self.curves.n_epoch:
            raise PredictorError(
                f"prefixes of {self.prefix} epochs leave nothing of curves of {self.curves.n_epoch} epochs"
            )

    def run(self, config: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
        """Train a configuration and yield its squared errors on validation and test after every epoch.

        Whoever stops asking has paused it. A training that diverges reads 1e6 until its end.
        """
        parts = [self.curves.take(rows) for rows in split(len(self.curves), seed=self.seed)]
        question = Question(self.prefix, self.curves.n_epoch)
        batch, answers = training_batch(parts[0], question)
        predictor = self._predictor(config)
        predictor.curves_ = parts[0]
        predictor._prepare(parts[0])
        model, epochs = predictor.begin(batch, answers)
        judged = [training_batch(part, question) for part in parts[1:]]
        try:
            for _ in epochs:
                yield tuple(  # type: ignore[misc]
                    float(np.square(predictor._answer(model, asked) - came).mean()) for asked, came in judged
                )
        except FitError as error:
            _log.info("a configuration diverged: %s", error)
            while True:
                yield WORST, WORST

    def _predictor(self, config: Mapping[str, Any]) -> NetworkPredictor:
        common = {
            "prefix": self.prefix,
            "seed": self.seed,
            "scaling": self.scaling,
            "n_epoch": self.n_epoch,
            "learning_rate": float(config["learning_rate"]),
            "optimizer": str(config["optimizer"]),
        }
        if self.network == "cnn":
            filters = tuple(int(config[f"filters_{i}"]) for i in range(1, int(config["n_conv"]) + 1))
            return CnnPredictor(filters=filters, **common)  # type: ignore[arg-type]
        return LstmPredictor(n_unit=int(config["n_unit"]), n_layer=int(config["n_layer"]), **common)  # type: ignore[arg-type]
