"""Training of small regression networks on a fixed set of sequences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from at2.errors import FitError, PredictorError

__all__ = ["OPTIMIZERS", "Plan", "train_epochs", "train_network"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
}


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Args:
        n_epoch: Passes over the training sequences.
        batch_size: Sequences per step.
        learning_rate: Of the optimizer, followed by a cosine to 0.
        optimizer: ``"adam"``, ``"adamw"``, ``"rmsprop"`` or ``"sgd"`` (momentum 0.9).
        hold_out: Share of the sequences that choose the epoch whose weights are kept; 0 keeps the last.
        seed: Seed of order and initial weights.

    Raises:
        PredictorError: If a number is out of range or the optimizer unknown.
    """

    n_epoch: int = 100
    batch_size: int = 64
    learning_rate: float = 2e-3
    optimizer: str = "adam"
    hold_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.optimizer not in OPTIMIZERS:
            raise PredictorError(f"no optimizer {self.optimizer!r}; there are {', '.join(OPTIMIZERS)}")
        if self.n_epoch < 1 or self.batch_size < 1 or not self.learning_rate > 0 or not 0 <= self.hold_out < 1:
            raise PredictorError(f"n_epoch, batch_size and learning_rate must be positive, hold_out in [0, 1): {self}")


def train_network(network: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor, plan: Plan) -> nn.Module:
    """Train a network by its mean squared error, and leave it in evaluation mode; arguments as in `train_epochs`."""
    for _ in train_epochs(network, inputs, targets, plan):
        pass
    return network


def train_epochs(network: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor, plan: Plan) -> Iterator[int]:
    """Train a network epoch by epoch; whoever stops asking has paused it.

    Args:
        network: Takes the inputs and gives predictions, shape ``(n,)``.
        inputs: Tensors with n rows each.
        targets: Shape ``(n,)``.
        plan: How. After the last epoch, the weights of the epoch that was best on the held-out part are put back.

    Yields:
        The number of completed epochs, the network in evaluation mode.

    Raises:
        FitError: If the loss leaves the finite numbers.
    """
    generator = torch.Generator().manual_seed(plan.seed)
    order = torch.randperm(len(targets), generator=generator)
    n_held = int(plan.hold_out * len(targets)) if len(targets) >= 20 else 0
    held, used = order[:n_held], order[n_held:]
    optimizer = OPTIMIZERS[plan.optimizer](network.parameters(), lr=plan.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.n_epoch)
    best, kept = float("inf"), None
    for epoch in range(1, plan.n_epoch + 1):
        shuffled = used[torch.randperm(len(used), generator=generator)]
        loss = _pass(network.train(), optimizer, inputs, targets, shuffled.split(plan.batch_size))  # type: ignore[no-untyped-call]
        schedule.step()
        network.eval()
        if not bool(torch.isfinite(loss)):
            raise FitError(
                f"the loss left the finite numbers in epoch {epoch}; lower learning_rate (now {plan.learning_rate:g}), "
                "or choose another scaling"
            )
        if n_held and (error := _error(network, inputs, targets, held)) < best:
            best, kept = error, copy.deepcopy(network.state_dict())
        if epoch == plan.n_epoch and kept is not None:
            network.load_state_dict(kept)
        yield epoch


def _pass(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    batches: Sequence[Tensor],
) -> Tensor:
    """Take one optimizer step for each batch of rows and return the last loss."""
    for rows in batches:
        loss = nn.functional.mse_loss(network(*(part[rows] for part in inputs)), targets[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
    return loss.detach()


@torch.no_grad()
def _error(network: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor, rows: Tensor) -> float:
    return float(nn.functional.mse_loss(network(*(part[rows] for part in inputs)), targets[rows]))
