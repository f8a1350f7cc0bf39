"""Training and evaluation by hand, for those who write a loop of their own around a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

from at2.errors import ShapeError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

LossFunction = Callable[["Tensor", "Tensor"], "Tensor"]
"""Gives one loss for each sample from logits ``(n, n_classes)`` and labels ``(n,)``: shape ``(n,)``."""


def forward_backward(
    model: nn.Module, loss_function: LossFunction, images: Tensor, labels: Tensor, *, device: str = "cpu"
) -> Tensor:
    """Take the gradient of the mean loss of one mini-batch; it is added to what the parameters' ``.grad`` hold.

    Args:
        model: The network, put into training mode.
        loss_function: Gives one loss for each sample.
        images: Shape ``(n, channel, height, width)``.
        labels: Shape ``(n,)``.
        device: Where the network is.

    Returns:
        Losses before any update, shape ``(n,)``, detached.

    Raises:
        ShapeError: If the loss function does not give one loss for each sample.
    """
    model.train()
    losses = _losses(loss_function, model(images.to(device)), labels.to(device))
    losses.mean().backward()  # type: ignore[no-untyped-call]
    return losses.detach()


def _losses(loss_function: LossFunction, logits: Tensor, labels: Tensor) -> Tensor:
    """Take the loss of each sample; a function that gives their mean is refused."""
    losses = loss_function(logits, labels)
    if losses.shape != labels.shape:
        raise ShapeError(
            f"the loss function must give one loss for each sample, shape {tuple(labels.shape)}; it gave shape "
            f"{tuple(losses.shape)}; PyTorch's losses do so with reduction='none'"
        )
    return losses


def run_epoch(
    model: nn.Module,
    loss_function: LossFunction,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    *,
    device: str = "cpu",
) -> tuple[float, float]:
    """Train on every mini-batch once.

    Args:
        model: The network.
        loss_function: Gives one loss for each sample.
        batches: Pairs of images and labels, such as a `torch.utils.data.DataLoader`; at least one.
        optimizer: Of the network's parameters.
        device: Where the network is.

    Returns:
        Mean loss of the last mini-batch, and mean loss of a sample over all of them, each taken before its update.

    Raises:
        ValueError: If there is no mini-batch.
        ShapeError: If the loss function does not give one loss for each sample.
    """
    last, total, n_sample = math.nan, 0.0, 0
    for images, labels in batches:
        optimizer.zero_grad()
        losses = forward_backward(model, loss_function, images, labels, device=device)
        optimizer.step()
        last, total, n_sample = float(losses.mean()), total + float(losses.sum()), n_sample + len(losses)
    if not n_sample:
        raise ValueError("an epoch needs at least one mini-batch, none came")
    return last, total / n_sample


def test(  # the published name; pytest collects nothing here
    model: nn.Module,
    loss_function: LossFunction,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    share: float = 1.0,  # noqa: PT028
    device: str = "cpu",  # noqa: PT028
) -> tuple[Tensor, Tensor]:
    """Evaluate a network in evaluation mode, without a gradient; its mode is as before afterwards.

    Args:
        model: The network.
        loss_function: Gives one loss for each sample.
        batches: Pairs of images and labels, at least one; a mini-batch may be of any size.
        share: Share of the mini-batches to look at, in (0, 1], the first ones, at least one.
        device: Where the network is.

    Returns:
        Loss of each sample and whether its prediction is right, shapes ``(n,)``; the second is bool.

    Raises:
        ValueError: If there is no mini-batch, or `share` is out of range.
        ShapeError: If the loss function does not give one loss for each sample.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], {share} came")
    pairs = list(batches)
    if not pairs:
        raise ValueError("an evaluation needs at least one mini-batch, none came")
    was_training = model.training
    model.eval()
    losses, right = [], []
    with torch.no_grad():
        for images, labels in pairs[: math.ceil(share * len(pairs))]:
            logits = model(images.to(device))
            losses.append(_losses(loss_function, logits, labels.to(device)))
            right.append(logits.argmax(1) == labels.to(device))
    model.train(was_training)
    return torch.cat(losses), torch.cat(right)


test.__test__ = False  # type: ignore[attr-defined]  # the name is the published one; pytest shall not collect it
