"""What happened in a run, call by call: kept in memory, and in a journal once there is one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from at2.errors import FileError
from at2.recommend.journal.ledger import Told
from at2.recommend.journal.lines import Journal, Record
from at2.recommend.query import Query

Event = dict[str, Any]


def ask_event(query: Query) -> Event:
    """Say that a query was handed out."""
    event: Event = {"event": "ask", "number": query.number, "config_id": query.config_id, "epoch": query.epoch}
    return event if query.expected_gain is None else {**event, "expected_gain": query.expected_gain}


def tell_event(result: Told) -> Event:
    """Say that a result came back; it failed if it has no value."""
    return {
        "event": "tell",
        "number": result.query.number,
        "value": result.value,
        "failed": result.value is None,
        "seconds": result.seconds,
    }


def stop_event(reason: str) -> Event:
    """Say that the run stopped before its budget was spent, and why."""
    return {"event": "stop", "reason": reason}


class RunLog:
    """How a run was set up and what has happened since.

    Args:
        header: Everything needed to set it up again, as JSON values.
        events: What has happened, oldest first.
        journal: The file that holds both and is kept up to date; None without one.
    """

    def __init__(self, header: Record, events: Sequence[Event] = (), journal: Journal | None = None) -> None:
        self.header = dict(header)
        self._events, self._journal = list(events), journal

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> RunLog:
        """Read a journal, whole or with a torn last line, and go on in it.

        Raises:
            FileError: If it cannot be read.
            CorruptFileError: If it is damaged.
        """
        journal, header, events = Journal.read(path)
        return cls(header, events, journal)

    @property
    def events(self) -> tuple[Event, ...]:
        """What has happened, oldest first."""
        return tuple(self._events)

    def start(self, path: str | os.PathLike[str]) -> None:
        """Keep a journal from here on, in a new file.

        Raises:
            FileError: If the file exists already or cannot be written.
        """
        if Path(path).exists():
            raise FileError(f"the journal {path} exists already; go on with Recommender.resume", path=path)
        self.save(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything so far to a file, in place of whatever stood there, and keep it up to date.

        Raises:
            FileError: If the file cannot be written; an older file is left as it was.
        """
        self._journal = Journal.create(path, self.header, self._events)

    def add(self, event: Event) -> None:
        """Add what has happened; with a journal, it is on disk when this returns.

        Raises:
            FileError: If the journal cannot be written; then nothing was added.
        """
        if self._journal is not None:
            self._journal.append(event)
        self._events.append(event)
