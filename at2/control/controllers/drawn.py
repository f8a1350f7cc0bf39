"""A controller that draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from at2.control.env import SGDEnv


@dataclass
class RandomController:
    """Draws every rate log-uniformly.

    Args:
        low: Smallest rate.
        high: Largest rate.
    """

    low: float = 1e-4
    high: float = 1e-1

    def begin(self, env: SGDEnv, *, seed: int) -> None:
        """Seed the draws."""
        self._rng = np.random.default_rng(seed)

    def act(self, env: SGDEnv) -> float:
        """Draw."""
        return float(np.exp(self._rng.uniform(np.log(self.low), np.log(self.high))))
