"""Convolutional networks over the steps of a prefix."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from at2.curves.batch import Batch
from at2.curves.networks.base import NetworkPredictor, need_steps, with_configs

__all__ = ["CnnPredictor", "TunedCnnPredictor"]


class CurveCnn(nn.Module):
    """Convolutions of width 2 with ReLU, max-pooling of 2 steps with stride 1 after the first, and a linear head.

    Later convolutions keep the number of steps. The configuration is repeated at every step.

    Args:
        n_channel: Series plus columns.
        length: Number of steps, at least 3.
        filters: Number of filters of each convolution.
    """

    def __init__(self, n_channel: int, length: int, filters: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(n_channel, filters[0], 2), nn.ReLU(), nn.MaxPool1d(2, stride=1)]
        for before, after in itertools.pairwise(filters):
            layers += [nn.ConstantPad1d((1, 0), 0.0), nn.Conv1d(before, after, 2), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(filters[-1] * (length - 2), 1)

    def forward(self, configs: Tensor, steps: Tensor) -> Tensor:
        """Return scaled readings, shape ``(n,)``."""
        out: Tensor = self.head(torch.flatten(self.body(with_configs(configs, steps).mT), 1))
        return out[:, 0]


class CnnPredictor(NetworkPredictor):
    """The published CNN: one convolution of 64 filters of width 2, max-pooling, a linear head.

    Args:
        filters: Filters of each convolution; None takes the published ones.
        prefix: Length of the prefix that `fit` prepares for, at least 3 epochs; the others as in `NetworkPredictor`.
        at: See `NetworkPredictor`.
        seed: See `NetworkPredictor`.
        scaling: See `NetworkPredictor`.
        n_epoch: See `NetworkPredictor`.
        batch_size: See `NetworkPredictor`.
        learning_rate: See `NetworkPredictor`.
        optimizer: See `NetworkPredictor`.
    """

    name: ClassVar[str] = "cnn"
    published: ClassVar[tuple[int, ...]] = (64,)

    def __init__(
        self,
        *,
        filters: Sequence[int] | None = None,
        prefix: int = 10,
        at: int | None = None,
        seed: int = 0,
        scaling: str = "standard",
        n_epoch: int = 100,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        optimizer: str = "adam",
    ) -> None:
        super().__init__(
            prefix=prefix,
            at=at,
            seed=seed,
            scaling=scaling,
            n_epoch=n_epoch,
            batch_size=batch_size,
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        self.filters = None if filters is None else tuple(filters)

    def build(self, n_column: int, n_series: int, length: int) -> nn.Module:
        """Return an untrained network."""
        return CurveCnn(n_column + n_series, length, self.filters or self.published)

    def _check_length(self, batch: Batch) -> None:
        need_steps(batch, 3, self.name)


class TunedCnnPredictor(CnnPredictor):
    """The tuned CNN: two convolutions, of 40 and 38 filters where none are given; arguments as in `CnnPredictor`."""

    name: ClassVar[str] = "cnn-tuned"
    published: ClassVar[tuple[int, ...]] = (40, 38)
