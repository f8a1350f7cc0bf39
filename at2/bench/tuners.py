"""The tuners that a bench can run, by name: the recommender and its rivals, built alike."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from at2.errors import UnknownNameError

if TYPE_CHECKING:
    from at2.bench.plan import RunConfig
    from at2.recommend import Tuner
    from at2.tables import LearningCurveTable

Builder = Callable[["LearningCurveTable", "RunConfig"], "Tuner"]


def _at2(table: "LearningCurveTable", run: "RunConfig") -> "Tuner":
    from at2.recommend import Budget, Recommender

    return Recommender(
        table,
        target=run.target,
        sources=list(run.sources),
        budget=Budget(epochs=run.budget_epochs),
        seed=run.seed,
        metric=run.metric,
    )


def _average_rank(table: "LearningCurveTable", run: "RunConfig") -> "Tuner":
    from at2.rivals.average_rank import AverageRank

    return AverageRank(table, sources=run.sources, metric=run.metric)


def _random_search(table: "LearningCurveTable", run: "RunConfig") -> "Tuner":
    from at2.recommend import Budget
    from at2.rivals.random_search import RandomSearch

    return RandomSearch(table, budget=Budget(epochs=run.budget_epochs), seed=run.seed, metric=run.metric)


TUNERS: dict[str, Builder] = {"at2": _at2, "average-rank": _average_rank, "random-search": _random_search}


def build_tuner(table: "LearningCurveTable", run: "RunConfig") -> "Tuner":
    """Build the tuner that a run names.

    Raises:
        UnknownNameError: If there is no tuner of that name.
    """
    check_tuner(run.tuner)
    return TUNERS[run.tuner](table, run)


def check_tuner(name: str) -> None:
    """Raise UnknownNameError where no tuner has the name."""
    if name not in TUNERS:
        raise UnknownNameError(f"no tuner {name!r}; the tuners are {', '.join(TUNERS)}")
