"""Small made-up curves: losses that fall towards a floor that the configuration and the rate decide."""

import numpy as np
import pytest

from at2.curves import CurveSet, DefaultPredictor
from at2.tables import LearningCurveTable, Metric


def make_curves(
    n: int = 60, n_epoch: int = 12, *, seed: int = 0, n_task: int = 1, maximize: bool = False, extra: bool = False
) -> CurveSet:
    rng = np.random.default_rng(seed)
    configs = rng.uniform(size=(n, 3))
    task = np.arange(n) % n_task
    floor = 0.2 + 0.6 * configs[:, 0] + 0.15 * task
    rate = 0.1 + 0.9 * configs[:, 1]
    epochs = np.arange(1, n_epoch + 1)
    losses = floor[:, None] + 1.5 * np.exp(-rate[:, None] * epochs) + 0.01 * rng.standard_normal((n, n_epoch))
    curves = 1 / (1 + losses) if maximize else np.abs(losses)
    series = rng.standard_normal((n, n_epoch, 2)) if extra else None
    names = tuple(f"task{i}" for i in task) if n_task > 1 else ()
    return CurveSet(configs, curves, names, series, maximize)


def make_table(n_task: int = 3, n: int = 20, n_epoch: int = 10, *, maximize: bool = True) -> LearningCurveTable:
    import pandas as pd

    curves = make_curves(n * n_task, n_epoch, n_task=n_task, maximize=maximize)
    cube = np.stack([curves.curves[i::n_task][:n] for i in range(n_task)])[:, None]
    configs = pd.DataFrame(curves.configs[:n], columns=["lr", "momentum", "decay"])
    metric = Metric("val_acc" if maximize else "val_loss", maximize)
    return LearningCurveTable(
        {metric.name: cube}, tasks=[f"t{i}" for i in range(n_task)], configs=configs, metrics=[metric]
    )


def quick(**parameters: object) -> DefaultPredictor:
    return DefaultPredictor(n_step=40, **parameters)


@pytest.fixture(scope="session")
def curves() -> CurveSet:
    return make_curves()


@pytest.fixture(scope="session")
def fitted(curves: CurveSet) -> DefaultPredictor:
    return quick(prefix=4).fit(curves.take(np.arange(45)))
