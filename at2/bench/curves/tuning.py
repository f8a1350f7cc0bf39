"""Tuners of the curve networks side by side: the best error reached against training epochs spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from at2.bench.statistics import mean_interval
from at2.curves.data import CurveSet, load_curves
from at2.curves.tuning.history import make_history
from at2.curves.tuning.spaces import network_space
from at2.curves.tuning.task import NetworkTask
from at2.curves.tuning.tune import TUNERS, tune_network
from at2.errors import FileError, PredictorError
from at2.tables import LearningCurveTable
from at2.tables.storage.formats import read_frame_file, write_frame_file
from at2.tables.storage.markdown import markdown_table

__all__ = ["TuningStudy", "compare_tuners", "summarize_proposals", "summarize_tuning", "tuning_markdown"]


@dataclass(frozen=True)
class TuningStudy:
    """What every tuner is given.

    Args:
        data: Curves to tune on: a table's name, or the path of a file.
        task: Task of the data, where they have several; empty where they have one.
        budget_epochs: Training epochs of each tuner.
        n_epoch: Training epochs of a full run.
        prefix: Epochs of a curve that are known.
        max_runs: See `tune_network`.
        history: Table whose tasks at2 is warm-started from; empty starts cold.
        sources: Its tasks; none takes the first `n_source` that are not the task itself.
        n_source: How many.
    """

    data: str
    task: str = ""
    budget_epochs: int = 945
    n_epoch: int = 27
    prefix: int = 10
    max_runs: int = 100
    history: str = ""
    sources: tuple[str, ...] = ()
    n_source: int = 6


def compare_tuners(
    study: TuningStudy,
    *,
    networks: Sequence[str],
    tuners: Sequence[str],
    seeds: Sequence[int] = (0,),
    results: Path | None = None,
    on_step: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """Tune networks with several tuners on the same parts of the same curves.

    Args:
        study: What they are given.
        networks: ``"cnn"``, ``"lstm"``.
        tuners: ``"bohb"``, ``"random"``, ``"at2"``.
        seeds: Repetitions: each has a cut of the curves, weights and proposals of its own.
        results: A CSV file that grows with each; what it holds of the same study is not run again.
        on_step: Is told what happens.

    Returns:
        The rows of `tune_network` for each network, tuner and seed, and what they are of.

    Raises:
        PredictorError: If there is no such network or tuner, or the history has no other task.
        FileError: If `results` holds something else.
    """
    for network in networks:
        network_space(network)
    if unknown := [tuner for tuner in tuners if tuner not in TUNERS]:
        raise PredictorError(f"no tuner {unknown[0]!r}; there are {', '.join(TUNERS)}")
    curves = load_curves(study.data, tasks=[study.task] if study.task else None)
    done = _read(results)
    frames = []
    for network in networks:
        past: LearningCurveTable | None = None
        for tuner, seed in ((tuner, seed) for seed in seeds for tuner in tuners):
            case = _case(study, network, tuner, seed)
            found = done[(done[list(case)] == pd.Series(case)).all(axis=1)]
            if found.empty:
                if tuner == "at2" and study.history and past is None:
                    past = _past(study, network, on_step)
                work = NetworkTask(curves, network, n_epoch=study.n_epoch, prefix=study.prefix, seed=seed)
                budget, history = study.budget_epochs, past if tuner == "at2" else None
                made = tune_network(
                    work, tuner=tuner, budget_epochs=budget, seed=seed, history=history, max_runs=study.max_runs
                )
                found = made.assign(**case)
                done = pd.concat([done, found], ignore_index=True) if len(done) else found
                if results is not None:
                    write_frame_file(done, results)
            on_step(f"{network}, {tuner}, seed {seed}: best validation error {found['best_validation'].iloc[-1]:.4g}")
            frames.append(found)
    return pd.concat(frames, ignore_index=True)


def summarize_tuning(frame: pd.DataFrame, *, marks: Sequence[float] = (0.1, 0.25, 0.5, 1.0)) -> pd.DataFrame:
    """Give what each tuner had reached after shares of its budget, as means over seeds with 95 % t-intervals.

    Returns:
        A row per network, tuner and share: ``n_seed``, ``spent``, ``n_config`` and ``n_run`` begun by then,
        ``validation`` and ``test`` errors with ``_half`` widths, NaN with one seed.
    """
    rows = []
    for (network, tuner), runs in frame.groupby(["network", "tuner"], sort=False):
        budget = int(runs.groupby("seed")["spent"].max().min())
        for mark in marks:
            spent = max(1, int(np.ceil(mark * budget)))
            until = runs[runs["spent"] <= spent].groupby("seed")
            row = {"network": network, "tuner": tuner, "n_seed": until.ngroups, "spent": spent}
            row |= {"n_config": until["config_number"].nunique().mean(), "n_run": until["run"].nunique().mean()}
            for name, column in (("validation", "best_validation"), ("test", "its_test")):
                found = mean_interval(until[column].last().to_numpy())
                row |= {name: found.value, f"{name}_half": np.nan if found.half_width is None else found.half_width}
            rows.append(row)
    return pd.DataFrame(rows)


def summarize_proposals(frame: pd.DataFrame) -> pd.DataFrame:
    """Compare configurations that were drawn at random with those that a model proposed.

    Returns:
        A row per network, tuner and kind (``is_random``): ``n_config`` over all seeds, the ``median`` and the least
        (``best``) of their best validation errors.
    """
    keys = ["network", "tuner", "is_random"]
    each = frame.groupby([*keys, "seed", "config_number"], sort=False)["validation"].min().reset_index()
    found = each.groupby(keys, sort=False)["validation"].agg(n_config="size", median="median", best="min")
    return found.reset_index()


def tuning_markdown(summary: pd.DataFrame) -> str:
    """Write a summary as a Markdown table.

    Example:
        >>> row = {"network": "cnn", "tuner": "at2", "n_seed": 2, "spent": 95, "n_config": 9.5, "n_run": 11.0}
        >>> print(tuning_markdown(pd.DataFrame([row | {"validation": 0.02, "validation_half": 0.001, "test": 0.03}])))
        | network | tuner | seeds | epochs spent | configurations | runs | validation | test |
        |---|---|--:|--:|--:|--:|--:|--:|
        | cnn | at2 | 2 | 95 | 9.5 | 11 | 0.02 ± 0.001 | 0.03 |
    """
    header = ["network", "tuner", "seeds", "epochs spent", "configurations", "runs", "validation", "test"]
    rows = []
    for row in summary.to_dict("records"):
        cells = [str(row[name]) for name in ("network", "tuner", "n_seed", "spent")]
        cells += [f"{row[name]:.3g}" for name in ("n_config", "n_run")]
        for name in ("validation", "test"):
            half = float(str(row.get(f"{name}_half", "nan")))
            cells.append(f"{row[name]:.3g}" + ("" if half != half else f" ± {half:.2g}"))
        rows.append(cells)
    return markdown_table(header, rows, n_left=2)


def _case(study: TuningStudy, network: str, tuner: str, seed: int) -> dict[str, Any]:
    """Return what tells the rows of one tuner apart; of data and history the name, because folders move."""
    values = asdict(study) | {"data": Path(study.data).name, "sources": " ".join(study.sources)}
    values["history"] = Path(study.history).name if study.history and tuner == "at2" else "-"
    return {"network": network, "tuner": tuner, "seed": seed} | {
        name: value if value != "" else "-" for name, value in values.items()
    }


def _read(path: Path | None) -> pd.DataFrame:
    wanted = list(_case(TuningStudy(""), "", "", 0))
    if path is None or not path.is_file():
        return pd.DataFrame(columns=wanted)
    frame = read_frame_file(path)
    if not set(wanted) <= set(frame.columns):
        raise FileError(f"{path}: not runs of this version's tuners; choose another --record", path=path)
    return frame


def _past(study: TuningStudy, network: str, on_step: Callable[[str], None]) -> LearningCurveTable:
    parts = _sources(study.history, study.sources, study.n_source, exclude=study.task or "Fashion-MNIST")
    on_step(f"training {network} configurations on {', '.join(parts)}")
    return make_history(parts, network, n_epoch=study.n_epoch, prefix=study.prefix)


def _sources(history: str, names: Sequence[str], n_source: int, *, exclude: str) -> dict[str, CurveSet]:
    curves = load_curves(history)
    known = [name for name in sorted(set(curves.tasks)) if name != exclude]
    chosen = list(names) if names else known[:n_source]
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        raise PredictorError(f"no task {unknown} to learn from in {history!r}; it has {', '.join(known)}")
    tasks = np.array(curves.tasks)
    return {name: curves.take(tasks == name) for name in chosen}
