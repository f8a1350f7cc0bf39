"""One run from its configuration to its record, in whatever process it is called."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.replay.cases import cached_table
from at2.bench.story import StoryRecorder, write_story
from at2.bench.sweeps.record import STORY_FILE, RunFolder
from at2.tables.storage.frames import plain_value

if TYPE_CHECKING:
    from at2.bench.replay.runner import Step
    from at2.bench.sweeps.plan import RunConfig
    from at2.bench.sweeps.record import EventLog

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        run: The run.
        status: ``"done"``, ``"kept"`` (was complete already) or ``"failed"``.
        message: Why it failed, in one line; empty otherwise.
    """

    run: "RunConfig"
    status: str
    message: str = ""


def execute(run: "RunConfig", *, record: Path, predictions: bool = True) -> Outcome:
    """Do a run and write its folder, unless the folder already holds its result.

    What goes wrong inside the run ends up in its ``error.txt`` and in the outcome, so that the runs beside it go on.

    Args:
        run: What to run.
        record: The folder that holds the runs' folders.
        predictions: Whether the run's story (see `at2.bench.story`) holds what was expected at each step.

    Raises:
        FileError: If the folder cannot be written.
    """
    folder = RunFolder(record, run)
    with folder.locked():
        if folder.is_complete():
            return Outcome(run, "kept")
        folder.begin()
        try:
            with folder.captured_output(), folder.events() as events:
                result, story = _play(run, events, predictions=predictions)
        except Exception as error:  # whatever a tuner raises costs this run only
            folder.fail(error)
            return Outcome(run, "failed", f"{type(error).__name__}: {error}")
        write_story(folder.path / STORY_FILE, story)
        folder.finish(result)
    return Outcome(run, "done")


def _play(run: "RunConfig", events: "EventLog", *, predictions: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Play a run; returns its result and its story."""
    from at2.bench.replay.objective import TableObjective
    from at2.bench.replay.runner import play
    from at2.bench.sweeps.tuners import build_tuner

    events.write("start")
    import at2.recommend  # noqa: F401, so that no timing below holds the seconds in which torch is loaded

    events.write("libraries loaded")
    table = cached_table(run.database)
    objective = TableObjective(table, run.target, seed=run.curve_seed, metric=run.metric)
    events.write("table loaded")
    start = time.perf_counter()
    tuner = build_tuner(table, run, objective.candidates)
    events.write("tuner built", seconds=time.perf_counter() - start)
    story = StoryRecorder(objective, predictions=predictions)
    steps: list[Step] = []
    for step in play(tuner, objective, budget_epochs=run.budget_epochs):
        steps.append(step)
        events.write("step", **step.standing(), seconds=step.seconds)
        story.note(tuner, step.query, step.shown)
    events.write("end")
    _log.info("%s on %s: rank %d, regret %.4f", run.tuner, run.target, steps[-1].rank, steps[-1].regret)
    maximize = table.get_metric(run.metric).maximize
    return summarize_steps(steps), story.to_json(**run.to_json(), maximize=maximize)


def summarize_steps(steps: "list[Step]") -> dict[str, Any]:
    """Give everything a run found as plain JSON values: each observation, the standing after each, and the end."""
    last = steps[-1].recommendation
    return {
        "observations": [step.observation() for step in steps[1:]],
        "trace": [step.standing() for step in steps],
        "recommendation": {
            "config_id": plain_value(last.config_id),
            "config": {name: plain_value(value) for name, value in last.config.items()},
            "mean": _finite(last.mean),
            "std": _finite(last.std),
            "epoch": plain_value(last.epoch),
        },
        "final": steps[-1].standing(),
    }


def _finite(value: float) -> float | None:
    """Give a number as JSON can hold it: None stands for NaN and the infinities."""
    number = float(value)
    return number if abs(number) < float("inf") else None
