import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from at2.errors import TableError
from at2.space import SearchSpace
from at2.tables import LearningCurveTable, Metric, RunStatus

CONFIGS = pd.DataFrame({"config_id": [0, 1, 2], "lr": [0.1, 0.01, 0.001]})


def frame(*rows: tuple[object, ...], columns: str = "task config_id epoch value") -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns.split())


def load(*rows: tuple[object, ...], **options: object) -> LearningCurveTable:
    columns = options.pop("columns", "task config_id epoch value")
    configs = options.pop("configs", CONFIGS)
    return LearningCurveTable.from_frame(frame(*rows, columns=columns), configs, **options)  # type: ignore[arg-type]


class TestGoodFrames:
    def test_ragged_curves_and_different_configurations_per_task(self) -> None:
        table = load(("a", 0, 1, 0.5), ("a", 0, 2, 0.6), ("b", 1, 1, 0.1), ("b", 2, 3, 0.2), metric="acc", name="mine")
        assert table.shape == (2, 1, 3, 3)
        assert table.curve("a", 0).to_dict() == {1: 0.5, 2: 0.6}
        assert table.curve("b", 2).to_dict() == {3: 0.2}
        assert table.status[:, 0].tolist() == [[1, 0, 0], [0, 1, 1]]
        assert (table.metric, table.name, table.seconds) == ("acc", "mine", None)
        assert str(table.report) == "4 of 4 rows imported"

    def test_names_that_are_lists_are_read_as_their_text(self) -> None:
        configs = pd.DataFrame({"config_id": ["x", "y"], "lr": [0.1, 0.01]})
        table = load(("a", "x", 1, 0.5), (["b", 2], "y", 1, 0.6), ("a", ["y", 1], 1, 0.7), configs=configs)
        assert table.tasks.index.tolist() == ["a", "['b', 2]"]
        assert "no such configuration" in str(table.report)

    def test_readings_every_few_epochs_are_noted(self) -> None:
        table = load(("a", 0, 5, 0.5), ("a", 0, 15, 0.6), ("b", 1, 10, 0.1))
        assert "every epoch is a multiple of 5" in str(table.report)
        assert "divide the column 'epoch' by 5" in str(table.report)
        for epochs in ((5, 15, 9), (5, 5, 5)):
            rows = [("a", number, epoch, 0.5) for number, epoch in enumerate(epochs)]
            assert str(load(*rows).report) == "3 of 3 rows imported"

    def test_seeds_and_seconds(self) -> None:
        columns = "task config_id epoch value seed seconds"
        table = load(("a", 0, 1, 0.5, 43, 2.0), ("a", 0, 1, 0.7, 42, None), columns=columns)
        assert table.n_seed == 2
        assert table.curve("a", 0, seed=0)[1] == 0.7
        assert table.seconds is not None
        assert table.seconds[0, 1, 0, 0] == 2.0
        assert np.isnan(table.seconds[0, 0, 0, 0])
        assert "seeds 42, 43 are numbered from 0" in str(table.report)

    def test_ids_are_read_as_the_configurations_have_them(self) -> None:
        assert load(("a", "1", "2", "0.5")).curve("a", 1).to_dict() == {2: 0.5}
        assert load(("a", 1.0, 2.0, 1)).curve("a", 1).to_dict() == {2: 1.0}
        texts = CONFIGS.astype({"config_id": str})
        assert load(("a", 1, 1, 0.5), configs=texts).curve("a", "1").to_dict() == {1: 0.5}
        assert load(("a", 1, 1, 0.5), ("a", None, 1, 0.5), configs=texts).curve("a", "1").to_dict() == {1: 0.5}
        assert load((7, 1, 1, 0.5)).tasks.index.tolist() == ["7"]

    def test_each_task_may_count_its_configurations_for_itself(self) -> None:
        configs = pd.DataFrame({"task": ["a", "b"], "config_id": [0, 0], "lr": [0.1, 0.9]})
        table = load(("a", 0, 1, 0.5), ("b", 0, 1, 0.6), configs=configs)
        assert table.config("b/0") == {"lr": 0.9}
        assert table.curve("b", "b/0").to_dict() == {1: 0.6}
        assert table.curve("a", "b/0").empty
        assert table.configs.columns.tolist() == ["lr"]

    def test_a_long_frame_makes_the_same_table_again(self, table: LearningCurveTable) -> None:
        again = LearningCurveTable.from_frame(table.long(), table.configs, tasks=table.tasks)
        np.testing.assert_array_equal(again.curves(), table.curves())
        np.testing.assert_array_equal(again.seconds, table.seconds)  # type: ignore[arg-type]
        pd.testing.assert_frame_equal(again.tasks, table.tasks)

    def test_losses_and_the_given_space(self) -> None:
        space = SearchSpace.infer(pd.DataFrame({"lr": [1e-4, 1.0]}))
        table = LearningCurveTable.from_frame(frame(("a", 0, 1, 2.5)), CONFIGS, space, maximize=False)
        assert table.space is space
        assert table.oriented()[0, 0, 0, 0] == -2.5

    def test_the_callers_frames_stay_as_they_are(self) -> None:
        curves, configs = frame(("a", "1", "1", "0.5")), CONFIGS.copy()
        copy = curves.copy()
        LearningCurveTable.from_frame(curves, configs)
        pd.testing.assert_frame_equal(curves, copy)
        pd.testing.assert_frame_equal(configs, CONFIGS)


GOOD = ("a", 0, 1, 0.5)


class TestBadRows:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ((None, 0, 1, 0.5), "no task"),
            (("a", None, 1, 0.5), "no configuration"),
            (("a", 9, 1, 0.5), "no such configuration"),
            (("a", "x", 1, 0.5), "no such configuration"),
            (("a", 0.5, 1, 0.5), "no such configuration"),
            (("a", 0, None, 0.5), "epoch is not a whole number"),
            (("a", 0, 1.5, 0.5), "epoch is not a whole number"),
            (("a", 0, "two", 0.5), "epoch is not a whole number"),
            (("a", 0, 0, 0.5), "epochs are counted from 1"),
            (("a", 0, -3, 0.5), "epochs are counted from 1"),
            (("a", 0, 10**9, 0.5), "epoch is beyond 1000000"),
            (("a", 0, 2, None), "value is not a finite number"),
            (("a", 0, 2, float("inf")), "value is not a finite number"),
            (("a", 0, 2, "n/a"), "value is not a finite number"),
            (GOOD, "said before, with the same value"),
        ],
    )
    def test_is_left_out_and_reported(
        self, row: tuple[object, ...], reason: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "at2"):
            table = load(GOOD, row)
        assert table.report is not None
        assert (table.report.n_rows, table.report.n_used) == (2, 1)
        assert [text for text in table.report.reasons if text.startswith(reason)]
        assert "row 1: task" in next(iter(table.report.examples.values()))
        assert "1 left out" in caplog.text
        assert table.curve("a", 0).to_dict() == {1: 0.5}
        with pytest.raises(TableError, match="correct these rows, or pass bad_rows='report'"):
            load(GOOD, row, bad_rows="raise")

    def test_a_value_of_nan_marks_the_run_as_diverged(self) -> None:
        columns = "task config_id epoch value seed"
        table = load(
            ("a", 0, 1, 0.5, 7), ("a", 0, 2, np.nan, 7), ("a", 1, 1, np.inf, 8), ("b", 2, 1, 1, 8), columns=columns
        )
        assert table.n_seed == 2
        assert table.status[0, 0, 0] == RunStatus.DIVERGED
        assert table.status[0, 1, 1] == RunStatus.DIVERGED
        assert table.status[1, 1, 2] == RunStatus.OK
        assert table.curve("a", 0).to_dict() == {1: 0.5}

    @pytest.mark.parametrize(
        "values",
        [
            [[0.1, 0.2, 0.3], [0.1, 0.2, np.nan], [0.1, np.nan, np.nan]],  # a ragged frame that was pivoted
            [[np.nan, 0.2, np.nan], [np.nan, 0.3, np.nan], [np.nan, 0.4, 0.5]],  # validated every second epoch
            [[0.1, np.nan, 0.3], [0.1, 0.2, 0.3], [0.1, 0.2, np.nan]],  # one reading is missing
        ],
    )
    def test_values_that_were_not_measured_are_no_divergence(self, values: list[list[float]]) -> None:
        rows = [("a", config, epoch, v) for config, curve in enumerate(values) for epoch, v in enumerate(curve, 1)]
        table, measured = load(*rows), load(*[row for row in rows if not np.isnan(row[3])])
        assert (table.status == measured.status).all()
        np.testing.assert_array_equal(table.curves(), measured.curves())
        assert f"{int(np.isnan(values).sum())} rows without a value count as not measured" in str(table.report)

    def test_few_runs_that_end_in_nan_among_whole_ones_diverged(self) -> None:
        table = load(*[("a", k, e, np.nan if (k, e) == (1, 3) else 0.1) for k in range(3) for e in (1, 2, 3)])
        assert [RunStatus(s).name for s in table.status[0, 0]] == ["OK", "DIVERGED", "OK"]

    def test_text_is_no_divergence(self) -> None:
        table = load(GOOD, ("a", 0, 2, "0,4"))
        assert table.status[0, 0, 0] == RunStatus.OK
        assert "value is not a number" in str(table.report)
        assert "0,4" in str(table.report)

    def test_a_missing_seed_and_a_wrong_time(self) -> None:
        columns = "task config_id epoch value seed seconds"
        table = load(("a", 0, 1, 0.5, 0, -1), ("a", 0, 2, 0.5, None, 1), ("a", 0, 3, 0.5, 0, "x"), columns=columns)
        assert "no seed" in str(table.report)
        assert "2 times were negative or no numbers" in str(table.report)
        assert table.seconds is not None
        assert np.isnan(table.seconds).all()

    def test_rows_that_contradict_each_other(self) -> None:
        with pytest.raises(TableError, match=r"2 rows give different values for one epoch.*add a column 'seed'"):
            load(GOOD, ("a", 0, 1, 0.6))

    def test_unknown_tasks(self) -> None:
        table = load(GOOD, ("x", 0, 1, 0.5), tasks=pd.DataFrame({"task": ["a", "b"], "n": [1, 2]}))
        assert "task is not in the frame of tasks" in str(table.report)
        assert table.tasks.index.tolist() == ["a", "b"]

    def test_configurations_outside_the_space(self) -> None:
        space = SearchSpace.infer(pd.DataFrame({"lr": [0.005, 1.0]}))
        table = load(GOOD, ("a", 2, 1, 0.5), space=space)
        assert table.configs.index.tolist() == [0, 1]
        assert "configuration is not valid in the space" in str(table.report)
        assert "1 invalid configurations dropped, such as 2: " in str(table.report)

    def test_nothing_is_left(self) -> None:
        with pytest.raises(TableError, match="no row can be used: 0 of 1 rows imported; 1 left out: no such conf"):
            load(("a", 9, 1, 0.5))
        with pytest.raises(TableError, match="no row can be used: 0 of 0"):
            load()

    def test_columns(self) -> None:
        with pytest.raises(TableError, match=r"config_id, value missing, these came: task, epoch, acc. Rename yours"):
            load(("a", 1, 0.5), columns="task epoch acc")
        with pytest.raises(TableError, match="not as a list"):
            LearningCurveTable.from_frame([GOOD], CONFIGS)  # type: ignore[arg-type]
        with pytest.raises(TableError, match="bad_rows must be"):
            load(GOOD, bad_rows="ignore")

    def test_epochs_that_are_steps(self) -> None:
        configs = pd.DataFrame({"config_id": range(400), "lr": np.linspace(0, 1, 400)})
        with pytest.raises(TableError, match="seems to count steps"):
            load(*(("a", i, 900_000, 0.5) for i in range(400)), configs=configs)

    def test_trainings_may_be_longer_than_any_curve(self) -> None:
        assert load(("a", 0, 2, 0.5), n_epoch=9).n_epoch == 9
        with pytest.raises(TableError, match=r"n_epoch=1 epochs, but a curve has 2; leave it out"):
            load(("a", 0, 2, 0.5), n_epoch=1)

    def test_many_epochs_may_be_steps(self) -> None:
        assert "epochs" not in str(load(("a", 0, 1000, 0.5)).report)
        assert "up to 1001 epochs, and a recommender asks" in str(load(("a", 0, 1001, 0.5)).report)

    def test_configurations_of_their_own_take_no_room_on_other_tasks(self) -> None:
        n = 2600
        configs = pd.DataFrame({"config_id": range(n), "lr": np.linspace(0, 1, n)})
        table = load(*((f"t{i}", i, 40, 0.5) for i in range(n)), configs=configs)
        assert table.shape == (n, 1, n, 40)
        assert table.kept().values.shape == (n, 40)
        assert table.curve("t7", 7).to_dict() == {40: 0.5}
        with pytest.raises(TableError, match=r"2600 x 1 x 2600 x 40 .*too many to be spread out .*ask for one task"):
            table.curves()

    def test_more_runs_than_a_table_can_hold(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("at2.tables.importer.MOST_CELLS", 5)
        with pytest.raises(TableError, match=r"2 runs of 3 epochs among 1 x 1 x 3 .*import fewer tasks or config"):
            load(("a", 0, 3, 0.5), ("a", 1, 3, 0.5))

    @pytest.mark.parametrize("epochs", [5.0, "5", 0, True])
    def test_a_length_that_is_no_number_of_epochs(self, epochs: object) -> None:
        with pytest.raises(TableError, match="must be a whole number above zero"):
            load(("a", 0, 2, 0.5), n_epoch=epochs)

    def test_numbers_of_tasks_beside_a_gap_stay_whole(self) -> None:
        rows = pd.DataFrame({"task": [3, 3, 31, None], "config_id": [0, 1, 0, 1], "epoch": 1, "value": 0.5})
        assert list(LearningCurveTable.from_frame(rows, CONFIGS, metric="acc").tasks.index) == ["3", "31"]
        own = pd.DataFrame({"task": [3, 3, 31], "config_id": [0, 1, 0], "lr": [0.1, 0.2, 0.3]})
        assert list(LearningCurveTable.from_frame(rows, own, metric="acc").configs.index) == ["3/0", "3/1", "31/0"]


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_frames_of_nullable_types(backend: Any) -> None:
    rows = [("a", 0, 1, 0.5), ("a", 1, 2, None), ("b", 0, None, 0.7)]
    curves = pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"])
    configs = pd.DataFrame({"config_id": [0, 1], "lr": [0.1, None], "act": ["relu", None], "fast": [True, None]})
    nullable = [frame.convert_dtypes(dtype_backend=backend) for frame in (curves, configs)]
    plain, table = (LearningCurveTable.from_frame(*frames, metric="value") for frames in ((curves, configs), nullable))
    pd.testing.assert_frame_equal(table.long(), plain.long())
    pd.testing.assert_frame_equal(table.configs, plain.configs)
    assert table.space.describe().equals(plain.space.describe())
    assert table.report == plain.report


def test_a_metric_says_which_way_is_better() -> None:
    loss = Metric("val_loss", maximize=False)
    assert load(("a", 0, 1, 0.5), metric=loss).get_metric() == loss
    with pytest.raises(TableError, match="says otherwise"):
        load(("a", 0, 1, 0.5), metric=loss, maximize=True)
