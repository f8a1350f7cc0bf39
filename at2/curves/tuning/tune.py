"""Tuning of the networks: BOHB, random search, or at2 warm-started from other tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from at2.curves.tuning.bohb import tune_by_bohb
from at2.curves.tuning.log import TuningLog
from at2.curves.tuning.spaces import network_space
from at2.curves.tuning.task import WORST, NetworkTask
from at2.errors import PredictorError

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable

__all__ = ["TUNERS", "tune_network"]

TUNERS = ("bohb", "random", "at2")


def tune_network(
    task: NetworkTask,
    *,
    tuner: str,
    budget_epochs: int,
    seed: int = 0,
    history: LearningCurveTable | None = None,
    max_runs: int = 100,
    on_epoch: Callable[[int, float], None] = lambda spent, best: None,
) -> pd.DataFrame:
    """Tune a network until a number of training epochs is spent.

    Args:
        task: What is trained on what.
        tuner: ``"bohb"`` (Optuna's TPE in the brackets of Hyperband), ``"random"`` (full trainings) or ``"at2"``.
        budget_epochs: Training epochs to spend.
        seed: Seed of the tuner.
        history: For at2: runs on other tasks, such as those of `make_history`; None starts cold.
        max_runs: Most runs of ``"bohb"``, from one rung to the next; most configurations of the others.
        on_epoch: Is told the epochs spent, and the best validation error so far.

    Returns:
        A row per training epoch spent: ``spent``; ``config_number``, ``run`` (the stretch of training that it belongs
        to), ``epoch``, ``is_random``, ``validation`` and ``test`` error of that configuration; ``best_validation`` so
        far, and ``its_test``, the test error of the best so far; and the configuration as JSON in ``config``.

    Raises:
        PredictorError: If there is no such tuner, or the budget is not positive.
        MissingExtraError: If ``"bohb"`` is asked for and Optuna is not installed.
    """
    if tuner not in TUNERS:
        raise PredictorError(f"no tuner {tuner!r}; there are {', '.join(TUNERS)}")
    if budget_epochs < 1:
        raise PredictorError(f"a budget of at least 1 training epoch is wanted, got {budget_epochs}")
    log = TuningLog(task, budget_epochs, on_epoch)
    if tuner == "at2":
        _tune_by_at2(log, history, seed=seed, n_candidate=max_runs)
    elif tuner == "bohb":
        tune_by_bohb(log, seed=seed, max_runs=max_runs)
    else:
        _tune_at_random(log, seed=seed, max_runs=max_runs)
    return log.frame()


def _tune_at_random(log: TuningLog, *, seed: int, max_runs: int) -> None:
    for config in network_space(log.task.network).sample(max_runs, seed=seed):
        if log.n_left == 0 or log.train(log.begin(config, is_random=True), log.task.n_epoch) is None:
            return


def _tune_by_at2(log: TuningLog, history: LearningCurveTable | None, *, seed: int, n_candidate: int) -> None:
    """The recommender asks, pausing and resuming configurations as it likes."""
    from at2.recommend import Budget, Recommender, SampledCandidates

    recommender = Recommender(
        history,
        target="curves",
        space=network_space(log.task.network),
        candidates=SampledCandidates(n_candidate),
        budget=Budget(epochs=log.budget),
        seed=seed,
        metric="val_mse",
        maximize=False,
        n_epoch=log.task.n_epoch,
    )
    numbers: dict[Any, int] = {}
    while log.n_left and (query := recommender.ask()) is not None:
        if query.config_id not in numbers:
            numbers[query.config_id] = log.begin(query.config, is_random=False)
        error = log.train(numbers[query.config_id], query.epoch)
        if error is None:
            return
        recommender.tell(query, error, failed=error >= WORST)
