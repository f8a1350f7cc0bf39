"""The recorder: the whole schema, killed and gone on with, one to a file, crashes that cost one run only."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from at2.cli.main import cli
from at2.errors import At2Error, CheckpointError, DeviceError, FileError, TableError, TaskError
from at2.tables import HYPERREC_BATCH_METRICS, HYPERREC_METRICS, LearningCurveTable, Metric, RunStatus
from at2.training import Training, load_task
from at2.training.recorder import Progress, Recipe, record
from at2.training.recorder import run as run_module
from at2.training.recorder.holder import held
from at2.training.recorder.plan import Run
from at2.training.recorder.run import note_crash, read_run, record_run
from at2.training.recorder.series import thin

ROOT = Path(__file__).parents[2]
SMALL = Recipe(n_config=3, n_epoch=3)


def _run(folder: Path, **changes: Any) -> Run:
    values = {"source": "digits-few", "task": "digits-few", "seed": 0, "config_id": 0, "config": SMALL.configs[0]}
    return Run(**{"path": folder / "one.run", **values, "n_epoch": 3, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LearningCurveTable, list[Progress]]:
    """A small recording of one task, with its file and what was told of its progress."""
    out, told = tmp_path_factory.mktemp("recorded") / "few.h5", list[Progress]()
    table = record(["digits-few"], out, recipe=SMALL, n_seed=2, on_progress=told.append)
    return out, table, told


def test_the_schema_is_hyperrecs(recorded: tuple[Path, LearningCurveTable, list[Progress]]) -> None:
    out, _, told = recorded
    table = LearningCurveTable.from_hdf5(out)
    assert (table.name, table.shape) == ("few", (1, 2, 3, 3))
    assert table.metric == "val_acc_top1"
    assert set(table.metrics.values()) == set(HYPERREC_METRICS)
    assert [series.metric for series in table.batches.values()] == list(HYPERREC_BATCH_METRICS)
    assert (table.status == RunStatus.OK).all()
    assert all(np.isfinite(table.curves(name)).all() for name in table.metrics)
    assert table.space.name == "hyperrec-small"
    assert [table.config(number) for number in range(3)] == SMALL.configs
    assert table.seconds is not None
    times = sum(table.curves(name) for name in ("train_time_s", "val_time_s", "test_time_s"))
    np.testing.assert_allclose(table.seconds, times, rtol=1e-5)
    assert told[-1] == Progress(n_epoch=18, n_epoch_done=18, n_run=6, n_run_done=6)
    assert [path.name for path in out.parent.iterdir() if not path.name.startswith(".")] == ["few.h5"]


def test_the_values_are_those_of_the_loop(recorded: tuple[Path, LearningCurveTable, list[Progress]]) -> None:
    _, table, _ = recorded
    training = Training.from_config(load_task("digits-few"), SMALL.configs[1], seed=1)
    for epoch in range(1, 4):
        result = training.run_epoch()
        at = {name: table.curve("digits-few", 1, seed=1, metric=name)[epoch] for name in table.metrics}
        assert at["val_acc_top1"] == pytest.approx(result.validation.top1)
        assert at["val_loss"] == pytest.approx(result.validation.loss)
        assert at["test_acc_top5"] == pytest.approx(result.test.top5)
        for name, key in (("train_cross_entropy", "cross_entropy"), ("train_acc_top10", "top10")):
            batches = table.batches[name].run(0, 1, 1).loc[epoch]
            np.testing.assert_array_equal(batches.to_numpy(np.float32), result.batches[key])


def test_calling_again_trains_nothing_and_more_tasks_and_seeds_are_added(
    recorded: tuple[Path, LearningCurveTable, list[Progress]], tmp_path: Path
) -> None:
    out, told = tmp_path / "few.h5", list[Progress]()
    out.write_bytes(recorded[0].read_bytes())
    again = record(["digits-few"], out, recipe=SMALL, n_seed=2, on_progress=told.append)
    assert told[-1].n_run == 0
    np.testing.assert_array_equal(again.curves(), recorded[1].curves())
    np.testing.assert_array_equal(
        again.batches["train_acc_top1"].values(0, 1, 2), recorded[1].batches["train_acc_top1"].values(0, 1, 2)
    )
    more = record(["digits-low"], out, recipe=SMALL, n_seed=1, on_progress=told.append)
    assert list(more.tasks.index) == ["digits-few", "digits-low"]
    assert told[-1].n_run == 3
    assert (more.status[1, 1] == RunStatus.NOT_RUN).all()
    np.testing.assert_array_equal(more.curves()[0], recorded[1].curves()[0])
    assert more.tasks.loc["digits-low", "n_classes"] == 5


def test_another_recipe_and_a_table_that_is_no_recording_are_refused(
    recorded: tuple[Path, LearningCurveTable, list[Progress]], tmp_path: Path
) -> None:
    out = tmp_path / "few.h5"
    out.write_bytes(recorded[0].read_bytes())
    with pytest.raises(CheckpointError, match=r"few\.h5: holds another recording: n_epoch is 3 there and 4 here"):
        record(["digits-few"], out, recipe=Recipe(n_config=3, n_epoch=4))
    table = LearningCurveTable.from_hdf5(out)
    table.notes.clear()
    table.to_hdf5(out)
    with pytest.raises(TableError, match=r"few\.h5: is a table, but no recording"):
        record(["digits-few"], out, recipe=SMALL)


def _command(out: Path, *options: str) -> list[str]:
    words = [
        "--task",
        "digits-few",
        "--configs",
        "2",
        "--epochs",
        "20",
        "--seeds",
        "1",
        "--jobs",
        "1",
        "--out",
        str(out),
    ]
    return [sys.executable, "-m", "at2", "record", *words, *options]


def test_killed_it_goes_on_where_it_was(tmp_path: Path) -> None:
    killed, straight = tmp_path / "killed.h5", tmp_path / "straight.h5"
    process = subprocess.Popen(_command(killed), cwd=ROOT, stderr=subprocess.DEVNULL)
    tally = tmp_path / "killed.h5.parts" / "epochs"
    try:
        _wait_for(lambda: tally.exists() and tally.stat().st_size >= 8)
    finally:
        process.kill()  # with one job it has no children
        process.wait()
    n_before = sum(
        len(series.epochs["val_loss"]) for path in tally.parent.rglob("*.run") if (series := read_run(path)) is not None
    )
    assert n_before >= 8
    with pytest.raises(CheckpointError, match=r"killed\.h5\.parts: holds another recording: n_config is 2 there"):
        record(["digits-few"], killed, recipe=SMALL)
    told: list[Progress] = []
    recipe = Recipe(n_config=2, n_epoch=20)
    one = record(["digits-few"], killed, recipe=recipe, n_seed=1, on_progress=told.append)
    assert told[-1].n_epoch_done <= 40 - n_before
    other = record(["digits-few"], straight, recipe=recipe, n_seed=1)
    for metric in (name for name in one.metrics if "time" not in name):
        np.testing.assert_array_equal(one.curves(metric), other.curves(metric))
    for name in one.batches:
        np.testing.assert_array_equal(one.batches[name].values(0, 0, 1), other.batches[name].values(0, 0, 1))


def test_stopped_it_writes_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "stopped.h5"

    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["at2.training.recorder.record"], "record_run", stop)
    path = tmp_path / "stopped.h5.parts" / "digits-few" / "seed-0-config-0002.run"
    path.parent.mkdir(parents=True)
    record_run(_run(path, path=path, config_id=2, config=SMALL.configs[2]))
    with pytest.raises(KeyboardInterrupt):
        record(["digits-few"], out, recipe=SMALL, n_seed=1)
    assert LearningCurveTable.from_hdf5(out).status.tolist() == [[[0, 0, 1]]]


def _wait_for(condition: Any) -> None:
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come true within 120 s")
        time.sleep(0.02)


def test_one_recorder_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "held.h5"
    with held(out, wait=False, on_wait=print):
        with pytest.raises(FileError, match=rf"held\.h5: is being recorded by process {os.getpid()} on \S+ since 20"):
            record(["digits-few"], out, recipe=SMALL, wait=False)
        process = subprocess.Popen(_command(out), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert f"is being recorded by process {os.getpid()}" in process.stderr.readline()
        assert not (tmp_path / "held.h5.parts").exists()
        process.kill()
        process.communicate()
    assert [path.name for path in tmp_path.iterdir()] in ([".held.h5.lock"], [])


def test_two_recorders_of_one_file_train_everything_once(tmp_path: Path) -> None:
    out = tmp_path / "both.h5"
    both = [
        subprocess.Popen(_command(out), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=240) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all("runs: 2 ok" in text for text, _ in said)
    assert sum("is being recorded by process" in text for _, text in said) <= 1
    table = LearningCurveTable.from_hdf5(out)
    straight = record(["digits-few"], tmp_path / "one.h5", recipe=Recipe(n_config=2, n_epoch=20), n_seed=1)
    np.testing.assert_array_equal(table.curves(), straight.curves())
    assert not (tmp_path / "both.h5.parts").exists()


def test_a_diverged_run_is_recorded_as_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Training.run_epoch

    def explode(self: Training, **options: Any) -> Any:
        if self.epoch == 1:
            with torch.no_grad():
                next(self.network.parameters()).fill_(float("nan"))
        return original(self, **options)

    monkeypatch.setattr(Training, "run_epoch", explode)
    outcome = record_run(_run(tmp_path))
    series = read_run(tmp_path / "one.run")
    assert outcome.status == RunStatus.DIVERGED
    assert series is not None
    assert series.is_done
    assert len(series.epochs["val_acc_top1"]) == 1
    assert len(np.concatenate(series.batches["train_cross_entropy"])) == 2 * series.per_epoch
    table = record(["digits-few"], tmp_path / "all.h5", recipe=SMALL, n_seed=1)
    assert table.status.tolist() == [[[RunStatus.DIVERGED] * 3]]
    assert np.isfinite(table.curves()[..., :1]).all()
    assert np.isnan(table.curves()[..., 1:]).all()
    shown = CliRunner().invoke(cli, ["tables", "facts", str(tmp_path / "all.h5")])
    assert "Of 3 runs 100.0% diverged." in shown.output
    monkeypatch.undo()
    told: list[Progress] = []
    again = record(["digits-few"], tmp_path / "all.h5", recipe=SMALL, n_seed=1, on_progress=told.append)
    assert (told[-1].n_run, again.status.tolist()) == (0, table.status.tolist())  # it is an answer, and no crash


def nothing(logits: torch.Tensor, labels: torch.Tensor) -> float:
    raise ZeroDivisionError("nothing to divide by")


def share_of_class_0(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return float((logits.argmax(1) == 0).float().mean())


def test_a_metric_that_raises_costs_its_runs_and_names_them(tmp_path: Path) -> None:
    outcome = record_run(_run(tmp_path, extra={"mine": nothing}))
    assert outcome.status == RunStatus.CRASHED
    assert outcome.message == (
        "At2Error: the metric 'mine' raised ZeroDivisionError: nothing to divide by; repair the function"
    )
    assert record_run(_run(tmp_path)).status == RunStatus.OK


def test_a_crash_keeps_what_was_recorded_and_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Training.run_epoch

    def crash(self: Training, **options: Any) -> Any:
        if self.epoch == 2:
            raise RuntimeError("out of luck")
        return original(self, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", crash)
        assert record_run(_run(tmp_path)).message == "RuntimeError: out of luck"
    series = read_run(tmp_path / "one.run")
    assert series is not None
    assert (series.status, series.message) == (RunStatus.CRASHED, "RuntimeError: out of luck")
    assert len(series.epochs["val_loss"]) == 2
    monkeypatch.setattr(run_module, "_count", lambda tally: counted.append(1))
    counted: list[int] = []
    assert record_run(_run(tmp_path)).status == RunStatus.OK
    assert len(counted) == 1


def test_a_run_whose_process_died_is_noted(tmp_path: Path) -> None:
    run = _run(tmp_path)
    note_crash(run, "its process died")
    series = read_run(run.path)
    assert series is not None
    assert series.message == "its process died"
    assert record_run(run).status == RunStatus.OK


def test_metrics_of_ones_own_stand_in_the_table(tmp_path: Path) -> None:
    metric = Metric("share_of_class_0", maximize=False, unit="fraction")
    table = record(
        ["digits-low"],
        tmp_path / "own.h5",
        recipe=Recipe(n_config=1, n_epoch=1, batch_values=0),
        n_seed=1,
        extra={"share": (metric, share_of_class_0)},
    )
    assert 0 <= float(table.curves("val_share")[0, 0, 0, 0]) <= 1
    assert not table.metrics["test_share"].maximize
    assert table.batches == {}


def test_a_full_disk_in_the_middle_leaves_the_epochs_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, writes = _run(tmp_path), list[int]()
    original = Path.write_bytes

    def fill(self: Path, content: bytes) -> int:
        writes.append(1)
        if len(writes) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, content)

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(FileError, match=r"one\.run: cannot be written: the disk is full"):
        record_run(run)
    series = read_run(run.path)
    assert series is not None
    assert (series.status, len(series.epochs["val_loss"])) == (RunStatus.STOPPED_EARLY, 2)
    monkeypatch.undo()
    assert record_run(run).status == RunStatus.OK


def test_a_table_that_cannot_be_written_costs_no_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, original = tmp_path / "full.h5", Path.write_bytes

    def fill(self: Path, content: bytes) -> int:
        if self.name.startswith(".full.h5."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, content)

    monkeypatch.setattr(Path, "write_bytes", fill)
    said = r"full\.h5: cannot be written: the disk is full;.* are safe in \S*full\.h5\.parts, and the same call goes on"
    with pytest.raises(FileError, match=said):
        record(["digits-few"], out, recipe=SMALL, n_seed=1)
    assert not out.exists()
    monkeypatch.undo()
    told: list[Progress] = []
    table = record(["digits-few"], out, recipe=SMALL, n_seed=1, on_progress=told.append)
    assert (told[-1].n_epoch, table.status.tolist()) == (0, [[[RunStatus.OK] * 3]])


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"n_seed": 0}, ValueError, "n_seed and jobs must be at least 1, got n_seed=0, jobs=1"),
        ({"jobs": 0}, ValueError, "n_seed and jobs must be at least 1, got n_seed=2, jobs=0"),
        ({"device": "abacus"}, DeviceError, r"cannot compute on device 'abacus' here \(.*\); there are 'cpu'"),
        (
            {"jobs": 2, "extra": {"mine": (Metric("mine", maximize=True), lambda logits, labels: 0.0)}},
            ValueError,
            r"the metric 'mine' cannot be sent to other processes \(.*\); define it in a module, or pass jobs=1",
        ),
    ],
)
def test_what_no_run_could_be_trained_with(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        record(["digits-few"], tmp_path / "out.h5", recipe=SMALL, **options)
    with pytest.raises(FileError, match=r"is a folder; give the name of a file, such as .*recording\.h5"):
        record(["digits-few"], tmp_path, recipe=SMALL)
    assert list(tmp_path.iterdir()) == []


_LIMITED = """
import resource, sys
from at2.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
main(sys.argv[1:])
"""


def test_a_file_system_that_takes_no_more_is_said_in_one_line(tmp_path: Path) -> None:
    out = tmp_path / "limited.h5"
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *_command(out)[3:]], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "limited.h5: cannot be written: the file is larger than this system allows; choose another" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.part"))


def test_a_run_file_of_another_configuration(tmp_path: Path) -> None:
    record_run(_run(tmp_path, n_epoch=1))
    run = _run(tmp_path, config=SMALL.configs[1])
    assert "is a checkpoint of another training: config: " in record_or_message(run)
    (tmp_path / "one.run").write_bytes(b"torn")
    assert record_run(run).status == RunStatus.OK  # what cannot be read begins anew


def record_or_message(run: Run) -> str:
    try:
        return record_run(run).message
    except At2Error as error:
        return str(error)


def test_a_task_smaller_than_a_batch_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    np.savez(tmp_path / "tiny.npz", images=np.zeros((50, 8, 8)), labels=np.arange(50) % 2)
    with pytest.raises(TaskError, match=r"task 'tiny' has 30 training images, fewer than the largest batch of \d+"):
        record([str(tmp_path / "tiny.npz")], tmp_path / "out.h5", recipe=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.npz"]
    with pytest.raises(TaskError, match="at least one task"):
        record([], tmp_path / "out.h5", recipe=SMALL)


def test_thinned_batches_keep_their_means() -> None:
    values = np.arange(21, dtype=np.float32)
    assert thin(values, per_epoch=7, keep=7).tolist() == values.tolist()
    assert thin(values, per_epoch=7, keep=1).tolist() == [3, 10, 17]
    assert thin(values, per_epoch=7, keep=99).shape == (21,)
    two = thin(values, per_epoch=7, keep=2).reshape(3, 2)
    np.testing.assert_allclose((two * [3, 4]).sum(1) / 7, [3, 10, 17])


def test_the_note_of_the_holder_may_be_missing(tmp_path: Path) -> None:
    with held(tmp_path / "a.h5", wait=True, on_wait=print):
        (tmp_path / ".a.h5.holder").write_text(json.dumps([]))
        with (
            pytest.raises(FileError, match="is being recorded by another process"),
            held(tmp_path / "a.h5", wait=False, on_wait=print),
        ):
            pass


def test_tasks_of_similar_names_have_files_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("my task", "my-task"):
        images, labels = rng.random((400, 8, 8)).astype(np.float32), rng.integers(2, size=400)
        np.savez(tmp_path / f"{name}.npz", images=images, labels=labels)
    sources = [str(tmp_path / f"{name}.npz") for name in ("my task", "my-task")]
    small = Recipe(n_config=1, n_epoch=1)
    both = record(sources, tmp_path / "both.h5", recipe=small)
    for source, name in zip(sources, both.tasks.index, strict=True):
        alone = record([source], tmp_path / f"{name} alone.h5", recipe=small)
        np.testing.assert_array_equal(both.subset([name]).curves(), alone.curves())


def test_a_folder_in_which_no_lock_can_be_made_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touch(self: Path) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(self))

    monkeypatch.setattr(Path, "touch", touch)  # as below /proc, where the lock would be waited for without end
    with (
        pytest.raises(FileError, match=r"cannot be locked .*; choose another folder"),
        held(tmp_path / "a.h5", wait=True, on_wait=print),
    ):
        pass
