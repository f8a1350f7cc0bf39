"""at2/surrogate/transfer/watched/falls.py: one that diverges says nothing of others, and is worth what it has shown."""

import pandas as pd
import pytest
import torch
from torch import Tensor

from at2.recommend import Budget, Recommender
from at2.surrogate import Belief, History, WeightedSources
from at2.tables import LearningCurveTable, Metric
from tests.surrogate.transfer.problems import small_curves

N = 12


def losses() -> tuple[Tensor, Tensor]:
    """Losses of four sources, and of a target like them, the larger the better."""
    curves = small_curves(5, N, seed=2) - 1.0
    return curves[:4], curves[4, 0]


def begun(sources: Tensor) -> Belief:
    return WeightedSources().fit(History(sources, torch.linspace(0.0, 1.0, N, dtype=torch.float64)[:, None]))


@pytest.mark.parametrize("poor", [-1e2, -1e8])
def test_readings_after_a_training_diverged_change_nothing_for_others(poor: float) -> None:
    sources, target = losses()
    belief, sound = begun(sources), begun(sources)
    for config in (3, 7):
        first = float(target[config, 0])
        sound.observe(config, 0, first)
        for epoch, value in enumerate((first, poor, poor, poor)):
            belief.observe(config, epoch, value)
    others = [k for k in range(N) if k not in (3, 7)]
    torch.testing.assert_close(belief.values().mean[others], sound.values().mean[others])
    values = belief.values()
    for config in (3, 7):
        assert float(values.mean[config]) == pytest.approx(float(target[config, 0]))
        assert float(values.std[config]) < 1e-3


def test_a_curve_that_comes_back_to_where_it_began_is_lost_unless_it_rises_again() -> None:
    sources, _ = losses()
    belief = begun(sources)
    for epoch, value in enumerate((-1.0, -0.2, -1.1)):
        belief.observe(0, epoch, value)
    assert float(belief.values().mean[0]) == pytest.approx(-0.2)
    belief.observe(0, 3, -0.1)
    assert float(belief.values().mean[0]) > -0.1
    assert float(belief.values().std[0]) > 1e-3


def test_ups_and_downs_lose_nothing() -> None:
    sources, _ = losses()
    belief = begun(sources)
    for epoch, value in enumerate((-0.9, -0.85, -0.91, -0.84)):
        belief.observe(0, epoch, value)
    assert float(belief.values().std[0]) > 1e-3


def test_a_run_leaves_a_training_that_exploded() -> None:
    sources, target = losses()
    table = LearningCurveTable(
        {"loss": -torch.cat([sources, target[None, None]]).numpy()},
        tasks=["a", "b", "c", "d", "new"],
        configs=pd.DataFrame({"x": torch.arange(N).numpy() / N}),
        metrics=[Metric("loss", maximize=False)],
    )
    recommender = Recommender(table, target="new", budget=Budget(epochs=30))
    first = recommender.ask()
    recommender.tell(first, 0.9)
    n_asked = 0
    while (query := recommender.ask()) is not None:
        n_asked += query.config_id == first.config_id
        exploded = query.config_id == first.config_id
        recommender.tell(query, 1e7 if exploded else float(-target[int(query.config_id), query.epoch - 1]))
    assert n_asked <= 1
