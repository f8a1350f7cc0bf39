"""A table from Optuna's studies: each study is a task, each trial a configuration, what it reported its curve."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from at2.errors import FileError, MissingExtraError, SpaceError, TableError, UnknownNameError
from at2.scalars import is_whole
from at2.tables.importer import ImportReport, from_frame
from at2.tables.schema import Metric, RunStatus
from at2.tables.storage.frames import close_matches
from at2.tables.table import LearningCurveTable

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from at2.space import SearchSpace

__all__ = ["from_optuna"]


def from_optuna(
    studies: str | Path | Study | Iterable[Study],
    *,
    names: Iterable[str] | None = None,
    metric: str = "value",
    steps_per_epoch: int = 1,
    n_epoch: int | None = None,
    name: str = "optuna",
) -> LearningCurveTable:
    """Make a table from Optuna's studies.

    Each study is a task and each trial a configuration, called ``<study>/<number>``. The values that a trial reported
    (``trial.report(value, step)``) are its curve; where a study's steps begin at 0, that is the first epoch. A trial
    that completed without a report counts with its final value after a full training. Pruned trials count as stopped
    early, failed ones as crashed; a report of NaN counts as diverged. A trial's duration is spread evenly over its
    epochs. Left out and noted: studies of several objectives, and trials that have not begun.

    Args:
        studies: A storage (the address of a database, or the file of an SQLite database or of a journal), a study, or
            several.
        names: Of a storage, only the studies of these names; None takes all.
        metric: What to call the objective; its direction is the studies'.
        steps_per_epoch: How many of the steps that trials reported make an epoch.
        n_epoch: Epochs of a full training, for trials that completed without a report; None takes the longest training
            of their study, or of all studies, or one epoch where no trial reported anything.
        name: Name of the table.

    Returns:
        The table, with a search space from the distributions, conditions included where trials show them; what was left
        out, or made of the trials, is in its ``report``.

    Raises:
        MissingExtraError: If Optuna is not installed.
        FileError: If the storage cannot be read, or holds no studies of Optuna.
        UnknownNameError: If it has no study of that name.
        TableError: If studies have different directions, share a name, or have no trial that can be used.

    Example:
        >>> import optuna
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(study_name="digits", direction="maximize")
        >>> def objective(trial):
        ...     lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        ...     for epoch in range(3):
        ...         trial.report(lr * (epoch + 1), epoch)
        ...     return 3 * lr
        >>> study.optimize(objective, n_trials=2)
        >>> from_optuna(study, metric="accuracy")
        LearningCurveTable('optuna': 1 task x 1 seed x 2 configurations x 3 epochs, accuracy (higher is better))
    """
    for what, number in (("steps_per_epoch", steps_per_epoch), ("n_epoch", 1 if n_epoch is None else n_epoch)):
        if not is_whole(number) or number < 1:
            raise TableError(f"{what} must be a positive whole number, got {number!r}")
    chosen = _studies(studies, names)
    single = [study for study in chosen if len(study.directions) == 1]
    directions = {study.direction.name: study.study_name for study in single}
    if len(directions) > 1:
        both = " and ".join(f"{task!r} ({direction.lower()})" for direction, task in directions.items())
        raise TableError(f"a table has one direction, studies {both} have two; import them one by one, by names=")
    trials = [(study.study_name, trial) for study in single for trial in study.get_trials(deepcopy=False)]
    begun = [(task, trial) for task, trial in trials if trial.params]
    notes = _notes(len(chosen) - len(single), len(trials) - len(begun))
    curves = _curves(begun, steps_per_epoch, n_epoch)
    if curves.empty:
        raise TableError("; ".join([f"no trial of {len(chosen)} studies has a value or a report", *notes]))
    return _table(curves, begun, Metric(metric, maximize="MAXIMIZE" in directions), name=name, notes=notes)


def _notes(n_multi: int, n_waiting: int) -> list[str]:
    notes = [f"{n_multi} studies of several objectives left out"] if n_multi else []
    return [*notes, f"{n_waiting} trials without hyperparameters left out"] if n_waiting else notes


def _config_id(task: str, trial: FrozenTrial) -> str:
    return f"{task}/{trial.number}"


def _curves(trials: list[tuple[str, FrozenTrial]], steps_per_epoch: int, n_epoch: int | None) -> pd.DataFrame:
    """What trials reported, as a long frame."""
    first: dict[str, int] = {}
    for task, trial in trials:
        if trial.intermediate_values:
            first[task] = min(first.get(task, 1), *trial.intermediate_values)
    rows, longest = [], dict.fromkeys((task for task, _ in trials), 0)
    for task, trial in trials:
        reports = {s / steps_per_epoch + (first[task] == 0): value for s, value in trial.intermediate_values.items()}
        longest[task] = max(longest[task], *map(math.floor, reports), 0)
        rows += [(task, trial, epoch, value, max(reports)) for epoch, value in reports.items()]
    everywhere = max(longest.values(), default=0)
    for task, trial in trials:
        if not trial.intermediate_values and trial.value is not None:
            epoch = n_epoch or longest[task] or everywhere or 1
            rows.append((task, trial, epoch, trial.value, epoch))
    return pd.DataFrame(
        {
            "task": [task for task, *_ in rows],
            "config_id": [_config_id(task, trial) for task, trial, *_ in rows],
            "epoch": [epoch for _, _, epoch, _, _ in rows],
            "value": [value for _, _, _, value, _ in rows],
            "seconds": [_seconds(trial) / last for _, trial, _, _, last in rows],
        }
    )


def _seconds(trial: FrozenTrial) -> float:
    return math.nan if trial.duration is None else trial.duration.total_seconds()


def _table(
    curves: pd.DataFrame, trials: list[tuple[str, FrozenTrial]], metric: Metric, *, name: str, notes: list[str]
) -> LearningCurveTable:
    """Import the curves, then set what a frame does not say: the space, and how trials ended."""
    try:
        space, made = _space(trials, name)
    except SpaceError as error:
        raise TableError(f"no search space can be made of these trials: {error}") from error
    ids = [_config_id(task, trial) for task, trial in trials]
    configs = pd.DataFrame([trial.params for _, trial in trials], index=pd.Index(ids, name="config_id"))
    plain = from_frame(curves, configs[list(space.names)], metric=metric, name=name)
    status = plain.status.copy()
    ends = {"PRUNED": RunStatus.STOPPED_EARLY, "FAIL": RunStatus.CRASHED}
    for (task, trial), config_id in zip(trials, ids, strict=True):
        if trial.state.name in ends and task in plain.tasks.index:
            place = plain.task_index(task), 0, plain.config_index(config_id)
            if status[place] != RunStatus.DIVERGED:
                status[place] = ends[trial.state.name]
    table = LearningCurveTable(
        {metric.name: plain.kept()},
        tasks=plain.tasks,
        configs=plain.configs,
        metrics=[metric],
        space=space,
        seconds=plain.kept_seconds,
        status=status,
        name=name,
    )
    report: ImportReport | None = plain.report
    table.report = None if report is None else replace(report, notes=(*report.notes, *notes, *made))
    return table


def _space(trials: list[tuple[str, FrozenTrial]], name: str) -> tuple[SearchSpace, list[str]]:
    """The space of the trials that came to a value: others may have failed before all was suggested."""
    from at2.space.optuna_space import space_of_trials

    through = [(task, trial) for task, trial in trials if trial.intermediate_values or trial.value is not None]
    return space_of_trials(
        [trial.params for _, trial in through],
        [trial.distributions for _, trial in through],
        studies=[task for task, _ in through],
        name=name,
    )


def _studies(studies: Any, names: Iterable[str] | None) -> list[Study]:
    """Load the studies of a storage, or take those that came."""
    optuna = load_optuna()
    if isinstance(studies, str | Path):
        return _load(optuna, studies, names)
    if names is not None:
        raise TableError("names= chooses among the studies of a storage; pass the studies themselves, or a storage")
    found = list(studies) if isinstance(studies, Iterable) else [studies]
    wrong = [study for study in found if not isinstance(study, optuna.study.Study)]
    if wrong or not found:
        got = f"a {type(wrong[0]).__name__}" if wrong else "none"
        raise TableError(f"wanted studies of Optuna, or a storage as text; got {got}")
    twice = [study.study_name for study in found if sum(s.study_name == study.study_name for s in found) > 1]
    if twice:
        raise TableError(f"two studies are called {twice[0]!r}; a task needs a name of its own")
    return found


def _load(optuna: Any, source: str | Path, names: Iterable[str] | None) -> list[Study]:
    storage = _storage(optuna, str(source))
    if isinstance(names, str):
        raise TableError(f"names must be a list of studies, not the single text {names!r}; write [{names!r}]")
    known = optuna.get_all_study_names(storage)
    wanted = known if names is None else list(names)
    for study in wanted:
        if study not in known:
            raise UnknownNameError(f"no study {study!r} in this storage; {close_matches(study, known)}")
    if not wanted:
        raise FileError(f"{source}: holds no study of Optuna; check the address", path=None)
    return [optuna.load_study(study_name=study, storage=storage) for study in wanted]


def _storage(optuna: Any, source: str) -> Any:
    """Open a storage, without making one where there is none."""
    url = source
    if "://" not in source:
        path = Path(source)
        try:
            with path.open("rb") as file:
                is_database = file.read(15) == b"SQLite format 3"
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error.strerror}); check the path", path=path) from error
        if not is_database:
            return _journal(optuna, path)
        _check_database(path)
        url = sqlite_url(path)
    elif url.startswith("sqlite:///"):
        _check_database(Path(url.removeprefix("sqlite:///").split("?")[0]))  # what follows are the driver's options
    try:
        return optuna.storages.RDBStorage(url, skip_table_creation=True)
    except Exception as error:  # drivers that are missing, servers that do not answer: SQLAlchemy's own kinds
        raise FileError(f"{source}: cannot be opened as a storage of Optuna ({error})", path=None) from error


def sqlite_url(path: Path) -> str:
    """Return the address of a database file; whatever its name holds, SQLAlchemy finds that file under it."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(path.resolve())).render_as_string()


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            tables = {row[0] for row in database.execute("select name from sqlite_master where type = 'table'")}
    except sqlite3.Error as error:
        raise FileError(f"{path}: cannot be read as a database ({error}); check the path", path=path) from error
    if not {"studies", "trials"} <= tables:
        raise FileError(f"{path}: a database, but not a storage of Optuna: it has no studies", path=path)


def _journal(optuna: Any, path: Path) -> Any:
    try:
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        return optuna.storages.JournalStorage(backend)
    except Exception as error:  # lines that are no JSON, or no entries of a journal
        raise FileError(
            f"{path}: neither an SQLite database nor a journal of Optuna ({error}); check the path", path=path
        ) from error


def load_optuna() -> Any:
    """Import Optuna, or say how to get it."""
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("Optuna is not installed: pip install 'at2[optuna]'") from error
    return optuna
