"""The training loop: one run that stops after any epoch, or batch, and goes on bit for bit, in another process too."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from at2.devices import usable_device
from at2.errors import At2Error, TaskError
from at2.training.checkpoint import check_identity, read_checkpoint, write_checkpoint
from at2.training.networks import build_network
from at2.training.randomness import OwnRandomness
from at2.training.results import TOP, BatchResult, EpochResult, ScoreFunction, Scores, batch_values, rank_of_truth
from at2.training.tasks import ImageTask, Split

_EVALUATED_AT_ONCE = 512


class Training:
    """One run: a network, its optimizer and schedule, the order of its batches, all of it in one checkpoint.

    Images lie on the device as a whole; a batch is a row of indices from a shuffled pass. The last, smaller batch of a
    pass is trained on as well, unless it holds a single image (batch normalization needs two) or `drop_last` is set.

    What a network draws at random (dropout) comes from a stream of the run's own: PyTorch's global random state is as
    it was after each call.

    Args:
        task: What is trained on.
        network: Gives logits ``(n, n_classes)`` for images; it is moved to the device.
        optimizer: Of the network's parameters.
        scheduler: Sets the learning rate; None leaves it alone.
        per_batch_schedule: Step the scheduler after each update, in place of after each pass.
        batch_size: Images in a batch.
        seed: Seed of the order of batches and of the network's own randomness.
        device: Where to train.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1].
        l2: Weight of the penalty ``l2 * sum(w ** 2)`` over all weights of two or more dimensions (no biases, no
            normalization), as part of the loss. Unlike an optimizer's weight decay, the gradient is ``2 * l2 * w``.
        drop_last: Leave out the last batch of a pass if it is smaller.
        config: The configuration that the run stands for; kept to tell checkpoints apart.

    Attributes:
        epoch: Completed passes over the training images.
        n_step: Updates done.

    Raises:
        TaskError: If the task has fewer training images than a batch.
        ValueError: If a number is out of range.

    Example:
        >>> from at2.training import build_network, load_task
        >>> task = load_task("digits-low")
        >>> network = build_network("small-plain", channels=1, size=8, n_classes=5, seed=0)
        >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        >>> training = Training(task, network, optimizer, batch_size=64, seed=0)
        >>> for _ in range(5):
        ...     result = training.run_epoch()
        >>> result.epoch, training.n_step, result.validation.top1 > 0.9
        (5, 45, True)
    """

    def __init__(
        self,
        task: ImageTask,
        network: nn.Module,
        optimizer: Optimizer,
        *,
        scheduler: LRScheduler | None = None,
        per_batch_schedule: bool = False,
        batch_size: int,
        seed: int,
        device: str | torch.device = "cpu",
        label_smoothing: float = 0.0,
        l2: float = 0.0,
        drop_last: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        _check(task, batch_size=batch_size, label_smoothing=label_smoothing, l2=l2)
        self.device = usable_device(device)
        self.task, self.network, self.optimizer, self.scheduler = task, network.to(self.device), optimizer, scheduler
        self.per_batch_schedule, self.batch_size, self.seed = per_batch_schedule, batch_size, seed
        self.label_smoothing, self.l2, self.drop_last = label_smoothing, l2, drop_last
        self.config = None if config is None else dict(config)
        self.epoch = self.n_step = 0
        self._train = task.train.to(self.device)
        self._evaluated: dict[int, Split] = {}
        self._weights = [p for p in network.parameters() if p.ndim > 1] if l2 else []
        self._generator = torch.Generator().manual_seed(seed)
        self._randomness = OwnRandomness(self.device, seed)
        self._order: Tensor | None = None
        self._position = 0
        self._losses: list[Tensor] = []
        self._ranks: list[Tensor] = []

    @classmethod
    def from_config(
        cls, task: ImageTask, config: Mapping[str, Any], *, seed: int, device: str | torch.device = "cpu"
    ) -> Training:
        """Build the run that a configuration of the HyperRec space, or of its small sister, names.

        Args:
            task: What is trained on.
            config: A configuration of :func:`at2.space.hyperrec_space` or :func:`at2.space.hyperrec_small_space`.
            seed: Seed of the initial weights and of the order of batches.
            device: Where to train.

        Raises:
            SpaceError: If the configuration is invalid.
            TaskError: If the task has fewer training images than a batch.
            ShapeError: If the network does not take the task's images.
            DeviceError: If there is no such device here.
        """
        from at2.space import HyperRecConfig

        checked = HyperRecConfig(config)
        values: dict[str, Any] = dict(checked.config)
        network = build_network(
            values["model"], channels=task.channels, size=task.size, n_classes=task.n_classes, seed=seed
        ).to(usable_device(device))
        optimizer = checked.build_optimizer(network.parameters())
        return cls(
            task,
            network,
            optimizer,
            scheduler=checked.build_scheduler(optimizer),
            batch_size=values["batch_size"],
            seed=seed,
            device=device,
            config=values,
        )

    @property
    def batches_per_epoch(self) -> int:
        """Batches of a pass over the training images."""
        n, rest = divmod(len(self._train), self.batch_size)
        return n + int(rest > 1 and not self.drop_last)

    @property
    def batches_done(self) -> int:
        """Batches done of the pass under way; 0 between passes."""
        return self._position

    @property
    def lr(self) -> float:
        """Learning rate of the next update; set it to change it (a scheduler may change it again)."""
        return float(self.optimizer.param_groups[0]["lr"])

    @lr.setter
    def lr(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = value

    @property
    def momentum(self) -> float:
        """Momentum of the next update, beta_0 for Adam; set it to change it (a scheduler may change it again)."""
        group = self.optimizer.param_groups[0]
        return float(group["betas"][0] if "betas" in group else group["momentum"])

    @momentum.setter
    def momentum(self, value: float) -> None:
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (value, *group["betas"][1:])
            else:
                group["momentum"] = value

    def run_batch(self) -> BatchResult:
        """Train on the next mini-batch; a new shuffled pass begins when the last one is used up."""
        with self._randomness:
            result = self._step()
        if result.ends_pass:
            self._finish_pass()
        return result

    def run_epoch(self, *, extra: Mapping[str, ScoreFunction] | None = None) -> EpochResult:
        """Train to the end of the pass, then evaluate on validation and test.

        A pass that `run_batch` has begun is ended; its batches are part of the result.

        Args:
            extra: Metrics of the user's own, by name, taken on both splits.

        Raises:
            At2Error: If such a metric raises; the message names it.
        """
        start = time.perf_counter()
        with self._randomness:
            while not self._step().ends_pass:
                pass
        batches = batch_values(self._losses, self._ranks)
        self._finish_pass()
        train_s = time.perf_counter() - start
        validation = self.evaluate(self.task.validation, extra=extra)
        test = self.evaluate(self.task.test, extra=extra)
        return EpochResult(self.epoch, batches, train_s, validation, test)

    def evaluate(self, split: Split, *, extra: Mapping[str, ScoreFunction] | None = None) -> Scores:
        """Return the network's scores on a split, in evaluation mode and without a gradient."""
        start = time.perf_counter()
        split = self._on_device(split)
        was_training = self.network.training
        self.network.eval()
        with torch.no_grad(), self._randomness:
            parts = [self.network(images) for images in torch.split(split.images, _EVALUATED_AT_ONCE)]
            logits = parts[0] if len(parts) == 1 else torch.cat(parts)
            loss = float(functional.cross_entropy(logits, split.labels))
            ranks = rank_of_truth(logits, split.labels)
        self.network.train(was_training)
        own = {name: _call(function, name, logits, split.labels) for name, function in (extra or {}).items()}
        top1, top5, top10 = (int((ranks < k).sum()) / len(split) for k in TOP)
        return Scores(loss, top1, top5, top10, seconds=time.perf_counter() - start, extra=own)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this run's checkpoints from those of another."""
        return {
            "task": self.task.name,
            "images": self.task.digest,
            "config": self.config,
            "network": type(self.network).__name__,
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "optimizer": type(self.optimizer).__name__,
            "settings": {name: v for name, v in self.optimizer.defaults.items() if isinstance(v, bool | int | float)},
            "scheduler": None if self.scheduler is None else type(self.scheduler).__name__,
            "per_batch_schedule": self.per_batch_schedule,
            "batch_size": self.batch_size,
            "seed": self.seed,
            "label_smoothing": self.label_smoothing,
            "l2": self.l2,
            "drop_last": self.drop_last,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that decides how the run goes on; its tensors are the live ones, to be written at once."""
        return {
            "epoch": self.epoch,
            "n_step": self.n_step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "generator": self._generator.get_state(),
            "randomness": self._randomness.state,
            "pass": {
                "order": self._order,
                "position": self._position,
                "losses": torch.stack(self._losses) if self._losses else None,
                "ranks": list(self._ranks),
            },
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, of this run or of another one with the same network and optimizer.

        Population based training copies a better member's state this way; set `lr` and `momentum` afterwards.
        """
        self.epoch, self.n_step = state["epoch"], state["n_step"]
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self._generator.set_state(state["generator"].cpu())
        self._randomness.state = [stream.cpu().clone() for stream in state["randomness"]]
        under_way = state["pass"]
        self._order = None if under_way["order"] is None else under_way["order"].clone()
        self._position = under_way["position"]
        self._losses = [] if under_way["losses"] is None else list(under_way["losses"])
        self._ranks = list(under_way["ranks"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            FileError: If it cannot be written; a former one is as it was.
        """
        write_checkpoint(path, {"identity": self.identity, "state": self.state()})

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Go on from a checkpoint of this very run, as if it had never stopped.

        Raises:
            FileError: If it cannot be read.
            CorruptFileError: If it is damaged.
            CheckpointError: If it belongs to another task, configuration or seed; the message names the difference.
        """
        payload = read_checkpoint(path, device=self.device)
        check_identity(payload.get("identity", {}), self.identity, path=path)
        self.load_state(payload["state"])

    def _step(self) -> BatchResult:
        if self._order is None:
            self._begin_pass()
        assert self._order is not None
        start = self._position * self.batch_size
        index = self._order[start : start + self.batch_size]
        labels = self._train.labels[index]
        self.optimizer.zero_grad()
        logits = self.network(self._train.images[index])
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._weights:
            self._add_penalty()
        self.optimizer.step()
        if self.per_batch_schedule and self.scheduler is not None:
            self.scheduler.step()
        self._position += 1
        self.n_step += 1
        loss = loss.detach()
        logits = logits.detach()
        ranks = rank_of_truth(logits, labels)
        self._losses.append(loss)
        self._ranks.append(ranks)
        return BatchResult(loss, ranks, self._position == self.batches_per_epoch, logits, labels)

    def _add_penalty(self) -> None:
        """Add the gradient of ``l2 * sum(w ** 2)``, which spares the graph of the penalty itself."""
        for weight in self._weights:
            if weight.grad is not None:
                weight.grad.add_(weight.detach(), alpha=2 * self.l2)

    def _begin_pass(self) -> None:
        self._order = torch.randperm(len(self._train), generator=self._generator).to(self.device)
        self.network.train()

    def _finish_pass(self) -> None:
        self.epoch += 1
        self._forget_pass()
        if self.scheduler is not None and not self.per_batch_schedule:
            self.scheduler.step()

    def _forget_pass(self) -> None:
        self._order, self._position = None, 0
        self._losses, self._ranks = [], []

    def _on_device(self, split: Split) -> Split:
        """Return a split on the run's device; those of the task are moved there once."""
        if self.device.type == "cpu":
            return split
        if id(split) not in self._evaluated:
            if split is not self.task.validation and split is not self.task.test:
                return split.to(self.device)
            self._evaluated[id(split)] = split.to(self.device)
        return self._evaluated[id(split)]


def _check(task: ImageTask, *, batch_size: int, label_smoothing: float, l2: float) -> None:
    if batch_size < 2 or not 0 <= label_smoothing <= 1 or not l2 >= 0:
        raise ValueError(
            "batch_size >= 2, label_smoothing in [0, 1] and l2 >= 0 wanted, got "
            f"batch_size={batch_size}, label_smoothing={label_smoothing}, l2={l2}"
        )
    if len(task.train) < batch_size:
        raise TaskError(
            f"task {task.name!r} has {len(task.train)} training images, fewer than a batch of {batch_size}; "
            "lower batch_size, or give the task more images"
        )


def _call(function: ScoreFunction, name: str, logits: Tensor, labels: Tensor) -> float:
    try:
        return float(function(logits, labels))
    except Exception as error:
        raise At2Error(f"the metric {name!r} raised {type(error).__name__}: {error}; repair the function") from error
