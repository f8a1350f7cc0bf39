"""How the environment shows and rewards a training: one frozen object that checks itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from at2.control.errors import ControlSettingError
from at2.devices import usable_device

if TYPE_CHECKING:
    from gymnasium import spaces

    from at2.control.env import SGDEnv

MODES = ("epoch", "step")
OBSERVATIONS = ("box", "dict")
REWARDS = ("test_loss", "log_validation")
ORDERS = ("random", "cycle")
LARGEST_RATE = 1e30
"""No learning rate is larger: float32 must hold it."""


@dataclass(frozen=True)
class EnvConfig:
    """Settings of an `SGDEnv` that do not depend on the instance.

    Args:
        mode: ``"epoch"``: a step trains one epoch; ``"step"``: one mini-batch.
        with_momentum: Whether an action has a second float: the first beta of Adam and AdamW, the momentum of SGD.
        max_lr: Largest learning rate that an action may set.
        observation: ``"box"`` or ``"dict"``, see `at2.control.observation`; unused where `state` is given.
        reward: ``"test_loss"``, ``"log_validation"``, or a function of the environment; see `at2.control.rewards`.
        state: Function of the environment that gives the observation; needs `observation_space`.
        observation_space: Space of what `state` gives.
        order: ``"random"``: a reset draws an instance; ``"cycle"``: it takes the next one, the first after a seed.
        cutoff_steps: Steps of an episode; None takes the instance's cutoff, in step mode as many mini-batches as
            those epochs have.
        discount: Discount of the running statistics, in [0, 1).
        device: Where to train.

    Raises:
        ControlSettingError: If a setting does not exist or makes no sense.
        DeviceError: If there is no such device here.

    Example:
        >>> EnvConfig(mode="batch")
        Traceback (most recent call last):
            ...
        at2.control.errors.ControlSettingError: mode must be one of epoch, step; 'batch' came
    """

    mode: str = "epoch"
    with_momentum: bool = False
    max_lr: float = 1.0
    observation: str = "box"
    reward: str | Callable[[SGDEnv], float] = "test_loss"
    state: Callable[[SGDEnv], Any] | None = None
    observation_space: spaces.Space[Any] | None = None
    order: str = "random"
    cutoff_steps: int | None = None
    discount: float = 0.9
    device: str = "cpu"

    def __post_init__(self) -> None:
        _check_choice("mode", self.mode, MODES)
        _check_choice("observation", self.observation, OBSERVATIONS)
        _check_choice("order", self.order, ORDERS)
        if not callable(self.reward):
            _check_choice("reward", self.reward, REWARDS)
        if (self.state is None) != (self.observation_space is None):
            raise ControlSettingError("a state function and its observation_space go together; give both or neither")
        if not (isinstance(self.max_lr, Real) and 0 < self.max_lr <= LARGEST_RATE):
            raise ControlSettingError(f"max_lr must lie in (0, {LARGEST_RATE:g}], {self.max_lr!r} came")
        if not (isinstance(self.discount, Real) and 0 <= self.discount < 1):
            raise ControlSettingError(f"discount must lie in [0, 1), {self.discount!r} came")
        steps = self.cutoff_steps
        if steps is not None and not (isinstance(steps, Integral) and steps >= 1):
            raise ControlSettingError(f"cutoff_steps must be a whole number of at least 1, {steps!r} came")
        usable_device(self.device)


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ControlSettingError(f"{name} must be one of {', '.join(choices)}; {value!r} came")
