"""The images that an instance trains, validates and tests on."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from at2.control.errors import InstanceError

if TYPE_CHECKING:
    from at2.control.instance import SGDInstance
    from at2.training.tasks import ImageTask

CIFAR10 = "cifar10"
"""Name of the dataset whose folder the user gives."""

KEPT_BYTES = 256 * 2**20
"""Images that are kept for the next resets, in bytes; the task used last is always kept."""


def instance_task(instance: SGDInstance) -> ImageTask:
    """Give the data of an instance: its share of the task's training and validation images, split by its ratio.

    The instance's seed decides which images are taken and which of them validate; the test images are the task's own,
    all of them, so that test losses of instances on one task can be compared. Images stay standardized as the task has
    them. The last few answers are kept, and shared: nothing writes to them.

    The dataset ``"cifar10"`` is the folder of CIFAR-10's python batches that the environment variable ``AT2_CIFAR10``
    names.

    Args:
        instance: The instance.

    Returns:
        A task whose three splits are ready to train on.

    Raises:
        InstanceError: If a split would be empty, or the batch is larger than the training split.
        UnknownNameError: If there is no such task.
    """
    key = (instance.dataset, instance.fraction, instance.train_validation_ratio, instance.seed)
    task = _SPLIT.get(key, lambda: _split_task(*key))
    if instance.batch_size > len(task.train):
        message = f"batch_size is {instance.batch_size}, but only {len(task.train)} images are trained on; lower it"
        raise InstanceError(message, parameter="batch_size")
    return task


class _Recent:
    """Keeps the tasks used last, up to a number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[tuple[object, ...], ImageTask] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], ImageTask]) -> ImageTask:
        """Give the task of that key, made where it is not kept."""
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(map(_size_bytes, self._kept.values())) > self._limit:
            self._kept.popitem(last=False)
        return self._kept[key]


def _size_bytes(task: ImageTask) -> int:
    return sum(split.images.nbytes + split.labels.nbytes for split in (task.train, task.validation, task.test))


_WHOLE, _SPLIT = _Recent(KEPT_BYTES), _Recent(KEPT_BYTES)


def _whole_task(dataset: str) -> ImageTask:
    from at2.training.tasks import load_task

    if dataset == CIFAR10:
        dataset = os.environ.get("AT2_CIFAR10", "")
        if not dataset:
            message = "the dataset 'cifar10' needs its python batches: name their folder in AT2_CIFAR10"
            raise InstanceError(message, parameter="dataset")
    return _WHOLE.get((dataset,), lambda: load_task(dataset, seed=0))


def _split_task(dataset: str, fraction: float, ratio: float, seed: int) -> ImageTask:
    import numpy as np
    import torch

    from at2.training.tasks import ImageTask, Split

    whole = _whole_task(dataset)
    images = torch.cat([whole.train.images, whole.validation.images])
    labels = torch.cat([whole.train.labels, whole.validation.labels])
    n_used = round(fraction * len(labels))
    n_train = round(ratio * n_used)
    if n_train < 1 or n_train >= n_used or not len(whole.test):
        message = (
            f"fraction {fraction} and train_validation_ratio {ratio} of the {len(labels)} images of {dataset!r} "
            f"leave {n_train} to train on, {n_used - n_train} to validate on and {len(whole.test)} to test; "
            "raise the fraction"
        )
        raise InstanceError(message, parameter="fraction")
    chosen = torch.from_numpy(np.random.default_rng(seed).permutation(len(labels))[:n_used])
    train, validation = chosen[:n_train], chosen[n_train:]
    return ImageTask(
        name=whole.name,
        train=Split(images[train], labels[train]),
        validation=Split(images[validation], labels[validation]),
        test=whole.test,
        n_classes=whole.n_classes,
    )
