"""When a hyperparameter is active: ConfigSpace's conditions, asked with plain values and said in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ConfigSpace
from ConfigSpace.conditions import ConditionLike, Conjunction
from ConfigSpace.types import NotSet

_SIGNS: dict[type[Any], str] = {
    ConfigSpace.EqualsCondition: "==",
    ConfigSpace.NotEqualsCondition: "!=",
    ConfigSpace.LessThanCondition: "<",
    ConfigSpace.GreaterThanCondition: ">",
}


class Values(dict[str, Any]):
    """The values of the hyperparameters met so far; one that is missing reads as ConfigSpace's `NotSet`.

    ConfigSpace takes a condition on a `NotSet` parent as not satisfied: children of an inactive parent are inactive.
    """

    def __missing__(self, name: str) -> object:
        return NotSet


def parents(conditions: Iterable[ConditionLike]) -> set[str]:
    """Return the names that the conditions look at."""
    literals = (part for c in conditions for part in (c.dlcs if isinstance(c, Conjunction) else (c,)))
    return {literal.parent.name for literal in literals}


def in_words(conditions: Iterable[ConditionLike]) -> str:
    """Say when all the conditions hold: ``"scheduler in ['StepLR', 'CyclicLR']"``; empty when there are none."""
    return " and ".join(_phrase(condition) for condition in conditions)


def _phrase(condition: ConditionLike) -> str:
    if isinstance(condition, Conjunction):
        word = " or " if isinstance(condition, ConfigSpace.OrConjunction) else " and "
        return "(" + word.join(_phrase(part) for part in condition.components) + ")"
    if isinstance(condition, ConfigSpace.InCondition):
        return f"{condition.parent.name} in {list(condition.values)}"
    return f"{condition.parent.name} {_SIGNS[type(condition)]} {condition.value!r}"
