"""What a tuner did: which configurations it trained when, what came of it, and the best so far."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from at2.curves.tuning.task import NetworkTask

__all__ = ["TunedConfig", "TuningLog"]


@dataclass
class TunedConfig:
    """One configuration that a tuner has begun.

    Args:
        config: The configuration.
        is_random: Whether it was drawn at random rather than proposed by a model.
        validation: Squared error on validation after each training epoch.
        test: The same on test.
    """

    config: dict[str, Any]
    is_random: bool
    validation: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)


class TuningLog:
    """Trains configurations, counts epochs and runs, and remembers the best.

    A *run* is one stretch of training: a configuration begun, or gone on with where it was paused.

    Args:
        task: What is trained on what.
        budget_epochs: Training epochs that may be spent.
        on_epoch: Is told the epochs spent, and the best validation error so far.

    Attributes:
        configs: The configurations begun, in order.
        n_run: Runs so far.
    """

    def __init__(self, task: NetworkTask, budget_epochs: int, on_epoch: Callable[[int, float], None]) -> None:
        self.task, self.budget, self.on_epoch = task, budget_epochs, on_epoch
        self.configs: list[TunedConfig] = []
        self.n_run = 0
        self._live: list[Iterator[tuple[float, float]]] = []
        self._rows: list[dict[str, Any]] = []
        self._best, self._its_test = math.inf, math.nan

    @property
    def n_left(self) -> int:
        """Training epochs that are left."""
        return self.budget - len(self._rows)

    def begin(self, config: Mapping[str, Any], *, is_random: bool) -> int:
        """Take up a configuration; `train` trains it under the number that is returned."""
        self.configs.append(TunedConfig(dict(config), is_random))
        self._live.append(self.task.run(config))
        return len(self.configs) - 1

    def train(self, number: int, until: int) -> float | None:
        """Train a configuration up to an epoch.

        Returns:
            Its last validation error; None where the budget ends before that epoch.
        """
        tuned = self.configs[number]
        if len(tuned.validation) < until:
            self.n_run += 1
        while len(tuned.validation) < until:
            if self.n_left == 0:
                return None
            self._step(number)
        return tuned.validation[-1]

    def _step(self, number: int) -> None:
        tuned = self.configs[number]
        validation, test = next(self._live[number])
        tuned.validation.append(validation)
        tuned.test.append(test)
        if validation < self._best:
            self._best, self._its_test = validation, test
        self._rows.append(
            {
                "spent": len(self._rows) + 1,
                "config_number": number,
                "run": self.n_run,
                "epoch": len(tuned.validation),
                "is_random": tuned.is_random,
                "validation": validation,
                "test": test,
                "best_validation": self._best,
                "its_test": self._its_test,
            }
        )
        self.on_epoch(len(self._rows), self._best)

    def frame(self) -> pd.DataFrame:
        """Return a row per epoch, with the configurations as JSON."""
        frame = pd.DataFrame(self._rows)
        return frame.assign(config=[json.dumps(self.configs[i].config) for i in frame["config_number"]])
