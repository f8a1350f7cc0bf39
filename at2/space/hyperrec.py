"""HyperRec's search space of 16 hyperparameters, and the torch.optim objects that one of its configurations names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import ConfigSpace as cs
from ConfigSpace.conditions import Condition
from ConfigSpace.hyperparameters import Hyperparameter

from at2.errors import SpaceError
from at2.space.parameters import Value
from at2.space.relative import RelativeRange
from at2.space.space import SearchSpace

if TYPE_CHECKING:
    import torch
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

_NAMES = (
    *("batch_size", "model", "optimizer", "scheduler", "lr", "weight_decay", "beta_0", "beta_1", "momentum"),
    *("step_size", "gamma", "max_lr", "step_size_up", "t_0", "t_mult", "eta_min"),
)
_SMALL_MODELS = ("small-plain", "small-residual")


def hyperrec_space() -> SearchSpace:
    """Return the 16 hyperparameters of HyperRec: a residual network, its optimizer and its learning-rate schedule.

    ``gamma`` has one range for StepLR and CyclicLR and another for ExponentialLR. ``max_lr`` is 1.1 to 1.5 times
    ``lr`` and at most 1; ``eta_min`` is 0.5 to 0.9 times ``lr``; both are uniform in the ratio.

    Example:
        >>> space = hyperrec_space()
        >>> space
        SearchSpace('hyperrec', 16 hyperparameters, 22 columns)
        >>> "momentum" in space.active({"optimizer": "momentum"}), "beta_0" in space.active({"optimizer": "momentum"})
        (True, False)

    References:
        Xiao, Xing, Neiswanger, Amortized Auto-Tuning: Cost-Efficient Transfer Optimization for Hyperparameter
        Recommendation, 2021, arXiv:2106.09179.
    """
    return _build("hyperrec", ["resnet34", "resnet50"])


def hyperrec_small_space() -> SearchSpace:
    """Return HyperRec's 16 hyperparameters with two small networks in the place of the residual ones.

    ``small-plain`` is a convolution on patches with one hidden layer, ``small-residual`` a residual block with batch
    normalization; see :func:`at2.training.build_network`. All other ranges and conditions are those of
    `hyperrec_space`.

    Example:
        >>> hyperrec_small_space()
        SearchSpace('hyperrec-small', 16 hyperparameters, 22 columns)
    """
    return _build("hyperrec-small", list(_SMALL_MODELS))


def _build(name: str, models: list[str]) -> SearchSpace:
    return SearchSpace(
        _declare(name, models),
        relative={"max_lr": RelativeRange("lr", upper=1.0), "eta_min": RelativeRange("lr")},
        merged={"gamma": ("gamma_step_or_cyclic", "gamma_exponential")},
        names=_NAMES,
    )


def _declare(name: str, models: list[str]) -> cs.ConfigurationSpace:
    optimizer = cs.Categorical("optimizer", ["adam", "momentum"])
    scheduler = cs.Categorical("scheduler", ["StepLR", "ExponentialLR", "CyclicLR", "CosineAnnealingWarmRestarts"])
    always: list[Hyperparameter[Any, Any]] = [
        cs.Integer("batch_size", (32, 128)),
        cs.Categorical("model", models),
        cs.Float("lr", (1e-4, 1e-1), log=True),
        cs.Float("weight_decay", (1e-5, 1e-3), log=True),
    ]
    sometimes: list[tuple[Hyperparameter[Any, Any], Hyperparameter[Any, Any], list[str]]] = [
        (cs.Float("beta_0", (0.5, 0.999), log=True), optimizer, ["adam"]),
        (cs.Float("beta_1", (0.8, 0.999), log=True), optimizer, ["adam"]),
        (cs.Float("momentum", (1e-3, 1.0), log=True), optimizer, ["momentum"]),
        (cs.Integer("step_size", (2, 20)), scheduler, ["StepLR"]),
        (cs.Float("gamma_step_or_cyclic", (0.1, 0.5), log=True), scheduler, ["StepLR", "CyclicLR"]),
        (cs.Float("gamma_exponential", (0.85, 0.999), log=True), scheduler, ["ExponentialLR"]),
        (cs.Float("max_lr", (1.1, 1.5)), scheduler, ["CyclicLR"]),
        (cs.Integer("step_size_up", (1, 10)), scheduler, ["CyclicLR"]),
        (cs.Integer("t_0", (2, 20)), scheduler, ["CosineAnnealingWarmRestarts"]),
        (cs.Integer("t_mult", (1, 4)), scheduler, ["CosineAnnealingWarmRestarts"]),
        (cs.Float("eta_min", (0.5, 0.9)), scheduler, ["CosineAnnealingWarmRestarts"]),
    ]
    declared = cs.ConfigurationSpace(name=name)
    declared.add(optimizer, scheduler, *always, *(child for child, _, _ in sometimes))
    declared.add(*(_only_when(child, parent, values) for child, parent, values in sometimes))
    return declared


def _only_when(child: Hyperparameter[Any, Any], parent: Hyperparameter[Any, Any], values: list[str]) -> Condition:
    return cs.EqualsCondition(child, parent, values[0]) if len(values) == 1 else cs.InCondition(child, parent, values)


@dataclass(frozen=True)
class HyperRecConfig:
    """One HyperRec configuration, ready to build what it names.

    Args:
        config: A configuration of `hyperrec_space` or `hyperrec_small_space`; kept as a checked, read-only copy.

    Raises:
        SpaceError: If the configuration is invalid.

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(2, 1)
        >>> config = HyperRecConfig({"batch_size": 64, "model": "resnet34", "optimizer": "momentum", "lr": 0.01,
        ...     "momentum": 0.5, "weight_decay": 1e-4, "scheduler": "StepLR", "step_size": 2, "gamma": 0.1})
        >>> optimizer = config.build_optimizer(model.parameters())
        >>> scheduler = config.build_scheduler(optimizer)
        >>> for epoch in range(2):
        ...     optimizer.step()
        ...     scheduler.step()
        >>> round(optimizer.param_groups[0]["lr"], 6)
        0.001
    """

    config: Mapping[str, Value]

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", MappingProxyType(_validate(self.config)))

    def __reduce__(self) -> tuple[Any, ...]:  # a read-only view cannot be pickled
        return HyperRecConfig, (dict(self.config),)

    def build_optimizer(self, params: Iterable[torch.Tensor] | Iterable[dict[str, Any]]) -> Optimizer:
        """Return Adam, or SGD with momentum, over `params`; see `build_optimizer`."""
        return build_optimizer(self.config, params)

    def build_scheduler(self, optimizer: Optimizer) -> LRScheduler:
        """Return the learning-rate schedule of `optimizer`, to be stepped once an epoch; see `build_scheduler`."""
        return build_scheduler(self.config, optimizer)


def build_optimizer(config: Mapping[str, Any], params: Iterable[torch.Tensor] | Iterable[dict[str, Any]]) -> Optimizer:
    """Build the optimizer that a HyperRec configuration names.

    Args:
        config: A configuration of `hyperrec_space` or `hyperrec_small_space`.
        params: What to optimize: ``model.parameters()``, or parameter groups.

    Returns:
        `torch.optim.Adam` for ``"adam"``, `torch.optim.SGD` with momentum for ``"momentum"``.

    Raises:
        SpaceError: If the configuration is invalid.
    """
    from torch.optim import SGD, Adam

    c: dict[str, Any] = _validate(config)
    if c["optimizer"] == "adam":
        return Adam(params, lr=c["lr"], betas=(c["beta_0"], c["beta_1"]), weight_decay=c["weight_decay"])
    return SGD(params, lr=c["lr"], momentum=c["momentum"], weight_decay=c["weight_decay"])


def build_scheduler(config: Mapping[str, Any], optimizer: Optimizer) -> LRScheduler:
    """Build the learning-rate schedule that a HyperRec configuration names, to be stepped once an epoch.

    CyclicLR runs in mode ``exp_range`` from ``lr`` up to ``max_lr``. With Adam it leaves the momentum alone. With SGD
    it keeps PyTorch's default, as the published configurations do: the momentum swings between 0.9 and 0.8 against the
    learning rate, in place of the configuration's own ``momentum``.

    Args:
        config: A configuration of `hyperrec_space` or `hyperrec_small_space`.
        optimizer: What `build_optimizer` returned for the same configuration.

    Raises:
        SpaceError: If the configuration is invalid, or names another kind of optimizer.
    """
    from torch.optim import SGD, Adam, lr_scheduler

    c: dict[str, Any] = _validate(config)
    wanted = Adam if c["optimizer"] == "adam" else SGD
    if not isinstance(optimizer, wanted):
        message = f"the configuration names {wanted.__name__}, got {type(optimizer).__name__}; use its build_optimizer"
        raise SpaceError(message, parameter="optimizer")
    match c["scheduler"]:
        case "StepLR":
            return lr_scheduler.StepLR(optimizer, step_size=c["step_size"], gamma=c["gamma"])
        case "ExponentialLR":
            return lr_scheduler.ExponentialLR(optimizer, gamma=c["gamma"])
        case "CyclicLR":
            return lr_scheduler.CyclicLR(
                optimizer,
                base_lr=c["lr"],
                max_lr=c["max_lr"],
                step_size_up=c["step_size_up"],
                mode="exp_range",
                gamma=c["gamma"],
                cycle_momentum=c["optimizer"] != "adam",
            )
        case _:
            return lr_scheduler.CosineAnnealingWarmRestarts(
                optimizer, T_0=c["t_0"], T_mult=c["t_mult"], eta_min=c["eta_min"]
            )


def _validate(config: Mapping[str, Any]) -> dict[str, Value]:
    """Check a configuration against the space that has its model."""
    return _space(small=config.get("model") in _SMALL_MODELS).validate(config)


@cache
def _space(*, small: bool) -> SearchSpace:
    return hyperrec_small_space() if small else hyperrec_space()
