"""The default recommender on histories that nobody would wish for: finite answers, or an error that says why."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from at2.errors import At2Error
from at2.recommend import Budget, Recommender
from at2.tables import LearningCurveTable, Metric

NAN = math.nan


def table_of(values: np.ndarray, lr: np.ndarray, *, maximize: bool = True) -> LearningCurveTable:
    return LearningCurveTable(
        {"m": values},
        tasks=[f"t{k}" for k in range(values.shape[0])],
        configs=pd.DataFrame({"lr": lr, "wd": lr[::-1]}),
        metrics=[Metric("m", maximize=maximize)],
    )


def tune(table: LearningCurveTable, readings: list[float]) -> None:
    """A few steps, everything asked after each; raises where something is not finite."""
    recommender = Recommender(table, target="new", budget=Budget(epochs=len(readings)))
    for reading in readings:
        query = recommender.ask()
        if query is None:
            break
        recommender.tell(query, reading)
        best = recommender.recommend()
        assert math.isfinite(best.mean)
        assert math.isfinite(best.std)
        assert best.std >= 0
    prediction = recommender.belief.predict()
    assert bool(prediction.mean.isfinite().all())
    assert bool(prediction.std.isfinite().all())


@st.composite
def tables(draw: st.DrawFn) -> LearningCurveTable:
    n_task, n_seed = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    n_config, n_epoch = draw(st.integers(1, 7)), draw(st.integers(1, 6))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = generator.random((n_task, n_seed, n_config, n_epoch))
    lr = generator.random(n_config)
    match draw(st.sampled_from(["constant", "same tasks", "same configs", "percent", "huge", "tiny", "plain"])):
        case "constant":
            values[:] = draw(st.sampled_from([0.0, 0.3, 1.0, 100.0, -1e6]))
        case "same tasks":
            values[:] = values[:1]
        case "same configs":
            values[:], lr[:] = values[:, :, :1], 0.5
        case "percent":
            values *= 100.0
        case "huge":
            values *= 1e30
        case "tiny":
            values *= 1e-12
    if draw(st.booleans()):
        values[draw(st.integers(0, n_task - 1)), 0, draw(st.integers(0, n_config - 1)), 0] = 1e30
    values[generator.random(values.shape) < draw(st.sampled_from([0.0, 0.0, 0.3, 0.8, 1.0]))] = NAN
    return table_of(values, lr, maximize=draw(st.booleans()))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    table=tables(),
    readings=st.lists(
        st.sampled_from([0.0, 0.4, 0.41, 1.0, 55.0, -3.0, 1e30, -1e30, 1e300, -1e300]), min_size=1, max_size=5
    ),
)
def test_a_bad_history_gives_finite_answers(table: LearningCurveTable, readings: list[float]) -> None:
    tune(table, readings)


def test_a_target_identical_to_a_source() -> None:
    generator = np.random.default_rng(0)
    values = np.sort(generator.random((3, 1, 6, 5)))
    table = table_of(values, generator.random(6))
    recommender = Recommender(table, target="new", budget=Budget(epochs=15))
    while (query := recommender.ask()) is not None:
        recommender.tell(query, float(values[1, 0, query.config_id, query.epoch - 1]))
    best = values[1, 0].max(1)
    assert best[recommender.recommend().config_id] >= np.sort(best)[-2]


@pytest.mark.slow
def test_a_thousand_configurations_with_equal_features() -> None:
    generator = np.random.default_rng(0)
    values = generator.random((2, 1, 1000, 3))
    values[:, :, ::3, 1:] = NAN
    tune(table_of(values, np.full(1000, 0.5)), [0.4, 0.5])


def test_what_cannot_be_used_is_refused_by_an_error_of_ours() -> None:
    with pytest.raises(At2Error, match="infinite"):
        table_of(np.full((1, 1, 2, 2), np.inf), np.array([0.1, 0.2]))
