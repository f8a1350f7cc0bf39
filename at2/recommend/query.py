"""What a tuner asks for and what it answers: three small frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ConfigId = int | str


@dataclass(frozen=True)
class Query:
    """One epoch to train: bring this configuration from `from_epoch` to `epoch` completed epochs, then tell its metric.

    Args:
        config_id: Name of the configuration.
        config: Its active hyperparameters.
        epoch: Completed epochs after this training, counted from 1.
        number: How many queries came before this one.
        resumed: Whether the training was paused for another configuration and must be taken up again.
        expected_gain: What this epoch is expected to gain, in the unit of the metric; known where an epoch has a price
            (``utility=``) and this one is what promises most for it.
    """

    config_id: ConfigId
    config: Mapping[str, Any] = field(hash=False)
    epoch: int
    number: int
    resumed: bool = False
    expected_gain: float | None = None

    @property
    def from_epoch(self) -> int:
        """Completed epochs before this training; 0 starts from scratch."""
        return self.epoch - 1


@dataclass(frozen=True)
class Recommendation:
    """The configuration to use for the target, and what is expected of it.

    Args:
        config_id: Name of the configuration.
        config: Its active hyperparameters.
        mean: Expected best metric over its whole curve, in the user's own units.
        std: Standard deviation of that expectation.
        epoch: Completed epochs at which the best is expected.
        n_epochs_seen: Epochs of this very configuration that were told so far.
        n_epochs_spent: Epochs told so far over all configurations.
    """

    config_id: ConfigId
    config: Mapping[str, Any] = field(hash=False)
    mean: float
    std: float
    epoch: int
    n_epochs_seen: int
    n_epochs_spent: int
