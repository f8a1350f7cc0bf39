"""Conditions read off configurations: which hyperparameter is there exactly where another has certain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ConfigSpace as cs
import numpy as np
import numpy.typing as npt
import pandas as pd
from ConfigSpace.hyperparameters import (
    CategoricalHyperparameter,
    Hyperparameter,
    IntegerHyperparameter,
    OrdinalHyperparameter,
)

from at2.space.space import SearchSpace

_CHANCE = 0.01  # probability that numbers which all differ are told apart by luck, up to which a rule is believed
_LEAST = 2  # configurations with a hyperparameter, and without it, from which on a rule is believed

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Branch:
    """One rule.

    Args:
        condition: When the hyperparameter is there.
        holds: Of which configurations it is true, ``(n_config,)``.
    """

    condition: Any
    holds: Flags


def space_with_branches(
    declared: Mapping[str, Hyperparameter[Any, Any]], frame: pd.DataFrame, groups: Sequence[object], *, name: str
) -> tuple[SearchSpace, dict[str, Any]]:
    """Return the space of configurations; what some of them lack is conditional where a rule says so, else optional.

    Args:
        declared: ConfigSpace's declarations by name.
        frame: Configurations, as in `find_branch`.
        groups: Where each comes from.
        name: Name of the space.

    Returns:
        The space, and the conditions that were found by the name of the hyperparameter that has them.
    """
    space, optional, conditions = cs.ConfigurationSpace(name=name), [], {}
    space.add(*declared.values())
    for key in declared:
        missing = frame[key].isna().to_numpy(dtype=bool)
        branch = find_branch(key, frame, groups, declared) if missing.any() else None
        if branch is not None:
            conditions[key] = branch.condition
            space.add(branch.condition)
        if (missing if branch is None else missing & branch.holds).any():
            optional.append(key)
    return SearchSpace(space, optional=optional, names=list(declared)), conditions


def find_branch(
    child: str, frame: pd.DataFrame, groups: Sequence[object], declared: Mapping[str, Any]
) -> Branch | None:
    """Look for a rule that says where a hyperparameter is active.

    Choices, ordered choices and whole numbers may decide, the latter by being above or below something. Those that are
    always there come first, and of these the ones with the fewest values: what takes a value of its own in most
    configurations is above or below something by chance where there are few. One that is conditional itself must stand
    before the child.

    Args:
        child: Name of the hyperparameter.
        frame: Configurations, a column for each hyperparameter, missing where it was not given; shape
            ``(n_config, n_column)``.
        groups: Where each configuration comes from. Groups that never have the hyperparameter say nothing of it.
        declared: ConfigSpace's declarations by name.

    Returns:
        The rule, exact in every group that has the hyperparameter; None where there is none, or where fewer than two
        configurations have, or lack, it.
    """
    given = frame.notna()
    here = given[child].groupby(np.asarray(groups, dtype=object)).transform("any").to_numpy(dtype=bool)
    there = given[child].to_numpy(dtype=bool)
    if there.sum() < _LEAST or (here & ~there).sum() < _LEAST:
        return None
    always = [name for name in declared if bool(given.loc[here, name].all())]
    always.sort(key=lambda name: frame.loc[here, name].nunique())
    before = list(declared)[: list(declared).index(child)]
    for parent in [*always, *(name for name in before if name not in always)]:
        known = given[parent].to_numpy(dtype=bool)
        lacking = here & known & ~there
        if bool((there & ~known).any()) or lacking.sum() < _LEAST:
            continue
        on, off = (set(frame.loc[rows, parent].unique()) for rows in (there, lacking))
        condition = _rule(declared[child], declared[parent], on, off)
        if condition is not None and not _is_chance(on, off, int(there.sum()), int(lacking.sum())):
            holds = np.zeros(len(frame), dtype=bool)
            holds[known] = [condition.satisfied_by_value({parent: value}) for value in frame.loc[known, parent]]
            return Branch(condition, holds)
    return None


def _is_chance(on: set[Any], off: set[Any], n_on: int, n_off: int) -> bool:
    """Whether values are told apart that mostly occur once, in configurations that are too few to believe it."""
    mostly_once = 2 * (len(on) + len(off)) > n_on + n_off
    return mostly_once and 2.0 / math.comb(n_on + n_off, n_on) > _CHANCE


def _rule(child: Any, parent: Any, on: set[Any], off: set[Any]) -> Any | None:
    """The condition under which `parent` has one of the values `on` and none of `off`."""
    if on & off:
        return None
    if isinstance(parent, CategoricalHyperparameter | OrdinalHyperparameter):
        if len(on) == 1:
            return cs.EqualsCondition(child, parent, next(iter(on)))
        choices = parent.choices if isinstance(parent, CategoricalHyperparameter) else parent.sequence
        return cs.InCondition(child, parent, [choice for choice in choices if choice in on])
    if isinstance(parent, IntegerHyperparameter):
        if min(on) > max(off):
            return cs.GreaterThanCondition(child, parent, int(max(off)))
        if max(on) < min(off):
            return cs.LessThanCondition(child, parent, int(min(off)))
    return None
