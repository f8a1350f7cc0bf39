"""An append-only journal: one JSON object a line, each with a checksum, on disk before a result counts as told.

Line 1 is the header (everything needed to rebuild the recommender), every further line an event:
``{"crc": "9ae0daaf", "record": {"event": "tell", "number": 0, "value": 0.71, "failed": false, "seconds": null}}``.
A checksum goes on from that of the line before, so that a line that is missing, moved or doubled shows as well. A last
line without a line break is what a crash in the middle of a write leaves behind: it is dropped. Anything else that does
not fit is corruption and is said so.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from at2.errors import CorruptFileError, FileError
from at2.tables import whole_file

KIND, VERSION = "at2-journal", 1
Record = Mapping[str, Any]


class Journal:
    """A journal that is open for appending.

    Args:
        path: The file; it exists and holds `size_bytes` of whole lines.
        size_bytes: Where the next line goes.
        crc: Checksum of the last whole line.
        torn_bytes: What a crash has left behind the last whole line; it is cut off before the next one is written.
    """

    def __init__(self, path: str | os.PathLike[str], size_bytes: int, crc: int, *, torn_bytes: int = 0) -> None:
        self.path = Path(path)
        self._size_bytes, self._crc, self._torn_bytes = size_bytes, crc, torn_bytes

    @classmethod
    def create(cls, path: str | os.PathLike[str], header: Record, events: Sequence[Record] = ()) -> Journal:
        """Write a new journal, whole or not at all, in place of whatever stood at `path`.

        Raises:
            FileError: If the file cannot be written; the message says why, and the way out.
        """
        text, crc = b"", 0
        for record in (header, *events):
            line, crc = _line(record, crc)
            text += line
        with whole_file(Path(path)) as temporary:
            temporary.write_bytes(text)
        return cls(path, len(text), crc)

    def append(self, event: Record) -> None:
        """Add a line and return once it is on disk; on failure the file stays as it was.

        Raises:
            FileError: If the disk is full, or the file is gone or is not as it was left: somebody else writes to it.
        """
        line, crc = _line(event, self._crc)
        try:
            with self.path.open("r+b") as file:
                end, left = file.seek(0, os.SEEK_END), self._size_bytes + self._torn_bytes
                if end != left:
                    raise OSError(
                        f"it has {end} bytes where {left} were left, so another process writes to it, or it was cut "
                        "off; let one alone write to a journal, and resume it to go on from what it holds now"
                    )
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
        self._size_bytes, self._crc, self._torn_bytes = self._size_bytes + len(line), crc, 0

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
        records, crc = _parse(whole.splitlines(keepends=True), place)
        if not records or records[0].get("kind") != KIND:
            raise CorruptFileError(f"{place} does not start like a journal of at2; nothing can be resumed", path=place)
        if records[0].get("version") != VERSION:
            version = records[0].get("version")
            raise CorruptFileError(f"{place} is a journal of version {version!r}, this at2 reads {VERSION}", path=place)
        return cls(place, len(whole), crc, torn_bytes=len(content) - len(whole)), records[0], records[1:]


def _dump(record: Record) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _line(record: Record, previous_crc: int) -> tuple[bytes, int]:
    text = _dump(record)
    crc = zlib.crc32(text.encode(), previous_crc)
    return f'{{"crc":"{crc:08x}","record":{text}}}\n'.encode(), crc


def _parse(lines: Sequence[bytes], place: Path) -> tuple[list[dict[str, Any]], int]:
    """Records of whole lines and the last checksum; every line must be just what we would have written."""
    records, crc = [], 0
    for number, line in enumerate(lines, start=1):
        record = _record(line)
        expected, crc = _line(record or {}, crc)
        if record is None or line != expected:
            message = f"line {number} of the journal {place} is damaged, or one before it is gone; restore the file"
            raise CorruptFileError(message, path=place)
        records.append(record)
    return records, crc


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)["record"]
    except (ValueError, KeyError, TypeError):
        return None
    return record if isinstance(record, dict) else None


def _write(descriptor: int, content: bytes) -> None:
    """Write all of it and wait for the disk."""
    while content:
        content = content[os.write(descriptor, content) :]
    os.fsync(descriptor)
