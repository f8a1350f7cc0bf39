"""How much may be spent on a target: training epochs, or seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from at2.errors import BudgetError


@dataclass(frozen=True)
class Budget:
    """A budget in exactly one unit.

    Args:
        epochs: Number of training epochs, over all configurations together; a failed epoch counts as well.
        seconds: Seconds of training, summed over all epochs as they are told.

    Raises:
        BudgetError: If both or neither are given, or the amount is not a positive, finite number.

    Example:
        >>> Budget(epochs=100)
        Budget(epochs=100, seconds=None)
    """

    epochs: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Check the amount."""
        if (self.epochs is None) == (self.seconds is None):
            raise BudgetError(
                f"wanted a budget in one unit, got epochs={self.epochs!r} and seconds={self.seconds!r}; "
                "write Budget(epochs=100) or Budget(seconds=7200)"
            )
        if self.epochs is not None and not (_is(self.epochs, Integral) and self.epochs > 0):
            raise BudgetError(f"epochs must be a whole number above zero, got {self.epochs!r}")
        if self.seconds is not None and not (_is(self.seconds, Real) and 0 < self.seconds < math.inf):
            raise BudgetError(f"seconds must be a finite number above zero, got {self.seconds!r}")


def _is(amount: object, kind: type) -> bool:
    """A number of that kind; True and False are no numbers here."""
    return isinstance(amount, kind) and not isinstance(amount, bool)
