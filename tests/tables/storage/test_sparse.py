"""at2/tables/storage/sparse.py: runs that took place are kept, all views of them agree with the spread array."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from at2.errors import CorruptFileError, ShapeError, TableError
from at2.tables import LearningCurveTable, Metric, RunStatus
from at2.tables.storage.sparse import RunValues, read_runs

NAN = float("nan")
SHAPE = (3, 2, 4, 5)


def some_runs(share: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.random(SHAPE)
    values[rng.random(SHAPE[:3]) >= share] = NAN
    values[rng.random(SHAPE) < 0.2] = NAN
    return values


@given(share=st.sampled_from([0.0, 0.3, 1.0, 2.0]), seed=st.integers(0, 20), whole=st.booleans())
def test_every_view_is_one_of_the_spread_array(share: float, seed: int, whole: bool) -> None:
    values = np.nan_to_num(some_runs(share, seed), nan=0.5) if whole else some_runs(share, seed)
    kept = RunValues.of(values)
    assert kept.shape == SHAPE
    assert len(kept.run) == np.isfinite(values).any(3).sum()
    np.testing.assert_array_equal(kept.spread(), values)
    np.testing.assert_array_equal(kept.at_epoch(2), values[..., 2])
    for task in range(3):
        np.testing.assert_array_equal(kept.of_task(task), values[task])
    np.testing.assert_array_equal(kept.of_run(1, 1, 2), values[1, 1, 2])
    np.testing.assert_array_equal(kept.rows(np.arange(24)), values.reshape(24, 5))
    np.testing.assert_array_equal(kept.of_configs(1, np.array([0, 3])), values[1][:, [0, 3]].swapaxes(0, 1))
    np.testing.assert_array_equal(
        kept.select(np.array([2, 0]), np.array([3, 1, 0])).spread(), values[[2, 0]][:, :, [3, 1, 0]]
    )
    assert kept.equals(RunValues.of(values.copy()))
    assert [tuple(place) for place in np.transpose(kept.places())] == [
        tuple(place) for place in np.argwhere(np.isfinite(values).any(3))
    ]


def test_whole_arrays_are_not_copied_again_and_cannot_be_written_to() -> None:
    kept = RunValues.of(np.ones(SHAPE))
    assert np.shares_memory(kept.spread(), kept.values)
    for array in (kept.spread(), kept.of_task(0), RunValues.of(some_runs(0.5)).spread()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


@pytest.mark.parametrize("run", [[0, 0], [1, 0], [-1, 0], [0, 24]])
def test_positions_that_make_no_sense_are_refused(run: list[int]) -> None:
    with pytest.raises(ShapeError, match="positions of runs must rise from 0 to 23"):
        RunValues(np.zeros((2, 5)), np.array(run), SHAPE[:3])


def test_a_position_for_each_run_is_wanted() -> None:
    with pytest.raises(ShapeError, match="a position for each run"):
        RunValues(np.zeros((2, 5)), np.array([0]), SHAPE[:3])


def test_what_tasks_have_run_comes_by_task_and_configuration() -> None:
    values = np.full(SHAPE, NAN)
    values[2, 1, 3], values[2, 0, 1, :2], values[0, 0, 0] = 0.5, 0.25, 0.75
    status = np.where(np.isfinite(values).any(3), RunStatus.OK, RunStatus.NOT_RUN)
    status[2, 0, 2] = RunStatus.DIVERGED  # before its first epoch was through
    runs = read_runs(RunValues.of(values), None, status, [2, 1, 0])
    assert runs.task.tolist() == [0, 0, 0, 2]
    assert runs.config.tolist() == [1, 2, 3, 0]
    assert runs.seconds is None
    np.testing.assert_array_equal(runs.values[0, 0], [0.25, 0.25, NAN, NAN, NAN])
    assert np.isnan(runs.values[1]).all()
    assert runs.status[1].tolist() == [RunStatus.DIVERGED, RunStatus.NOT_RUN]
    assert (runs.values[2, 1] == 0.5).all()
    timed = read_runs(RunValues.of(values), RunValues.of(2.0 * values), status, [2])
    np.testing.assert_array_equal(timed.seconds, 2.0 * timed.values)  # type: ignore[arg-type]
    assert len(read_runs(RunValues.of(values), None, status, []).values) == 0


def few_of_many() -> LearningCurveTable:
    values = np.full((3, 1, 9, 5), NAN)
    for task in range(3):
        values[task, :, 3 * task : 3 * task + 3] = 0.1 * np.arange(1, 6) + task
    configs = pd.DataFrame({"lr": np.linspace(0.1, 0.9, 9)})
    return LearningCurveTable(
        {"acc": values}, tasks=["a", "b", "c"], configs=configs, metrics=[Metric("acc", maximize=True)], seconds=values
    )


def test_a_file_holds_only_what_was_run(tmp_path) -> None:
    import h5py

    table, path = few_of_many(), tmp_path / "few.h5"
    table.to_hdf5(path)
    with h5py.File(path) as file:
        assert file.attrs["schema_version"] == 2
        assert file["curves/acc/values"].shape == (9, 5)
        assert file["seconds/run"].shape == (9,)
    assert LearningCurveTable.from_hdf5(path).equals(table)


def test_a_table_in_which_nothing_was_run_is_written_and_read(tmp_path) -> None:
    configs = pd.DataFrame({"lr": [0.1, 0.2]})
    metric = Metric("acc", maximize=True)
    empty = LearningCurveTable({"acc": np.full((2, 1, 2, 3), NAN)}, tasks=["a", "b"], configs=configs, metrics=[metric])
    empty.to_hdf5(tmp_path / "empty.h5")
    again = LearningCurveTable.from_hdf5(tmp_path / "empty.h5")
    assert again.equals(empty)
    assert again.curves().shape == (2, 1, 2, 3)


def test_a_file_whose_positions_make_no_sense_is_damaged(tmp_path) -> None:
    import h5py

    path = tmp_path / "few.h5"
    few_of_many().to_hdf5(path)
    with h5py.File(path, "r+") as file:
        file["curves/acc/run"][0] = 40
    with pytest.raises(CorruptFileError, match="positions of runs"):
        LearningCurveTable.from_hdf5(path)


def test_too_many_cells_are_not_spread_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table = few_of_many()
    monkeypatch.setattr("at2.tables.storage.sparse.MOST_CELLS", 100)
    with pytest.raises(TableError, match=r"3 x 1 x 9 x 5 .* ask for one task"):
        table.curves()
    assert len(table.long("lr > 0.5")) == 20
    assert table.best("b", 1)["value"].tolist() == [1.5]
    assert table.subset(tasks=["c"]).curves().shape == (1, 1, 9, 5)
