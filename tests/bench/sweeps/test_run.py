import dataclasses
import json
from pathlib import Path

import pytest

from at2.bench.sweeps.execute import Outcome, execute
from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.record import RunFolder, read_events
from at2.bench.sweeps.run import find_runs, run_sweep
from at2.errors import At2Error, FileError


def test_a_run_writes_its_folder(tmp_path: Path, run: RunConfig) -> None:
    assert execute(run, record=tmp_path) == Outcome(run, "done")
    folder = tmp_path / run.folder_name
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert names == {"config.json", "environment.json", "events.jsonl", "result.json", "stdout.txt", "story.json"}
    result = json.loads((folder / "result.json").read_text())
    assert result["config"] == run.to_json() == json.loads((folder / "config.json").read_text())
    assert [row["n_epochs"] for row in result["trace"]] == list(range(7))
    assert [row["epoch"] for row in result["observations"]] == [1, 2, 3, 4, 1, 2]
    assert result["final"] == result["trace"][-1]
    assert result["recommendation"]["config_id"] == result["final"]["config_id"]
    assert "rank" in (folder / "stdout.txt").read_text()
    steps = [event for event in read_events(folder) if event["event"] == "step"]
    assert set(steps[-1]["seconds"]) == {"ask", "tell", "recommend"}


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, run: RunConfig) -> None:
    for name in ("one", "two"):
        execute(run, record=tmp_path / name)
    one, two = (tmp_path / name / run.folder_name / "result.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_complete_run_is_kept_and_an_interrupted_one_is_done_again(tmp_path: Path, run: RunConfig) -> None:
    execute(run, record=tmp_path)
    result = tmp_path / run.folder_name / "result.json"
    before, written = result.read_bytes(), result.stat().st_mtime_ns
    assert execute(run, record=tmp_path).status == "kept"
    assert result.stat().st_mtime_ns == written
    result.write_bytes(before[:100])  # as no at2 would leave it
    assert execute(run, record=tmp_path).status == "done"
    assert result.read_bytes() == before


def test_a_sweep_goes_on_past_a_failure_and_where_it_stopped(tmp_path: Path, run: RunConfig) -> None:
    broken = dataclasses.replace(run, target="nobody")
    plan = [broken, run, dataclasses.replace(run, tuner="average-rank")]
    seen: list[Outcome] = []
    outcomes = run_sweep(plan, record=tmp_path, jobs=2, on_outcome=seen.append)
    assert [outcome.status for outcome in outcomes] == ["failed", "done", "done"]
    assert "no task 'nobody'" in outcomes[0].message
    assert "UnknownNameError" in (tmp_path / broken.folder_name / "error.txt").read_text()
    assert len(seen) == 3
    assert run_sweep(plan[1:], record=tmp_path) == [Outcome(run, "kept"), Outcome(plan[2], "kept")]
    assert set(find_runs(tmp_path)) == set(plan[1:])


def test_fresh_does_complete_runs_again(tmp_path: Path, run: RunConfig) -> None:
    execute(run, record=tmp_path)
    assert run_sweep([run], record=tmp_path, fresh=True) == [Outcome(run, "done")]


def test_a_plan_that_lists_a_run_twice(tmp_path: Path, run: RunConfig) -> None:
    with pytest.raises(At2Error, match="lists a run twice"):
        run_sweep([run, run], record=tmp_path)


def test_a_record_that_cannot_be_made(tmp_path: Path, run: RunConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot make the record"):
        run_sweep([run], record=tmp_path / "file")


def test_a_record_without_runs(tmp_path: Path, run: RunConfig) -> None:
    with pytest.raises(FileError, match="no record at"):
        find_runs(tmp_path / "nowhere")
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "result.json").write_text("{}")
    with pytest.raises(FileError, match="holds no complete run"):
        find_runs(tmp_path)
    RunFolder(tmp_path, run).path.mkdir()


@pytest.mark.authors
@pytest.mark.slow
def test_at2_itself_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    from at2.bench.sweeps.plan import plan_pairs

    plan = plan_pairs(["hyperrec"], pairs=["CIFAR100"], tuners=["at2"], budget_epochs=20)
    for name in ("one", "two"):
        run_sweep(plan, record=tmp_path / name)
    one, two = (tmp_path / name / plan[0].folder_name / "result.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
