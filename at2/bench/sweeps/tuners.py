"""The tuners that a bench can run, by name: the recommender and its rivals, built alike."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from at2.errors import UnknownNameError
from at2.rivals.registry import build_rival, is_rival, rival_names

if TYPE_CHECKING:
    from at2.bench.sweeps.plan import RunConfig
    from at2.recommend import Tuner
    from at2.surrogate import Surrogate
    from at2.tables import LearningCurveTable

Ids = list[Any] | None  # of the configurations to choose from; None takes all
Builder = Callable[["LearningCurveTable", "RunConfig", Ids], "Tuner"]


def _at2(
    table: "LearningCurveTable", run: "RunConfig", candidates: Ids, surrogate: "str | Surrogate" = "default"
) -> "Tuner":
    from at2.recommend import Budget, Recommender

    return Recommender(
        table,
        target=run.target,
        sources=list(run.sources),
        candidates=candidates,
        budget=Budget(epochs=run.budget_epochs),
        seed=run.seed,
        metric=run.metric,
        surrogate=surrogate,
    )


def _at2_kronecker(table: "LearningCurveTable", run: "RunConfig", candidates: Ids) -> "Tuner":
    return _at2(table, run, candidates, "kronecker")


def _at2_2021(table: "LearningCurveTable", run: "RunConfig", candidates: Ids) -> "Tuner":
    from at2.surrogate.at2_2021 import AutoTuning2021

    settings: dict[str, Any] = {"num_tuning_budget": run.budget_epochs, **dict(run.options)}
    return _at2(table, run, candidates, AutoTuning2021(**settings))


TUNERS: dict[str, Builder] = {"at2": _at2, "at2-kronecker": _at2_kronecker, "at2-2021": _at2_2021}
"""Tuners other than the rivals of `at2.rivals.registry`."""


def build_tuner(table: "LearningCurveTable", run: "RunConfig", candidates: Ids = None) -> "Tuner":
    """Build the tuner that a run names.

    Args:
        table: The table that holds sources and target.
        run: What to run.
        candidates: Ids of the configurations to choose from; None takes all.

    Raises:
        UnknownNameError: If there is no tuner of that name.
    """
    from at2.recommend import Budget, build_problem

    check_tuner(run.tuner)
    if run.tuner in TUNERS:
        return TUNERS[run.tuner](table, run, candidates)
    problem = build_problem(
        table, target=run.target, sources=list(run.sources), candidates=candidates, metric=run.metric
    )
    return build_rival(run.tuner, problem, budget=Budget(epochs=run.budget_epochs), seed=run.seed)


def check_tuner(name: str) -> None:
    """Raise UnknownNameError where no tuner has the name."""
    if name not in TUNERS and not is_rival(name):
        raise UnknownNameError(f"no tuner {name!r}; the tuners are {', '.join((*TUNERS, *rival_names()))}")
