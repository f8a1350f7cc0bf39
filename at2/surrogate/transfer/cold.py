"""A belief that starts without any source: the unit of the metric is learnt from the readings themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from at2.surrogate.belief import Component, Prediction
from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.posterior import Posterior
from at2.surrogate.warp import AffineWarp, LogitWarp, Warp, choose_warp

_FIRST = 4  # up to this many readings, the unit is settled anew with each one; after that, whenever they have doubled


class ColdBelief:
    """A `WeightedBelief` whose unit is settled again as readings come in.

    Args:
        start: Makes the state before the first reading.
        warp: Warp to use until there are readings.
    """

    def __init__(self, start: Callable[[], Posterior], warp: Warp) -> None:
        self._start = start
        self._inner = WeightedBelief(start(), warp, readings=start)
        self._readings: tuple[tuple[int, int, float | None], ...] = ()

    @property
    def log_evidence(self) -> float:
        """Log density of all readings so far, in latent units, up to a constant."""
        return self._inner.log_evidence

    @property
    def weights(self) -> Tensor:
        """Posterior weight of each hypothesis, ``(n_component,)``."""
        return self._inner.weights

    @property
    def components(self) -> Sequence[Component]:
        """One view of each hypothesis, in the order of `weights`."""
        return self._inner.components

    def observe(self, config: int, epoch: int, value: float) -> None:
        """Condition on one reading, given in oriented user units."""
        self._readings = (*self._readings, (config, epoch, value))
        n = len(self._readings)
        if n <= _FIRST or n & (n - 1) == 0:
            self._settle()
        else:
            self._inner.observe(config, epoch, value)

    def fantasize(self, config: int, epoch: int) -> None:
        """Condition on a reading that is still out, as if it came back just as expected."""
        self._readings = (*self._readings, (config, epoch, None))
        self._inner.fantasize(config, epoch)

    def _settle(self) -> None:
        """Choose the unit by the readings so far, and condition on them again."""
        values = torch.tensor([v for *_, v in self._readings if v is not None], dtype=torch.float64)
        self._inner = WeightedBelief(self._start(), _unit_of(values), readings=self._start)
        for config, epoch, value in self._readings:
            if value is None:
                self._inner.fantasize(config, epoch)
            else:
                self._inner.observe(config, epoch, value)

    def fork(self) -> ColdBelief:
        """Return an independent copy."""
        twin = ColdBelief.__new__(ColdBelief)
        twin.__dict__.update(self.__dict__)
        twin._inner = self._inner.fork()
        return twin

    def predict(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of readings, each ``(n_config, n_epoch)``; of some rows, or of all."""
        return self._inner.predict(configs)

    def best_by(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of the best reading up to each epoch (see `WeightedBelief.best_by`)."""
        return self._inner.best_by(configs)

    def interval(self, probability: float, configs: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the ends of central intervals of readings in user units (see `WeightedBelief.interval`)."""
        return self._inner.interval(probability, configs)

    def log_density(self, values: Tensor, configs: Tensor | None = None) -> Tensor:
        """Return the log density of readings in latent units (see `WeightedBelief.log_density`)."""
        return self._inner.log_density(values, configs)

    @property
    def warp(self) -> Warp:
        """Map from oriented user units to latent units, as chosen by the readings so far."""
        return self._inner.warp

    def values(self) -> Prediction:
        """Return mean and standard deviation of every configuration's value, each ``(n_config,)``."""
        return self._inner.values()

    def worth(self) -> Tensor:
        """Return what every configuration may be counted on to be worth, ``(n_config,)``."""
        return self._inner.worth()

    def outlook(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what further readings may change (see `Belief.outlook`)."""
        return self._inner.outlook(rows, configs, epochs)

    def sample_values(self, n_sample: int, *, seed: int = 0, rows: Tensor | None = None) -> Tensor:
        """Draw values of configurations jointly, in oriented user units, ``(n_sample, n)``."""
        return self._inner.sample_values(n_sample, seed=seed, rows=rows)


def _unit_of(values: Tensor) -> Warp:
    """Log odds for shares; for any other metric, what makes the readings of order 1."""
    warp = choose_warp(values)
    if isinstance(warp, LogitWarp):
        return warp
    centre = values.median()
    spread = (values - centre).abs().mean()
    unit = spread if float(spread) > 0.0 else centre.abs()
    return AffineWarp(float(centre), float(unit) or 1.0)
