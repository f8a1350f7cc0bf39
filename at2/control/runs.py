"""The one loop that drives a controller through an episode."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from at2.control.controllers import Controller
    from at2.control.env import SGDEnv


@dataclass(frozen=True)
class EpisodeRecord:
    """What became of one episode.

    Args:
        instance: Name of the instance.
        seed: Seed of the episode.
        reward: Sum of all rewards.
        crashed: Whether it crashed.
        test_loss: Mean cross-entropy of a test sample in the end; None after a crash.
        test_top1: Accuracy on the test images; None after a crash.
        learning_rates: The rate of every step, as it stood at the step's end.
        training_losses: Training loss of every step.
        validation_losses: Validation loss known after every step.
        seconds: How long the episode took, with its reset and the controller's choices.
    """

    instance: str
    seed: int
    reward: float
    crashed: bool
    test_loss: float | None
    test_top1: float | None
    learning_rates: list[float]
    training_losses: list[float]
    validation_losses: list[float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return asdict(self)


def run_episode(env: SGDEnv, controller: Controller, *, instance: str, seed: int) -> EpisodeRecord:
    """Let a controller lead one training to its end.

    Args:
        env: The environment.
        controller: Who chooses.
        instance: Name of the instance.
        seed: Seed of the environment and of what the controller draws.

    Example:
        >>> from at2.control import EnvConfig, SGDEnv, SGDInstance
        >>> from at2.control.controllers import make_controller
        >>> env = SGDEnv([SGDInstance("small-plain", "digits", optimizer_params={"lr": 0.01}, cutoff=3)])
        >>> record = run_episode(env, make_controller("constant"), instance="0", seed=0)
        >>> record.learning_rates, record.crashed, record.reward == -record.test_loss
        ([0.01, 0.01, 0.01], False, True)
    """
    start = time.perf_counter()
    env.reset(seed=seed, options={"instance": instance})
    controller.begin(env, seed=seed)
    steps: list[dict[str, Any]] = []
    total, over = 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(controller.act(env))
        steps.append(info)
        total, over = total + reward, terminated or truncated
    return EpisodeRecord(
        instance=instance,
        seed=seed,
        reward=total,
        crashed=steps[-1]["crashed"],
        test_loss=steps[-1].get("test_loss"),
        test_top1=steps[-1].get("test_top1"),
        learning_rates=[step["learning_rate"] for step in steps],
        training_losses=[step["training_loss"] for step in steps],
        validation_losses=[step["validation_loss"] for step in steps],
        seconds=time.perf_counter() - start,
    )
