"""What a drawn collection is like: how large, how alike its tasks are, how curves go, what is measured and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from at2.bench.replay.views import HISTORIES
from at2.errors import UnknownNameError

COURSES = ("power", "exponential", "overfitting", "late", "plateau", "scheduled", "wandering")
METRICS = ("accuracy", "percentage", "error", "log loss", "squared error", "reward")
KEPT = ("whole", *(name for name in HISTORIES if name != "units"))
DIVERGED = ("missing", "poor")

_N_SOURCE, _N_CONFIG, _N_EPOCH = (1, 2, 4, 4, 10, 25), (30, 100, 100, 300, 1000), (10, 30, 50, 100)
_N_HYPERPARAMETER, _N_CHOICE = (2, 4, 7), (1, 3)
_DISTANCES, _PROBABLE = (0.0, 0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.3, 0.2, 0.1)
_NOISES, _DIVERGING = (0.005, 0.03, 0.1), (0.0, 0.0, 0.1, 0.3)
_WHOLE = 0.4  # probability that nothing is missing of the sources
_LARGEST = 300_000  # readings of a ragged history


@dataclass(frozen=True)
class Traits:
    """One collection: some tasks to learn from, and a target.

    Args:
        seed: Seed of all that is drawn of it.
        n_source: Number of source tasks.
        n_config: Number of configurations.
        n_epoch: Length of a full training.
        n_hyperparameter: Number of hyperparameters in [0, 1].
        n_choice: Number of choices of a categorical one; 1 means that there is none.
        distance: How far tasks differ, from 0, all alike, to 1, little in common.
        course: How curves get from their start to their level, one of `COURSES`.
        metric: What is measured, one of `METRICS`.
        kept: What is left of the sources' curves, one of `KEPT`; see `at2.bench.replay.views.cut_sources`.
        noise: Standard deviation of a reading, where levels lie between 0 and 1.
        diverging: Share of the configurations that diverge within half of a training, on each task others.
        diverged: What readings are after that: ``"missing"``, or far poorer than any other.
    """

    seed: int
    n_source: int
    n_config: int
    n_epoch: int
    n_hyperparameter: int = 4
    n_choice: int = 1
    distance: float = 0.3
    course: str = "power"
    metric: str = "accuracy"
    kept: str = "whole"
    noise: float = 0.03
    diverging: float = 0.0
    diverged: str = "missing"


def check_traits(names: Sequence[str]) -> None:
    """Raise UnknownNameError for the first name that is no trait.

    Example:
        >>> check_traits(["course", "kept"])
    """
    known = [field.name for field in fields(Traits)]
    for name in names:
        if name not in known:
            raise UnknownNameError(f"no trait {name!r}; there are {', '.join(known)}")


def draw_traits(seed: int) -> Traits:
    """Draw what a collection is like.

    Args:
        seed: Seed of the draw.

    Returns:
        Traits; those of a history that is not whole and has more than 300,000 readings are drawn again.

    Example:
        >>> draw_traits(3) == draw_traits(3)
        True
    """
    rng = np.random.default_rng([seed, 0])
    while True:
        traits = _draw(seed, rng)
        ragged = traits.kept != "whole" or traits.diverging > 0.0
        if not ragged or traits.n_source * traits.n_config * traits.n_epoch <= _LARGEST:
            return traits


def _draw(seed: int, rng: np.random.Generator) -> Traits:
    def one_of(values: tuple[Any, ...]) -> Any:
        return values[rng.integers(len(values))]

    whole = rng.random() < _WHOLE
    return Traits(
        seed=seed,
        n_source=one_of(_N_SOURCE),
        n_config=one_of(_N_CONFIG),
        n_epoch=one_of(_N_EPOCH),
        n_hyperparameter=one_of(_N_HYPERPARAMETER),
        n_choice=one_of(_N_CHOICE),
        distance=float(rng.choice(_DISTANCES, p=_PROBABLE)),
        course=one_of(COURSES),
        metric=one_of(METRICS),
        kept="whole" if whole else one_of(KEPT[1:]),
        noise=one_of(_NOISES),
        diverging=one_of(_DIVERGING),
        diverged=one_of(DIVERGED),
    )
