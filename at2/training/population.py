"""Population based training on live runs: the worst take over the weights of the best, with other learning rates."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from at2.training.loop import Training
from at2.training.results import EpochResult

Build = Callable[[Mapping[str, Any], int], Training]


@dataclass
class Member:
    """One member of a population.

    Args:
        training: Its run.
        config: The configuration that it runs now.
        score: Validation accuracy after its last epoch; minus infinity once it has diverged.
    """

    training: Training
    config: Mapping[str, Any]
    score: float = -math.inf


@dataclass(frozen=True)
class PopulationStep:
    """One epoch of one member.

    Args:
        member: Its number.
        config: What it ran.
        result: What the epoch gave.
        n_step: Updates of that epoch.
    """

    member: int
    config: Mapping[str, Any]
    result: EpochResult
    n_step: int


def population_based_training(
    configs: Sequence[Mapping[str, Any]],
    build: Build,
    *,
    n_epoch: int,
    interval: int,
    seed: int,
    share: float = 0.2,
    factors: tuple[float, float] = (0.8, 1.25),
) -> Iterator[PopulationStep]:
    """Train a population, and let the worst copy the best every few epochs.

    After each `interval` the worst `share` of the members (those that diverged among the worst) each take the whole
    state of a random one of the best `share`: configuration, weights, optimizer and schedule. Then they multiply
    learning rate and weight decay, each by one of the two `factors` at random. The rates of a schedule move along.

    Args:
        configs: What the members begin with, one each.
        build: Makes a run of a configuration and a seed.
        n_epoch: Epochs of each member.
        interval: Epochs between two copies.
        seed: Seed of everything random.
        share: Which part of the population copies, and which is copied.
        factors: What a hyperparameter is multiplied by.

    Yields:
        Every epoch of every member, member by member within an interval.

    Raises:
        ValueError: If there are fewer than two members, or a number is out of range.

    References:
        Jaderberg et al., Population based training of neural networks, 2017, arXiv:1711.09846.
    """
    if len(configs) < 2 or interval < 1 or n_epoch < 1 or not 0 < share <= 0.5 or min(factors) <= 0:
        raise ValueError(
            "two members, interval and n_epoch from 1, share in (0, 0.5] and factors above 0 wanted, got "
            f"{len(configs)} members, interval={interval}, n_epoch={n_epoch}, share={share}, factors={factors}"
        )
    rng = np.random.default_rng(seed)
    members = [Member(build(config, seed + k), config) for k, config in enumerate(configs)]
    for start in range(0, n_epoch, interval):
        for number, member in enumerate(members):
            yield from _train(member, number, min(interval, n_epoch - start))
        if start + interval < n_epoch:
            _exploit(members, build, rng, share=share, factors=factors)


def _train(member: Member, number: int, n_epochs: int) -> Iterator[PopulationStep]:
    for _ in range(n_epochs):
        before = member.training.n_step
        result = member.training.run_epoch()
        member.score = -math.inf if result.diverged else result.validation.top1
        yield PopulationStep(number, member.config, result, member.training.n_step - before)


def _exploit(
    members: list[Member], build: Build, rng: np.random.Generator, *, share: float, factors: tuple[float, float]
) -> None:
    """Let the worst take over from the best."""
    order = sorted(range(len(members)), key=lambda k: members[k].score, reverse=True)
    n = max(1, int(share * len(members)))
    lost = sum(member.score == -math.inf for member in members)
    best = [k for k in order[:n] if members[k].score > -math.inf]
    for k in order[len(members) - max(n, lost) :] if best else []:
        parent = members[int(rng.choice(best))]
        child = build(parent.config, parent.training.seed)
        child.load_state(_copy_of(parent.training))
        lr, decay = (float(rng.choice(factors)) for _ in range(2))
        scale(child, lr=lr, weight_decay=decay)
        members[k] = Member(child, parent.config, parent.score)


def _copy_of(training: Training) -> dict[str, Any]:
    """The state of a run, with tensors of its own."""
    return copy.deepcopy(training.state())


def scale(training: Training, *, lr: float, weight_decay: float) -> None:
    """Multiply the learning rate, that of the schedule included, and the weight decay of a run.

    Example:
        >>> from at2.training import build_network, load_task
        >>> import torch
        >>> network = build_network("small-plain", channels=1, size=8, n_classes=5, seed=0)
        >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1, weight_decay=0.01)
        >>> training = Training(load_task("digits-low"), network, optimizer, batch_size=64, seed=0)
        >>> scale(training, lr=0.5, weight_decay=2.0)
        >>> training.lr, optimizer.param_groups[0]["weight_decay"]
        (0.05, 0.02)
    """
    for group in training.optimizer.param_groups:
        for name in ("lr", "initial_lr", "max_lr"):
            if name in group:
                group[name] *= lr
        if "weight_decay" in group:
            group["weight_decay"] *= weight_decay
    scheduler = training.scheduler
    for name in ("base_lrs", "max_lrs"):
        if scheduler is not None and hasattr(scheduler, name):
            setattr(scheduler, name, [rate * lr for rate in getattr(scheduler, name)])
    if scheduler is not None and hasattr(scheduler, "eta_min"):
        scheduler.eta_min *= lr
