"""at2 and rivals on drawn collections: none of their tables was there when the default was chosen."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from at2.bench.drawn.curves import TARGET, draw_table
from at2.bench.drawn.traits import Traits, draw_traits
from at2.bench.replay.objective import TableObjective, play
from at2.errors import At2Error, BudgetError
from at2.processes import run_all
from at2.rivals.registry import check_rivals, make_rival

if TYPE_CHECKING:
    import pandas as pd

    from at2.recommend import Budget, Tuner
    from at2.tables import LearningCurveTable

RIVALS = ("at2", "mean-final", "shortlist-5x10", "shortlist-8x4", "shortlist-16x2", "hyperband")
ALONE = ("at2", "hyperband", "asha", "successive-halving", "random-search")
"""Who plays if nothing else is said, with the sources of a collection and without."""


@dataclass(frozen=True)
class DrawnPlan:
    """What is played.

    Args:
        n_collection: Number of collections; their seeds count up from ``first``.
        first: Seed of the first one.
        rivals: Names of `at2.rivals.registry`, and ``"at2"``; None takes `RIVALS`, or `ALONE` without sources.
        budgets_epochs: Budgets; each is played by itself.
        with_sources: Whether the sources of a collection are shown.

    Raises:
        BudgetError: If there is no budget, or one is not positive.
        UnknownNameError: If nobody has the name of a rival.
        At2Error: If there is no collection or no rival.
    """

    n_collection: int = 100
    first: int = 0
    rivals: tuple[str, ...] | None = None
    budgets_epochs: tuple[int, ...] = (25, 100)
    with_sources: bool = True

    def __post_init__(self) -> None:
        """Check budgets and rivals."""
        if not self.budgets_epochs or min(self.budgets_epochs) < 1:
            raise BudgetError(f"at least one budget of 1 epoch or more is wanted, {self.budgets_epochs} given")
        if self.n_collection < 1 or not self.played:
            raise At2Error(
                f"at least one collection and one rival are wanted, {self.n_collection}, {self.rivals} given"
            )
        check_rivals([rival for rival in self.played if rival != "at2"])

    @property
    def played(self) -> tuple[str, ...]:
        """Who plays."""
        return (RIVALS if self.with_sources else ALONE) if self.rivals is None else self.rivals


def measure_drawn(
    plan: DrawnPlan, *, jobs: int = 1, on_collection: Callable[[Traits], None] | None = None
) -> pd.DataFrame:
    """Play every collection with every rival and budget.

    Args:
        plan: What is played.
        jobs: Processes at a time; 0 plays in this process.
        on_collection: Called after each collection.

    Returns:
        A row for each collection, budget and rival: the traits, ``budget_epochs``, ``rival`` and ``gap``, how far its
        recommendation lies below the best configuration, in units of how far the median one does, at most 1.

    Raises:
        At2Error: If a process dies.
    """
    import pandas as pd

    seeds = range(plan.first, plan.first + plan.n_collection)
    work, rows = functools.partial(_play_all, plan), []
    for traits, results in run_all(work, seeds, jobs=jobs, lost=_lost) if jobs else map(work, seeds):
        rows += [{**asdict(traits), **result} for result in results]
        if on_collection is not None:
            on_collection(traits)
    return pd.DataFrame(rows).sort_values(["budget_epochs", "seed"], kind="stable", ignore_index=True)


def _play_all(plan: DrawnPlan, seed: int) -> tuple[Traits, list[dict[str, Any]]]:
    from at2.recommend import Budget

    traits = draw_traits(seed)
    table = draw_table(traits)
    objective = TableObjective(table, TARGET)
    sources = [f"source{k}" for k in range(traits.n_source)] if plan.with_sources else []
    results = []
    for epochs in plan.budgets_epochs:
        for rival in plan.played:
            tuner = _tuner(rival, table, sources, Budget(epochs=epochs), seed)
            play(tuner, objective)
            gap = objective.gap(tuner.recommend().config_id)
            results.append({"budget_epochs": epochs, "rival": rival, "gap": gap})
    return traits, results


def _tuner(name: str, table: LearningCurveTable, sources: list[str], budget: Budget, seed: int) -> Tuner:
    from at2.recommend import Recommender

    if name == "at2":
        return Recommender(table, target=TARGET, sources=sources, budget=budget, seed=seed)
    return make_rival(name, table, target=TARGET, sources=sources, budget=budget, seed=seed)


def _lost(seed: int) -> NoReturn:
    raise At2Error(f"the process that played collection {seed} died (killed for memory, or a crash)")


def summarize_drawn(frame: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Give means over collections for each budget and rival, and differences to at2.

    Args:
        frame: What `measure_drawn` gave.
        by: Names of traits that split the collections.

    Returns:
        A row for each budget, value of the traits and rival: ``gap`` and its standard error ``error``, ``won`` (the
        share of the collections on which the rival is the best one), ``n_collection`` and, where at2 played,
        ``difference`` to it with the ends ``low`` and ``high`` of a 95 % interval.
    """
    import pandas as pd

    from at2.bench.statistics import paired_comparison, shares_won

    rows = []
    keys = ["budget_epochs", *by]
    for values, part in frame.groupby(keys, sort=True):
        wide = part.pivot(index="seed", columns="rival", values="gap")[list(dict.fromkeys(part["rival"]))]
        for rival, won in zip(wide, shares_won(wide.to_numpy()), strict=True):
            row = dict(zip(keys, values, strict=True)) | {"rival": rival, "n_collection": len(wide)}
            row |= {"gap": wide[rival].mean(), "error": wide[rival].sem(), "won": won}
            if "at2" in wide and rival != "at2":
                paired = paired_comparison(wide[rival].to_numpy(), wide["at2"].to_numpy())
                row |= {"difference": paired.difference, "low": paired.low, "high": paired.high}
            rows.append(row)
    return pd.DataFrame(rows)
