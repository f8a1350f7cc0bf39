"""BOHB: brackets of Hyperband, filled by Optuna's TPE and, in part, at random."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from at2.curves.tuning.log import TuningLog
from at2.curves.tuning.spaces import network_space
from at2.rivals.libraries import quiet, require
from at2.rivals.rungs import rungs

__all__ = ["brackets", "tune_by_bohb"]

_ETA = 3
_N_RUNG = 3
_N_START = 10  # configurations judged before the first is proposed by a model
_RANDOM_SHARE = 1 / 3  # of the configurations after that


def brackets(n_epoch: int) -> Iterator[tuple[int, list[int]]]:
    """Yield, without end, how many configurations a bracket begins with, and the epochs of its rungs.

    A third of each rung goes on to the next. The sizes are those of the authors' implementation, which rounds down
    where the paper rounds up: five turns through the three brackets begin 75 configurations in 100 runs.

    Example:
        >>> import itertools
        >>> list(itertools.islice(brackets(27), 3))
        [(9, [3, 9, 27]), (3, [9, 27]), (3, [27])]
    """
    levels = rungs(n_epoch, _ETA)[-_N_RUNG:]
    while True:
        for start in range(len(levels)):
            rest = levels[start:]
            yield len(levels) // len(rest) * _ETA ** (len(rest) - 1), rest


def tune_by_bohb(log: TuningLog, *, seed: int, max_runs: int) -> None:
    """Run brackets until the budget or the number of runs is spent.

    The first ten configurations are drawn at random, and one of three after them, as the authors do; TPE proposes
    the others. A configuration that does not reach the next rung is told to TPE as pruned there, which ranks it
    below those that got further.

    Args:
        log: Trains the configurations.
        seed: Seed of TPE and of the random ones.
        max_runs: Runs at most: trainings of a configuration from one rung to the next.

    Raises:
        MissingExtraError: If Optuna is not installed.

    References:
        Falkner, Klein, Hutter, BOHB: Robust and efficient hyperparameter optimization at scale, ICML 2018.
    """
    proposals = _Proposals(log, seed=seed)
    for size, levels in brackets(log.task.n_epoch):
        pool = [proposals.next() for _ in range(size)]
        for level in levels:
            reached = []
            for number in pool:
                if log.n_run >= max_runs or log.train(number, level) is None:
                    return
                reached.append(number)
            pool = proposals.judge(reached, level, is_last=level == levels[-1])


class _Proposals:
    """Begins configurations, and tells TPE what came of them.

    Args:
        log: Trains the configurations.
        seed: Seed of TPE and of the random ones.
    """

    def __init__(self, log: TuningLog, *, seed: int) -> None:
        self._optuna = require("optuna")
        self.log, self._rng = log, np.random.default_rng(seed)
        self._space = network_space(log.task.network)
        self._trials: dict[int, Any] = {}
        self._n_told = 0
        with quiet("optuna"):
            self._study = self._optuna.create_study(
                direction="minimize", sampler=self._optuna.samplers.TPESampler(seed=seed), study_name=f"at2-{seed}"
            )

    def next(self) -> int:
        """Begin one more configuration; return its number."""
        is_random = self._n_told < _N_START or bool(self._rng.uniform() < _RANDOM_SHARE)
        with quiet("optuna"):
            if is_random:
                self._study.enqueue_trial(self._space.sample(1, seed=self._rng)[0])
            trial = self._study.ask()
            config = _suggest(trial, self.log.task.network)
        number = self.log.begin(config, is_random=is_random)
        self._trials[number] = trial
        return number

    def judge(self, numbers: list[int], level: int, *, is_last: bool) -> list[int]:
        """Tell how the configurations of a rung did, and return those that go on."""
        errors = {number: self.log.configs[number].validation[-1] for number in numbers}
        ranked = sorted(numbers, key=errors.__getitem__)
        n_on = 0 if is_last else max(1, len(numbers) // _ETA)
        state = self._optuna.trial.TrialState
        with quiet("optuna"):
            for number in numbers:
                self._trials[number].report(_log_error(errors[number]), step=level)
            for number in ranked[n_on:]:
                self._n_told += 1
                if is_last:
                    self._study.tell(self._trials[number], _log_error(errors[number]))
                else:
                    self._study.tell(self._trials[number], state=state.PRUNED)
        return ranked[:n_on]


def _log_error(error: float) -> float:
    return math.log(max(error, 1e-12))


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
