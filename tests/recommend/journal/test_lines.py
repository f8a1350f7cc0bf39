"""at2/recommend/journal/lines.py and Recommender.save / resume: nothing told is lost, nothing false is believed."""

import json
import os
from pathlib import Path

import pytest

from at2.errors import CorruptFileError, FileError, HistoryError, TableError
from at2.recommend import Budget, Journal, Query, Recommender
from at2.tables import LearningCurveTable
from tests.recommend.conftest import copied, make_table
from tests.recommend.test_recommender import Measure, Quick, make, play


def resume(path: Path, table: LearningCurveTable | None) -> Recommender:
    return Recommender.resume(path, table, surrogate=Quick())


def advance(recommender: Recommender, measure: Measure, n: int) -> None:
    for _ in range(n):
        query = recommender.ask()
        recommender.tell(query, measure(query))


@pytest.mark.parametrize("n_told", [0, 1, 5])
def test_a_resumed_run_goes_on_as_if_nothing_had_happened(table, measure: Measure, tmp_path: Path, n_told: int) -> None:
    whole = make(table)
    expected = play(whole, measure)
    broken = make(table, journal=tmp_path / "run.jsonl")
    advance(broken, measure, n_told)
    del broken
    again = resume(tmp_path / "run.jsonl", table)
    assert expected[:n_told] + play(again, measure) == expected
    assert again.recommend() == whole.recommend()
    assert [t.query for t in again.told] == [t.query for t in whole.told]


def test_a_query_that_was_never_told_is_handed_out_again(table, measure: Measure, tmp_path: Path) -> None:
    first = make(table, journal=tmp_path / "run.jsonl")
    advance(first, measure, 2)
    lost = [first.ask(), first.ask()]
    again = resume(tmp_path / "run.jsonl", table)
    assert again.pending == tuple(lost)
    assert again.ask() == lost[0]
    again.tell(lost[1], 0.5)  # a worker that outlived the crash may still tell
    following = again.ask()
    assert following.number == 4
    assert following.config_id not in (lost[0].config_id,)


def test_resuming_twice_and_writing_on_is_one_run(table, measure: Measure, tmp_path: Path) -> None:
    expected = play(make(table), measure)
    path = tmp_path / "run.jsonl"
    recommender = make(table, journal=path)
    asked: list[tuple[object, int]] = []
    for _ in expected:
        query = recommender.ask()
        asked.append((query.config_id, query.epoch))
        recommender.tell(query, measure(query))
        recommender = resume(path, table)
    assert asked == expected
    assert recommender.ask() is None


def test_save_writes_all_so_far_and_goes_on_there(table, measure: Measure, tmp_path: Path) -> None:
    recommender = make(table)
    advance(recommender, measure, 3)
    recommender.save(tmp_path / "a.jsonl")
    advance(recommender, measure, 2)
    assert len(resume(tmp_path / "a.jsonl", table).told) == 5
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]


def test_failures_and_seconds_are_kept(measure: Measure, tmp_path: Path) -> None:
    table = make_table(seconds=True)
    recommender = make(table, budget=Budget(seconds=60), journal=tmp_path / "run.jsonl")
    query = recommender.ask()
    recommender.tell(query, failed=True, seconds=2.5)
    following = recommender.ask()
    recommender.tell(following, 0.25, seconds=3.5)
    again = resume(copied(tmp_path / "run.jsonl"), table)
    assert again.told == recommender.told
    assert again.ask() == recommender.ask()


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_a_torn_last_line_is_dropped_and_written_over(table, measure: Measure, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "run.jsonl"
    expected = play(make(table), measure)
    advance(make(table, journal=path), measure, 3)
    path.write_bytes(path.read_bytes()[:-cut])
    again = resume(path, table)
    assert len(again.told) == 2
    assert expected[:2] + play(again, measure) == expected
    assert len(resume(path, table).told) == len(expected)


@pytest.mark.parametrize("line", [0, 1, 2, 4])
@pytest.mark.parametrize("damage", ["digit", "cut", "gone", "twice", "text", "empty"])
def test_damage_is_found_and_said(table, measure: Measure, tmp_path: Path, line: int, damage: str) -> None:
    path = tmp_path / "run.jsonl"
    advance(make(table, journal=path), measure, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    if damage == "digit":
        at = lines[line].rindex(b":") - 3
        lines[line] = lines[line][:at] + bytes([lines[line][at] ^ 1]) + lines[line][at + 1 :]
    elif damage == "cut":
        lines[line] = lines[line][:20] + b"\n"
    elif damage == "gone":
        del lines[line]
    elif damage == "twice":
        lines.insert(line, lines[line])
    else:
        lines[line] = b"hello\n" if damage == "text" else b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(CorruptFileError, match=r"run\.jsonl") as caught:
        resume(path, table)
    assert caught.value.path == path


@pytest.mark.parametrize("content", [b"", b"\x00\x01\n", b"{}\n", b"no line break"])
def test_what_is_no_journal_is_refused(table, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CorruptFileError, match="journal"):
        resume(tmp_path / "x", table)


def test_a_journal_of_another_version_is_refused(table, tmp_path: Path) -> None:
    Journal.create(tmp_path / "x", {"kind": "at2-journal", "version": 99})
    with pytest.raises(CorruptFileError, match="journal of version 99"):
        resume(tmp_path / "x", table)


def test_a_header_that_lacks_a_part_is_refused(table, tmp_path: Path) -> None:
    Journal.create(tmp_path / "x", {"kind": "at2-journal", "version": 1, "target": "dogs"})
    with pytest.raises(CorruptFileError, match=r"header .* is incomplete"):
        resume(tmp_path / "x", table)


def test_another_history_is_refused(table, measure: Measure, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    advance(make(table, journal=path), measure, 2)
    with pytest.raises(TableError, match="written with another history"):
        resume(path, make_table(maximize=False))
    with pytest.raises(HistoryError, match="written with another history, which has the task") as told:
        resume(path, table.subset(["dogs"]))
    assert told.value.table == "small"
    assert len(resume(path, make_table(target_curves=0.1)).told) == 2


def test_an_unknown_table_must_be_passed(table, tmp_path: Path) -> None:
    make(table, journal=tmp_path / "run.jsonl")
    with pytest.raises(TableError, match=r"made with table 'small'; pass it: resume\(path, table\)"):
        resume(tmp_path / "run.jsonl", None)


def test_a_surrogate_that_is_an_object_must_be_passed(table, tmp_path: Path) -> None:
    make(table, journal=tmp_path / "run.jsonl")
    with pytest.raises(TableError, match=r"pass it as surrogate="):
        Recommender.resume(tmp_path / "run.jsonl", table)


def test_a_run_without_table_rebuilds_from_the_journal_alone(tmp_path: Path) -> None:
    candidates = [{"lr": 10.0**-k, "kind": "ab"[k % 2]} for k in range(1, 6)]

    def measure(query: Query) -> float:
        return query.config["lr"] * query.epoch

    expected = play(make(None, candidates=candidates, n_epoch=3, surrogate="kronecker"), measure)
    recommender = make(None, candidates=candidates, n_epoch=3, surrogate="kronecker", journal=tmp_path / "run.jsonl")
    advance(recommender, measure, 4)
    again = Recommender.resume(tmp_path / "run.jsonl")
    assert expected[:4] + play(again, measure) == expected


def test_an_existing_journal_is_never_overwritten_by_accident(table, tmp_path: Path) -> None:
    make(table, journal=tmp_path / "run.jsonl")
    before = (tmp_path / "run.jsonl").read_bytes()
    with pytest.raises(FileError, match=r"go on with Recommender\.resume"):
        make(table, journal=tmp_path / "run.jsonl")
    assert (tmp_path / "run.jsonl").read_bytes() == before


def test_a_missing_folder_or_file_is_said(table, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        make(table, journal=tmp_path / "file" / "run.jsonl")
    with pytest.raises(FileError, match="cannot read the journal"):
        resume(tmp_path / "none.jsonl", table)


def test_a_full_disk_changes_nothing(table, measure: Measure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.jsonl"
    recommender = make(table, journal=path)
    query = recommender.ask()
    before = path.read_bytes()
    real_write = os.write

    def half(descriptor: int, content: bytes) -> int:
        if len(content) > 20:
            return real_write(descriptor, content[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(FileError, match=r"No space left on device; nothing was told"):
        recommender.tell(query, measure(query))
    assert path.read_bytes() == before
    assert recommender.pending == (query,)
    monkeypatch.undo()
    recommender.tell(query, measure(query))
    assert len(resume(path, table).told) == 1


def test_a_journal_that_vanished_is_said_before_anything_is_told(table, measure: Measure, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    recommender = make(table, journal=path)
    query = recommender.ask()
    path.unlink()
    with pytest.raises(FileError, match="cannot append to the journal"):
        recommender.tell(query, measure(query))
    assert recommender.pending == (query,)


def test_a_result_is_on_disk_before_tell_returns(table, measure: Measure, tmp_path: Path, monkeypatch) -> None:
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_size), real(descriptor)))
    path = tmp_path / "run.jsonl"
    recommender = make(table, journal=path)
    query = recommender.ask()
    recommender.tell(query, measure(query))
    assert synced[-1] == path.stat().st_size
    assert json.loads(path.read_text().splitlines()[-1])["record"]["value"] == measure(query)


def test_a_second_writer_is_told_and_nothing_is_lost(table, measure: Measure, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    advance(make(table, journal=path), measure, 1)
    one, other = resume(path, table), resume(path, table)
    advance(one, measure, 1)
    with pytest.raises(FileError, match=r"cannot append .* another process writes to it"):
        other.ask()
    assert other.pending == ()
    advance(one, measure, 1)
    assert [t.query for t in resume(path, table).told] == [t.query for t in one.told]


def test_a_surrogate_is_described_by_what_it_is_not_by_where_it_lies(table, tmp_path: Path) -> None:
    headers = []
    for name in ("a.jsonl", "b.jsonl"):
        make(table, journal=tmp_path / name)
        headers.append(Journal.read(tmp_path / name)[1]["surrogate_object"])
    assert headers == ["tests.recommend.test_recommender.Quick"] * 2


def test_candidates_with_inactive_hyperparameters_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    candidates = [{"lr": 0.1, "momentum": float("nan")}, {"lr": 0.2, "momentum": 0.9}]
    run = make(None, candidates=candidates, n_epoch=3, journal=path)
    run.tell(run.ask(), 0.5)
    assert [dict(config) for config in resume(path, None).problem.configs] == [{"lr": 0.1}, candidates[1]]
