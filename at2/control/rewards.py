"""Built-in rewards: functions of the environment, called after every step that did not crash."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from at2.control.env import SGDEnv

SMALLEST_LOSS = 1e-12
"""Validation losses below this count as this in logarithms."""


def negative_test_loss(env: SGDEnv) -> float:
    """Give 0, and at the end minus the mean cross-entropy of a test sample, in nats."""
    test = env.episode.test
    return 0.0 if test is None else -test.loss


def log_validation_decrease(env: SGDEnv) -> float:
    """Give by how much the logarithm of the validation loss fell over the epoch that ended; 0 within an epoch.

    The rewards of an episode add up to the logarithm of the first validation loss over the last one.
    """
    episode = env.episode
    if not episode.validated:
        return 0.0
    return _log(episode.previous_validation.loss) - _log(episode.validation.loss)


def _log(loss: float) -> float:
    return math.log(max(loss, SMALLEST_LOSS))


BUILT_IN: dict[str, Callable[[SGDEnv], float]] = {
    "test_loss": negative_test_loss,
    "log_validation": log_validation_decrease,
}
"""Rewards by the names that `EnvConfig` takes."""
