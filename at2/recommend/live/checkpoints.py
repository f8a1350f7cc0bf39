"""Checkpoints of paused trainings on disk: whole or not at all, under a size limit, the least useful dropped first.

``<folder>/<config>/work`` is what the training reads and writes; ``<folder>/<config>/epoch-0007`` is a copy of it as it
was after epoch 7. The copy is made under a temporary name and moved, and the one before is removed only once the epoch
is told, so that a process that is killed loses the epoch in flight and nothing else.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from at2.errors import FileError
from at2.recommend.query import ConfigId
from at2.tables.storage.files import folder_name, whole_file

_NAME = re.compile(r"epoch-(\d+)")
_READ_BYTES = 2**20  # files up to this size are told apart by their content: clocks of file systems are coarse
_Stamp = frozenset[tuple[str, int, int, int]]


class CheckpointStore:
    """The checkpoint folders of one tuning.

    Args:
        folder: Where they lie; made when the first one is needed.
        limit_bytes: Most bytes that `shrink` leaves; None for no limit.

    Example:
        >>> import tempfile
        >>> store = CheckpointStore(tempfile.mkdtemp())
        >>> work, epoch = store.prepare(7, {"lr": 0.1}, up_to=0)
        >>> _ = (work / "weights").write_text("after epoch 1")
        >>> store.commit(7, epoch=1)
        True
        >>> store.epochs(7)
        [1]
    """

    def __init__(self, folder: str | os.PathLike[str], *, limit_bytes: int | None = None) -> None:
        self.folder, self.limit_bytes = Path(folder), limit_bytes
        self._holds: dict[ConfigId, tuple[int, _Stamp]] = {}  # what the work folders hold that this process filled

    def prepare(self, config_id: ConfigId, config: Mapping[str, Any], *, up_to: int) -> tuple[Path, int]:
        """Give the work folder of a configuration, filled with its last checkpoint.

        Args:
            config_id: Its name.
            config: The configuration itself; written beside the checkpoints, and compared with what stands there.
            up_to: Completed epochs that were told; a later checkpoint is of an epoch that never counted.

        Returns:
            The folder, and the epoch after which its content was saved: 0 if there is none, and then it is empty.

        Raises:
            FileError: If the checkpoints are another configuration's, or the folder cannot be written.
        """
        self._check_owner(config_id, config)
        work = self.work(config_id)
        epoch = max((e for e in self.epochs(config_id) if e <= up_to), default=0)
        if work.is_dir() and self._holds.get(config_id) == (epoch, _stamp(work)):
            return work, epoch
        try:
            _remove(work)
            if epoch:
                _copy(self.path(config_id, epoch), work)
            else:
                work.mkdir(parents=True)
        except OSError as error:
            raise _unwritable(work, error) from error
        self._holds[config_id] = epoch, _stamp(work)
        return work, epoch

    def commit(self, config_id: ConfigId, *, epoch: int) -> bool:
        """Keep a copy of the work folder as the checkpoint after `epoch`, whole or not at all.

        Returns:
            Whether there was anything to keep: a training that saved nothing since the last checkpoint has none of
            this epoch.

        Raises:
            FileError: If it cannot be written, such as on a full disk; earlier checkpoints are left as they were.
        """
        work, goal = self.work(config_id), self.path(config_id, epoch)
        stamp = _stamp(work)
        before, known = self._holds.get(config_id, (0, frozenset()))
        if not stamp or (stamp == known and before != epoch):
            return False
        part = goal.with_name(f".{goal.name}.part")
        try:
            _remove(part)
            _copy(work, part)
            _remove(goal)
            part.replace(goal)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise _unwritable(goal, error) from error
        self._holds[config_id] = epoch, stamp
        return True

    def work(self, config_id: ConfigId) -> Path:
        """The work folder of a configuration, as it is."""
        return self._home(config_id) / "work"

    def path(self, config_id: ConfigId, epoch: int) -> Path:
        """Where the checkpoint after that epoch lies, or would lie."""
        return self._home(config_id) / f"epoch-{epoch:04d}"

    def epochs(self, config_id: ConfigId) -> list[int]:
        """Epochs of a configuration of which there is a checkpoint, in order."""
        home = self._home(config_id)
        names = (_NAME.fullmatch(path.name) for path in home.iterdir()) if home.is_dir() else ()
        return sorted(int(name[1]) for name in names if name)

    def tidy(self, config_id: ConfigId, *, told: int, keep: Iterable[int] = ()) -> None:
        """Remove all checkpoints but the latest that was told, and those of the epochs to keep.

        Args:
            config_id: The configuration.
            told: Its completed epochs that were told.
            keep: Further epochs whose checkpoints stay, such as that of the best reading.
        """
        epochs = self.epochs(config_id)
        latest = max((e for e in epochs if e <= told), default=0)
        for epoch in set(epochs) - {latest, *keep}:
            _remove(self.path(config_id, epoch))

    def rest(self, config_id: ConfigId) -> None:
        """Remove the work folder of a paused training; its checkpoint stays."""
        self._holds.pop(config_id, None)
        _remove(self.work(config_id))

    def drop(self, config_id: ConfigId, *, keep: Iterable[int] = ()) -> None:
        """Remove all checkpoints of a configuration but those of the epochs to keep."""
        self.rest(config_id)
        kept = set(keep)
        for epoch in set(self.epochs(config_id)) - kept:
            _remove(self.path(config_id, epoch))
        if not kept:
            _remove(self._home(config_id))

    def size_bytes(self) -> int:
        """Bytes of all checkpoints together, work folders included."""
        return _size(self.folder)

    def is_over_limit(self) -> bool:
        """Whether there is more than the limit allows."""
        return self.limit_bytes is not None and self.size_bytes() > self.limit_bytes

    def shrink(self, least_useful: Iterable[tuple[ConfigId, tuple[int, ...]]]) -> list[ConfigId]:
        """Drop checkpoints until they fit the limit.

        Args:
            least_useful: Configurations that may lose theirs, the least useful first, each with the epochs to keep.

        Returns:
            Those whose checkpoints were dropped; if their turn comes, they are trained again from the start.
        """
        dropped: list[ConfigId] = []
        limit = math.inf if self.limit_bytes is None else self.limit_bytes
        size = self.size_bytes()
        for config_id, keep in least_useful:
            if size <= limit:
                break
            before = _size(self._home(config_id))
            if before:
                self.drop(config_id, keep=keep)
                size -= before - _size(self._home(config_id))
                dropped.append(config_id)
        return dropped

    def _home(self, config_id: ConfigId) -> Path:
        return self.folder / folder_name(config_id)

    def _check_owner(self, config_id: ConfigId, config: Mapping[str, Any]) -> None:
        """Write down whose checkpoints these are, or compare."""
        path = self._home(config_id) / "config.json"
        wanted = {"config_id": config_id, "config": dict(config)}
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            found = wanted
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
        except (OSError, ValueError) as error:
            raise FileError(f"{path} cannot be read ({error}); remove {path.parent}", path=path) from error
        if found != json.loads(json.dumps(wanted)):
            message = (
                f"the checkpoints in {path.parent} are of configuration {found}, not of {wanted}; "
                "remove that folder, or take another workdir"
            )
            raise FileError(message, path=path.parent)


def _stamp(folder: Path) -> _Stamp:
    """What files there are, how long, when they were written, and what is in the small ones; empty without any."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            stat = path.stat()
            crc = zlib.crc32(path.read_bytes()) if stat.st_size <= _READ_BYTES else 0
            found.append((str(path.relative_to(folder)), stat.st_size, stat.st_mtime_ns, crc))
    return frozenset(found)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _copy(source: Path, goal: Path) -> None:
    """Copy a folder and bring it to the disk; times are kept."""
    shutil.copytree(source, goal, symlinks=True)  # links may lead nowhere, or anywhere
    for path in goal.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _unwritable(path: Path, error: OSError) -> FileError:
    reason = getattr(error, "strerror", None) or error
    return FileError(f"the checkpoint {path} cannot be written: {reason}; free some space, then go on", path=path)
