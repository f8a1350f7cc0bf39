"""Where the results of a regret bench are kept: one file of JSON lines for each rival, budget and protocol.

The first line says what the file is about, every other one is a run. Lines are appended as runs end; a line that was
cut off by a kill is dropped when the file is opened again. Of several lines about one case the last counts.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from at2.bench.story import write_story
from at2.bench.sweeps.record import write_text
from at2.errors import FileError

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

SCHEMA = 1
"""Version of the lines; files of another version are named and left out."""

FOLDER = "regret"
"""Folder of these files within a record."""

STORIES = "stories"
"""Folder of the stories of watched runs within `FOLDER`."""

MARKS = (0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 175, 200, 250, 300, 350, 400)
"""Epochs after which a run's standing is kept; hundreds of epochs more follow in steps of 100."""

Key = tuple[str, int, int]


@dataclass(frozen=True)
class Series:
    """What the runs of one file have in common.

    Args:
        protocol: Label of the protocol, such as ``"loo-4"``.
        database: Name of the table.
        metric: Name of the metric.
        table: Fingerprint of the table.
        rival: Who tunes.
        budget: Amount that may be spent.
        unit: ``"epochs"`` or ``"seconds"``.
    """

    protocol: str
    database: str
    metric: str
    table: str
    rival: str
    budget: float
    unit: str = "epochs"

    @property
    def file_name(self) -> str:
        """Name of the file, readable."""
        words = (self.protocol, Path(self.database).stem, self.rival, f"{self.budget:g}-{self.unit}")
        return f"{_file_name(*words)}.jsonl"

    def to_json(self) -> dict[str, Any]:
        """Give the fields as plain JSON values."""
        return {"schema": SCHEMA, **vars(self)}


class ResultFile:
    """The file of one series, open for reading and appending.

    Args:
        record: Folder of the record.
        series: What its runs have in common.

    Raises:
        FileError: If the file belongs to another table or version, or cannot be written.
    """

    def __init__(self, record: Path, series: Series) -> None:
        self.path = record / FOLDER / series.file_name
        self.series = series
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))

    def open(self, *, environment: Mapping[str, Any], fresh: bool = False) -> None:
        """Take the file for writing; it is made where it is missing, and mended where its last line was cut off.

        Args:
            environment: What the runs run on; kept in the first line of a new file.
            fresh: Whether to forget what it holds.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise FileError(
                f"{self.path} is written by another process; wait for it, or choose another --record", path=self.path
            ) from error
        except OSError as error:
            raise FileError(f"cannot write to {self.path.parent}: {error}; choose another --record") from error
        lines = [] if fresh or not self.path.exists() else _whole_lines(self.path)
        if not lines:
            lines = [json.dumps({**self.series.to_json(), "environment": dict(environment)})]
        else:
            self._check(lines[0])
        write_text(self.path, "\n".join(lines) + "\n")

    def _check(self, header: str) -> None:
        found = _parse(header)
        wanted = self.series.to_json()
        wrong = [name for name, value in wanted.items() if found.get(name) != value]
        if wrong:
            raise FileError(
                f"{self.path} was written with another {', '.join(wrong)}; pass --fresh to start it anew, or choose "
                "another --record",
                path=self.path,
            )

    def close(self) -> None:
        """Let others write."""
        self._lock.release()

    def append(self, result: Mapping[str, Any], *, story: Mapping[str, Any] | None = None) -> None:
        """Append one result and flush it; a run's story goes to a file of its own, and first."""
        if story is not None:
            words = (result["target"], f"draw-{result['draw']}", f"seed-{result['seed']}")
            name = f"{self.path.stem}_{_file_name(*words)}.json"
            write_story(self.path.parent / STORIES / name, {**self.series.to_json(), **story})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(dict(result), allow_nan=False) + "\n")

    def done(self) -> set[Key]:
        """Give the keys of the cases that have a result."""
        return {key for key, result in self.results().items() if "error" not in result}

    def results(self) -> dict[Key, dict[str, Any]]:
        """Give the last result of each case."""
        return _results(_whole_lines(self.path)) if self.path.exists() else {}


def read_results(record: Path) -> "pd.DataFrame":
    """Read all results of a record, one row a run.

    Args:
        record: Folder of the record.

    Returns:
        Frame with the fields of `Series` and of the results; ``sources`` and ``trace`` hold lists, and ``error`` is
        None where the run went well. Its ``attrs["left_out"]`` lists a reason for each file or line that was left out.

    Raises:
        FileError: If there is no file that can be read.
    """
    import pandas as pd

    rows, left_out = read_rows(record)
    if not rows:
        told = f" ({'; '.join(left_out)})" if left_out else ""
        raise FileError(f"the record {record} holds no result of `at2 bench regret`{told}; run it first", path=record)
    frame = pd.DataFrame(rows)
    frame.attrs["left_out"] = left_out
    return frame


def read_rows(record: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read all results of a record, and say what had to be left out, and why; both may be empty."""
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    for path in result_paths(record):
        lines, n_broken = _split_lines(path)
        header = _parse(lines[0]) if lines else {}
        missing = sorted(set(Series.__dataclass_fields__) - set(header))
        if header.get("schema") != SCHEMA:
            left_out.append(f"{path.name}: version {header.get('schema')} instead of {SCHEMA}")
            continue
        if missing:
            left_out.append(f"{path.name}: its first line lacks {', '.join(missing)}")
            continue
        common = {name: header[name] for name in Series.__dataclass_fields__}
        found = _results(lines).values()
        rows += [{**common, "error": None, **result} for result in found]
        n_broken += len(lines) - 1 - sum(1 for _ in _rows(lines[1:]))
        if n_broken:
            left_out.append(f"{path.name}: {n_broken} broken line{'s' if n_broken > 1 else ''}")
    return rows, left_out


def result_paths(record: Path) -> list[Path]:
    """List the files of results of a record."""
    return sorted((record / FOLDER).glob("*.jsonl"))


def read_environments(record: Path) -> list[dict[str, Any]]:
    """Give what the files of results say they were made on, those that can be read."""
    headers = [_parse(lines[0]) for path in result_paths(record) if (lines := _split_lines(path)[0])]
    return [header["environment"] for header in headers if isinstance(header.get("environment"), dict)]


def _file_name(*words: str) -> str:
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "-", word) for word in words)


def _whole_lines(path: Path) -> list[str]:
    """Give the lines of a file that are complete JSON objects."""
    whole, n_broken = _split_lines(path)
    if n_broken:
        _log.warning("%s: %d broken lines are left out", path, n_broken)
    return whole


def _split_lines(path: Path) -> tuple[list[str], int]:
    """Give the lines of a file that are complete JSON objects, and the number of those that are not."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FileError(f"cannot read {path}: {error}", path=path) from error
    lines = [line for line in text.splitlines() if line.strip()]
    whole = [line for line in lines if _parse(line)]
    return whole, len(lines) - len(whole)


def _parse(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _results(lines: list[str]) -> dict[Key, dict[str, Any]]:
    found: dict[Key, dict[str, Any]] = {}
    for result in _rows(lines[1:]):
        key = result["target"], result["draw"], result["seed"]
        if "error" not in result or key not in found:
            found[key] = result
    return found


def _rows(lines: list[str]) -> Iterator[dict[str, Any]]:
    """Give the results among the lines: those that name their case, and its figures or what went wrong."""
    for line in lines:
        result = _parse(line)
        if {"target", "draw", "seed"} <= set(result) and ("error" in result or {"regret", "trace"} <= set(result)):
            yield result
