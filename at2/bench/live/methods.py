"""Ways of getting a trained network, each run live on one task and counted alike."""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from at2.errors import UnknownNameError
from at2.recommend import Budget, Recommender, build_problem
from at2.recommend.live import CheckpointStore, Loop, Objective, Progress, Session
from at2.recommend.protocol import Tuner
from at2.training import EpochResult, ImageTask, Training, load_task
from at2.training.hypergradient import Hypergradient
from at2.training.population import population_based_training
from at2.training.tunable import METRIC, TunableTraining

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable

Config = Mapping[str, Any]
N_MEMBER, N_GRID, N_TURN = 10, 27, 8
HYPERGRADIENT_RATE = 0.02


@dataclass
class Trail:
    """What a method trained: validation and test accuracy of each epoch, updates, and the best epoch by validation.

    Attributes:
        n_epochs: Epochs of all trainings together.
        n_step: Their updates.
        validation: Best validation accuracy; minus infinity before there is any.
        test: Test accuracy after that very epoch.
    """

    n_epochs: int = 0
    n_step: int = 0
    validation: float = -math.inf
    test: float = math.nan

    def add(self, validation: float | None, test: float, *, n_step: int) -> None:
        """Count an epoch; None where it diverged."""
        self.n_epochs += 1
        self.n_step += n_step
        if validation is not None and validation > self.validation:
            self.validation, self.test = validation, test

    def add_result(self, result: EpochResult, *, n_step: int) -> None:
        """Count an epoch of the training loop."""
        self.add(None if result.diverged else result.validation.top1, result.test.top1, n_step=n_step)


@dataclass(frozen=True)
class Setting:
    """What a method is run on.

    Args:
        task: Name or path of the task.
        history: Name or path of the table that says what may be trained, and which other tasks taught what.
        budget_epochs: Epochs that the tuners may spend.
        seed: Seed of weights, batches and choices.
        n_epoch: Length of a full training; None takes the history's.
    """

    task: str
    history: str
    budget_epochs: int
    seed: int
    n_epoch: int | None = None

    @cached_property
    def table(self) -> LearningCurveTable:
        """The history, loaded."""
        from at2.tables import load_table

        return load_table(self.history)

    @cached_property
    def image_task(self) -> ImageTask:
        """The task, loaded."""
        return load_task(self.task)

    @property
    def length(self) -> int:
        """Length of a full training."""
        return self.n_epoch or self.table.n_epoch

    @property
    def configs(self) -> list[Config]:
        """The history's configurations: what every method chooses from."""
        return [self.table.config(name) for name in self.table.configs.index]

    def draw(self, n: int) -> list[Config]:
        """Draw different configurations of the history at random, by the seed; the first is the same for every n."""
        configs = self.configs
        order = np.random.default_rng([self.seed, 7]).permutation(len(configs))
        return [configs[k] for k in order[:n]]


@dataclass(frozen=True)
class Method:
    """One way of getting a trained network.

    Args:
        name: Its name.
        label: What it is, for tables.
        run: Does it, and gives what it trained.
        needs: The library without which it cannot run; None for none.
        is_free: Whether it spends what a setting's budget allows; the others cost what they cost.
    """

    name: str
    label: str
    run: Callable[[Setting], Trail] = field(repr=False)
    needs: str | None = None
    is_free: bool = False


def random_configuration(setting: Setting) -> Trail:
    """Train one random configuration in full."""
    (config,) = setting.draw(1)
    return _train(Training.from_config(setting.image_task, config, seed=setting.seed), setting.length)


def hypergradient(setting: Setting) -> Trail:
    """Train the same random configuration with its own learning rate to begin with, and then hypergradient descent.

    The configuration's schedule is left out: it would overwrite the rate.
    """
    (config,) = setting.draw(1)
    training = Training.from_config(setting.image_task, config, seed=setting.seed)
    training.scheduler = None
    Hypergradient(training.optimizer, rate=HYPERGRADIENT_RATE)
    return _train(training, setting.length)


def population(setting: Setting) -> Trail:
    """Train ten random configurations; every few epochs the worst take over from the best."""
    trail = Trail()
    steps = population_based_training(
        setting.draw(N_MEMBER),
        lambda config, seed: Training.from_config(setting.image_task, config, seed=seed),
        n_epoch=setting.length,
        interval=max(1, setting.length // N_TURN),
        seed=setting.seed,
    )
    for step in steps:
        trail.add_result(step.result, n_step=step.n_step)
    return trail


def grid(setting: Setting) -> Trail:
    """Spend 27 trainings on a three-stage grid that begins with 27 configurations."""
    return _tune(_rival("multi-stage-grid", setting, epochs=N_GRID * setting.length), setting)


def bohb(setting: Setting) -> Trail:
    """Tune with Optuna's TPE under its Hyperband pruner, which is BOHB's recipe."""
    return _tune(_rival("optuna-tpe", setting, epochs=setting.budget_epochs), setting)


def at2_with_history(setting: Setting) -> Trail:
    """Tune with at2, which knows the history's other tasks."""
    recommender = Recommender(
        setting.table,
        target=setting.image_task.name,
        n_epoch=setting.length,
        budget=Budget(epochs=setting.budget_epochs),
        goal="train",
        seed=setting.seed,
    )
    return _tune(recommender, setting)


def at2_without_history(setting: Setting) -> Trail:
    """Tune with at2 on the same configurations, without having seen any other task."""
    recommender = Recommender(
        target=setting.image_task.name,
        candidates=setting.configs,
        space=setting.table.space,
        n_epoch=setting.length,
        budget=Budget(epochs=setting.budget_epochs),
        goal="train",
        seed=setting.seed,
    )
    return _tune(recommender, setting)


METHODS = {
    method.name: method
    for method in (
        Method("random", "random configuration", random_configuration),
        Method("hypergradient", "random configuration, hypergradient descent", hypergradient),
        Method("grid", f"three-stage grid ({N_GRID} configurations)", grid),
        Method("population", f"population based training ({N_MEMBER} members)", population),
        Method("bohb", "BOHB", bohb, needs="optuna", is_free=True),
        Method("at2-cold", "at2 without history", at2_without_history, is_free=True),
        Method("at2", "at2 with the history of the other tasks", at2_with_history, is_free=True),
    )
}
"""The methods by name, in the order of tables."""


def run_method(name: str, setting: Setting) -> dict[str, Any]:
    """Run a method and give what came of it as JSON values.

    Seconds are those of the processor, in one thread: loading the data is left out, training, evaluating and deciding
    are in.

    Raises:
        UnknownNameError: If no method has that name.
    """
    if name not in METHODS:
        raise UnknownNameError(f"no method {name!r}; the methods are {', '.join(METHODS)}")
    _warm_up(setting)
    start = time.process_time()
    trail = METHODS[name].run(setting)
    seconds = time.process_time() - start
    found = dataclasses.asdict(trail) | {"seconds": seconds, "relative": trail.n_epochs / setting.length}
    if trail.validation == -math.inf:  # nothing but divergence: the network guesses
        found |= {"validation": 0.0, "test": 1.0 / setting.image_task.n_classes}
    return found


def _warm_up(setting: Setting) -> None:
    """Load what is loaded on first use, and train an epoch that nobody counts."""
    config = setting.configs[0]
    Training.from_config(setting.image_task, config, seed=setting.seed).run_epoch()


def _train(training: Training, n_epoch: int) -> Trail:
    """Train to the end, or until it diverges."""
    trail = Trail()
    for _ in range(n_epoch):
        before = training.n_step
        result = training.run_epoch()
        trail.add_result(result, n_step=training.n_step - before)
        if result.diverged:
            break
    return trail


def _rival(name: str, setting: Setting, *, epochs: int) -> Tuner:
    from at2.rivals.registry import build_rival

    problem = build_problem(setting.table, target=setting.image_task.name, n_epoch=setting.length)
    return build_rival(name, problem, budget=Budget(epochs=epochs), seed=setting.seed)


def _tune(tuner: Tuner, setting: Setting) -> Trail:
    """Let a tuner train live, with checkpoints in a folder that goes when it is done."""
    n_epoch, trail = setting.length, Trail()
    with tempfile.TemporaryDirectory(prefix="at2-compare-") as folder:
        session = Session(folder)
        progress = Progress(Budget(epochs=setting.budget_epochs), n_epoch=n_epoch, metric=METRIC, maximize=True)
        train = TunableTraining(setting.image_task, seed=setting.seed)
        objective = Objective(train, n_epoch=n_epoch, metric=METRIC, most_alive=64)
        with session.locked():
            Loop(tuner, objective, session, CheckpointStore(session.checkpoints), progress).run()
    for value, test, n_step in _epochs(progress):
        trail.add(value, test, n_step=n_step)
    return trail


def _epochs(progress: Progress) -> Iterator[tuple[float | None, float, int]]:
    """Validation and test accuracy and updates of each epoch, in the order of training."""
    done: dict[Any, int] = {}
    for epoch in progress.epochs:
        before = done.get(epoch.config_id, 0)
        done[epoch.config_id] = int(epoch.metrics.get("n_step", before))  # an epoch that crashed tells none
        yield epoch.value, epoch.metrics.get("test_acc_top1", math.nan), done[epoch.config_id] - before
