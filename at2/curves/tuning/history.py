"""Runs on other tasks, for at2 to start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from at2.curves.data import CurveSet
from at2.curves.tuning.spaces import network_space
from at2.curves.tuning.task import WORST, NetworkTask

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable

__all__ = ["make_history"]


def make_history(
    sources: Mapping[str, CurveSet],
    network: str,
    *,
    n_config: int = 20,
    n_epoch: int = 40,
    prefix: int = 10,
    seed: int = 0,
) -> LearningCurveTable:
    """Train the same random configurations of a network on the curves of several tasks.

    Args:
        sources: Curves of each task.
        network: ``"cnn"`` or ``"lstm"``.
        n_config: How many configurations.
        n_epoch: Training epochs of each.
        prefix: Epochs of a curve that are known.
        seed: Decides configurations, parts and weights.

    Returns:
        A table of validation errors against training epochs, for the ``history`` of `tune_network`.
    """
    from at2.tables import LearningCurveTable, Metric

    space = network_space(network)
    configs = space.sample(n_config, seed=seed)
    errors = np.full((len(sources), 1, n_config, n_epoch), np.nan)
    for i, curves in enumerate(sources.values()):
        task = NetworkTask(curves, network, n_epoch=n_epoch, prefix=prefix, seed=seed, scaling="standard")
        for j, config in enumerate(configs):
            for epoch, (validation, _) in zip(range(n_epoch), task.run(config), strict=False):
                errors[i, 0, j, epoch] = min(validation, WORST)
    return LearningCurveTable(
        {"val_mse": errors},
        tasks=list(sources),
        configs=pd.DataFrame(configs),
        metrics=[Metric("val_mse", maximize=False)],
        space=space,
        name=f"curves-{network}",
    )
