"""What the variational model believes about the target; every reading trains it a little further."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from at2.errors import TableError
from at2.surrogate.at2_2021.inputs import Points, make_points
from at2.surrogate.at2_2021.model import make_model
from at2.surrogate.at2_2021.surrogate import AutoTuning2021
from at2.surrogate.at2_2021.training import Trainer
from at2.surrogate.belief import Outlook, Prediction
from at2.surrogate.history import History
from at2.surrogate.warp import AffineWarp

_CHUNK = 1000  # cells predicted at a time


def start_belief(settings: AutoTuning2021, history: History, *, seed: int) -> VariationalBelief:
    """Train on the sources and return the belief about a target without any reading.

    Args:
        settings: The settings.
        history: Source curves and encoded configurations, at least one source.
        seed: Draws inducing points, starting values and the order of the batches.

    Raises:
        TableError: If no source has a reading.
        FitError: If training diverges.
    """
    values, features = history.values, history.features
    if history.elsewhere is not None:
        values = torch.cat([values, history.elsewhere.on_grid(history.n_source)], dim=2)
        features = torch.cat([features, history.elsewhere.features])
    values = values[:, settings.profile_id].to(torch.float64)
    unit = UnitRange.of(values)
    target = torch.full_like(values[:1], torch.nan)
    curves = torch.cat([unit.forward(values), target])  # (n_source + 1, n_config, n_epoch)
    points = make_points(features.to(torch.float64), n_epoch=history.n_epoch)
    readings = [points.readings(curves[task], task) for task in range(history.n_source)]
    x, y = torch.cat([x for x, _ in readings]), torch.cat([y for _, y in readings])
    drawn = np.random.default_rng([seed]).permutation(y.numel())[: settings.num_inducing_point]
    model = make_model(points, curves, x[torch.from_numpy(drawn).to(x.device)], seed=seed)
    trainer = Trainer(model, x, y, settings, seed=seed)
    trainer.run(settings.num_training_epoch)
    return VariationalBelief(
        trainer, points, curves, unit, n_config=history.n_config, n_tuning_epoch=settings.num_tuning_epoch
    )


@dataclass(frozen=True)
class UnitRange(AffineWarp):
    """Maps a metric to [0, 1], where the published data lie; values that lie there already are left as they are."""

    @classmethod
    def of(cls, values: Tensor) -> UnitRange:
        """Return the range of the finite values.

        Raises:
            TableError: If there is none.
        """
        finite = values[torch.isfinite(values)]
        if finite.numel() == 0:
            raise TableError("the sources hold no reading; leave them out, or choose another metric")
        low, high = float(finite.min()), float(finite.max())
        return cls(0.0, 1.0) if low >= 0.0 and high <= 1.0 else cls(low, (high - low) or 1.0)

    def predict(self, mean: Tensor, variance: Tensor) -> Prediction:
        """Map moments back to user units."""
        return Prediction(self.inverse(mean), self.unit * variance.clamp_min(0.0).sqrt())


class VariationalBelief:
    """The trained model's Gaussian over the target's curves: a `Belief`, and its own only `Component`.

    Readings still out (`fantasize`) are conditioned on exactly, which moves no mean; the next `observe` forgets them.

    Args:
        trainer: Model and readings.
        points: The configurations.
        curves: Curves of all tasks in units of `unit`, ``(n_task, n_config, n_epoch)``; the last task is the target.
        unit: Map between user units and latent units.
        n_config: The belief is about this many configurations, the first ones.
        n_tuning_epoch: Passes over all readings after each new one.
    """

    def __init__(
        self,
        trainer: Trainer,
        points: Points,
        curves: Tensor,
        unit: UnitRange,
        *,
        n_config: int,
        n_tuning_epoch: int,
    ) -> None:
        self._trainer, self._points, self._curves, self._unit = trainer, points, curves, unit
        self._n_tuning_epoch = n_tuning_epoch
        self.log_evidence = 0.0
        self._n_config, self._n_epoch = n_config, curves.shape[2]
        self._moments: tuple[Tensor, Tensor] | None = None
        self._out: list[Tensor] = []  # standardized covariance of every cell with each reading that is still out

    @property
    def n_epoch(self) -> int:
        """Length of a full training."""
        return self._n_epoch

    @property
    def doubt(self) -> float:
        """0: how far sources agree is not asked."""
        return 0.0

    @property
    def warp(self) -> UnitRange:
        """Map from oriented user units to units of the range."""
        return self._unit

    @property
    def weights(self) -> Tensor:
        """Weight of the only component: ``tensor([1.])``."""
        return torch.ones(1, dtype=torch.float64)

    @property
    def components(self) -> tuple[VariationalBelief]:
        """The belief itself."""
        return (self,)

    def observe(self, config: int, epoch: int, value: float) -> None:
        """Add one reading in oriented user units and train on."""
        latent = float(self._unit.forward(torch.tensor(value, dtype=torch.float64)))
        mean, variance = float(self.mean()[config, epoch]), float(self.reading_variance()[config, epoch])
        self.log_evidence -= 0.5 * ((latent - mean) ** 2 / variance + math.log(2.0 * math.pi * variance))
        target = self._curves.shape[0] - 1
        self._curves[target, config, epoch] = latent
        self._trainer.model.kernel.task.update(self._curves, target)
        self._trainer.add(self._cells(torch.tensor([config]), torch.tensor([epoch])), latent)
        self._moments, self._out = None, []
        self._trainer.run(self._n_tuning_epoch)

    def fantasize(self, config: int, epoch: int) -> None:
        """Condition on a reading that is still out, as if it came back just as expected."""
        spread = float(self.reading_variance()[config, epoch]) ** 0.5
        self._out.append(self.covariance_row(config, epoch) / spread)

    def fork(self) -> VariationalBelief:
        """Return an independent copy."""
        return copy.deepcopy(self)

    def predict(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of readings, each ``(n_config, n_epoch)``; of some rows, or of all."""
        rows = slice(None) if configs is None else configs
        return self._unit.predict(self.mean()[rows], self.reading_variance()[rows])

    def best_by(self, configs: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `predict` says of some cells: this surrogate knows readings, not their maximum."""
        return self.mean()[configs, epochs], self.reading_variance()[configs, epochs]

    def outlook(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Outlook:
        """Return what further readings may change (see `Belief.outlook`)."""
        mean, variance = self.value_mean()[rows], self.value_variance()[rows]
        spread = self.reading_variance()[configs, epochs].sqrt()
        slope = self.value_covariance(rows, configs, epochs) / spread
        return Outlook(mean, variance, torch.full_like(mean, -torch.inf), slope)

    def curves(self) -> Prediction:
        """Return mean and standard deviation of every cell without noise, each ``(n_config, n_epoch)``."""
        return self._unit.predict(self.mean(), self.variance())

    def values(self) -> Prediction:
        """Return mean and standard deviation of every configuration's value, each ``(n_config,)``."""
        return self._unit.predict(*self.latent_values())

    def latent_values(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of values in units of the range, each ``(n_config,)``."""
        return self.value_mean(), self.value_variance()

    def worth(self) -> Tensor:
        """Return every configuration's expected value, ``(n_config,)``."""
        return self.values().mean

    def mean(self) -> Tensor:
        """Return the latent mean of every cell, ``(n_config, n_epoch)``."""
        return self._predict_all()[0]

    def variance(self) -> Tensor:
        """Return the noise-free latent variance of every cell, ``(n_config, n_epoch)``."""
        known = sum((row.square() for row in self._out), start=torch.zeros_like(self.mean()))
        return (self._predict_all()[1] - known).clamp_min(0.0)

    def reading_mean(self) -> Tensor:
        """Return the mean of every cell, ``(n_config, n_epoch)``."""
        return self.mean()

    def reading_variance(self) -> Tensor:
        """Return the variance of a reading (noise included) of every cell, ``(n_config, n_epoch)``."""
        return self.variance() + self._trainer.noise

    def value_mean(self) -> Tensor:
        """Return the highest mean of every configuration's curve, ``(n_config,)``."""
        return self.mean().amax(1)

    def value_variance(self) -> Tensor:
        """Return the variance where the mean of a curve is highest, ``(n_config,)``."""
        return self.variance().gather(1, self.mean().argmax(1, keepdim=True))[:, 0]

    @torch.no_grad()
    def value_covariance(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Tensor:
        """Return the covariance of the values of `n` configurations with the readings of `m` cells, ``(n, m)``."""
        best = self.mean().argmax(1)[rows]
        cells = torch.cat([self._cells(rows, best), self._cells(configs, epochs)])
        joint: Tensor = self._trainer.model(cells).covariance_matrix[: rows.numel(), rows.numel() :]
        for out in self._out:
            joint = joint - out[rows, best][:, None] * out[configs, epochs]
        return joint

    @torch.no_grad()
    def covariance_row(self, config: int, epoch: int) -> Tensor:
        """Return the noise-free covariance of one cell with every cell, ``(n_config, n_epoch)``."""
        one = self._cells(torch.tensor([config]), torch.tensor([epoch]))
        parts = [self._trainer.model(torch.cat([one, cells])).covariance_matrix[0, 1:] for cells in self._all_cells()]
        row = torch.cat(parts).reshape(self._n_config, self._n_epoch)
        for out in self._out:
            row = row - out[config, epoch] * out
        return row

    def _cells(self, configs: Tensor, epochs: Tensor) -> Tensor:
        device = self._curves.device
        return self._points.rows(configs.to(device), epochs.to(device), task=self._curves.shape[0] - 1)

    def _all_cells(self) -> tuple[Tensor, ...]:
        configs = torch.arange(self._n_config).repeat_interleave(self._n_epoch)
        epochs = torch.arange(self._n_epoch).repeat(self._n_config)
        return torch.split(self._cells(configs, epochs), _CHUNK)

    @torch.no_grad()
    def _predict_all(self) -> tuple[Tensor, Tensor]:
        """Mean and noise-free variance of every cell given the readings, kept until the next one."""
        if self._moments is None:
            found = [self._trainer.model(cells) for cells in self._all_cells()]
            mean, variance = torch.cat([f.mean for f in found]), torch.cat([f.variance for f in found])
            shape = (self._n_config, self._n_epoch)
            self._moments = mean.reshape(shape), variance.reshape(shape)
        return self._moments
