"""What a training gives back: a batch, scores on a split, an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

TOP = (1, 5, 10)
"""An image counts as right at k if fewer than k classes are given at least the score of the true one."""

ScoreFunction = Callable[[Tensor, Tensor], float]
"""A metric of one's own: of logits (n, n_classes) and labels (n,)."""


def rank_of_truth(logits: Tensor, labels: Tensor) -> Tensor:
    """Return how many other classes score at least as high as the true one: 0 where the prediction is right.

    Ties count against the network, and so does NaN: equal scores for all classes are no knowledge.

    Args:
        logits: Scores, shape ``(n, n_classes)``.
        labels: True classes, shape ``(n,)``.

    Returns:
        Tensor of shape ``(n,)``, int64, on the device of the logits.

    Example:
        >>> rank_of_truth(torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0]]), torch.tensor([2, 0]))
        tensor([1, 1])
    """
    lower = (logits < logits.gather(1, labels[:, None])).sum(1)
    return logits.shape[1] - 1 - lower


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One mini-batch, measured before its update.

    Numbers are taken from the tensors only when they are asked for, so that a GPU need not be waited for.

    Args:
        cross_entropy: Mean cross-entropy, a tensor without dimensions; label smoothing included, L2 penalty not.
        ranks: `rank_of_truth` of each image, shape ``(n,)``.
        ends_pass: Whether it was the last batch of a pass over the training images.
        logits: What the network gave, shape ``(n, n_classes)``, detached.
        labels: True classes, shape ``(n,)``.
    """

    cross_entropy: Tensor
    ranks: Tensor
    ends_pass: bool
    logits: Tensor
    labels: Tensor

    def losses(self) -> Tensor:
        """Return the cross-entropy of each image, without smoothing, shape ``(n,)``."""
        return functional.cross_entropy(self.logits, self.labels, reduction="none")

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return float(self.cross_entropy)

    @property
    def finite(self) -> bool:
        """False once the training has diverged."""
        return math.isfinite(self.loss)

    def top(self, k: int) -> float:
        """Return the share of images with the true class among the k highest."""
        return int((self.ranks < k).sum()) / len(self.ranks)

    @property
    def top1(self) -> float:
        """Accuracy."""
        return self.top(1)

    @property
    def top5(self) -> float:
        """Top-5 accuracy."""
        return self.top(5)

    @property
    def top10(self) -> float:
        """Top-10 accuracy."""
        return self.top(10)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a network reaches on a split.

    Args:
        loss: Mean cross-entropy, without smoothing and penalty.
        top1: Accuracy.
        top5: Top-5 accuracy.
        top10: Top-10 accuracy.
        seconds: How long the evaluation took.
        extra: Metrics of the user's own, by name.
    """

    loss: float
    top1: float
    top5: float
    top10: float
    seconds: float
    extra: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch: a pass over the training images, then an evaluation.

    Args:
        epoch: Which one, counted from 1.
        batches: Values of each batch, shape ``(n_batch,)`` float32: ``cross_entropy``, ``top1``, ``top5``, ``top10``.
        train_s: Seconds of the pass.
        validation: Scores on the validation images.
        test: Scores on the test images.
    """

    epoch: int
    batches: dict[str, npt.NDArray[np.float32]]
    train_s: float
    validation: Scores
    test: Scores

    @property
    def evaluation_s(self) -> float:
        """Seconds of both evaluations."""
        return self.validation.seconds + self.test.seconds

    @property
    def diverged(self) -> bool:
        """True if a loss, of training or evaluation, is not finite."""
        losses = (self.validation.loss, self.test.loss)
        return not (all(map(math.isfinite, losses)) and bool(np.isfinite(self.batches["cross_entropy"]).all()))


def batch_values(losses: Sequence[Tensor], ranks: Sequence[Tensor]) -> dict[str, npt.NDArray[np.float32]]:
    """Turn the losses and ranks of a pass into one array per quantity, a value for each batch."""
    sizes = np.array([len(batch) for batch in ranks])
    joined = torch.cat(list(ranks)).cpu().numpy()
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    values = {"cross_entropy": torch.stack(list(losses)).float().cpu().numpy()}
    for k in TOP:
        values[f"top{k}"] = (np.add.reduceat(joined < k, starts, dtype=np.int64) / sizes).astype(np.float32)
    return values
