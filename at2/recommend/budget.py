"""How much may be spent on a target, in training epochs or in seconds, and what it costs to change over."""

from __future__ import annotations

from dataclasses import dataclass

from at2.errors import BudgetError
from at2.scalars import is_finite, is_whole


@dataclass(frozen=True)
class Budget:
    """A budget in exactly one unit, and the one-off costs that are paid from it.

    Args:
        epochs: Number of training epochs, over all configurations together; a failed epoch counts as well.
        seconds: Seconds of training, summed over all epochs as they are told.
        start_cost: What the first epoch of a configuration costs on top, in the unit of the budget: building data and
            network, or compiling. Seconds that are told are those of the epoch alone.
        resume_cost: What it costs on top to take up a paused configuration, in the unit of the budget.

    Raises:
        BudgetError: If both or neither unit is given, an amount is not a positive, finite number, a one-off cost is
            negative or not finite, or the budget does not pay for the first epoch.

    Example:
        >>> Budget(epochs=100, resume_cost=0.5)
        Budget(epochs=100, seconds=None, start_cost=0.0, resume_cost=0.5)
        >>> Budget(seconds=7200).unit
        'second'
    """

    epochs: int | None = None
    seconds: float | None = None
    start_cost: float = 0.0
    resume_cost: float = 0.0

    def __post_init__(self) -> None:
        """Check the amount."""
        if (self.epochs is None) == (self.seconds is None):
            raise BudgetError(
                f"wanted a budget in one unit, got epochs={self.epochs!r} and seconds={self.seconds!r}; "
                "write Budget(epochs=100) or Budget(seconds=7200)"
            )
        if self.epochs is not None and not (is_whole(self.epochs) and self.epochs > 0):
            raise BudgetError(f"epochs must be a whole number above zero, got {self.epochs!r}")
        if self.seconds is not None and not (is_finite(self.seconds) and self.seconds > 0):
            raise BudgetError(f"seconds must be a finite number above zero, got {self.seconds!r}")
        for name in ("start_cost", "resume_cost"):
            cost = getattr(self, name)
            if not (is_finite(cost) and cost >= 0):
                raise BudgetError(f"{name} must be a finite number that is not negative, got {cost!r}")
        for name, kind in (("epochs", int), ("seconds", float), ("start_cost", float), ("resume_cost", float)):
            amount = getattr(self, name)
            object.__setattr__(self, name, None if amount is None else kind(amount))  # of numpy, maybe
        if self.start_cost + (self.epochs is not None) > self.amount:
            raise BudgetError(
                f"start_cost={self.start_cost!r} leaves nothing of {self.amount:g} {self.unit}s for a first epoch; "
                "give a larger budget or a lower start_cost"
            )

    @property
    def unit(self) -> str:
        """``"epoch"`` or ``"second"``."""
        return "epoch" if self.epochs is not None else "second"

    @property
    def amount(self) -> float:
        """How much may be spent, in `unit`."""
        return float(self.epochs if self.epochs is not None else self.seconds or 0.0)
