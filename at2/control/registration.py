"""The environment's name in gymnasium."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from at2.control.config import EnvConfig
from at2.control.env import Instances, SGDEnv

ENVIRONMENT = "at2/SGD-v0"
"""Name of the environment; ``at2.control:at2/SGD-v0`` imports this room first."""


def make_env(
    instances: Instances = "train", *, seed: int | None = None, render_mode: str | None = None, **settings: Any
) -> SGDEnv:
    """Make an `SGDEnv` from plain settings, as ``gymnasium.make`` passes them.

    Args:
        instances: Name or path of an instance set, or instances.
        seed: Seed of the first reset that is given none.
        render_mode: See `SGDEnv`.
        settings: Fields of `EnvConfig`; an unknown one is a TypeError.

    Example:
        >>> env = gym.make("at2/SGD-v0", instances="test", mode="step", max_lr=1.0)
        >>> env.unwrapped.config.mode, len(env.unwrapped.instances)
        ('step', 50)
    """
    return SGDEnv(instances, EnvConfig(**settings), seed=seed, render_mode=render_mode)


make_env.metadata = SGDEnv.metadata  # type: ignore[attr-defined]  # where gymnasium looks for the render modes


def register_environment() -> None:
    """Tell gymnasium the environment's name; more than once does no harm."""
    if ENVIRONMENT not in gym.registry:
        gym.register(ENVIRONMENT, entry_point="at2.control.registration:make_env")
