"""The rivals by name, built alike from a problem, a budget and a seed."""

import functools
import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from at2.errors import BudgetError, UnknownNameError
from at2.rivals.libraries import is_installed

if TYPE_CHECKING:
    from at2.recommend import Budget, Problem, Tuner

Builder = Callable[..., "Tuner"]

_NATIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "average-rank": ("average_rank:AverageRank", {}),
    "random-search": ("random_search:RandomSearch", {}),
    "average-regret": ("average_regret:AverageRegret", {}),
    "mean-final": ("mean_final:MeanFinal", {}),
    "greedy-portfolio": ("portfolio:GreedyPortfolio", {}),
    "shortlist-5x10": ("shortlist:Shortlist", {"n_config": 5, "n_epoch_each": 10}),
    "shortlist-8x4": ("shortlist:Shortlist", {"n_config": 8, "n_epoch_each": 4}),
    "shortlist-16x2": ("shortlist:Shortlist", {"n_config": 16, "n_epoch_each": 2}),
    "successive-halving": ("halving:SuccessiveHalving", {}),
    "successive-halving-warm": ("halving:SuccessiveHalving", {"warm": True}),
    "hyperband": ("hyperband:Hyperband", {}),
    "hyperband-warm": ("hyperband:Hyperband", {"warm": True}),
    "asha": ("asha:ASHA", {}),
    "multi-stage-grid": ("multi_stage:MultiStageGrid", {}),
    "population": ("population:PopulationBasedTraining", {}),
    "latent-kronecker": ("latent_kronecker:LatentKronecker", {}),
}

_DEAR = ("latent-kronecker",)

_SNAPPED = ("multi-stage-grid", "population")  # and all that other libraries propose

_LIBRARY: dict[str, tuple[str, dict[str, Any], str]] = {  # the last word is the library that does the work
    "optuna-tpe": ("optuna_samplers:OptunaSampler", {"sampler": "tpe"}, "optuna"),
    "optuna-gp": ("optuna_samplers:OptunaSampler", {"sampler": "gp"}, "optuna"),
    "dehb": ("dehb_rival:DEHBRival", {}, "dehb"),
    "smac": ("smac_rival:SMACRival", {}, "smac"),
    "syne-tune-zero-shot": ("syne_tune_rival:SyneTuneZeroShot", {}, "syne_tune"),
    "syne-tune-quantile": ("syne_tune_rival:SyneTuneQuantile", {}, "syne_tune"),
    "syne-tune-bounding-box": ("syne_tune_rival:SyneTuneBoundingBox", {}, "syne_tune"),
}


def rival_names() -> tuple[str, ...]:
    """Give the names of all rivals; ``shortlist-NxE`` is also known with other numbers.

    Example:
        >>> "asha" in rival_names()
        True
    """
    return (*_NATIVE, *_LIBRARY)


def cheap_names() -> tuple[str, ...]:
    """Give the names of the rivals that need no other library and take milliseconds a run.

    Example:
        >>> "asha" in cheap_names(), "latent-kronecker" in cheap_names()
        (True, False)
    """
    return tuple(name for name in _NATIVE if name not in _DEAR)


def missing_library(name: str) -> str | None:
    """Say which library a rival lacks, None if it can be used; see `at2.rivals.libraries`."""
    if name not in _LIBRARY or is_installed(_LIBRARY[name][2]):
        return None
    return _LIBRARY[name][2]


def is_snapped(name: str) -> bool:
    """Say whether a rival proposes points between configurations, moved to the nearest one that was not used yet.

    Example:
        >>> is_snapped("smac"), is_snapped("asha")
        (True, False)
    """
    return name in _LIBRARY or name in _SNAPPED


def is_rival(name: str) -> bool:
    """Say whether a rival has that name."""
    return name in (*_NATIVE, *_LIBRARY) or re.fullmatch(r"shortlist-[1-9]\d*x[1-9]\d*", name) is not None


def build_rival(name: str, problem: "Problem", *, budget: "Budget", seed: int = 0) -> "Tuner":
    """Build the rival of that name.

    Args:
        name: One of `rival_names`, or ``shortlist-NxE`` for a shortlist of N configurations with E epochs each.
        problem: Sources, candidates and direction of the metric, from `at2.recommend.build_problem`.
        budget: What may be spent.
        seed: Seed of everything random.

    Raises:
        UnknownNameError: If there is no rival of that name.
        MissingExtraError: If the library that it needs is not installed.
        At2Error: If the rival needs sources and the problem has none.
        BudgetError: If starting or resuming a configuration costs something: rivals do not reckon with that.
    """
    if budget.start_cost or budget.resume_cost:
        raise BudgetError(
            f"rivals count epochs or seconds alone, but the budget has start_cost={budget.start_cost:g} and "
            f"resume_cost={budget.resume_cost:g}; compare under a budget without them"
        )
    return _builder(name)(problem, budget=budget, seed=seed)


def make_rival(name: str, table: Any = None, *, target: str, budget: "Budget", seed: int = 0, **about: Any) -> "Tuner":
    """Build the rival of that name for a table, or for live training.

    Args:
        name: One of `rival_names`.
        table: Learning curves of earlier tasks; None starts without any.
        target: Name of the task to tune for.
        budget: What may be spent.
        seed: Seed of everything random.
        **about: The other arguments of `at2.recommend.build_problem`: sources, candidates, space, metric, ...

    Raises:
        UnknownNameError: If there is no rival, task, configuration or metric of a given name.
        TableError: If the parts do not fit together.

    Example:
        >>> from at2.recommend import Budget
        >>> configs = [{"lr": 0.1}, {"lr": 0.01}, {"lr": 0.001}]
        >>> tuner = make_rival("random-search", target="mine", candidates=configs, n_epoch=2, budget=Budget(epochs=4))
        >>> while (query := tuner.ask()) is not None:
        ...     tuner.tell(query, query.config["lr"])
        >>> tuner.recommend().n_epochs_spent
        4
    """
    from at2.recommend import build_problem

    return build_rival(name, build_problem(table, target=target, **about), budget=budget, seed=seed)


def check_rivals(names: Sequence[str]) -> None:
    """Raise UnknownNameError for the first name that no rival has."""
    for name in names:
        _builder(name)


def _builder(name: str) -> Builder:
    if not is_rival(name):
        raise UnknownNameError(f"no rival {name!r}; the rivals are {', '.join(rival_names())}")
    if name in _LIBRARY:
        place, options, _ = _LIBRARY[name]
    elif name not in _NATIVE:
        n_config, n_epoch_each = (int(number) for number in name.removeprefix("shortlist-").split("x"))
        place, options = "shortlist:Shortlist", {"n_config": n_config, "n_epoch_each": n_epoch_each}
    else:
        place, options = _NATIVE[name]
    module, attribute = place.split(":")
    return functools.partial(getattr(import_module(f"at2.rivals.{module}"), attribute), **options)
