"""Runs of `at2 sweep` in the words of `at2 bench regret`, so that a report shows both alike."""

from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from at2.bench.story import read_story
from at2.bench.sweeps.plan import RunConfig
from at2.bench.sweeps.record import SCHEMA, STORY_FILE, read_events
from at2.errors import At2Error


@dataclass
class SweepRuns:
    """What the folders of a sweep hold.

    Args:
        rows: A row for each run, as `at2.bench.regret.results.read_rows` gives them.
        stories: Stories of the complete runs; those of earlier versions hold no expectations.
        environments: What each run ran on.
        left_out: A reason for each folder or part of one that could not be used.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    stories: list[dict[str, Any]] = field(default_factory=list)
    environments: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read_sweep_runs(record: Path) -> SweepRuns:
    """Read the folders of a sweep; one that cannot be used is named and left out."""
    found = SweepRuns()
    for path in sorted(record.glob("*/config.json")):
        folder = path.parent
        try:
            run = RunConfig.from_json(_read_object(path))
        except (ValueError, At2Error, TypeError) as error:
            found.left_out.append(f"{folder.name}: its config.json cannot be read: {error}")
            continue
        _add(found, folder, run)
    return found


def _add(found: SweepRuns, folder: Path, run: RunConfig) -> None:
    """Add the run of one folder."""
    common = _common(run)
    error = _last_line(folder / "error.txt")
    try:
        result = _read_object(folder / "result.json")
    except ValueError:
        if error is not None:
            found.rows.append({**common, "error": error})
        else:
            found.left_out.append(f"{folder.name}: not complete; call the sweep again, it goes on there")
        return
    if result.get("schema") != SCHEMA:
        found.left_out.append(f"{folder.name}: version {result.get('schema')} instead of {SCHEMA}")
        return
    if result.get("config") != run.to_json() or not {"final", "trace", "observations"} <= set(result):
        found.left_out.append(f"{folder.name}: its result is not that of its config.json; pass --fresh to the sweep")
        return
    story = _story(folder, run, result, found.left_out)
    found.rows.append({**common, "error": None, **_figures(result, story, _clock(folder, story))})
    found.stories.append(story)
    with contextlib.suppress(ValueError):
        found.environments.append(_read_object(folder / "environment.json"))


def _common(run: RunConfig) -> dict[str, Any]:
    """Give what `at2.bench.regret.results.Series` and the names of a case say."""
    settings = ", ".join(f"{name}={value:g}" for name, value in run.options)
    return {
        "protocol": f"{run.protocol}, sweep",
        "database": run.database,
        "metric": run.metric,
        "table": run.table,
        "rival": f"{run.tuner} ({settings})" if settings else run.tuner,
        "budget": run.budget_epochs,
        "unit": "epochs",
        "target": run.target,
        "draw": 0,
        "seed": run.seed,
        "sources": list(run.sources),
    }


def _figures(result: dict[str, Any], story: dict[str, Any], clock: list[Any] | None) -> dict[str, Any]:
    final, observed = result["final"], result["observations"]
    seconds = [seen.get("seconds") for seen in story["observations"]]
    return {
        "config_id": final["config_id"],
        "regret": final["regret"],
        "best_seen_regret": final["best_seen_regret"],
        "true_rank": final["rank"],
        "n_epochs": final["n_epochs"],
        "n_epoch": story.get("n_epoch"),
        "n_configs": len({seen["config_id"] for seen in observed}),
        "n_steps": None,
        "train_s": sum(seconds) if seconds and None not in seconds else None,
        "overhead_s": None if clock is None else clock[-1][1],
        "trace": [(step["n_epochs"], step["regret"], step["best_seen_regret"]) for step in result["trace"]],
        "clock": clock,
    }


def _clock(folder: Path, story: dict[str, Any]) -> list[tuple[float | None, float]] | None:
    """Give the seconds of training and the tuner's own (to build it, ask, tell) at each step.

    None where events are missing; seconds of training are None where the table has none.
    """
    try:
        events = read_events(folder)
    except OSError:
        return None
    own = sum(event.get("seconds", 0.0) for event in events if event.get("event") == "tuner built")
    steps = [event["seconds"] for event in events if event.get("event") == "step"]
    trained = [0.0, *(seen.get("seconds") for seen in story["observations"])]
    if len(steps) != len(trained):
        return None
    timed = None not in trained
    own_s = itertools.accumulate((step.get("ask", 0.0) + step.get("tell", 0.0) for step in steps), initial=own)
    train_s = itertools.accumulate(seconds or 0.0 for seconds in trained)
    pairs = zip(train_s, itertools.islice(own_s, 1, None), strict=True)
    return [(round(spent, 3) if timed else None, round(took, 4)) for spent, took in pairs]


def _story(folder: Path, run: RunConfig, result: dict[str, Any], left_out: list[str]) -> dict[str, Any]:
    """Give the run's story, or as much of one as its result holds; a story that is no good is named in `left_out`."""
    path, common = folder / STORY_FILE, _common(run)
    if path.exists():
        story = read_story(path)
        if isinstance(story, dict):
            return {**story, **common}
        left_out.append(f"{folder.name}: {story}")
    seen = {"observations": result["observations"], "standings": result["trace"]}
    return {**common, **seen, "expected": None, "truth": None}


def _read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ValueError: If the file is missing, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"it is missing ({error.strerror})") from error
    if not isinstance(values, dict):
        raise ValueError("it holds no JSON object")
    return values


def _last_line(path: Path) -> str | None:
    """Give the last line of a traceback, which says what went wrong; None where there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return None
    return lines[-1] if lines else "unknown"
