"""An image classification task: three splits of standardized images, checked once."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from at2.errors import TaskError

FRACTIONS = (0.6, 0.2, 0.2)
"""Shares of the images for training, validation and test, as in HyperRec."""

_SHOWN = 5


@dataclass(frozen=True)
class Split:
    """One part of a task.

    Args:
        images: Standardized images, shape ``(n, channel, height, width)``, float32.
        labels: Classes counted from 0, shape ``(n,)``, int64.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str | torch.device) -> Split:
        """Return the split on a device."""
        return Split(self.images.to(device), self.labels.to(device))

    def head(self, n: int) -> Split:
        """Return the first n images."""
        return Split(self.images[:n], self.labels[:n])


@dataclass(frozen=True)
class ImageTask:
    """Images of some classes, split for training, validation and test.

    Args:
        name: Name of the task, as it stands in tables.
        train: What is trained on.
        validation: What configurations are chosen by.
        test: What is reported in the end.
        n_classes: Number of classes; labels lie in ``range(n_classes)``.

    Raises:
        TaskError: If a split is empty, the images are not square, or a label is out of range.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    n_classes: int

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            split: Split = getattr(self, part)
            if len(split) == 0 or len(split.images) != len(split):
                raise TaskError(
                    f"task {self.name!r}: the {part} split has {len(split.images)} images and {len(split)} labels; "
                    "give at least one image to each split"
                )
        shape = self.train.images.shape
        if len(shape) != 4 or shape[2] != shape[3]:
            raise TaskError(
                f"task {self.name!r}: images of shape (n, channel, size, size) wanted, training images are "
                f"{tuple(shape)}; crop or resize them to squares"
            )

    @property
    def channels(self) -> int:
        """Channels of the images: 1 for grey, 3 for colour."""
        return int(self.train.images.shape[1])

    @property
    def size(self) -> int:
        """Height and width of the images, in pixels."""
        return int(self.train.images.shape[2])

    @property
    def facts(self) -> dict[str, int]:
        """What a table says about the task."""
        names = ("train", "validation", "test")
        parts = {f"n_{name}": len(split) for name, split in zip(names, self._splits, strict=True)}
        return {"n_images": sum(parts.values()), "n_classes": self.n_classes, **parts, "size": self.size}

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that change when the labels or the first images of a split do."""
        crc = 0
        for split in self._splits:
            crc = zlib.crc32(split.labels.numpy().tobytes(), crc)
            crc = zlib.crc32(split.images[:64].contiguous().numpy().tobytes(), crc)
        return f"{crc:08x}"

    @property
    def _splits(self) -> tuple[Split, Split, Split]:
        return self.train, self.validation, self.test

    def with_train(self, n: int) -> ImageTask:
        """Return the task with only the first `n` training images, standardized anew by them."""
        few = replace(self, train=self.train.head(n))
        return few.standardized()

    def standardized(self) -> ImageTask:
        """Return the task with each channel shifted and scaled to mean 0 and variance 1 over the training images."""
        pixels = self.train.images.double()
        mean, std = pixels.mean(dim=(0, 2, 3), keepdim=True), pixels.std(dim=(0, 2, 3), keepdim=True, correction=0)
        std = torch.where(std > 0, std, 1.0)
        parts = [Split(((split.images - mean) / std).float().contiguous(), split.labels) for split in self._splits]
        return replace(self, train=parts[0], validation=parts[1], test=parts[2])

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: npt.ArrayLike,
        *,
        name: str,
        seed: int = 0,
        fractions: Sequence[float] = FRACTIONS,
        n_classes: int | None = None,
    ) -> ImageTask:
        """Split images by a seed and standardize each channel by the training part.

        Args:
            images: Numbers of any type, shape ``(n, height, width)``, or with channels last
                ``(n, height, width, 1 or 3)``; a list of images of one size will do.
            labels: Classes counted from 0, shape ``(n,)``.
            name: Name of the task.
            seed: Seed of the split.
            fractions: Shares of training, validation and test images.
            n_classes: Number of classes; None takes one more than the largest label.

        Raises:
            TaskError: If images differ in size or are not square, a pixel is not finite, labels are no whole numbers,
                out of range, of one class only or of another number than the images, or a split stays empty.

        Example:
            >>> import numpy as np
            >>> images = np.arange(160.0).reshape(10, 4, 4)
            >>> task = ImageTask.from_arrays(images, np.arange(10) % 2, name="stripes")
            >>> len(task.train), len(task.validation), len(task.test), task.channels, task.size, task.n_classes
            (6, 2, 2, 1, 4, 2)
        """
        pixels = _pixels(images, name)
        classes, n = _classes(labels, name, n_image=len(pixels), n_classes=n_classes)
        order = np.random.default_rng(seed).permutation(len(pixels))
        ends = np.round(np.cumsum(_fractions(fractions, name)) * len(pixels)).astype(int)
        places = np.split(order, ends[:2])
        if not len(places[0]):
            raise TaskError(f"task {name!r}: {len(pixels)} images are too few to split; give at least 5")
        splits = [Split(torch.from_numpy(pixels[place]), torch.from_numpy(classes[place])) for place in places]
        return cls(name, splits[0], splits[1], splits[2], n).standardized()


def _pixels(images: Any, name: str) -> npt.NDArray[np.float32]:
    """Return images as float32, shape (n, channel, height, width)."""
    if not isinstance(images, np.ndarray | Tensor):
        sizes = {np.shape(image) for image in images}
        if len(sizes) > 1:
            raise TaskError(f"task {name!r}: all images must be of one size, got {sorted(sizes)[:_SHOWN]}; resize them")
    try:
        pixels = np.asarray(images, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise TaskError(f"task {name!r}: images must be arrays of numbers ({error})") from error
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or pixels.shape[1] != pixels.shape[2]:
        raise TaskError(
            f"task {name!r}: images of shape (n, size, size), (n, size, size, 1) or (n, size, size, 3) wanted, got "
            f"{tuple(np.shape(images))}; crop or resize them to squares, channels last"
        )
    if not np.isfinite(pixels).all():
        bad = int(np.flatnonzero(~np.isfinite(pixels).all(axis=(1, 2, 3)))[0])
        raise TaskError(f"task {name!r}: image {bad} holds a pixel that is not finite; repair it or leave it out")
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def _classes(
    labels: npt.ArrayLike, name: str, *, n_image: int, n_classes: int | None
) -> tuple[npt.NDArray[np.int64], int]:
    """Return labels as int64 and the number of classes."""
    given = np.asarray(labels)
    if given.ndim != 1 or len(given) != n_image:
        raise TaskError(f"task {name!r}: {n_image} images need as many labels in one row, got shape {given.shape}")
    if given.dtype.kind not in "iu":
        raise TaskError(f"task {name!r}: labels are whole numbers from 0, got {given.dtype} such as {given[:1]!r}")
    classes = given.astype(np.int64)
    n = int(classes.max(initial=-1)) + 1 if n_classes is None else n_classes
    wrong = np.flatnonzero((classes < 0) | (classes >= n))
    if len(wrong):
        wanted = "from 0 on" if n_classes is None else f"in 0 to {n - 1}"
        raise TaskError(
            f"task {name!r}: label {classes[wrong[0]]} of image {wrong[0]} is out of range; labels lie {wanted}"
        )
    if len(np.unique(classes)) < 2:
        raise TaskError(f"task {name!r}: at least two classes are wanted, all {n_image} images are of one")
    return classes, n


def _fractions(fractions: Sequence[float], name: str) -> npt.NDArray[np.float64]:
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise TaskError(f"task {name!r}: fractions are three positive shares that add up to 1, got {tuple(fractions)}")
    return shares
