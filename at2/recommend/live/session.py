"""The working folder of a live tuning: one owner at a time, every epoch on disk before it counts.

| name | what it holds |
|---|---|
| ``journal.jsonl`` | every ask and tell (`at2.recommend.journal.lines`); `at2 explain` reads it |
| ``epochs.jsonl`` | one line an epoch: status, seconds, further metrics |
| ``checkpoints/`` | what paused trainings go on from (`at2.recommend.live.checkpoints`) |
| ``failures/`` | the traceback of every configuration that crashed |
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from at2.errors import FileError
from at2.recommend.live.progress import Epoch
from at2.recommend.query import Query
from at2.tables.storage.files import folder_name, whole_file

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEAST_FREE_BYTES = 2**20


class Session:
    """One working folder.

    Args:
        folder: The folder; made where it does not exist.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise FileError(f"wanted a folder to work in, such as 'at2-tune', got {folder!r}")
        self.folder = Path(folder).expanduser()

    @property
    def journal(self) -> Path:
        """The recommender's journal."""
        return self.folder / "journal.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints lie."""
        return self.folder / "checkpoints"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder.

        Raises:
            FileError: If another process holds it, or it cannot be written.
        """
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            message = f"another process tunes in {self.folder}; wait for it, or take another workdir"
            raise FileError(message, path=self.folder) from None
        except OSError as error:
            message = f"cannot write to {self.folder}: {error.strerror or error}; take another workdir"
            raise FileError(message, path=self.folder) from error
        try:
            yield
        finally:
            lock.release()

    def note(self, epoch: Epoch) -> None:
        """Add an epoch to the log, on disk when this returns.

        Raises:
            FileError: If it cannot be written.
        """
        path = self.folder / "epochs.jsonl"
        line = json.dumps(epoch.to_json(), allow_nan=False).encode() + b"\n"
        try:
            with path.open("ab+") as file:
                if file.tell() and not _ends_a_line(path):
                    line = b"\n" + line  # the line before was torn by a crash
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise FileError(f"cannot write to {path}: {error.strerror or error}; free some space", path=path) from error

    def read_epochs(self) -> dict[int, Epoch]:
        """Give what was noted, by the number of the query; lines that were torn are left out."""
        path = self.folder / "epochs.jsonl"
        found: dict[int, Epoch] = {}
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                saved: dict[str, Any] = json.loads(line)
                saved["metrics"] = {k: float("nan") if v is None else v for k, v in saved["metrics"].items()}
                found[saved["number"]] = Epoch(**saved)
        return found

    def keep_traceback(self, query: Query, error: BaseException) -> Path:
        """Write down why a configuration crashed; gives the file."""
        path = self.folder / "failures" / f"{folder_name(query.config_id)}-epoch-{query.epoch}.txt"
        text = "".join(traceback.format_exception(error))
        with whole_file(path) as temporary:
            whole = f"{json.dumps(dict(query.config))}\n\n{text}"
            temporary.write_text(whole, encoding="utf-8", errors="backslashreplace")  # of names of files, for one
        return path

    def is_full(self, error: BaseException) -> bool:
        """Whether the disk, and not the training, is to blame for what a training raised.

        Some libraries (torch among them) report a failed write as something other than an OSError; then the free
        space decides.
        """
        cause: BaseException | None = error
        met: set[int] = set()  # an exception may be its own cause
        while cause is not None and id(cause) not in met:
            if isinstance(cause, OSError) and cause.errno in _FULL:
                return True
            met.add(id(cause))
            cause = cause.__cause__ or cause.__context__
        try:
            return shutil.disk_usage(self.folder).free < _LEAST_FREE_BYTES
        except OSError:
            return False


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
