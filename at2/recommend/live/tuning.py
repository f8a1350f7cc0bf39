"""``at2.tune``: the user's own training, tuned epoch by epoch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from at2.errors import FileError, TableError, TuneError
from at2.recommend.budget import Budget
from at2.recommend.explain.leading import leading_readings
from at2.recommend.journal.lines import Journal
from at2.recommend.live.checkpoints import CheckpointStore
from at2.recommend.live.loop import Loop, tidy
from at2.recommend.live.objective import Objective, TrainFunction
from at2.recommend.live.progress import Callback, Epoch, Leader, Progress, View, best_epoch
from at2.recommend.live.result import TuneResult
from at2.recommend.live.session import Session
from at2.recommend.problem.candidates import Candidates
from at2.recommend.query import ConfigId
from at2.recommend.recommender import Recommender
from at2.recommend.settings import as_budget, as_bytes, as_history, as_space, choose_candidates
from at2.tables.schema import direction_of

if TYPE_CHECKING:
    from at2.recommend.settings import History
    from at2.tables import LearningCurveTable

_FREE = ("at2", "budget", "table", "sha256")  # parts of a journal's header that may differ, or are checked elsewhere


def tune(
    train: TrainFunction,
    space: Any = None,
    *,
    budget: Budget | str,
    n_epoch: int | None = None,
    history: History = None,
    target: str = "target",
    candidates: Candidates | int | None = None,
    metric: str | None = None,
    maximize: bool | None = None,
    goal: Literal["train", "recommend"] = "train",
    seed: int = 0,
    workdir: str | os.PathLike[str] = "at2-tune",
    resume: bool = False,
    checkpoint_limit: int | str | None = "5 GB",
    callbacks: Sequence[Callback] | Callback = (),
    view: View | None = None,
    max_crashes: int = 5,
    most_alive: int = 8,
    **further: Any,
) -> TuneResult:
    """Tune a training of your own: pause and resume configurations epoch by epoch, within a budget.

    ``train(config, epochs, checkpoint)`` is a function or a generator. `config` is a dict of active hyperparameters.
    `epochs` is the range of epochs to train, counted from 1. `checkpoint` is a folder that belongs to this
    configuration: it holds what you saved after epoch ``epochs.start - 1``, and is empty where that is 0.

    - A *function* trains all of `epochs` (mostly one), saves into `checkpoint`, and returns the metric.
    - A *generator* gets all epochs up to the last, and saves and yields the metric after each. Between two epochs it is
      paused, and stays in memory for as long as this process lives; in a new process, or when `most_alive` others
      wait, it is closed and later started anew with the epochs behind its checkpoint.
    - One that saves nothing works as well: it is trained again from epoch 1 whenever it is taken up from the disk.

    An exception or a metric that is not finite costs its configuration and an epoch, and the tuning goes on. After
    ctrl-C, or `kill -9`, the same call with ``resume=True`` goes on; the epoch that was in flight is trained again.

    Args:
        train: What trains.
        space: What can be tuned: a dict such as ``{"lr": (1e-4, 1e-1, "log"), "optimizer": ["sgd", "adam"]}``, a
            ConfigSpace declaration or a `SearchSpace`; None takes the history's.
        budget: A `Budget`, or words: ``"200 epochs"``, ``"2h"``. Seconds count what the trainings take, not what the
            tuner takes to decide (some tens of milliseconds an epoch); a callback with ``progress.stop()``
            ends a tuning by the clock. With `resume` it may be larger than before.
        n_epoch: Length of a full training; None takes the history's.
        history: Curves of earlier tasks: a table, its name or its path, or a list of these (`at2.concat`). None, or an
            empty list, tunes without.
        target: Name of the task; its own curves in the history are never looked at.
        candidates: Configurations to choose from, as `Recommender` takes them, or how many to draw from the space.
            None draws 100 (and adds the history's) where a space is given, and else takes the history's.
        metric: Name of the metric, and of its entry where `train` gives dicts; None takes the history's, and without
            a history the only entry.
        maximize: Whether larger is better; None asks the history, and means yes without one.
        goal: ``"train"`` ends with the best trained model, ``"recommend"`` with the configuration that will be best
            when trained in full, later.
        seed: Seed of everything random here; `train` has its own.
        workdir: Folder for journal, checkpoints and tracebacks.
        resume: Whether to go on with what `workdir` holds; without anything there, the tuning starts.
        checkpoint_limit: Most bytes of checkpoints, such as ``"500 MB"``; the least useful are dropped first.
        callbacks: Called with the `Progress` after each epoch; ``progress.stop()`` ends the tuning.
        view: What shows the progress.
        max_crashes: So many configurations that crash before any gives a value end the tuning.
        most_alive: Most generators paused in memory.
        **further: Further arguments of `Recommender`: sources, rename, utility, tolerance, confidence, surrogate, ...

    Returns:
        The recommended configuration, its checkpoint, and frames of all that was trained.

    Raises:
        TuneError: If `train` gives no number or several without `metric`, or none of the configurations that were
            trained gives a value.
        FileError: If `workdir` holds a tuning already, is held by another process, or cannot be written.
        TableError: If the parts do not fit together, or what is resumed was started otherwise.
        At2Error: As `Recommender` raises.

    Example:
        >>> import at2, tempfile
        >>> def train(config, epochs, checkpoint):
        ...     weight = 0.0
        ...     for epoch in epochs:  # nothing is saved: what is taken up again starts anew, and epochs say so
        ...         weight += (1 - weight) * min(config["lr"], 0.5)
        ...         yield weight
        >>> result = at2.tune(train, {"lr": (1e-3, 1.0, "log")}, n_epoch=5, budget="20 epochs",
        ...                   workdir=tempfile.mkdtemp(), resume=True)
        >>> result.config["lr"] > 0.3
        True
    """
    history, declared = as_history(history), as_space(space)
    if history is None and n_epoch is None:
        raise TableError("pass n_epoch=, the number of epochs of a full training")
    session = Session(workdir)
    with session.locked():
        recommender = _open(
            session,
            resume=resume,
            table=history,
            space=declared,
            target=target,
            budget=as_budget(budget),
            candidates=choose_candidates(candidates, space=declared, history=history),
            n_epoch=n_epoch,
            metric=metric if history is not None else None,
            maximize=direction_of(metric or "", maximize) if history is None else maximize,
            goal=goal,
            seed=seed,
            **further,
        )
        progress = _progress(recommender, session, metric=metric)
        store = CheckpointStore(session.checkpoints, limit_bytes=as_bytes(checkpoint_limit))
        objective = Objective(
            train, n_epoch=progress.n_epoch, metric=recommender.problem.metric or metric, most_alive=most_alive
        )
        _clean(store, progress)
        loop = Loop(
            recommender,
            objective,
            session,
            store,
            progress,
            view=view,
            callbacks=(callbacks,) if callable(callbacks) else callbacks,
            max_crashes=max_crashes,
            ranking=lambda: _least_promising(recommender),
        )
        loop.run()
        return _result(recommender, session, store, progress, tuner_s=loop.tuner_s)


def _open(
    session: Session, *, resume: bool, table: LearningCurveTable | None, budget: Budget, **settings: Any
) -> Recommender:
    """Start a recommender with a journal, or go on with the one that is there."""
    exists = session.journal.exists()
    if exists and not resume:
        raise FileError(
            f"{session.folder} holds a tuning already; pass resume=True (--resume) to go on, or another folder",
            path=session.folder,
        )
    if not exists:
        if session.checkpoints.exists():
            message = f"{session.checkpoints} holds checkpoints, but there is no journal; take another workdir"
            raise FileError(message, path=session.checkpoints)
        return Recommender(table, budget=budget, journal=session.journal, **settings)
    fresh = Recommender(table, budget=budget, **settings)
    _, saved, events = Journal.read(session.journal)
    wanted = json.loads(json.dumps(fresh.header))
    others = [name for name in wanted if name not in _FREE and wanted[name] != saved.get(name)]
    if others:
        told = ", ".join(f"{name}={saved.get(name)!r} (now {wanted[name]!r})" for name in others)
        message = f"the tuning in {session.folder} was started with {told}; resume it so, or take another workdir"
        raise TableError(message if len(message) < 2000 else f"{message[:2000]}...")
    if wanted["budget"] != saved["budget"]:
        events = [event for event in events if event["event"] != "stop"]
        Journal.create(session.journal, {**saved, "budget": wanted["budget"]}, events)
    surrogate = settings.get("surrogate")
    return Recommender.resume(
        session.journal,
        table,
        surrogate=None if isinstance(surrogate, str) else surrogate,
        acquisition=settings.get("acquisition"),
        device=settings.get("device"),
    )


def _progress(recommender: Recommender, session: Session, *, metric: str | None) -> Progress:
    """Everything that was told so far, with what was noted about it."""
    problem, noted = recommender.problem, session.read_epochs()
    progress = Progress(
        recommender.budget,
        n_epoch=problem.history.n_epoch,
        metric=problem.metric or metric or "metric",
        maximize=problem.maximize,
        trained=recommender.goal == "train",
        spent=recommender.spent,
        look=lambda n: _leaders(recommender, n),
    )
    for told in recommender.told:
        query = told.query
        note = noted.get(query.number)
        if note is None or (note.config_id, note.epoch, note.value) != (query.config_id, query.epoch, told.value):
            status: Literal["ok", "crashed"] = "ok" if told.value is not None else "crashed"
            note = Epoch(query.number, query.config_id, query.epoch, told.value, status, told.seconds)
        progress.epochs.append(note)
        progress.configs[query.config_id] = dict(query.config)
    return progress


def _clean(store: CheckpointStore, progress: Progress) -> None:
    """Put away what a process that was killed left behind."""
    for name in progress.configs:
        store.rest(name)
    tidy(store, progress, progress.configs)


def _leaders(recommender: Recommender, n: int) -> list[Leader]:
    """Configurations of the highest expected value, with what is expected at the end of a full training."""
    problem = recommender.problem
    rows, means, halves = leading_readings(recommender, n)
    values: dict[ConfigId, list[float]] = {}
    for told in recommender.told:
        if told.value is not None:
            values.setdefault(told.query.config_id, []).append(told.value)
    leaders = []
    for row, mean, half in zip(rows, means[:, -1].tolist(), halves[:, -1].tolist(), strict=True):
        name = problem.config_ids[row]
        leaders.append(Leader(name, problem.configs[row], values.get(name, []), mean, mean - half, mean + half))
    return leaders


def _least_promising(recommender: Recommender) -> list[ConfigId]:
    """Configurations that were trained: complete ones first, then by their expected value, lowest first."""
    state, mean = recommender.state(), recommender.belief.values().mean.cpu()
    rows = torch.nonzero(state.done > 0)[:, 0].tolist()
    n_epoch = recommender.problem.history.n_epoch
    rows.sort(key=lambda row: (int(state.done[row]) < n_epoch, float(mean[row])))
    return [recommender.problem.config_ids[row] for row in rows]


def _result(
    recommender: Recommender, session: Session, store: CheckpointStore, progress: Progress, *, tuner_s: float
) -> TuneResult:
    failed, has_shown = progress.failed(), any(e.value is not None for e in progress.epochs)
    if not bool(recommender.state().eligible.any()) and not (has_shown and recommender.goal == "train"):
        last = list(failed.values())[-1]
        raise TuneError(
            f"all {len(failed)} configurations failed, the last in epoch {last.epoch} ({last.note or last.status})"
            f"{_tracebacks(session, failed)}. Mend train or the space, and take another workdir"
        )
    if failed and not has_shown:
        raise _nothing_learnt(session, failed)
    found = recommender.recommend()
    own = (e for e in progress.epochs if e.config_id == found.config_id)
    best = best_epoch(own, maximize=progress.maximize)
    kept = store.epochs(found.config_id)
    epoch = best.epoch if best is not None and best.epoch in kept else max(kept, default=0)
    return TuneResult(
        found,
        best=best,
        checkpoint=store.path(found.config_id, epoch) if epoch else None,
        workdir=session.folder,
        progress=progress,
        stopped_because="a callback called for it" if progress.must_stop else recommender.stopped_because or "",
        space=recommender.problem.space,
        target=recommender.target,
        leaders=tuple(_leaders(recommender, 5)),
        tuner_s=tuner_s,
    )


def _nothing_learnt(session: Session, failed: Mapping[ConfigId, Epoch]) -> TuneError:
    """The error of a tuning that ended, with candidates left, before any epoch gave a value."""
    last = list(failed.values())[-1]
    return TuneError(
        f"none of the {len(failed)} configurations that were trained gave a value, the last failed in epoch "
        f"{last.epoch} ({last.note or last.status}){_tracebacks(session, failed)}. Go on with resume=True (--resume) "
        "and, where it is spent, a larger budget; or mend train or the space, and take another workdir"
    )


def _tracebacks(session: Session, failed: Mapping[ConfigId, Epoch]) -> str:
    crashed = any(epoch.status == "crashed" for epoch in failed.values())
    return f"; tracebacks are in {session.folder / 'failures'}" if crashed else ""
