import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

from at2.errors import FileError
from at2.recommend.live import CheckpointStore
from at2.tables.storage.files import folder_name

CONFIG = {"lr": 0.1}


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(tmp_path / "checkpoints", limit_bytes=320)


def save(store: CheckpointStore, config_id: int | str, epoch: int, *, n_bytes: int = 100) -> None:
    work, _ = store.prepare(config_id, CONFIG, up_to=epoch - 1)
    (work / "weights").write_bytes(bytes([epoch]) * n_bytes)
    assert store.commit(config_id, epoch=epoch)
    store.tidy(config_id, told=epoch)


def test_the_first_epoch_starts_from_an_empty_folder(store: CheckpointStore) -> None:
    work, epoch = store.prepare("a", CONFIG, up_to=0)
    assert (epoch, list(work.iterdir())) == (0, [])


def test_a_paused_training_finds_what_it_saved(store: CheckpointStore) -> None:
    save(store, "a", 1)
    save(store, "a", 2)
    store.rest("a")
    work, epoch = store.prepare("a", CONFIG, up_to=2)
    assert (epoch, (work / "weights").read_bytes()[0]) == (2, 2)


def test_a_checkpoint_that_was_never_told_does_not_count(store: CheckpointStore) -> None:
    save(store, "a", 1)
    store.prepare("a", CONFIG, up_to=1)[0].joinpath("weights").write_bytes(b"x")
    store.commit("a", epoch=2)  # killed here
    work, epoch = CheckpointStore(store.folder).prepare("a", CONFIG, up_to=1)
    assert (epoch, (work / "weights").read_bytes()[0]) == (1, 1)


def test_what_was_not_saved_anew_is_no_checkpoint_of_the_later_epoch(store: CheckpointStore) -> None:
    save(store, "a", 1)
    assert store.prepare("a", CONFIG, up_to=1)[1] == 1
    assert not store.commit("a", epoch=2)
    assert store.epochs("a") == [1]
    assert store.prepare("a", CONFIG, up_to=2)[1] == 1


def test_a_write_of_the_same_length_at_the_same_time_is_seen(store: CheckpointStore) -> None:
    import os

    save(store, "a", 1)
    path = store.prepare("a", CONFIG, up_to=1)[0] / "weights"
    stat = path.stat()
    path.write_bytes(b"y" * 100)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert store.commit("a", epoch=2)


def test_folders_within_the_folder_are_kept(store: CheckpointStore) -> None:
    work, _ = store.prepare("a", CONFIG, up_to=0)
    (work / "sub").mkdir()
    (work / "sub" / "x").write_text("deep")
    store.commit("a", epoch=1)
    store.rest("a")
    assert (store.prepare("a", CONFIG, up_to=1)[0] / "sub" / "x").read_text() == "deep"


def test_only_the_latest_stays_and_what_is_to_be_kept(store: CheckpointStore) -> None:
    for epoch in (1, 2):
        save(store, "a", epoch)
    work, _ = store.prepare("a", CONFIG, up_to=2)
    (work / "weights").write_text("3")
    store.commit("a", epoch=3)
    store.tidy("a", told=3, keep=[2])
    assert store.epochs("a") == [2, 3]


def test_the_least_useful_go_first_until_it_fits(store: CheckpointStore) -> None:
    for name in "abc":
        save(store, name, 1)
        store.rest(name)
    assert store.is_over_limit()
    assert store.shrink([("b", ()), ("a", ()), ("c", ())]) == ["b"]
    assert [store.epochs(name) for name in "abc"] == [[1], [], [1]]


def test_the_checkpoints_of_another_configuration_are_refused(store: CheckpointStore) -> None:
    save(store, "a", 1)
    with pytest.raises(FileError, match=r"are of configuration .*0\.1.*, not of .*0\.2.*; remove that folder"):
        store.prepare("a", {"lr": 0.2}, up_to=1)


def test_a_full_disk_leaves_the_last_checkpoint_as_it_was(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(store, "a", 1)
    work, _ = store.prepare("a", CONFIG, up_to=1)
    (work / "weights").write_text("longer")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(FileError, match=r"epoch-0002 cannot be written: No space left on device; free some space"):
        store.commit("a", epoch=2)
    assert store.epochs("a") == [1]
    assert not [path for path in store.path("a", 2).parent.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(("one", "other"), [("a/b", "a_b"), ("..", "."), ("a b", "a_b"), ("x" * 200, "x" * 201)])
def test_names_of_folders_are_safe_and_differ(one: str, other: str) -> None:
    assert folder_name(one) != folder_name(other)
    assert all("/" not in folder_name(name) and folder_name(name).strip(".") for name in (one, other))
    assert len(folder_name(one)) < 100
