"""The table that ships with at2: its size, its shape, and that it is worth tuning on."""

import numpy as np
import pytest

from at2.tables import HYPERREC_BATCH_METRICS, HYPERREC_METRICS, LearningCurveTable, RunStatus, data_path, load_table
from at2.tables.facts import best_values, random_search_regret, rank_correlation


@pytest.fixture(scope="module")
def digits() -> LearningCurveTable:
    return load_table("digits")


def test_its_size_and_its_schema(digits: LearningCurveTable) -> None:
    assert data_path("digits.h5").stat().st_size <= 8e6
    n_task, n_seed, n_config, n_epoch = digits.shape
    assert n_task >= 8
    assert (n_seed, n_config, n_epoch) == (2, 64, 40)
    assert digits.metric == "val_acc_top1"
    assert set(digits.metrics.values()) == set(HYPERREC_METRICS)
    assert [series.metric for series in digits.batches.values()] == list(HYPERREC_BATCH_METRICS)
    assert digits.raw_curves().dtype == np.float32
    assert np.isin(digits.status, [RunStatus.OK, RunStatus.DIVERGED]).all()
    assert np.isfinite(digits.curves()[digits.status == RunStatus.OK]).all()


def test_its_configurations_are_those_of_the_small_space(digits: LearningCurveTable) -> None:
    from at2.space import hyperrec_small_space

    space = hyperrec_small_space()
    assert digits.space == space
    recorded = [digits.config(config_id) for config_id in digits.configs.index]
    for config, sampled in zip(recorded, space.sample(64, seed=0), strict=True):
        assert config == {name: _nearly(value) for name, value in sampled.items()}


def _nearly(value: object) -> object:
    """A float up to its last bits: those of an exponential depend on the processor."""
    return pytest.approx(value, rel=1e-12) if isinstance(value, float) else value


def test_it_is_worth_tuning_on(digits: LearningCurveTable) -> None:
    best = best_values(digits)
    assert all(random_search_regret(values, 1) > 0.05 for values in best)
    assert np.mean([random_search_regret(values, 4) for values in best]) > 0.01
    matrix = rank_correlation(digits).to_numpy()
    pairs = matrix[np.triu_indices(len(matrix), k=1)]
    assert pairs.mean() > 0.5
    assert pairs.min() < 0.97
