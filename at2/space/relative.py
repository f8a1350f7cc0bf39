"""Ranges that move with another hyperparameter: a maximal learning rate of 1.1 to 1.5 times the initial one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from at2.errors import SpaceError
from at2.space.parameters import Number, as_number, refuse

_ROUNDING = 1e-12
"""Relative slack at both ends: a product computed in another order, or elsewhere, may differ in its last digits."""


@dataclass(frozen=True)
class RelativeRange:
    """Says that a declared range is a range of ratios to another hyperparameter.

    The value is ``min(upper, ratio * base)``. It is what users write and read; the ratio is what is sampled uniformly
    (or log-uniformly) from the declared range, and what an encoded row holds.

    Args:
        to: Name of the base, a hyperparameter whose own range is positive.
        upper: No value goes above this; None for no such cap.

    Raises:
        SpaceError: If `upper` is not positive and finite.

    Example:
        >>> RelativeRange("lr", upper=1.0).value(1.5, 0.1)
        0.15000000000000002
        >>> RelativeRange("lr", upper=1.0).value(1.5, 0.8)
        1.0
    """

    to: str
    upper: float | None = None

    def __post_init__(self) -> None:
        if self.upper is not None and not 0 < self.upper < math.inf:
            raise SpaceError(f"the cap of a relative range must be positive and finite, got upper={self.upper!r}")

    def value(self, ratio: float, base: float) -> float:
        """Return the value at a ratio to `base`, capped."""
        product = ratio * base
        return product if self.upper is None else min(self.upper, product)

    def check(self, value: object, base: float, declared: Number) -> float:
        """Return `value` as a float inside the range that `base` leaves.

        A value beyond an end by rounding alone (1e-12 of it) is moved onto the end; nothing else is let through.

        Args:
            value: The value that a user gave.
            base: The value of the hyperparameter named by `to`.
            declared: The declared range of ratios.

        Raises:
            SpaceError: If `value` is no number, or lies outside that range.
        """
        number = as_number(value, declared)
        low, high = self.value(declared.low, base), self.value(declared.high, base)
        if not low * (1 - _ROUNDING) <= number <= high * (1 + _ROUNDING):
            cap = "" if self.upper is None else f", at most {self.upper:g}"
            wanted = f"{declared.low:g} to {declared.high:g} times {self.to!r}{cap}: in [{low!r}, {high!r}]"
            raise refuse(declared, value, wanted)
        return min(max(float(number), low), high)

    def ratio(self, value: float, base: float, declared: Number) -> float:
        """Return a checked value's ratio to `base`; at the cap, the smallest of the ratios that lead there."""
        return min(max(value / base, declared.low), declared.high)

    def describe(self, declared: Number) -> str:
        """Say which values are allowed: ``'lr * (1.1 to 1.5), at most 1'``."""
        cap = "" if self.upper is None else f", at most {self.upper:g}"
        return f"{self.to} * ({declared.describe()}){cap}"
