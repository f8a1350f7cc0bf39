"""The utility bench: does a run end where another epoch costs more than it brings?

The utility of a run that has spent b of B epochs and has seen the best value y, a share of the metric's range, is
``U(b, y) = y - alpha (b / B)^c``. A run is told the price of an epoch, ``alpha / B``, and stops by itself. Since the
price decides nothing but the end, one run per target serves every alpha: it is played to the end, and cut where its
expected gain first falls below the price. The same run, cut after the number of epochs that is best on average over all
targets, shows what stopping when the model says so is worth.

References:
    Lee et al., Cost-sensitive freeze-thaw Bayesian optimization for efficient hyperparameter tuning, 2025,
    arXiv:2510.21379: the utility, c = 1, and the grid of alpha. The two ends of the normalization are this module's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from at2.bench.replay.cases import cached_table, play_cases
from at2.bench.replay.protocols import Protocol
from at2.errors import At2Error, BudgetError

if TYPE_CHECKING:
    import pandas as pd

    from at2.bench.replay.protocols import Case
    from at2.tables import LearningCurveTable

ALPHAS = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4)
FIXED = (5, 10, 20, 30, 50, 80, 120, 200)
"""Epochs after which a run is cut that does not ask what it gains."""

HEADER = ("alpha", "stops at", "at2", "best fixed end", "never stops", "its best end", "runs")
_FIXED_NAMES = tuple(f"after_{epochs}" for epochs in FIXED)


@dataclass(frozen=True)
class UtilityPlan:
    """What is measured.

    Args:
        database: Name of a table, or the path of an HDF5 file.
        protocol: Targets and sources.
        budget_epochs: B, which a run that never stops spends.
        alphas: What the whole budget costs, as a share of the metric's range; each in [0, 1].

    Raises:
        BudgetError: If the budget is not positive.
        At2Error: If an alpha lies outside [0, 1], or there is none.
    """

    database: str = "lcbench"
    protocol: Protocol = field(default_factory=Protocol)
    budget_epochs: int = 300
    alphas: tuple[float, ...] = ALPHAS

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.budget_epochs < 1:
            raise BudgetError(f"a budget is at least 1 epoch, {self.budget_epochs} given")
        if not self.alphas or not all(0.0 <= alpha <= 1.0 for alpha in self.alphas):
            raise At2Error(f"every alpha must lie in [0, 1], and there must be one; got {self.alphas}")


@dataclass(frozen=True)
class Course:
    """What one run went through, as shares of the metric's range.

    Args:
        best: Best value seen after 1, 2, ... epochs, shape ``(n_step,)``.
        gain: Expected gain of one more epoch then, shape ``(n_step,)``.
        curves: All curves of the target, shape ``(n_config, n_epoch)``, NaN where nothing was run.
    """

    best: np.ndarray
    gain: np.ndarray
    curves: np.ndarray


def measure_utility(plan: UtilityPlan, *, jobs: int = 1, on_case: Callable[[Case], None] | None = None) -> pd.DataFrame:
    """Play every target once and look at it with every alpha.

    Args:
        plan: What is measured.
        jobs: Processes at a time; 0 plays in this process.
        on_case: Called after each target.

    Returns:
        A row for each target and alpha: ``target``, ``draw``, ``alpha``, ``stopped_at`` (epochs), and the normalized
        regrets of the utility ``regret``, ``never_stop``, ``hindsight`` (the run's own best end), and ``after_5`` to
        ``after_200`` for fixed numbers of epochs.

    Raises:
        At2Error: If a process dies.
    """
    import pandas as pd

    work = functools.partial(_play, plan)
    rows = []
    for case, course in play_cases(work, plan.protocol, plan.database, jobs=jobs, on_case=on_case):
        for alpha in plan.alphas:
            found = judge(course, alpha, plan.budget_epochs)
            rows.append((case.target, case.draw, alpha, *found[:-1], *found.fixed))
    names = ["target", "draw", "alpha", "stopped_at", "regret", "never_stop", "hindsight", *_FIXED_NAMES]
    return pd.DataFrame(rows, columns=names).sort_values(["draw", "target", "alpha"], ignore_index=True)


class Judged(NamedTuple):
    """Where a run stops at a price, and the regrets of its utility; see `judge`."""

    stopped_at: int
    regret: float
    never_stop: float
    hindsight: float
    fixed: tuple[float, ...]


def judge(course: Course, alpha: float, budget_epochs: int, *, c: float = 1.0) -> Judged:
    """Say where a run stops at a price, and how far from the best utility that, and never stopping, leaves it.

    Regret is ``(U_max - U) / (U_max - U_min)``. ``U_max`` is what training the right configuration alone and stopping
    at the right epoch gives; ``U_min`` is what the worst configuration gives for the whole budget.

    Args:
        course: The run.
        alpha: What the whole budget costs.
        budget_epochs: The budget B.
        c: Power of the share of the budget in the cost.

    Returns:
        The epochs spent at the stop (at least 1), and the regrets of stopping there, of never stopping, of the best end
        of this very run, and of stopping after each of `FIXED` epochs, or where it ends before that.
    """
    spent = np.arange(1, len(course.best) + 1)
    utility = course.best - alpha * (spent / budget_epochs) ** c
    marginal = alpha * (((spent + 1) / budget_epochs) ** c - (spent / budget_epochs) ** c)
    below = np.flatnonzero(course.gain < marginal)
    stop = int(below[0]) if below.size else len(spent) - 1
    epochs = np.arange(1, course.curves.shape[1] + 1)
    top = float(np.nanmax(course.curves - alpha * (epochs / budget_epochs) ** c))
    worst = np.where(np.isfinite(course.curves), course.curves, -np.inf).max(1)
    spread = top - (float(worst[np.isfinite(worst)].min()) - alpha)
    fixed = [utility[min(epochs, len(utility)) - 1] for epochs in FIXED]
    regrets = (top - np.array([utility[stop], utility[-1], utility.max(), *fixed])) / (spread or 1.0)
    at_stop, at_end, at_best, *at_fixed = regrets.tolist()
    return Judged(stop + 1, at_stop, at_end, at_best, tuple(at_fixed))


def summarize_utility(frame: pd.DataFrame) -> pd.DataFrame:
    """Give the means over targets and draws, a row for each alpha, with the standard error of ``regret``.

    ``fixed`` is the least mean of any fixed number of epochs, and ``fixed_at`` that number.

    Args:
        frame: What `measure_utility` gave.
    """
    groups = frame.groupby("alpha", sort=True)
    means = groups[["stopped_at", "regret", "never_stop", "hindsight"]].mean()
    means.insert(2, "error", groups["regret"].sem())
    fixed = groups[list(_FIXED_NAMES)].mean()
    means["fixed"], means["fixed_at"] = fixed.min(axis=1), [FIXED[k] for k in fixed.to_numpy().argmin(axis=1)]
    means["n_run"] = groups.size()
    return means.reset_index()


def _play(plan: UtilityPlan, case: Case) -> tuple[Case, Course]:
    """Play one target to the end of the budget, asking before every epoch what it is expected to gain."""
    from at2.bench.replay.objective import TableObjective
    from at2.bench.replay.runner import play
    from at2.recommend import Budget, Recommender

    table = cached_table(plan.database)
    objective = TableObjective(table, case.target, seed=case.seed % table.n_seed)
    tuner = Recommender(
        table,
        target=case.target,
        sources=list(case.sources),
        candidates=objective.candidates,
        budget=Budget(epochs=plan.budget_epochs),
        goal="train",
        utility=0.0,
        seed=case.tuner_seed,
    )
    sign = 1.0 if table.metrics[table.metric].maximize else -1.0
    low, span = metric_range(table, case.target)
    best, gain = [-np.inf], []
    for step in play(tuner, objective, budget_epochs=plan.budget_epochs):
        if step.query is not None and step.shown is not None:
            value = -np.inf if step.shown.value is None else sign * step.shown.value
            best.append(max(best[-1], value))
            gain.append(tuner.expected_gain() / span)
    curves = table.oriented()[table.task_index(case.target), case.seed % table.n_seed]
    seen = np.maximum(best[1:], np.nanmin(curves))
    return case, Course((seen - low) / span, np.array(gain), (curves - low) / span)


def metric_range(table: LearningCurveTable, target: str) -> tuple[float, float]:
    """Give the lowest value (larger is better) and the span of a metric that is a share or a percentage.

    Any other metric has the range of the target's own curves.
    """
    values = table.curves()
    if table.metrics[table.metric].maximize and np.nanmin(values) >= 0 and np.nanmax(values) <= 100:
        return 0.0, 1.0 if np.nanmax(values) <= 1 else 100.0
    own = table.oriented()[table.task_index(target)]
    return float(np.nanmin(own)), float(np.nanmax(own) - np.nanmin(own)) or 1.0


def describe(summary: pd.DataFrame) -> Sequence[tuple[str, ...]]:
    """Give the rows of a summary as words, in the order of `HEADER`: alpha as a fraction, epochs, and regrets."""
    return [
        (
            "0" if row["alpha"] == 0 else f"1/{1 / row['alpha']:.4g}",
            f"{row['stopped_at']:.1f}",
            f"{row['regret']:.4f} +- {row['error']:.4f}",
            f"{row['fixed']:.4f} ({row['fixed_at']:.0f})",
            f"{row['never_stop']:.4f}",
            f"{row['hindsight']:.4f}",
            f"{row['n_run']:.0f}",
        )
        for row in summary.to_dict("records")
    ]
