"""What tuning costs in optimizer steps: one training, a population, a multi-stage grid, hypergradients.

An optimizer step is one update on one batch. Costs count what is trained, not what is bought: a step of a larger
network costs more seconds, and is one step here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from at2.errors import BudgetError


@dataclass(frozen=True)
class Training:
    """One training: its data and its length.

    Args:
        n_sample: Samples of the training split.
        batch_size: Samples of a step.
        n_epochs: Epochs of the training.
        drop_last: Whether a last batch that is not full is left out; else it is a step as well.

    Raises:
        BudgetError: If a number is not a positive whole one, or no batch is full where the last is left out.

    Example:
        >>> Training(n_sample=50_000, batch_size=256, n_epochs=70).n_steps
        13720
    """

    n_sample: int
    batch_size: int
    n_epochs: int
    drop_last: bool = False

    def __post_init__(self) -> None:
        _positive(self.n_epochs, "epochs")
        steps_per_epoch(self.n_sample, self.batch_size, drop_last=self.drop_last)

    @property
    def n_steps(self) -> int:
        """Optimizer steps of the training."""
        return self.n_epochs * steps_per_epoch(self.n_sample, self.batch_size, drop_last=self.drop_last)


@dataclass(frozen=True)
class Cost:
    """What a way of tuning costs.

    Args:
        name: What is priced.
        n_steps: Optimizer steps of all its trainings together.
        relative: The same as a multiple of one training's.
    """

    name: str
    n_steps: int
    relative: float


def steps_per_epoch(n_sample: int, batch_size: int, *, drop_last: bool = False) -> int:
    """Give the optimizer steps of one epoch.

    Raises:
        BudgetError: If a number is not a positive whole one, or no batch is full where the last is left out.

    Example:
        >>> steps_per_epoch(50_000, 256), steps_per_epoch(50_000, 256, drop_last=True)
        (196, 195)
    """
    _positive(n_sample, "samples")
    _positive(batch_size, "the batch size")
    n_steps = n_sample // batch_size if drop_last else -(-n_sample // batch_size)
    if n_steps == 0:
        raise BudgetError(
            f"no batch of {batch_size} is full with {n_sample} samples; use smaller batches, or keep the last"
        )
    return n_steps


def task_samples(task: str, *, train_share: float = 0.6) -> int:
    """Give the training samples of a HyperRec task: its published size times the share that is trained on.

    Args:
        task: Name of the task.
        train_share: Share of the training split; HyperRec's is 0.6.

    Raises:
        UnknownNameError: If HyperRec has no such task.

    Example:
        >>> task_samples("CIFAR100")
        36000
    """
    import pandas as pd

    from at2.tables import data_path
    from at2.tables.storage.frames import position

    sizes = pd.read_csv(data_path("hyperrec_tasks.csv"), index_col="task")["n_images"]
    return round(float(sizes.iloc[position(sizes.index, task, "task")]) * train_share)


def standard(training: Training) -> Cost:
    """Price one training."""
    return _cost("one training", training.n_steps, training)


def population(training: Training, *, n_member: int) -> Cost:
    """Price population based training: every member trains all epochs.

    Example:
        >>> population(Training(50_000, 256, 70), n_member=10)
        Cost(name='population of 10', n_steps=137200, relative=10.0)
    """
    _positive(n_member, "members")
    return _cost(f"population of {n_member}", n_member * training.n_steps, training)


def multi_stage_grid(training: Training, *, stages: Sequence[tuple[int, int]]) -> Cost:
    """Price a grid that is trained in stages.

    Args:
        training: Data and length of one training.
        stages: For each stage how many configurations are trained and for how many additional epochs.

    Raises:
        BudgetError: If there is no stage, or a number is not a positive whole one.

    Example:
        >>> multi_stage_grid(Training(50_000, 256, 70), stages=[(27, 20), (27, 20), (27, 30)])
        Cost(name='grid in 3 stages', n_steps=370440, relative=27.0)
    """
    if not stages:
        raise BudgetError("a grid needs at least one stage (configurations, additional epochs), none given")
    n_epochs = 0
    for n_config, n_more in stages:
        _positive(n_config, "configurations")
        _positive(n_more, "additional epochs")
        n_epochs += n_config * n_more
    per_epoch = training.n_steps // training.n_epochs
    plural = "" if len(stages) == 1 else "s"
    return _cost(f"grid in {len(stages)} stage{plural}", n_epochs * per_epoch, training)


def hypergradient(training: Training, *, every: int = 1) -> Cost:
    """Price a training that takes a hypergradient, as dear as a step, after every so many steps.

    Example:
        >>> hypergradient(Training(50_000, 256, 70)), hypergradient(Training(50_000, 256, 70), every=10).n_steps
        (Cost(name='hypergradient every step', n_steps=27440, relative=2.0), 15092)
    """
    _positive(every, "steps between hypergradients")
    words = "every step" if every == 1 else f"every {every} steps"
    return _cost(f"hypergradient {words}", training.n_steps + training.n_steps // every, training)


def epochs(training: Training, *, n_epochs: int, name: str = "tuning") -> Cost:
    """Price so many epochs, spent on whatever configurations: what a bench's budget costs.

    Example:
        >>> epochs(Training(50_000, 256, 75), n_epochs=100).n_steps
        19600
    """
    _positive(n_epochs, "epochs")
    return _cost(name, n_epochs * (training.n_steps // training.n_epochs), training)


def _cost(name: str, n_steps: int, training: Training) -> Cost:
    return Cost(name, n_steps, n_steps / training.n_steps)


def _positive(number: int, what: str) -> None:
    if isinstance(number, bool) or not math.isfinite(number) or number != int(number) or number < 1:
        raise BudgetError(f"{what} must be a whole number above zero, got {number!r}")
