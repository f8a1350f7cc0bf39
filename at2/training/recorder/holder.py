"""One recorder to a file: the second waits, or says who holds it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from at2.errors import FileError


@contextlib.contextmanager
def held(path: Path, *, wait: bool, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Hold a recording; the lock ends with the process, however that ends.

    Args:
        path: The recording's file.
        wait: Whether to wait for another recorder; else it is an error.
        on_wait: Is told who holds the file before the waiting begins.

    Raises:
        FileError: If another recorder holds the file and `wait` is False, or the folder cannot be written.
    """
    note = path.with_name(f".{path.name}.holder")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f".{path.name}.lock")
        file.touch()  # where none can be made, waiting for it would never end
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            message = f"{path}: is being recorded by {_read(note)}"
            if not wait:
                raise FileError(f"{message}; wait for it, or give another --out", path=path) from None
            on_wait(f"{message}; waiting for it to end")
            lock.acquire()
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be locked ({error.strerror or error}); choose another folder") from error
    try:
        with contextlib.suppress(OSError):  # the note is for people; the lock holds without it
            note.write_text(json.dumps(_describe()), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _describe() -> dict[str, object]:
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    return {"process": os.getpid(), "machine": socket.gethostname(), "since": since}


def _read(note: Path) -> str:
    try:
        holder = json.loads(note.read_text(encoding="utf-8"))
        return f"process {holder['process']} on {holder['machine']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
