"""The upper confidence bound: advance the configuration whose curve may still reach the highest reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from at2.recommend.acquisition.knowledge_gradient import Choice, reachable_cells
from at2.recommend.journal.ledger import SearchState
from at2.surrogate import Belief, Prediction


@runtime_checkable
class NoiseFreeBelief(Protocol):
    """A belief that can also tell what it thinks of the curves without the noise of their readings."""

    def curves(self) -> Prediction:
        """Return mean and standard deviation of every cell, each ``(n_config, n_epoch)``."""


@runtime_checkable
class PublishedWithUcb(Protocol):
    """A surrogate that was published with the upper confidence bound."""

    @property
    def ucb_beta(self) -> float:
        """Standard deviations above the mean."""


@dataclass(frozen=True)
class UpperConfidenceBound:
    """Finds the cell with the highest mean plus beta standard deviations, and trains its configuration's next epoch.

    Only cells that the remaining budget can reach count; of equal cells the first does. Noise is left out of the
    standard deviations where the belief can tell it apart.

    Args:
        beta: Standard deviations above the mean, not negative.

    Raises:
        ValueError: If beta is negative or not finite.

    References:
        Srinivas, Krause, Kakade, Seeger, Gaussian process optimization in the bandit setting, 2010, arXiv:0912.3995.
        Beta 0.25 and the rule for epochs: Xiao, Xing, Neiswanger, Amortized Auto-Tuning, 2021, arXiv:2106.09179.
    """

    beta: float = 0.25

    def __post_init__(self) -> None:
        if not 0.0 <= self.beta < float("inf"):
            raise ValueError(f"beta must be a number from 0, got {self.beta!r}")

    def choose(self, belief: Belief, state: SearchState) -> Choice:
        """Return the configuration to advance by one epoch."""
        rows = torch.nonzero(state.horizon > 0)[:, 0]
        steps = tuple(range(1, int(state.horizon.max()) + 1))
        configs, epochs, steps_ahead = reachable_cells(rows, state, steps)
        prediction = belief.curves() if isinstance(belief, NoiseFreeBelief) else belief.predict()
        bound = (prediction.mean + self.beta * prediction.std).cpu()[configs, epochs]
        best = int(bound.argmax())
        return Choice(int(configs[best]), float(bound[best]), int(steps_ahead[best]))
