import numpy as np
import pandas as pd
import pytest

from at2.errors import TableError, UnknownNameError
from at2.tables import LearningCurveTable, Metric


def test_curve_drops_what_was_not_run(table: LearningCurveTable) -> None:
    curve = table.curve("letters", 12, seed=1)
    assert curve.index.tolist() == [1, 2, 3]
    assert curve.index.name == "epoch"
    assert curve[2] == table.curves()[1, 1, 2, 1]
    assert table.curve("digits", 13).empty
    with pytest.raises(UnknownNameError, match="no seed 2 in this table; seeds are 0 to 1"):
        table.curve("digits", 10, seed=2)


def test_task_curves_is_the_mean_over_the_seeds_there_are(table: LearningCurveTable) -> None:
    mean, curves = table.task_curves("digits"), table.curves()[0]
    assert mean.shape == (4, 5)
    np.testing.assert_allclose(mean.loc[11], curves[:, 1].mean(axis=0))
    np.testing.assert_allclose(mean.loc[13], curves[1, 3])  # seed 0 was not run
    np.testing.assert_array_equal(table.task_curves("digits", seed=1), curves[1])
    assert table.task_curves("letters").loc[12].isna().tolist() == [False, False, False, True, True]


class TestBest:
    def test_by_the_best_epoch(self, table: LearningCurveTable) -> None:
        best = table.best("faces", 2)
        mean = table.task_curves("faces")
        assert best.index.tolist() == mean.max(axis=1).sort_values(ascending=False).index[:2].tolist()
        assert best["value"].iloc[0] == mean.max().max()
        assert best["epoch"].iloc[0] == mean.max().idxmax()
        assert best.columns.tolist() == ["value", "epoch", *table.configs.columns]

    def test_the_direction_of_the_metric_decides(self, table: LearningCurveTable) -> None:
        best = table.best("faces", metric="val_loss")
        assert best["value"].is_monotonic_increasing
        assert best["value"].iloc[0] == table.task_curves("faces", metric="val_loss").min().min()

    def test_by_the_last_epoch_that_was_run(self, table: LearningCurveTable) -> None:
        best = table.best("letters", by="final")
        assert best.loc[12, "epoch"] == 3
        assert best.loc[10, "epoch"] == 5
        assert best.loc[12, "value"] == pytest.approx(table.task_curves("letters").loc[12, 3])

    def test_what_was_never_run_is_not_ranked(self) -> None:
        curves = {"m": [[[[0.5], [np.nan]]]]}
        table = LearningCurveTable(
            curves, tasks=["a"], configs=pd.DataFrame({"epoch": [1, 2]}), metrics=[Metric("m", maximize=True)]
        )
        best = table.best("a")
        assert best.index.tolist() == [0]
        assert best.columns.tolist() == ["value", "epoch", "config.epoch"]

    @pytest.mark.parametrize(("n", "by", "message"), [(0, "max", "positive whole"), (1, "mean", "'max' .* or 'final'")])
    def test_bad_questions(self, table: LearningCurveTable, n: int, by: str, message: str) -> None:
        with pytest.raises(TableError, match=message):
            table.best("digits", n, by=by)  # type: ignore[arg-type]


def test_value_at(table: LearningCurveTable) -> None:
    assert table.value_at(3).shape == (4, 3)
    assert table.value_at(3).columns.tolist() == ["digits", "letters", "faces"]
    np.testing.assert_array_equal(table.value_at(2, task="faces"), table.curves()[2, :, :, 1].T)
    for epoch in (0, 6, 1.5, True):
        with pytest.raises(TableError, match="epochs 1 to 5"):
            table.value_at(epoch)  # type: ignore[arg-type]


class TestLong:
    def test_everything(self, table: LearningCurveTable) -> None:
        long = table.long()
        assert long.columns.tolist() == ["task", "seed", "config_id", "epoch", "value", "seconds"]
        assert len(long) == np.isfinite(table.curves()).sum()
        row = long.iloc[-1]
        assert row["value"] == table.curve("faces", 13, seed=1)[5]

    def test_a_query_mixes_hyperparameters_and_cells(self, table: LearningCurveTable) -> None:
        long = table.long("optimizer == 'adam' and lr < 1e-3 and epoch == 5 and seed == 1", tasks=["faces", "digits"])
        assert long[["task", "config_id", "epoch"]].to_numpy().tolist() == [["digits", 10, 5], ["faces", 10, 5]]
        assert len(table.long("momentum > 0.6")) == 3 * 2 * 5
        assert table.long("value > 2").empty
        assert table.long("step_size.isna() and task == 'faces'")["config_id"].unique().tolist() == [11, 12]

    def test_agrees_with_a_filter_by_hand(self, table: LearningCurveTable) -> None:
        joined = table.long(metric="val_loss").join(table.configs, on="config_id")
        by_hand = joined[(joined.layers >= 2) & (joined.value < 0.5)]
        asked = table.long("layers >= 2 and value < 0.5", metric="val_loss")
        pd.testing.assert_frame_equal(asked, by_hand[asked.columns].reset_index(drop=True))

    @pytest.mark.parametrize(
        "query",
        ["optimiser == 'adam'", "lr <", "lr + 1", "@table.name == 'x'", "__import__('os').system('x')", "lr > 'a'"],
    )
    def test_a_query_that_cannot_be_answered(self, table: LearningCurveTable, query: str) -> None:
        with pytest.raises(TableError, match=r"query .*(cannot be evaluated|must be true or false)"):
            table.long(query)

    def test_tasks_must_be_a_list(self, table: LearningCurveTable) -> None:
        with pytest.raises(TableError, match=r"write \['digits'\]"):
            table.long(tasks="digits")
        with pytest.raises(UnknownNameError, match="no task 'x'"):
            table.long(tasks=["x"])


def test_a_hyperparameter_called_like_a_column_of_the_rows(caplog: pytest.LogCaptureFixture) -> None:
    rows = pd.DataFrame({"task": "a", "config_id": [0, 1], "epoch": 1, "value": 0.5, "seed": 0})
    named = LearningCurveTable.from_frame(rows, pd.DataFrame({"config_id": [0, 1], "seed": [7, 8]}), metric="acc")
    assert len(named.long("seed == 0")) == 2  # of the training
    assert "the hyperparameter: that is `config.seed`" in caplog.text
    assert named.long("`config.seed` == 8")["config_id"].tolist() == [1]
    assert named.find_configs("seed == 8").tolist() == [1]


def test_configs_are_queried_by_pandas_and_by_find_configs(table: LearningCurveTable) -> None:
    asked = "optimizer == 'adam' and lr < 1e-3"
    assert table.configs.query(asked).index.tolist() == table.find_configs(asked).tolist() == [10]
    assert table.find_configs("config_id > 11").tolist() == [12, 13]


class TestSubset:
    def test_in_the_order_given(self, table: LearningCurveTable) -> None:
        part = table.subset(["faces", "digits"], [13, 11])
        assert part.shape == (2, 2, 2, 5)
        np.testing.assert_array_equal(part.curves(), table.curves()[[2, 0]][:, :, [3, 1]])
        np.testing.assert_array_equal(part.status, table.status[[2, 0]][:, :, [3, 1]])
        assert part.curve("faces", 11).equals(table.curve("faces", 11))
        assert part.space == table.space
        run = table.subset(configs=[12, 10]).batches["train_cross_entropy"].run(0, 1, 0)
        pd.testing.assert_series_equal(run, table.batches["train_cross_entropy"].run(0, 1, 2))

    def test_of_nothing_is_the_whole(self, table: LearningCurveTable) -> None:
        assert table.subset().equals(table)
        assert not table.subset(["faces"]).equals(table)

    def test_bad_names(self, table: LearningCurveTable) -> None:
        with pytest.raises(TableError, match="at least one of its tasks"):
            table.subset([])
        with pytest.raises(UnknownNameError, match="configuration 'x'"):
            table.subset(configs=["x"])
