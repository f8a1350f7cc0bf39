"""What one run has shown so far, and the metrics that it has in a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from at2.tables import HYPERREC_BATCH_METRICS, HYPERREC_METRICS, Metric, RunStatus
from at2.training.results import EpochResult, Scores

Floats = npt.NDArray[np.float32]

METRICS: tuple[Metric, ...] = tuple(sorted(HYPERREC_METRICS, key=lambda metric: metric.name != "val_acc_top1"))
"""HyperRec's metrics, with the validation accuracy, by which configurations are chosen, as the table's default."""

BATCH_METRICS = HYPERREC_BATCH_METRICS
_BATCH_NAMES = ("cross_entropy", "top1", "top5", "top10")


@dataclass
class Series:
    """The values of one run.

    Args:
        status: How it ended; `STOPPED_EARLY` while it is under way.
        message: Why it crashed; empty otherwise.
        epochs: Values of each epoch by metric, ``(n_epoch so far,)``.
        batches: Values of each batch by metric, ``(n_batch so far,)``.
        per_epoch: Batches of an epoch.
    """

    status: RunStatus = RunStatus.STOPPED_EARLY
    message: str = ""
    epochs: dict[str, list[float]] = field(default_factory=dict)
    batches: dict[str, list[Floats]] = field(default_factory=dict)
    per_epoch: int = 0

    @property
    def is_done(self) -> bool:
        """True if nothing is left to train."""
        return self.status in (RunStatus.OK, RunStatus.DIVERGED)

    def add(self, result: EpochResult) -> None:
        """Append an epoch. Of one that diverged, only the batches are kept: its scores mean nothing."""
        for metric, name in zip(BATCH_METRICS, _BATCH_NAMES, strict=True):
            self.batches.setdefault(metric.name, []).append(result.batches[name])
        self.per_epoch = len(result.batches["cross_entropy"])
        if result.diverged:
            self.status = RunStatus.DIVERGED
            return
        values = {**_scores("val", result.validation), **_scores("test", result.test), "train_time_s": result.train_s}
        for name, value in values.items():
            self.epochs.setdefault(name, []).append(value)

    def to_payload(self) -> dict[str, Any]:
        """Return the series in the types that a checkpoint holds."""
        return {
            "status": int(self.status),
            "message": self.message,
            "metrics": list(self.epochs),  # one tensor for all of them is quicker to write than one for each
            "epochs": torch.tensor(list(self.epochs.values()), dtype=torch.float64),
            "batch_metrics": list(self.batches),
            "batches": torch.from_numpy(np.array([np.concatenate(parts) for parts in self.batches.values()])),
            "per_epoch": self.per_epoch,
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Series:
        """Read what `to_payload` returned."""
        return cls(
            RunStatus(payload["status"]),
            payload["message"],
            dict(zip(payload["metrics"], payload["epochs"].tolist(), strict=True)),
            {name: [row.numpy()] for name, row in zip(payload["batch_metrics"], payload["batches"], strict=True)},
            payload["per_epoch"],
        )


def thin(values: Floats, *, per_epoch: int, keep: int) -> Floats:
    """Replace the batches of each epoch by means over `keep` equal stretches of them.

    Example:
        >>> thin(np.array([1, 3, 5, 7, 2, 2, 4, 4], dtype=np.float32), per_epoch=4, keep=2)
        array([2., 6., 2., 4.], dtype=float32)
    """
    keep = min(keep, per_epoch)
    starts = np.linspace(0, per_epoch, keep, endpoint=False).astype(int)
    sizes = np.diff([*starts, per_epoch])
    sums = np.add.reduceat(values.reshape(-1, per_epoch), starts, axis=1, dtype=np.float64)
    return (sums / sizes).astype(np.float32).ravel()


def _scores(split: str, scores: Scores) -> dict[str, float]:
    values = {
        f"{split}_loss": scores.loss,
        f"{split}_acc_top1": scores.top1,
        f"{split}_acc_top5": scores.top5,
        f"{split}_acc_top10": scores.top10,
        f"{split}_time_s": scores.seconds,
    }
    return {**values, **{f"{split}_{name}": value for name, value in scores.extra.items()}}
