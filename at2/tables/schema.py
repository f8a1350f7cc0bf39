"""The words of a table: what a metric is, how a run can end, and the series that HyperRec records."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from at2.errors import TableError
from at2.scalars import is_whole, plain_flag

__all__ = [
    "HYPERREC_BATCH_METRICS",
    "HYPERREC_METRICS",
    "HYPERREC_SPLIT",
    "Metric",
    "RunStatus",
    "check_length",
    "direction_of",
    "metric_of",
]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metric:
    """One measured quantity and its direction.

    Args:
        name: Its name in a table, such as ``val_acc_top1``.
        maximize: True if larger is better.
        unit: Unit of the values, such as ``"fraction"`` or ``"s"``; empty for a bare number.

    Raises:
        TableError: If the name is empty, or ``maximize`` is not a bool.

    Example:
        >>> Metric("val_loss", maximize=False)
        Metric(name='val_loss', maximize=False, unit='')
    """

    name: str
    maximize: bool
    unit: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not self.name.isprintable():
            raise TableError(f"a metric needs a name of printable characters, not {self.name!r}")
        object.__setattr__(self, "maximize", _as_direction(self.name, self.maximize))


_LOSSES = {"loss", "losses", "error", "errors", "err", "mse", "rmse", "mae", "mape", "nll", "bce", "perplexity", "ppl"}
_LOSSES |= {"wer", "cer", "entropy", "crossentropy", "logloss", "deviance", "regret", "brier"}


def direction_of(name: str, maximize: bool | None) -> bool:
    """Return whether larger values of a metric are better: as was said, else yes.

    Where nothing was said and the name is that of a loss, a warning says what it is taken for.

    Example:
        >>> direction_of("val_loss", False), direction_of("accuracy", None)
        (False, True)
    """
    words = set(re.findall(r"[a-z]+", name.lower()))
    if maximize is None and words & _LOSSES:
        _log.warning(
            "larger values of %r are taken to be better, since nothing else was said; pass maximize=False (--minimize) "
            "if it is a loss, or maximize=True",
            name,
        )
    return True if maximize is None else _as_direction(name, maximize)


def check_length(epochs: Any, what: str | None = None) -> None:
    """Refuse a number of epochs that is none; where nothing else is said it is `n_epoch`, of a full training.

    Raises:
        TableError: With what it was meant for, and what came.
    """
    if not is_whole(epochs) or epochs < 1:
        meant = f"{what} must be a whole number of epochs"
        meant = "n_epoch, the length of a full training, must be a whole number" if what is None else meant
        raise TableError(f"{meant} above zero, got {epochs!r}")


def metric_of(metric: str | Metric, maximize: bool | None) -> Metric:
    """Return the metric itself, or the one of that name, larger being better unless something else was said.

    Raises:
        TableError: If the name is none, ``maximize`` is not a bool, or a metric says otherwise.
    """
    if isinstance(metric, Metric):
        if maximize is not None and _as_direction(metric.name, maximize) != metric.maximize:
            raise TableError(f"maximize={maximize} came with {metric}, which says otherwise; leave it out")
        return metric
    named = Metric(metric, True)
    return replace(named, maximize=direction_of(named.name, maximize))


def _as_direction(name: str, maximize: Any) -> bool:
    """Numpy's True and False as Python's."""
    plain = plain_flag(maximize)
    if not isinstance(plain, bool):
        raise TableError(f"metric {name!r}: maximize must be True or False, not {maximize!r}")
    return plain


class RunStatus(IntEnum):
    """How a run, one (task, seed, configuration), ended."""

    NOT_RUN = 0
    OK = 1
    DIVERGED = 2
    CRASHED = 3
    TIMEOUT = 4
    STOPPED_EARLY = 5


def _evaluation(split: str) -> tuple[Metric, ...]:
    accuracies = tuple(Metric(f"{split}_acc_top{k}", maximize=True, unit="fraction") for k in (1, 5, 10))
    return (Metric(f"{split}_loss", maximize=False), *accuracies, Metric(f"{split}_time_s", maximize=False, unit="s"))


HYPERREC_METRICS: tuple[Metric, ...] = (
    *_evaluation("val"),
    *_evaluation("test"),
    Metric("train_time_s", maximize=False, unit="s"),
)
"""What HyperRec records once per epoch: loss, accuracies and seconds of evaluation; seconds of training."""

HYPERREC_BATCH_METRICS: tuple[Metric, ...] = (
    Metric("train_cross_entropy", maximize=False),
    *(Metric(f"train_acc_top{k}", maximize=True, unit="fraction") for k in (1, 5, 10)),
)
"""What HyperRec records once per training batch."""

HYPERREC_SPLIT: dict[str, float] = {"train": 0.6, "validation": 0.2, "test": 0.2}
"""The share of a task's images in each part."""
