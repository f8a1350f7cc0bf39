"""Controllers compared: every controller on every instance and seed, kept as it comes, summarized with intervals."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.bench.statistics import average_ranks, mean_interval
from at2.bench.sweeps.record import write_json
from at2.errors import At2Error, FileError
from at2.processes import run_all
from at2.tables.storage.markdown import markdown_table

if TYPE_CHECKING:
    import pandas as pd

    from at2.control import SGDInstance

SCHEMA = 1
"""Version of the files; those of another version are made again."""

FOLDER = "control"
"""Folder of these files within a record: a folder for each controller, a file for each instance."""


@dataclass(frozen=True)
class Case:
    """One controller on one instance, with all its seeds.

    Args:
        controller: Name of the controller.
        instances: Name or path of the instance set.
        instance: Name of the instance within it.
        seeds: Seeds of the episodes.
    """

    controller: str
    instances: str
    instance: str
    seeds: tuple[int, ...]

    @property
    def file(self) -> Path:
        """Where its result lies within a record."""
        return Path(FOLDER, Path(self.instances).stem, self.controller, f"{self.instance}.json")


def plan_cases(controllers: Sequence[str], *, instances: str, n_seed: int, only: Sequence[str] = ()) -> list[Case]:
    """List the cases: every controller on every instance, instance by instance, so that a part of them compares all.

    Args:
        controllers: Names of controllers.
        instances: Name or path of the instance set.
        n_seed: Episodes of each controller on each instance; their seeds are 0, 1, ...
        only: Names of the instances to take; none takes all.

    Raises:
        At2Error: If a controller or an instance has no such name.
    """
    from at2.control.controllers import controller_names

    known = _instances(instances)
    for kind, names, there in (("controller", controllers, controller_names()), ("instance", only, tuple(known))):
        wrong = [name for name in names if name not in there]
        if wrong:
            raise At2Error(f"no {kind} {wrong[0]!r}; there are {', '.join(there[:12])}")
    chosen = list(only) or list(known)
    return [Case(name, instances, instance, tuple(range(n_seed))) for instance in chosen for name in controllers]


def run_cases(
    cases: Sequence[Case],
    *,
    record: Path,
    jobs: int = 0,
    fresh: bool = False,
    on_case: Callable[[Case], None] | None = None,
) -> int:
    """Do the cases that the record does not hold yet.

    Args:
        cases: The cases.
        record: Folder of the record.
        jobs: Processes at a time, each with one thread; 0 does the work here.
        fresh: Whether to do all of them.
        on_case: Called after each case, for progress.

    Returns:
        How many were done.

    Raises:
        At2Error: If a process dies, or a controller needs what is missing.
        FileError: If the record cannot be written.
    """
    to_do = [case for case in cases if fresh or _read(record, case) is None]
    work = functools.partial(run_case, record=record)
    done = run_all(work, to_do, jobs=jobs, lost=_lost) if jobs else map(work, to_do)
    for case in done:
        if on_case is not None:
            on_case(case)
    return len(to_do)


def run_case(case: Case, *, record: Path) -> Case:
    """Do one case and write its file."""
    from at2.control import SGDEnv
    from at2.control.runs import run_episode

    env = SGDEnv({case.instance: _instances(case.instances)[case.instance]})
    controller = _controller(case.controller)
    episodes = [run_episode(env, controller, instance=case.instance, seed=seed).to_json() for seed in case.seeds]
    write_json(record / case.file, {**_header(case), "episodes": episodes})
    return case


def _instances(name_or_path: str) -> dict[str, SGDInstance]:
    """Read an instance set, once for as long as its file does not change."""
    path = Path(name_or_path)
    return _instances_of(name_or_path, path.stat().st_mtime_ns if path.is_file() else 0)


@functools.lru_cache(maxsize=4)
def _instances_of(name_or_path: str, changed_ns: int) -> dict[str, SGDInstance]:
    from at2.control import read_instances

    return read_instances(name_or_path)


@functools.cache
def _controller(name: str) -> Any:
    """Make a controller once for all cases: some load tables."""
    from at2.control.controllers import make_controller

    return make_controller(name)


def _lost(case: Case) -> Case:
    raise At2Error(f"the process that ran {case.controller} on {case.instance} died; call again, it goes on there")


def _header(case: Case) -> dict[str, Any]:
    """Say what decides a case's result."""
    row = _instances(case.instances)[case.instance].to_row()
    fingerprint = f"{zlib.crc32(json.dumps(row, sort_keys=True).encode()):08x}"
    names = {"controller": case.controller, "instance": case.instance, "seeds": list(case.seeds)}
    return {"schema": SCHEMA, "fingerprint": fingerprint, **names}


def _read(record: Path, case: Case) -> dict[str, Any] | None:
    """Give a case's result, or None where the record has none of just this case."""
    try:
        found = json.loads((record / case.file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    header = _header(case)
    is_ours = isinstance(found, dict) and all(found.get(name) == value for name, value in header.items())
    return found if is_ours and "episodes" in found else None


def read_episodes(record: Path, *, instances: str = "test") -> pd.DataFrame:
    """Read all episodes of a record on one instance set.

    Returns:
        Frame with a row for each episode: ``controller`` and the fields of `at2.control.runs.EpisodeRecord`.

    Raises:
        FileError: If the record holds none.
    """
    import pandas as pd

    folder = record / FOLDER / Path(instances).stem
    rows = []
    for path in sorted(folder.glob("*/*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        if found.get("schema") == SCHEMA:
            rows += [{"controller": found["controller"], **episode} for episode in found["episodes"]]
    if not rows:
        message = f"the record {record} holds no episode on {instances!r}; call `at2 control run` first"
        raise FileError(message, path=folder)
    return pd.DataFrame(rows)


def summarize_control(episodes: pd.DataFrame) -> pd.DataFrame:
    """Summarize controllers over instances.

    A crash counts with minus the instance's penalty in place of a test loss. Losses are averaged over the seeds of an
    instance first; intervals are over instances, of which the seeds are repetitions. Ranks compare the controllers on
    the instances that all of them have.

    Args:
        episodes: Frame of `read_episodes`.

    Returns:
        Frame with the columns controller, test_loss, half_width (of the 95 % t-interval), median_loss, test_top1 (of
        the episodes that did not crash), crashes, rank, critical_difference, seconds (of an episode), n_instance and
        n_episode; the best rank first.
    """
    import pandas as pd

    losses = episodes.assign(loss=episodes["test_loss"].astype(float).fillna(-episodes["reward"]))
    by_instance = losses.pivot_table(index="instance", columns="controller", values="loss", aggfunc="mean")
    common = by_instance.dropna()
    if common.empty:
        raise At2Error("no instance was run with all controllers; call `at2 control run` with the same instances")
    ranks = average_ranks(common.to_numpy())
    rank_of = dict(zip(map(str, common.columns), ranks.average.tolist(), strict=True))
    rows = []
    for name, own in losses.groupby("controller", sort=False):
        mean = mean_interval(by_instance[str(name)].dropna().to_numpy())
        rows.append(
            {
                "controller": name,
                "test_loss": mean.value,
                "half_width": np.nan if mean.half_width is None else mean.half_width,
                "median_loss": float(by_instance[str(name)].median()),
                "test_top1": float(own["test_top1"].astype(float).mean()),
                "crashes": int(own["crashed"].sum()),
                "rank": rank_of[str(name)],
                "critical_difference": ranks.critical_difference,
                "seconds": float(own["seconds"].median()),
                "n_instance": mean.n,
                "n_episode": len(own),
            }
        )
    return pd.DataFrame(rows).sort_values("rank", ignore_index=True)


def control_markdown(summary: pd.DataFrame) -> str:
    """Write the frame of `summarize_control` as a Markdown table."""
    lines = []
    rows: list[dict[str, Any]] = summary.to_dict("records")  # type: ignore[assignment]
    for row in rows:
        spread = "" if np.isnan(row["half_width"]) else f" ± {row['half_width']:.3f}"
        loss, others = f"{row['test_loss']:.3f}{spread}", [f"{row[name]:.3f}" for name in ("median_loss", "test_top1")]
        lines.append([row["controller"], loss, *others, str(row["crashes"]), f"{row['rank']:.2f}"])
    return markdown_table(["controller", "test loss", "median", "accuracy", "crashes", "rank"], lines)
