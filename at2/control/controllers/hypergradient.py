"""Hypergradient descent as a controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from at2.training.hypergradient import Hypergradient

if TYPE_CHECKING:
    from at2.control.env import SGDEnv


@dataclass
class HypergradientController:
    """Lets the rate follow its own gradient at every mini-batch, and begins each step with where it has got to.

    Args:
        rate: Hypergradient learning rate of the multiplicative rule.

    References:
        Baydin et al., Online Learning Rate Adaptation with Hypergradient Descent, ICLR 2018, arXiv:1703.04782.
    """

    rate: float = 0.02

    def begin(self, env: SGDEnv, *, seed: int) -> None:
        """Hang on to the episode's optimizer, at the instance's own rate."""
        Hypergradient(env.episode.training.optimizer, rate=self.rate, high=env.config.max_lr)

    def act(self, env: SGDEnv) -> float:
        """Leave the rate where it is."""
        return env.episode.training.lr
