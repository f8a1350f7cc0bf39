"""One training to be controlled: a frozen description that checks itself, and its form as a row of text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from at2.control.errors import InstanceError
from at2.tables.storage.frames import close_matches
from at2.training.networks import network_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch.optim import Optimizer

OPTIMIZERS = ("AdamW", "Adam", "SGD", "RMSprop")
"""Optimizers an instance may name; each is the class of that name in `torch.optim`."""


@dataclass(frozen=True)
class SGDInstance:
    """One training to be controlled: network, optimizer, data, and what ends it.

    Args:
        model: Name of a network, see `at2.training.networks.build_network`.
        dataset: Name or path of an image task, see `at2.training.tasks.load_task`.
        optimizer: One of `OPTIMIZERS`.
        optimizer_params: Settings of the optimizer, such as ``{"lr": 0.01, "weight_decay": 0.01}``; kept read-only.
            ``lr`` is the rate before the first action, and the one that static controllers start from.
        batch_size: Samples of a mini-batch, at least 2 and at most the training split.
        fraction: Share of the task's training and validation images that is used, in (0, 1].
        train_validation_ratio: Share of those that is trained on, in (0, 1); the rest validates.
        seed: Decides which images are used, and with the episode's seed the first weights and the order of batches.
        cutoff: Length of the training in epochs, at least 1.
        crash_penalty: Reward of a training whose loss or parameters leave the finite numbers; finite, 0 or below.

    Raises:
        InstanceError: If a value is of the wrong kind or out of its range; ``.parameter`` names it.

    Example:
        >>> instance = SGDInstance("small-plain", "digits", optimizer_params={"lr": 0.01})
        >>> instance.optimizer, instance.lr, instance.cutoff
        ('AdamW', 0.01, 10)
        >>> SGDInstance("small-plain", "digits", fraction=0.0)
        Traceback (most recent call last):
            ...
        at2.control.errors.InstanceError: fraction must lie in (0, 1], 0.0 came
    """

    model: str
    dataset: str
    optimizer: str = "AdamW"
    optimizer_params: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int = 64
    fraction: float = 1.0
    train_validation_ratio: float = 0.75
    seed: int = 0
    cutoff: int = 10
    crash_penalty: float = -10.0

    def __post_init__(self) -> None:
        for name in ("model", "dataset"):
            _check_text(name, getattr(self, name))
        if self.model not in network_names():
            message = (
                f"model must be a network of at2, {self.model!r} came; {close_matches(self.model, network_names())}"
            )
            raise InstanceError(message, parameter="model")
        for name, least in (("batch_size", 2), ("seed", 0), ("cutoff", 1)):
            object.__setattr__(self, name, _whole_number(name, getattr(self, name), least=least))
        for name in ("fraction", "train_validation_ratio", "crash_penalty"):
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        self._check_ranges()
        object.__setattr__(self, "optimizer_params", MappingProxyType(dict(_checked_settings(self))))

    def _check_ranges(self) -> None:
        if not 0 < self.fraction <= 1:
            raise InstanceError(f"fraction must lie in (0, 1], {self.fraction} came", parameter="fraction")
        if not 0 < self.train_validation_ratio < 1:
            message = f"train_validation_ratio must lie between 0 and 1, {self.train_validation_ratio} came"
            raise InstanceError(message, parameter="train_validation_ratio")
        if self.crash_penalty > 0:
            message = f"crash_penalty is a reward and must be 0 or below, {self.crash_penalty} came"
            raise InstanceError(message, parameter="crash_penalty")

    def __hash__(self) -> int:
        return hash(tuple(self.to_row().items()))

    def __reduce__(self) -> tuple[Any, ...]:  # a read-only view cannot be pickled
        values = [getattr(self, each.name) for each in fields(self)]
        return SGDInstance, tuple(dict(value) if isinstance(value, Mapping) else value for value in values)

    @property
    def lr(self) -> float:
        """Learning rate before the first action: that of the optimizer's settings, else PyTorch's default of 0.001."""
        return float(self.optimizer_params.get("lr", 1e-3))

    def build_optimizer(self, params: Iterable[torch.Tensor]) -> Optimizer:
        """Build the optimizer over `params`, at the rate before the first action."""
        import torch

        kind = getattr(torch.optim, self.optimizer)
        built: Optimizer = kind(params, **{"lr": self.lr, **self.optimizer_params})
        return built

    def to_row(self) -> dict[str, str]:
        """Give the fields as text, for one row of a CSV; the optimizer's settings are JSON with sorted names."""
        row = {each.name: str(getattr(self, each.name)) for each in fields(self)}
        row["optimizer_params"] = json.dumps(dict(self.optimizer_params), sort_keys=True)
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> SGDInstance:
        """Read the fields from text.

        Args:
            row: Text of every field, as `to_row` gives it; other entries are left alone.

        Raises:
            InstanceError: If a field is missing, cannot be read, or is out of its range.

        Example:
            >>> instance = SGDInstance("small-plain", "digits", optimizer_params={"lr": 0.01})
            >>> SGDInstance.from_row(instance.to_row()) == instance
            True
        """
        missing = [name for name in COLUMNS if row.get(name) is None]
        if missing:
            message = f"an instance needs the columns {', '.join(COLUMNS)}; {', '.join(missing)} missing"
            raise InstanceError(message, parameter=missing[0])
        return cls(**{name: _parse(name, row[name]) for name in COLUMNS})


COLUMNS = tuple(each.name for each in fields(SGDInstance))
"""Columns of an instance file beside its ``id``."""

_KINDS = {"batch_size": int, "seed": int, "cutoff": int}
_KINDS_OF_NUMBERS: dict[str, Any] = {"fraction": float, "train_validation_ratio": float, "crash_penalty": float}


def _parse(name: str, text: str) -> Any:
    """Read one field from text."""
    kind = {**_KINDS, **_KINDS_OF_NUMBERS, "optimizer_params": json.loads}.get(name, str)
    try:
        return kind(text or "{}") if name == "optimizer_params" else kind(text)
    except ValueError as error:
        wanted = {int: "a whole number", float: "a number", json.loads: "a JSON object"}[kind]
        raise InstanceError(f"{name} must be {wanted}, {text!r} came", parameter=name) from error


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InstanceError(f"{name} must be a name, {value!r} came", parameter=name)


def _whole_number(name: str, value: Any, *, least: int) -> int:
    is_whole = (not isinstance(value, bool) and isinstance(value, int | float)) or hasattr(value, "item")
    if not is_whole or not math.isfinite(value) or int(value) != value or value < least:
        raise InstanceError(f"{name} must be a whole number of at least {least}, {value!r} came", parameter=name)
    return int(value)


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InstanceError(f"{name} must be a finite number, {value!r} came", parameter=name)
    return number


def _checked_settings(instance: SGDInstance) -> dict[str, Any]:
    """Try the optimizer's settings on one parameter, so that a wrong one is known before the training."""
    import torch

    if instance.optimizer not in OPTIMIZERS:
        message = f"optimizer must be one of {', '.join(OPTIMIZERS)}, {instance.optimizer!r} came"
        raise InstanceError(message, parameter="optimizer")
    if not isinstance(instance.optimizer_params, Mapping):
        message = f"optimizer_params must be a mapping of settings, {instance.optimizer_params!r} came"
        raise InstanceError(message, parameter="optimizer_params")
    settings = dict(instance.optimizer_params)
    try:
        _number("lr", settings.get("lr", 1e-3))
        getattr(torch.optim, instance.optimizer)([torch.zeros(1, requires_grad=True)], **{"lr": 1e-3, **settings})
    except (TypeError, ValueError) as error:
        message = f"torch.optim.{instance.optimizer} does not take {settings!r}: {error}"
        raise InstanceError(message, parameter="optimizer_params") from error
    return settings
