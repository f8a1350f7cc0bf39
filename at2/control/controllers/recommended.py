"""The recommender as a controller: it picks the schedule from past recordings of other instances."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from at2.control.config import EnvConfig
from at2.control.controllers.schedules import ScheduleController, find_schedule, schedule_rates
from at2.control.episode import Episode
from at2.control.errors import ControlSettingError

if TYPE_CHECKING:
    from at2.control.env import SGDEnv
    from at2.control.instance import SGDInstance
    from at2.recommend import Recommender
    from at2.tables import LearningCurveTable

RECORDINGS = "control_recordings.h5"
"""Recordings of the training instances that ship with at2."""

_TRIAL_SEED = 1_000_003  # trials use other weights and batches than the episode


@dataclass
class RecommendedController:
    """Follows the schedule that `at2.Recommender` picks from recordings of other instances with the same optimizer.

    Without trials the pick rests on the recordings alone, and is the same for all new instances of an optimizer. With
    trials the recommender first spends that many epochs on trainings of the new instance, one at a time, pausing and
    resuming them as it sees fit: epochs that no other controller spends.

    Args:
        table: Recordings, as `at2.control.recordings.record_schedules` makes them; None takes those that ship with at2.
        trial_epochs: Epochs of trials before the episode.
    """

    table: LearningCurveTable | None = None
    trial_epochs: int = 0
    _picked: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict, repr=False)

    def begin(self, env: SGDEnv, *, seed: int) -> None:
        """Pick a schedule."""
        schedule, lr = self._pick(env.episode.instance, env.instance_name, seed)
        self._follower = ScheduleController(find_schedule(schedule), lr=lr)
        self._follower.begin(env, seed=seed)

    def act(self, env: SGDEnv) -> float:
        """Give the next rate of the schedule."""
        return self._follower.act(env)

    def _pick(self, instance: SGDInstance, name: str, seed: int) -> tuple[str, float]:
        """Give a schedule and its first rate."""
        if self.trial_epochs:
            return _answer(self._with_trials(instance, name, seed))
        known = name if name in self._recordings().tasks.index else ""
        key = (instance.optimizer, known)
        if key not in self._picked:
            self._picked[key] = _answer(self._recommender(instance, name))
        return self._picked[key]

    def _recordings(self) -> LearningCurveTable:
        if self.table is None:
            from at2.tables import data_path, load_table

            self.table = load_table(str(data_path(RECORDINGS)))
        return self.table

    def _recommender(self, instance: SGDInstance, name: str, seed: int = 0) -> Recommender:
        """Build a recommender whose sources are the recordings of other instances with the same optimizer."""
        from at2.recommend import Budget, Recommender

        table = self._recordings()
        is_alike = table.tasks["optimizer"] == instance.optimizer
        sources = [str(task) for task in table.tasks.index[is_alike] if task != name]
        if not sources:
            kinds = ", ".join(sorted(set(table.tasks["optimizer"])))
            message = f"the recordings hold no other instance with {instance.optimizer}; they know {kinds}"
            raise ControlSettingError(f"{message}; record some with `at2 control record`")
        budget = Budget(epochs=max(1, self.trial_epochs))
        return Recommender(table, target=name, sources=sources, budget=budget, seed=seed)

    def _with_trials(self, instance: SGDInstance, name: str, seed: int) -> Recommender:
        """Let the recommender spend its epochs on trainings of the instance."""
        recommender = self._recommender(instance, name, seed)
        trainings: dict[object, _Trial] = {}
        while (query := recommender.ask()) is not None:
            if query.config_id not in trainings:
                trainings[query.config_id] = _Trial(instance, dict(query.config), seed=seed + _TRIAL_SEED)
            value = trainings[query.config_id].train_to(query.epoch)
            recommender.tell(query, value, failed=value is None)
        return recommender


class _Trial:
    """One training of an instance with a recorded schedule, resumed as asked."""

    def __init__(self, instance: SGDInstance, config: dict[str, object], *, seed: int) -> None:
        self._episode = Episode(instance, EnvConfig(), seed=seed)
        build = find_schedule(str(config["schedule"]))
        self._rates = schedule_rates(build, float(str(config["lr"])), self._episode.cutoff_steps)

    def train_to(self, epoch: int) -> float | None:
        """Train up to an epoch and give the logarithm of the validation loss; None after a crash."""
        while self._episode.n_steps < epoch and not self._episode.crashed:
            self._episode.advance(self._rates[self._episode.n_steps])
        return None if self._episode.crashed else math.log(max(self._episode.validation.loss, 1e-12))


def _answer(recommender: Recommender) -> tuple[str, float]:
    config = recommender.recommend().config
    return str(config["schedule"]), float(config["lr"])
