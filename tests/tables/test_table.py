import numpy as np
import pandas as pd
import pytest

from at2.errors import ShapeError, TableError, UnknownNameError
from at2.space import SearchSpace
from at2.tables import BatchSeries, LearningCurveTable, Metric, RunStatus

ACC = Metric("val_acc", maximize=True)


def build(curves: object = None, **changed: object) -> LearningCurveTable:
    arguments: dict = {
        "tasks": ["a", "b"],
        "configs": pd.DataFrame({"lr": [0.1, 0.2, 0.3]}),
        "metrics": [ACC],
    } | changed
    curves = np.full((2, 1, 3, 4), 0.5) if curves is None else curves
    return LearningCurveTable(curves if isinstance(curves, dict) else {"val_acc": curves}, **arguments)


class TestParts:
    def test_shape_and_names(self, table: LearningCurveTable) -> None:
        assert table.shape == (3, 2, 4, 5)
        assert (table.n_seed, table.n_epoch, table.metric) == (2, 5, "val_acc")
        assert table.tasks.index.name == "task"
        assert table.tasks.loc["faces", "n_images"] == 400
        assert repr(table).endswith("3 tasks x 2 seeds x 4 configurations x 5 epochs, val_acc (higher is better))")

    def test_curves_are_copies_that_can_be_written_to(self, table: LearningCurveTable) -> None:
        curves = table.curves()
        curves[:] = 0
        assert np.nanmax(table.curves()) > 0
        assert table.curves("val_loss").dtype == np.float64
        assert table.raw_curves("val_loss").dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            table.raw_curves()[0] = 1

    def test_oriented_turns_the_sign_of_a_loss_only(self, table: LearningCurveTable) -> None:
        np.testing.assert_array_equal(table.oriented("val_loss"), -table.curves("val_loss"))
        np.testing.assert_array_equal(table.oriented(), table.curves())

    def test_config_is_a_plain_dict_of_what_is_active(self, table: LearningCurveTable) -> None:
        config = table.config(10)
        assert config == {"lr": 1e-4, "optimizer": "adam", "layers": 1, "step_size": 3, "nesterov": True}
        assert [type(v) for v in config.values()] == [float, str, int, int, bool]
        assert table.config(11)["momentum"] == 0.9
        assert table.space.validate(config) == config

    def test_space_is_the_given_one_or_inferred(self, table: LearningCurveTable) -> None:
        assert not table.has_space
        assert table.space == SearchSpace.infer(table.configs)
        assert table.has_space
        given = SearchSpace.infer(pd.DataFrame({"lr": [0.0, 1.0]}))
        assert build(space=given).space is given

    def test_status_is_worked_out_where_it_is_not_given(self) -> None:
        curves = np.full((2, 1, 3, 4), 0.5)
        curves[1, 0, 2] = np.nan
        assert build(curves).status.tolist() == [[[1, 1, 1]], [[1, 1, 0]]]

    def test_index_helpers_list_close_matches(self, table: LearningCurveTable) -> None:
        assert (table.task_index("letters"), table.config_index(12)) == (1, 2)
        assert table.config_index(np.int64(12)) == 2
        with pytest.raises(UnknownNameError, match="no task 'leters' in this table; did you mean letters"):
            table.task_index("leters")
        with pytest.raises(UnknownNameError, match=r"no configuration 99 .*there are 10, 11, 12, 13"):
            table.config_index(99)
        with pytest.raises(UnknownNameError, match="no configuration True"):
            table.config_index(True)
        with pytest.raises(UnknownNameError, match="did you mean val_acc or val_loss"):
            table.curves("val_ac")

    def test_texts_are_ids_too(self) -> None:
        table = build(configs=pd.DataFrame({"config_id": ["x", "y", "z"], "lr": [1.0, 2.0, 3.0]}))
        assert table.config_index("y") == 1
        assert table.config("z") == {"lr": 3.0}

    def test_nullable_and_categorical_columns_become_plain(self) -> None:
        configs = pd.DataFrame(
            {
                "n": pd.array([1, None, 3], dtype="Int64"),
                "whole": pd.array([1, 2, 3], dtype="Int64"),
                "act": pd.Categorical(["relu", None, "tanh"]),
                "flag": pd.array([True, None, False], dtype="boolean"),
                "sure": pd.array([True, True, False], dtype="boolean"),
            }
        )
        table = build(configs=configs)
        assert [table.configs[c].dtype.kind for c in ("n", "whole", "sure")] == ["f", "i", "b"]
        assert table.config(0) == {"n": 1, "whole": 1, "act": "relu", "flag": True, "sure": True}
        assert table.config(1) == {"whole": 2, "sure": True}


class TestBatchSeries:
    def test_runs(self, table: LearningCurveTable) -> None:
        run = table.batches["train_cross_entropy"].run(2, 0, 0)
        assert run.index.tolist() == [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1)]
        assert table.batches["train_cross_entropy"].run(1, 1, 1).empty

    def test_checks(self) -> None:
        metric, zeros = Metric("m", maximize=True), np.zeros((1, 1, 1), dtype=np.int64)
        with pytest.raises(ShapeError, match="must share one shape"):
            BatchSeries(metric, lambda a, b: np.empty(0), zeros, zeros[0], zeros)
        with pytest.raises(TableError, match="must not be negative"):
            BatchSeries(metric, lambda a, b: np.empty(0), zeros - 1, zeros, zeros)
        with pytest.raises(TableError, match="needs its batches per epoch"):
            BatchSeries(metric, lambda a, b: np.empty(0), zeros, zeros + 1, zeros)
        good = BatchSeries.from_runs(metric, {}, per_epoch={}, shape=(2, 1, 3))
        with pytest.raises(TableError, match="use one name"):
            build(batches={"other": good})
        with pytest.raises(ShapeError, match="batch series 'm' has runs"):
            build(batches={"m": BatchSeries(metric, good.read, zeros, zeros, zeros)})


class TestBadInput:
    @pytest.mark.parametrize(
        ("changed", "error", "message"),
        [
            ({"tasks": ["a"]}, ShapeError, "do not fit 1 tasks and 3 configurations"),
            ({"tasks": ["a", "a"]}, TableError, "every task must occur once, but 'a'"),
            ({"tasks": ["a", 3]}, TableError, "task names are non-empty strings, but 3"),
            ({"configs": pd.DataFrame({"lr": [1.0]})}, ShapeError, "1 configurations"),
            (
                {"configs": pd.DataFrame({"lr": [1, 2, 3]}, index=[0, 0, 1])},
                TableError,
                "every config_id must occur once",
            ),
            ({"configs": pd.DataFrame({"lr": [1, 2, 3]}, index=[0, "b", 1])}, TableError, "all ints or all strings"),
            ({"configs": pd.DataFrame({1: [1, 2, 3]})}, TableError, "unique names of text"),
            ({"configs": [{"lr": 1}]}, TableError, "come as a pandas DataFrame, not as a list"),
            ({"metrics": []}, TableError, "every metric needs its curves"),
            ({"metrics": [Metric("other", maximize=True)]}, TableError, "every metric needs its curves"),
            ({"curves": np.zeros((2, 1, 3))}, ShapeError, "must share one shape"),
            ({"curves": np.zeros((2, 0, 3, 4))}, ShapeError, "none of them 0"),
            ({"curves": np.full((2, 1, 3, 4), np.inf)}, TableError, "infinite values; write NaN there"),
            ({"curves": [["a"]]}, TableError, "must be numbers"),
            ({"seconds": np.zeros((2, 1, 3))}, ShapeError, "seconds have shape"),
            ({"seconds": np.full((2, 1, 3, 4), -1.0)}, TableError, "must not be negative"),
            ({"status": np.ones((2, 3))}, ShapeError, "runs need one each"),
            ({"status": np.full((2, 1, 3), 9)}, TableError, r"must be one of .*2 \(DIVERGED\)"),
            ({"status": np.zeros((2, 1, 3), int)}, TableError, "cannot have status 0"),
        ],
    )
    def test_is_refused_at_the_door(self, changed: dict, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            build(**changed)

    @pytest.mark.parametrize(("name", "maximize"), [("", True), ("a\n", True), ("a", 1), ("a", None)])
    def test_a_metric_needs_a_name_and_a_direction(self, name: str, maximize: object) -> None:
        with pytest.raises(TableError, match="metric"):
            Metric(name, maximize)  # type: ignore[arg-type]

    def test_status_words(self) -> None:
        assert [int(s) for s in RunStatus] == [0, 1, 2, 3, 4, 5]
