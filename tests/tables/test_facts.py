"""Facts about a table, against plain counting."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from at2.cli.main import cli
from at2.tables import LearningCurveTable, Metric, RunStatus
from at2.tables.facts import best_values, facts_page, random_search_regret, rank_correlation


@pytest.fixture
def table() -> LearningCurveTable:
    rng = np.random.default_rng(0)
    curves = rng.random((3, 2, 6, 4)).cumsum(axis=3) / 4
    curves[2, 0, 1, 1:] = np.nan
    curves[2, :, 4] = np.nan
    status = np.full((3, 2, 6), RunStatus.OK)
    status[2, :, 4] = RunStatus.DIVERGED
    configs = pd.DataFrame({"lr": np.geomspace(1e-4, 1e-1, 6)})
    tasks = pd.DataFrame({"n_classes": [2, 3, 4]}, index=["a", "b", "c"])
    metric = Metric("acc", maximize=True)
    return LearningCurveTable(
        {"acc": curves}, tasks=tasks, configs=configs, metrics=[metric], status=status, seconds=np.ones_like(curves)
    )


def test_random_search_against_all_draws() -> None:
    values = np.random.default_rng(1).random(7)
    regret = (values.max() - values) / (values.max() - values.min())
    for n in range(1, 8):
        expected = np.mean([min(regret[list(drawn)]) for drawn in combinations(range(7), n)])
        assert random_search_regret(values, n) == pytest.approx(expected)
    assert random_search_regret([1.0, 0.0, -np.inf], 1) == pytest.approx(2 / 3)
    assert random_search_regret([1.0, 1.0], 1) == 0


def test_what_diverged_in_every_seed_is_worst(table: LearningCurveTable) -> None:
    best = best_values(table)
    assert best.shape == (3, 6)
    assert best[2, 4] == -np.inf
    assert best[0, 0] == pytest.approx(table.curves()[0, :, 0].max(axis=1).mean())
    matrix = rank_correlation(table)
    assert matrix.loc["a", "b"] == pytest.approx(pd.Series(best[0]).corr(pd.Series(best[1]), method="spearman"))
    assert matrix.loc["c", "c"] == pytest.approx(1)


def test_a_seed_that_was_not_run_is_left_out(table: LearningCurveTable) -> None:
    curves = table.curves().copy()
    curves[0, 1], curves[1] = np.nan, np.nan
    part = LearningCurveTable(
        {"acc": curves}, tasks=table.tasks, configs=table.configs, metrics=[Metric("acc", maximize=True)]
    )
    best = best_values(part)
    np.testing.assert_allclose(best[0], curves[0, 0].max(axis=1))
    assert np.isneginf(best[1]).all()
    assert "| b | 3 |" in facts_page(part, title="A table")


def test_the_page_and_the_figure(table: LearningCurveTable, tmp_path: Path) -> None:
    page = facts_page(table, title="A table")
    assert page.startswith("# A table\n\n3 tasks, 6 configurations, 4 epochs, 2 seeds; acc (higher is better).")
    assert "Of 36 runs 5.6% diverged. An epoch took 1e+03 ms (median), all of them 2.4 min." in page
    assert "| c | 4 |" in page
    assert "| mean |" in page
    table.to_hdf5(tmp_path / "t.h5")
    result = CliRunner().invoke(cli, ["tables", "facts", str(tmp_path / "t.h5"), "--out", str(tmp_path / "t.md")])
    assert result.exit_code == 0, result.output
    assert "](t.png)" in (tmp_path / "t.md").read_text()
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    shown = CliRunner().invoke(cli, ["tables", "facts", str(tmp_path / "t.h5")])
    assert shown.output == facts_page(LearningCurveTable.from_hdf5(tmp_path / "t.h5"), title="The table table")
