import numpy as np
import pytest

from at2.curves import CurveSet, load_curves, split
from at2.errors import CorruptFileError, FileError, ShapeError, UnknownNameError
from tests.curves.conftest import make_curves, make_table


def test_the_curves_of_a_table_come_with_tasks_and_configurations() -> None:
    curves = CurveSet.from_table(make_table(n_task=3, n=20, n_epoch=10))
    assert curves.curves.shape == (60, 10)
    assert set(curves.tasks) == {"t0", "t1", "t2"}
    assert curves.maximize
    assert len(CurveSet.from_table(make_table(), tasks=["t1"])) == 20


def test_series_of_other_metrics_go_along() -> None:
    table = make_table()
    curves = CurveSet.from_table(table, extra=["val_acc"])
    assert curves.extra is not None
    assert np.array_equal(curves.extra[:, :, 0], curves.curves)


def test_a_table_says_what_it_lacks() -> None:
    with pytest.raises(UnknownNameError):
        CurveSet.from_table(make_table(), tasks=["nowhere"])
    with pytest.raises(ShapeError, match="seed 3 is not in this table"):
        CurveSet.from_table(make_table(), seed=3)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 configurations and 2 curves"):
        CurveSet(np.zeros((3, 2)), np.zeros((2, 4)))
    with pytest.raises(ShapeError, match="infinite"):
        CurveSet(np.zeros((1, 2)), np.array([[1.0, np.inf]]))
    with pytest.raises(ShapeError, match="1 task names for 2 curves"):
        CurveSet(np.zeros((2, 1)), np.zeros((2, 4)), ("a",))
    with pytest.raises(ShapeError, match="extra series of shape"):
        CurveSet(np.zeros((2, 1)), np.zeros((2, 4)), extra=np.zeros((2, 3, 1)))


def test_the_npz_is_read_without_its_untrained_reading(tmp_path) -> None:
    path = tmp_path / "curves.npz"
    names = ["batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout"]
    configs = np.tile([64.0, 0.01, 0.9, 0.001, 2.0, 128.0, 0.1], (4, 1))
    np.savez(path, val_cross_entropy=np.arange(4 * 6.0).reshape(4, 6), configs=configs, hyperparameters=np.array(names))
    curves = load_curves(path)
    assert curves.curves[0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert curves.configs.shape == (4, 7)
    assert not curves.maximize
    with pytest.raises(FileError, match="leave out metric"):
        load_curves(path, tasks=["a"])


def test_another_npz_is_corrupt(tmp_path) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(CorruptFileError, match="val_cross_entropy"):
        load_curves(tmp_path / "other.npz")
    with pytest.raises(FileError, match="no such file"):
        load_curves(tmp_path / "nowhere.npz")


def test_a_split_is_a_partition_that_the_seed_decides() -> None:
    parts = split(50, seed=3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(50))
    assert all(np.array_equal(a, b) for a, b in zip(parts, split(50, seed=3), strict=True))
    with pytest.raises(ValueError, match="sum to 1"):
        split(10, seed=0, fractions=(0.5, 0.2, 0.2))


def test_rows_may_be_taken_by_number_or_by_mask() -> None:
    curves = make_curves(10, n_task=2, extra=True)
    mask = np.arange(10) < 3
    assert np.array_equal(curves.take(mask).curves, curves.take([0, 1, 2]).curves)
    assert curves.take([4]).tasks == ("task0",)
