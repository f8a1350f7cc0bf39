"""A belief whose view of the target is settled again where its readings ask for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from at2.surrogate.belief import Component, Outlook, Prediction
from at2.surrogate.transfer.belief import WeightedBelief
from at2.surrogate.transfer.view import View
from at2.surrogate.warp import Warp

_LOG = logging.getLogger(__name__)

_SURPRISING = 8.0  # standard deviations, from which on curves are unlike those of the sources


class SettlingBelief:
    """A `WeightedBelief` that is made anew, and told all readings again, whenever they ask for another view.

    Args:
        view: How the target is seen before the first reading.
        make: Makes what is believed under a view before the first reading.
        see: Chooses the view by the values read so far, ``(n,)``, the best of each one's curve until then, ``(n,)``,
            and the view in use; whether curves surprise, or stay on a plateau, is not its matter.
    """

    def __init__(
        self, view: View, *, make: Callable[[View], WeightedBelief], see: Callable[[Tensor, Tensor, View], View]
    ) -> None:
        self._view, self._make, self._see = view, make, see
        self._inner = make(view)
        self._readings: tuple[tuple[int, int, float | None], ...] = ()

    @property
    def n_epoch(self) -> int:
        """Length of a full training."""
        return self._inner.n_epoch

    @property
    def doubt(self) -> float:
        """How little the sources agree, in [0, 1]; 1 without any."""
        return self._inner.doubt

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
        now = self._view
        seen = self._see(*_told(self._readings), now)
        view = replace(seen, surprising=now.surprising, on_plateau=now.on_plateau)
        if view == self._view:
            self._inner.observe(config, epoch, value)
        else:
            self._start_anew(view)
        if not view.surprising and self._inner.surprise > _SURPRISING:
            _LOG.info(
                "the curves of the target are unlike those of its sources: from here on they may go as without any"
            )
            self._start_anew(replace(view, surprising=True))
        if not self._view.on_plateau and self._inner.sees_plateau:
            _LOG.info(
                "the target has not begun to learn where its sources had: until it does, readings may say nothing"
            )
            self._start_anew(replace(self._view, on_plateau=True))

    def fantasize(self, config: int, epoch: int) -> None:
        """Condition on a reading that is still out, as if it came back just as expected."""
        self._readings = (*self._readings, (config, epoch, None))
        self._inner.fantasize(config, epoch)

    def _start_anew(self, view: View) -> None:
        """Condition on the readings so far once more, under another view."""
        self._view, self._inner = view, self._make(view)
        for config, epoch, value in self._readings:
            if value is None:
                self._inner.fantasize(config, epoch)
            else:
                self._inner.observe(config, epoch, value)

    def fork(self) -> SettlingBelief:
        """Return an independent copy."""
        twin = SettlingBelief.__new__(SettlingBelief)
        twin.__dict__.update(self.__dict__)
        twin._inner = self._inner.fork()
        return twin

    def predict(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of readings, each ``(n_config, n_epoch)``; of some rows, or of all."""
        return self._inner.predict(configs)

    def best_by(self, configs: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the best reading up to some cells (see `WeightedBelief.best_by`)."""
        return self._inner.best_by(configs, epochs)

    def interval(self, probability: float, configs: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the ends of central intervals of readings in user units (see `WeightedBelief.interval`)."""
        return self._inner.interval(probability, configs)

    def log_density(self, values: Tensor, configs: Tensor | None = None) -> Tensor:
        """Return the log density of readings in latent units (see `WeightedBelief.log_density`)."""
        return self._inner.log_density(values, configs)

    @property
    def warp(self) -> Warp:
        """Map from oriented user units to latent units, as it is now."""
        return self._inner.warp

    def values(self) -> Prediction:
        """Return mean and standard deviation of every configuration's value, each ``(n_config,)``."""
        return self._inner.values()

    def worth(self) -> Tensor:
        """Return what every configuration may be counted on to be worth, ``(n_config,)``."""
        return self._inner.worth()

    def outlook(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Outlook:
        """Return what further readings may change (see `Belief.outlook`)."""
        return self._inner.outlook(rows, configs, epochs)

    def sample_values(self, n_sample: int, *, seed: int = 0, rows: Tensor | None = None) -> Tensor:
        """Draw values of configurations jointly, in oriented user units, ``(n_sample, n)``."""
        return self._inner.sample_values(n_sample, seed=seed, rows=rows)

    def source_weights(self) -> Prediction:
        """Return mean and standard deviation of the weight of every source (see `WeightedBelief.source_weights`)."""
        return self._inner.source_weights()

    def latent_values(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of values in latent units (see `WeightedBelief.latent_values`)."""
        return self._inner.latent_values()


def _told(readings: Sequence[tuple[int, int, float | None]]) -> tuple[Tensor, Tensor]:
    """Values that came back, in order, and the best of each one's curve until then, each ``(n,)``."""
    values, best = [], []
    of_curve: dict[int, float] = {}
    for config, _, value in readings:
        if value is not None:
            of_curve[config] = max(value, of_curve.get(config, value))
            values.append(value)
            best.append(of_curve[config])
    return torch.tensor(values, dtype=torch.float64), torch.tensor(best, dtype=torch.float64)
