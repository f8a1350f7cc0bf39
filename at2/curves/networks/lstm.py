"""Recurrent networks over the steps of a prefix, with the configuration at every step or in the first hidden state."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from at2.curves.networks.base import NetworkPredictor, with_configs

__all__ = ["CnnLstmPredictor", "LstmPredictor", "TunedLstmPredictor"]


class CurveLstm(nn.Module):
    """An LSTM over the steps, the configuration repeated at each, and a linear head on its last hidden state.

    Args:
        n_channel: Series plus columns.
        n_unit: Units of each layer.
        n_layer: Layers.
    """

    def __init__(self, n_channel: int, n_unit: int, n_layer: int) -> None:
        super().__init__()
        self.body = nn.LSTM(n_channel, n_unit, num_layers=n_layer, batch_first=True)
        self.head = nn.Linear(n_unit, 1)

    def forward(self, configs: Tensor, steps: Tensor) -> Tensor:
        """Return scaled readings, shape ``(n,)``."""
        hidden = self.body(with_configs(configs, steps))[0][:, -1]
        out: Tensor = self.head(hidden)
        return out[:, 0]


class CurveCnnLstm(nn.Module):
    """A convolution of 16 filters of width 2 over the hyperparameters gives the hidden state an LSTM begins with.

    Args:
        n_column: Columns of a configuration; with fewer than 2 they are padded.
        n_series: Series per step.
        n_filter: Filters of the convolution.
        n_unit: Units of the LSTM.
    """

    def __init__(self, n_column: int, n_series: int, n_filter: int, n_unit: int) -> None:
        super().__init__()
        self.n_pad = max(0, 2 - n_column)
        self.convolution = nn.Conv1d(1, n_filter, 2)
        self.to_hidden = nn.Linear(n_filter * (n_column + self.n_pad - 1), n_unit)
        self.body = nn.LSTM(n_series, n_unit, batch_first=True)
        self.head = nn.Linear(n_unit, 1)

    def forward(self, configs: Tensor, steps: Tensor) -> Tensor:
        """Return scaled readings, shape ``(n,)``."""
        padded = nn.functional.pad(configs, (0, self.n_pad))[:, None]
        hidden = torch.tanh(self.to_hidden(torch.flatten(torch.relu(self.convolution(padded)), 1)))[None]
        last = self.body(steps, (hidden, torch.zeros_like(hidden)))[0][:, -1]
        out: Tensor = self.head(last)
        return out[:, 0]


class LstmPredictor(NetworkPredictor):
    """The published LSTM: 100 units over the steps and a linear head.

    Args:
        n_unit: Units of each layer; None takes the published number.
        n_layer: Layers.
        prefix: Length of the prefix that `fit` prepares for, in epochs; the others as in `NetworkPredictor`.
        at: See `NetworkPredictor`.
        seed: See `NetworkPredictor`.
        scaling: See `NetworkPredictor`.
        n_epoch: See `NetworkPredictor`.
        batch_size: See `NetworkPredictor`.
        learning_rate: See `NetworkPredictor`.
        optimizer: See `NetworkPredictor`.
    """

    name: ClassVar[str] = "lstm"
    published: ClassVar[int] = 100

    def __init__(
        self,
        *,
        n_unit: int | None = None,
        n_layer: int = 1,
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
        self.n_unit = n_unit
        self.n_layer = n_layer

    def build(self, n_column: int, n_series: int, length: int) -> nn.Module:
        """Return an untrained network."""
        return CurveLstm(n_column + n_series, self.n_unit or self.published, self.n_layer)


class TunedLstmPredictor(LstmPredictor):
    """The tuned LSTM: 94 units where none are given; arguments as in `LstmPredictor`."""

    name: ClassVar[str] = "lstm-tuned"
    published: ClassVar[int] = 94


class CnnLstmPredictor(NetworkPredictor):
    """The published CNN-LSTM: 16 filters over the hyperparameters, then 128 units over the series.

    Arguments as in `NetworkPredictor`.
    """

    name: ClassVar[str] = "cnn-lstm"

    def build(self, n_column: int, n_series: int, length: int) -> nn.Module:
        """Return an untrained network."""
        return CurveCnnLstm(n_column, n_series, n_filter=16, n_unit=128)
