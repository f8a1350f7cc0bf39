"""An append-only journal: one JSON object a line, each with a checksum, on disk before a result counts as told.

Line 1 is the header (everything needed to rebuild the recommender), every further line an event:
``{"crc": "9ae0daaf", "record": {"event": "tell", "number": 0, "value": 0.71, "failed": false, "seconds": null}}``.
A last line without a line break is what a crash in the middle of a write leaves behind: it is dropped. Anything else
that does not fit is corruption and is said so.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from at2.errors import CorruptFileError, FileError

KIND, VERSION = "at2-journal", 1
Record = Mapping[str, Any]


class Journal:
    """A journal that is open for appending.

    Args:
        path: The file; it exists and holds `size_bytes` of whole lines.
        size_bytes: Where the next line goes; a torn line behind it is cut off.
    """

    def __init__(self, path: str | os.PathLike[str], size_bytes: int) -> None:
        self.path = Path(path)
        self._size_bytes = size_bytes

    @classmethod
    def create(cls, path: str | os.PathLike[str], header: Record, events: Sequence[Record] = ()) -> Journal:
        """Write a new journal, whole or not at all, in place of whatever stood at `path`.

        Raises:
            FileError: If the folder cannot be written to.
        """
        place = Path(path)
        text = b"".join(_line(record) for record in (header, *events))
        spare = place.with_name(f".{place.name}.{os.getpid()}.tmp")
        try:
            with spare.open("wb") as file:
                _write(file.fileno(), text)
            spare.replace(place)
            _sync_folder(place.parent)
        except OSError as error:
            with contextlib.suppress(OSError):
                spare.unlink()
            raise FileError(f"cannot write the journal {place}: {error.strerror or error}", path=place) from error
        return cls(place, len(text))

    def append(self, event: Record) -> None:
        """Add a line and return once it is on disk; on failure the file stays as it was.

        Raises:
            FileError: If the disk is full, or the file is gone or has shrunk.
        """
        line = _line(event)
        try:
            with self.path.open("r+b") as file:
                if file.seek(0, os.SEEK_END) < self._size_bytes:
                    raise OSError("the file has become shorter than what was written to it")
                file.truncate(self._size_bytes)
                file.seek(self._size_bytes)
                try:
                    _write(file.fileno(), line)
                except OSError:
                    file.truncate(self._size_bytes)
                    raise
        except OSError as error:
            message = f"cannot append to the journal {self.path}: {error.strerror or error}; nothing was told"
            raise FileError(message, path=self.path) from error
        self._size_bytes += len(line)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> tuple[Journal, dict[str, Any], list[dict[str, Any]]]:
        """Read header and events, dropping a torn last line; the journal goes on behind the last whole one.

        Raises:
            FileError: If the file cannot be read.
            CorruptFileError: If a whole line is damaged, or it is no journal of this version.
        """
        place = Path(path)
        try:
            content = place.read_bytes()
        except OSError as error:
            raise FileError(f"cannot read the journal {place}: {error.strerror or error}", path=place) from error
        whole = content[: content.rfind(b"\n") + 1]
        records = [_parse(line, place, k) for k, line in enumerate(whole.splitlines(), start=1)]
        if not records or records[0].get("kind") != KIND:
            raise CorruptFileError(f"{place} does not start like a journal of at2; nothing can be resumed", path=place)
        if records[0].get("version") != VERSION:
            version = records[0].get("version")
            raise CorruptFileError(f"{place} is a journal of version {version!r}, this at2 reads {VERSION}", path=place)
        return cls(place, len(whole)), records[0], records[1:]


def _dump(record: Record) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _line(record: Record) -> bytes:
    text = _dump(record)
    return f'{{"crc":"{zlib.crc32(text.encode()):08x}","record":{text}}}\n'.encode()


def _parse(line: bytes, place: Path, number: int) -> dict[str, Any]:
    try:
        outer = json.loads(line)
        record = outer["record"]
        if isinstance(record, dict) and _line(record).rstrip() == line.rstrip():
            return record
    except (ValueError, KeyError, TypeError):
        pass
    raise CorruptFileError(f"line {number} of the journal {place} is damaged; restore the file from a copy", path=place)


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it and wait for the disk."""
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename last; systems that cannot open folders do without."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
