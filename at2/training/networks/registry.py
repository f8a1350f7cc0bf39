"""Which networks there are, and how one is built for a task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from at2.errors import UnknownNameError
from at2.tables.storage.frames import close_matches
from at2.training.networks.resnet import resnet34, resnet50
from at2.training.networks.small import PatchResidual, initialize, patchify

SMALL_IMAGE = 64
"""Images up to this size, in pixels, get the residual networks' stem for small images."""

PUBLISHED_PATCH = {
    "patch-2x3": (2, 3, 50),
    "patch-4x10": (4, 10, 50),
    "patch-8x40": (8, 40, 50),
    "patch-16x160": (16, 160, 50),
    "patch-4x40": (4, 40, 50),
}
"""The published architectures: filter size f, filters nf, hidden units nh. The last one is that of the longer run."""


def _resnet34(*, channels: int, size: int, n_classes: int) -> nn.Module:
    return resnet34(channels=channels, n_classes=n_classes, small_images=size <= SMALL_IMAGE)


def _resnet50(*, channels: int, size: int, n_classes: int) -> nn.Module:
    return resnet50(channels=channels, n_classes=n_classes, small_images=size <= SMALL_IMAGE)


def _small_plain(*, channels: int, size: int, n_classes: int) -> nn.Module:
    return patchify(max(1, size // 4), 16, 64, channels=channels, size=size, n_classes=n_classes)


def _small_residual(*, channels: int, size: int, n_classes: int) -> nn.Module:
    return initialize(PatchResidual(16, 64, channels=channels, size=size, n_classes=n_classes))


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "resnet34": _resnet34,
    "resnet50": _resnet50,
    **{name: partial(patchify, *numbers) for name, numbers in PUBLISHED_PATCH.items()},
    "small-plain": _small_plain,
    "small-residual": _small_residual,
}
"""Name to the function that builds the network from channels, size and n_classes."""


def network_names() -> tuple[str, ...]:
    """Return the names that `build_network` knows."""
    return tuple(NETWORKS)


def build_network(name: str, *, channels: int, size: int, n_classes: int, seed: int) -> nn.Module:
    """Build a network with weights drawn from a seed; PyTorch's global random state stays as it was.

    Args:
        name: One of `network_names`: ``resnet34`` and ``resnet50``; ``patch-FxN``, the published networks of N filters
            on patches of F x F pixels and 50 hidden units; ``small-plain`` and ``small-residual``, the two of the
            embedded table, both on a grid of 4 x 4 patches.
        channels: Channels of the images.
        size: Height and width of the images, in pixels.
        n_classes: Outputs.
        seed: Seed of the initial weights.

    Raises:
        UnknownNameError: If no network has that name; the message lists close matches.
        ShapeError: If the network does not take images of that size.

    Example:
        >>> network = build_network("small-plain", channels=1, size=8, n_classes=10, seed=0)
        >>> sum(parameter.numel() for parameter in network.parameters())
        17178
    """
    if name not in NETWORKS:
        raise UnknownNameError(f"no network {name!r}; {close_matches(name, list(NETWORKS))}")
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        return NETWORKS[name](channels=channels, size=size, n_classes=n_classes)
