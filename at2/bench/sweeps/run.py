"""Many runs into one record: what is complete is kept, the rest is done, a failure costs its own run only."""

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from at2.bench.sweeps.execute import Outcome, execute
from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.record import RunFolder, write_text
from at2.errors import At2Error, FileError
from at2.processes import run_all


def run_sweep(
    plan: Sequence[RunConfig],
    *,
    record: Path,
    jobs: int = 1,
    fresh: bool = False,
    predictions: bool = True,
    on_outcome: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Do the runs of a plan, each in a folder of its own, and give what became of them.

    Args:
        plan: The runs; no two alike.
        record: Folder for the runs' folders; made where it is missing.
        jobs: Processes at a time, each with one thread.
        fresh: Whether to do complete runs again.
        predictions: Whether to keep what at2 expects of its leading configurations at each step, for the report.
        on_outcome: Called after each run, for progress.

    Returns:
        One outcome for each run, in the order of the plan.

    Raises:
        At2Error: If two runs of the plan are alike.
        FileError: If the record cannot be written.
    """
    folders = [RunFolder(record, run) for run in plan]
    if len({folder.path for folder in folders}) < len(folders):
        raise At2Error("the plan lists a run twice; name each pair, seed and tuner once")
    _make_folder(record)
    if fresh:
        for folder in folders:
            (folder.path / "result.json").unlink(missing_ok=True)
    outcomes: dict[RunConfig, Outcome] = {}
    to_do = []
    for folder in folders:
        if folder.is_complete():
            _note(Outcome(folder.run, "kept"), outcomes, on_outcome)
        else:
            to_do.append(folder.run)
    lost = functools.partial(_give_up, record=record)
    for outcome in run_all(
        functools.partial(execute, record=record, predictions=predictions), to_do, jobs=jobs, lost=lost
    ):
        _note(outcome, outcomes, on_outcome)
    return [outcomes[run] for run in plan]


def _note(outcome: Outcome, outcomes: dict[RunConfig, Outcome], on_outcome: Callable[[Outcome], None] | None) -> None:
    outcomes[outcome.run] = outcome
    if on_outcome is not None:
        on_outcome(outcome)


def _give_up(run: RunConfig, *, record: Path) -> Outcome:
    """Write down that a run's process died, where the run itself no longer could."""
    message = "its process died (killed for memory, or a crash in compiled code)"
    write_text(RunFolder(record, run).path / "error.txt", message + "\n")
    return Outcome(run, "failed", message)


def _make_folder(record: Path) -> None:
    try:
        record.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the record {record}: {error}; choose another --record", path=record) from error


def find_runs(record: Path) -> list[RunConfig]:
    """List the complete runs of a record, by the names of their folders.

    Raises:
        FileError: If the record is no folder, or holds no complete run.
    """
    if not record.is_dir():
        raise FileError(f"no record at {record}; make one with `at2 sweep --record {record}`", path=record)
    runs = []
    for path in sorted(record.glob("*/result.json")):
        try:
            run = RunConfig.from_json(json.loads((path.parent / "config.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, At2Error):
            continue
        if RunFolder(record, run).is_complete():
            runs.append(run)
    if not runs:
        raise FileError(f"the record {record} holds no complete run; run `at2 sweep --record {record}`", path=record)
    return runs
