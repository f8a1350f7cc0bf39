"""The preset's settings, under their published names, and its `fit`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from at2.errors import TableError
from at2.surrogate.history import History

if TYPE_CHECKING:
    from at2.surrogate.at2_2021.belief import VariationalBelief

_AT_LEAST = {
    "num_inducing_point": 1,
    "batch_size": 1,
    "num_training_epoch": 0,
    "num_tuning_budget": 1,
    "num_tuning_epoch": 0,
    "profile_id": 0,
}


@dataclass(frozen=True)
class AutoTuning2021:
    """The surrogate of the AT2 paper, with the settings of its published experiments; a `Surrogate`.

    Args:
        num_inducing_point: Inducing points; all source readings where there are fewer.
        batch_size: Readings in a step of gradient descent.
        num_training_epoch: Passes over the source readings before the first query.
        lr: Highest learning rate.
        momentum: Momentum of gradient descent, in [0, 1).
        warmup_ratio: Share of all passes in which the learning rate rises, in [0, 1).
        beta: Standard deviations in the upper confidence bound that goes with this surrogate.
        num_tuning_budget: Queries over which the learning rate falls to 0; further ones change nothing but the data.
        num_tuning_epoch: Passes over all readings after each query.
        profile_id: Which training seed of the sources is learnt from.

    Raises:
        ValueError: If a setting is out of its range.

    Example:
        >>> AutoTuning2021(num_training_epoch=20).num_tuning_epoch
        3
    """

    num_inducing_point: int = 1000
    batch_size: int = 1000
    num_training_epoch: int = 200
    lr: float = 0.02
    momentum: float = 0.8
    warmup_ratio: float = 0.01
    beta: float = 0.25
    num_tuning_budget: int = 100
    num_tuning_epoch: int = 3
    profile_id: int = 0

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number from {least}, got {value!r}")
        for name in ("momentum", "warmup_ratio"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie in [0, 1), got {getattr(self, name)!r}")
        if not 0.0 < self.lr < float("inf"):
            raise ValueError(f"lr must be positive, got {self.lr!r}")
        if not 0.0 <= self.beta < float("inf"):
            raise ValueError(f"beta must not be negative, got {self.beta!r}")

    @property
    def ucb_beta(self) -> float:
        """Tells the recommender which acquisition this surrogate was published with."""
        return self.beta

    def fit(self, history: History, *, seed: int = 0) -> VariationalBelief:
        """Train on the sources and return the belief about the target.

        Args:
            history: Source curves and encoded configurations; training runs on the device that holds them.
            seed: Draws inducing points, starting values and the order of the batches.

        Returns:
            A belief over all configurations and epochs of the history.

        Raises:
            TableError: If there is no source reading, or no training seed `profile_id`.
            FitError: If training diverges.
        """
        if history.n_source == 0 or history.values.shape[1] <= self.profile_id:
            raise TableError(
                f"the published model learns from training seed {self.profile_id} of at least one source; the history "
                f"has {history.n_source} sources and {history.values.shape[1]} seeds: add sources, lower profile_id, "
                "or take surrogate='default'"
            )
        from at2.surrogate.at2_2021.belief import start_belief  # loads GPyTorch, which takes seconds

        return start_belief(self, history, seed=seed)
