"""Static schedules: the rate of every step is known before the first."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from at2.control.errors import ControlSettingError

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from at2.control.env import SGDEnv

Build = Callable[["Optimizer", float, int], "LRScheduler"]
"""Builds a schedule for an optimizer from its first rate and the number of steps."""


@dataclass
class ScheduleController:
    """Follows one of PyTorch's schedules, step by step.

    Args:
        build: Builds the schedule.
        lr: First rate; None takes the instance's own.
    """

    build: Build
    lr: float | None = None

    def begin(self, env: SGDEnv, *, seed: int) -> None:
        """Lay out the rates of all steps."""
        first = env.episode.instance.lr if self.lr is None else self.lr
        self._rates = iter(schedule_rates(self.build, first, env.episode.cutoff_steps))
        self._highest = env.config.max_lr

    def act(self, env: SGDEnv) -> float:
        """Give the next rate of the schedule."""
        return min(next(self._rates), self._highest)


def schedule_rates(build: Build, lr: float, n_steps: int) -> list[float]:
    """Give the rates of a schedule, one for each step.

    Example:
        >>> [round(rate, 3) for rate in schedule_rates(SCHEDULES["step"], 0.1, 6)]
        [0.1, 0.1, 0.03, 0.03, 0.009, 0.009]
    """
    import torch

    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=lr, momentum=0.9)
    schedule = build(optimizer, lr, n_steps)
    rates = []
    for _ in range(n_steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return rates


def _constant(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from torch.optim.lr_scheduler import ConstantLR

    return ConstantLR(optimizer, factor=1.0)


def _step(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from torch.optim.lr_scheduler import StepLR

    return StepLR(optimizer, step_size=math.ceil(n_steps / 3), gamma=0.3)


def _exponential(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from torch.optim.lr_scheduler import ExponentialLR

    return ExponentialLR(optimizer, gamma=0.1 ** (1 / n_steps))


def _cyclic(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from torch.optim.lr_scheduler import CyclicLR

    up = max(1, n_steps // 4)
    settings: dict[str, Any] = {"base_lr": lr, "max_lr": 1.5 * lr, "step_size_up": up, "mode": "exp_range"}
    return CyclicLR(optimizer, **settings, gamma=0.5 ** (1 / n_steps), cycle_momentum=False)


def _cosine(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

    return CosineAnnealingWarmRestarts(optimizer, T_0=math.ceil(n_steps / 2), eta_min=0.5 * lr)


def _warm_restarts(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

    return CosineAnnealingWarmRestarts(optimizer, T_0=math.ceil(n_steps / 3), T_mult=2)


def _doubling(optimizer: Optimizer, lr: float, n_steps: int) -> LRScheduler:
    from at2.training import DoublingTriangular

    n_cycle = 3 if n_steps >= 14 else 2
    n_s = max(1, n_steps // (2 * (2**n_cycle - 1)))
    return DoublingTriangular(optimizer, low=lr, high=5 * lr, n_s=n_s, cycles=None)


SCHEDULES: dict[str, Build] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cyclic": _cyclic,
    "cosine": _cosine,
    "warm-restarts": _warm_restarts,
    "doubling-cycles": _doubling,
}
"""Schedules by name. With n steps and first rate lr:

===================  =============================================================================================
name                 schedule
===================  =============================================================================================
``constant``         lr throughout
``step``             StepLR: times 0.3 after each third
``exponential``      ExponentialLR: down to a tenth of lr
``cyclic``           CyclicLR, exp_range: between lr and 1.5 lr, two cycles, the amplitude halved in the end
``cosine``           CosineAnnealingWarmRestarts as in HyperRec: two cycles from lr to 0.5 lr
``warm-restarts``    CosineAnnealingWarmRestarts as published: from lr to 0 in a third of the steps, then in the rest
``doubling-cycles``  triangles between lr and 5 lr, each twice as long as the one before
===================  =============================================================================================

References:
    Loshchilov, Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, 2017, arXiv:1608.03983. Smith, Cyclical
    Learning Rates for Training Neural Networks, 2017, arXiv:1506.01186.
"""


def find_schedule(name: str) -> Build:
    """Give a schedule by its name.

    Raises:
        ControlSettingError: If there is none of that name.
    """
    if name not in SCHEDULES:
        raise ControlSettingError(f"no schedule {name!r}; there are {', '.join(SCHEDULES)}")
    return SCHEDULES[name]
