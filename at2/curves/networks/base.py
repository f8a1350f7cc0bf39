"""What the published networks have in common: steps of a prefix in, one scaled reading out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from at2.curves.batch import Batch
from at2.curves.features import config_columns, plain_readings
from at2.curves.networks.training import Plan, train_epochs
from at2.curves.predictor import CurvePredictor, Floats, State
from at2.curves.scaling import Scaling, fit_scaling
from at2.errors import ShapeError

__all__ = ["NetworkModel", "NetworkPredictor"]


@dataclass(frozen=True)
class NetworkModel:
    """A trained network and its scales.

    Args:
        network: Takes configurations ``(n, n_column)`` and steps ``(n, length, n_series)``, gives ``(n,)``.
        scaling: Of the readings.
        shift: Subtracted from the extra series, shape ``(n_extra,)``.
        unit: Divides them, same shape.
        length: Length of the prefixes.
        n_column: Number of columns of the configurations.
    """

    network: nn.Module
    scaling: Scaling
    shift: Floats
    unit: Floats
    length: int
    n_column: int


class NetworkPredictor(CurvePredictor):
    """A network that is trained by its squared error on scaled readings; a network for every question.

    Args:
        prefix: Length of the prefix that `fit` prepares for, in epochs.
        at: Epoch that `fit` prepares for; None is the last one.
        seed: Seed of weights and order.
        scaling: ``"none"``, ``"min-max"``, ``"standard"`` or ``"log"``.
        n_epoch: Passes over the training curves.
        batch_size: Curves per step.
        learning_rate: Of the optimizer, followed by a cosine to 0.
        optimizer: ``"adam"``, ``"adamw"``, ``"rmsprop"`` or ``"sgd"``.
    """

    def __init__(
        self,
        *,
        prefix: int = 10,
        at: int | None = None,
        seed: int = 0,
        scaling: str = "standard",
        n_epoch: int = 100,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        optimizer: str = "adam",
    ) -> None:
        super().__init__(prefix=prefix, at=at, seed=seed)
        self.scaling = scaling
        self.n_epoch = n_epoch
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer

    @abstractmethod
    def build(self, n_column: int, n_series: int, length: int) -> nn.Module:
        """Return an untrained network for that many columns, series and steps."""

    def _fit_question(self, batch: Batch, answers: Floats) -> NetworkModel:
        model, epochs = self.begin(batch, answers)
        for _ in epochs:
            pass
        return model

    def begin(self, batch: Batch, answers: Floats) -> tuple[NetworkModel, Iterator[int]]:
        """Return an untrained model for questions of one kind, and what trains it epoch by epoch when asked."""
        self._check_length(batch)
        scaling = fit_scaling(self.scaling, np.column_stack([plain_readings(batch), answers]))
        shift, unit = _series_scale(batch)
        model = self._new_model(scaling, shift, unit, int(batch.lengths[0]), batch.configs.shape[1])
        targets = torch.as_tensor(scaling.forward(answers), dtype=torch.float32)
        plan = Plan(self.n_epoch, self.batch_size, self.learning_rate, self.optimizer, seed=self.seed)
        return model, train_epochs(model.network, self._inputs(model, batch), targets, plan)

    def _answer(self, model: NetworkModel, batch: Batch) -> Floats:
        with torch.inference_mode():
            scaled = model.network.eval()(*self._inputs(model, batch)).double().numpy()
        return model.scaling.inverse(scaled)

    def _model_state(self, model: NetworkModel) -> State:
        shapes = {"length": model.length, "n_column": model.n_column, "scaling": model.scaling.to_json()}
        weights = {f"weights.{name}": value for name, value in model.network.state_dict().items()}
        return {**shapes, "shift": model.shift, "unit": model.unit, **weights}

    def _model_from_state(self, state: State) -> NetworkModel:
        shift, unit = state["shift"].numpy(), state["unit"].numpy()
        model = self._new_model(Scaling(**state["scaling"]), shift, unit, state["length"], state["n_column"])
        weights = {name.removeprefix("weights."): v for name, v in state.items() if name.startswith("weights.")}
        model.network.load_state_dict(weights)
        model.network.eval()
        return model

    def _new_model(self, scaling: Scaling, shift: Floats, unit: Floats, length: int, n_column: int) -> NetworkModel:
        """Build the network with weights that depend on the seed alone, and leave the global seed as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = self.build(n_column + int(self._optional.sum()), 1 + len(shift), length)
        return NetworkModel(network, scaling, shift, unit, length, n_column)

    def _inputs(self, model: NetworkModel, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return configurations ``(n, n_column)`` and steps ``(n, length, n_series)``."""
        steps = model.scaling.forward(plain_readings(batch))[:, :, None]
        if batch.extra is not None:
            steps = np.concatenate([steps, (batch.extra[:, : model.length] - model.shift) / model.unit], axis=2)
        columns = config_columns(batch.configs, optional=self._optional)
        return torch.as_tensor(columns, dtype=torch.float32), torch.as_tensor(steps, dtype=torch.float32)

    def _check_length(self, batch: Batch) -> None:
        """Raise if prefixes are too short for this network."""


def with_configs(configs: Tensor, steps: Tensor) -> Tensor:
    """Repeat the configuration at every step, shape ``(n, length, n_column + n_series)``."""
    return torch.cat([configs[:, None].expand(-1, steps.shape[1], -1), steps], dim=2)


def need_steps(batch: Batch, least: int, name: str) -> None:
    """Raise a ShapeError where prefixes are shorter than a network can read."""
    if len(batch) and int(batch.lengths[0]) < least:
        raise ShapeError(f"{name!r} needs prefixes of at least {least} epochs, {int(batch.lengths[0])} given")


def _series_scale(batch: Batch) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each extra series."""
    if batch.extra is None:
        return np.zeros(0), np.ones(0)
    known = batch.extra[:, : int(batch.lengths[0])].reshape(-1, batch.extra.shape[2])
    unit = known.std(axis=0)
    return known.mean(axis=0), np.where(unit > 1e-12, unit, 1.0)
