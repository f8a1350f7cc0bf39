"""The folder of one run: written whole or not at all, recognized as complete by its result."""

import contextlib
import json
import logging
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from at2.bench.sweeps.environment import describe_environment
from at2.errors import FileError
from at2.tables.storage.files import whole_file

if TYPE_CHECKING:
    from at2.bench.sweeps.plan import RunConfig

SCHEMA = 1
"""Version of ``result.json``; a result of another version is not complete and is made again."""

STORY_FILE = "story.json"
"""Name of a run's story within its folder, see `at2.bench.story`."""


class RunFolder:
    """One run's folder in a record.

    It holds ``config.json`` (what was run), ``environment.json`` (on what), ``events.jsonl`` (what happened when, with
    timings), ``stdout.txt`` (what the run printed and logged), and at the end ``story.json`` (what a report shows of
    the run) and ``result.json``, whose bytes depend on nothing but ``config.json`` and the code. A failed run holds
    ``error.txt`` instead of a result.

    Args:
        record: The folder that holds the runs' folders.
        run: The run.
    """

    def __init__(self, record: Path, run: "RunConfig") -> None:
        self.path = record / run.folder_name
        self.run = run

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; another process that wants the same run waits, and then finds it complete.

        Raises:
            FileError: If the folder cannot be made or written.
        """
        lock = FileLock(self.path / ".lock")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            message = f"cannot write the run {self.path}: {error}; choose another --record"
            raise FileError(message, path=self.path) from error
        try:
            yield
        finally:
            lock.release()

    def is_complete(self) -> bool:
        """Say whether the folder holds the result of just this run."""
        result = self.read_result()
        return result is not None and result["config"] == self.run.to_json()

    def read_result(self) -> dict[str, Any] | None:
        """Give the result, or None where there is none that can be read."""
        try:
            result = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        is_ours = isinstance(result, dict) and result.get("schema") == SCHEMA and "config" in result
        return result if is_ours else None

    def begin(self) -> None:
        """Forget an earlier attempt and write down what is run, and on what."""
        for name in ("result.json", STORY_FILE, "error.txt", "events.jsonl", "stdout.txt"):
            (self.path / name).unlink(missing_ok=True)
        write_json(self.path / "config.json", self.run.to_json())
        write_json(self.path / "environment.json", describe_environment())

    @contextlib.contextmanager
    def events(self) -> Iterator["EventLog"]:
        """Open the log of events; it is flushed after each."""
        with (self.path / "events.jsonl").open("w", encoding="utf-8") as file:
            yield EventLog(file)

    @contextlib.contextmanager
    def captured_output(self) -> Iterator[None]:
        """Send what is printed and what at2 logs to ``stdout.txt``."""
        with (self.path / "stdout.txt").open("w", encoding="utf-8") as file:
            handler = logging.StreamHandler(file)
            handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
            logger = logging.getLogger("at2")
            level = logger.level
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            try:
                with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                    yield
            finally:
                logger.removeHandler(handler)
                logger.setLevel(level)

    def finish(self, result: dict[str, Any]) -> None:
        """Write the result; from now on the run is complete."""
        write_json(self.path / "result.json", {"schema": SCHEMA, "config": self.run.to_json(), **result})

    def fail(self, error: BaseException) -> None:
        """Write down why there is no result."""
        text = "".join(traceback.format_exception(error))
        write_text(self.path / "error.txt", text)


class EventLog:
    """Appends one JSON object a line, each with the seconds since the log was opened."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._start = time.perf_counter()

    def write(self, event: str, **values: Any) -> None:
        """Append an event and flush it."""
        line = {"event": event, "at_s": round(time.perf_counter() - self._start, 6), **values}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Read a run's events; a last line that was cut off is left out."""
    events = []
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            events.append(json.loads(line))
    return events


def write_json(path: Path, values: Any) -> None:
    """Write JSON, whole or not at all: sorted names, a line each, no NaN."""
    write_text(path, json.dumps(values, indent=1, sort_keys=True, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with plain line ends, whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes, whole or not at all.

    Raises:
        FileError: If they cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
