"""How far a live tuning is: what was trained, what it gave, what is spent, who leads; for views and callbacks."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from at2.recommend.budget import Budget
from at2.recommend.query import ConfigId, Query

_PACE = 20  # epochs by whose pace the time left is told
Status = Literal["ok", "diverged", "crashed"]


@dataclass(frozen=True)
class Epoch:
    """One epoch of a live training.

    Args:
        number: How many queries came before.
        config_id: Which configuration was trained.
        epoch: Its completed epochs then.
        value: The metric; None where the training failed.
        status: ``"ok"``, ``"diverged"`` (NaN or infinity came) or ``"crashed"`` (it raised).
        seconds: What it took, epochs that had to be repeated included.
        n_repeated: Epochs that were trained again, because no checkpoint was left to go on from.
        metrics: Whatever other numbers came along.
        note: Why it failed, in one line.
    """

    number: int
    config_id: ConfigId
    epoch: int
    value: float | None
    status: Status
    seconds: float | None
    n_repeated: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the epoch as JSON values; numbers that are not finite become None."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.metrics.items()}
        return asdict(self) | {"metrics": finite}


def best_epoch(epochs: Iterable[Epoch], *, maximize: bool) -> Epoch | None:
    """Return the epoch with the best value, the first of equals; None where none has a value."""
    sign = 1.0 if maximize else -1.0
    told = [(sign * e.value, e) for e in epochs if e.value is not None]
    return max(told, key=lambda of: of[0])[1] if told else None


@dataclass(frozen=True)
class Leader:
    """One of the leading configurations.

    Args:
        config_id: Its name.
        config: Its hyperparameters.
        values: The metric after each epoch so far.
        mean: Predicted metric at the end of a full training; None where the tuner predicts nothing.
        low: Lower end of a 90 % interval of the prediction.
        high: Upper end.
    """

    config_id: ConfigId
    config: Mapping[str, Any]
    values: Sequence[float]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


class View(Protocol):
    """What shows a live tuning to somebody."""

    def begin(self, query: Query, progress: Progress) -> None:
        """Take note of the epoch that is about to be trained."""

    def show(self, progress: Progress) -> None:
        """Take note that an epoch was told."""


Callback = Callable[["Progress"], object]


@dataclass
class Progress:
    """How far a tuning is.

    Args:
        budget: What may be spent.
        n_epoch: Length of a full training.
        metric: Name of the metric.
        maximize: Whether larger is better.
        epochs: Every epoch so far, those of earlier processes included.
        configs: The configurations that were trained.
        trained: Whether the best trained model is wanted; what a configuration had shown then counts though it failed.
        look: Gives the n leading configurations; what `leading` calls.
    """

    budget: Budget
    n_epoch: int
    metric: str
    maximize: bool
    trained: bool = False
    epochs: list[Epoch] = field(default_factory=list)
    configs: dict[ConfigId, Mapping[str, Any]] = field(default_factory=dict)
    spent: float = 0.0
    look: Callable[[int], Sequence[Leader]] | None = None
    must_stop: bool = False
    _stamps: deque[float] = field(default_factory=lambda: deque(maxlen=_PACE + 1))

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but the tuner behind `look`, which stays in its process."""
        return {**self.__dict__, "look": None}

    @property
    def last(self) -> Epoch | None:
        """The epoch that was told last."""
        return self.epochs[-1] if self.epochs else None

    def stop(self) -> None:
        """End the tuning before the next epoch, as if the budget were spent; it can be resumed."""
        self.must_stop = True

    def values(self, config_id: ConfigId) -> list[float]:
        """The metric of a configuration, epoch by epoch."""
        return [e.value for e in self.epochs if e.config_id == config_id and e.value is not None]

    def best(self) -> Epoch | None:
        """The epoch with the best value so far that counts: of configurations that have not failed, or of all."""
        lost = set() if self.trained else set(self.failed())
        return best_epoch((e for e in self.epochs if e.config_id not in lost), maximize=self.maximize)

    def failed(self) -> dict[ConfigId, Epoch]:
        """Configurations that failed, each with the epoch in which it did."""
        return {e.config_id: e for e in self.epochs if e.value is None}

    def leading(self, n: int) -> Sequence[Leader]:
        """The leading configurations, by what the tuner predicts, else by the best value so far."""
        if self.look is not None:
            return self.look(n)
        sign = 1.0 if self.maximize else -1.0
        names = [name for name in self.configs if name not in self.failed() and self.values(name)]
        names.sort(key=lambda name: max(sign * value for value in self.values(name)), reverse=True)
        return [Leader(name, self.configs[name], self.values(name)) for name in names[:n]]

    def seconds_left(self) -> float | None:
        """How long the rest of the budget will take, by the pace of the last epochs; None before there is any."""
        if len(self._stamps) < 2:
            return None
        if self.budget.seconds is not None:
            return max(0.0, self.budget.amount - self.spent)
        pace = (self._stamps[-1] - self._stamps[0]) / (len(self._stamps) - 1)
        return max(0.0, self.budget.amount - self.spent) * pace

    def done(self, config_id: ConfigId) -> int:
        """Completed epochs of a configuration."""
        return max((e.epoch for e in self.epochs if e.config_id == config_id), default=0)

    def add(self, epoch: Epoch, *, spent: float | None = None) -> None:
        """Count an epoch that was told; `spent` is what the tuner says, None counts the epoch itself."""
        self.epochs.append(epoch)
        self._stamps.append(time.perf_counter())
        own = (epoch.seconds or 0.0) if self.budget.seconds is not None else 1.0
        self.spent = self.spent + own if spent is None else spent

    def start_clock(self) -> None:
        """Count the pace from here."""
        self._stamps.clear()
        self._stamps.append(time.perf_counter())
