"""A table as Optuna's studies, for its dashboard and its samplers: each task is a study, each run a trial."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.errors import FileError, TableError
from at2.tables.optuna.studies import load_optuna, sqlite_url
from at2.tables.schema import RunStatus
from at2.tables.storage.files import whole_file
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

__all__ = ["to_optuna"]

_DATABASES = (".db", ".sqlite", ".sqlite3")
_JOURNALS = (".log", ".journal", ".jsonl")


def to_optuna(
    table: LearningCurveTable,
    storage: str | Path | BaseStorage,
    *,
    metric: str | None = None,
    progress: Callable[[int], object] = lambda n: None,
) -> list[str]:
    """Write a table as Optuna's studies; `from_optuna` reads them.

    Each task is a study and each run a trial, in the order of the configurations; what it showed after each epoch is
    reported, the epoch being the step. A run that ended well is complete, with its best reading as its value; one that
    was stopped early is pruned, and one that diverged, crashed or took too long has failed. Of a diverged one a NaN is
    the last report. Trials have the user attributes ``config_id`` and ``seed``.

    Args:
        table: The learning curves.
        storage: A new file, whole or not at all: a database (.db, .sqlite, .sqlite3) or a journal (.log, .journal,
            .jsonl), which is the faster one to write; or a storage of Optuna, which the studies are added to.
        metric: Name of the metric; None takes the default one.
        progress: Called after each study with the number of those written.

    Returns:
        The names of the studies, which are those of the tasks.

    Raises:
        MissingExtraError: If Optuna is not installed.
        FileError: If the file is there already, or cannot be written.
        TableError: If the file's name does not say what it is, or the storage has a study of that name.
        UnknownNameError: If the table has no such metric.

    Example:
        >>> import at2, optuna
        >>> storage = optuna.storages.InMemoryStorage()
        >>> tasks = to_optuna(at2.load_table("digits").subset(["digits"]), storage)
        >>> tasks, len(optuna.load_study(study_name="digits", storage=storage).trials)
        (['digits'], 128)
    """
    optuna = load_optuna()
    table.get_metric(metric)
    if not isinstance(storage, str | Path):
        return _add(optuna, table, storage, metric, progress)
    path = Path(storage)
    if path.exists():
        raise FileError(f"{path} is there already; take another name, or pass a storage of Optuna to add to", path=path)
    if path.suffix not in _DATABASES + _JOURNALS:
        raise TableError(
            f"{path}: a new storage ends in {', '.join(_DATABASES)} (a database) or {', '.join(_JOURNALS)} (a journal)"
        )
    with whole_file(path) as temporary:
        made = _new_storage(optuna, temporary, database=path.suffix in _DATABASES)
        studies = _add(optuna, table, made, metric, progress)
        if path.suffix in _DATABASES:
            made.engine.dispose()  # no connection is left to the file that is moved
    return studies


def _new_storage(optuna: Any, path: Path, *, database: bool) -> Any:
    if database:
        return optuna.storages.RDBStorage(sqlite_url(path))
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


def _add(
    optuna: Any, table: LearningCurveTable, storage: Any, metric: str | None, progress: Callable[[int], object]
) -> list[str]:
    from at2.space.optuna_space import distributions_of

    known = set(optuna.get_all_study_names(storage))
    if taken := [task for task in table.tasks.index if task in known]:
        raise TableError(f"the storage has a study {taken[0]!r} already; take another storage, or rename the task")
    configs = {name: table.config(name) for name in table.configs.index}
    declared = distributions_of(table.space, list(configs.values()))
    direction = "maximize" if table.get_metric(metric).maximize else "minimize"
    tasks = [str(task) for task in table.tasks.index]
    for number, task in enumerate(tasks):
        study = optuna.create_study(study_name=task, storage=storage, direction=direction)
        study.add_trials(_trials(optuna, table, number, configs, declared, metric))
        progress(number + 1)
    return tasks


def _trials(
    optuna: Any,
    table: LearningCurveTable,
    task: int,
    configs: Mapping[Hashable, Mapping[str, Any]],
    declared: Mapping[str, Any],
    metric: str | None,
) -> list[FrozenTrial]:
    """The runs of a task, one after the other."""
    runs, names = table.runs([task], metric), list(table.configs.index)
    now = datetime.now()
    found: list[FrozenTrial] = []
    for row, place in enumerate(runs.config):
        config = configs[names[place]]
        for seed in np.flatnonzero(runs.status[row] != RunStatus.NOT_RUN):
            status = RunStatus(int(runs.status[row, seed]))
            reports = _reports(runs.values[row, seed], diverged=status == RunStatus.DIVERGED)
            took = 0.0 if runs.seconds is None else float(np.nansum(runs.seconds[row, seed]))
            found.append(
                optuna.trial.FrozenTrial(
                    number=len(found),
                    trial_id=-1,
                    state=_state(optuna, status, reports),
                    value=_best(reports, maximize=table.get_metric(metric).maximize)
                    if status == RunStatus.OK
                    else None,
                    datetime_start=now - timedelta(seconds=took),
                    datetime_complete=now,
                    params=dict(config),
                    distributions={name: declared[name] for name in config},
                    user_attrs={"config_id": str(names[place]), "seed": int(seed)},
                    system_attrs={},
                    intermediate_values=reports,
                )
            )
    return found


def _reports(curve: np.ndarray, *, diverged: bool) -> dict[int, float]:
    """Values by their epoch; a NaN after the last one if the run diverged."""
    read = np.flatnonzero(np.isfinite(curve))
    reports = {int(epoch) + 1: float(curve[epoch]) for epoch in read}
    return reports | {max(reports, default=0) + 1: float("nan")} if diverged else reports


def _state(optuna: Any, status: RunStatus, reports: Mapping[int, float]) -> Any:
    states = optuna.trial.TrialState
    if status == RunStatus.OK and reports:
        return states.COMPLETE
    return states.PRUNED if status in (RunStatus.OK, RunStatus.STOPPED_EARLY) else states.FAIL


def _best(reports: Mapping[int, float], *, maximize: bool) -> float | None:
    return (max if maximize else min)(reports.values(), default=None)
