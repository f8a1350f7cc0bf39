"""What the loop and the recorder add to a bare PyTorch loop, both timed in turn in one process."""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from at2.bench.speed.readings import Reading

if TYPE_CHECKING:
    from at2.training import ImageTask

_ADAM = {"optimizer": "adam", "lr": 1e-3, "beta_0": 0.9, "beta_1": 0.99}
_SGD = {"optimizer": "momentum", "lr": 1e-2, "momentum": 0.9}
_REST = {"batch_size": 64, "weight_decay": 1e-4, "scheduler": "StepLR", "step_size": 10, "gamma": 0.3}
SMALL: tuple[dict[str, Any], ...] = (
    {**_REST, **_SGD, "model": "small-plain"},
    {**_REST, **_ADAM, "model": "small-plain"},
    {**_REST, **_SGD, "model": "small-residual"},
    {**_REST, **_ADAM, "model": "small-residual"},
)
"""The small configurations that are timed, on ``digits``."""
RESNET: dict[str, Any] = {**_REST, **_SGD, "model": "resnet34"}
"""The residual network that is timed, on ``digits`` with its stem for small images."""


def measure_training(*, epochs: int = 20, resnet_epochs: int = 2) -> Iterator[Reading]:
    """Time epochs of the recorder, of the bare loop, and stepping by batches; then save and load of checkpoints.

    An epoch is training, evaluation on validation and test, and for the recorder its file on the disk. The two loops
    take turns; the median of the ratios of neighbours is told, so that a busy machine slows both.

    Args:
        epochs: Epochs of each small network.
        resnet_epochs: Epochs of the residual network; 0 leaves it out.

    Yields:
        One reading after the other: percentages over the bare loop, the share of its speed, milliseconds.
    """
    from at2.training import load_task

    task = load_task("digits")
    for config in SMALL:
        name = f"{config['model']}, {config['optimizer']}"
        yield from _overhead(task, config, epochs, name=name, limit=30.0)
        yield _stepping(task, config, epochs, name=name)
        yield from _checkpoints(task, config, epochs, name=name)
    if resnet_epochs:
        yield from _overhead(task, RESNET, resnet_epochs, name="resnet34", limit=5.0)


def _overhead(task: ImageTask, config: Mapping[str, Any], epochs: int, *, name: str, limit: float) -> Iterator[Reading]:
    with tempfile.TemporaryDirectory() as folder:
        bare, recorded = bare_epoch(task, config), _recorded_epoch(task, config, Path(folder))
        pairs = _in_turn(bare, recorded, epochs)
    yield Reading(f"bare epoch ({name})", 1e3 * statistics.median(first.wall_s for first, _ in pairs), "ms", None, None)
    added = statistics.median(second.wall_s / first.wall_s for first, second in pairs) - 1
    yield Reading(f"recorder over the bare loop ({name})", 100 * added, "%", limit, None)
    added = statistics.median(second.processor_s / first.processor_s for first, second in pairs) - 1
    yield Reading(f"recorder over the bare loop, processor time ({name})", 100 * added, "%", limit, None)


@dataclass(frozen=True)
class _Time:
    """What a call took, on the clock and of the processor; on a busy machine the second says more."""

    wall_s: float
    processor_s: float


def _in_turn(first: Callable[[], None], second: Callable[[], None], n: int) -> list[tuple[_Time, _Time]]:
    """Call both in turn, after one call of each that does not count, and return their times in pairs."""
    first()
    second()
    return [(_timed(first), _timed(second)) for _ in range(n)]


def _timed(work: Callable[[], None]) -> _Time:
    start, start_processor = time.perf_counter(), time.process_time()
    work()
    return _Time(time.perf_counter() - start, time.process_time() - start_processor)


def bare_epoch(task: ImageTask, config: Mapping[str, Any]) -> Callable[[], None]:
    """Return a function that trains and evaluates one epoch as one would write it down without at2."""
    import torch
    from torch.nn import functional

    from at2.space import HyperRecConfig
    from at2.training import build_network

    checked = HyperRecConfig(config)
    network = build_network(config["model"], channels=task.channels, size=task.size, n_classes=task.n_classes, seed=0)
    optimizer = checked.build_optimizer(network.parameters())
    scheduler = checked.build_scheduler(optimizer)
    images, labels, size = task.train.images, task.train.labels, int(config["batch_size"])

    def epoch() -> None:
        network.train()
        for index in torch.split(torch.randperm(len(labels)), size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(images[index]), labels[index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        scheduler.step()
        network.eval()
        with torch.no_grad():
            for split in (task.validation, task.test):
                logits = network(split.images)
                functional.cross_entropy(logits, split.labels).item()
                (logits.argmax(1) == split.labels).float().mean().item()

    return epoch


def _recorded_epoch(task: ImageTask, config: Mapping[str, Any], folder: Path) -> Callable[[], None]:
    from at2.training import Training
    from at2.training.recorder.plan import Run
    from at2.training.recorder.run import record_epoch
    from at2.training.recorder.series import Series

    training, series = Training.from_config(task, config, seed=0), Series()
    run = Run(task.name, task.name, 0, 0, config, 10**9, folder / "one.run")
    return lambda: record_epoch(run, training, series)


def _stepping(task: ImageTask, config: Mapping[str, Any], epochs: int, *, name: str) -> Reading:
    """Compare steps of one batch, with their loss, with a bare loop without evaluation."""
    from dataclasses import replace

    from at2.training import Training

    few = replace(task, validation=task.validation.head(1), test=task.test.head(1))
    training = Training.from_config(few, config, seed=0)

    def steps() -> None:
        while True:
            result = training.run_batch()
            if not result.finite or result.ends_pass:
                return

    pairs = _in_turn(bare_epoch(few, config), steps, epochs)
    share = statistics.median(first.processor_s / second.processor_s for first, second in pairs)
    return Reading(f"batches a processor second, as a share of the bare loop's ({name})", share, "", None, None)


def _checkpoints(task: ImageTask, config: Mapping[str, Any], epochs: int, *, name: str) -> Iterator[Reading]:
    from at2.training import Training

    training = Training.from_config(task, config, seed=0)
    training.run_epoch()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        for what, work in (("save", training.save), ("load", training.restore)):
            times = [_timed(functools.partial(work, path)) for _ in range(epochs)]
            wall_s, processor_s = (statistics.median(getattr(t, n) for t in times) for n in ("wall_s", "processor_s"))
            yield Reading(f"checkpoint, {what} ({name})", 1e3 * wall_s, "ms", 10.0, None)
            yield Reading(f"checkpoint, {what}, processor time ({name})", 1e3 * processor_s, "ms", 10.0, None)
