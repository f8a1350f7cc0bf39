import dataclasses
import json
import logging
import math
import sys
from pathlib import Path

import pytest

from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.record import RunFolder, read_events, write_json
from at2.errors import FileError


def test_a_run_is_complete_once_it_is_finished(tmp_path: Path, run: RunConfig) -> None:
    folder = RunFolder(tmp_path, run)
    with folder.locked():
        assert not folder.is_complete()
        folder.begin()
        assert not folder.is_complete()
        folder.finish({"final": {"regret": 0.5}})
    assert folder.is_complete()
    assert {path.name for path in folder.path.iterdir()} >= {"config.json", "environment.json", "result.json"}


def test_another_run_is_not_complete(tmp_path: Path, run: RunConfig) -> None:
    folder = RunFolder(tmp_path, run)
    with folder.locked():
        folder.finish({})
    other = RunFolder(tmp_path, dataclasses.replace(run, seed=1))
    other.path.mkdir()
    (other.path / "result.json").write_bytes((folder.path / "result.json").read_bytes())
    assert not other.is_complete()


@pytest.mark.parametrize("content", ["", '{"schema": 1, "conf', "[]", '{"schema": 0, "config": {}}', "\x00\x01"])
def test_a_result_that_cannot_be_read_is_none(tmp_path: Path, run: RunConfig, content: str) -> None:
    folder = RunFolder(tmp_path, run)
    folder.path.mkdir()
    (folder.path / "result.json").write_text(content)
    assert folder.read_result() is None
    assert not folder.is_complete()


def test_beginning_again_forgets_the_earlier_attempt(tmp_path: Path, run: RunConfig) -> None:
    folder = RunFolder(tmp_path, run)
    with folder.locked():
        folder.begin()
        folder.fail(ValueError("no good"))
        assert "ValueError: no good" in (folder.path / "error.txt").read_text()
        folder.begin()
    assert not (folder.path / "error.txt").exists()


def test_output_and_log_go_to_a_file_and_back(tmp_path: Path, run: RunConfig) -> None:
    folder = RunFolder(tmp_path, run)
    folder.path.mkdir()
    logger = logging.getLogger("at2")
    before = logger.level, list(logger.handlers), sys.stdout
    with folder.captured_output():
        print("from a tuner")  # noqa: T201, what is under test
        logging.getLogger("at2.somewhere").info("from the library")
    assert (logger.level, list(logger.handlers), sys.stdout) == before
    text = (folder.path / "stdout.txt").read_text()
    assert "from a tuner" in text
    assert "INFO at2.somewhere: from the library" in text


def test_events_are_on_the_disk_at_once_and_a_torn_line_is_left_out(tmp_path: Path, run: RunConfig) -> None:
    folder = RunFolder(tmp_path, run)
    folder.path.mkdir()
    with folder.events() as events:
        events.write("start")
        events.write("step", n_epochs=1)
        assert [event["event"] for event in read_events(folder.path)] == ["start", "step"]
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"event": "st')
    assert [event.get("n_epochs") for event in read_events(folder.path)] == [None, 1]


def test_json_is_sorted_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": None})
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["a", "b"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": math.nan})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": None, "b": 1}


def test_a_record_that_cannot_be_written(tmp_path: Path, run: RunConfig) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot write the run"), RunFolder(tmp_path / "file", run).locked():
        pass
