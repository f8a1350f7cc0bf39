"""One hyperparameter at a time: what values it may take, and how a value turns into columns of numbers and back.

A `Number` fills one column in [0, 1]; a `Choice` fills one 0/1 column for every option, or one column of ranks when
its options are ordered. Both answer the same four calls (``columns``, ``check``, ``encode``, ``decode``), so that
:class:`~at2.space.SearchSpace` need not know which is which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ConfigSpace
import numpy as np
import numpy.typing as npt
import pandas as pd
from ConfigSpace.hyperparameters import FloatHyperparameter, Hyperparameter, IntegerHyperparameter

from at2.errors import SpaceError

Value = bool | int | float | str
"""What a hyperparameter's value may be, in plain Python."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One column of an encoded configuration.

    Args:
        name: Name of the column: ``"lr"``, ``"model=resnet34"``.
        parameter: The hyperparameter that the column comes from.
        choice: The option that a 1 in this column stands for; None in a column that holds a number or a rank.
    """

    name: str
    parameter: str
    choice: Value | None = None


@dataclass(frozen=True)
class Number:
    """A number from a range, both ends included.

    Args:
        name: The name that users write.
        variant: The name in the ConfigSpace declaration.
        low: Smallest value.
        high: Largest value, above `low`.
        log: True when equal ratios count as equal steps; needs ``low > 0``.
        integer: True when only whole numbers are allowed.
        default: The value used where nothing else is known.
        when: When it is active, in words.
    """

    name: str
    variant: str
    low: float
    high: float
    log: bool
    integer: bool
    default: Value
    when: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The single column, named after the declaration."""
        return (Column(self.variant, self.name),)

    def describe(self) -> str:
        """Say which values are allowed: ``'log integer 2 to 20'``."""
        words = ["log"] * self.log + ["integer"] * self.integer
        return " ".join([*words, f"{self.low:g} to {self.high:g}"])

    def check(self, value: object) -> Value:
        """Return `value` as a Python int or float if it lies in the range.

        Raises:
            SpaceError: If it is no number, not whole where that is wanted, or outside the range.
        """
        number = as_number(value, self)
        if not self.low <= number <= self.high:
            raise refuse(self, value, f"a number in [{self.low!r}, {self.high!r}]")
        return number

    def encode(self, values: Sequence[Any]) -> Floats:
        """Scale n values to [0, 1], in logarithms where `log`; shape ``(n, 1)``."""
        scaled = _ruler(np.asarray(values, dtype=np.float64), self.log)
        low, high = _ruler(np.array([self.low, self.high]), self.log)
        unit: Floats = np.clip((scaled - low) / (high - low), 0.0, 1.0)
        return unit[:, None]

    def decode(self, cells: Floats) -> Value:
        """Return the value at a position in [0, 1]; positions outside count as the nearer end."""
        position = float(cells[0])
        if math.isnan(position):
            return self.default
        if not 0 < position < 1:
            return self.low if position <= 0 else self.high
        low, high = _ruler(np.array([self.low, self.high]), self.log)
        scaled = float(low + position * (high - low))
        value = min(max(math.exp(scaled) if self.log else scaled, self.low), self.high)
        return round(value) if self.integer else value


@dataclass(frozen=True)
class Choice:
    """One of a few options.

    Args:
        name: The name that users write.
        variant: The name in the ConfigSpace declaration.
        choices: The options: texts, numbers or truth values.
        ordered: True when the options have an order; they then share one column, as ranks.
        default: The option used where nothing else is known.
        when: When it is active, in words.

    Raises:
        SpaceError: If an option is anything else, None included, since None means "not given".
    """

    name: str
    variant: str
    choices: tuple[Value, ...]
    ordered: bool
    default: Value
    when: str = ""

    def __post_init__(self) -> None:
        for choice in self.choices:
            if not isinstance(choice, bool | int | float | str) or choice != choice:
                raise refuse(self, choice, "options that are texts, numbers or truth values")

    @property
    def columns(self) -> tuple[Column, ...]:
        """A column for every option, or a single one when they are ordered."""
        if self.ordered:
            return (Column(self.variant, self.name),)
        return tuple(Column(f"{self.variant}={choice}", self.name, choice) for choice in self.choices)

    def describe(self) -> str:
        """Say which options exist: ``'adam, momentum'``."""
        return (" < " if self.ordered else ", ").join(map(str, self.choices))

    @cached_property
    def _rank(self) -> dict[tuple[bool, Value], int]:
        return {(isinstance(choice, bool), choice): rank for rank, choice in enumerate(self.choices)}

    def check(self, value: object) -> Value:
        """Return the option that equals `value`; a truth value and a number never count as equal.

        Raises:
            SpaceError: If there is no such option.
        """
        plain: Any = value.item() if isinstance(value, np.generic) else value
        try:
            return self.choices[self._rank[isinstance(plain, bool), plain]]
        except (KeyError, TypeError):  # TypeError: a list, say, cannot be looked up
            raise refuse(self, value, f"one of {list(self.choices)}") from None

    def encode(self, values: Sequence[Any]) -> Floats:
        """Turn n options into 0/1 columns, shape ``(n, n_choice)``, or into ranks in [0, 1], shape ``(n, 1)``."""
        ranks = np.array([self._rank[isinstance(value, bool), value] for value in values], dtype=np.int64)
        if self.ordered:
            return ranks[:, None] / max(len(self.choices) - 1, 1)
        hot: Floats = np.eye(len(self.choices))[ranks]
        return hot

    def decode(self, cells: Floats) -> Value:
        """Return the option with the highest cell, or with the nearest rank."""
        if bool(np.isnan(cells).all()):
            return self.default
        if self.ordered:
            return self.choices[round(float(np.clip(cells[0], 0.0, 1.0)) * (len(self.choices) - 1))]
        return self.choices[int(np.nanargmax(cells))]


def parameter_from(declared: Hyperparameter[Any, Any], *, name: str, when: str) -> Number | Choice:
    """Read one hyperparameter of a ConfigSpace declaration.

    Args:
        declared: Any bounded hyperparameter of ConfigSpace.
        name: The name that users write.
        when: When it is active, in words.

    Raises:
        SpaceError: If its kind is unknown here, or a range has no ends.
    """
    default, variant = _plain(declared.default_value), declared.name
    if isinstance(declared, ConfigSpace.Constant):
        return Choice(name, variant, (_plain(declared.value),), False, default, when)
    if isinstance(declared, ConfigSpace.CategoricalHyperparameter):
        return Choice(name, variant, tuple(map(_plain, declared.choices)), False, default, when)
    if isinstance(declared, ConfigSpace.OrdinalHyperparameter):
        return Choice(name, variant, tuple(map(_plain, declared.sequence)), True, default, when)
    if not isinstance(declared, FloatHyperparameter | IntegerHyperparameter):
        message = f"hyperparameter {variant!r} is a {type(declared).__name__}; at2 knows numbers, choices and constants"
        raise SpaceError(message, parameter=name)
    low, high = _plain(declared.lower), _plain(declared.upper)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise SpaceError(f"hyperparameter {variant!r} needs a finite range, got {low} to {high}", parameter=name)
    integer = isinstance(declared, IntegerHyperparameter)
    return Number(name, variant, low, high, bool(declared.log), integer, default, when)


def is_missing(value: object) -> bool:
    """Tell None, NaN, pandas.NA and NaT, which all mean "not given", from values."""
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def as_number(value: object, parameter: Number) -> int | float:
    """Return a finite number in plain Python; whole floats become ints where `parameter` wants whole numbers.

    Raises:
        SpaceError: If `value` is a truth value, a text, not finite, or not whole where that is wanted.
    """
    wanted = "a whole number" if parameter.integer else "a number"
    plain: Any = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise refuse(parameter, value, f"{wanted} in [{parameter.low!r}, {parameter.high!r}]")
    if not parameter.integer:
        return float(plain)
    if plain != int(plain):
        raise refuse(parameter, value, f"{wanted} in [{parameter.low!r}, {parameter.high!r}]")
    return int(plain)


def refuse(parameter: Number | Choice, value: object, wanted: str) -> SpaceError:
    """Build the error that says what was wanted, what came, and under which condition."""
    when = f" when {parameter.when}" if parameter.when else ""
    return SpaceError(f"{parameter.name!r} must be {wanted}{when}; got {value!r}", parameter=parameter.name)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _ruler(values: Floats, log: bool) -> Floats:
    """Lay values out so that equal steps count equally."""
    return np.log(values) if log else values
