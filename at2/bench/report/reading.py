"""Everything that a record holds, as one frame of runs, some stories, and a reason for whatever was left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.regret.results import FOLDER, STORIES, read_environments, read_rows
from at2.bench.report.sweeps import read_sweep_runs
from at2.bench.story import read_story
from at2.errors import FileError

if TYPE_CHECKING:
    import pandas as pd

OPTIONAL = ("n_epoch", "n_steps", "train_s", "clock")
"""Figures that records of earlier versions lack."""


@dataclass
class Record:
    """What a report is made from.

    Args:
        runs: A row for each run, of `at2 bench regret` and of `at2 sweep` alike: the columns of
            `at2.bench.regret.results.read_results`; what is not known is None.
        stories: Runs in all detail, see `at2.bench.story`.
        environments: What the runs ran on, each once, with the number of files that say so as ``n``.
        left_out: A reason for each thing that could not be used.
    """

    runs: pd.DataFrame
    stories: list[dict[str, Any]] = field(default_factory=list)
    environments: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_record(record: Path) -> Record:
    """Read a record of `at2 sweep`, of `at2 bench regret`, or of both.

    Raises:
        FileError: If the folder does not exist or holds no run that can be shown; the message says what it holds.
    """
    import pandas as pd

    if not record.is_dir():
        raise FileError(f"no record at {record}; make one with `at2 sweep` or `at2 bench regret`", path=record)
    rows, left_out = read_rows(record)
    sweep = read_sweep_runs(record)
    left_out = [*left_out, *sweep.left_out]
    rows = [*rows, *sweep.rows]
    if not any(row["error"] is None for row in rows):
        told = _listed([*left_out, *_failures(rows)])
        raise FileError(
            f"the record {record} holds no complete run{told}; run `at2 sweep --record {record}` or "
            f"`at2 bench regret --record {record}`",
            path=record,
        )
    watched, unread = _read_stories(record)
    runs = pd.DataFrame(rows)
    for name in OPTIONAL:
        runs[name] = runs[name].astype(object).where(runs[name].notna(), None) if name in runs else None
    return Record(
        runs,
        stories=[*sweep.stories, *watched],
        environments=_distinct([*read_environments(record), *sweep.environments]),
        left_out=[*left_out, *unread, *_failures(rows)],
    )


def _read_stories(record: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the stories of `at2 bench regret`, and say which cannot be read."""
    stories, left_out = [], []
    for path in sorted((record / FOLDER / STORIES).glob("*.json")):
        story = read_story(path)
        if isinstance(story, str):
            left_out.append(f"{path.name}: {story}")
        else:
            stories.append(story)
    return stories, left_out


def _failures(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Say for each rival how many of its runs failed, and why the first did."""
    failed = [row for row in rows if row["error"] is not None]
    counts = Counter(row["rival"] for row in failed)
    for rival, n in counts.items():
        first = next(row for row in failed if row["rival"] == rival)
        which = f"on {first['target']}" if n == 1 else f"the first on {first['target']}"
        yield f"{n} run{'s' if n > 1 else ''} of {rival} failed, {which}: {first['error']}"


def _distinct(environments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give each environment once, those of most runs first."""
    counts = Counter(json.dumps(environment, sort_keys=True) for environment in environments)
    return [{**json.loads(text), "n": n} for text, n in counts.most_common()]


def _listed(reasons: list[str], *, most: int = 5) -> str:
    if not reasons:
        return ""
    more = f"; and {len(reasons) - most} more" if len(reasons) > most else ""
    return f" ({'; '.join(reasons[:most])}{more})"
