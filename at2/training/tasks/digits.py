"""Real images that need no download: scikit-learn's 1,797 handwritten digits, and tasks made from them.

References:
    Alpaydin, Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    doi:10.24432/C50P49. Images of 8 x 8 pixels with values 0 to 16.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from at2.training.tasks.image_task import ImageTask

Pixels = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Variant = Callable[[Pixels, Labels, np.random.Generator], tuple[Pixels, Labels]]

N_FEW = 160
"""Training images of ``digits-few``; more than the largest batch of the HyperRec space."""
NOISE = 8.0
"""Standard deviation of the noise in ``digits-noisy``, on the scale of 0 to 16."""
MAX_ANGLE = 75.0
"""Largest rotation in ``digits-rotated``, in degrees, to either side."""


@cache
def _digits() -> tuple[Pixels, Labels]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.float32), digits.target.astype(np.int64)


def _plain(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    return images, labels


def _low(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    return images[labels < 5], labels[labels < 5]


def _high(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    return images[labels >= 5], labels[labels >= 5] - 5


def _noisy(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    return images + rng.normal(scale=NOISE, size=images.shape).astype(np.float32), labels


def _rotated(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    from scipy.ndimage import rotate

    angles = rng.uniform(-MAX_ANGLE, MAX_ANGLE, size=len(images))
    turned = [rotate(image, angle, reshape=False, order=1) for image, angle in zip(images, angles, strict=True)]
    return np.stack(turned), labels


def _inverted(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    half = rng.random(len(images)) < 0.5
    return np.where(half[:, None, None], 16 - images, images), labels


def _shuffled(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    order = rng.permutation(images[0].size)
    return images.reshape(len(images), -1)[:, order].reshape(images.shape), labels


def _upscaled(images: Pixels, labels: Labels, rng: np.random.Generator) -> tuple[Pixels, Labels]:
    from scipy.ndimage import zoom

    large = zoom(images, (1, 4, 4), order=1)
    return np.repeat(large[..., None], 3, axis=3), labels


VARIANTS: dict[str, Variant] = {
    "digits": _plain,
    "digits-few": _plain,
    "digits-low": _low,
    "digits-high": _high,
    "digits-noisy": _noisy,
    "digits-rotated": _rotated,
    "digits-inverted": _inverted,
    "digits-shuffled": _shuffled,
    "digits32": _upscaled,
}


def digits_task(name: str, *, seed: int = 0) -> ImageTask:
    """Make one task of the family.

    ==================  ==================================================================================
    name                images
    ==================  ==================================================================================
    ``digits``          all ten classes, 8 x 8 pixels
    ``digits-few``      the same, but only `N_FEW` of them to train on
    ``digits-low``      the classes 0 to 4
    ``digits-high``     the classes 5 to 9
    ``digits-noisy``    with Gaussian noise
    ``digits-rotated``  each turned by an angle of its own
    ``digits-inverted``  contrast inverted in half of the images
    ``digits-shuffled``  pixels in another order, the same for all images
    ``digits32``        upscaled to 32 x 32 pixels and three channels
    ==================  ==================================================================================

    Args:
        name: One of these.
        seed: Seed of the split and of whatever is drawn for a variant.
    """
    images, labels = VARIANTS[name](*_digits(), np.random.default_rng([seed, 1]))
    task = ImageTask.from_arrays(images, labels, name=name, seed=seed)
    return task.with_train(N_FEW) if name == "digits-few" else task
