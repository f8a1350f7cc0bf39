"""What the runner asks of a controller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from at2.control.env import SGDEnv


class Controller(Protocol):
    """Chooses the learning rate before every step."""

    def begin(self, env: SGDEnv, *, seed: int) -> None:
        """Prepare for the episode that `env` has just been reset to.

        Args:
            env: The environment, unwrapped; ``env.episode`` is the training.
            seed: Seed of what the controller draws in this episode.
        """

    def act(self, env: SGDEnv) -> float:
        """Give the learning rate of the next step, from 0 to ``env.config.max_lr``."""
