"""Learning-rate schedules: cycles that double, and where the four of HyperRec come from.

StepLR, ExponentialLR, CyclicLR and CosineAnnealingWarmRestarts are `torch.optim.lr_scheduler`'s own;
:func:`at2.space.build_scheduler` builds them from a HyperRec configuration.
"""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def doubling_triangular(step: int, *, low: float, high: float, n_s: int, cycles: int | None = None) -> float:
    """Return the triangular cyclical learning rate whose half-cycle doubles with each cycle.

    Cycle ``c`` (from 0) rises from `low` to `high` in ``n_s * 2**c`` updates and falls again in as many.

    Args:
        step: Update, counted from 0.
        low: Learning rate at the corners below.
        high: Learning rate at the corners above.
        n_s: Updates in the first half-cycle.
        cycles: After so many cycles the rate stays at `low`; None goes on for ever.

    Example:
        >>> corners = (0, 800, 1600, 3200, 4800, 8000, 11200)
        >>> [doubling_triangular(step, low=1e-5, high=1e-1, n_s=800, cycles=3) for step in corners]
        [1e-05, 0.1, 1e-05, 0.1, 1e-05, 0.1, 1e-05]

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2015, arXiv:1506.01186.
    """
    cycle, start = 0, 0
    while step - start >= 2 * (n_s << cycle):
        start += 2 * (n_s << cycle)
        cycle += 1
        if cycles is not None and cycle >= cycles:
            return low
    share = (step - start) / (n_s << cycle)
    share = share if share <= 1 else 2 - share
    return low * (1 - share) + high * share


class DoublingTriangular(LRScheduler):
    """`doubling_triangular` for an optimizer, stepped after every update.

    Args:
        optimizer: Whose learning rate is set.
        low: Learning rate at the corners below.
        high: Learning rate at the corners above.
        n_s: Updates in the first half-cycle.
        cycles: After so many cycles the rate stays at `low`; None goes on for ever.

    Raises:
        ValueError: If the rates are not ``0 < low <= high``, or a count is below 1.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        >>> schedule = DoublingTriangular(optimizer, low=0.1, high=0.5, n_s=2, cycles=2)
        >>> rates = []
        >>> for _ in range(8):
        ...     rates.append(round(optimizer.param_groups[0]["lr"], 3))
        ...     optimizer.step()
        ...     schedule.step()
        >>> rates
        [0.1, 0.3, 0.5, 0.3, 0.1, 0.2, 0.3, 0.4]
        >>> schedule.n_update
        12
    """

    def __init__(
        self, optimizer: Optimizer, *, low: float = 1e-5, high: float = 1e-1, n_s: int = 800, cycles: int | None = 3
    ) -> None:
        if not 0 < low <= high or n_s < 1 or (cycles is not None and cycles < 1):
            raise ValueError(
                f"0 < low <= high and n_s, cycles >= 1 wanted, got low={low}, high={high}, n_s={n_s}, cycles={cycles}"
            )
        self.low, self.high, self.n_s, self.cycles = low, high, n_s, cycles
        super().__init__(optimizer)

    @property
    def n_update(self) -> int | None:
        """Updates in all cycles together: ``2 n_s (2^cycles - 1)``; None if they go on for ever."""
        return None if self.cycles is None else 2 * self.n_s * ((1 << self.cycles) - 1)

    def get_lr(self) -> list[float]:  # type: ignore[override]  # PyTorch's own signature also allows tensors
        """Return the learning rate of each parameter group at this update."""
        rate = doubling_triangular(self.last_epoch, low=self.low, high=self.high, n_s=self.n_s, cycles=self.cycles)
        return [rate for _ in self.optimizer.param_groups]
