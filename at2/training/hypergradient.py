"""Hypergradient descent: the learning rate follows the gradient of the loss with respect to itself.

| symbol | meaning                                                  |
|--------|----------------------------------------------------------|
| alpha  | learning rate                                            |
| g      | gradient of this batch                                   |
| u      | what the last update subtracted, per unit of alpha       |
| beta   | hypergradient learning rate                              |

The last update was ``w <- w - alpha u``, so this batch's loss has the derivative ``-g . u`` with respect to alpha: the
rate grows while updates go on pointing the same way and shrinks when they turn round. That holds for any optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

Mode = Literal["multiplicative", "additive"]


class Hypergradient:
    """Changes an optimizer's learning rates before each of its steps.

    It hangs on to the optimizer's own ``step``, so that a training loop needs no change; a scheduler beside it would
    overwrite what it does. Each parameter group has a rate of its own.

    Args:
        optimizer: Any optimizer whose groups have a positive ``lr``.
        rate: Hypergradient learning rate beta.
        mode: ``"multiplicative"`` uses ``alpha <- alpha (1 + beta cos(g, u))``, which does not depend on the scale of
            loss and weights; ``"additive"`` uses ``alpha <- alpha + beta g . u``.
        low: The rate never falls below.
        high: The rate never rises above.

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = torch.optim.SGD([weight], lr=0.01)
        >>> hypergradient = Hypergradient(optimizer, rate=0.5)
        >>> for _ in range(3):
        ...     optimizer.zero_grad()
        ...     (weight**2).sum().backward()
        ...     optimizer.step()
        >>> round(optimizer.param_groups[0]["lr"], 4)  # the slope did not change its sign: 0.01 * 1.5 * 1.5
        0.0225

    References:
        Baydin, Cornish, Rubio, Schmidt, Wood, Online Learning Rate Adaptation with Hypergradient Descent, ICLR 2018,
        arXiv:1703.04782.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        *,
        rate: float = 0.02,
        mode: Mode = "multiplicative",
        low: float = 1e-8,
        high: float = 1e2,
    ) -> None:
        if mode not in ("multiplicative", "additive"):
            raise ValueError(f"mode must be 'multiplicative' or 'additive', got {mode!r}")
        if not (math.isfinite(rate) and rate > 0 and 0 < low <= high):
            raise ValueError(f"rate > 0 and 0 < low <= high wanted, got rate={rate}, low={low}, high={high}")
        if any(group["lr"] <= 0 for group in optimizer.param_groups):
            raise ValueError("every learning rate must be above zero to begin with")
        self.optimizer, self.rate, self.mode, self.low, self.high = optimizer, rate, mode, low, high
        self._before: list[list[Tensor]] = []
        self._update: list[list[Tensor]] | None = None  # u, by group and parameter
        self._handles = [
            optimizer.register_step_pre_hook(self._adapt),
            optimizer.register_step_post_hook(self._remember),
        ]

    def remove(self) -> None:
        """Let go of the optimizer; its rates stay as they are."""
        for handle in self._handles:
            handle.remove()

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step needs; the rates themselves are in the optimizer's state."""
        return {"update": self._update}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._update = state["update"]

    @torch.no_grad()
    def _adapt(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Move the rates along the hypergradient, and keep the weights as they are before the step."""
        for number, group in enumerate(optimizer.param_groups):
            if self._update is not None:
                group["lr"] = self._moved(group["lr"], group["params"], self._update[number])
        self._before = [[p.detach().clone() for p in group["params"]] for group in optimizer.param_groups]

    @torch.no_grad()
    def _remember(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Keep what the step subtracted, per unit of the rate."""
        self._update = [
            [(old - p) / group["lr"] for old, p in zip(before, group["params"], strict=True)]
            for before, group in zip(self._before, optimizer.param_groups, strict=True)
        ]
        self._before = []

    def _moved(self, lr: float, params: list[Tensor], update: list[Tensor]) -> float:
        pairs = [(p.grad, u) for p, u in zip(params, update, strict=True) if p.grad is not None]
        along = sum(float((g * u).sum()) for g, u in pairs)
        if self.mode == "multiplicative":
            norms = math.sqrt(sum(float(g.square().sum()) for g, _ in pairs))
            norms *= math.sqrt(sum(float(u.square().sum()) for _, u in pairs))
            moved = lr * (1.0 + self.rate * along / norms) if norms > 0 else lr
        else:
            moved = lr + self.rate * along
        return min(max(moved, self.low), self.high) if math.isfinite(moved) else lr
