"""What is to be recorded: which configurations, on which tasks, for how long, and from which seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from at2.errors import CheckpointError, TaskError, UnknownNameError
from at2.space import SearchSpace, hyperrec_small_space, hyperrec_space
from at2.space.parameters import Value
from at2.tables.storage.frames import close_matches
from at2.training.results import ScoreFunction

SPACES: dict[str, Callable[[], SearchSpace]] = {"hyperrec-small": hyperrec_small_space, "hyperrec": hyperrec_space}
"""Search spaces whose configurations `Training.from_config` can train."""


@dataclass(frozen=True)
class Recipe:
    """Everything but tasks and seeds that decides what a recording holds; two recipes never share a file.

    Args:
        space: Name of a search space, one of `SPACES`.
        n_config: Configurations drawn from it.
        n_epoch: Epochs of each run.
        config_seed: Seed of the draw.
        batch_values: Values kept per epoch of each batch-wise series: means over equal stretches of batches; None keeps
            every batch, 0 none.

    Raises:
        UnknownNameError: If there is no such space.
        ValueError: If a count is below 1, or `batch_values` below 0.
    """

    space: str = "hyperrec-small"
    n_config: int = 64
    n_epoch: int = 40
    config_seed: int = 0
    batch_values: int | None = None

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            raise UnknownNameError(f"no space {self.space!r} to record in; {close_matches(self.space, list(SPACES))}")
        if min(self.n_config, self.n_epoch) < 1 or (self.batch_values or 0) < 0:
            raise ValueError(
                "at least one configuration and one epoch wanted, and batch_values >= 0, got "
                f"n_config={self.n_config}, n_epoch={self.n_epoch}, batch_values={self.batch_values}"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values."""
        return asdict(self)

    def check_same(self, saved: Mapping[str, Any], *, path: Path) -> None:
        """Refuse to go on with a recording that was made by another recipe.

        Raises:
            CheckpointError: If it differs; the message names the first difference.
        """
        for field in fields(self):
            there, here = saved.get(field.name), getattr(self, field.name)
            if there != here:
                raise CheckpointError(
                    f"{path}: holds another recording: {field.name} is {there!r} there and {here!r} here; give the "
                    "same options, or another --out",
                    path=path,
                )

    @cached_property
    def search_space(self) -> SearchSpace:
        """The search space."""
        return SPACES[self.space]()

    @cached_property
    def configs(self) -> list[dict[str, Value]]:
        """The configurations; position is id."""
        return self.search_space.sample(self.n_config, seed=self.config_seed)


@dataclass(frozen=True)
class Run:
    """One configuration on one task from one seed.

    Args:
        source: What `load_task` takes.
        task: Name of the task in the table.
        seed: Seed of the training, from 0.
        config_id: Position of the configuration.
        config: The configuration.
        n_epoch: Epochs to train.
        path: The run's own file.
        device: Where to train.
        extra: Metrics of the user's own, by name.
    """

    source: str
    task: str
    seed: int
    config_id: int
    config: Mapping[str, Value]
    n_epoch: int
    path: Path
    device: str = "cpu"
    extra: Mapping[str, ScoreFunction] | None = None

    @property
    def name(self) -> str:
        """The run in words."""
        return f"configuration {self.config_id} on {self.task!r}, seed {self.seed}"

    @property
    def cell(self) -> tuple[str, int, int]:
        """Where the run stands in the table: task, seed, configuration."""
        return self.task, self.seed, self.config_id


def check_batches(recipe: Recipe, *, task: str, n_train: int) -> None:
    """Refuse a task that is smaller than the largest batch of a recipe.

    Raises:
        TaskError: If it is; before anything has been trained.
    """
    largest = max(int(str(config["batch_size"])) for config in recipe.configs)
    if n_train < largest:
        raise TaskError(
            f"task {task!r} has {n_train} training images, fewer than the largest batch of {largest} that the "
            "recording asks for; give the task more images, or leave it out"
        )
