"""One rival on one case under one or several budgets: played, timed, priced, and looked at from outside."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.bench.regret.results import MARKS
from at2.bench.replay.cases import cached_table, left_of
from at2.bench.replay.objective import TableObjective
from at2.bench.replay.views import with_curves
from at2.bench.story import StoryRecorder
from at2.errors import BudgetError, UnknownNameError
from at2.recommend.budget import Budget
from at2.rivals.registry import build_rival, is_rival, rival_names
from at2.tables.storage.frames import plain_value

if TYPE_CHECKING:
    from at2.bench.replay.protocols import Case
    from at2.recommend import Acquisition, Query, Tuner
    from at2.recommend.settings import Goal
    from at2.surrogate import Belief, History, Surrogate
    from at2.tables import LearningCurveTable


GOALS: "dict[str, Goal]" = {"at2": "recommend", "at2-train": "train"}
"""What at2 plays for, by the name under which it plays."""


@dataclass(frozen=True)
class Match:
    """What a worker process does at a time: one rival on one case, once for each budget.

    Args:
        database: Name of a published table, or the path of an HDF5 file.
        rival: ``"at2"``, ``"at2-train"`` where it plays for the best trained model, ``"at2:NAME"`` for one of its other
            surrogates, or a name of `at2.rivals.registry`.
        case: Target, sources and candidates.
        budgets: What may be spent; each budget is a run of its own.
        metric: Name of the metric; None means the table's default.
        watched: Whether each run's story is kept, see `at2.bench.story`.
    """

    database: str
    rival: str
    case: "Case"
    budgets: tuple[Budget, ...]
    metric: str | None = None
    watched: bool = False


def check_contestant(name: str) -> None:
    """Raise UnknownNameError where neither at2 nor a rival has the name."""
    ours, _, surrogate = name.partition(":")
    if ours in GOALS:
        from at2.surrogate import make_surrogate

        make_surrogate(surrogate or "default")
    elif not is_rival(name):
        raise UnknownNameError(f"no rival {name!r}; there are {', '.join((*GOALS, *rival_names()))}")


def play_match(match: Match) -> list[dict[str, Any]]:
    """Play a match in this process and give one result for each budget.

    A run that raises gives a result with ``error`` and without figures, so that the others go on. The result of a
    watched run has its ``story``.
    """
    shared = _SharedFit(match.rival)
    results = []
    for budget in match.budgets:
        try:
            results.append(_play(match, budget, shared))
        except Exception as error:  # whatever a tuner raises costs this run only
            results.append(failure(match, f"{type(error).__name__}: {error}"))
    return results


def failure(match: Match, message: str) -> dict[str, Any]:
    """Give the result of a run that came to nothing."""
    return {**_names(match.case), "error": message}


def _names(case: "Case") -> dict[str, Any]:
    return {"target": case.target, "draw": case.draw, "seed": case.seed, "sources": list(case.sources)}


def _play(match: Match, budget: Budget, shared: "_SharedFit") -> dict[str, Any]:
    """Build, ask, train, tell until the tuner has enough, and look at the standing at the marks."""
    case = match.case
    shown, _ = _views(match.database, match.metric, case.held_out)
    objective = TableObjective(shown, case.target, seed=case.seed % shown.n_seed, metric=match.metric)
    account = _Account(budget, shown, case.target)
    story = StoryRecorder(objective) if match.watched else None
    known = _known(match)
    start = time.perf_counter()
    candidates = objective.candidates or (list(case.held_out) if case.held_out else None)
    tuner = _build(match, known, budget, shared, candidates)
    query = tuner.ask()
    overhead_s = time.perf_counter() - start + shared.saved_s
    marks = _Marks(tuner, objective, account)
    marks.take(overhead_s)
    if story is not None:
        story.note(tuner)
    while query is not None:
        asked, seen = query, objective.measure(query.config_id, query.epoch)
        account.charge(query, seen.seconds)
        start = time.perf_counter()
        tuner.tell(query, seen.value, failed=seen.failed, seconds=seen.seconds)
        query = tuner.ask()
        overhead_s += time.perf_counter() - start
        marks.see(seen.value)
        if account.n_epochs in MARKS or account.n_epochs % 100 == 0:
            marks.take(overhead_s)
        if story is not None:
            story.note(tuner, asked, seen)
    final = tuner.recommend()
    marks.take(overhead_s)
    result = {
        **_names(case),
        "config_id": plain_value(final.config_id),
        "regret": _rounded(objective.regret(final.config_id)),
        "best_seen_regret": marks.trace[-1][2],
        "true_rank": objective.rank(final.config_id),
        "n_epochs": account.n_epochs,
        "n_epoch": objective.n_epoch,
        "n_configs": len(account.trained),
        "n_steps": account.n_steps,
        "train_s": None if account.seconds is None else round(account.seconds, 3),
        "overhead_s": round(overhead_s, 6),
        "trace": marks.trace,
        "clock": marks.clock,
    }
    if story is not None:
        result["story"] = story.to_json(**_about(match, budget, shown))
    return result


def _about(match: Match, budget: Budget, table: "LearningCurveTable") -> dict[str, Any]:
    """Say whose story it is."""
    metric = table.get_metric(match.metric)
    return {
        "database": match.database,
        "rival": match.rival,
        "budget": budget.amount,
        "unit": f"{budget.unit}s",
        "metric": metric.name,
        "maximize": metric.maximize,
        **_names(match.case),
    }


def _build(
    match: Match, table: "LearningCurveTable", budget: Budget, shared: "_SharedFit", candidates: list[Any] | None
) -> "Tuner":
    from at2.recommend import Recommender, build_problem

    case = match.case
    sources = list(case.sources)
    if is_rival(match.rival):
        problem = build_problem(table, target=case.target, sources=sources, candidates=candidates, metric=match.metric)
        return build_rival(match.rival, problem, budget=budget, seed=case.tuner_seed)
    return Recommender(
        table,
        target=case.target,
        sources=sources,
        candidates=candidates,
        budget=budget,
        seed=case.tuner_seed,
        metric=match.metric,
        surrogate=shared,
        acquisition=shared.acquisition(),
        goal=shared.goal,
    )


class _Marks:
    """Where a run stands at the marks.

    Args:
        tuner: Who tunes.
        objective: The target.
        account: What was spent.

    Attributes:
        trace: Epochs spent, regret of the recommendation, and regret of the best value seen (None before there is one).
        clock: For each of these the seconds of training (None where unknown) and of the tuner itself.
    """

    def __init__(self, tuner: "Tuner", objective: TableObjective, account: "_Account") -> None:
        self._tuner, self._objective, self._account = tuner, objective, account
        self._best: float | None = None
        self.trace: list[tuple[int, float, float | None]] = []
        self.clock: list[tuple[float | None, float]] = []

    def see(self, value: float | None) -> None:
        """Take note of a value that the tuner was told."""
        if value is not None and self._objective.is_better(value, self._best):
            self._best = value

    def take(self, overhead_s: float) -> None:
        """Look at the standing, unless it was looked at after this epoch already."""
        if self.trace and self.trace[-1][0] == self._account.n_epochs:
            return
        regret = _rounded(self._objective.regret(self._tuner.recommend().config_id))
        seen = None if self._best is None else _rounded(self._objective.regret_of_value(self._best))
        self.trace.append((self._account.n_epochs, regret, seen))
        seconds = self._account.seconds
        self.clock.append((None if seconds is None else round(seconds, 3), round(overhead_s, 4)))


def _rounded(value: float) -> float:
    """Seven digits: where one loss diverged to a billion, all other regrets are tiny, and not alike."""
    return float(f"{value:.7g}")


class _Account:
    """What a run has spent: epochs, configurations, optimizer steps, seconds.

    Args:
        budget: What may be spent; a tuner that asks for more epochs is stopped with an error.
        table: Gives the size of the task (``n_images``) and the batch size of a configuration (``batch_size``), which
            turn epochs into optimizer steps; without them steps are None.
        target: Name of the task.
    """

    def __init__(self, budget: Budget, table: "LearningCurveTable", target: str) -> None:
        self.n_epochs, self.seconds = 0, None if table.kept_seconds is None else 0.0
        self.trained: dict[Any, int] = {}
        self._n_sample = _n_sample(table, target)
        self.n_steps: int | None = 0 if self._n_sample and "batch_size" in table.configs else None
        self._left = budget.epochs
        if budget.seconds is not None and table.kept_seconds is None:
            raise BudgetError(f"table {table.name!r} has no times, so that no budget in seconds can be played on it")

    def charge(self, query: "Query", seconds: float | None) -> None:
        """Book one epoch.

        Raises:
            BudgetError: If it is beyond the budget, or not the next epoch of its configuration.
        """
        if self._left is not None and self.n_epochs >= self._left:
            raise BudgetError(f"query {query.number} is one epoch beyond the budget of {self._left}")
        before = self.trained.get(query.config_id, 0)
        if query.epoch != before + 1:
            raise BudgetError(f"query {query.number} asks for epoch {query.epoch}, but epoch {before + 1} comes next")
        self.trained[query.config_id] = query.epoch
        self.n_epochs += 1
        if self.seconds is not None:
            self.seconds += seconds or 0.0
        if self.n_steps is not None and self._n_sample:
            from at2.bench.costs import steps_per_epoch

            self.n_steps += steps_per_epoch(self._n_sample, int(query.config["batch_size"]))


def _n_sample(table: "LearningCurveTable", target: str) -> int | None:
    """Give the size of a task's training split, None where it is unknown."""
    if "n_images" not in table.tasks or not table.tasks["n_images"].loc[target] > 0:
        return None
    share = float(table.notes.get("split", {}).get("train", 1.0))
    return round(float(table.tasks["n_images"].loc[target]) * share)


class _SharedFit:
    """A surrogate that is fitted once for all budgets of a match; `saved_s` is charged to those that come later.

    Args:
        contestant: Who plays, see `Match`; rivals fit nothing.
    """

    def __init__(self, contestant: str) -> None:
        ours, _, surrogate = contestant.partition(":")
        self.goal: Goal = GOALS.get(ours, "recommend")
        self._name = surrogate or "default"
        self._belief: Belief | None = None
        self._fit_s = self.saved_s = 0.0

    def acquisition(self) -> "Acquisition | None":
        """Give the rule that the surrogate was published with; None for the default one."""
        from at2.recommend.acquisition.ucb import PublishedWithUcb, UpperConfidenceBound

        surrogate = self._make()
        return UpperConfidenceBound(surrogate.ucb_beta) if isinstance(surrogate, PublishedWithUcb) else None

    def _make(self) -> "Surrogate":
        from at2.surrogate import make_surrogate

        return make_surrogate(self._name)

    def fit(self, history: "History", **options: Any) -> "Belief":
        """Fit, or give a copy of what was fitted before: the history of a match is the same for all budgets."""
        if self._belief is None:
            start = time.perf_counter()
            self._belief = self._make().fit(history, **options)
            self._fit_s = time.perf_counter() - start
        else:
            self.saved_s = self._fit_s
        return self._belief.fork()


@functools.lru_cache(maxsize=8)
def _views(
    database: str, metric: str | None, held_out: Sequence[Any] | None
) -> "tuple[LearningCurveTable, LearningCurveTable]":
    """Give the table that is replayed and the one that tuners may learn from, loaded once a process."""
    table = cached_table(database)
    if held_out is None:
        return table, table
    rows = [table.config_index(config_id) for config_id in held_out]
    curves = table.curves(metric)
    curves[:, :, rows] = np.nan
    return table.subset(configs=held_out), with_curves(table, curves, metric=metric)


@functools.lru_cache(maxsize=2)
def _known(match: Match) -> "LearningCurveTable":
    """Give the table that a match's tuner may learn from."""
    _, hidden = _views(match.database, match.metric, match.case.held_out)
    return left_of(hidden, match.case, metric=match.metric)
