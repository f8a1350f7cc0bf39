"""The one loop that drives a tuner: ask, train (here: replay), tell, recommend, and look at the truth."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from at2.errors import BudgetError
from at2.tables.storage.frames import plain_value

if TYPE_CHECKING:
    from at2.bench.replay.objective import Measurement, TableObjective
    from at2.recommend import ConfigId, Query, Recommendation, Tuner


@dataclass(frozen=True)
class Step:
    """What stands after one more training: the tuner's choice, and how good it truly is.

    Args:
        n_epochs: Training epochs spent so far.
        query: What was trained last; None before the first training.
        shown: What it showed; None before the first training.
        recommendation: The tuner's choice now.
        rank: True rank of the choice, 1 for the best.
        regret: True normalized regret of the choice.
        best_seen_regret: Normalized regret of the best value seen so far; None before there is one.
        seconds: What ``ask``, ``tell`` and ``recommend`` took.
    """

    n_epochs: int
    query: "Query | None"
    shown: "Measurement | None"
    recommendation: "Recommendation"
    rank: int
    regret: float
    best_seen_regret: float | None
    seconds: dict[str, float]

    def observation(self) -> dict[str, Any]:
        """Give what was trained and seen as plain JSON values."""
        if self.query is None or self.shown is None:
            raise ValueError("nothing was trained before the first step")
        return {
            "number": self.query.number,
            "config_id": plain_value(self.query.config_id),
            "epoch": self.query.epoch,
            "value": self.shown.value,
            "failed": self.shown.failed,
        }

    def standing(self) -> dict[str, Any]:
        """Give where the run stands after this step as plain JSON values."""
        return {
            "n_epochs": self.n_epochs,
            "config_id": plain_value(self.recommendation.config_id),
            "rank": self.rank,
            "regret": self.regret,
            "best_seen_regret": self.best_seen_regret,
        }


def play(tuner: "Tuner", objective: "TableObjective", *, budget_epochs: int) -> Iterator[Step]:
    """Let a tuner spend its budget on a replayed target.

    Args:
        tuner: Anything with ``ask``, ``tell`` and ``recommend``; it sees nothing but the values it is told.
        objective: The target.
        budget_epochs: Training epochs that may be spent; a tuner that asks for more is stopped with an error.

    Yields:
        The standing before the first training, then one step for each query.

    Raises:
        BudgetError: If the tuner asks beyond the budget, or for an epoch that it has already been told.
    """
    watch = _Watch()
    n_epochs, best = 0, None
    trained: dict[ConfigId, int] = {}  # completed epochs of each configuration
    recommendation = watch.time("recommend", tuner.recommend)
    yield _step(objective, recommendation, seconds=watch.take())
    while (query := watch.time("ask", tuner.ask)) is not None:
        n_epochs += _train(query, trained, n_left=budget_epochs - n_epochs)
        shown = objective.measure(query.config_id, query.epoch)
        watch.time("tell", tuner.tell, query, shown.value, failed=shown.failed, seconds=shown.seconds)
        if shown.value is not None and objective.is_better(shown.value, best):
            best = shown.value
        recommendation = watch.time("recommend", tuner.recommend)
        step = _step(objective, recommendation, seconds=watch.take(), best=best)
        yield replace(step, n_epochs=n_epochs, query=query, shown=shown)


def _train(query: "Query", trained: "dict[ConfigId, int]", *, n_left: int) -> int:
    """Give the epochs that a query trains and note them in `trained`; they must be new and must be left to spend."""
    before = trained.get(query.config_id, 0)
    cost = query.epoch - before
    said = f"query {query.number} asks for epoch {query.epoch} of config {query.config_id!r}"
    if cost < 1:
        raise BudgetError(f"{said}, which has {before} already; ask for a later one")
    if cost > n_left:
        raise BudgetError(f"{said}, which needs {cost} epochs of the {n_left} that are left; ask for nothing more")
    trained[query.config_id] = query.epoch
    return cost


def _step(
    objective: "TableObjective",
    recommendation: "Recommendation",
    *,
    seconds: dict[str, float],
    best: float | None = None,
) -> Step:
    """Look up how good a recommendation truly is."""
    return Step(
        n_epochs=0,
        query=None,
        shown=None,
        recommendation=recommendation,
        rank=objective.rank(recommendation.config_id),
        regret=objective.regret(recommendation.config_id),
        best_seen_regret=None if best is None else objective.regret_of_value(best),
        seconds=seconds,
    )


class _Watch:
    """Times calls and hands the times over once."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def time(self, name: str, call: Any, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        result = call(*args, **kwargs)
        self._seconds[name] = time.perf_counter() - start
        return result

    def take(self) -> dict[str, float]:
        taken, self._seconds = self._seconds, {}
        return taken
