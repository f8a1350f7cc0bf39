"""The training loop as a generator that can be tuned: an epoch between two yields, a checkpoint after each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from at2.devices import usable_device
from at2.errors import SpaceError
from at2.training.loop import Training
from at2.training.tasks import ImageTask

if TYPE_CHECKING:
    from at2.tables import LearningCurveTable

CHECKPOINT = "training.pt"
METRIC = "val_acc_top1"
GIVEN = (METRIC, "test_acc_top1", "val_loss", "test_loss")
"""Metrics of an epoch; `n_step`, the updates so far, comes beside them."""


@dataclass(frozen=True)
class TunableTraining:
    """Trains configurations of the HyperRec space, or of its small sister, for :func:`at2.tune`.

    Args:
        task: What is trained on.
        seed: Seed of the initial weights and of the order of batches.
        device: Where to train.
        metric: What to call the validation accuracy, where a history calls it otherwise.

    Raises:
        DeviceError: If there is no such device here.

    Example:
        >>> import tempfile
        >>> from at2.space import hyperrec_small_space
        >>> from at2.training import load_task
        >>> train = TunableTraining(load_task("digits-low"), seed=0)
        >>> config = hyperrec_small_space().sample(1, seed=0)[0]
        >>> folder = Path(tempfile.mkdtemp())
        >>> first = next(train(config, range(1, 41), folder))
        >>> sorted(first)[:2], [path.name for path in folder.iterdir()]
        (['n_step', 'test_acc_top1'], ['training.pt'])
        >>> second = next(train(config, range(2, 41), folder))  # goes on from the checkpoint
        >>> second["n_step"] == 2 * first["n_step"]
        True
    """

    task: ImageTask
    seed: int = 0
    device: str | torch.device = "cpu"
    metric: str = METRIC

    def __post_init__(self) -> None:
        usable_device(self.device)

    def __call__(self, config: Mapping[str, Any], epochs: range, checkpoint: Path) -> Iterator[dict[str, float]]:
        """Yield accuracies and losses after each epoch, the validation accuracy first; NaN once it has diverged."""
        training = Training.from_config(self.task, config, seed=self.seed, device=self.device)
        path = checkpoint / CHECKPOINT
        if epochs.start > 1:
            training.restore(path)
        for _ in epochs:
            result = training.run_epoch()
            training.save(path)
            yield {
                self.metric: float("nan") if result.diverged else result.validation.top1,
                "test_acc_top1": result.test.top1,
                "val_loss": result.validation.loss,
                "test_loss": result.test.loss,
                "n_step": training.n_step,
            }


def check_trainable(table: LearningCurveTable) -> None:
    """Check that the configurations of a table are such as `TunableTraining` trains.

    Raises:
        SpaceError: If they have hyperparameters that it does not know, lack some that it always needs, or if it can
            train none of them. `.parameter` names the first hyperparameter in question.
    """
    from at2.space import HyperRecConfig, hyperrec_small_space

    space = hyperrec_small_space()
    has, always = [str(name) for name in table.configs.columns], space.active({})
    unknown = [name for name in has if name not in space.names]
    lacking = [name for name in space.names if name in always and name not in has]
    parts = [f"have hyperparameters that the training does not know ({', '.join(unknown)})"] if unknown else []
    parts += [f"lack some that it needs ({', '.join(lacking)})"] if lacking else []
    if parts:
        message = f"the configurations of table {table.name!r} {' and '.join(parts)}"
        raise SpaceError(message, parameter=[*unknown, *lacking][0])
    first: SpaceError | None = None
    for name in table.configs.index:
        try:
            HyperRecConfig(table.config(name))
        except SpaceError as error:
            first = first or error
        else:
            return
    if first is not None:
        message = f"none of the {len(table.configs)} configurations of table {table.name!r} can be trained: {first}"
        raise SpaceError(message, parameter=first.parameter) from first
