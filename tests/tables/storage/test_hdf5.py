import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from at2.errors import CorruptFileError, FileError, TableError
from at2.space import hyperrec_space
from at2.tables import (
    HYPERREC_BATCH_METRICS,
    HYPERREC_METRICS,
    HYPERREC_SPLIT,
    BatchSeries,
    LearningCurveTable,
    Metric,
)
from at2.tables.storage.hdf5 import SCHEMA_VERSION


@pytest.fixture
def path(table: LearningCurveTable, tmp_path: Path) -> Path:
    table.to_hdf5(tmp_path / "small.h5")
    return tmp_path / "small.h5"


class TestRoundTrip:
    def test_everything_comes_back(self, table: LearningCurveTable, path: Path) -> None:
        back = LearningCurveTable.from_hdf5(path)
        assert back.equals(table)
        pd.testing.assert_frame_equal(back.configs, table.configs)
        pd.testing.assert_frame_equal(back.tasks, table.tasks)
        assert back.metrics == table.metrics
        assert back.metric == "val_acc"
        assert back.notes == table.notes
        assert back.raw_curves("val_loss").dtype == np.float32

    def test_a_difference_is_seen(self, table: LearningCurveTable) -> None:
        assert not table.equals(table.subset(configs=[11, 10, 12, 13]))

    def test_strange_names_and_cells(self, tmp_path: Path) -> None:
        configs = pd.DataFrame(
            {
                "optim/lr": [1.0, 2.0],
                ".": ["a", None],
                "mixed": [1, "auto"],
                "nested": [[1, 2], None],
                "ünïcode %2F": ["", "ß\n"],
                "flag": [True, None],
                "int": [2**60, 1],
            },
            index=pd.Index(["config/1", "é"], name="config_id"),
        )
        curves = {"a/b": np.zeros((1, 1, 2, 1))}
        table = LearningCurveTable(curves, tasks=["täsk/1"], configs=configs, metrics=[Metric("a/b", maximize=False)])
        table.to_hdf5(tmp_path / "t.h5")
        back = LearningCurveTable.from_hdf5(tmp_path / "t.h5")
        assert back.configs.columns.tolist() == configs.columns.tolist()
        assert [back.config(i) for i in back.configs.index] == [table.config(i) for i in table.configs.index]
        assert back.tasks.index.tolist() == ["täsk/1"]
        assert back.metric == "a/b"

    def test_the_space_is_kept(self, tmp_path: Path) -> None:
        space = hyperrec_space()
        configs = pd.DataFrame(space.sample(20, seed=0), columns=list(space.names))
        metrics = [Metric("m", maximize=True)]
        table = LearningCurveTable(
            {"m": np.zeros((1, 1, 20, 2))}, tasks=["a"], configs=configs, metrics=metrics, space=space
        )
        table.to_hdf5(tmp_path / "t.h5")
        back = LearningCurveTable.from_hdf5(tmp_path / "t.h5")
        assert back.has_space
        assert back.space == space
        np.testing.assert_array_equal(back.space.encode(back.configs), space.encode(configs))
        assert [space.validate(back.config(i)) for i in range(20)] == [table.config(i) for i in range(20)]

    def test_there_is_room_for_all_that_hyperrec_records(self, tmp_path: Path) -> None:
        shape, rng = (1, 2, 3, 4), np.random.default_rng(0)
        series = {
            metric.name: BatchSeries.from_runs(
                metric, {(0, 0, 0): rng.random(40)}, per_epoch={(0, 0, 0): 10}, shape=shape[:3]
            )
            for metric in HYPERREC_BATCH_METRICS
        }
        table = LearningCurveTable(
            {metric.name: rng.random(shape) for metric in HYPERREC_METRICS},
            tasks=["a"],
            configs=pd.DataFrame({"lr": [1, 2, 3]}),
            metrics=HYPERREC_METRICS,
            batches=series,
            notes={"split": HYPERREC_SPLIT},
        )
        table.to_hdf5(tmp_path / "t.h5")
        back = LearningCurveTable.from_hdf5(tmp_path / "t.h5")
        assert back.equals(table)
        assert {"val_acc_top5", "test_loss", "test_time_s", "train_time_s"} <= set(back.metrics)
        assert set(back.batches) == {"train_cross_entropy", "train_acc_top1", "train_acc_top5", "train_acc_top10"}

    def test_a_part_of_a_file_backed_table_can_be_written_over_that_very_file(self, path: Path) -> None:
        part = LearningCurveTable.from_hdf5(path).subset(["faces"], [12, 10])
        expected = part.batches["train_cross_entropy"].run(0, 0, 1)
        part.to_hdf5(path)
        back = LearningCurveTable.from_hdf5(path)
        pd.testing.assert_series_equal(back.batches["train_cross_entropy"].run(0, 0, 1), expected)


class TestLayout:
    def test_is_as_documented(self, path: Path) -> None:
        with h5py.File(path) as file:
            assert bytes(file.attrs["format"]) == b"at2.learning-curves"
            assert file.attrs["schema_version"] == 1
            assert sorted(file) == ["batches", "configs", "curves", "header", "seconds", "status", "tasks"]
            curves = file["curves/val_acc"]
            assert curves.shape == (3, 2, 4, 5)
            assert curves.chunks == (1, 1, 4, 5)
            assert curves.compression == "gzip"
            assert curves.fletcher32
            assert file["configs/values/lr"][0] == 1e-4
            assert file["tasks/id"][0] == b"digits"

    def test_a_newer_schema_is_refused(self, path: Path) -> None:
        with h5py.File(path, "r+") as file:
            file.attrs["schema_version"] = SCHEMA_VERSION + 1
        with pytest.raises(FileError, match=r"schema version 3 is newer than 2.*update at2"):
            LearningCurveTable.from_hdf5(path)


class TestDamage:
    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(FileError, match=r"absent\.h5: no such file"):
            LearningCurveTable.from_hdf5(tmp_path / "absent.h5")

    def test_truncated_anywhere(self, path: Path) -> None:
        whole = path.read_bytes()
        for size in range(0, len(whole), len(whole) // 40):
            path.write_bytes(whole[:size])
            with pytest.raises(CorruptFileError, match=r"small\.h5: .*fetch it again") as caught:
                LearningCurveTable.from_hdf5(path)
            assert caught.value.path == path

    def test_a_flipped_bit_is_noticed_or_harmless(self, table: LearningCurveTable, path: Path) -> None:
        whole, rng, n_noticed = path.read_bytes(), np.random.default_rng(0), 0
        for position in rng.integers(0, len(whole), 200):
            changed = bytearray(whole)
            changed[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            try:
                assert LearningCurveTable.from_hdf5(path).equals(table)
            except CorruptFileError:
                n_noticed += 1
        assert n_noticed > 150

    @pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + b"\0" * 500])
    def test_something_else(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match="truncated or damaged"):
            LearningCurveTable.from_hdf5(path)

    def test_another_hdf5_file(self, path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["x"] = [1, 2]
        with pytest.raises(CorruptFileError, match="holds no learning-curve table"):
            LearningCurveTable.from_hdf5(path)

    @pytest.mark.parametrize("dataset", ["header", "status", "curves/val_acc", "configs/id", "configs/values/lr"])
    def test_a_missing_or_wrong_part(self, path: Path, dataset: str) -> None:
        with h5py.File(path, "r+") as file:
            del file[dataset]
        with pytest.raises(CorruptFileError, match="truncated or damaged"):
            LearningCurveTable.from_hdf5(path)
        with h5py.File(path, "r+") as file:
            file[dataset] = np.arange(3)
        with pytest.raises(CorruptFileError, match="truncated or damaged"):
            LearningCurveTable.from_hdf5(path)

    def test_batches_that_vanish_later(self, path: Path) -> None:
        series = LearningCurveTable.from_hdf5(path).batches["train_cross_entropy"]
        path.write_bytes(path.read_bytes()[:2000])
        with pytest.raises(CorruptFileError, match="batch series cannot be read any more"):
            series.run(2, 0, 0)


class TestFailingWrites:
    def test_notes_that_json_cannot_hold(self, tmp_path: Path) -> None:
        configs, metrics = pd.DataFrame({"lr": [1.0]}), [Metric("m", maximize=True)]
        table = LearningCurveTable(
            {"m": [[[[1.0]]]]}, tasks=["a"], configs=configs, metrics=metrics, notes={"x": object()}
        )
        with pytest.raises(TableError, match="notes must be JSON"):
            table.to_hdf5(tmp_path / "t.h5")
        configs = pd.DataFrame({"lr": [object()]})
        table = LearningCurveTable(
            {"m": [[[[1.0]]]]}, tasks=["a"], configs=configs, metrics=metrics, space=hyperrec_space()
        )
        with pytest.raises(TableError, match="column 'lr' holds values that are no numbers"):
            table.to_hdf5(tmp_path / "t.h5")
        assert list(tmp_path.iterdir()) == []

    def test_a_full_disk_leaves_the_old_file_and_nothing_else(self, path: Path) -> None:
        code = f"""
        import resource
        from at2.errors import FileError
        from at2.tables import LearningCurveTable
        table = LearningCurveTable.from_hdf5({str(path)!r})
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
        try:
            table.to_hdf5({str(path)!r})
        except FileError as error:
            print(error)
        """
        before = path.read_bytes()
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=60
        )
        assert "small.h5: cannot be written" in done.stdout
        assert "Nothing was left behind" in done.stdout
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == ["small.h5"]
        assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY

    def test_a_read_only_folder(self, table: LearningCurveTable, tmp_path: Path) -> None:
        tmp_path.chmod(0o555)
        folder = Path("/proc") if os.geteuid() == 0 else tmp_path  # root may write into any folder but this
        with pytest.raises(FileError, match=r"cannot be written: .*choose another folder"):
            table.to_hdf5(folder / "t.h5")
        tmp_path.chmod(0o755)

    @pytest.mark.parametrize(
        ("number", "reason"), [(13, "no permission"), (30, "file system is read-only"), (28, "the disk is full")]
    )
    def test_what_the_system_says_is_passed_on(
        self, number: int, reason: str, table: LearningCurveTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(FileError, match=reason):
            table.to_hdf5(tmp_path / "t.h5")
        assert list(tmp_path.iterdir()) == []

    def test_a_path_that_is_a_folder(self, table: LearningCurveTable, tmp_path: Path) -> None:
        (tmp_path / "t.h5").mkdir()
        with pytest.raises(FileError, match="it is a folder"):
            table.to_hdf5(tmp_path / "t.h5")
        (tmp_path / "file").write_text("x")
        with pytest.raises(FileError, match="cannot be written"):
            table.to_hdf5(tmp_path / "file" / "t.h5")
