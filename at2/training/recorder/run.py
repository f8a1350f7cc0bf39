"""One run in whatever process it is called: trained epoch by epoch, each on the disk before the next begins."""

from __future__ import annotations

import functools
import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from at2.errors import At2Error, CorruptFileError, FileError
from at2.tables import RunStatus
from at2.training.checkpoint import check_identity, read_checkpoint, write_checkpoint
from at2.training.loop import Training
from at2.training.recorder.series import Series
from at2.training.tasks import load_task

if TYPE_CHECKING:
    from at2.training.recorder.plan import Run
    from at2.training.tasks import ImageTask

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        run: The run.
        status: How it ended.
        message: Why it crashed; empty otherwise.
    """

    run: Run
    status: RunStatus
    message: str = ""


def record_run(run: Run, *, tally: Path | None = None) -> Outcome:
    """Train a run to its end, or go on with it where it was stopped.

    One file holds the training's state and all values so far. It is replaced after each epoch, so that whatever happens
    costs the epoch in flight at most.

    Args:
        run: The run.
        tally: File that gets one byte for each epoch, for whoever shows the progress.

    Raises:
        FileError: If the run's file, or a file of its task, cannot be read or written.
    """
    series = Series()
    try:
        training = Training.from_config(_task(run.source), run.config, seed=run.seed, device=run.device)
        series = _resume(run, training)
        while not series.is_done:
            record_epoch(run, training, series)
            _count(tally)
    except FileError:
        raise
    except Exception as error:  # a crash costs this run only
        series.status, series.message = RunStatus.CRASHED, f"{type(error).__name__}: {error}"
        note_crash(run, series.message)
    return Outcome(run, series.status, series.message)


def read_run(path: Path) -> Series | None:
    """Return what a run's file holds, None where there is no file that can be read."""
    try:
        return Series.from_payload(read_checkpoint(path)["series"])
    except CorruptFileError as error:
        _log.warning("%s", error)
    except FileError:
        pass
    return None


def note_crash(run: Run, message: str) -> None:
    """Write into a run's file that it crashed, and why; what it had shown, and its state, stay."""
    try:
        payload = read_checkpoint(run.path)
    except FileError:
        payload = {"identity": None, "state": None, "series": Series().to_payload()}
    payload["series"] |= {"status": int(RunStatus.CRASHED), "message": message}
    write_checkpoint(run.path, payload)


def record_epoch(run: Run, training: Training, series: Series) -> None:
    """Train one epoch and bring it to the disk, in the run's file.

    Raises:
        FileError: If the file cannot be written; the epochs before are in it.
    """
    result = training.run_epoch(extra=run.extra)
    _check_extra(result.validation.extra, run)
    series.add(result)
    if not series.is_done:
        series.status = RunStatus.OK if training.epoch >= run.n_epoch else RunStatus.STOPPED_EARLY
    state = None if series.is_done else training.state()
    write_checkpoint(run.path, {"identity": training.identity, "state": state, "series": series.to_payload()})


def _resume(run: Run, training: Training) -> Series:
    """Bring a training to where its file says that it was, and return what it has shown."""
    if not run.path.exists():
        return Series()
    try:
        payload = read_checkpoint(run.path, device=training.device)
    except CorruptFileError as error:
        _log.warning("%s; %s begins anew", error, run.name)
        return Series()
    if payload["identity"] is None:  # it crashed before its first epoch was through
        return Series()
    check_identity(payload["identity"], training.identity, path=run.path)
    series = Series.from_payload(payload["series"])
    if payload["state"] is not None:
        training.load_state(payload["state"])
        series.status, series.message = RunStatus.STOPPED_EARLY, ""
    return series


def _check_extra(values: object, run: Run) -> None:
    for name, value in dict(values).items():  # type: ignore[call-overload]
        if not math.isfinite(value):
            raise At2Error(f"the metric {name!r} is {value} for {run.name}; it must be a finite number")


def _count(tally: Path | None) -> None:
    """Add a byte; several processes may do so at once."""
    if tally is not None:
        descriptor = os.open(tally, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)


@functools.lru_cache(maxsize=2)
def _task(source: str) -> ImageTask:
    """Load a task once a process."""
    return load_task(source)
