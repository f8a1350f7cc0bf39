"""Recordings of schedules on instances: the learning curves that the recommender picks a schedule from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from at2.control.controllers.schedules import ScheduleController, find_schedule
from at2.control.env import SGDEnv
from at2.control.runs import run_episode

if TYPE_CHECKING:
    import pandas as pd

    from at2.control.instance import SGDInstance
    from at2.tables import LearningCurveTable

METRIC = "val_log_loss"
"""Metric of the recordings: the natural logarithm of the validation loss after every epoch; smaller is better."""

RECORDED_SCHEDULES = ("constant", "exponential", "warm-restarts", "doubling-cycles")
RECORDED_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)


def schedule_configs(
    schedules: Sequence[str] = RECORDED_SCHEDULES, rates: Sequence[float] = RECORDED_RATES
) -> dict[str, dict[str, str | float]]:
    """Give the configurations to record by id: each schedule from each first rate.

    Example:
        >>> schedule_configs(["constant"], [0.01, 0.1])
        {'constant-0.01': {'schedule': 'constant', 'lr': 0.01}, 'constant-0.1': {'schedule': 'constant', 'lr': 0.1}}
    """
    return {f"{name}-{lr:g}": {"schedule": name, "lr": lr} for name in schedules for lr in rates}


def record_schedules(
    instances: Mapping[str, SGDInstance],
    *,
    configs: Mapping[str, Mapping[str, str | float]] | None = None,
    seed: int = 0,
    on_episode: Callable[[str, str], None] | None = None,
) -> LearningCurveTable:
    """Train every instance with every schedule and keep the validation curves.

    Args:
        instances: What to train, by name; their names become tasks.
        configs: Configurations with ``schedule`` and ``lr``, by id; None takes those of `schedule_configs`.
        seed: Seed of every episode.
        on_episode: Called with instance and configuration after each episode, for progress.

    Returns:
        A table with one task per instance (its facts are those of the instance) and the metric `METRIC`. An epoch in
        which a training crashed, and those after it, are missing.
    """
    import pandas as pd

    from at2.tables import LearningCurveTable

    configs = schedule_configs() if configs is None else configs
    env = SGDEnv(instances)
    rows = []
    for name in instances:
        for config_id, config in configs.items():
            controller = ScheduleController(find_schedule(str(config["schedule"])), lr=float(config["lr"]))
            record = run_episode(env, controller, instance=name, seed=seed)
            losses = record.validation_losses[:-1] if record.crashed else record.validation_losses
            rows += [(name, config_id, epoch, math.log(max(loss, 1e-12))) for epoch, loss in enumerate(losses, start=1)]
            if on_episode is not None:
                on_episode(name, config_id)
    return LearningCurveTable.from_frame(
        pd.DataFrame(rows, columns=["task", "config_id", "epoch", "value"]),
        pd.DataFrame([{"config_id": config_id, **config} for config_id, config in configs.items()]),
        metric=METRIC,
        maximize=False,
        name="control",
        tasks=_facts(instances),
    )


def _facts(instances: Mapping[str, SGDInstance]) -> pd.DataFrame:
    """Give what a table says about instances."""
    import pandas as pd

    names = ("model", "dataset", "optimizer", "batch_size", "fraction", "cutoff")
    rows = [{name: getattr(instance, name) for name in names} for instance in instances.values()]
    return pd.DataFrame(rows, index=pd.Index(instances, name="task"))
