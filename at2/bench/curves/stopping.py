"""What early stopping saves and what it costs: replayed trainings, stopped by a predictor or by the median rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from at2.bench.statistics import mean_interval
from at2.curves.data import CurveSet
from at2.curves.registry import make_predictor
from at2.errors import PredictorError, ShapeError
from at2.tables.storage.markdown import markdown_table

__all__ = ["StoppingStudy", "replay", "run_stopping", "summarize_stopping"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StoppingStudy:
    """What is studied.

    Args:
        predictor: Name of the predictor.
        checks: Epochs after which a training may be stopped.
        probabilities: Thresholds: stop where the chance of beating the best is at most this.
        n_train: Tasks that the predictor is trained on; the study runs on all others.
        n_order: Random orders of the configurations of each task.
        n_first: Trainings that are never stopped, at the beginning of each order.
        seed: Decides tasks and orders.
    """

    predictor: str = "default"
    checks: tuple[int, ...] = (3, 6, 10, 20, 35)
    probabilities: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2, 0.4)
    n_train: int = 12
    n_order: int = 10
    n_first: int = 5
    seed: int = 0


def run_stopping(curves: CurveSet, study: StoppingStudy) -> pd.DataFrame:
    """Replay the trainings of every task that the predictor was not trained on.

    Args:
        curves: Complete curves of several tasks, one of each configuration and task.
        study: What is studied.

    Returns:
        A row per task, order and rule: ``saved`` (share of all epochs) and ``regret`` (how far the best reading that
        was reached is from the best of all trainings, as a share of their range).

    Raises:
        ShapeError: If no task is left to study, a curve has a gap, or a decision comes too late.
        PredictorError: If the predictor knows no uncertainty.
    """
    _check(curves, study)
    rng = np.random.default_rng(study.seed)
    names = rng.permutation(sorted(set(curves.tasks)))
    tasks = np.array(curves.tasks)
    trained = curves.take(np.isin(tasks, names[: study.n_train]))
    predictor = make_predictor(study.predictor, prefix=study.checks[0], seed=study.seed).fit(trained)
    rows = []
    for name in names[study.n_train :]:
        own = curves.take(tasks == name)
        laws = [predictor.predict(own.configs, own.curves[:, :check], tasks=str(name)).law for check in study.checks]
        orders = [rng.permutation(len(own)) for _ in range(study.n_order)]
        for number, order in enumerate(orders):
            for rule, threshold, stopped in _rules(own, laws, order, study):
                rows.append({"task": name, "order": number, "rule": rule, "threshold": threshold} | stopped)
    return pd.DataFrame(rows)


def _check(curves: CurveSet, study: StoppingStudy) -> None:
    """Raise where there is nothing to study."""
    n_task = len(set(curves.tasks))
    if n_task <= study.n_train:
        raise ShapeError(
            f"{n_task} task(s), of which {study.n_train} are for training: none is left to study; train on fewer"
        )
    if not np.isfinite(curves.curves).all():
        raise ShapeError("a curve has a gap or ends early; trainings are replayed to the end, so leave it out")
    if not 0 < min(study.checks) <= max(study.checks) < curves.n_epoch:
        raise ShapeError(f"decisions after epochs {study.checks} must come before the last of {curves.n_epoch} epochs")
    if not make_predictor(study.predictor).knows_uncertainty:
        raise PredictorError(f"{study.predictor!r} knows no uncertainty; use one that does, such as the default")


def _rules(
    own: CurveSet, laws: Sequence[object], order: npt.NDArray[np.int64], study: StoppingStudy
) -> Iterable[tuple[str, float, dict[str, float]]]:
    """Yield each rule, its threshold and what it came to on one order."""
    yield "median", float("nan"), replay(own, order, study, laws=None, probability=0.0)
    for probability in study.probabilities:
        yield study.predictor, probability, replay(own, order, study, laws=laws, probability=probability)


def replay(
    own: CurveSet,
    order: npt.NDArray[np.int64],
    study: StoppingStudy,
    *,
    laws: Sequence[object] | None,
    probability: float,
) -> dict[str, float]:
    """Run trainings one after the other and stop those that a rule holds for hopeless.

    The median rule stops a training whose best reading so far is worse than the median, over all earlier trainings
    that got that far, of their mean readings up to that epoch.

    Args:
        own: Curves of one task.
        order: Order of its trainings.
        study: When decisions are made.
        laws: Predicted distributions of the last reading at each check; None for the median rule.
        probability: Threshold of the predictor's rule.
    """
    sign = 1.0 if own.maximize else -1.0
    curves = sign * own.curves  # larger is better
    best, spent = -np.inf, 0
    means: dict[int, list[float]] = {check: [] for check in study.checks}
    for place, row in enumerate(order):
        end = curves.shape[1]
        for k, check in enumerate(study.checks):
            if place >= study.n_first:
                if laws is None:
                    hopeless = curves[row, :check].max() < np.median(means[check])
                else:
                    below = float(laws[k].probability_below(np.full(len(own), sign * best))[row])  # type: ignore[attr-defined]
                    hopeless = (1 - below if own.maximize else below) <= probability
                if hopeless:
                    end = check
                    break
            means[check].append(float(curves[row, :check].mean()))
        spent += end
        best = max(best, float(curves[row, end - 1]))
    final = curves[:, -1]
    spread = max(float(np.ptp(final)), 1e-12)
    return {"saved": 1 - spent / curves.size, "regret": max(0.0, (float(final.max()) - best) / spread)}


def summarize_stopping(results: pd.DataFrame) -> pd.DataFrame:
    """Average over orders, then over tasks with t-intervals: a row per rule and threshold."""
    rows = []
    for (rule, threshold), group in results.groupby(["rule", "threshold"], sort=False, dropna=False):
        by_task = group.groupby("task")[["saved", "regret"]].mean()
        row: dict[str, object] = {"rule": rule, "threshold": threshold, "n_task": len(by_task)}
        for name in ("saved", "regret"):
            found = mean_interval(by_task[name].to_numpy())
            row |= {name: found.value, f"{name}_half": found.half_width}
        rows.append(row)
    return pd.DataFrame(rows)


def stopping_markdown(summary: pd.DataFrame) -> str:
    """Write a summary as a Markdown table."""
    rows = []
    for row in summary.to_dict("records"):
        limit = row["threshold"]
        rule = str(row["rule"]) + (f", chance <= {limit:g}" if limit == limit else " rule")
        saved = f"{100 * row['saved']:.0f} % ± {100 * row['saved_half']:.0f}"
        regret = f"{row['regret']:.4f} ± {row['regret_half']:.4f}"
        rows.append([str(row["database"]), rule, saved, regret])
    return markdown_table(["database", "rule", "epochs saved", "regret lost"], rows, n_left=2)
