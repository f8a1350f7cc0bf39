"""at2/bench/replay/views.py: what is left of the sources' curves, and that nothing else changes."""

import numpy as np
import pandas as pd
import pytest

from at2.bench.replay.protocols import Case
from at2.bench.replay.views import cut_sources
from at2.errors import At2Error
from at2.tables import LearningCurveTable, Metric

N, T = 27, 27


@pytest.fixture
def table() -> LearningCurveTable:
    """Losses that fall; configuration 0 is the best throughout on the first task, the last one on the others."""
    falling = 1.0 / np.arange(1, T + 1)
    quality = np.arange(N)[None, :] * np.array([1.0, -1.0, -1.0, -1.0])[:, None]
    curves = (quality[:, :, None] + falling)[:, None]
    configs = pd.DataFrame({"lr": np.arange(N) + 1.0})
    return LearningCurveTable(
        {"loss": curves}, tasks=list("abcd"), configs=configs, metrics=[Metric("loss", maximize=False)]
    )


def lengths(table: LearningCurveTable) -> np.ndarray:
    """Number of readings, ``(n_task, n_config)``."""
    count: np.ndarray = np.isfinite(table.curves()[:, 0]).sum(-1)
    return count


def test_a_third_goes_on_at_each_rung(table: LearningCurveTable) -> None:
    cut = lengths(cut_sources(table, ["a", "b"], history="halved", seed=0))
    assert sorted(cut[0].tolist()) == [1] * 18 + [3] * 6 + [9] * 2 + [27]
    assert (np.diff(cut[0]) <= 0).all()  # the better, the longer
    assert (np.diff(cut[1]) >= 0).all()
    assert (cut[2:] == T).all()


def test_each_configuration_is_dealt_to_one_source(table: LearningCurveTable) -> None:
    cut = lengths(cut_sources(table, ["a", "b", "c"], history="apart", seed=0))
    assert ((cut[:3] == T).sum(0) == 1).all()
    assert ((cut[:3] == T).sum(1) == 9).all()
    assert (cut[3] == T).all()
    other = lengths(cut_sources(table, ["a", "b", "c"], history="apart", seed=1))
    assert (other != cut).any()


def test_each_source_has_run_a_few(table: LearningCurveTable) -> None:
    cut = lengths(cut_sources(table, ["a", "b", "c"], history="few", seed=0))
    assert ((cut[:3] == T).sum(1) == 5).all()
    assert ((cut[:3] == 0).sum(1) == cut.shape[1] - 5).all()
    assert (cut[3] == T).all()
    other = lengths(cut_sources(table, ["a", "b", "c"], history="few", seed=1))
    assert (other != cut).any()


def test_each_source_was_swept_from_a_part_of_the_configurations(table: LearningCurveTable) -> None:
    twice = table.curves().repeat(2, axis=2)  # 54 configurations, of which a sweep starts with 27
    configs = pd.DataFrame({"lr": np.arange(2 * N) + 1.0})
    metric = Metric("loss", maximize=False)
    large = LearningCurveTable({"loss": twice}, tasks=list("abcd"), configs=configs, metrics=[metric])
    cut = lengths(cut_sources(large, ["a", "b"], history="sweeps", seed=0))
    for lasted in cut[:2]:
        assert sorted(lasted.tolist()) == [0] * 27 + [1] * 18 + [3] * 6 + [9] * 2 + [27]
    assert ((cut[0] == 0) != (cut[1] == 0)).any()
    assert (cut[2:] == T).all()
    assert (lengths(cut_sources(large, ["a", "b"], history="sweeps", seed=1)) != cut).any()


def test_each_source_is_measured_in_its_own_unit_and_the_target_is_not(table: LearningCurveTable) -> None:
    before, after = table.curves(), cut_sources(table, ["a", "c"], history="units", seed=0).curves()
    powers = np.log10(after[[0, 2], 0, 0, 0] / before[[0, 2], 0, 0, 0])
    assert np.allclose(after[[0, 2]], 10.0 ** powers[:, None, None, None] * before[[0, 2]])
    assert (np.abs(powers) <= 4.0).all()
    assert powers[0] != powers[1]
    assert np.array_equal(after[[1, 3]], before[[1, 3]])


def test_each_source_has_logged_every_fifth_epoch(table: LearningCurveTable) -> None:
    cut = np.isfinite(cut_sources(table, ["a", "b"], history="thinned", seed=0).curves()[:, 0])
    assert (np.flatnonzero(cut[0, 0]) == [4, 9, 14, 19, 24]).all()
    assert (cut[:2] == cut[0, 0]).all()
    assert cut[2:].all()


def test_each_source_has_kept_the_last_reading_of_every_training(table: LearningCurveTable) -> None:
    curves = table.curves()
    curves[0, 0, 3, 9:] = curves[1, 0, 4] = np.nan
    stopped = LearningCurveTable(
        {"loss": curves}, tasks=table.tasks, configs=table.configs, metrics=[table.metrics["loss"]]
    )
    cut = cut_sources(stopped, ["a", "b"], history="finals", seed=0)
    kept = np.isfinite(cut.curves()[:, 0])
    assert np.flatnonzero(kept[0, 3]).tolist() == [8]
    assert np.flatnonzero(kept[0, 5]).tolist() == [T - 1]
    assert not kept[1, 4].any()
    assert (lengths(cut)[:2].sum(1) == [N, N - 1]).all()
    assert kept[2:].all()


def test_an_unknown_history_is_refused(table: LearningCurveTable) -> None:
    known = "'halved', 'apart', 'few', 'sweeps', 'thinned', 'finals', 'units'"
    with pytest.raises(At2Error, match=f"histories are {known}; 'thin' given"):
        cut_sources(table, ["a"], history="thin", seed=0)


def test_a_failed_training_never_goes_on(table: LearningCurveTable) -> None:
    curves = table.curves()
    curves[0, 0, 0] = np.nan
    failed = LearningCurveTable(
        {"loss": curves}, tasks=table.tasks, configs=table.configs, metrics=[table.metrics["loss"]]
    )
    cut = lengths(cut_sources(failed, ["a"], history="halved", seed=0))
    assert cut[0, 0] == 0
    assert cut[0, 1] == T


def test_tuners_learn_from_what_is_left_and_are_judged_by_all(table: LearningCurveTable) -> None:
    from at2.bench.regret.contest import Match, _known, _views
    from at2.recommend import Budget

    case = Case("a", ("b", "c"), history="halved")
    path = "the table"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("at2.bench.regret.contest.cached_table", lambda database: table)
        _views.cache_clear()
        shown, hidden = _views(path, None, None)[0], _known(Match(path, "at2", case, (Budget(epochs=3),)))
        _views.cache_clear()
    assert (lengths(shown) == T).all()
    assert (lengths(hidden)[[0, 3]] == T).all()
    assert lengths(hidden)[1].sum() == lengths(hidden)[2].sum() == 18 + 18 + 18 + 27
