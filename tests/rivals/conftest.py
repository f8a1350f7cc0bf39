"""A small table on which the sources agree, and problems made from it."""

import numpy as np
import pandas as pd
import pytest

from at2.recommend import Problem, build_problem
from at2.tables import LearningCurveTable, Metric

N_CONFIG, N_EPOCH = 9, 5


def make_table(*, maximize: bool = True) -> LearningCurveTable:
    """Three sources and a target with seeds; larger configurations are better on the sources, noise on the target."""
    rng = np.random.default_rng(0)
    level = np.arange(N_CONFIG) / N_CONFIG
    growth = 1 - 0.5 ** np.arange(1, N_EPOCH + 1)
    curves = level[:, None] * growth + 0.01 * rng.standard_normal((4, 2, N_CONFIG, N_EPOCH))
    configs = pd.DataFrame({"lr": np.linspace(0.1, 0.9, N_CONFIG), "kind": ["x", "y", "z"] * 3})
    return LearningCurveTable(
        {"score": curves if maximize else -curves},
        tasks=["a", "b", "c", "target"],
        configs=configs,
        metrics=[Metric("score", maximize=maximize)],
    )


@pytest.fixture
def table() -> LearningCurveTable:
    return make_table()


@pytest.fixture
def problem(table: LearningCurveTable) -> Problem:
    return build_problem(table, target="target")
