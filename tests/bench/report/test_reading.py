"""Whatever a record holds: what can be shown is read, the rest is named."""

import json
from pathlib import Path

import pytest

from at2.bench.report.reading import read_record
from at2.errors import FileError


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _sweep_folder(record: Path, tuner: str = "at2") -> Path:
    (folder,) = record.glob(f"tiny_target_{tuner}_*")
    return folder


def _results(record: Path, rival: str) -> Path:
    (path,) = (record / "regret").glob(f"*_{rival}_*.jsonl")
    return path


def test_both_kinds_of_runs_are_read_alike(record: Path) -> None:
    found = read_record(record)
    assert found.left_out == []
    assert found.runs.groupby(["protocol", "rival"]).size().to_dict() == {
        ("loo-1", "at2"): 6,
        ("loo-1", "mean-final"): 6,
        ("loo-1", "random-search"): 6,
        ("pairs, sweep", "at2"): 1,
        ("pairs, sweep", "random-search"): 1,
    }
    assert len(found.stories) == 2 + 3
    assert sum(environment["n"] for environment in found.environments) == 2 + 3
    for run in found.runs.to_dict("records"):
        assert run["error"] is None
        assert len(run["clock"]) == len(run["trace"])
        assert run["n_epoch"] == 4
        assert run["overhead_s"] == pytest.approx(run["clock"][-1][1], abs=1e-4)


def test_a_sweep_s_run_keeps_its_figures(record: Path) -> None:
    result = json.loads((_sweep_folder(record) / "result.json").read_text())
    runs = read_record(record).runs
    (run,) = runs[(runs["protocol"] == "pairs, sweep") & (runs["rival"] == "at2")].to_dict("records")
    assert run["regret"] == result["final"]["regret"]
    assert run["n_epochs"] == 6
    assert run["n_configs"] == len({seen["config_id"] for seen in result["observations"]})


def test_there_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no record at .*nowhere; make one with `at2 sweep` or `at2 bench regret`"):
        read_record(tmp_path / "nowhere")


def test_an_empty_record(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holds no complete run; run `at2 sweep --record"):
        read_record(tmp_path)


def test_a_record_of_nothing_but_leftovers_says_what_they_are(record: Path) -> None:
    for path in (record / "regret").glob("*.jsonl"):
        path.write_text('{"schema": 0}\n')
    for path in record.glob("*/result.json"):
        path.unlink()
    with pytest.raises(FileError, match=r"no complete run \(.*version 0 instead of 1; .*not complete"):
        read_record(record)


def test_half_written_parts_are_named_and_the_rest_is_read(record: Path) -> None:
    path = _results(record, "mean-final")
    path.write_text(path.read_text()[:-30])
    (_sweep_folder(record) / "result.json").write_text('{"schema": 1, "conf')
    left_out = read_record(record).left_out
    assert f"{path.name}: 1 broken line" in left_out
    assert f"{_sweep_folder(record).name}: not complete; call the sweep again, it goes on there" in left_out
    assert len(left_out) == 2
    assert len(read_record(record).runs) == 20 - 2


def test_other_versions_are_named(record: Path) -> None:
    first, *rest = _results(record, "mean-final").read_text().splitlines()
    lines = [json.dumps({**json.loads(first), "schema": 7}), *rest]
    _results(record, "mean-final").write_text("\n".join(lines) + "\n")
    _edit(_sweep_folder(record) / "result.json", schema=0)
    story = next((record / "regret" / "stories").glob("*_at2_*.json"))
    _edit(story, schema=3)
    left_out = read_record(record).left_out
    assert f"{_results(record, 'mean-final').name}: version 7 instead of 1" in left_out
    assert f"{_sweep_folder(record).name}: version 0 instead of 1" in left_out
    assert f"{story.name}: the story has version 3 instead of 1" in left_out


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}'])
def test_a_broken_story_is_named(record: Path, text: str) -> None:
    story = next((record / "regret" / "stories").glob("*_at2_*.json"))
    story.write_text(text)
    (reason,) = read_record(record).left_out
    assert reason.startswith(f"{story.name}: the story ")


def test_a_header_that_lacks_a_field_is_named(record: Path) -> None:
    path = _results(record, "mean-final")
    first, *rest = path.read_text().splitlines()
    header = {name: value for name, value in json.loads(first).items() if name != "unit"}
    path.write_text("\n".join([json.dumps(header), *rest]) + "\n")
    assert f"{path.name}: its first line lacks unit" in read_record(record).left_out


def test_a_line_without_figures_is_a_broken_one(record: Path) -> None:
    path = _results(record, "mean-final")
    with path.open("a") as file:
        file.write('{"target": "target", "draw": 5, "seed": 0}\n')
    assert f"{path.name}: 1 broken line" in read_record(record).left_out


def test_a_config_that_is_not_ours_is_named(record: Path) -> None:
    _edit(_sweep_folder(record) / "config.json", wish="none")
    (reason,) = read_record(record).left_out
    assert "its config.json cannot be read: a run has the fields" in reason
    (_sweep_folder(record) / "config.json").write_text("[]")
    assert "it holds no JSON object" in read_record(record).left_out[0]


def test_failed_runs_are_counted_and_the_first_reason_is_given(record: Path) -> None:
    folder = _sweep_folder(record, "random-search")
    (folder / "result.json").unlink()
    (folder / "error.txt").write_text("Traceback\n  ...\nValueError: no good\n")
    path = _results(record, "mean-final")
    with path.open("a") as file:
        for draw in (7, 8):
            file.write(json.dumps({"target": "a", "draw": draw, "seed": 0, "sources": [], "error": "boom"}) + "\n")
    left_out = read_record(record).left_out
    assert "1 run of random-search failed, on target: ValueError: no good" in left_out
    assert "2 runs of mean-final failed, the first on a: boom" in left_out


def test_a_record_of_the_first_version_is_read(record: Path) -> None:
    for path in (record / "regret").glob("*.jsonl"):
        first, *lines = path.read_text().splitlines()
        old = [{k: v for k, v in json.loads(line).items() if k not in ("clock", "n_epoch")} for line in lines]
        path.write_text("\n".join([first, *map(json.dumps, old)]) + "\n")
    for path in [*record.glob("*/story.json"), *(record / "regret" / "stories").glob("*"), *record.glob("*/events*")]:
        path.unlink()
    found = read_record(record)
    assert found.left_out == []
    assert len(found.runs) == 20
    assert found.runs["clock"].isna().all()
    assert [story["expected"] for story in found.stories] == [None, None]
