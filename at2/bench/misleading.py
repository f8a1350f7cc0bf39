"""Sources that mislead: configuration labels shuffled, so that good curves belong to the wrong configurations.

Two questions are asked of every target. With every source shuffled, how much worse is the default recommender than
without any source? And with one helpful source among shuffled ones, is it found, and is the regret close to that with
the helpful source alone?
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from at2.bench.replay.cases import cached_table, check_chosen, play_cases
from at2.bench.replay.protocols import Protocol
from at2.bench.replay.views import with_curves
from at2.errors import At2Error, BudgetError

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.replay.protocols import Case
    from at2.tables import LearningCurveTable

ARMS = ("none", "shuffled", "good", "good among shuffled")
"""No source; all sources shuffled; the helpful source alone; the helpful source with all others shuffled."""


@dataclass(frozen=True)
class MisleadingPlan:
    """What is measured.

    Args:
        database: Name of a table, or the path of an HDF5 file.
        protocol: Targets and sources.
        budgets_epochs: Budgets; each is played by itself.
        arms: Which of `ARMS`.

    Raises:
        BudgetError: If there is no budget, or one is not positive.
        At2Error: If an arm is unknown, or there is none, or the protocol leaves anything out.
    """

    database: str = "lcbench"
    protocol: Protocol = field(default_factory=Protocol)
    budgets_epochs: tuple[int, ...] = (100, 400)
    arms: tuple[str, ...] = ARMS

    def __post_init__(self) -> None:
        """Check budgets and arms."""
        if not self.budgets_epochs or min(self.budgets_epochs) < 1:
            raise BudgetError(f"at least one budget of 1 epoch or more is wanted, {self.budgets_epochs} given")
        check_chosen(self.arms, ARMS, what="arms")
        check_chosen((self.protocol.name,), ("loo", "pairs"), what="protocols of misleading sources")


def measure_misleading(
    plan: MisleadingPlan, *, jobs: int = 1, on_case: Callable[[Case], None] | None = None
) -> pd.DataFrame:
    """Play every target with every arm and budget.

    Args:
        plan: What is measured.
        jobs: Processes at a time; 0 plays in this process.
        on_case: Called after each target.

    Returns:
        A row for each target, arm and budget: ``target``, ``draw``, ``arm``, ``budget_epochs``, ``regret`` of the
        recommendation, ``good`` (the helpful source) and ``found`` (whether it has the largest weight in the end; NaN
        where it is not one of several).

    Raises:
        At2Error: If a process dies.
    """
    import pandas as pd

    work = functools.partial(_play_all, plan)
    rows = []
    for case, results in play_cases(work, plan.protocol, plan.database, jobs=jobs, on_case=on_case):
        rows += [(case.target, case.draw, *result) for result in results]
    names = ["target", "draw", "arm", "budget_epochs", "regret", "good", "found"]
    return pd.DataFrame(rows, columns=names).sort_values(["budget_epochs", "draw", "target"], ignore_index=True)


def shuffle_sources(table: LearningCurveTable, sources: Sequence[str], *, seed: int) -> LearningCurveTable:
    """Give each of some tasks' curves to other configurations of that task.

    Args:
        table: The table; it is left as it is.
        sources: Tasks whose labels are shuffled, each by a permutation of its own.
        seed: Seed of the permutations.

    Returns:
        A table with the same tasks, configurations and default metric, and without times.
    """
    rng = np.random.default_rng(seed)
    curves = table.curves()
    for name in sources:
        task = table.task_index(name)
        curves[task] = curves[task][:, rng.permutation(curves.shape[2])]
    return with_curves(table, curves, timed=False)


def most_helpful(table: LearningCurveTable, target: str, *, seed: int = 0) -> str:
    """Return the task whose configurations rank most like the target's, by the best value of their curves.

    This looks at the target's own curves: it tells what a tuner should find out.

    Args:
        table: The table.
        target: Name of the target.
        seed: Training seed of the target's curves, counted from 0.

    Raises:
        At2Error: If the table has no other task.
    """
    from scipy.stats import spearmanr

    best = np.nanmax(np.nan_to_num(table.oriented(), nan=-np.inf), axis=3)  # (n_task, n_seed, n_config)
    own = best[table.task_index(target), seed]
    others = [str(name) for name in table.tasks.index if name != target]
    if not others:
        raise At2Error(f"table {table.name!r} holds no task but {target!r}; a helpful source needs a second one")
    return max(others, key=lambda name: np.nan_to_num(spearmanr(own, best[table.task_index(name), 0])[0], nan=-1.0))


def _play_all(plan: MisleadingPlan, case: Case) -> tuple[Case, list[tuple[str, int, float, str, float]]]:
    table = cached_table(plan.database)
    good = most_helpful(table, case.target, seed=case.seed % table.n_seed)
    others = [name for name in case.sources if name != good][: max(len(case.sources) - 1, 1)]
    chosen = {
        "none": ([], []),
        "shuffled": (list(case.sources), list(case.sources)),
        "good": ([good], []),
        "good among shuffled": ([good, *others], others),
    }
    rows = []
    for arm in plan.arms:
        sources, misleading = chosen[arm]
        shown = shuffle_sources(table, misleading, seed=case.tuner_seed) if misleading else table
        for budget in plan.budgets_epochs:
            regret, found = _play(shown, case, sources, budget)
            rows.append((arm, budget, regret, good, found))
    return case, rows


def _play(table: LearningCurveTable, case: Case, sources: list[str], budget_epochs: int) -> tuple[float, float]:
    """Regret in the end, and whether the first source has the largest weight; NaN if there are not several."""
    from at2.bench.replay.objective import TableObjective, play
    from at2.recommend import Budget, Recommender
    from at2.surrogate.transfer.settling import SettlingBelief

    objective = TableObjective(table, case.target, seed=case.seed % table.n_seed)
    budget = Budget(epochs=budget_epochs)
    candidates = objective.candidates
    tuner = Recommender(
        table, target=case.target, sources=sources, candidates=candidates, budget=budget, seed=case.tuner_seed
    )
    play(tuner, objective)
    belief, found = tuner.belief, float("nan")
    if len(sources) > 1 and isinstance(belief, SettlingBelief):
        found = float(int(belief.source_weights().mean.argmax()) == 0)
    return objective.regret(tuner.recommend().config_id), found


def summarize_misleading(frame: pd.DataFrame) -> pd.DataFrame:
    """Give means over targets for each budget and arm.

    Args:
        frame: What `measure_misleading` gave.

    Returns:
        A row for each budget and arm: ``regret`` and its standard error ``error``, ``ratio`` to the regret without
        sources, ``difference`` from it and the standard error ``difference_error`` of the paired difference, ``found``
        (the share of targets whose helpful source has the largest weight) and ``n_run``.
    """
    import pandas as pd

    rows = []
    for budget, part in frame.groupby("budget_epochs", sort=True):
        wide = part.pivot_table(index=["draw", "target"], columns="arm", values="regret")
        for arm in [arm for arm in ARMS if arm in wide]:
            own = part[part["arm"] == arm]
            row = {"budget_epochs": budget, "arm": arm, "regret": own["regret"].mean(), "error": own["regret"].sem()}
            if "none" in wide:
                difference = wide[arm] - wide["none"]
                base = wide["none"].mean()
                row["ratio"] = wide[arm].mean() / base if base else float("nan")
                row |= {"difference": difference.mean(), "difference_error": difference.sem()}
            is_among = arm == "good among shuffled"  # among shuffled sources only, no weight ought to be the largest
            rows.append(row | {"found": own["found"].mean() if is_among else float("nan"), "n_run": len(own)})
    return pd.DataFrame(rows)
