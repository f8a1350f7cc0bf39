"""The protocols of this room: a surrogate is fitted to a history and gives a belief about the target task.

Indices count from 0: ``config`` is a row of the history's features, ``epoch`` the reading after epoch + 1 completed
epochs. Two systems of units occur. *User units* are those of the metric, turned so that larger is better. *Latent
units* are user units after a monotone warp (`at2.surrogate.warp`); in them a belief is a mixture of Gaussian
components. The *value* of a configuration is what its curve is worth in the end; each surrogate says which column of
its grid that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

from at2.surrogate.history import History

if TYPE_CHECKING:
    from at2.surrogate.warp import Warp


@dataclass(frozen=True)
class Prediction:
    """Mean and standard deviation of quantities in oriented user units; two tensors of equal shape.

    Args:
        mean: Expectations, such as ``(n_config, n_epoch)`` for readings or ``(n_config,)`` for values.
        std: Standard deviations, in the same shape.
    """

    mean: Tensor
    std: Tensor


@dataclass(frozen=True)
class Outlook:
    """What further readings may change, in latent units, the components of a belief averaged.

    A value is Gaussian, but not below the best reading of its curve: that is the least that it can be.

    Args:
        mean: Expected values of `n` configurations before that is counted, shape ``(n,)``.
        variance: Their variances, likewise, shape ``(n,)``.
        least: The least that each can be, shape ``(n,)``; minus infinity where nothing is known.
        slope: What one standard deviation of each of `m` readings adds to each value, shape ``(n, m)``.
    """

    mean: Tensor
    variance: Tensor
    least: Tensor
    slope: Tensor


class Component(Protocol):
    """One Gaussian of a belief, over the latent curves of the target."""

    def value_mean(self) -> Tensor:
        """Return the mean value of every configuration, ``(n_config,)``."""

    def value_variance(self) -> Tensor:
        """Return the variance of the value of every configuration, ``(n_config,)``."""

    def reading_mean(self) -> Tensor:
        """Return the mean of every cell, ``(n_config, n_epoch)``."""

    def reading_variance(self) -> Tensor:
        """Return the variance of a reading (noise included) of every cell, ``(n_config, n_epoch)``."""

    def value_covariance(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Tensor:
        """Return the covariance of the values of `n` configurations with the readings of `m` cells, ``(n, m)``."""


class Belief(Protocol):
    """What is believed about the target's curves; grows by one reading at a time."""

    @property
    def n_epoch(self) -> int:
        """Length of a full training."""

    @property
    def doubt(self) -> float:
        """How little is learnt from sources, in [0, 1]: 1 without any; how little they agree, where that is asked."""

    @property
    def warp(self) -> Warp:
        """Map from oriented user units to latent units."""

    @property
    def log_evidence(self) -> float:
        """Log density of all readings so far, in latent units."""

    @property
    def weights(self) -> Tensor:
        """Posterior weight of each component, ``(n_component,)``, summing to 1."""

    @property
    def components(self) -> Sequence[Component]:
        """The Gaussians of the mixture, in the order of `weights`."""

    def observe(self, config: int, epoch: int, value: float) -> None:
        """Condition on one reading, given in oriented user units."""

    def fantasize(self, config: int, epoch: int) -> None:
        """Condition on a reading that is still out, as if it came back just as expected."""

    def fork(self) -> Belief:
        """Return an independent copy."""

    def predict(self, configs: Tensor | None = None) -> Prediction:
        """Return mean and standard deviation of readings, each ``(n_config, n_epoch)``; of some rows, or of all."""

    def best_by(self, configs: Tensor, epochs: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the best reading up to each of some cells to come, latent, each ``(m,)``."""

    def values(self) -> Prediction:
        """Return mean and standard deviation of every configuration's value, each ``(n_config,)``."""

    def latent_values(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the same in latent units, each ``(n_config,)``."""

    def worth(self) -> Tensor:
        """Return what every configuration may be counted on to be worth, ``(n_config,)``, in oriented user units.

        The recommendation is the configuration of the highest worth.
        """

    def outlook(self, rows: Tensor, configs: Tensor, epochs: Tensor) -> Outlook:
        """Return what further readings may change.

        Args:
            rows: Configurations whose values matter, shape ``(n,)``.
            configs: Rows of the cells to read, shape ``(m,)``.
            epochs: Their epochs, shape ``(m,)``.
        """


class Surrogate(Protocol):
    """A model that is fitted to a history once and then says what to believe about a new task."""

    def fit(self, history: History, *, seed: int = 0) -> Belief:
        """Fit to the sources and return the belief about a target of which nothing has been seen yet."""
