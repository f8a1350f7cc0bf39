"""Tuning of the networks: TPE under Hyperband, random search, or at2 warm-started from other tasks.

One run trains one configuration of a network; its reading after each training epoch is the error on held-out curves,
and the number of training epochs is what a budget counts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from at2.curves.batch import Question, training_batch
from at2.curves.data import CurveSet, split
from at2.curves.networks.base import NetworkPredictor
from at2.curves.networks.cnn import CnnPredictor
from at2.curves.networks.lstm import LstmPredictor
from at2.errors import FitError, PredictorError
from at2.rivals.libraries import quiet, require

if TYPE_CHECKING:
    from at2.space import SearchSpace
    from at2.tables import LearningCurveTable

__all__ = ["NetworkTask", "TunedRun", "make_history", "network_space", "tune_network"]

_log = logging.getLogger(__name__)
Network = Literal["cnn", "lstm"]
TUNERS = ("bohb", "random", "at2")
_WORST = 1e6  # what a diverged training reads


def network_space(network: str) -> SearchSpace:
    """Return what can be tuned: learning rate, optimizer, and convolutions with filters, or units and layers.

    Raises:
        PredictorError: If the network is neither ``"cnn"`` nor ``"lstm"``.

    Example:
        >>> network_space("lstm").names
        ('learning_rate', 'optimizer', 'n_unit', 'n_layer')
    """
    import ConfigSpace as cs

    from at2.space import SearchSpace

    rate = cs.Float("learning_rate", (1e-4, 3e-2), log=True)
    optimizer = cs.Categorical("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
    if network == "cnn":
        declared = cs.ConfigurationSpace(name="curves-cnn")
        n_conv = cs.Integer("n_conv", (1, 3))
        filters = [cs.Integer(f"filters_{i}", (8, 128), log=True) for i in (1, 2, 3)]
        conditions = [cs.GreaterThanCondition(filters[i], n_conv, i) for i in (1, 2)]
        declared.add(rate, optimizer, n_conv, *filters, *conditions)
        return SearchSpace(declared, names=["learning_rate", "optimizer", "n_conv", *(f.name for f in filters)])
    if network == "lstm":
        declared = cs.ConfigurationSpace(name="curves-lstm")
        declared.add(rate, optimizer, cs.Integer("n_unit", (16, 160), log=True), cs.Integer("n_layer", (1, 2)))
        return SearchSpace(declared, names=["learning_rate", "optimizer", "n_unit", "n_layer"])
    raise PredictorError(f"'cnn' and 'lstm' can be tuned, not {network!r}")


@dataclass(frozen=True)
class NetworkTask:
    """Curves that configurations of a network are judged on, cut 60/20/20.

    Args:
        curves: The curves.
        network: ``"cnn"`` or ``"lstm"``.
        n_epoch: Training epochs of a full run.
        prefix: Epochs of a curve that are known.
        scaling: Scaling of the readings.
        seed: Decides the parts and the weights.
    """

    curves: CurveSet
    network: str
    n_epoch: int = 40
    prefix: int = 10
    scaling: str = "log"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that there is something left to predict."""
        if not 0 < self.prefix < self.curves.n_epoch:
            raise PredictorError(
                f"prefixes of {self.prefix} epochs leave nothing of curves of {self.curves.n_epoch} epochs"
            )

    def run(self, config: Mapping[str, Any]) -> Iterator[tuple[float, float]]:
        """Train a configuration and yield its squared errors on validation and test after every epoch.

        Whoever stops asking has paused it. A training that diverges reads 1e6 until its end.
        """
        parts = [self.curves.take(rows) for rows in split(len(self.curves), seed=self.seed)]
        question = Question(self.prefix, self.curves.n_epoch)
        batch, answers = training_batch(parts[0], question)
        predictor = self._predictor(config)
        predictor.curves_ = parts[0]
        predictor._prepare(parts[0])
        model, epochs = predictor.begin(batch, answers)
        judged = [training_batch(part, question) for part in parts[1:]]
        try:
            for _ in epochs:
                yield tuple(  # type: ignore[misc]
                    float(np.square(predictor._answer(model, asked) - came).mean()) for asked, came in judged
                )
        except FitError as error:
            _log.info("a configuration diverged: %s", error)
            while True:
                yield _WORST, _WORST

    def _predictor(self, config: Mapping[str, Any]) -> NetworkPredictor:
        common = {
            "prefix": self.prefix,
            "seed": self.seed,
            "scaling": self.scaling,
            "n_epoch": self.n_epoch,
            "learning_rate": float(config["learning_rate"]),
            "optimizer": str(config["optimizer"]),
        }
        if self.network == "cnn":
            filters = tuple(int(config[f"filters_{i}"]) for i in range(1, int(config["n_conv"]) + 1))
            return CnnPredictor(filters=filters, **common)  # type: ignore[arg-type]
        return LstmPredictor(n_unit=int(config["n_unit"]), n_layer=int(config["n_layer"]), **common)  # type: ignore[arg-type]


@dataclass
class TunedRun:
    """One configuration of a tuning run.

    Args:
        config: The configuration.
        is_random: Whether it was drawn at random rather than proposed by a model.
        validation: Squared error on validation after each training epoch.
        test: The same on test.
    """

    config: dict[str, Any]
    is_random: bool
    validation: list[float] = field(default_factory=list)
    test: list[float] = field(default_factory=list)


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
        tuner: ``"bohb"`` (Optuna's TPE under Hyperband), ``"random"`` (full runs) or ``"at2"``.
        budget_epochs: Training epochs to spend.
        seed: Seed of the tuner.
        history: For at2: runs on other tasks, such as those of `make_history`; None starts cold.
        max_runs: Most configurations to try.
        on_epoch: Is told the epochs spent, and the best validation error so far.

    Returns:
        A row per training epoch spent: ``spent``, ``run``, ``epoch``, ``is_random``, ``validation`` and ``test`` of
        that run, ``best_validation`` so far, and ``its_test``, the test error of the best so far; and the configuration
        as JSON in ``config``.

    Raises:
        PredictorError: If there is no such tuner, or the budget is not positive.
        MissingExtraError: If ``"bohb"`` is asked for and Optuna is not installed.
    """
    if tuner not in TUNERS:
        raise PredictorError(f"no tuner {tuner!r}; there are {', '.join(TUNERS)}")
    if budget_epochs < 1:
        raise PredictorError(f"a budget of at least 1 training epoch is wanted, got {budget_epochs}")
    log = _Log(task, budget_epochs, on_epoch)
    if tuner == "at2":
        _tune_with_at2(log, history, seed=seed, max_runs=max_runs)
    elif tuner == "bohb":
        _tune_with_optuna(log, seed=seed, max_runs=max_runs)
    else:
        for config in network_space(task.network).sample(max_runs, seed=seed):
            if log.begin(config, is_random=True) is None:
                break
            while log.step() is not None:
                pass
    return log.frame()


def make_history(
    sources: Mapping[str, CurveSet],
    network: str,
    *,
    n_config: int = 20,
    n_epoch: int = 40,
    prefix: int = 10,
    seed: int = 0,
) -> LearningCurveTable:
    """Train the same random configurations of a network on the curves of several tasks.

    Args:
        sources: Curves of each task.
        network: ``"cnn"`` or ``"lstm"``.
        n_config: How many configurations.
        n_epoch: Training epochs of each.
        prefix: Epochs of a curve that are known.
        seed: Decides configurations, parts and weights.

    Returns:
        A table of validation errors against training epochs, for the ``history`` of `tune_network`.
    """
    from at2.tables import LearningCurveTable, Metric

    space = network_space(network)
    configs = space.sample(n_config, seed=seed)
    errors = np.full((len(sources), 1, n_config, n_epoch), np.nan)
    for i, curves in enumerate(sources.values()):
        task = NetworkTask(curves, network, n_epoch=n_epoch, prefix=prefix, seed=seed, scaling="standard")
        for j, config in enumerate(configs):
            for epoch, (validation, _) in zip(range(n_epoch), task.run(config), strict=False):
                errors[i, 0, j, epoch] = min(validation, _WORST)
    return LearningCurveTable(
        {"val_mse": errors},
        tasks=list(sources),
        configs=pd.DataFrame(configs),
        metrics=[Metric("val_mse", maximize=False)],
        space=space,
        name=f"curves-{network}",
    )


class _Log:
    """Runs configurations, counts their epochs, and remembers the best."""

    def __init__(self, task: NetworkTask, budget_epochs: int, on_epoch: Callable[[int, float], None]) -> None:
        self.task, self.budget, self.on_epoch = task, budget_epochs, on_epoch
        self.runs: list[TunedRun] = []
        self._live: list[Iterator[tuple[float, float]]] = []
        self._rows: list[dict[str, Any]] = []
        self._best, self._its_test = math.inf, math.nan

    @property
    def spent(self) -> int:
        return len(self._rows)

    def begin(self, config: Mapping[str, Any], *, is_random: bool) -> int | None:
        """Begin a run; None where the budget is spent."""
        if self.spent >= self.budget:
            return None
        self.runs.append(TunedRun(dict(config), is_random))
        self._live.append(self.task.run(config))
        return len(self.runs) - 1

    def step(self, number: int = -1) -> float | None:
        """Train a run for one more epoch; its validation error, or None where the run or the budget is over."""
        run = self.runs[number]
        if self.spent >= self.budget or len(run.validation) >= self.task.n_epoch:
            return None
        validation, test = next(self._live[number])
        run.validation.append(validation)
        run.test.append(test)
        if validation < self._best:
            self._best, self._its_test = validation, test
        self._rows.append(
            {
                "spent": self.spent + 1,
                "run": number % len(self.runs),
                "epoch": len(run.validation),
                "is_random": run.is_random,
                "validation": validation,
                "test": test,
                "best_validation": self._best,
                "its_test": self._its_test,
            }
        )
        self.on_epoch(self.spent, self._best)
        return validation

    def frame(self) -> pd.DataFrame:
        """Return a row per epoch, with the configurations as JSON."""
        import json

        frame = pd.DataFrame(self._rows)
        return frame.assign(config=[json.dumps(self.runs[i].config) for i in frame["run"]])


def _tune_with_optuna(log: _Log, *, seed: int, max_runs: int) -> None:
    """TPE proposes, Hyperband's pruner stops."""
    optuna = require("optuna")
    n_random = max(10, max_runs // 4)
    with quiet("optuna"):
        study = optuna.create_study(
            direction="minimize",
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=n_random),
            pruner=optuna.pruners.HyperbandPruner(min_resource=3, max_resource=log.task.n_epoch, reduction_factor=3),
            study_name=f"at2-curves-{seed}",
        )
    for number in range(max_runs):
        with quiet("optuna"):
            trial = study.ask()
            config = _suggest(trial, log.task.network)
        if log.begin(config, is_random=number < n_random) is None:
            return
        state, value = optuna.trial.TrialState.COMPLETE, None
        while (error := log.step()) is not None:
            value = error
            trial.report(math.log(max(error, 1e-12)), step=len(log.runs[-1].validation))
            if len(log.runs[-1].validation) < log.task.n_epoch and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        with quiet("optuna"):
            if state == optuna.trial.TrialState.PRUNED or value is None:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(trial, math.log(max(min(log.runs[-1].validation), 1e-12)))


def _suggest(trial: Any, network: str) -> dict[str, Any]:
    """Let Optuna propose a configuration of `network_space`, conditions included."""
    config = {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 3e-2, log=True),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "adamw", "rmsprop", "sgd"]),
    }
    if network == "lstm":
        return config | {
            "n_unit": trial.suggest_int("n_unit", 16, 160, log=True),
            "n_layer": trial.suggest_int("n_layer", 1, 2),
        }
    config["n_conv"] = trial.suggest_int("n_conv", 1, 3)
    names = [f"filters_{i}" for i in range(1, config["n_conv"] + 1)]
    return config | {name: trial.suggest_int(name, 8, 128, log=True) for name in names}


def _tune_with_at2(log: _Log, history: LearningCurveTable | None, *, seed: int, max_runs: int) -> None:
    """The recommender asks, pausing and resuming configurations as it likes."""
    from at2.recommend import Budget, Recommender, SampledCandidates

    space = network_space(log.task.network)
    recommender = Recommender(
        history,
        target="curves",
        space=space,
        candidates=SampledCandidates(max_runs),
        budget=Budget(epochs=log.budget),
        seed=seed,
        metric="val_mse",
        maximize=False,
        n_epoch=log.task.n_epoch,
    )
    numbers: dict[Any, int] = {}
    while (query := recommender.ask()) is not None:
        if query.config_id not in numbers:
            number = log.begin(query.config, is_random=False)
            if number is None:
                return
            numbers[query.config_id] = number
        error = None
        while len(log.runs[numbers[query.config_id]].validation) < query.epoch:
            error = log.step(numbers[query.config_id])
            if error is None:
                return
        recommender.tell(query, error, failed=error is not None and error >= _WORST)
