"""Runs whose results are kept: one JSON file each, done again only where it is missing or of other settings."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from at2.bench.sweeps.record import write_json
from at2.errors import TuneError
from at2.processes import run_all


class KeptRun(Protocol):
    """A run that says where its result belongs, and what decides it."""

    @property
    def path(self) -> Path:
        """The file of the result."""

    @property
    def label(self) -> str:
        """The run in a few words."""

    def to_json(self) -> dict[str, Any]:
        """Everything that decides the result."""

    def do(self) -> dict[str, Any]:
        """Do the run and give its result as JSON values."""


def read_result(run: KeptRun) -> dict[str, Any] | None:
    """Give the result of just this run, None where there is none."""
    try:
        found = json.loads(run.path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("run") != run.to_json():
        return None
    result: dict[str, Any] = found["result"]
    return result


def do_and_keep(run: KeptRun) -> str | None:
    """Do a run and write its result, whole or not at all; gives None, or what went wrong."""
    try:
        result = run.do()
    except Exception as error:  # one run that fails must not end the others
        return f"{run.label}: {error!r}\n{traceback.format_exc()}"
    write_json(run.path, {"run": run.to_json(), "result": result})
    return None


def _lost(run: KeptRun) -> str:
    return f"{run.label}: its process died"


def run_missing(
    runs: Sequence[KeptRun],
    *,
    jobs: int = 1,
    fresh: bool = False,
    note: Callable[[int, int], object] = lambda done, n: None,
) -> None:
    """Do the runs whose results are not there yet.

    Args:
        runs: What to run; each can be pickled.
        jobs: Processes at a time.
        fresh: Do complete ones again.
        note: Called with the numbers of runs that are done and of all.

    Raises:
        TuneError: If runs failed; the others' results are kept.
    """
    missing = [run for run in runs if fresh or read_result(run) is None]
    failures: list[str] = []
    done = len(runs) - len(missing)
    note(done, len(runs))
    for failure in run_all(do_and_keep, missing, jobs=jobs, lost=_lost):
        done += 1
        failures += [failure] if failure else []
        note(done, len(runs))
    if failures:
        raise TuneError(f"{len(failures)} of {len(runs)} runs failed, the first: {failures[0]}")
