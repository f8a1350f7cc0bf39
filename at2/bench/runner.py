"""The one loop that drives a tuner: ask, train (here: replay), tell, recommend, and look at the truth."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from at2.errors import BudgetError

if TYPE_CHECKING:
    from at2.bench.objective import Measurement, TableObjective
    from at2.recommend import Query, Recommendation, Tuner


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
            "config_id": plain(self.query.config_id),
            "epoch": self.query.epoch,
            "value": self.shown.value,
            "failed": self.shown.failed,
        }

    def standing(self) -> dict[str, Any]:
        """Give where the run stands after this step as plain JSON values."""
        return {
            "n_epochs": self.n_epochs,
            "config_id": plain(self.recommendation.config_id),
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
    recommendation = watch.time("recommend", tuner.recommend)
    yield _step(objective, recommendation, seconds=watch.take())
    while (query := watch.time("ask", tuner.ask)) is not None:
        n_epochs += _cost(query, n_epochs, budget_epochs)
        shown = objective.measure(query.config_id, query.epoch)
        watch.time("tell", tuner.tell, query, shown.value, failed=shown.failed, seconds=shown.seconds)
        if shown.value is not None and objective.is_better(shown.value, best):
            best = shown.value
        recommendation = watch.time("recommend", tuner.recommend)
        step = _step(objective, recommendation, seconds=watch.take(), best=best)
        yield replace(step, n_epochs=n_epochs, query=query, shown=shown)


def plain(value: Any) -> Any:
    """Turn a numpy scalar into the python value that JSON knows; everything else is returned as it is."""
    return value.item() if hasattr(value, "item") else value


def _cost(query: "Query", n_epochs: int, budget_epochs: int) -> int:
    """Give the epochs that a query trains, after checking that they may be spent."""
    cost = query.epoch - query.from_epoch
    if cost < 1:
        raise BudgetError(
            f"query {query.number} trains config {query.config_id!r} from {query.from_epoch} to {query.epoch}"
        )
    if n_epochs + cost > budget_epochs:
        raise BudgetError(
            f"query {query.number} needs {cost} epochs, {budget_epochs - n_epochs} of {budget_epochs} are left"
        )
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
