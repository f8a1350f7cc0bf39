"""What the environment shows after every step: ten numbers, their ranges, and the spaces that hold them.

======  ===================================  ====  =====  =================================================
place   name                                 low   high   unit
======  ===================================  ====  =====  =================================================
0       predictive_change_var_average        -70   180    log of squared nats, discounted average
1       predictive_change_var_uncertainty    0     62500  its squared deviation, discounted average
2       loss_var_average                     -70   180    log of squared nats, discounted average
3       loss_var_uncertainty                 0     62500  its squared deviation, discounted average
4       learning_rate                        0     max    the rate set last; before that the instance's own
5       training_loss                        0     max    nats a sample
6       validation_loss                      0     max    nats a sample
7       step                                 0     max    steps of the environment since the reset
8       alignment                            -1    1      mean sign
9       crashed                              0     1      1 after a crash
======  ===================================  ====  =====  =================================================

``max`` is the largest float32. The ranges of the logarithms are what variances between 1e-30 and the square of ``max``
can reach. Formulas and papers of the features are in `at2.control.features`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

_LARGEST = float(np.finfo(np.float32).max)

RANGES: dict[str, tuple[float, float]] = {
    "predictive_change_var_average": (-70.0, 180.0),
    "predictive_change_var_uncertainty": (0.0, 62_500.0),
    "loss_var_average": (-70.0, 180.0),
    "loss_var_uncertainty": (0.0, 62_500.0),
    "learning_rate": (0.0, _LARGEST),
    "training_loss": (0.0, _LARGEST),
    "validation_loss": (0.0, _LARGEST),
    "step": (0.0, _LARGEST),
    "alignment": (-1.0, 1.0),
    "crashed": (0.0, 1.0),
}
"""Lowest and highest value of every entry, in the order of the Box."""

NAMES = tuple(RANGES)
"""Names of the entries, in the order of the Box."""


def box_space() -> spaces.Box:
    """Return the space of one row of float32 in the order of `NAMES`, shape ``(10,)``."""
    low, high = np.array(list(RANGES.values()), dtype=np.float32).T
    return spaces.Box(low=low, high=high, dtype=np.float32)


def dict_space() -> spaces.Dict:
    """Return the space of a dictionary with one Box of shape ``(1,)`` for each of `NAMES`."""
    boxes: dict[str, spaces.Space[Any]] = {
        name: spaces.Box(low, high, shape=(1,), dtype=np.float32) for name, (low, high) in RANGES.items()
    }
    return spaces.Dict(boxes)


def as_box(values: Mapping[str, float]) -> np.ndarray:
    """Give the entries as one row of float32, shape ``(10,)``; what float32 cannot hold becomes its largest number."""
    row = np.array([values[name] for name in NAMES], dtype=np.float64)
    return np.clip(row, -_LARGEST, _LARGEST).astype(np.float32)


def as_dict(values: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Give the entries as a dictionary of rows of one float32 each."""
    row = as_box(values)
    return {name: row[place : place + 1] for place, name in enumerate(NAMES)}


def is_finite(observation: Any) -> bool:
    """Say whether no number in an observation is NaN or infinite, however it is nested.

    Example:
        >>> is_finite({"loss": np.array([1.0]), "more": (2, np.nan)}), is_finite((1, [2.0]))
        (False, True)
    """
    if isinstance(observation, Mapping):
        return all(map(is_finite, observation.values()))
    if isinstance(observation, tuple | list):
        return all(map(is_finite, observation))
    row = np.asarray(observation)
    return row.dtype.kind not in "fc" or bool(np.isfinite(row).all())
